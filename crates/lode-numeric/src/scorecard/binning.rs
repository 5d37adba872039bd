//! Cuts a column into bins and weighs the evidence of each.
//!
//! Does not fit points. Invariant: every row is in one bin, or in none if training had no row
//! like it, and then there is no evidence.

use super::merge;
use super::merge::Counts;
use super::merge::Rules;
use crate::Error;
use crate::Result;

/// A column to be cut.
#[derive(Clone, Copy, Debug)]
pub enum ScoreColumn<'a> {
    /// A number a row; NaN is missing.
    Number(&'a [f64]),
    /// A level a row; a code of `n_levels` or more is missing.
    Category {
        /// Level of each row.
        codes: &'a [u32],
        /// How many levels there are.
        n_levels: u32,
    },
}

/// Whether the evidence of numbers has to rise or fall throughout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trend {
    /// It rises from bin to bin, or falls, whichever says more.
    Monotone,
    /// It may do as it likes.
    Free,
}

/// How a column is cut.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BinParams {
    /// Bins of about equal weight that numbers are cut into first, 2 to 500.
    pub fine_bins: usize,
    /// Bins that are left, without that of missing values, 1 to 50.
    pub max_bins: usize,
    /// Share of all rows that a bin needs, 0 to 1; rarer levels are joined first. The bin of
    /// missing values may be smaller.
    pub min_share: f64,
    /// What a bin has to add to the information value, in units of `1/N1 + 1/N0`, at least 0:
    /// about a chi-square of one degree of freedom, so that 4 asks for a chance below 5 %.
    pub min_gain: f64,
    /// Rows of average risk that are added to each bin, above 0.
    pub smoothing: f64,
    /// Whether numbers have to have a trend.
    pub trend: Trend,
}

impl Default for BinParams {
    fn default() -> Self {
        Self {
            fine_bins: 50,
            max_bins: 6,
            min_share: 0.05,
            min_gain: 4.0,
            smoothing: 1.0,
            trend: Trend::Monotone,
        }
    }
}

/// A bin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bin {
    /// Weight of its rows.
    pub weight: f64,
    /// Weight of its rows that are yes.
    pub yes: f64,
    /// Its weight of evidence.
    pub woe: f64,
    /// What it adds to the information value of the column.
    pub iv: f64,
}

/// Where the bins of a column lie.
#[derive(Clone, Debug, PartialEq)]
pub enum Cuts {
    /// The upper bounds, included, of all bins but the last, ascending.
    Numbers(Vec<f64>),
    /// The bin of each level; none for one that had no rows and has no bin to go to.
    Levels(Vec<Option<u32>>),
}

/// A column's bins.
#[derive(Clone, Debug, PartialEq)]
pub struct Binning {
    /// Where they lie.
    pub cuts: Cuts,
    /// The bins in the order of the cuts (levels: by WOE), then that of missing values.
    pub bins: Vec<Bin>,
    /// The bin of missing values, if there were any.
    pub missing: Option<usize>,
    /// The information value of the column.
    pub iv: f64,
}

impl Binning {
    /// The bin of a number; NaN is missing.
    pub fn of_number(&self, value: f64) -> Option<usize> {
        match &self.cuts {
            Cuts::Numbers(uppers) if !value.is_nan() => {
                let n_bins = self.bins.len() - usize::from(self.missing.is_some());
                (n_bins > 0).then(|| uppers.partition_point(|upper| *upper < value))
            }
            _ => self.missing,
        }
    }

    /// The bin of a level.
    pub fn of_level(&self, code: u32) -> Option<usize> {
        match &self.cuts {
            Cuts::Levels(bins) if (code as usize) < bins.len() => {
                bins[code as usize].map(|bin| bin as usize)
            }
            _ => self.missing,
        }
    }

    /// The WOE of each row of a column that is like the one that was cut.
    pub fn evidence(&self, column: &ScoreColumn<'_>) -> Vec<f64> {
        let woe = |bin: Option<usize>| bin.map_or(0.0, |bin| self.bins[bin].woe);
        match column {
            ScoreColumn::Number(values) => values.iter().map(|v| woe(self.of_number(*v))).collect(),
            ScoreColumn::Category { codes, .. } => {
                codes.iter().map(|code| woe(self.of_level(*code))).collect()
            }
        }
    }
}

/// How yes and no of a bin become evidence.
#[derive(Clone, Copy, Debug)]
pub(super) struct Evidence {
    all: Counts,
    smoothing: f64,
}

impl Evidence {
    /// WOE and contribution to the information value.
    pub(super) fn of(&self, counts: Counts) -> (f64, f64) {
        let total = self.all.weight();
        let yes = (counts.yes + self.smoothing * self.all.yes / total) / self.all.yes;
        let no = (counts.no + self.smoothing * self.all.no / total) / self.all.no;
        let woe = yes.ln() - no.ln();
        let iv = (counts.yes / self.all.yes - counts.no / self.all.no) * woe;
        (woe, iv)
    }
}

/// Cuts a column into bins that say the most about a yes/no outcome.
///
/// # Input
/// As [`super::fit`].
///
/// # Method
/// Numbers: the values in order are cut into at most `fine_bins` of about equal weight, equal
/// values always together. Levels: those with less than `min_share` of the rows are joined to
/// one, and all are ordered by WOE. Then neighbors are joined so that the information value,
/// less `min_gain (1/N1 + 1/N0)` for each bin, is the largest that can be had with at most
/// `max_bins` bins of at least `min_share` and, for numbers, the trend that is asked for.
/// Missing values are a bin of their own. A level without rows goes where the rare levels are.
///
/// # Errors
/// As [`super::fit`].
pub fn bin(
    column: &ScoreColumn<'_>,
    targets: &[f64],
    weights: Option<&[f64]>,
    params: &BinParams,
) -> Result<Binning> {
    check(column, targets, weights, params)?;
    let counts_of = |row: usize| {
        let weight = weights.map_or(1.0, |weights| weights[row]);
        Counts {
            yes: weight * targets[row],
            no: weight * (1.0 - targets[row]),
        }
    };
    let all = (0..targets.len()).fold(Counts::default(), |sum, row| sum.plus(counts_of(row)));
    if all.weight() <= 0.0 {
        return Err(Error::TooFewRows {
            needed: 2,
            found: 0,
        });
    }
    if all.yes <= 0.0 || all.no <= 0.0 {
        return Err(Error::OneClass {
            class: all.yes > 0.0,
        });
    }
    let evidence = Evidence {
        all,
        smoothing: params.smoothing,
    };
    let rules = Rules {
        min_weight: params.min_share * all.weight(),
        max_bins: params.max_bins,
        cost: params.min_gain * (1.0 / all.yes + 1.0 / all.no),
    };
    let (cuts, mut counts, missing) = match column {
        ScoreColumn::Number(values) => numbers(values, counts_of, &evidence, params, rules),
        ScoreColumn::Category { codes, n_levels } => {
            levels(codes, *n_levels, counts_of, &evidence, rules)
        }
    };
    let has_missing = missing.weight() > 0.0;
    let missing_bin = has_missing.then_some(counts.len());
    if has_missing {
        counts.push(missing);
    }
    let bins: Vec<Bin> = counts
        .iter()
        .map(|counts| {
            let (woe, iv) = evidence.of(*counts);
            Bin {
                weight: counts.weight(),
                yes: counts.yes,
                woe,
                iv,
            }
        })
        .collect();
    Ok(Binning {
        cuts,
        iv: bins.iter().map(|bin| bin.iv).sum(),
        bins,
        missing: missing_bin,
    })
}

/// Cuts, counts of the bins, and those of the missing values.
type Cut = (Cuts, Vec<Counts>, Counts);

fn numbers(
    values: &[f64],
    counts_of: impl Fn(usize) -> Counts,
    evidence: &Evidence,
    params: &BinParams,
    rules: Rules,
) -> Cut {
    let mut rows: Vec<usize> = Vec::with_capacity(values.len());
    let mut missing = Counts::default();
    let mut present = 0.0;
    for (row, value) in values.iter().enumerate() {
        if value.is_nan() {
            missing = missing.plus(counts_of(row));
        } else {
            present += counts_of(row).weight();
            rows.push(row);
        }
    }
    if present <= 0.0 {
        return (Cuts::Numbers(Vec::new()), Vec::new(), missing);
    }
    rows.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    // Each fine bin with its largest value.
    let mut fine: Vec<(f64, Counts)> = Vec::new();
    let mut done = 0.0;
    let mut current = Counts::default();
    for (at, row) in rows.iter().enumerate() {
        current = current.plus(counts_of(*row));
        let is_last = rows
            .get(at + 1)
            .is_none_or(|next| values[*next] > values[*row]);
        let share = (fine.len() + 1) as f64 / params.fine_bins as f64;
        let is_full = done + current.weight() >= share * present * (1.0 - 1e-12);
        if is_last && is_full && current.weight() > 0.0 {
            done += current.weight();
            fine.push((values[*row], current));
            current = Counts::default();
        }
    }
    if current.weight() > 0.0 {
        let largest = values[rows[rows.len() - 1]];
        fine.push((largest, current));
    }
    let counts: Vec<Counts> = fine.iter().map(|(_, counts)| *counts).collect();
    let starts = merge::best(&counts, evidence, params.trend, rules);
    let uppers = starts[1..].iter().map(|start| fine[start - 1].0);
    (
        Cuts::Numbers(uppers.collect()),
        joined(&counts, &starts),
        missing,
    )
}

fn levels(
    codes: &[u32],
    n_levels: u32,
    counts_of: impl Fn(usize) -> Counts,
    evidence: &Evidence,
    rules: Rules,
) -> Cut {
    let n_levels = n_levels as usize;
    let mut by_level = vec![Counts::default(); n_levels];
    let mut missing = Counts::default();
    for (row, code) in codes.iter().enumerate() {
        let counts = by_level.get_mut(*code as usize).unwrap_or(&mut missing);
        *counts = counts.plus(counts_of(row));
    }
    let mut rare = Counts::default();
    let mut rare_levels = Vec::new();
    let mut unseen = Vec::new();
    let mut groups: Vec<(Counts, Vec<usize>)> = Vec::new();
    for (level, counts) in by_level.iter().enumerate() {
        if counts.weight() <= 0.0 {
            unseen.push(level);
        } else if counts.weight() < rules.min_weight {
            rare = rare.plus(*counts);
            rare_levels.push(level);
        } else {
            groups.push((*counts, vec![level]));
        }
    }
    if rare_levels.is_empty() {
        unseen.clear();
    } else {
        rare_levels.append(&mut unseen);
        groups.push((rare, rare_levels));
    }
    groups.sort_by(|a, b| {
        let (a_woe, b_woe) = (evidence.of(a.0).0, evidence.of(b.0).0);
        a_woe.total_cmp(&b_woe).then_with(|| a.1.cmp(&b.1))
    });
    if groups.is_empty() {
        return (Cuts::Levels(vec![None; n_levels]), Vec::new(), missing);
    }
    let counts: Vec<Counts> = groups.iter().map(|(counts, _)| *counts).collect();
    // Ordered by WOE as they are, every partition has a trend.
    let starts = merge::best(&counts, evidence, Trend::Free, rules);
    let mut bins = vec![None; n_levels];
    for (index, (_, levels)) in groups.iter().enumerate() {
        let bin = starts.partition_point(|start| *start <= index) - 1;
        for level in levels {
            bins[*level] = Some(bin as u32);
        }
    }
    (Cuts::Levels(bins), joined(&counts, &starts), missing)
}

fn joined(fine: &[Counts], starts: &[usize]) -> Vec<Counts> {
    let ends = starts[1..].iter().copied().chain([fine.len()]);
    let bins = starts.iter().zip(ends);
    bins.map(|(start, end)| {
        let inside = fine[*start..end].iter();
        inside.fold(Counts::default(), |sum, counts| sum.plus(*counts))
    })
    .collect()
}

fn check(
    column: &ScoreColumn<'_>,
    targets: &[f64],
    weights: Option<&[f64]>,
    params: &BinParams,
) -> Result<()> {
    let n_entries = match column {
        ScoreColumn::Number(values) => values.len(),
        ScoreColumn::Category { codes, .. } => codes.len(),
    };
    let lengths = [
        ("entries in a column", n_entries),
        (
            "weights, one a row",
            weights.map_or(targets.len(), <[f64]>::len),
        ),
    ];
    for (what, found) in lengths {
        if found != targets.len() {
            return Err(Error::Length {
                what,
                expected: targets.len(),
                found,
            });
        }
    }
    let entry = |what, expected, index: usize, found| {
        Err(Error::Entry {
            what,
            expected,
            index,
            found,
        })
    };
    if let Some(index) = targets.iter().position(|y| !(0.0..=1.0).contains(y)) {
        return entry("targets", "0 to 1", index, targets[index]);
    }
    if let Some(weights) = weights
        && let Some(index) = weights.iter().position(|w| !(*w >= 0.0 && w.is_finite()))
    {
        return entry("weights", "at least 0 and finite", index, weights[index]);
    }
    let ranges = [
        ("fine_bins", "2 to 500", params.fine_bins as f64, 2.0, 500.0),
        ("max_bins", "1 to 50", params.max_bins as f64, 1.0, 50.0),
        ("min_share", "0 to 1", params.min_share, 0.0, 1.0),
        ("min_gain", "at least 0", params.min_gain, 0.0, f64::MAX),
        (
            "smoothing",
            "above 0",
            params.smoothing,
            f64::MIN_POSITIVE,
            f64::MAX,
        ),
    ];
    for (what, expected, found, low, high) in ranges {
        if !(low..=high).contains(&found) {
            return Err(Error::OutOfRange {
                what,
                expected,
                found,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
