//! Exact contributions of columns to a margin: path-dependent TreeSHAP.
//!
//! Does not sample and does not look at training rows: the shares of rows at each node are in
//! the model. Invariant: base + contributions = margin, up to the rounding of the additions.

mod paths;
mod quadrature;
mod walk;

use super::Forest;
use super::Table;
use super::grow::LEAF;
use super::grow::Node;
use crate::Result;
use crate::parallel;
use paths::Paths;
use quadrature::Quadrature;
use walk::Ground;
use walk::Walk;

/// What each column adds to each margin.
#[derive(Clone, Debug, PartialEq)]
pub struct Contributions {
    /// Margin before any column is known: [`Forest::base`].
    pub base: f64,
    /// Columns.
    pub n_cols: usize,
    /// Shape `(n_rows, n_cols)`, row by row, in the unit of the margin.
    pub values: Vec<f64>,
}

impl Contributions {
    /// The contributions to one row's margin, in column order.
    pub fn row(&self, row_idx: usize) -> &[f64] {
        &self.values[row_idx * self.n_cols..(row_idx + 1) * self.n_cols]
    }

    /// Base and contributions of a row, added in column order: the margin where the sum must
    /// hold to the last bit.
    pub fn margin(&self, row_idx: usize) -> f64 {
        self.row(row_idx)
            .iter()
            .fold(self.base, |sum, value| sum + value)
    }
}

/// Bytes of tables that are worked on at a time.
const TABLE_BYTES: usize = 16 << 20;

/// Rows below which tables do not pay.
const TABLE_ROWS: usize = 16;

impl Forest {
    /// The mean margin over the training rows, as the trees' covers weigh them: where
    /// [`Forest::contributions`] start.
    pub fn base(&self) -> f64 {
        self.trees
            .iter()
            .fold(self.start, |sum, tree| sum + expected(tree))
    }

    /// What each column adds to the margin of each row, by Shapley's value over columns.
    ///
    /// # Output
    /// [`Contributions`], shape `(n_rows, n_cols)`: base + sum of a row = its margin, to 1e-9
    /// of the size of the terms. A column no tree uses has exactly 0.
    ///
    /// # Method
    /// The game of a set S of columns is the tree's mean value when nodes that cut a column
    /// outside S send their rows both ways in the shares of training (the covers). For a leaf
    /// of value v whose path asks about d columns, column i has
    /// `v (o_i - z_i) W_i`, with o 1 where the row passes and 0 where it does not, z the
    /// product of the cover shares at the column's nodes, and
    /// `W_i = integral over t in 0..1 of the product over j != i of (t o_j + (1 - t) z_j)`,
    /// a polynomial of degree d - 1 that Gauss-Legendre with ceil(d / 2) points integrates
    /// exactly. All factors are positive: nothing cancels. For 16 rows or more, trees of up to
    /// 64 cuts with up to 6 columns a path have these numbers tabulated for all patterns of o.
    ///
    /// # Determinism and cost
    /// No randomness; bits independent of threads. Tabulated: O(leaves depth) a row and tree;
    /// else O(leaves depth^2).
    ///
    /// # Errors
    /// As for [`Forest::margins`].
    ///
    /// # Source
    /// S. Lundberg, G. Erion, S.-I. Lee, "Consistent Individualized Feature Attribution for
    /// Tree Ensembles", 2018, arXiv:1802.03888, algorithm 1 (the game); P. Yu et al., "Linear
    /// TreeShap", NeurIPS 2022, arXiv:2209.08192 (the polynomial). Deviations: the integral in
    /// place of the weights of algorithm 2, which is the same number; covers are weights of
    /// rows.
    pub fn contributions(&self, table: &Table<'_>, threads: usize) -> Result<Contributions> {
        self.check(table)?;
        let n_rows = table.n_rows();
        let (n_cols, width) = (self.n_cols(), self.derived.len());
        let mut values = vec![0.0; n_rows * n_cols];
        let chunk = parallel::chunk_rows(n_rows, 0)
            .min(n_rows.div_ceil(threads.max(1)))
            .max(1);
        let bins: Vec<u8> = parallel::map_chunks(n_rows, chunk, threads, |rows| {
            let mut bins = vec![0; rows.len() * width];
            for (row, bins) in rows.zip(bins.chunks_mut(width.max(1))) {
                self.bin_row(table, row, bins);
            }
            bins
        })
        .concat();
        let rules: Vec<Quadrature> = (0..=self.depth())
            .map(|n_asked| Quadrature::exact_for(n_asked.saturating_sub(1)))
            .collect();
        let mut next = 0;
        while next < self.trees.len() {
            let group = self.group(next, n_rows >= TABLE_ROWS, &rules);
            next += group.len();
            let mut shares: Vec<&mut [f64]> = values.chunks_mut(chunk * n_cols).collect();
            parallel::map_mut(&mut shares, threads, |index, share| {
                let mut walk = Walk::default();
                for tree in &group {
                    for (row, values) in share.chunks_mut(n_cols).enumerate() {
                        let at = (index * chunk + row) * width;
                        let bins = &bins[at..at + width];
                        match tree {
                            Tree::Tabulated(paths) => paths.add(bins, values),
                            Tree::Plain(nodes) => {
                                let ground = Ground {
                                    nodes,
                                    derived: &self.derived,
                                    rules: &rules,
                                    bins,
                                };
                                walk.add(&ground, 0, values);
                            }
                        }
                    }
                }
            });
        }
        Ok(Contributions {
            base: self.base(),
            n_cols,
            values,
        })
    }

    /// The next trees, as many as their tables leave room for.
    fn group(&self, first: usize, tables: bool, rules: &[Quadrature]) -> Vec<Tree<'_>> {
        let mut group = Vec::new();
        let mut bytes = 0;
        for nodes in &self.trees[first..] {
            let paths = tables.then(|| Paths::new(nodes, &self.derived, rules));
            group.push(match paths.flatten() {
                Some(paths) => {
                    bytes += paths.table_bytes();
                    Tree::Tabulated(paths)
                }
                None => Tree::Plain(nodes),
            });
            if bytes > TABLE_BYTES {
                break;
            }
        }
        group
    }

    /// Cuts on the longest path.
    fn depth(&self) -> usize {
        let depths = self.trees.iter().map(|nodes| {
            let mut depths = vec![0; nodes.len()];
            // Children come after their parent.
            for (at, node) in nodes.iter().enumerate() {
                if node.column != LEAF {
                    depths[at + 1] = depths[at] + 1;
                    depths[node.right as usize] = depths[at] + 1;
                }
            }
            depths.into_iter().max().unwrap_or(0)
        });
        depths.max().unwrap_or(0)
    }
}

/// A tree, and how its contributions are found.
enum Tree<'a> {
    Tabulated(Paths),
    Plain(&'a [Node]),
}

/// Share of a split's rows that went left.
fn left_share(nodes: &[Node], at: usize) -> f64 {
    let left = f64::from(nodes[at + 1].cover);
    let right = f64::from(nodes[nodes[at].right as usize].cover);
    left / (left + right)
}

/// Mean value of a tree over its covers.
fn expected(nodes: &[Node]) -> f64 {
    // Children come after their parent: one pass from the back.
    let mut means = vec![0.0; nodes.len()];
    for at in (0..nodes.len()).rev() {
        let node = &nodes[at];
        means[at] = if node.column == LEAF {
            node.value
        } else {
            let left = left_share(nodes, at);
            left * means[at + 1] + (1.0 - left) * means[node.right as usize]
        };
    }
    means.first().copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests;
