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
use super::histogram::Cell;
use super::histogram::Layout;
use super::split;
use super::split::Limits;
use super::split::Split;

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
    /// Slope and curvature of each row of the table.
    pub(super) slopes: &'a [[f64; 2]],
    /// Weight of each row of the table.
    pub(super) weights: &'a [f64],
    /// What the tree must keep to.
    pub(super) rules: Option<&'a Rules>,
    pub(super) threads: usize,
}

/// Buffers that trees use again.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    cells: Vec<Vec<Cell>>,
    rows: Vec<u32>,
    slopes: Vec<[f64; 2]>,
}

/// A node while the tree grows.
struct Growing {
    begin: usize,
    end: usize,
    depth: usize,
    total: Cell,
    value: f64,
    cover: f64,
    bounds: Bounds,
    cells: Option<Vec<Cell>>,
    split: Option<Split>,
    children: Option<(usize, usize)>,
}

/// A tree with the gain of each of its nodes, 0 for a leaf.
#[derive(Clone, Debug, Default)]
pub(super) struct Grown {
    pub(super) nodes: Vec<Node>,
    pub(super) gains: Vec<f64>,
    /// The rows it was grown from, those of a leaf together.
    pub(super) rows: Vec<u32>,
    /// Each leaf with the range of its rows.
    pub(super) leaves: Vec<(usize, Range<usize>)>,
}

/// Grows a tree.
pub(super) fn grow(sample: Sample<'_>, shape: &Shape, scratch: &mut Scratch) -> Grown {
    let layout = Layout::new(sample.columns.clone(), sample.bins);
    let mut tree = Tree {
        layout,
        shape,
        nodes: Vec::new(),
        rows: sample.rows.clone(),
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
    rows: Vec<u32>,
    sample: Sample<'a>,
    scratch: &'b mut Scratch,
}

impl Tree<'_, '_> {
    fn plant(&mut self) {
        let (mut total, mut cover) = (Cell::default(), 0.0);
        for row in &self.rows {
            let [slope, curve] = self.sample.slopes[*row as usize];
            total.slope += slope;
            total.curve += curve;
            total.n += 1;
            cover += self.sample.weights[*row as usize];
        }
        let mut root = Growing {
            begin: 0,
            end: self.rows.len(),
            depth: 0,
            total,
            value: self.shape.limits.value(&total),
            cover,
            bounds: Bounds::default(),
            cells: None,
            split: None,
            children: None,
        };
        if self.may_split(&root) && self.shape.max_leaves > 1 {
            let cells = self.fill(root.begin, root.end);
            self.look(&mut root, cells);
        }
        self.nodes.push(root);
    }

    fn may_split(&self, node: &Growing) -> bool {
        node.depth < self.shape.max_depth && node.total.n >= 2 * self.shape.limits.min_rows.max(1)
    }

    fn fill(&mut self, begin: usize, end: usize) -> Vec<Cell> {
        let mut cells = self.scratch.cells.pop().unwrap_or_default();
        let rows = &self.rows[begin..end];
        let slopes = &mut self.scratch.slopes;
        slopes.clear();
        slopes.extend(rows.iter().map(|row| self.sample.slopes[*row as usize]));
        histogram::fill(
            self.sample.bins,
            &self.layout,
            rows,
            slopes,
            self.sample.threads,
            &mut cells,
        );
        cells
    }

    /// Finds the best split of a node, and keeps its cells for the children when there is one.
    fn look(&mut self, node: &mut Growing, cells: Vec<Cell>) {
        node.split = match self.sample.rules {
            None => split::best(&self.layout, &cells, &node.total, &self.shape.limits),
            Some(rules) => self.legal(rules, node, &cells),
        };
        if node.split.is_some() {
            node.cells = Some(cells);
        } else {
            self.scratch.cells.push(cells);
        }
    }

    /// The best split that keeps to the rules.
    fn legal(&self, rules: &Rules, node: &Growing, cells: &[Cell]) -> Option<Split> {
        let limits = &self.shape.limits;
        let total = amount(&node.total);
        let amounts = |at: usize| amount(&cells[at]);
        let cut = rules.best(&self.layout, amounts, &total, limits, &node.bounds)?;
        let cells = &cells[self.layout.range(cut.slot)];
        let mut left = Cell::default();
        if cut.missing_left {
            left.add(&cells[0]);
        }
        let of_left = &cells[1..=usize::from(cut.bin)];
        of_left.iter().for_each(|cell| left.add(cell));
        Some(Split {
            column: self.layout.columns[cut.slot],
            bin: cut.bin,
            missing_left: cut.missing_left,
            gain: cut.gain,
            left,
            right: node.total.minus(&left),
        })
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
        let (begin, end, depth) = {
            let node = &self.nodes[node_idx];
            (node.begin, node.end, node.depth)
        };
        let column = self.sample.bins.columns[split.column as usize];
        let rights = &mut self.scratch.rows;
        rights.resize(rights.len().max(end - begin), 0);
        let (mut kept, mut n_right) = (begin, 0);
        let mut covers = [0.0_f64; 2];
        // Both places are written and one counts: which side comes next cannot be foreseen.
        for index in begin..end {
            let row = self.rows[index];
            let right = !split.goes_left(column[row as usize]);
            self.rows[kept] = row;
            rights[n_right] = row;
            kept += usize::from(!right);
            n_right += usize::from(right);
            covers[usize::from(right)] += self.sample.weights[row as usize];
        }
        self.rows[kept..end].copy_from_slice(&rights[..n_right]);
        let parent_value = self.nodes[node_idx].value;
        let mut bounds = [self.nodes[node_idx].bounds; 2];
        if let Some(rules) = self.sample.rules {
            let sides = [&amount(&split.left), &amount(&split.right)];
            bounds = rules.children(split.column, &bounds[0], sides, &self.shape.limits);
        }
        let child = |begin: usize, end: usize, total: Cell, cover: f64, bounds: Bounds| {
            let own = self.shape.limits.value(&total);
            let n = f64::from(total.n);
            let share = n / (n + self.shape.smoothing);
            Growing {
                begin,
                end,
                depth: depth + 1,
                total,
                value: own * share + parent_value * (1.0 - share),
                cover,
                bounds,
                cells: None,
                split: None,
                children: None,
            }
        };
        let mut left = child(begin, kept, split.left, covers[0], bounds[0]);
        let mut right = child(kept, end, split.right, covers[1], bounds[1]);
        let cells = self.nodes[node_idx].cells.take();
        if let Some(mut cells) = cells {
            if more && (self.may_split(&left) || self.may_split(&right)) {
                let (small, large) = if left.total.n <= right.total.n {
                    (&mut left, &mut right)
                } else {
                    (&mut right, &mut left)
                };
                let own = self.fill(small.begin, small.end);
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

    /// Puts the nodes into preorder, without recursion: a tree may be deep.
    fn finish(mut self) -> Grown {
        for node in &mut self.nodes {
            if let Some(cells) = node.cells.take() {
                self.scratch.cells.push(cells);
            }
        }
        let mut order: Vec<Node> = Vec::with_capacity(self.nodes.len());
        let mut gains = vec![0.0; self.nodes.len()];
        let mut leaves = Vec::new();
        let mut open: Vec<(usize, Option<usize>)> = vec![(0, None)];
        while let Some((node_idx, right_of)) = open.pop() {
            // Fewer nodes than rows, which are fewer than 2^32.
            if let Some(parent) = right_of {
                order[parent].right = order.len() as u32;
            }
            let node = &self.nodes[node_idx];
            let mut placed = Node {
                column: LEAF,
                right: 0,
                bin: 0,
                missing_left: false,
                cover: (node.cover as f32).clamp(f32::MIN_POSITIVE, f32::MAX),
                value: node.value,
            };
            if let (Some((left, right)), Some(split)) = (node.children, node.split) {
                placed.column = split.column;
                placed.bin = split.bin;
                placed.missing_left = split.missing_left;
                gains[order.len()] = split.gain;
                open.push((right, Some(order.len())));
                open.push((left, None));
            } else {
                leaves.push((order.len(), node.begin..node.end));
            }
            order.push(placed);
        }
        Grown {
            nodes: order,
            gains,
            rows: self.rows,
            leaves,
        }
    }
}

fn amount(cell: &Cell) -> Amount {
    Amount {
        slope: cell.slope,
        curve: cell.curve,
        n: f64::from(cell.n),
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
