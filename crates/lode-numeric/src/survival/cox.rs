//! Fits a Cox regression: which columns make customers leave sooner, and by how much.
//!
//! Does not scale columns, fill gaps or choose levels. Invariant: the result is the one
//! minimum of a convex function, or an error that says why there is none.

mod baseline;
mod likelihood;
mod order;

pub use baseline::Baseline;
pub use baseline::BaselinePoint;

use super::Estimate;
use super::Subjects;
use super::newton;
use super::newton::Search;
use super::rows::DesignRows;
use super::subjects::same_length;
use crate::Error;
use crate::Progress;
use crate::Result;
use crate::glm::Design;
use likelihood::Likelihood;
use order::Order;

/// The most weights that are solved for: the square of their number is kept.
pub const MAX_WEIGHTS: usize = 2_000;

/// What [`fit`] may be told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CoxParams {
    /// Strength of the penalty `l2 / 2 * sum(w^2)`, at least 0.
    pub l2: f64,
    /// Newton steps allowed.
    pub max_steps: usize,
    /// The search ends when no entry of the gradient is larger than this times `1 + n_rows`.
    pub tolerance: f64,
    /// Threads that may be used; no effect on the result.
    pub threads: usize,
}

impl Default for CoxParams {
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
pub struct CoxFit {
    /// One weight for each number column and each level, in the order of the design: the
    /// logarithm of its hazard ratio.
    pub weights: Vec<f64>,
    /// The inverse of the second derivatives (penalty included) at the weights, row by row.
    pub covariance: Vec<f64>,
    /// Log partial hazard of each row: `sum(weights of the row)`.
    pub margins: Vec<f64>,
    /// Log partial likelihood at the weights, penalty not included.
    pub log_likelihood: f64,
    /// Log partial likelihood when all weights are 0.
    pub null_log_likelihood: f64,
    /// The hazard of a row whose margin is 0.
    pub baseline: Baseline,
    /// Newton steps taken.
    pub steps: usize,
}

impl CoxFit {
    /// One weight with its standard error, test and interval of `confidence` (0 to 1).
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a weight that is not there or a confidence outside 0 to 1.
    pub fn estimate(&self, weight: usize, confidence: f64) -> Result<Estimate> {
        estimate(&self.weights, &self.covariance, weight, None, confidence)
    }

    /// The difference of two weights, as of a level and the level it is compared with.
    ///
    /// # Errors
    /// As [`CoxFit::estimate`].
    pub fn contrast(&self, weight: usize, against: usize, confidence: f64) -> Result<Estimate> {
        let (weights, covariance) = (&self.weights, &self.covariance);
        estimate(weights, covariance, weight, Some(against), confidence)
    }
}

/// Fits a Cox proportional-hazards regression with an L2 penalty.
///
/// For the time until a customer leaves when many have not left yet, and each column makes
/// the risk larger or smaller by one factor at all times. Not for effects that come and go
/// with time: [`super::hazard`] has one for the end of a contract.
///
/// # Input
/// `design`: number columns, finite, best standardized, and category columns as level codes;
/// a code at or past the number of levels means "none of them" and contributes 0. `subjects`:
/// one a row; a duration of 0 is legal.
///
/// # Output
/// [`CoxFit`]. The chance that a subject of margin m is still there at time t is
/// `exp(-H0(t) exp(m))` with H0 from [`Baseline::cumulative`].
///
/// # Parameters
/// [`CoxParams`]. A column that foretells who leaves first without a mistake (separation) has
/// an infinite weight without a penalty, which is answered by an error; any `l2` above 0 keeps
/// it finite. `l2 = n * penalizer` equals the `penalizer` of lifelines on columns divided by
/// their standard deviation (of the sample, n - 1).
///
/// # Method
/// Minimizes `-log PL(w) + l2/2 |w|^2`. With r = weight * exp(margin), R(t) those at risk at
/// t (entry < t <= duration), D(t) those who leave at t, d their number and v the mean of
/// their weights, Efron's approximation for ties is
/// `log PL = sum over t [sum over D(t) of weight * margin - v * sum over l < d of log(sum over
/// R(t) of r - l/d * sum over D(t) of r)]`. Newton's method with exact second derivatives; at
/// each time they take one vector for the risk set and one for the ties, whatever d is.
/// Sums over risk sets run backwards in time; where late entries take most of a sum away
/// again, it is added anew. Standard errors are those of the observed information, with the
/// penalty as a prior; weights are taken for counts of alike subjects. Baseline: Breslow's,
/// `dH0(t) = sum over D(t) of weight / sum over R(t) of r`.
///
/// # Determinism and cost
/// No randomness; the bits do not depend on threads. With p weights, c columns, n rows and k
/// different times at which somebody leaves: O(n log n + steps * (n c^2 + k p^2 + p^3)),
/// usually 4 to 8 steps; memory O(n c + p^2).
///
/// # Errors
/// [`Error::TooFewRows`] without rows; [`Error::Length`]; [`Error::Entry`] for a duration,
/// entry or weight outside its range; [`Error::NoEvents`] when nobody left (all censored);
/// [`Error::OutOfRange`] for the parameters and beyond [`MAX_WEIGHTS`]; with `l2 = 0`
/// [`Error::Singular`] for constant columns and [`Error::NotConverged`] or
/// [`Error::Singular`] for separation; [`Error::Cancelled`].
///
/// # Source
/// D. R. Cox, "Regression models and life-tables", Journal of the Royal Statistical Society B
/// 34, 1972, pages 187-220; B. Efron, "The efficiency of Cox's likelihood function for
/// censored data", JASA 72, 1977, pages 557-565; N. Breslow, "Covariance analysis of censored
/// survival data", Biometrics 30, 1974, pages 89-99; T. Therneau, P. Grambsch, "Modeling
/// Survival Data", 2000, sections 3.1 to 3.3 and, for weights, 7.3.
///
/// # Example
/// ```
/// use lode_numeric::glm::{Design, DesignColumn};
/// use lode_numeric::survival::Subjects;
/// use lode_numeric::survival::cox::{self, CoxParams};
/// let calls = [2.0, 3.0, 0.0, 1.0, 0.0, 2.0];
/// let columns = [DesignColumn::Number(&calls)];
/// let design = Design::new(6, &columns)?;
/// let durations = [3.0, 1.0, 9.0, 4.0, 12.0, 12.0];
/// let left = [true, true, true, true, false, false];
/// let subjects = Subjects::new(&durations, &left);
/// let fit = cox::fit(&design, &subjects, &CoxParams::default(), &lode_numeric::go_on)?;
/// assert!(fit.weights[0] > 0.3);
/// assert!(fit.baseline.survival(5.0, 2.0) < fit.baseline.survival(5.0, 0.0));
/// # Ok::<(), lode_numeric::Error>(())
/// ```
pub fn fit(
    design: &Design<'_>,
    subjects: &Subjects<'_>,
    params: &CoxParams,
    progress: Progress<'_>,
) -> Result<CoxFit> {
    subjects.check()?;
    same_length("rows in the design", subjects.len(), design.n_rows())?;
    check_search(params.l2, params.tolerance, design.n_weights())?;
    subjects.check_events()?;
    let order = Order::new(subjects);
    let rows = DesignRows::new(design, &order.rows);
    let problem = Likelihood::new(&order, &rows, params.l2, params.threads);
    let search = Search {
        max_steps: params.max_steps,
        enough: params.tolerance * (1.0 + subjects.len() as f64),
    };
    let start = vec![0.0; rows.n_weights()];
    let null_log_likelihood = problem.log_likelihood(&start);
    let found = newton::minimize(&problem, start, search, progress)?;
    let mut margins = vec![0.0; subjects.len()];
    for (row, margin) in order.rows.iter().zip(&found.state.margins) {
        margins[*row as usize] = *margin;
    }
    Ok(CoxFit {
        margins,
        log_likelihood: found.state.log_likelihood,
        null_log_likelihood,
        baseline: Baseline::new(&order, &found.state),
        steps: found.steps,
        weights: found.point,
        covariance: found.covariance,
    })
}

/// The checks that both regressions of this family make of their search.
pub(super) fn check_search(l2: f64, tolerance: f64, n_weights: usize) -> Result<()> {
    let out_of_range = |what, expected, found| Error::OutOfRange {
        what,
        expected,
        found,
    };
    if !(l2 >= 0.0 && l2.is_finite()) {
        return Err(out_of_range("l2", "at least 0", l2));
    }
    if !(tolerance > 0.0 && tolerance.is_finite()) {
        return Err(out_of_range("tolerance", "above 0", tolerance));
    }
    if n_weights > MAX_WEIGHTS {
        let found = n_weights as f64;
        return Err(out_of_range(
            "weights (columns and levels)",
            "at most 2000",
            found,
        ));
    }
    Ok(())
}

/// The estimate of a weight, or of its difference from another.
pub(super) fn estimate(
    weights: &[f64],
    covariance: &[f64],
    weight: usize,
    against: Option<usize>,
    confidence: f64,
) -> Result<Estimate> {
    let size = weights.len();
    for index in [Some(weight), against].into_iter().flatten() {
        if index >= size {
            return Err(Error::OutOfRange {
                what: "weight",
                expected: "one of the fit",
                found: index as f64,
            });
        }
    }
    let entry = |row: usize, column: usize| covariance[row * size + column];
    let (value, variance) = match against {
        None => (weights[weight], entry(weight, weight)),
        Some(other) => (
            weights[weight] - weights[other],
            entry(weight, weight) + entry(other, other) - 2.0 * entry(weight, other),
        ),
    };
    Estimate::new(value, variance, confidence)
}

#[cfg(test)]
mod tests;
