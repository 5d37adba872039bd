//! Points: log odds on a scale that people read.
//!
//! Invariant: points of bins are rounded once, each for itself; a row's points are their sum.

use super::Scored;
use crate::Error;
use crate::Result;

/// The scale of the points.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PointsParams {
    /// Points that double the odds of no to yes, above 0.
    pub pdo: f64,
    /// Points of a row whose odds of no to yes are `base_odds`.
    pub base_score: f64,
    /// Odds of no to yes, above 0.
    pub base_odds: f64,
    /// Whether points are whole numbers.
    pub whole: bool,
}

impl Default for PointsParams {
    fn default() -> Self {
        Self {
            pdo: 20.0,
            base_score: 600.0,
            base_odds: 50.0,
            whole: true,
        }
    }
}

/// What a card's bins are worth: more points, less risk.
///
/// With `factor = pdo / ln 2` and `offset = base_score - factor ln(base_odds)`, the points of
/// a margin are `offset - factor * margin`. The base is what of it does not depend on bins,
/// `offset - factor * intercept`; a bin has `-factor * weight * WOE`. Each of these is rounded
/// to the next whole number, halves away from 0, if `whole`; a row's points then differ from
/// those of its margin by at most half a point for the base and each column in the card.
///
/// # Source
/// N. Siddiqi, "Credit Risk Scorecards", 2006, chapter 6, "Scorecard scaling"; there the base
/// is dealt out over the columns, here it stays one line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Points {
    /// Points of every row before its bins.
    pub base: f64,
    /// Points by which one unit of log odds counts.
    pub factor: f64,
    whole: bool,
}

impl Points {
    pub(super) fn new(intercept: f64, params: &PointsParams) -> Result<Self> {
        for (what, value) in [("pdo", params.pdo), ("base_odds", params.base_odds)] {
            if !(value > 0.0 && value.is_finite()) {
                return Err(Error::OutOfRange {
                    what,
                    expected: "above 0",
                    found: value,
                });
            }
        }
        if !params.base_score.is_finite() {
            return Err(Error::OutOfRange {
                what: "base_score",
                expected: "finite",
                found: params.base_score,
            });
        }
        let factor = params.pdo / std::f64::consts::LN_2;
        let offset = params.base_score - factor * params.base_odds.ln();
        let mut points = Self {
            base: 0.0,
            factor,
            whole: params.whole,
        };
        points.base = points.rounded(offset - factor * intercept);
        Ok(points)
    }

    /// Points of a bin of a column.
    pub fn of_bin(&self, column: &Scored, bin: usize) -> f64 {
        self.rounded(-self.factor * column.weight * column.binning.bins[bin].woe)
    }

    fn rounded(&self, points: f64) -> f64 {
        // `+ 0.0` makes -0 a 0.
        if self.whole {
            points.round() + 0.0
        } else {
            points + 0.0
        }
    }
}
