//! The best cut of a node: which column, after which bin, and where missing values go.
//!
//! Does not grow. Invariant: of cuts with equal gain the first in column and bin order wins.

use super::histogram::Layout;
use super::quantize::Scale;
use super::quantize::Sum;
use crate::wide::wide;

/// Penalties and limits that a split must keep.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) min_rows: u32,
    pub(super) min_curve: f64,
    pub(super) l1: f64,
    pub(super) l2: f64,
    pub(super) min_gain: f64,
}

impl Limits {
    /// Value of a leaf: the Newton step `-shrunk slope / (curvature + l2)`.
    pub(super) fn value(&self, slope: f64, curve: f64) -> f64 {
        let below = curve + self.l2;
        let size = (slope.abs() - self.l1).max(0.0);
        if below > 0.0 && size > 0.0 {
            -size.copysign(slope) / below
        } else {
            0.0
        }
    }

    /// Twice the loss that the best value of a leaf saves.
    #[inline(always)]
    pub(super) fn saved(&self, slope: f64, curve: f64) -> f64 {
        let below = curve + self.l2;
        let size = (slope.abs() - self.l1).max(0.0);
        let saved = size * size / below;
        if below > 0.0 { saved } else { 0.0 }
    }
}

/// A cut: bins 1 to `bin` go left, higher ones right, bin 0 as `missing_left` says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Split {
    pub(super) column: u32,
    pub(super) bin: u8,
    pub(super) missing_left: bool,
    pub(super) gain: f64,
    pub(super) left: Sum,
    pub(super) right: Sum,
}

impl Split {
    pub(super) fn goes_left(&self, bin: u8) -> bool {
        if bin == 0 {
            self.missing_left
        } else {
            bin <= self.bin
        }
    }
}

/// What is left of each cut of a column, missing values aside.
struct Lefts {
    len: usize,
    bins: [u8; 256],
    slopes: [f64; 256],
    curves: [f64; 256],
    counts: [f64; 256],
    gains: [f64; 256],
}

/// Slope, curvature and rows of a node or of its missing values.
#[derive(Clone, Copy, Default)]
struct Amount {
    slope: f64,
    curve: f64,
    n: f64,
}

impl Amount {
    fn of(sum: Sum, scale: &Scale) -> Self {
        Self {
            slope: scale.slope(sum),
            curve: scale.curve(sum),
            n: f64::from(sum.n()),
        }
    }
}

/// The best split of a node with these cells that all add up to `total`.
///
/// The gain is half of what the children save beyond the parent; it must pass `min_gain`. Where
/// a node has no missing values they will follow its heavier child.
pub(super) fn best(
    layout: &Layout,
    cells: &[Sum],
    total: Sum,
    scale: &Scale,
    limits: &Limits,
) -> Option<Split> {
    wide(|| search(layout, cells, total, scale, limits))
}

#[inline(always)]
fn search(
    layout: &Layout,
    cells: &[Sum],
    total: Sum,
    scale: &Scale,
    limits: &Limits,
) -> Option<Split> {
    let node = Amount::of(total, scale);
    let before = limits.saved(node.slope, node.curve);
    let mut floor = limits.min_gain.max(0.0);
    let mut found: Option<(usize, u8, bool)> = None;
    let mut lefts = Lefts {
        len: 0,
        bins: [0; 256],
        slopes: [0.0; 256],
        curves: [0.0; 256],
        counts: [0.0; 256],
        gains: [0.0; 256],
    };
    for slot in 0..layout.columns.len() {
        let cells = &cells[layout.range(slot)];
        lefts.scan(cells, scale);
        if cells[0].n() == 0 {
            // After the last bin nothing is right.
            lefts.len = lefts.len.saturating_sub(1);
        }
        let mut own: Option<(usize, bool)> = None;
        if let Some((at, gain)) = lefts.best(&node, &Amount::default(), before, limits, floor) {
            own = Some((
                at,
                cells[0].n() == 0 && lefts.curves[at] * 2.0 >= node.curve,
            ));
            floor = gain;
        }
        if cells[0].n() > 0 {
            let missing = Amount::of(cells[0], scale);
            if let Some((at, gain)) = lefts.best(&node, &missing, before, limits, floor) {
                own = Some((at, true));
                floor = gain;
            }
        }
        if let Some((at, missing_left)) = own {
            found = Some((slot, lefts.bins[at], missing_left));
        }
    }
    let (slot, bin, missing_left) = found?;
    let left = left(&cells[layout.range(slot)], bin, missing_left);
    Some(Split {
        column: layout.columns[slot],
        bin,
        missing_left,
        gain: floor,
        left,
        right: total.minus(left),
    })
}

/// What goes left of a cut, by the cells of its column.
pub(super) fn left(cells: &[Sum], bin: u8, missing_left: bool) -> Sum {
    let start = if missing_left {
        cells[0]
    } else {
        Sum::default()
    };
    let cells = cells[1..=usize::from(bin)].iter();
    cells.fold(start, |sum, cell| sum.plus(*cell))
}

impl Lefts {
    /// Sums up to each bin that has rows.
    #[inline(always)]
    fn scan(&mut self, cells: &[Sum], scale: &Scale) {
        let mut sum = Sum::default();
        let mut len = 0_usize;
        for (cell, bin) in cells.iter().zip(0..=255_u8).skip(1) {
            sum = sum.plus(*cell);
            let at = len & 255;
            self.bins[at] = bin;
            self.slopes[at] = scale.slope(sum);
            self.curves[at] = scale.curve(sum);
            self.counts[at] = f64::from(sum.n());
            len += usize::from(cell.n() > 0);
        }
        self.len = len;
    }

    /// The first cut of most gain above `floor`, with `extra` beside what is left of it.
    #[inline(always)]
    fn best(
        &mut self,
        node: &Amount,
        extra: &Amount,
        before: f64,
        limits: &Limits,
        floor: f64,
    ) -> Option<(usize, f64)> {
        let len = self.len.min(256);
        let min_rows = f64::from(limits.min_rows.max(1));
        let lefts = self.slopes[..len].iter().zip(&self.curves[..len]);
        let lefts = lefts.zip(&self.counts[..len]);
        let mut most = floor;
        for (gain, ((slope, curve), n)) in self.gains[..len].iter_mut().zip(lefts) {
            let (ls, lc, ln) = (slope + extra.slope, curve + extra.curve, n + extra.n);
            let (rs, rc, rn) = (node.slope - ls, node.curve - lc, node.n - ln);
            let saved = limits.saved(ls, lc) + limits.saved(rs, rc);
            let own = 0.5 * (saved - before);
            let allowed = (ln >= min_rows)
                & (rn >= min_rows)
                & (lc >= limits.min_curve)
                & (rc >= limits.min_curve);
            *gain = if allowed { own } else { f64::NEG_INFINITY };
            most = if *gain > most { *gain } else { most };
        }
        if most > floor {
            let at = self.gains[..len].iter().position(|gain| *gain >= most)?;
            Some((at, most))
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests;
