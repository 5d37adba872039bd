//! Makes credit scorecards: columns in bins, weights of evidence, a regression on them, points.
//!
//! Does not judge the result: Gini, KS and PSI are metrics. Invariant: points are rounded once
//! and a score is their sum, so what is printed adds up.

mod binning;
mod merge;
mod points;

pub use binning::Bin;
pub use binning::BinParams;
pub use binning::Binning;
pub use binning::Cuts;
pub use binning::ScoreColumn;
pub use binning::Trend;
pub use binning::bin;
pub use points::Points;
pub use points::PointsParams;

use crate::Error;
use crate::Progress;
use crate::Result;
use crate::glm;
use crate::glm::Design;
use crate::glm::DesignColumn;
use crate::glm::GlmParams;
use crate::glm::Loss;
use crate::glm::Outcome;

/// What [`fit`] may be told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScorecardParams {
    /// How columns are cut.
    pub bins: BinParams,
    /// Information value below which a column is left out, at least 0.
    pub min_iv: f64,
    /// Whether a column may have a weight below 0, that is, points against its evidence.
    pub keep_reversed: bool,
    /// Strength of the penalty `l2 / 2 * sum(w^2)` on the weights, above 0.
    pub l2: f64,
    /// The scale of the points.
    pub points: PointsParams,
    /// Threads that may be used; no effect on the result.
    pub threads: usize,
}

impl Default for ScorecardParams {
    fn default() -> Self {
        Self {
            bins: BinParams::default(),
            min_iv: 0.02,
            keep_reversed: false,
            l2: 1.0,
            points: PointsParams::default(),
            threads: 1,
        }
    }
}

/// A column in the card.
#[derive(Clone, Debug, PartialEq)]
pub struct Scored {
    /// Its bins.
    pub binning: Binning,
    /// The weight of its evidence; 0 for a column that was left out.
    pub weight: f64,
    /// Why it was left out, if it was.
    pub left_out: Option<LeftOut>,
}

/// Why a column is not in the card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeftOut {
    /// Its information value is below `min_iv`.
    Weak,
    /// Beside the others its weight was below 0.
    Reversed,
}

/// What [`fit`] found.
#[derive(Clone, Debug, PartialEq)]
pub struct Scorecard {
    /// The log odds of yes of a row without evidence.
    pub intercept: f64,
    /// One a column, in order.
    pub columns: Vec<Scored>,
    /// The log odds of yes of each row: `intercept + sum(weight * evidence)`.
    pub margins: Vec<f64>,
    /// What bins are worth.
    pub points: Points,
}

/// Fits a scorecard to a yes/no outcome, yes being what is feared.
///
/// For decisions that must be explained on one sheet of paper: each column becomes some bins,
/// each bin some points. Not for effects of columns in combination.
///
/// # Input
/// `columns`: numbers, where NaN is missing and infinities are the lowest and highest number,
/// and level codes, where a code at or past the number of levels is missing. `targets`: 1 for
/// yes and 0 for no, one a row. `weights`: how much each row counts, at least 0.
///
/// # Output
/// [`Scorecard`].
///
/// # Parameters
/// [`ScorecardParams`].
///
/// # Method
/// 1. [`bin`] cuts each column. With n1, n0 the yes and no of a bin, N1, N0 of all rows, and a
///    the smoothing: `WOE = ln((n1 + a N1/N) / N1) - ln((n0 + a N0/N) / N0)`: above 0 where yes
///    is more frequent than on average; 0 for a bin without rows. `IV = sum over bins of
///    (n1/N1 - n0/N0) WOE`.
/// 2. Columns with an IV below `min_iv` are left out.
/// 3. A logistic regression on the WOEs of the rest ([`glm::fit`]); as long as a weight is below 0,
///    the column with the lowest is left out and the rest is fitted again.
/// 4. Points, see [`Points`].
///
/// # Determinism and cost
/// No randomness. For c columns of n rows, f fine bins and k bins O(c (n log n + k f^3)), and
/// a regression for each column that is left out for its sign.
///
/// # Errors
/// [`Error::Length`], [`Error::Entry`] and [`Error::OutOfRange`] for the arguments;
/// [`Error::OneClass`] when all rows that count are yes, or no; [`Error::TooFewRows`] without
/// a row that counts; [`Error::NotConverged`]; [`Error::Cancelled`]. A column that gives the
/// answer away has a finite WOE by the smoothing and a finite weight by the penalty.
///
/// # Source
/// N. Siddiqi, "Credit Risk Scorecards", 2006, chapters 5 and 6 (WOE there is ln of good over
/// bad; here, as for all log odds of this crate, of yes over no). Optimal bins: G.
/// Navas-Palencia, "Optimal binning: mathematical programming formulation", 2020,
/// arXiv:2001.08025; here by dynamic programming.
///
/// # Example
/// ```
/// use lode_numeric::scorecard::{self, ScoreColumn, ScorecardParams};
/// let age: Vec<f64> = (0..200).map(|row| f64::from(20 + row % 50)).collect();
/// let defaults: Vec<f64> = (0..200).map(|row| f64::from(u8::from(row % 50 < 10 + row % 3))).collect();
/// let columns = [ScoreColumn::Number(&age)];
/// let card = scorecard::fit(
///     &columns, &defaults, None, &ScorecardParams::default(), &lode_numeric::go_on,
/// )?;
/// let bins = &card.columns[0].binning;
/// let (young, old) = (bins.of_number(22.0).unwrap(), bins.of_number(60.0).unwrap());
/// assert!(card.points.of_bin(&card.columns[0], young) < card.points.of_bin(&card.columns[0], old));
/// # Ok::<(), lode_numeric::Error>(())
/// ```
pub fn fit(
    columns: &[ScoreColumn<'_>],
    targets: &[f64],
    weights: Option<&[f64]>,
    params: &ScorecardParams,
    progress: Progress<'_>,
) -> Result<Scorecard> {
    check(params)?;
    let mut scored = Vec::with_capacity(columns.len());
    for (index, column) in columns.iter().enumerate() {
        if !progress(0.5 * index as f64 / columns.len() as f64) {
            return Err(Error::Cancelled);
        }
        let binning = bin(column, targets, weights, &params.bins)?;
        let left_out = (binning.iv < params.min_iv).then_some(LeftOut::Weak);
        scored.push(Scored {
            binning,
            weight: 0.0,
            left_out,
        });
    }
    let evidence: Vec<Vec<f64>> = scored
        .iter()
        .zip(columns)
        .map(|(scored, column)| match scored.left_out {
            Some(_) => Vec::new(),
            None => scored.binning.evidence(column),
        })
        .collect();
    let outcome = Outcome {
        loss: Loss::Logistic,
        targets,
        row_weights: weights,
    };
    let asked = GlmParams {
        l2: params.l2,
        threads: params.threads,
        ..GlmParams::default()
    };
    let go_on = |fraction: f64| progress(0.5 + 0.5 * fraction);
    loop {
        let used: Vec<usize> = (0..columns.len())
            .filter(|index| scored[*index].left_out.is_none())
            .collect();
        let numbers: Vec<DesignColumn<'_>> = used
            .iter()
            .map(|index| DesignColumn::Number(&evidence[*index]))
            .collect();
        let design = Design::new(targets.len(), &numbers)?;
        let found = glm::fit(&design, &outcome, &asked, &go_on)?;
        let lowest = used
            .iter()
            .zip(&found.weights)
            .min_by(|a, b| a.1.total_cmp(b.1));
        if let Some((index, weight)) = lowest
            && *weight < 0.0
            && !params.keep_reversed
        {
            scored[*index].left_out = Some(LeftOut::Reversed);
            continue;
        }
        for (index, weight) in used.iter().zip(&found.weights) {
            scored[*index].weight = *weight;
        }
        return Ok(Scorecard {
            intercept: found.intercept,
            columns: scored,
            margins: found.margins,
            points: Points::new(found.intercept, &params.points)?,
        });
    }
}

fn check(params: &ScorecardParams) -> Result<()> {
    if params.min_iv >= 0.0 {
        return Ok(());
    }
    Err(Error::OutOfRange {
        what: "min_iv",
        expected: "at least 0",
        found: params.min_iv,
    })
}

#[cfg(test)]
mod tests;
