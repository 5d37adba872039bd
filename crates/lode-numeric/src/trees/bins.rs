//! Turns the columns of a table into bytes, and remembers how.
//!
//! Does not look at targets except through [`super::levels`]. Invariant: the bins of a row
//! depend on that row alone once the binning is learned.

use std::borrow::Cow;

use super::Column;
use super::Table;
use super::cuts;
use super::histogram::Bins;
use super::levels;
use super::matrix::Binned;
use super::matrix::Matrix;
use super::objective::Targets;
use crate::parallel;
use crate::rng::SplitMix64;

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
    /// Whether training had missing values in it.
    pub(super) missing: bool,
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
}

/// Rows whose values the cuts are made from, at most.
const CUT_ROWS: usize = 200_000;

/// Rows that are binned at a time.
const BLOCK: usize = 1 << 14;

/// The number columns of a table: cuts and bytes of each, none for category columns.
#[derive(Debug)]
pub(super) struct Numbers {
    pub(super) columns: Vec<Option<(Vec<f64>, Vec<u8>)>>,
    matrix: Matrix,
}

impl Numbers {
    pub(super) fn new(table: &Table<'_>, rows: &[u32], max_bins: usize, threads: usize) -> Self {
        let seen = sample(rows);
        let mut columns = table.columns().to_vec();
        let columns = parallel::map_mut(&mut columns, threads, |_, column| {
            let Column::Number(values) = column else {
                return None;
            };
            let mut sorted: Vec<(f64, f64)> = seen
                .iter()
                .map(|row| (values[*row as usize], 1.0))
                .filter(|(value, _)| !value.is_nan())
                .collect();
            sorted.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
            let cuts = cuts::cuts(&sorted, max_bins);
            let mut bins = vec![0; values.len()];
            for (values, bins) in values.chunks(BLOCK).zip(bins.chunks_mut(BLOCK)) {
                cuts::bins_of(&cuts, values, bins);
            }
            Some((cuts, bins))
        });
        let binned: Vec<Binned<'_>> = columns
            .iter()
            .flatten()
            .map(|(cuts, bytes)| Binned {
                bytes,
                n_bins: cuts.len() + 2,
            })
            .collect();
        let matrix = Matrix::new(&binned, table.n_rows(), threads);
        Self { columns, matrix }
    }
}

/// Of many rows one from each of [`CUT_ROWS`] stretches of like length.
fn sample(rows: &[u32]) -> Cow<'_, [u32]> {
    let n = rows.len();
    if n <= CUT_ROWS {
        return Cow::Borrowed(rows);
    }
    let begin = |stretch: usize| stretch * n / CUT_ROWS;
    let one = |stretch: usize| {
        let (first, last) = (begin(stretch), begin(stretch + 1));
        let drawn = SplitMix64::new(stretch as u64).next() % (last - first) as u64;
        rows[first + drawn as usize]
    };
    (0..CUT_ROWS).map(one).collect()
}

/// The category columns of a table as one model or member sees them; none for number columns.
#[derive(Debug)]
pub(super) struct Levels {
    pub(super) columns: Vec<Option<LevelBins>>,
    matrix: Matrix,
}

/// Bytes of all columns as one model or member sees them: `levels` for its categories.
pub(super) fn assemble<'a>(numbers: &'a Numbers, levels: &'a Levels) -> Bins<'a> {
    let mut bins = Bins {
        parts: vec![&numbers.matrix, &levels.matrix],
        ..Bins::default()
    };
    let mut widths = [0, 0];
    for (number, level) in numbers.columns.iter().zip(&levels.columns) {
        let part = match (number, level) {
            (Some((cuts, bytes)), _) => {
                bins.columns.push(bytes);
                bins.n_bins.push(cuts.len() + 2);
                0
            }
            (None, Some(level)) => {
                bins.columns.push(&level.row_bins);
                bins.n_bins.push(level.n_bins);
                1
            }
            // A column is a number or a category.
            (None, None) => continue,
        };
        bins.places.push((part, widths[part]));
        widths[part] += 1;
    }
    bins
}

/// A category column as one model or member sees it.
#[derive(Debug)]
pub(super) struct LevelBins {
    pub(super) bins: Vec<u8>,
    row_bins: Vec<u8>,
    n_bins: usize,
    /// Whether a learning row had no level.
    pub(super) missing: bool,
}

/// How the levels of category columns are placed.
pub(super) struct LevelRules {
    pub(super) smoothing: f64,
    pub(super) large: f64,
    pub(super) max_bins: usize,
    pub(super) seed: u64,
}

impl Levels {
    /// By the rows to learn from.
    pub(super) fn new(table: &Table<'_>, data: &Targets, rows: &[u32], rules: &LevelRules) -> Self {
        let columns = table.columns().iter().enumerate();
        let columns: Vec<Option<LevelBins>> = columns
            .map(|(index, column)| {
                let Column::Category { codes, n_levels } = column else {
                    return None;
                };
                let leveled = levels::level_bins(&levels::Levels {
                    codes,
                    n_levels: *n_levels,
                    targets: &data.targets,
                    weights: data.uneven_weights(),
                    rows,
                    smoothing: rules.smoothing,
                    large: rules.large,
                    max_bins: rules.max_bins,
                    seed: SplitMix64::new(rules.seed ^ index as u64).next(),
                });
                let n_bins = leveled.bins.iter().map(|bin| usize::from(*bin) + 1).max();
                Some(LevelBins {
                    missing: rows.iter().any(|row| codes[*row as usize] >= *n_levels),
                    n_bins: n_bins.unwrap_or(0).max(2),
                    bins: leveled.bins,
                    row_bins: leveled.row_bins,
                })
            })
            .collect();
        let binned: Vec<Binned<'_>> = columns
            .iter()
            .flatten()
            .map(|own| Binned {
                bytes: &own.row_bins,
                n_bins: own.n_bins,
            })
            .collect();
        let matrix = Matrix::new(&binned, table.n_rows(), 1);
        Self { columns, matrix }
    }
}

/// Columns whose bytes differ between rows: the only ones worth cutting.
pub(super) fn useful(bins: &Bins<'_>, rows: &[u32]) -> Vec<u32> {
    let varies = |column: &u32| {
        let bytes = bins.columns[*column as usize];
        let mut rows = rows.iter().map(|row| bytes.get(*row as usize));
        let first = rows.next().flatten();
        rows.any(|bin| bin != first)
    };
    // Tables have at most 65,535 columns.
    (0..bins.columns.len() as u32).filter(varies).collect()
}
