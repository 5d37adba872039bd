//! Exact contributions of columns to a margin: path-dependent TreeSHAP.
//!
//! Does not sample and does not look at training rows: the shares of rows at each node are in
//! the model. Invariant: base + contributions = margin, up to the rounding of the additions.

mod interactions;
mod octet;
mod quadrature;
mod terms;

use std::ops::Range;

use super::Forest;
use super::Table;
use super::grow::LEAF;
use super::grow::Node;
use super::walk::Lanes;
use super::walk::Plane;
use super::walk::Planes;
use super::walk::ROWS;
use crate::Result;
use crate::parallel;
use octet::Octet;
use octet::Scratch;
use terms::Tree;

pub use interactions::Interactions;
pub use interactions::Pair;
pub(super) use terms::Terms;

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
    /// exactly. At each point the products are made on the way down the tree and the sums over
    /// leaves on the way up, for eight rows side by side.
    ///
    /// # Determinism and cost
    /// No randomness; bits independent of threads, of the rows that are asked about together
    /// and of the machine's instructions. O(nodes d) a row and tree.
    ///
    /// # Errors
    /// As for [`Forest::margins`].
    ///
    /// # Source
    /// S. Lundberg, G. Erion, S.-I. Lee, "Consistent Individualized Feature Attribution for
    /// Tree Ensembles", 2018, arXiv:1802.03888, algorithm 1 (the game); P. Yu et al., "Linear
    /// TreeShap", NeurIPS 2022, arXiv:2209.08192 (one polynomial down the tree and one up).
    /// Deviations: polynomials as their values at the points of a quadrature; covers are
    /// weights of rows.
    pub fn contributions(&self, table: &Table<'_>, threads: usize) -> Result<Contributions> {
        self.contributions_with(table, threads, Lanes::best())
    }

    fn contributions_with(
        &self,
        table: &Table<'_>,
        threads: usize,
        lanes: Lanes,
    ) -> Result<Contributions> {
        self.check(table)?;
        let (n_rows, n_cols) = (table.n_rows(), self.n_cols());
        let mut values = vec![0.0; n_rows * n_cols];
        let terms = self.compiled.terms(self);
        let chunk = n_rows.div_ceil(threads.max(1)).next_multiple_of(ROWS);
        let mut shares: Vec<&mut [f64]> = values.chunks_mut(chunk.max(1) * n_cols).collect();
        parallel::map_mut(&mut shares, threads, |index, share| {
            let first = index * chunk;
            let rows = first..first + share.len() / n_cols;
            let mut room = Room::new(self, terms);
            for (group, values) in share.chunks_mut(ROWS * n_cols).enumerate() {
                let first = rows.start + group * ROWS;
                let rows = first..rows.end.min(first + ROWS);
                room.add(table, rows, lanes, values);
            }
        });
        Ok(Contributions {
            base: terms.base,
            n_cols,
            values,
        })
    }
}

/// What a group of rows needs.
struct Room<'a> {
    forest: &'a Forest,
    terms: &'a Terms,
    planes: &'a Planes,
    ranks: Vec<Plane>,
    /// Contributions of the used columns, by eight rows.
    sums: Vec<Octet>,
    scratch: Scratch,
}

impl<'a> Room<'a> {
    fn new(forest: &'a Forest, terms: &'a Terms) -> Self {
        let planes = forest.compiled.walker(forest).planes();
        Self {
            forest,
            terms,
            planes,
            ranks: vec![[0; ROWS]; planes.n_planes()],
            sums: vec![Octet::ZERO; terms.used.len() * ROWS / octet::WIDTH],
            scratch: Scratch::default(),
        }
    }

    /// Contributions to at most [`ROWS`] rows, into zeros.
    fn add(&mut self, table: &Table<'_>, rows: Range<usize>, lanes: Lanes, values: &mut [f64]) {
        let n_octets = rows.len().div_ceil(octet::WIDTH);
        self.planes
            .fill(table, rows.clone(), lanes, &mut self.ranks);
        self.sums.fill(Octet::ZERO);
        match lanes {
            Lanes::Portable => self.trees(n_octets),
            #[cfg(target_arch = "x86_64")]
            Lanes::Avx2 => self.avx2_trees(n_octets),
        }
        let n_used = self.terms.used.len();
        if n_used == 0 {
            return;
        }
        let n_cols = values.len() / rows.len();
        for (row, values) in values.chunks_mut(n_cols).enumerate() {
            let sums = &self.sums[row / octet::WIDTH * n_used..];
            for (column, sum) in self.terms.used.iter().zip(sums) {
                values[*column as usize] = sum.0[row % octet::WIDTH];
            }
        }
    }

    #[inline(always)]
    fn trees(&mut self, n_octets: usize) {
        let (forest, terms, planes) = (self.forest, self.terms, self.planes);
        terms.each(
            forest,
            planes,
            #[inline(always)]
            |tree| match terms.rule(tree).points.len() {
                1 => self.tree::<1>(tree, n_octets),
                2 => self.tree::<2>(tree, n_octets),
                3 => self.tree::<3>(tree, n_octets),
                4 => self.tree::<4>(tree, n_octets),
                5 => self.tree::<5>(tree, n_octets),
                6 => self.tree::<6>(tree, n_octets),
                _ => self.tree::<0>(tree, n_octets),
            },
        );
    }

    #[inline(always)]
    fn tree<const K: usize>(&mut self, tree: &Tree, n_octets: usize) {
        let rule = self.terms.rule(tree);
        let sums = self.sums.chunks_mut(self.terms.used.len());
        for (index, sums) in sums.take(n_octets).enumerate() {
            let first = index * octet::WIDTH;
            octet::add::<K>(tree, rule, &self.ranks, first, &mut self.scratch, sums);
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[expect(unsafe_code, reason = "instructions that not every machine has")]
    fn avx2_trees(&mut self, n_octets: usize) {
        #[target_feature(enable = "avx2")]
        fn with_avx2(room: &mut Room<'_>, n_octets: usize) {
            room.trees(n_octets);
        }
        // SAFETY: `Lanes::Avx2` is made only where the machine has AVX2.
        unsafe { with_avx2(self, n_octets) }
    }
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
