//! Turns the columns of a table into bytes, and remembers how.
//!
//! Does not look at targets except through [`super::levels`]. Invariant: the bins of a row
//! depend on that row alone once the binning is learned.

use super::Column;
use super::Table;
use super::cuts;
use crate::parallel;

/// How one column of the table becomes bytes. A category column may be binned several times,
/// once by each member of an ensemble.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Binning {
    /// A number: cuts, rising.
    Number(Vec<f64>),
    /// A category: the bin of each level.
    Category(Vec<u8>),
}

/// A binned column and the column of the table it is made from.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Derived {
    pub(super) source: u32,
    pub(super) binning: Binning,
}

impl Binning {
    pub(super) fn bin_of(&self, column: &Column<'_>, row: usize) -> u8 {
        match (self, column) {
            (Self::Number(cuts), Column::Number(values)) => cuts::bin_of(cuts, values[row]),
            (Self::Category(bins), Column::Category { codes, .. }) => {
                bins.get(codes[row] as usize).copied().unwrap_or(0)
            }
            // Kinds are checked before rows are looked at.
            _ => 0,
        }
    }

    /// Bins, the one of missing values included.
    pub(super) fn n_bins(&self) -> usize {
        match self {
            Self::Number(cuts) => cuts.len() + 2,
            Self::Category(bins) => bins
                .iter()
                .map(|bin| usize::from(*bin) + 1)
                .max()
                .unwrap_or(1)
                .max(2),
        }
    }
}

/// Cuts and bytes of each number column; none for category columns.
pub(super) fn number_bins(
    table: &Table<'_>,
    rows: &[u32],
    max_bins: usize,
    threads: usize,
) -> Vec<Option<(Vec<f64>, Vec<u8>)>> {
    let mut columns = table.columns().to_vec();
    parallel::map_mut(&mut columns, threads, |_, column| {
        let Column::Number(values) = column else {
            return None;
        };
        let mut sorted: Vec<(f64, f64)> = rows
            .iter()
            .map(|row| (values[*row as usize], 1.0))
            .filter(|(value, _)| !value.is_nan())
            .collect();
        sorted.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let cuts = cuts::cuts(&sorted, max_bins);
        let bins = values
            .iter()
            .map(|value| cuts::bin_of(&cuts, *value))
            .collect();
        Some((cuts, bins))
    })
}
