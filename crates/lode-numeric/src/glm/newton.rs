//! The search without an L1 penalty: Newton steps, each solved directly or by conjugate
//! gradients.
//!
//! Does not know columns, only their products. Invariant: the objective never rises.

use super::GlmFit;
use super::design::dot;
use super::problem::Problem;
use super::problem::State;
use crate::Error;
use crate::Progress;
use crate::Result;
use crate::cholesky;

/// Searches from `point`; `direct` chooses Cholesky.
pub(super) fn minimize(
    problem: &Problem<'_>,
    mut point: Vec<f64>,
    direct: bool,
    progress: Progress<'_>,
) -> Result<GlmFit> {
    let max_steps = problem.params.max_steps;
    let enough = problem.enough;
    let mut state = problem.evaluate(&point);
    for step_idx in 0..=max_steps {
        let size = largest(&state.gradient);
        if size <= enough {
            return Ok(problem.answer(point, state, 0.0, step_idx));
        }
        if !progress(step_idx as f64 / max_steps.max(1) as f64) {
            return Err(Error::Cancelled);
        }
        if step_idx == max_steps {
            break;
        }
        let direction = problem.direction(&state, direct, progress)?;
        match problem.descend(&point, &state, &direction) {
            Some((next_point, next_state)) => {
                point = next_point;
                state = next_state;
            }
            // No step lowers the objective any more: rounding is all that is left of the gradient.
            None if size <= 1e6 * enough => {
                return Ok(problem.answer(point, state, 0.0, step_idx));
            }
            None => break,
        }
    }
    Err(Error::NotConverged {
        steps: max_steps,
        gradient: largest(&state.gradient),
    })
}

fn largest(gradient: &[f64]) -> f64 {
    gradient.iter().map(|g| g.abs()).fold(0.0, f64::max)
}

impl Problem<'_> {
    /// The Newton direction: the solution of `H d = -g`.
    fn direction(&self, state: &State, direct: bool, progress: Progress<'_>) -> Result<Vec<f64>> {
        let factors = self.factors(state);
        let negative: Vec<f64> = state.gradient.iter().map(|g| -g).collect();
        if direct {
            let mut hessian = self.hessian(&factors);
            if cholesky::factor(&mut hessian, negative.len(), 0.0).is_ok() {
                return Ok(cholesky::solve(&hessian, negative));
            }
        }
        self.conjugate_gradients(&factors, &negative, progress)
    }

    /// Solves `H d = rhs` without storing H, to a part of the size of `rhs` that shrinks
    /// with it, so that the outer steps keep converging ever faster.
    fn conjugate_gradients(
        &self,
        factors: &[f64],
        rhs: &[f64],
        progress: Progress<'_>,
    ) -> Result<Vec<f64>> {
        let scale = self.diagonal(factors);
        let target = dot(rhs, rhs).sqrt() * dot(rhs, rhs).sqrt().sqrt().clamp(1e-6, 0.1);
        let mut solution = vec![0.0; rhs.len()];
        let mut residual = rhs.to_vec();
        let mut scaled: Vec<f64> = residual.iter().zip(&scale).map(|(r, s)| r / s).collect();
        let mut direction = scaled.clone();
        let mut energy = dot(&residual, &scaled);
        for _ in 0..2 * rhs.len() {
            if dot(&residual, &residual).sqrt() <= target || energy <= 0.0 {
                break;
            }
            if !progress(0.5) {
                return Err(Error::Cancelled);
            }
            let image = self.apply(factors, &direction);
            let step = energy / dot(&direction, &image);
            for (x, d) in solution.iter_mut().zip(&direction) {
                *x += step * d;
            }
            for (r, h) in residual.iter_mut().zip(&image) {
                *r -= step * h;
            }
            for ((z, r), s) in scaled.iter_mut().zip(&residual).zip(&scale) {
                *z = r / s;
            }
            let next = dot(&residual, &scaled);
            for (d, z) in direction.iter_mut().zip(&scaled) {
                *d = z + next / energy * *d;
            }
            energy = next;
        }
        Ok(solution)
    }

    /// The first of the steps 1, 1/2, 1/4, ... that lowers the objective enough.
    fn descend(
        &self,
        point: &[f64],
        state: &State,
        direction: &[f64],
    ) -> Option<(Vec<f64>, State)> {
        let slope = dot(&state.gradient, direction);
        let mut step = 1.0;
        for _ in 0..40 {
            let next: Vec<f64> = point
                .iter()
                .zip(direction)
                .map(|(x, d)| x + step * d)
                .collect();
            let next_state = self.evaluate(&next);
            let falls = next_state.objective <= state.objective + 1e-4 * step * slope;
            // The sum of many rows' losses is no more exact than this.
            let gentler = next_state.objective <= state.objective * (1.0 + 1e-12)
                && largest(&next_state.gradient) < 0.5 * largest(&state.gradient);
            if falls || gentler {
                return Some((next, next_state));
            }
            step *= 0.5;
        }
        None
    }
}
