//! The trees of a forest as [`super::octet`] needs them: splits with the numbers that the
//! quadrature asks for at each of its points.
//!
//! Does not know rows. Invariant: splits are in preorder, so that one pass forwards meets each
//! split after its parent, and one backwards after its children.

use super::super::Forest;
use super::super::grow::LEAF;
use super::super::grow::Node;
use super::super::walk::Planes;
use super::left_share;
use super::quadrature::Quadrature;

/// Marks a child that is a leaf, and a split whose column is new on its path.
pub(super) const NONE: u32 = u32::MAX;

/// A forest compiled for contributions.
#[derive(Debug)]
pub(in super::super) struct Terms {
    trees: Vec<Slot>,
    /// Columns that trees cut, rising: a split names its place among them.
    pub(super) used: Vec<u32>,
    /// [`Forest::base`].
    pub(super) base: f64,
    rules: Vec<Rule>,
}

/// A tree of the forest.
#[derive(Debug)]
enum Slot {
    Made(Tree),
    /// Made anew whenever it is asked for: there is no room to keep it.
    Later,
    /// A leaf alone.
    Nothing,
}

/// Bytes of compiled trees that are kept.
const KEPT_BYTES: usize = 64 << 20;

/// The points of a quadrature: t, and its weight over 1 - t.
#[derive(Debug, Default)]
pub(super) struct Rule {
    pub(super) points: Vec<f64>,
    pub(super) weights: Vec<f64>,
}

#[derive(Debug)]
pub(super) struct Tree {
    pub(super) splits: Vec<Split>,
    /// Numbers of the splits; each kind of number stands there once a point.
    pub(super) numbers: Vec<f64>,
    /// Which rule is exact: half the columns of the widest path, rounded up, less 1.
    rule: usize,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Split {
    pub(super) plane: u32,
    pub(super) above: i16,
    /// Place of the column among the used.
    pub(super) column: u32,
    /// The side of the split above that asked about this column last: twice its number, and 1
    /// more for the right side.
    pub(super) before: u32,
    /// Numbers of the children that are splits.
    pub(super) children: [u32; 2],
    /// Values of the children that are leaves, else 0.
    pub(super) values: [f64; 2],
    /// Where its numbers begin.
    pub(super) numbers: u32,
}

impl Terms {
    pub(in super::super) fn new(forest: &Forest, planes: &Planes) -> Self {
        Self::keeping(forest, planes, KEPT_BYTES)
    }

    /// Compiles as many trees as fill `kept_bytes`.
    pub(super) fn keeping(forest: &Forest, planes: &Planes, kept_bytes: usize) -> Self {
        let splits = forest.trees.iter().flatten();
        let splits = splits.filter(|node| node.column != LEAF);
        let mut used: Vec<u32> = splits
            .map(|node| forest.derived[node.column as usize].source)
            .collect();
        used.sort_unstable();
        used.dedup();
        let widths = forest.trees.iter();
        let widths = widths.map(|nodes| columns_of_widest_path(forest, nodes));
        let widths: Vec<usize> = widths.collect();
        let widest = widths.iter().copied().max().unwrap_or(0);
        let mut terms = Self {
            trees: Vec::with_capacity(forest.trees.len()),
            used,
            base: forest.base(),
            rules: (0..widest.div_ceil(2))
                .map(|rule| Rule::new(2 * rule))
                .collect(),
        };
        let mut bytes = 0;
        for (nodes, width) in forest.trees.iter().zip(&widths) {
            let slot = if *width == 0 {
                Slot::Nothing
            } else if bytes > kept_bytes {
                Slot::Later
            } else {
                let tree = terms.make(forest, planes, nodes, *width);
                bytes += size_of_val(&tree.numbers[..]) + size_of_val(&tree.splits[..]);
                Slot::Made(tree)
            };
            terms.trees.push(slot);
        }
        terms
    }

    fn make(&self, forest: &Forest, planes: &Planes, nodes: &[Node], width: usize) -> Tree {
        let rule = width.div_ceil(2) - 1;
        let mut writer = Writer {
            forest,
            planes,
            nodes,
            used: &self.used,
            points: &self.rules[rule].points,
            tree: Tree {
                splits: Vec::new(),
                numbers: Vec::new(),
                rule,
            },
        };
        writer.split(0, &mut Vec::new());
        writer.tree
    }

    /// Does something with each tree that has splits, in order.
    #[inline(always)]
    pub(super) fn each(&self, forest: &Forest, planes: &Planes, mut work: impl FnMut(&Tree)) {
        for (slot, nodes) in self.trees.iter().zip(&forest.trees) {
            match slot {
                Slot::Made(tree) => work(tree),
                Slot::Later => {
                    let width = columns_of_widest_path(forest, nodes);
                    work(&self.make(forest, planes, nodes, width));
                }
                Slot::Nothing => {}
            }
        }
    }

    pub(super) fn rule(&self, tree: &Tree) -> &Rule {
        &self.rules[tree.rule]
    }
}

impl Rule {
    /// Exact for products of up to `degree + 1` linear factors.
    fn new(degree: usize) -> Self {
        let quadrature = Quadrature::exact_for(degree);
        let points = quadrature.points.iter();
        Self {
            points: points.clone().map(|(t, _)| *t).collect(),
            weights: points.map(|(t, weight)| weight / (1.0 - t)).collect(),
        }
    }
}

/// A column on the way to a split.
#[derive(Clone, Copy)]
struct Asked {
    source: u32,
    /// Share of training rows that pass all its cuts.
    zero: f64,
    side: u32,
}

struct Writer<'a> {
    forest: &'a Forest,
    planes: &'a Planes,
    nodes: &'a [Node],
    used: &'a [u32],
    points: &'a [f64],
    tree: Tree,
}

impl Writer<'_> {
    /// Writes the split at a node and all below it; gives its number.
    fn split(&mut self, at: usize, path: &mut Vec<Asked>) -> u32 {
        let node = &self.nodes[at];
        let source = self.forest.derived[node.column as usize].source;
        let children = [at + 1, node.right as usize];
        let is_leaf = children.map(|child| self.nodes[child].column == LEAF);
        let share = left_share(self.nodes, at);
        let known = path.iter().position(|asked| asked.source == source);
        let before = known.map(|known| path[known]);
        let values = [0, 1].map(|side| match is_leaf[side] {
            true => self.nodes[children[side]].value,
            false => 0.0,
        });
        let asked = self.planes.question(node);
        // A stored forest has fewer than 2^32 nodes and numbers.
        let number = self.tree.splits.len() as u32;
        let numbers = self.tree.numbers.len() as u32;
        self.tree.splits.push(Split {
            plane: asked.plane,
            above: asked.above,
            column: self.used.partition_point(|used| *used < source) as u32,
            before: before.map_or(NONE, |asked| asked.side),
            children: [NONE; 2],
            values,
            numbers,
        });
        let shares = [share, 1.0 - share];
        self.numbers(before.map(|asked| asked.zero), shares, is_leaf, values);
        for side in 0..2 {
            if is_leaf[side] {
                continue;
            }
            let own = Asked {
                source,
                zero: before.map_or(1.0, |asked| asked.zero) * shares[side],
                side: 2 * number + side as u32,
            };
            match (known, before) {
                (Some(known), Some(before)) => {
                    path[known] = own;
                    let child = self.split(children[side], path);
                    path[known] = before;
                    self.tree.splits[number as usize].children[side] = child;
                }
                _ => {
                    path.push(own);
                    let child = self.split(children[side], path);
                    path.pop();
                    self.tree.splits[number as usize].children[side] = child;
                }
            }
        }
        number
    }

    /// The numbers of a split in the order in which [`super::octet`] reads them.
    fn numbers(
        &mut self,
        before: Option<f64>,
        shares: [f64; 2],
        is_leaf: [bool; 2],
        values: [f64; 2],
    ) {
        let zero = before.unwrap_or(1.0);
        let zeros = shares.map(|share| zero * share);
        let passed = |zero: f64, t: f64| t + (1.0 - t) * zero;
        let old = |t: f64| before.map_or(1.0, |zero| 1.0 / passed(zero, t));
        // Factor of a side over the old one of its column, for a row that passes neither, and
        // how much more it is for one that passed the old.
        let neither = |side: usize, t: f64| match before {
            Some(_) => shares[side],
            None => (1.0 - t) * zeros[side],
        };
        let more = |side: usize, t: f64| (1.0 - t) * zeros[side] * old(t) - shares[side];
        let points = self.points;
        let numbers = &mut self.tree.numbers;
        for side in [0, 1].into_iter().filter(|side| !is_leaf[*side]) {
            numbers.extend(points.iter().map(|t| neither(side, *t)));
            if before.is_some() {
                numbers.extend(points.iter().map(|t| more(side, *t)));
            }
        }
        if before.is_some() {
            numbers.extend(points.iter().map(|t| t * old(*t)));
            numbers.extend(points.iter().map(|t| old(*t)));
        }
        if is_leaf[0] || is_leaf[1] {
            let both = |number: &dyn Fn(usize) -> f64| -> f64 {
                values[0] * number(0) + values[1] * number(1)
            };
            numbers.extend(points.iter().map(|t| both(&|side| neither(side, *t))));
            if before.is_some() {
                numbers.extend(points.iter().map(|t| both(&|side| more(side, *t))));
            }
        }
        for side in [0, 1].into_iter().filter(|side| !is_leaf[*side]) {
            numbers.extend(points.iter().map(|t| 1.0 / passed(zeros[side], *t)));
        }
    }
}

/// Different columns on the path of a tree that has most of them.
fn columns_of_widest_path(forest: &Forest, nodes: &[Node]) -> usize {
    let mut most = 0;
    let mut open: Vec<(usize, Vec<u32>)> = vec![(0, Vec::new())];
    while let Some((at, path)) = open.pop() {
        let node = &nodes[at];
        if node.column == LEAF {
            most = most.max(path.len());
            continue;
        }
        let source = forest.derived[node.column as usize].source;
        let mut path = path;
        if !path.contains(&source) {
            path.push(source);
        }
        open.push((node.right as usize, path.clone()));
        open.push((at + 1, path));
    }
    most
}
