//! What trees must keep to: margins that only rise or fall with a column, and columns that may
//! meet on a path.
//!
//! Does not grow. Invariant: of two leaves that a cut of a rising column parts, the value of
//! the left one is at most that of the right one, whatever the values come from; the cuts of a
//! path are all of one set.

use super::Column;
use super::Table;
use super::grow::LEAF;
use super::grow::Node;
use super::histogram::Layout;
use super::split::Limits;
use crate::Error;
use crate::Result;

/// How a margin follows a number column while all others stay as they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trend {
    /// As it likes.
    #[default]
    Free,
    /// It never falls as the column rises.
    Rising,
    /// It never rises as the column rises.
    Falling,
}

/// What all trees of a model keep to; the default asks nothing.
///
/// Missing values have no place in an order: a row without the value may have any margin. A
/// trend holds among all rows that have it, also where other columns are missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Constraints {
    /// The trend of each column, in the order of the table; none at all when empty. Category
    /// columns must be [`Trend::Free`]: their levels have no order of their own.
    pub trends: Vec<Trend>,
    /// Sets of columns, by number: a path from the root to a leaf asks about columns of one set
    /// only, so that columns of no common set add up. Columns in no set are one more set. All
    /// may meet when empty. At most 63 sets.
    pub interactions: Vec<Vec<u32>>,
}

/// Most sets of columns.
const MAX_SETS: usize = 63;

impl Constraints {
    /// Columns with a trend.
    pub(super) fn n_trends(&self) -> usize {
        let trends = self.trends.iter();
        trends.filter(|trend| **trend != Trend::Free).count()
    }

    /// Checked against the table; none when nothing is asked.
    pub(super) fn rules(&self, table: &Table<'_>) -> Result<Option<Rules>> {
        let n_cols = table.n_cols();
        if !self.trends.is_empty() && self.trends.len() != n_cols {
            return Err(Error::Length {
                what: "trends, one a column",
                expected: n_cols,
                found: self.trends.len(),
            });
        }
        for (index, (trend, column)) in self.trends.iter().zip(table.columns()).enumerate() {
            if *trend != Trend::Free && matches!(column, Column::Category { .. }) {
                return Err(Error::Columns {
                    index,
                    expected: "numbers, which a trend needs,",
                    found: "categories",
                });
            }
        }
        if self.n_trends() == 0 && self.interactions.is_empty() {
            return Ok(None);
        }
        let mut trends = self.trends.clone();
        trends.resize(n_cols, Trend::Free);
        Ok(Some(Rules {
            trends,
            sets: self.sets(n_cols)?,
        }))
    }

    /// The sets of each column, a bit each.
    fn sets(&self, n_cols: usize) -> Result<Vec<u64>> {
        if self.interactions.len() > MAX_SETS {
            return Err(Error::OutOfRange {
                what: "sets of columns that may meet",
                expected: "at most 63 in number",
                found: self.interactions.len() as f64,
            });
        }
        let mut sets = vec![0_u64; n_cols];
        for (bit, set) in self.interactions.iter().enumerate() {
            for column in set {
                match sets.get_mut(*column as usize) {
                    Some(own) => *own |= 1 << bit,
                    None => {
                        return Err(Error::OutOfRange {
                            what: "column of a set that may meet",
                            expected: "below the number of columns",
                            found: f64::from(*column),
                        });
                    }
                }
            }
        }
        for own in &mut sets {
            if *own == 0 {
                *own = 1 << MAX_SETS;
            }
        }
        Ok(sets)
    }
}

/// Constraints of a table, checked.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    trends: Vec<Trend>,
    sets: Vec<u64>,
}

/// What a node leaves to its leaves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bounds {
    low: f64,
    high: f64,
    /// The sets that all cuts above are of.
    sets: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            low: f64::NEG_INFINITY,
            high: f64::INFINITY,
            sets: u64::MAX,
        }
    }
}

impl Bounds {
    /// The nearest legal value.
    fn keep(&self, value: f64) -> f64 {
        value.max(self.low).min(self.high)
    }
}

/// Slope, curvature and rows of some rows.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Amount {
    pub(super) slope: f64,
    pub(super) curve: f64,
    pub(super) n: f64,
}

impl Amount {
    fn plus(&self, other: &Self) -> Self {
        Self {
            slope: self.slope + other.slope,
            curve: self.curve + other.curve,
            n: self.n + other.n,
        }
    }

    fn minus(&self, other: &Self) -> Self {
        Self {
            slope: self.slope - other.slope,
            curve: self.curve - other.curve,
            n: self.n - other.n,
        }
    }

    /// Value of a leaf within bounds.
    fn value(&self, limits: &Limits, bounds: &Bounds) -> f64 {
        let below = self.curve + limits.l2;
        let size = (self.slope.abs() - limits.l1).max(0.0);
        let value = if below > 0.0 && size > 0.0 {
            -size.copysign(self.slope) / below
        } else {
            0.0
        };
        bounds.keep(value)
    }

    /// Twice the loss that a leaf of this value saves.
    fn saved(&self, limits: &Limits, value: f64) -> f64 {
        let square = (self.curve + limits.l2) * value * value;
        -2.0 * self.slope * value - square - 2.0 * limits.l1 * value.abs()
    }
}

/// A legal cut: the place of its column in the layout, its highest left bin, where missing
/// values go, and its gain.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Cut {
    pub(super) slot: usize,
    pub(super) bin: u8,
    pub(super) missing_left: bool,
    pub(super) gain: f64,
}

impl Rules {
    /// The best legal cut of a node; of equal ones the first in column and bin order.
    ///
    /// As the cut without rules, but leaves have the nearest values within the bounds, and the
    /// gain is what those save.
    pub(super) fn best(
        &self,
        layout: &Layout,
        cells: impl Fn(usize) -> Amount,
        total: &Amount,
        limits: &Limits,
        bounds: &Bounds,
    ) -> Option<Cut> {
        let before = total.saved(limits, total.value(limits, bounds));
        let mut floor = limits.min_gain.max(0.0);
        let mut best = None;
        let legal = |slot: &usize| {
            let column = layout.columns[*slot] as usize;
            self.sets[column] & bounds.sets != 0
        };
        for slot in (0..layout.columns.len()).filter(legal) {
            let trend = self.trends[layout.columns[slot] as usize];
            let gain_of = |left: &Amount| {
                let right = total.minus(left);
                let min_rows = f64::from(limits.min_rows.max(1));
                let allowed = |side: &Amount| side.n >= min_rows && side.curve >= limits.min_curve;
                if !(allowed(left) && allowed(&right)) {
                    return f64::NEG_INFINITY;
                }
                let values = (left.value(limits, bounds), right.value(limits, bounds));
                let against = match trend {
                    Trend::Free => false,
                    Trend::Rising => values.0 > values.1,
                    Trend::Falling => values.0 < values.1,
                };
                if against {
                    return f64::NEG_INFINITY;
                }
                0.5 * (left.saved(limits, values.0) + right.saved(limits, values.1) - before)
            };
            let range = layout.range(slot);
            let missing = cells(range.start);
            let has_missing = missing.n > 0.0;
            let mut acc = Amount::default();
            for (bin, at) in (1..=u8::MAX).zip(range.start + 1..range.end) {
                let cell = cells(at);
                acc = acc.plus(&cell);
                if cell.n <= 0.0 {
                    continue;
                }
                let follow = !has_missing && acc.curve * 2.0 >= total.curve;
                let mut offer = |left: &Amount, missing_left: bool| {
                    let gain = gain_of(left);
                    if gain > floor {
                        floor = gain;
                        best = Some(Cut {
                            slot,
                            bin,
                            missing_left,
                            gain,
                        });
                    }
                };
                offer(&acc, follow);
                if has_missing {
                    offer(&acc.plus(&missing), true);
                }
            }
        }
        best
    }

    /// The bounds of both children of a cut while a tree grows.
    pub(super) fn children(
        &self,
        column: u32,
        bounds: &Bounds,
        [left, right]: [&Amount; 2],
        limits: &Limits,
    ) -> [Bounds; 2] {
        let values = [left.value(limits, bounds), right.value(limits, bounds)];
        self.parted(column, bounds, values)
    }

    /// Makes the values of a grown tree keep to the trends, whatever they are: from the root
    /// on, the bounds of each node are parted half way between the values of its children.
    pub(super) fn settle(&self, nodes: &mut [Node]) {
        let mut bounds = vec![Bounds::default(); nodes.len()];
        // Children come after their parent.
        for at in 0..nodes.len() {
            let node = nodes[at];
            nodes[at].value = bounds[at].keep(node.value);
            if node.column != LEAF {
                let (left, right) = (at + 1, node.right as usize);
                let values = [left, right].map(|child| bounds[at].keep(nodes[child].value));
                [bounds[left], bounds[right]] = self.parted(node.column, &bounds[at], values);
            }
        }
    }

    /// Whether any column has a trend.
    pub(super) fn has_trends(&self) -> bool {
        self.trends.iter().any(|trend| *trend != Trend::Free)
    }

    /// Half way between the values of the children is the most, or the least, that either side
    /// may have.
    fn parted(&self, column: u32, bounds: &Bounds, [left, right]: [f64; 2]) -> [Bounds; 2] {
        let column = column as usize;
        let mut own = [*bounds; 2];
        own.iter_mut().for_each(|own| own.sets &= self.sets[column]);
        let middle = 0.5 * left + 0.5 * right;
        match self.trends[column] {
            Trend::Free => {}
            Trend::Rising => {
                own[0].high = middle;
                own[1].low = middle;
            }
            Trend::Falling => {
                own[0].low = middle;
                own[1].high = middle;
            }
        }
        own
    }
}

#[cfg(test)]
mod tests;
