//! Slopes and curvatures as whole numbers, packed with a count of one into a word.
//!
//! Words of up to [`Fields::rows`] rows add up without one field reaching into the next, and
//! whole numbers add up to the same in any order: sums do not depend on threads. Does not add.
//! Invariant: the packed word of a row depends on that row, the seed and the bounds alone.

use crate::parallel::Crew;
use crate::rng::SplitMix64;
use crate::wide::wide;

/// Adding it to a number below 2^51 in magnitude leaves the nearest whole number in the low
/// bits.
const ROUND: f64 = 6_755_399_441_055_744.0;

/// Rows from which fields are coarse and rounding is drawn.
pub(super) const MANY_ROWS: usize = 1 << 16;

/// Rows that are packed at a time.
const BLOCK: usize = 1 << 14;

/// What rows add up to: the slope, and the curvature (high half) beside the number of rows
/// (low half).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) slope: i64,
    pub(super) rest: u64,
}

impl Sum {
    /// How many rows.
    pub(super) fn n(self) -> u32 {
        self.rest as u32
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            slope: self.slope.wrapping_add(other.slope),
            rest: self.rest.wrapping_add(other.rest),
        }
    }

    pub(super) fn minus(self, other: Self) -> Self {
        Self {
            slope: self.slope.wrapping_sub(other.slope),
            rest: self.rest.wrapping_sub(other.rest),
        }
    }
}

/// Where the fields of a packed word lie: the slope highest, then the curvature, the count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Fields {
    count_bits: u32,
    curve_bits: u32,
}

impl Fields {
    /// Rows whose words may be added up.
    pub(super) fn rows(self) -> usize {
        1 << (self.count_bits - 1)
    }

    /// The sum that a word holds.
    #[inline(always)]
    pub(super) fn unpack(self, word: u64) -> Sum {
        let (n, c) = (self.count_bits, self.curve_bits);
        let count = word & !(u64::MAX << n);
        let curve = (word >> n) & !(u64::MAX << c);
        Sum {
            slope: (word as i64) >> (n + c),
            rest: (curve << 32) | count,
        }
    }
}

/// How the numbers of one tree are made whole.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scale {
    pub(super) fields: Fields,
    /// What one unit of the whole slope and curvature is.
    slope_unit: f64,
    curve_unit: f64,
    factors: [f64; 2],
    /// Seed of the draws that round; none: to the nearest.
    draws: Option<u64>,
}

/// Magnitudes of the slopes and curvatures of a tree.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Bounds {
    pub(super) slope: f64,
    pub(super) curve: f64,
    /// Mean magnitude of the slopes; 0 when nothing is known of it.
    pub(super) mean_slope: f64,
}

impl Scale {
    /// For `n_rows` rows within `bounds`.
    ///
    /// Few rows have 18 bits a slope and more: as good as exact. Many have 12, which the draws
    /// make right in the mean, unless slopes differ so much in size that most would be lost.
    pub(super) fn new(n_rows: usize, bounds: &Bounds, seed: u64) -> Self {
        let uneven = bounds.slope > 128.0 * bounds.mean_slope && bounds.mean_slope > 0.0;
        let (log_rows, curve_bits) = match n_rows {
            0..129 => (7, 16),
            129..MANY_ROWS => (10, 14),
            _ if uneven => (10, 10),
            _ => (13, 11),
        };
        let slope_bits = 62 - 3 * log_rows - curve_bits;
        // The sum of all curvatures has 32 bits.
        let log_n = usize::BITS - n_rows.leading_zeros();
        let curve_bits = u32::min(curve_bits, 32 - log_n.min(31));
        let step = |bits: u32, most: f64| {
            let steps = (1_u64 << bits) as f64 - 1.5;
            if most > 1e-280 {
                (most / steps, steps / most)
            } else {
                (0.0, 0.0)
            }
        };
        let (slope_unit, slope_factor) = step(slope_bits, bounds.slope);
        let (curve_unit, curve_factor) = step(curve_bits, bounds.curve);
        Self {
            fields: Fields {
                count_bits: log_rows + 1,
                curve_bits: log_rows + curve_bits,
            },
            slope_unit,
            curve_unit,
            factors: [slope_factor, curve_factor],
            draws: (n_rows >= MANY_ROWS).then_some(seed),
        }
    }

    pub(super) fn slope(&self, sum: Sum) -> f64 {
        sum.slope as f64 * self.slope_unit
    }

    pub(super) fn curve(&self, sum: Sum) -> f64 {
        // Below 2^32.
        f64::from((sum.rest >> 32) as u32) * self.curve_unit
    }

    /// Packs the rows from `first` on.
    #[inline(always)]
    pub(super) fn pack(&self, first: usize, slopes: &[[f64; 2]], packed: &mut [u64]) {
        let Fields {
            count_bits,
            curve_bits,
        } = self.fields;
        let [slope_factor, curve_factor] = self.factors;
        let high = count_bits + curve_bits;
        let join = |slope: f64, curve: f64| {
            let whole = |x: f64| (x + ROUND).to_bits().wrapping_sub(ROUND.to_bits());
            whole(slope)
                .wrapping_shl(high)
                .wrapping_add(whole(curve).wrapping_shl(count_bits))
                .wrapping_add(1)
        };
        let Some(seed) = self.draws else {
            for (packed, [slope, curve]) in packed.iter_mut().zip(slopes) {
                *packed = join(slope * slope_factor, curve * curve_factor);
            }
            return;
        };
        let low = SplitMix64::new(seed).next();
        let mut row = first as u64;
        for (packed, [slope, curve]) in packed.iter_mut().zip(slopes) {
            let (a, b) = draw(row ^ low);
            row = row.wrapping_add(1);
            *packed = join(slope * slope_factor + a, curve * curve_factor + b);
        }
    }
}

/// Two numbers within half a unit of 0, from the halves of a mixed word of 32 bits.
///
/// The mixing is the end of MurmurHash3 (A. Appleby, 2008, public domain).
#[inline(always)]
fn draw(key: u64) -> (f64, f64) {
    // Products of 32 bits: vectors have no larger ones.
    const LOW: u64 = 0xffff_ffff;
    let mut x = key & LOW;
    x ^= x >> 16;
    x = x.wrapping_mul(0x85eb_ca6b) & LOW;
    x ^= x >> 13;
    x = x.wrapping_mul(0xc2b2_ae35) & LOW;
    x ^= x >> 16;
    // The middle of one of 65,536 stretches of 1 to 2.
    let unit = |half: u64| f64::from_bits(0x3ff0_0008_0000_0000 | (half << 36)) - 1.5;
    (unit(x >> 16), unit(x & 0xffff))
}

/// Magnitudes of the slopes and curvatures of `rows`.
fn bounds(slopes: &[[f64; 2]], rows: &[u32], crew: &Crew<'_>) -> Bounds {
    let mut blocks: Vec<&[u32]> = rows.chunks(BLOCK).collect();
    let bounds = crew.map_mut(&mut blocks, |_, rows| {
        let mut bounds = Bounds::default();
        for row in rows.iter() {
            let [slope, curve] = slopes[*row as usize];
            bounds.slope = bounds.slope.max(slope.abs());
            bounds.curve = bounds.curve.max(curve);
            bounds.mean_slope += slope.abs();
        }
        bounds
    });
    let mut all = Bounds::default();
    for own in &bounds {
        all.slope = all.slope.max(own.slope);
        all.curve = all.curve.max(own.curve);
        all.mean_slope += own.mean_slope;
    }
    all.mean_slope /= rows.len().max(1) as f64;
    all
}

/// Packs all rows of the table, by the bounds of `rows`.
///
/// Parts of a table that are packed apart must share one [`Scale`] for their cells to add up.
pub(super) fn packed(
    slopes: &[[f64; 2]],
    rows: &[u32],
    seed: u64,
    crew: &Crew<'_>,
    packed: &mut Vec<u64>,
) -> Scale {
    let crew = &crew.for_rows(slopes.len());
    let scale = Scale::new(rows.len(), &bounds(slopes, rows, crew), seed);
    packed.resize(slopes.len(), 0);
    let slopes = slopes.chunks(BLOCK);
    let mut blocks: Vec<_> = slopes.zip(packed.chunks_mut(BLOCK)).collect();
    crew.map_mut(&mut blocks, |index, (slopes, packed)| {
        wide(|| scale.pack(index * BLOCK, slopes, packed));
    });
    scale
}

#[cfg(test)]
mod tests;
