//! One half of a round: the equations of all rows of one side while the other stands still.
//!
//! Does not solve. Invariant: the equations of a row do not depend on other rows of its side.

use crate::lanes::LANES;
use crate::lanes::Lanes;
use crate::lanes::Octet;

use super::matrix::Factors;
use super::pairs::Pairs;
use super::params::AlsParams;

/// Octets that lie in one line of the cache.
const OCTETS_A_LINE: usize = 2;

/// What the equations of a side's rows are made of.
pub(super) struct Side<'a> {
    /// The rows of this side by the rows of the other.
    pub(super) pairs: &'a Pairs,
    /// Factors of the other side.
    pub(super) fixed: &'a Factors,
    pub(super) params: &'a AlsParams,
}

impl Side<'_> {
    /// What is added to each diagonal entry for a row of so many entries.
    pub(super) fn ridge(&self, n_entries: usize) -> f64 {
        self.params.ridge(n_entries, self.fixed.n_rows())
    }

    /// How often the products of each entry's row count, and its row itself on the right side;
    /// zeros up to the end of the last octet.
    #[inline(always)]
    pub(super) fn weigh(&self, weights: &[f32], products: &mut Vec<Octet>, right: &mut Vec<Octet>) {
        products.clear();
        right.clear();
        for weights in weights.chunks(LANES) {
            let (mut product, mut own) = (Octet::default(), Octet::default());
            for (lane, weight) in weights.iter().enumerate() {
                let (times, of_right) = self.params.weigh(*weight);
                (product.0[lane], own.0[lane]) = (times as f32, of_right as f32);
            }
            products.push(product);
            right.push(own);
        }
    }

    /// The factors of up to eight entries; the first again where there are fewer.
    #[inline(always)]
    pub(super) fn rows(&self, columns: &[u32]) -> [&[Octet]; LANES] {
        let row = |column: u32| self.fixed.octets(column as usize);
        if let [a, b, c, d, e, f, g, h] = *columns {
            return [
                row(a),
                row(b),
                row(c),
                row(d),
                row(e),
                row(f),
                row(g),
                row(h),
            ];
        }
        let mut rows = [row(columns[0]); LANES];
        for (own, column) in rows.iter_mut().zip(columns) {
            *own = row(*column);
        }
        rows
    }

    /// The entries after the `at`-th eight of a row.
    #[inline(always)]
    pub(super) fn pairs_ahead(&self, row: usize, at: usize) -> Option<&[u32]> {
        let (columns, _) = self.pairs.row(row);
        let first = (at + 1) * LANES;
        columns.get(first..(first + LANES).min(columns.len()))
    }

    #[inline(always)]
    pub(super) fn prefetch<V: Lanes>(&self, columns: &[u32]) {
        for column in columns {
            for octet in self
                .fixed
                .octets(*column as usize)
                .iter()
                .step_by(OCTETS_A_LINE)
            {
                V::prefetch(octet);
            }
        }
    }
}
