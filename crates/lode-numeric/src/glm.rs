//! Fits linear models: the probability of a yes, or an amount, from numbers and categories.
//!
//! Does not scale columns, fill gaps or choose levels. Invariant: the result is a minimum of a
//! convex function (the one minimum when `l2 > 0`), so it does not depend on where the search
//! began.

mod descent;
mod design;
mod newton;
mod problem;

pub use design::Design;
pub use design::DesignColumn;
pub(crate) use design::dot;

use crate::Error;
use crate::Progress;
use crate::Result;
use problem::Problem;

/// Up to this many weights the second derivatives are kept as a matrix.
const DIRECT_LIMIT: usize = 1_000;

/// What a row's margin is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// The log loss of `sigmoid(margin)` against a target of 0 to 1.
    Logistic,
    /// Half the square of `margin - target`.
    Squared,
}

/// What is to be learned, one entry a row.
#[derive(Clone, Copy, Debug)]
pub struct Outcome<'a> {
    /// How a margin is judged.
    pub loss: Loss,
    /// The target of each row; 1 for yes and 0 for no with [`Loss::Logistic`].
    pub targets: &'a [f64],
    /// How much each row counts, 0 or more; all 1 when none.
    pub row_weights: Option<&'a [f64]>,
}

/// What [`fit`] may be told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GlmParams {
    /// Strength of the penalty `l1 * sum(|w|)`, 0 or more; the intercept is free.
    pub l1: f64,
    /// Strength of the penalty `l2 / 2 * sum(w^2)`, 0 or more; the intercept is free.
    pub l2: f64,
    /// Newton steps allowed.
    pub max_steps: usize,
    /// The search ends when no entry of the gradient is larger than this times
    /// `1 + sum(row weights)`, with [`Loss::Squared`] times the scale of the targets too.
    pub tolerance: f64,
    /// Threads that may be used; no effect on the result.
    pub threads: usize,
}

impl Default for GlmParams {
    fn default() -> Self {
        Self {
            l1: 0.0,
            l2: 1.0,
            max_steps: 100,
            tolerance: 1e-12,
            threads: 1,
        }
    }
}

/// What [`fit`] found.
#[derive(Clone, Debug, PartialEq)]
pub struct GlmFit {
    /// Margin of a row whose columns all contribute nothing.
    pub intercept: f64,
    /// One weight for each number column and each level, in the order of the design.
    pub weights: Vec<f64>,
    /// Margin of each row: `intercept + sum(weights of the row)`.
    pub margins: Vec<f64>,
    /// Newton steps taken.
    pub steps: usize,
    /// The objective: loss summed over rows, plus the penalties.
    pub objective: f64,
}

/// Fits a logistic or linear regression with an L1, L2 or elastic net penalty.
///
/// For an outcome that each column pushes one way; not for effects that come only from columns
/// together (give their product as a column of its own).
///
/// # Input
/// `design`: number columns, finite, best standardized, and category columns as level codes;
/// a code at or past the number of levels means "none of them" and contributes 0. `outcome`:
/// a target a row and, if rows do not all count the same, a weight a row. No nulls. A row of
/// weight 2 is two rows of weight 1; one of weight 0 has a margin and teaches nothing.
///
/// # Output
/// [`GlmFit`]; probability = `sigmoid(margin)`, amount = `margin`.
///
/// # Parameters
/// [`GlmParams`]. With [`Loss::Logistic`] `l2 = 1` equals scikit-learn's `C = 1`; with
/// [`Loss::Squared`] `l2` is the `alpha` of its `Ridge`, and `l1 = n alpha l1_ratio`,
/// `l2 = n alpha (1 - l1_ratio)` are those of its `ElasticNet`.
///
/// # Method
/// Minimizes `sum(r loss(m, y)) + l1 |w| + l2/2 |w|^2` over w and the intercept, with m the
/// margin, y the target, r the row's weight.
///
/// Without L1: Newton's method with halving of the step until the objective falls enough
/// (Armijo, 1e-4); with [`Loss::Squared`] its first step is the closed form. The step solves
/// `H d = -g` by Cholesky up to 1,000 weights, above by conjugate gradients with the diagonal
/// as preconditioner, so that H is never stored. The start is all zeros with the intercept at
/// the log odds, or the mean, of the targets.
///
/// With L1: the same outer steps, each the minimum of the quadratic model plus the L1 penalty,
/// found by coordinate descent over the weights that are not 0, then over all. Up to 1,000
/// weights a coordinate reads a row of H, above it reads its column. The penalty falls to `l1`
/// from the smallest one under which every weight is 0, by a factor of 10 a time, each fit
/// starting where the one before ended.
///
/// # Determinism and cost
/// No randomness; chunks reduced in order, so the bits do not depend on threads. With p
/// weights, c columns and n rows: O(steps * (n c^2 + p^3)), usually 6 to 10 steps; O(p^2 + n)
/// numbers of memory. Past 1,000 weights O(n c) a conjugate-gradient round or sweep.
///
/// # Errors
/// [`Error::Length`], [`Error::NotFinite`], [`Error::OutOfRange`] for the arguments (both
/// penalties 0 is refused: there may be no one answer); [`Error::TooFewRows`] without a row
/// that counts; [`Error::OneClass`] when the log loss is asked for and all targets are yes, or
/// no: there is nothing to learn; [`Error::NotConverged`]: raise `max_steps` or a penalty;
/// [`Error::Cancelled`].
///
/// # Source
/// Objective: scikit-learn's `LogisticRegression`, `Ridge` and `ElasticNet`; T. Hastie, R.
/// Tibshirani, J. Friedman, "The Elements of Statistical Learning", 2nd ed., 2009, section
/// 4.4.1, equations 4.20 to 4.26; J. Nocedal, S. Wright, "Numerical Optimization", 2nd ed.,
/// 2006, algorithms 3.1 and 7.1. Coordinate descent and warm starts: J. Friedman, T. Hastie,
/// R. Tibshirani, "Regularization Paths for Generalized Linear Models via Coordinate Descent",
/// J. Stat. Softw. 33(1), 2010, doi:10.18637/jss.v033.i01, sections 2 and 3; the step search
/// over the penalized objective, which glmnet lacks: J. Lee, Y. Sun, M. Saunders, "Proximal
/// Newton-Type Methods for Minimizing Composite Functions", SIAM J. Optim. 24(3), 2014,
/// algorithm 1.
///
/// # Example
/// ```
/// use lode_numeric::glm::{self, Design, DesignColumn, GlmParams, Loss, Outcome};
/// let levels = [0, 0, 0, 1, 1, 1];
/// let columns = [DesignColumn::Category { codes: &levels, n_levels: 2 }];
/// let design = Design::new(6, &columns)?;
/// let outcome = Outcome {
///     loss: Loss::Logistic,
///     targets: &[1.0, 1.0, 0.0, 0.0, 0.0, 1.0],
///     row_weights: None,
/// };
/// let fit = glm::fit(&design, &outcome, &GlmParams::default(), &lode_numeric::go_on)?;
/// assert!(fit.weights[0] > 0.0 && (fit.weights[0] + fit.weights[1]).abs() < 1e-9);
/// # Ok::<(), lode_numeric::Error>(())
/// ```
pub fn fit(
    design: &Design<'_>,
    outcome: &Outcome<'_>,
    params: &GlmParams,
    progress: Progress<'_>,
) -> Result<GlmFit> {
    check(design, outcome, params)?;
    let problem = Problem::new(design, outcome, params);
    let start = problem.start()?;
    let direct = design.n_weights() <= DIRECT_LIMIT;
    if params.l1 > 0.0 {
        descent::minimize(&problem, start, direct, progress)
    } else {
        newton::minimize(&problem, start, direct, progress)
    }
}

fn check(design: &Design<'_>, outcome: &Outcome<'_>, params: &GlmParams) -> Result<()> {
    let lengths = [
        ("targets, one a row", Some(outcome.targets)),
        ("row weights, one a row", outcome.row_weights),
    ];
    for (what, values) in lengths {
        let Some(values) = values else { continue };
        if values.len() != design.n_rows() {
            return Err(Error::Length {
                what,
                expected: design.n_rows(),
                found: values.len(),
            });
        }
        if let Some(index) = values.iter().position(|value| !value.is_finite()) {
            return Err(Error::NotFinite { what, index });
        }
    }
    let out_of_range = |what, expected, found| {
        Err(Error::OutOfRange {
            what,
            expected,
            found,
        })
    };
    if outcome.loss == Loss::Logistic
        && let Some(bad) = outcome.targets.iter().find(|y| !(0.0..=1.0).contains(*y))
    {
        return out_of_range("targets", "0 to 1", *bad);
    }
    if let Some(bad) = outcome
        .row_weights
        .into_iter()
        .flatten()
        .find(|w| **w < 0.0)
    {
        return out_of_range("row weights", "0 or more", *bad);
    }
    for (what, value) in [("l1", params.l1), ("l2", params.l2)] {
        if !(value >= 0.0 && value.is_finite()) {
            return out_of_range(what, "0 or more", value);
        }
    }
    if params.l1 + params.l2 <= 0.0 {
        return out_of_range("l1 + l2", "above 0", params.l1 + params.l2);
    }
    if !(params.tolerance > 0.0 && params.tolerance.is_finite()) {
        return out_of_range("tolerance", "above 0", params.tolerance);
    }
    Ok(())
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
