//! Newton's method for a convex function whose second derivatives fit into memory.
//!
//! Does not know what it minimizes. Invariant: an answer is where the gradient vanishes and
//! the next step would be small; a minimum that lies at infinity is never taken for one.

use crate::Error;
use crate::Progress;
use crate::Result;
use crate::cholesky;

/// A pivot below this part of its diagonal entry is rounding.
const PIVOT: f64 = 1e-14;

/// The relative step that is as good as none.
const STILL: f64 = 1e-6;

/// A convex function of weights.
pub(super) trait Problem {
    /// What is known at a point.
    type State;
    /// Value, gradient and what the second derivatives need.
    fn evaluate(&self, point: &[f64]) -> Self::State;
    /// The value at a state's point.
    fn objective(state: &Self::State) -> f64;
    /// The gradient at a state's point.
    fn gradient(state: &Self::State) -> &[f64];
    /// The lower triangle of the second derivatives, row by row.
    fn hessian(&self, state: &Self::State) -> Vec<f64>;
}

/// When to stop.
#[derive(Clone, Copy, Debug)]
pub(super) struct Search {
    pub(super) max_steps: usize,
    /// The largest entry of a gradient that counts as 0.
    pub(super) enough: f64,
}

/// Where the search ended.
pub(super) struct Minimum<S> {
    pub(super) point: Vec<f64>,
    pub(super) state: S,
    pub(super) steps: usize,
    /// The inverse of the second derivatives, row by row.
    pub(super) covariance: Vec<f64>,
}

/// Searches from `start`, halving a step until the objective falls enough.
///
/// # Source
/// J. Nocedal, S. Wright, "Numerical Optimization", 2nd ed., 2006, algorithm 3.1.
pub(super) fn minimize<P: Problem>(
    problem: &P,
    start: Vec<f64>,
    search: Search,
    progress: Progress<'_>,
) -> Result<Minimum<P::State>> {
    let mut point = start;
    let mut state = problem.evaluate(&point);
    for step_idx in 0..=search.max_steps {
        if !progress(step_idx as f64 / search.max_steps.max(1) as f64) {
            return Err(Error::Cancelled);
        }
        let mut factor = problem.hessian(&state);
        cholesky::factor(&mut factor, point.len(), PIVOT)
            .map_err(|weight| Error::Singular { weight })?;
        let negative = P::gradient(&state).iter().map(|g| -g).collect();
        let direction = cholesky::solve(&factor, negative);
        let size = largest(P::gradient(&state));
        let moves = direction.iter().zip(&point);
        let is_still = moves
            .map(|(d, x)| d.abs() / (1.0 + x.abs()))
            .all(|d| d <= STILL);
        if size <= search.enough && is_still {
            return Ok(finish(point, state, step_idx, &factor));
        }
        if step_idx == search.max_steps {
            break;
        }
        match descend(problem, &point, &state, &direction) {
            Some((next_point, next_state)) => {
                point = next_point;
                state = next_state;
            }
            // Rounding is all that is left of the gradient.
            None if is_still && size <= 1e6 * search.enough => {
                return Ok(finish(point, state, step_idx, &factor));
            }
            None => break,
        }
    }
    Err(Error::NotConverged {
        steps: search.max_steps,
        gradient: largest(P::gradient(&state)),
    })
}

fn finish<S>(point: Vec<f64>, state: S, steps: usize, factor: &[f64]) -> Minimum<S> {
    let covariance = cholesky::inverse(factor, point.len());
    Minimum {
        point,
        state,
        steps,
        covariance,
    }
}

/// The first of the steps 1, 1/2, 1/4, ... that lowers the objective enough.
fn descend<P: Problem>(
    problem: &P,
    point: &[f64],
    state: &P::State,
    direction: &[f64],
) -> Option<(Vec<f64>, P::State)> {
    let before = P::objective(state);
    let gradient = P::gradient(state);
    let slope: f64 = gradient.iter().zip(direction).map(|(g, d)| g * d).sum();
    let mut step = 1.0;
    for _ in 0..40 {
        let moves = point.iter().zip(direction);
        let next: Vec<f64> = moves.map(|(x, d)| x + step * d).collect();
        let next_state = problem.evaluate(&next);
        let after = P::objective(&next_state);
        let falls = after <= before + 1e-4 * step * slope;
        // The sum of many rows' losses is no more exact than this.
        let gentler = after <= before + 1e-12 * before.abs()
            && largest(P::gradient(&next_state)) < 0.5 * largest(gradient);
        if falls || gentler {
            return Some((next, next_state));
        }
        step *= 0.5;
    }
    None
}

fn largest(gradient: &[f64]) -> f64 {
    gradient.iter().map(|g| g.abs()).fold(0.0, f64::max)
}
