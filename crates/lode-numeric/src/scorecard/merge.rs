//! Joins neighboring fine bins so that the bins left say the most.
//!
//! Does not know columns. Invariant: the answer is the best of all partitions that keep the
//! rules, not the best of some.

use super::binning::Evidence;
use super::binning::Trend;

/// What a partition has to keep.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// Weight that a bin needs.
    pub(super) min_weight: f64,
    /// Bins, at most.
    pub(super) max_bins: usize,
    /// Information value that a bin costs.
    pub(super) cost: f64,
}

/// Yes and no of a fine bin.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Counts {
    pub(super) yes: f64,
    pub(super) no: f64,
}

impl Counts {
    pub(super) fn weight(self) -> f64 {
        self.yes + self.no
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            yes: self.yes + other.yes,
            no: self.no + other.no,
        }
    }
}

/// The first fine bin of each bin of the best partition: the largest information value less
/// costs; with [`Trend::Monotone`] among those whose WOE rises throughout or falls throughout.
/// Without a partition that keeps the rules all fine bins are one.
pub(super) fn best(fine: &[Counts], evidence: &Evidence, trend: Trend, rules: Rules) -> Vec<usize> {
    let table = Table::new(fine, evidence, rules);
    let found = match trend {
        Trend::Free => table.search(rules.max_bins, |_, _| true),
        Trend::Monotone => {
            let rising = table.search(rules.max_bins, |before, after| before <= after);
            let falling = table.search(rules.max_bins, |before, after| before >= after);
            match (&rising, &falling) {
                (Some(up), Some(down)) if down.0 > up.0 => falling,
                (None, _) => falling,
                _ => rising,
            }
        }
    };
    found.map_or_else(|| vec![0], |(_, starts)| starts)
}

/// Of every bin that neighbors could make: its WOE, and what it adds; none when too small.
struct Table {
    size: usize,
    /// Entry `first * size + last`.
    bins: Vec<Option<(f64, f64)>>,
}

impl Table {
    fn new(fine: &[Counts], evidence: &Evidence, rules: Rules) -> Self {
        let size = fine.len();
        let mut bins = vec![None; size * size];
        for first in 0..size {
            let mut counts = Counts::default();
            for last in first..size {
                counts = counts.plus(fine[last]);
                if counts.weight() >= rules.min_weight {
                    let (woe, iv) = evidence.of(counts);
                    bins[first * size + last] = Some((woe, iv - rules.cost));
                }
            }
        }
        Self { size, bins }
    }

    fn get(&self, first: usize, last: usize) -> Option<(f64, f64)> {
        self.bins[first * self.size + last]
    }

    /// The value of the best partition and its starts. `best[first * size + last]` is that of
    /// the fine bins up to `last` whose last bin begins at `first`; a round for each number of
    /// bins. Ties go to fewer bins, then to earlier starts.
    fn search(
        &self,
        max_bins: usize,
        may_follow: impl Fn(f64, f64) -> bool,
    ) -> Option<(f64, Vec<usize>)> {
        let size = self.size;
        let end = size.checked_sub(1)?;
        let mut rounds: Vec<Vec<Option<(f64, usize)>>> = Vec::new();
        let mut answer: Option<(f64, usize, usize)> = None;
        for round in 0..max_bins.min(size) {
            let mut values = vec![None; size * size];
            for last in 0..size {
                for first in 0..=last {
                    let Some((woe, gain)) = self.get(first, last) else {
                        continue;
                    };
                    values[first * size + last] = match rounds.last() {
                        None => (first == 0).then_some((gain, 0)),
                        Some(before) if first > 0 => (0..first)
                            .filter_map(|start| {
                                let (value, _) = before[start * size + first - 1]?;
                                let (earlier, _) = self.get(start, first - 1)?;
                                may_follow(earlier, woe).then_some((value + gain, start))
                            })
                            .reduce(|best, next| if next.0 > best.0 { next } else { best }),
                        Some(_) => None,
                    };
                }
            }
            for first in 0..size {
                if let Some((value, _)) = values[first * size + end]
                    && answer.is_none_or(|(best, _, _)| value > best + 1e-12)
                {
                    answer = Some((value, round, first));
                }
            }
            rounds.push(values);
        }
        let (value, round, mut first) = answer?;
        let mut starts = vec![first];
        let mut last = end;
        for round in (1..=round).rev() {
            let (_, start) = rounds[round][first * size + last]?;
            last = first - 1;
            first = start;
            starts.push(first);
        }
        starts.reverse();
        Some((value, starts))
    }
}
