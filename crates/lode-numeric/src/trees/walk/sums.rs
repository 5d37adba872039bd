//! Trees of up to 256 leaves, without branches: all splits of a tree for many rows at a time.
//!
//! Does not look at values of columns, only at ranks. Invariant: after the splits of a tree, in
//! preorder, the leaf of a row is the one its walk from the root ends in.
//!
//! Leaves are numbered from left to right, and a row starts at leaf 0. A split whose subtree
//! begins with leaf `first` matters to rows that stand there; those that go right move to
//! `next`, where its right side begins. A row stands at `first` of a split, when its turn comes,
//! exactly if its walk comes there: of the splits that begin with one leaf the outer ones come
//! first, and a row that leaves one of them to the right never comes back. This is the idea of
//! QuickScorer (C. Lucchese et al., SIGIR 2015, doi:10.1145/2766462.2767733; rows side by side
//! as in "Exploiting CPU SIMD Extensions to Speed-up Document Scoring with Tree Ensembles",
//! SIGIR 2016, doi:10.1145/2911451.2914758), tree by tree and with a number in place of a set of
//! bits: nothing but registers changes within a tree.

#[cfg(target_arch = "x86_64")]
mod avx2;

use super::FLAT_LEAVES;
use super::Lanes;
use super::Plane;
use super::planes::ROWS;

/// Rows of a register.
const LANES: usize = 32;

/// Trees whose leaves are found before their values are added.
const RUN: usize = 8;

/// A split: rows at leaf `first` whose byte on the plane is above `above` go to leaf `next`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Split {
    pub(super) plane: u32,
    pub(super) above: i8,
    pub(super) first: u8,
    pub(super) next: u8,
}

/// Trees that follow each other.
#[derive(Debug, Default)]
pub(super) struct Sums {
    splits: Vec<Split>,
    trees: Vec<Tree>,
    /// Values of the leaves of each tree, then as many zeros as a byte can count.
    values: Vec<f64>,
}

#[derive(Clone, Copy, Debug)]
struct Tree {
    /// Where its splits end.
    end: usize,
    /// Where its values begin.
    values: usize,
}

/// Leaves of a group of rows in each tree of a run.
type Leaves = [[u8; ROWS]; RUN];

impl Sums {
    pub(super) fn n_splits(&self) -> usize {
        self.splits.len()
    }

    /// Adds a split to the open tree; gives its number for [`Sums::set_next`].
    pub(super) fn push_split(&mut self, split: Split) -> usize {
        self.splits.push(split);
        self.splits.len() - 1
    }

    pub(super) fn set_next(&mut self, split: usize, next: u8) {
        self.splits[split].next = next;
    }

    /// Adds a leaf to the open tree.
    pub(super) fn push_value(&mut self, value: f64) {
        self.values.push(value);
    }

    /// Ends the open tree, whose leaves began at `values`.
    pub(super) fn end_tree(&mut self, values: usize) {
        let end = self.splits.len();
        self.trees.push(Tree { end, values });
    }

    /// Values so far: where those of the next tree begin.
    pub(super) fn n_values(&self) -> usize {
        self.values.len()
    }

    /// Ends the part.
    pub(super) fn close(&mut self) {
        self.values.extend([0.0; FLAT_LEAVES]);
    }

    /// Adds the value of each row's leaf in each tree to its margin; at most [`ROWS`] rows.
    pub(super) fn add(&self, planes: &[Plane], lanes: Lanes, margins: &mut [f64]) {
        let mut leaves: Leaves = [[0; ROWS]; RUN];
        let mut begin = 0;
        for run in self.trees.chunks(RUN) {
            let registers = margins.len().div_ceil(LANES);
            match lanes {
                Lanes::Portable => {
                    for (tree, leaves) in run.iter().zip(&mut leaves) {
                        find(&self.splits[begin..tree.end], planes, registers, leaves);
                        begin = tree.end;
                    }
                }
                #[cfg(target_arch = "x86_64")]
                Lanes::Avx2 => {
                    avx2::find(&self.splits, begin, run, planes, registers, &mut leaves);
                    begin = run.last().map_or(begin, |tree| tree.end);
                }
            }
            self.add_run(run, &leaves, margins);
        }
    }

    /// Adds the leaves' values in the order of the trees.
    fn add_run(&self, run: &[Tree], leaves: &Leaves, margins: &mut [f64]) {
        if let Ok(run) = <&[Tree; RUN]>::try_from(run) {
            let values = run.map(|tree| self.values_of(tree));
            for (row, margin) in margins.iter_mut().enumerate().take(ROWS) {
                let mut sum = *margin;
                for (values, leaves) in values.iter().zip(leaves) {
                    sum += values[usize::from(leaves[row])];
                }
                *margin = sum;
            }
            return;
        }
        for (tree, leaves) in run.iter().zip(leaves) {
            let values = self.values_of(*tree);
            for (margin, leaf) in margins.iter_mut().zip(leaves) {
                *margin += values[usize::from(*leaf)];
            }
        }
    }

    /// As many as a leaf's number may say, so that it need not be checked for each row.
    fn values_of(&self, tree: Tree) -> &[f64; FLAT_LEAVES] {
        let own = self.values[tree.values..].first_chunk();
        own.expect("a closed part has room behind the last tree")
    }
}

/// The leaves of the rows of the first `registers` registers in one tree.
fn find(splits: &[Split], planes: &[Plane], registers: usize, leaves: &mut [u8; ROWS]) {
    let n = (registers * LANES).min(ROWS);
    leaves.fill(0);
    for split in splits {
        let ranks = &planes[split.plane as usize][..n];
        for (leaf, rank) in leaves.iter_mut().zip(ranks) {
            let moves = (*leaf == split.first) & (*rank > split.above);
            *leaf = if moves { split.next } else { *leaf };
        }
    }
}
