//! Fits a logistic regression: the probability of a yes from numbers and categories.
//!
//! Does not scale columns, fill gaps or choose levels. Invariant: the result is the one
//! minimum of a strictly convex function, so it does not depend on where the search began.

mod design;
mod newton;

pub use design::Design;
pub use design::DesignColumn;

use crate::Error;
use crate::Progress;
use crate::Result;

/// Up to this many weights a step is solved by Cholesky.
const DIRECT_LIMIT: usize = 1_000;

/// What [`fit`] may be told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogisticParams {
    /// Strength of the penalty `l2 / 2 * sum(w^2)`, above 0; the intercept is free.
    pub l2: f64,
    /// Newton steps allowed.
    pub max_steps: usize,
    /// The search ends when no entry of the gradient is larger than this times `1 + n_rows`.
    pub tolerance: f64,
    /// Threads that may be used; no effect on the result.
    pub threads: usize,
}

impl Default for LogisticParams {
    fn default() -> Self {
        Self {
            l2: 1.0,
            max_steps: 100,
            tolerance: 1e-12,
            threads: 1,
        }
    }
}

/// What [`fit`] found.
#[derive(Clone, Debug, PartialEq)]
pub struct LogisticFit {
    /// Margin of a row whose columns all contribute nothing.
    pub intercept: f64,
    /// One weight for each number column and each level, in the order of the design.
    pub weights: Vec<f64>,
    /// Margin of each row: `intercept + sum(weights of the row)`.
    pub margins: Vec<f64>,
    /// Newton steps taken.
    pub steps: usize,
    /// The objective: log loss summed over rows, plus the penalty.
    pub objective: f64,
}

/// Fits an L2-penalized logistic regression.
///
/// For a yes/no outcome that each column pushes one way; not for effects that come only from
/// columns together (give their product as a column of its own).
///
/// # Input
/// `design`: number columns, finite, best standardized, and category columns as level codes;
/// a code at or past the number of levels means "none of them" and contributes 0. `labels`:
/// true for yes, one a row. No nulls.
///
/// # Output
/// [`LogisticFit`]; probability = `sigmoid(margin)`.
///
/// # Parameters
/// [`LogisticParams`]. `l2 = 1` equals scikit-learn's `C = 1`.
///
/// # Method
/// Minimizes `sum(log(1 + exp(-s m))) + l2/2 |w|^2` over w and the intercept, with m the
/// margin and s = 1 for yes, -1 for no, by Newton's method with halving of the step until the
/// objective falls enough (Armijo, 1e-4). The step solves `H d = -g` by Cholesky up to 1,000
/// weights, above by conjugate gradients with the diagonal as preconditioner, so that H is
/// never stored. The start is all zeros with the intercept at the log odds of the labels.
///
/// # Determinism and cost
/// No randomness; chunks reduced in order, so the bits do not depend on threads. With p
/// weights, c columns and n rows: O(steps * (n c^2 + p^3)), usually 6 to 10 steps; O(p^2 + n)
/// numbers of memory. Past 1,000 weights O(n c) a conjugate-gradient round.
///
/// # Errors
/// [`Error::Length`], [`Error::NotFinite`], [`Error::OutOfRange`] for the arguments;
/// [`Error::OneClass`] when all labels agree: there is nothing to learn;
/// [`Error::NotConverged`]: raise `max_steps` or `l2`; [`Error::Cancelled`].
///
/// # Source
/// Objective: scikit-learn's `LogisticRegression`; T. Hastie, R. Tibshirani, J. Friedman, "The
/// Elements of Statistical Learning", 2nd ed., 2009, section 4.4.1, equations 4.20 to 4.26;
/// J. Nocedal, S. Wright, "Numerical Optimization", 2nd ed., 2006, algorithms 3.1 and 7.1.
///
/// # Example
/// ```
/// use lode_numeric::logistic::{self, Design, DesignColumn, LogisticParams};
/// let levels = [0, 0, 0, 1, 1, 1];
/// let columns = [DesignColumn::Category { codes: &levels, n_levels: 2 }];
/// let design = Design::new(6, &columns)?;
/// let labels = [true, true, false, false, false, true];
/// let fit = logistic::fit(&design, &labels, &LogisticParams::default(), &lode_numeric::go_on)?;
/// assert!(fit.weights[0] > 0.0 && (fit.weights[0] + fit.weights[1]).abs() < 1e-9);
/// # Ok::<(), lode_numeric::Error>(())
/// ```
pub fn fit(
    design: &Design<'_>,
    labels: &[bool],
    params: &LogisticParams,
    progress: Progress<'_>,
) -> Result<LogisticFit> {
    if labels.len() != design.n_rows() {
        return Err(Error::Length {
            what: "labels, one a row",
            expected: design.n_rows(),
            found: labels.len(),
        });
    }
    for (what, value) in [("l2", params.l2), ("tolerance", params.tolerance)] {
        if !(value > 0.0 && value.is_finite()) {
            return Err(Error::OutOfRange {
                what,
                expected: "above 0",
                found: value,
            });
        }
    }
    let n_yes = labels.iter().filter(|label| **label).count();
    if labels.is_empty() {
        return Err(Error::TooFewRows {
            needed: 2,
            found: 0,
        });
    }
    if n_yes == 0 || n_yes == labels.len() {
        return Err(Error::OneClass { class: n_yes > 0 });
    }
    let log_odds = (n_yes as f64 / (labels.len() - n_yes) as f64).ln();
    let direct = design.n_weights() <= DIRECT_LIMIT;
    newton::minimize(design, labels, params, log_odds, direct, progress)
}

/// The probability that belongs to a margin: `1 / (1 + exp(-margin))`.
pub fn sigmoid(margin: f64) -> f64 {
    if margin >= 0.0 {
        1.0 / (1.0 + (-margin).exp())
    } else {
        let e = margin.exp();
        e / (1.0 + e)
    }
}

#[cfg(test)]
mod tests;
