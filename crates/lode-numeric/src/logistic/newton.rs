//! The search for the minimum: Newton steps, each solved directly or by conjugate gradients.
//!
//! Does not know columns, only their products. Invariant: the objective never rises.

use super::Design;
use super::LogisticFit;
use super::LogisticParams;
use super::design::dot;
use super::sigmoid;
use crate::Error;
use crate::Progress;
use crate::Result;
use crate::parallel;

/// Searches from zero weights and the intercept `log_odds`; `direct` chooses Cholesky.
/// A point is the weights and, last, the intercept.
pub(super) fn minimize(
    design: &Design<'_>,
    labels: &[bool],
    params: &LogisticParams,
    log_odds: f64,
    direct: bool,
    progress: Progress<'_>,
) -> Result<LogisticFit> {
    let problem = Problem {
        design,
        labels,
        params,
        direct,
    };
    let mut point = vec![0.0; design.n_weights() + 1];
    point[design.n_weights()] = log_odds;
    let mut state = problem.evaluate(&point);
    let enough = params.tolerance * (1.0 + labels.len() as f64);
    for step_idx in 0..=params.max_steps {
        let size = largest(&state.gradient);
        if size <= enough {
            return Ok(finish(point, state, step_idx));
        }
        if !progress(step_idx as f64 / params.max_steps.max(1) as f64) {
            return Err(Error::Cancelled);
        }
        if step_idx == params.max_steps {
            break;
        }
        let direction = problem.direction(&state, progress)?;
        match problem.descend(&point, &state, &direction) {
            Some((next_point, next_state)) => {
                point = next_point;
                state = next_state;
            }
            // No step lowers the objective any more: rounding is all that is left of the gradient.
            None if size <= 1e6 * enough => return Ok(finish(point, state, step_idx)),
            None => break,
        }
    }
    Err(Error::NotConverged {
        steps: params.max_steps,
        gradient: largest(&state.gradient),
    })
}

fn finish(mut point: Vec<f64>, state: State, steps: usize) -> LogisticFit {
    let intercept = point.pop().expect("the intercept comes last");
    LogisticFit {
        intercept,
        weights: point,
        margins: state.margins,
        steps,
        objective: state.objective,
    }
}

fn largest(gradient: &[f64]) -> f64 {
    gradient.iter().map(|g| g.abs()).fold(0.0, f64::max)
}

/// The objective at a point, with what the next step needs.
struct State {
    margins: Vec<f64>,
    objective: f64,
    gradient: Vec<f64>,
}

struct Problem<'a> {
    design: &'a Design<'a>,
    labels: &'a [bool],
    params: &'a LogisticParams,
    direct: bool,
}

impl Problem<'_> {
    fn evaluate(&self, point: &[f64]) -> State {
        let (intercept, weights) = point.split_last().expect("the intercept comes last");
        let chunk = self.design.chunk_rows(point.len());
        let partials =
            parallel::map_chunks(self.labels.len(), chunk, self.params.threads, |range| {
                let mut margins = vec![*intercept; range.len()];
                self.design.add_margins(&range, weights, &mut margins);
                let labels = &self.labels[range.clone()];
                let mut loss = 0.0;
                let mut residuals = Vec::with_capacity(range.len());
                for (margin, label) in margins.iter().zip(labels) {
                    let signed = if *label { *margin } else { -margin };
                    loss += log1p_exp_neg(signed);
                    residuals.push(sigmoid(*margin) - f64::from(u8::from(*label)));
                }
                let mut gradient = vec![0.0; point.len()];
                self.design.add_products(&range, &residuals, &mut gradient);
                gradient[point.len() - 1] = residuals.iter().sum();
                (margins, loss, gradient)
            });
        let mut state = State {
            margins: Vec::with_capacity(self.labels.len()),
            objective: 0.5 * self.params.l2 * dot(weights, weights),
            gradient: weights.iter().map(|w| self.params.l2 * w).collect(),
        };
        state.gradient.push(0.0);
        for (margins, loss, gradient) in partials {
            state.margins.extend(margins);
            state.objective += loss;
            add(&mut state.gradient, &gradient);
        }
        state
    }

    /// The Newton direction: the solution of `H d = -g`.
    fn direction(&self, state: &State, progress: Progress<'_>) -> Result<Vec<f64>> {
        let factors: Vec<f64> = state
            .margins
            .iter()
            .map(|margin| {
                let p = sigmoid(*margin);
                p * (1.0 - p)
            })
            .collect();
        let negative: Vec<f64> = state.gradient.iter().map(|g| -g).collect();
        if self.direct {
            let mut hessian = self.hessian(&factors);
            if cholesky(&mut hessian, negative.len()) {
                return Ok(solve(&hessian, negative));
            }
        }
        self.conjugate_gradients(&factors, &negative, progress)
    }

    /// The lower triangle of the second derivatives, row by row.
    fn hessian(&self, factors: &[f64]) -> Vec<f64> {
        let size = self.design.n_weights() + 1;
        let chunk = self.design.chunk_rows(size * size);
        let partials = parallel::map_chunks(factors.len(), chunk, self.params.threads, |range| {
            let mut sums = vec![0.0; size * size];
            let factors = &factors[range.clone()];
            self.design
                .add_cross_products(&range, factors, &mut sums, size);
            let last = &mut sums[(size - 1) * size..];
            self.design.add_products(&range, factors, last);
            last[size - 1] = factors.iter().sum();
            sums
        });
        let mut hessian = vec![0.0; size * size];
        for partial in partials {
            add(&mut hessian, &partial);
        }
        for diagonal in 0..size - 1 {
            hessian[diagonal * size + diagonal] += self.params.l2;
        }
        hessian
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

    fn diagonal(&self, factors: &[f64]) -> Vec<f64> {
        let size = self.design.n_weights() + 1;
        let chunk = self.design.chunk_rows(size);
        let partials = parallel::map_chunks(factors.len(), chunk, self.params.threads, |range| {
            let mut sums = vec![0.0; size];
            let factors = &factors[range.clone()];
            self.design.add_squares(&range, factors, &mut sums);
            sums[size - 1] = factors.iter().sum();
            sums
        });
        let mut diagonal = vec![self.params.l2; size];
        diagonal[size - 1] = f64::MIN_POSITIVE;
        for partial in partials {
            add(&mut diagonal, &partial);
        }
        diagonal
    }

    /// H times `direction`.
    fn apply(&self, factors: &[f64], direction: &[f64]) -> Vec<f64> {
        let (intercept, weights) = direction.split_last().expect("the intercept comes last");
        let chunk = self.design.chunk_rows(direction.len());
        let partials = parallel::map_chunks(factors.len(), chunk, self.params.threads, |range| {
            let mut moves = vec![*intercept; range.len()];
            self.design.add_margins(&range, weights, &mut moves);
            for (change, factor) in moves.iter_mut().zip(&factors[range.clone()]) {
                *change *= factor;
            }
            let mut image = vec![0.0; direction.len()];
            self.design.add_products(&range, &moves, &mut image);
            image[direction.len() - 1] = moves.iter().sum();
            image
        });
        let mut image: Vec<f64> = weights.iter().map(|w| self.params.l2 * w).collect();
        image.push(0.0);
        for partial in partials {
            add(&mut image, &partial);
        }
        image
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
            let gentler = next_state.objective <= state.objective * (1.0 + 1e-14)
                && largest(&next_state.gradient) < 0.5 * largest(&state.gradient);
            if falls || gentler {
                return Some((next, next_state));
            }
            step *= 0.5;
        }
        None
    }
}

/// `log(1 + exp(-m))` without overflow.
fn log1p_exp_neg(m: f64) -> f64 {
    if m >= 0.0 {
        (-m).exp().ln_1p()
    } else {
        m.exp().ln_1p() - m
    }
}

fn add(total: &mut [f64], more: &[f64]) {
    for (total, more) in total.iter_mut().zip(more) {
        *total += more;
    }
}

/// Turns the lower triangle into its Cholesky factor in place; false when it is not positive
/// definite.
fn cholesky(matrix: &mut [f64], size: usize) -> bool {
    for row in 0..size {
        let (above, this) = matrix.split_at_mut(row * size);
        for column in 0..row {
            let other = &above[column * size..column * size + size];
            let sum = this[column] - dot(&this[..column], &other[..column]);
            this[column] = sum / other[column];
        }
        let square = this[row] - dot(&this[..row], &this[..row]);
        if !(square > 0.0 && square.is_finite()) {
            return false;
        }
        this[row] = square.sqrt();
    }
    true
}

/// Solves `L L^T x = rhs`.
fn solve(factor: &[f64], mut rhs: Vec<f64>) -> Vec<f64> {
    let size = rhs.len();
    for row in 0..size {
        let line = &factor[row * size..row * size + row];
        let sum = rhs[row] - dot(line, &rhs[..row]);
        rhs[row] = sum / factor[row * size + row];
    }
    for row in (0..size).rev() {
        let value = rhs[row] / factor[row * size + row];
        rhs[row] = value;
        for (x, l) in rhs[..row].iter_mut().zip(&factor[row * size..]) {
            *x -= value * l;
        }
    }
    rhs
}
