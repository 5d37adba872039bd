//! Ranks of numbers among rising cuts, by a grid over the cuts.
//!
//! Does not choose cuts. Invariant: the rank is the number of cuts below the value, exactly,
//! since a larger number never has a lower cell of the grid: cuts of lower cells are below it,
//! cuts of higher cells are not, and those of its own cell are compared.

use super::planes::ROWS;

/// Cells of a grid.
const CELLS: usize = 1024;

/// Cuts at most: a rank is a byte, with one left for missing values.
pub(super) const MAX_CUTS: usize = 254;

/// Added to a small number, its nearest integer stands in the low bits.
const SHIFTER: f64 = 4_503_599_627_370_496.0;

/// How a number finds its cell. Neither falls where numbers rise.
#[derive(Clone, Copy, Debug)]
enum Map {
    /// By its distance from the lowest cut.
    Linear { origin: f64, scale: f64 },
    /// By its leading bits, for numbers whose size runs over many powers of ten.
    Bits { low: i32, high: i32, shift: u32 },
}

impl Map {
    #[inline(always)]
    fn cells(self, values: &[f64], cells: &mut [u32; ROWS]) {
        match self {
            Self::Linear { origin, scale } => {
                for (cell, value) in cells.iter_mut().zip(values) {
                    let x = (value - origin) * scale;
                    // NaN becomes 0.
                    let x = if x > 0.0 { x } else { 0.0 };
                    let x = if x < (CELLS - 1) as f64 {
                        x
                    } else {
                        (CELLS - 1) as f64
                    };
                    *cell = (x + SHIFTER).to_bits() as u32;
                }
            }
            Self::Bits { low, high, shift } => {
                for (cell, value) in cells.iter_mut().zip(values) {
                    // Without -0, which is not below 0.
                    let bits = ((value + 0.0).to_bits() >> 32) as u32 as i32;
                    let key = bits ^ ((bits >> 31) & i32::MAX);
                    let key = key.max(low).min(high);
                    *cell = (key.wrapping_sub(low) as u32) >> shift;
                }
            }
        }
    }

    fn cell(self, value: f64) -> usize {
        let mut cells = [0; ROWS];
        self.cells(&[value], &mut cells);
        cells[0] as usize % CELLS
    }
}

/// Cuts with their grid.
#[derive(Debug)]
pub(super) struct Grid {
    map: Map,
    /// Cuts of lower cells.
    below: [u8; CELLS],
    /// The cuts, then infinities.
    cuts: [f64; 256],
    /// The first step of the search among the cuts of a cell, a power of two; 0 without cuts.
    step: usize,
}

impl Grid {
    /// `cuts` rise and are at most [`MAX_CUTS`].
    pub(super) fn new(cuts: &[f64]) -> Box<Self> {
        let cuts = &cuts[..cuts.len().min(MAX_CUTS)];
        let mut padded = [f64::INFINITY; 256];
        padded[..cuts.len()].copy_from_slice(cuts);
        let mut best: Option<(usize, Map)> = None;
        for map in maps(cuts) {
            let mut counts = [0_usize; CELLS];
            for cut in cuts {
                counts[map.cell(*cut)] += 1;
            }
            let most = counts.into_iter().max().unwrap_or(0);
            if best.is_none_or(|(least, _)| most < least) {
                best = Some((most, map));
            }
        }
        // There is always a map by bits.
        let (most, map) = best.unwrap_or((cuts.len(), bits_map(cuts)));
        let mut below = [0; CELLS];
        for (cell, below) in below.iter_mut().enumerate() {
            // At most 254.
            *below = cuts.partition_point(|cut| map.cell(*cut) < cell) as u8;
        }
        Box::new(Self {
            map,
            below,
            cuts: padded,
            step: match most {
                0 => 0,
                most => 1 << most.ilog2(),
            },
        })
    }

    /// Number of cuts below a value of a cell, in a byte.
    #[inline(always)]
    fn compared_once(&self, cell: u32, value: f64) -> i8 {
        let below = self.below[cell as usize % CELLS];
        let more = u8::from(self.cuts[usize::from(below)] < value);
        below.wrapping_add(more) as i8
    }

    /// 1 more than the number of cuts below each value, 0 for NaN; less 128.
    #[inline(always)]
    pub(super) fn ranks(&self, values: &[f64], ranks: &mut [i8; ROWS]) {
        let mut cells = [0_u32; ROWS];
        if self.step == 1 {
            self.map.cells(values, &mut cells);
            let (quads, rest) = values.as_chunks::<4>();
            for ((ranks, values), cells) in ranks
                .as_chunks_mut::<4>()
                .0
                .iter_mut()
                .zip(quads)
                .zip(cells.as_chunks::<4>().0)
            {
                for ((rank, value), cell) in ranks.iter_mut().zip(values).zip(cells) {
                    *rank = self.compared_once(*cell, *value);
                }
            }
            let done = quads.len() * 4;
            let ends = ranks[done..].iter_mut().zip(rest).zip(&cells[done..]);
            for ((rank, value), cell) in ends {
                *rank = self.compared_once(*cell, *value);
            }
        } else if self.step == 0 {
            ranks.fill(0);
        } else {
            self.map.cells(values, &mut cells);
            for ((rank, value), cell) in ranks.iter_mut().zip(values).zip(&cells) {
                let mut below = usize::from(self.below[*cell as usize % CELLS]);
                let mut step = self.step;
                while step > 0 {
                    // Past the last cut there are infinities.
                    let last = below.wrapping_add(step).wrapping_sub(1).min(255);
                    if self.cuts[last] < *value {
                        below = below.wrapping_add(step);
                    }
                    step >>= 1;
                }
                *rank = below as u8 as i8;
            }
        }
        for (rank, value) in ranks.iter_mut().zip(values) {
            let below = rank.wrapping_add(-127);
            *rank = if value.is_nan() { i8::MIN } else { below };
        }
    }
}

fn maps(cuts: &[f64]) -> impl Iterator<Item = Map> {
    let finite = || cuts.iter().copied().filter(|cut| cut.is_finite());
    let (low, high) = (finite().next(), finite().next_back());
    let linear = low.zip(high).map(|(low, high)| Map::Linear {
        origin: low,
        // A single cut parts the numbers below it from those above anywhere.
        scale: if high > low {
            (CELLS - 2) as f64 / (high - low)
        } else {
            1.0
        },
    });
    let linear = linear.filter(|map| match map {
        Map::Linear { scale, .. } => scale.is_normal(),
        Map::Bits { .. } => true,
    });
    linear.into_iter().chain([bits_map(cuts)])
}

fn bits_map(cuts: &[f64]) -> Map {
    let key = |cut: Option<&f64>| {
        let bits = (cut.map_or(0.0, |cut| cut + 0.0).to_bits() >> 32) as u32 as i32;
        bits ^ ((bits >> 31) & i32::MAX)
    };
    let (low, high) = (key(cuts.first()), key(cuts.last()));
    let mut shift = 0;
    while (high.wrapping_sub(low) as u32) >> shift >= CELLS as u32 {
        shift += 1;
    }
    Map::Bits { low, high, shift }
}

#[cfg(test)]
mod tests;
