//! The best cut of a node: which column, after which bin, and where missing values go.
//!
//! Does not grow. Invariant: of cuts with equal gain the first in column and bin order wins.

use super::histogram::Cell;
use super::histogram::Layout;

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
    pub(super) fn value(&self, cell: &Cell) -> f64 {
        let below = cell.curve + self.l2;
        if below > 0.0 {
            -self.shrink(cell.slope) / below
        } else {
            0.0
        }
    }

    /// Twice the loss that the best value of a leaf saves.
    fn saved(&self, cell: &Cell) -> f64 {
        let below = cell.curve + self.l2;
        let slope = self.shrink(cell.slope);
        if below > 0.0 {
            slope * slope / below
        } else {
            0.0
        }
    }

    fn shrink(&self, slope: f64) -> f64 {
        if slope > self.l1 {
            slope - self.l1
        } else if slope < -self.l1 {
            slope + self.l1
        } else {
            0.0
        }
    }

    fn allow(&self, cell: &Cell) -> bool {
        cell.n >= self.min_rows && cell.curve >= self.min_curve
    }
}

/// A cut: bins 1 to `bin` go left, higher ones right, bin 0 as `missing_left` says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Split {
    pub(super) column: u32,
    pub(super) bin: u8,
    pub(super) missing_left: bool,
    pub(super) gain: f64,
    pub(super) left: Cell,
    pub(super) right: Cell,
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

/// The best split of a node with these cells that all add up to `total`.
///
/// The gain is half of what the children save beyond the parent; it must pass `min_gain`. Where
/// a node has no missing values they will follow its heavier child.
pub(super) fn best(
    layout: &Layout,
    cells: &[Cell],
    total: &Cell,
    limits: &Limits,
) -> Option<Split> {
    let before = limits.saved(total);
    let mut best: Option<Split> = None;
    let mut floor = limits.min_gain.max(0.0);
    for (slot, column) in layout.columns.iter().enumerate() {
        let cells = &cells[layout.range(slot)];
        let missing = cells[0];
        let mut acc = Cell::default();
        let last = cells.len() - 1;
        for (bin, cell) in cells.iter().enumerate().skip(1) {
            if cell.n == 0 {
                continue;
            }
            acc.add(cell);
            if bin == last && missing.n == 0 {
                break;
            }
            let mut try_left = |left: Cell, missing_left: bool| {
                let right = total.minus(&left);
                if !(limits.allow(&left) && limits.allow(&right)) {
                    return;
                }
                let gain = 0.5 * (limits.saved(&left) + limits.saved(&right) - before);
                if gain > floor {
                    floor = gain;
                    best = Some(Split {
                        column: *column,
                        bin: bin as u8,
                        missing_left,
                        gain,
                        left,
                        right,
                    });
                }
            };
            if missing.n == 0 {
                try_left(acc, acc.curve * 2.0 >= total.curve);
            } else {
                try_left(acc, false);
                let mut with = acc;
                with.add(&missing);
                if with.n < total.n {
                    try_left(with, true);
                }
            }
        }
    }
    best
}

#[cfg(test)]
mod tests;
