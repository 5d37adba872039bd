//! Orders the levels of a category column by what the target does in them, without letting a
//! row's own target into its bin.
//!
//! Does not make zeros and ones. Invariant: a level seen in training has a bin above 0 at
//! scoring; missing and unseen levels have bin 0.

use super::cuts;
use crate::rng::SplitMix64;

/// Parts that a column's rows are dealt to; a row of a small level is placed by the others.
const PARTS: usize = 5;

/// How the levels of one column are binned.
pub(super) struct Leveled {
    /// Bin of each level at scoring.
    pub(super) bins: Vec<u8>,
    /// Bin of each row of the table the levels were learned from.
    pub(super) row_bins: Vec<u8>,
}

/// What [`level_bins`] goes by.
pub(super) struct Levels<'a> {
    pub(super) codes: &'a [u32],
    pub(super) n_levels: u32,
    /// Target of each row, on a scale where sums are safe.
    pub(super) targets: &'a [f64],
    pub(super) weights: Option<&'a [f64]>,
    /// Rows to learn from, in rising order.
    pub(super) rows: &'a [u32],
    pub(super) smoothing: f64,
    /// Rows from which a level's own rows are trusted to place it.
    pub(super) large: f64,
    pub(super) max_bins: usize,
    pub(super) seed: u64,
}

/// Bins of levels in the order of their smoothed mean target.
///
/// The statistic of a level with rows i is `(sum w_i y_i + s p) / (sum w_i + s)`, with p the
/// mean of all rows and s the smoothing; bins are cuts of these numbers, weighted by rows. A
/// learning row of a level with fewer than `large` rows gets the bin of its level's statistic
/// over the other parts of the rows (bin 0 when they do not have the level), so that it does
/// not see its own target; other rows get their level's bin.
pub(super) fn level_bins(input: &Levels<'_>) -> Leveled {
    let n_levels = input.n_levels as usize;
    let mut sums = vec![[0.0_f64; 2]; n_levels];
    let mut counts = vec![0_u32; n_levels];
    let mut total = [0.0_f64; 2];
    for row in input.rows {
        let row = *row as usize;
        let level = input.codes[row] as usize;
        if level < n_levels {
            let w = input.weights.map_or(1.0, |weights| weights[row]);
            let wy = w * input.targets[row];
            sums[level][0] += w;
            sums[level][1] += wy;
            counts[level] += 1;
            total[0] += w;
            total[1] += wy;
        }
    }
    let prior = if total[0] > 0.0 {
        total[1] / total[0]
    } else {
        0.0
    };
    let statistic = |sum: [f64; 2]| {
        let weight = sum[0] + input.smoothing;
        if weight > 0.0 {
            (sum[1] + input.smoothing * prior) / weight
        } else {
            prior
        }
    };
    let mut sorted: Vec<(f64, f64)> = (0..n_levels)
        .filter(|level| counts[*level] > 0)
        .map(|level| (statistic(sums[level]), f64::from(counts[level])))
        .collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let cuts = cuts::cuts(&sorted, input.max_bins);
    let bins: Vec<u8> = (0..n_levels)
        .map(|level| match counts[level] {
            0 => 0,
            _ => cuts::bin_of(&cuts, statistic(sums[level])),
        })
        .collect();
    let bin_of = |code: &u32| bins.get(*code as usize).copied().unwrap_or(0);
    let mut row_bins: Vec<u8> = input.codes.iter().map(bin_of).collect();
    place_small_levels(input, &sums, &counts, &cuts, &statistic, &mut row_bins);
    Leveled { bins, row_bins }
}

fn place_small_levels(
    input: &Levels<'_>,
    sums: &[[f64; 2]],
    counts: &[u32],
    cuts: &[f64],
    statistic: &dyn Fn([f64; 2]) -> f64,
    row_bins: &mut [u8],
) {
    let small = |code: u32| {
        counts
            .get(code as usize)
            .is_some_and(|count| f64::from(*count) < input.large)
    };
    // Numbers small levels 0, 1, .. so that the sums by part stay small.
    let mut slots = vec![u32::MAX; counts.len()];
    let mut n_slots = 0_u32;
    for (slot, level) in slots.iter_mut().zip(0_u32..) {
        if small(level) {
            *slot = n_slots;
            n_slots += 1;
        }
    }
    if n_slots == 0 {
        return;
    }
    let part_of = |row: u32| {
        let bits = SplitMix64::new(input.seed ^ u64::from(row)).next();
        (bits % PARTS as u64) as usize
    };
    let mut by_part = vec![[[0.0_f64; 2]; PARTS]; n_slots as usize];
    for row in input.rows {
        let code = input.codes[*row as usize];
        if small(code) {
            let slot = slots[code as usize] as usize;
            let w = input.weights.map_or(1.0, |weights| weights[*row as usize]);
            let y = input.targets[*row as usize];
            let sum = &mut by_part[slot][part_of(*row)];
            sum[0] += w;
            sum[1] += w * y;
        }
    }
    for row in input.rows {
        let code = input.codes[*row as usize];
        if !small(code) {
            continue;
        }
        let own = part_of(*row);
        let mut others = [0.0_f64; 2];
        for (part, sum) in by_part[slots[code as usize] as usize].iter().enumerate() {
            if part != own {
                others[0] += sum[0];
                others[1] += sum[1];
            }
        }
        row_bins[*row as usize] = if others[0] > 0.0 {
            cuts::bin_of(cuts, statistic(others))
        } else {
            0
        };
    }
    debug_assert!(sums.len() == counts.len(), "one sum a level");
}

#[cfg(test)]
mod tests;
