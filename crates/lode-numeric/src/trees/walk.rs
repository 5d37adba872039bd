//! A forest in the form that scores fast: columns as small ranks, trees without branches.
//!
//! Does not learn and does not explain. Invariant: the margin of a row is the start plus the
//! values of its leaves, added in f64 in the order of the trees, whatever the rows beside it
//! and whatever the instructions.

mod deep;
mod grid;
mod lanes;
mod planes;
mod sums;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::OnceLock;

use super::Forest;
use super::Table;
use super::grow::LEAF;
use super::grow::Node;
use super::shap::Terms;
use deep::Deep;
use sums::Split;
use sums::Sums;

pub(super) use lanes::Lanes;
pub(super) use planes::Plane;
pub(super) use planes::Planes;
pub(super) use planes::Question;
pub(super) use planes::ROWS;

/// Leaves up to which a tree goes without branches: a leaf's number is a byte.
const FLAT_LEAVES: usize = 256;

/// Bytes of ranks that are made before the trees look at them: they stay in the second cache.
const BLOCK_BYTES: usize = 1 << 17;

/// Groups of rows whose ranks are made together, at most.
const BLOCK_GROUPS: usize = 8;

/// Splits that a block of rows goes through before the next ones: they stay in the cache too.
const PART_SPLITS: usize = 8192;

/// A forest compiled for scoring.
#[derive(Debug)]
pub(super) struct Walker {
    planes: Planes,
    parts: Vec<Part>,
    start: f64,
}

/// Trees that follow each other in the forest.
#[derive(Debug)]
enum Part {
    Flat(Sums),
    Deep(Deep),
}

impl Walker {
    pub(super) fn new(forest: &Forest) -> Self {
        let planes = Planes::new(forest);
        let mut parts: Vec<Part> = Vec::new();
        for nodes in &forest.trees {
            // A tree has one leaf more than splits.
            if nodes.len().div_ceil(2) > FLAT_LEAVES {
                parts.push(Part::Deep(Deep::new(nodes, &planes)));
                continue;
            }
            match parts.last_mut() {
                Some(Part::Flat(sums)) if sums.n_splits() < PART_SPLITS => {
                    push_flat(sums, nodes, &planes);
                }
                _ => {
                    let mut sums = Sums::default();
                    push_flat(&mut sums, nodes, &planes);
                    parts.push(Part::Flat(sums));
                }
            }
        }
        for part in &mut parts {
            if let Part::Flat(sums) = part {
                sums.close();
            }
        }
        Self {
            planes,
            parts,
            start: forest.start,
        }
    }

    pub(super) fn planes(&self) -> &Planes {
        &self.planes
    }

    /// Margins of rows of a table that has the columns of training.
    pub(super) fn margins(
        &self,
        table: &Table<'_>,
        rows: Range<usize>,
        lanes: Lanes,
        margins: &mut [f64],
    ) {
        margins.fill(self.start);
        let width = self.planes.n_planes();
        let n_groups = margins
            .len()
            .div_ceil(ROWS)
            .min((BLOCK_BYTES / (width.max(1) * ROWS)).clamp(1, BLOCK_GROUPS));
        let mut ranks: Vec<Plane> = vec![[0; ROWS]; width * n_groups];
        let mut first = rows.start;
        for margins in margins.chunks_mut(ROWS * n_groups) {
            let next = first + margins.len();
            self.planes.fill(table, first..next, lanes, &mut ranks);
            first = next;
            for part in &self.parts {
                for (group, margins) in margins.chunks_mut(ROWS).enumerate() {
                    let ranks = &ranks[group * width..(group + 1) * width];
                    match part {
                        Part::Flat(sums) => sums.add(ranks, lanes, margins),
                        Part::Deep(deep) => deep.add(ranks, margins),
                    }
                }
            }
        }
    }
}

/// Adds a tree: its splits in preorder, without those that all rows pass on one side.
fn push_flat(sums: &mut Sums, nodes: &[Node], planes: &Planes) {
    // Nodes to come, and the splits whose left side is being written: where each goes on.
    enum Step {
        Node(usize),
        Next(usize),
    }
    let values = sums.n_values();
    let mut open = vec![Step::Node(0)];
    let mut leaf = 0_u8;
    while let Some(step) = open.pop() {
        let at = match step {
            Step::Next(split) => {
                sums.set_next(split, leaf);
                continue;
            }
            Step::Node(at) => at,
        };
        let node = &nodes[at];
        if node.column == LEAF {
            sums.push_value(node.value);
            // At most 256 leaves: the last one may wrap, and nothing follows it.
            leaf = leaf.wrapping_add(1);
            continue;
        }
        let asked = planes.question(node);
        open.push(Step::Node(node.right as usize));
        if let Ok(above) = i8::try_from(asked.above) {
            let split = sums.push_split(Split {
                plane: asked.plane,
                above,
                first: leaf,
                next: 0,
            });
            open.push(Step::Next(split));
            open.push(Step::Node(at + 1));
        }
    }
    sums.end_tree(values);
}

/// What a forest compiles when it is first asked for it. Equal to any other: it says nothing
/// that the trees do not say.
#[derive(Clone, Default)]
pub(super) struct Compiled {
    walker: OnceLock<Arc<Walker>>,
    terms: OnceLock<Arc<Terms>>,
}

impl Compiled {
    pub(super) fn walker(&self, forest: &Forest) -> &Walker {
        self.walker.get_or_init(|| Arc::new(Walker::new(forest)))
    }

    pub(super) fn terms(&self, forest: &Forest) -> &Terms {
        let make = || Arc::new(Terms::new(forest, self.walker(forest).planes()));
        self.terms.get_or_init(make)
    }
}

impl PartialEq for Compiled {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl fmt::Debug for Compiled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compiled").finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(super) mod tests;
