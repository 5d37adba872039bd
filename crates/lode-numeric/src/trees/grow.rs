//! Grows one tree on slopes and curvatures, best leaf first.
//!
//! Does not know the objective, folds or rounds. Invariant: nodes come out in preorder (a
//! node's left child is the next node), and the rows of every node stay in rising order.

use std::ops::Range;

use super::constraints::Amount;
use super::constraints::Bounds;
use super::constraints::Rules;
use super::histogram;
use super::histogram::Bins;
use super::histogram::Layout;
use super::histogram::Packed;
use super::histogram::Rows;
use super::histogram::Worker;
use super::partition;
use super::quantize::Scale;
use super::quantize::Sum;
use super::split;
use super::split::Limits;
use super::split::Split;
use crate::parallel::Crew;

/// One node of a tree; a leaf when `column` is [`LEAF`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Node {
    /// Binned column that is cut.
    pub(super) column: u32,
    /// Index of the right child; the left one follows its parent.
    pub(super) right: u32,
    /// Highest bin that goes left.
    pub(super) bin: u8,
    pub(super) missing_left: bool,
    /// Weight of the training rows that came here.
    pub(super) cover: f32,
    /// Of a leaf: what it adds to the margin. Of a split in a finished model: 0; of one just
    /// grown: what it would add as a leaf.
    pub(super) value: f64,
}

/// Marks a leaf.
pub(super) const LEAF: u32 = u32::MAX;

/// Rows of a leaf that are added up at a time.
const CHUNK: usize = 8192;

/// How far a tree may grow.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) max_depth: usize,
    pub(super) max_leaves: usize,
    pub(super) limits: Limits,
    /// Rows of the parent's value that are mixed into a leaf's.
    pub(super) smoothing: f64,
}

/// What one tree is grown from.
pub(super) struct Sample<'a> {
    pub(super) bins: &'a Bins<'a>,
    /// Columns the tree may use, rising.
    pub(super) columns: Vec<u32>,
    /// Rows the tree sees, rising.
    pub(super) rows: Vec<u32>,
    /// Rows it does not see, but deals to its leaves, rising.
    pub(super) others: Vec<u32>,
    /// Slope and curvature of each row of the table in whole numbers.
    pub(super) packed: &'a [u64],
    /// The same before they were made whole, where leaves are to have them: of few rows, which
    /// are cheap to add up once more.
    pub(super) slopes: Option<&'a [[f64; 2]]>,
    pub(super) scale: Scale,
    /// Weight of each row of the table; none where all are 1.
    pub(super) weights: Option<&'a [f64]>,
    /// What the tree must keep to.
    pub(super) rules: Option<&'a Rules>,
    pub(super) crew: &'a Crew<'a>,
}

/// Buffers that trees use again.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    cells: Vec<Vec<Sum>>,
    rows: Vec<u32>,
    workers: Vec<Worker>,
}

/// A node while the tree grows.
struct Growing {
    rows: Range<usize>,
    others: Range<usize>,
    depth: usize,
    total: Sum,
    bounds: Bounds,
    cells: Option<Vec<Sum>>,
    split: Option<Split>,
    children: Option<(usize, usize)>,
}

impl Growing {
    fn new(rows: Range<usize>, others: Range<usize>, depth: usize, total: Sum) -> Self {
        Self {
            rows,
            others,
            depth,
            total,
            bounds: Bounds::default(),
            cells: None,
            split: None,
            children: None,
        }
    }
}

/// Where the rows of a leaf lie.
#[derive(Clone, Debug)]
pub(super) struct Leaf {
    pub(super) node_idx: usize,
    pub(super) rows: Range<usize>,
    pub(super) others: Range<usize>,
}

/// A tree with the gain of each of its nodes, 0 for a leaf.
#[derive(Clone, Debug, Default)]
pub(super) struct Grown {
    pub(super) nodes: Vec<Node>,
    pub(super) gains: Vec<f64>,
    /// The rows it was grown from and the others, those of a leaf together.
    pub(super) rows: Vec<u32>,
    pub(super) others: Vec<u32>,
    pub(super) leaves: Vec<Leaf>,
}

/// Grows a tree.
pub(super) fn grow(mut sample: Sample<'_>, shape: &Shape, scratch: &mut Scratch) -> Grown {
    let layout = Layout::new(std::mem::take(&mut sample.columns), sample.bins);
    let mut tree = Tree {
        layout,
        shape,
        nodes: Vec::new(),
        sample,
        scratch,
    };
    tree.plant();
    let mut n_leaves = 1;
    while n_leaves < shape.max_leaves {
        let Some((node_idx, split)) = tree.next_split() else {
            break;
        };
        n_leaves += 1;
        tree.split(node_idx, &split, n_leaves < shape.max_leaves);
    }
    tree.finish()
}

struct Tree<'a, 'b> {
    layout: Layout,
    shape: &'a Shape,
    nodes: Vec<Growing>,
    sample: Sample<'a>,
    scratch: &'b mut Scratch,
}

impl Tree<'_, '_> {
    fn plant(&mut self) {
        let (n, n_others) = (self.sample.rows.len(), self.sample.others.len());
        let total = Sum {
            slope: 0,
            // Tables have fewer than 2^32 rows.
            rest: n as u64,
        };
        let mut root = Growing::new(0..n, 0..n_others, 0, total);
        if self.may_split(&root) && self.shape.max_leaves > 1 && !self.layout.columns.is_empty() {
            let cells = self.fill(&root.rows);
            let first = &cells[self.layout.range(0)];
            root.total = first
                .iter()
                .fold(Sum::default(), |sum, cell| sum.plus(*cell));
            self.look(&mut root, cells);
        }
        self.nodes.push(root);
    }

    fn may_split(&self, node: &Growing) -> bool {
        node.depth < self.shape.max_depth && node.total.n() >= 2 * self.shape.limits.min_rows.max(1)
    }

    fn fill(&mut self, range: &Range<usize>) -> Vec<Sum> {
        let mut cells = self.scratch.cells.pop().unwrap_or_default();
        let n_all = self.sample.packed.len();
        let rows = if range.len() == n_all {
            Rows::All(0, n_all)
        } else {
            Rows::Some(&self.sample.rows[range.clone()])
        };
        let table = Packed {
            bins: self.sample.bins,
            rows: self.sample.packed,
            fields: self.sample.scale.fields,
        };
        let workers = &mut self.scratch.workers;
        histogram::fill(
            &table,
            &self.layout,
            rows,
            self.sample.crew,
            workers,
            &mut cells,
        );
        cells
    }

    /// Finds the best split of a node, and keeps its cells for the children when there is one.
    fn look(&mut self, node: &mut Growing, cells: Vec<Sum>) {
        let (scale, limits) = (&self.sample.scale, &self.shape.limits);
        node.split = match self.sample.rules {
            None => split::best(&self.layout, &cells, node.total, scale, limits),
            Some(rules) => self.legal(rules, node, &cells),
        };
        if node.split.is_some() {
            node.cells = Some(cells);
        } else {
            self.scratch.cells.push(cells);
        }
    }

    /// The best split that keeps to the rules.
    fn legal(&self, rules: &Rules, node: &Growing, cells: &[Sum]) -> Option<Split> {
        let limits = &self.shape.limits;
        let amounts = |at: usize| self.amount(cells[at]);
        let total = self.amount(node.total);
        let cut = rules.best(&self.layout, amounts, &total, limits, &node.bounds)?;
        let cells = &cells[self.layout.range(cut.slot)];
        let left = split::left(cells, cut.bin, cut.missing_left);
        Some(Split {
            column: self.layout.columns[cut.slot],
            bin: cut.bin,
            missing_left: cut.missing_left,
            gain: cut.gain,
            left,
            right: node.total.minus(left),
        })
    }

    fn amount(&self, sum: Sum) -> Amount {
        Amount {
            slope: self.sample.scale.slope(sum),
            curve: self.sample.scale.curve(sum),
            n: f64::from(sum.n()),
        }
    }

    fn next_split(&self) -> Option<(usize, Split)> {
        let mut best: Option<(usize, Split)> = None;
        for (node_idx, node) in self.nodes.iter().enumerate() {
            if let Some(split) = node.split
                && node.children.is_none()
                && best.is_none_or(|(_, other)| split.gain > other.gain)
            {
                best = Some((node_idx, split));
            }
        }
        best
    }

    fn split(&mut self, node_idx: usize, split: &Split, more: bool) {
        let node = &mut self.nodes[node_idx];
        let (rows, others, depth) = (node.rows.clone(), node.others.clone(), node.depth);
        let (cells, above) = (node.cells.take(), node.bounds);
        let column = self.sample.bins.columns[split.column as usize];
        let mut goes_left = [false; 256];
        for (goes, bin) in goes_left.iter_mut().zip(0..=255) {
            *goes = split.goes_left(bin);
        }
        let crew = self.sample.crew;
        let mut deal = |all: &mut [u32], range: &Range<usize>| {
            let own = &mut all[range.clone()];
            let scratch = &mut self.scratch.rows;
            range.start + partition::partition(own, column, &goes_left, scratch, crew)
        };
        let middle = deal(&mut self.sample.rows, &rows);
        let middle_others = deal(&mut self.sample.others, &others);
        let mut left = Growing::new(
            rows.start..middle,
            others.start..middle_others,
            depth + 1,
            split.left,
        );
        let mut right = Growing::new(
            middle..rows.end,
            middle_others..others.end,
            depth + 1,
            split.right,
        );
        if let Some(rules) = self.sample.rules {
            let sides = [&self.amount(split.left), &self.amount(split.right)];
            [left.bounds, right.bounds] =
                rules.children(split.column, &above, sides, &self.shape.limits);
        }
        if let Some(mut cells) = cells {
            if more && (self.may_split(&left) || self.may_split(&right)) {
                let (small, large) = if left.total.n() <= right.total.n() {
                    (&mut left, &mut right)
                } else {
                    (&mut right, &mut left)
                };
                let own = self.fill(&small.rows);
                histogram::subtract(&mut cells, &own);
                for (node, cells) in [(small, own), (large, cells)] {
                    if self.may_split(node) {
                        self.look(node, cells);
                    } else {
                        self.scratch.cells.push(cells);
                    }
                }
            } else {
                self.scratch.cells.push(cells);
            }
        }
        let first = self.nodes.len();
        self.nodes.push(left);
        self.nodes.push(right);
        self.nodes[node_idx].children = Some((first, first + 1));
    }

    /// Slope, curvature and weight of each node: those of leaves added in fixed chunks of rows
    /// where single rows must be looked at, those of other nodes by their children.
    fn totals(&self) -> Vec<[f64; 3]> {
        let scale = &self.sample.scale;
        let mut totals: Vec<[f64; 3]> = self
            .nodes
            .iter()
            .map(|node| {
                let sum = node.total;
                [scale.slope(sum), scale.curve(sum), f64::from(sum.n())]
            })
            .collect();
        if self.sample.slopes.is_none() && self.sample.weights.is_none() {
            return totals;
        }
        let leaves = self.nodes.iter().enumerate();
        let leaves = leaves.filter(|(_, node)| node.children.is_none());
        let mut chunks: Vec<(usize, Range<usize>)> = Vec::new();
        for (node_idx, leaf) in leaves {
            for start in leaf.rows.clone().step_by(CHUNK) {
                chunks.push((node_idx, start..(start + CHUNK).min(leaf.rows.end)));
            }
        }
        let sums = self
            .sample
            .crew
            .map_mut(&mut chunks, |_, (_, range)| self.sample.sum(range.clone()));
        let mut exact = vec![[0.0; 3]; self.nodes.len()];
        for ((node_idx, _), sum) in chunks.iter().zip(&sums) {
            add(&mut exact[*node_idx], sum);
        }
        // Children come after their parent.
        for (node_idx, node) in self.nodes.iter().enumerate().rev() {
            if let Some((left, right)) = node.children {
                let mut sum = exact[left];
                add(&mut sum, &exact[right]);
                exact[node_idx] = sum;
            }
        }
        if self.sample.slopes.is_some() {
            return exact;
        }
        for (total, exact) in totals.iter_mut().zip(exact) {
            total[2] = exact[2];
        }
        totals
    }

    /// Puts the nodes into preorder, without recursion: a tree may be deep.
    fn finish(mut self) -> Grown {
        for node in &mut self.nodes {
            if let Some(cells) = node.cells.take() {
                self.scratch.cells.push(cells);
            }
        }
        let limits = &self.shape.limits;
        let totals = self.totals();
        let mut order: Vec<Node> = Vec::with_capacity(self.nodes.len());
        let mut gains = vec![0.0; self.nodes.len()];
        let mut leaves = Vec::new();
        // Node, whose right child it is, and the value of its parent.
        let mut open: Vec<(usize, Option<usize>, Option<f64>)> = vec![(0, None, None)];
        while let Some((node_idx, right_of, above)) = open.pop() {
            // Fewer nodes than rows, which are fewer than 2^32.
            if let Some(parent) = right_of {
                order[parent].right = order.len() as u32;
            }
            let node = &self.nodes[node_idx];
            let [slope, curve, weight] = totals[node_idx];
            let mut value = limits.value(slope, curve);
            if let Some(above) = above {
                let n = f64::from(node.total.n());
                let share = n / (n + self.shape.smoothing);
                value = value * share + above * (1.0 - share);
            }
            let mut placed = Node {
                column: LEAF,
                right: 0,
                bin: 0,
                missing_left: false,
                cover: (weight as f32).clamp(f32::MIN_POSITIVE, f32::MAX),
                value,
            };
            if let (Some((left, right)), Some(split)) = (node.children, node.split) {
                placed.column = split.column;
                placed.bin = split.bin;
                placed.missing_left = split.missing_left;
                let saved = |at: usize| limits.saved(totals[at][0], totals[at][1]);
                let gain = 0.5 * (saved(left) + saved(right) - saved(node_idx));
                gains[order.len()] = gain.max(0.0);
                open.push((right, Some(order.len()), Some(value)));
                open.push((left, None, Some(value)));
            } else {
                leaves.push(Leaf {
                    node_idx: order.len(),
                    rows: node.rows.clone(),
                    others: node.others.clone(),
                });
            }
            order.push(placed);
        }
        Grown {
            nodes: order,
            gains,
            rows: self.sample.rows,
            others: self.sample.others,
            leaves,
        }
    }
}

impl Sample<'_> {
    /// Slope, curvature and weight of a chunk of rows.
    fn sum(&self, range: Range<usize>) -> [f64; 3] {
        let mut sums = [[0.0; 3]; 4];
        for four in self.rows[range].chunks(4) {
            for (sum, row) in sums.iter_mut().zip(four) {
                let row = *row as usize;
                let [slope, curve] = self.slopes.map_or([0.0; 2], |slopes| slopes[row]);
                let weight = self.weights.map_or(1.0, |weights| weights[row]);
                add(sum, &[slope, curve, weight]);
            }
        }
        let [mut first, others @ ..] = sums;
        others.iter().for_each(|other| add(&mut first, other));
        first
    }
}

fn add(sum: &mut [f64; 3], other: &[f64; 3]) {
    for (sum, other) in sum.iter_mut().zip(other) {
        *sum += other;
    }
}

/// Where a row with these bins ends: the index of its leaf.
pub(super) fn leaf(nodes: &[Node], bin_of: impl Fn(u32) -> u8) -> usize {
    let mut at = 0;
    loop {
        let node = &nodes[at];
        if node.column == LEAF {
            return at;
        }
        let bin = bin_of(node.column);
        let left = if bin == 0 {
            node.missing_left
        } else {
            bin <= node.bin
        };
        at = if left { at + 1 } else { node.right as usize };
    }
}
