//! The objective of a regression, and what the searches ask of it: value, gradient, curvature.
//!
//! Does not search. A point is the weights and, last, the intercept; the L1 penalty is not in
//! a [`State`], since it has no gradient. Invariant: sums run over chunks of rows in order.

use super::Design;
use super::GlmFit;
use super::GlmParams;
use super::Loss;
use super::Outcome;
use super::design::dot;
use super::sigmoid;
use crate::Error;
use crate::Result;
use crate::parallel;

/// The smooth part of the objective at a point, with what the next step needs.
pub(super) struct State {
    pub(super) margins: Vec<f64>,
    pub(super) objective: f64,
    pub(super) gradient: Vec<f64>,
}

pub(super) struct Problem<'a> {
    pub(super) design: &'a Design<'a>,
    pub(super) outcome: &'a Outcome<'a>,
    pub(super) params: &'a GlmParams,
    /// Sum of the row weights.
    pub(super) total: f64,
    /// A gradient whose entries are all at most this is 0.
    pub(super) enough: f64,
}

impl<'a> Problem<'a> {
    pub(super) fn new(
        design: &'a Design<'a>,
        outcome: &'a Outcome<'a>,
        params: &'a GlmParams,
    ) -> Self {
        let weight = |row: usize| outcome.row_weights.map_or(1.0, |weights| weights[row]);
        let total: f64 = (0..design.n_rows()).map(weight).sum();
        let scale = match outcome.loss {
            Loss::Logistic => 1.0,
            Loss::Squared => {
                let rows = outcome.targets.iter().enumerate();
                let mean = rows.clone().map(|(row, y)| weight(row) * y).sum::<f64>() / total;
                let square = |(row, y): (usize, &f64)| weight(row) * (y - mean) * (y - mean);
                let std = (rows.map(square).sum::<f64>() / total).sqrt();
                // Rounding of large targets that hardly differ counts too.
                let largest = outcome.targets.iter().map(|y| y.abs()).fold(0.0, f64::max);
                (std + 1e-3 * largest).max(f64::MIN_POSITIVE)
            }
        };
        Self {
            design,
            outcome,
            params,
            total,
            enough: params.tolerance * (1.0 + total) * scale,
        }
    }

    /// Zero weights, and the intercept that is best with them.
    pub(super) fn start(&self) -> Result<Vec<f64>> {
        if self.total <= 0.0 {
            return Err(Error::TooFewRows {
                needed: 2,
                found: 0,
            });
        }
        let targets = self.outcome.targets.iter().enumerate();
        let yes: f64 = targets.map(|(row, y)| self.row_weight(row) * y).sum();
        let intercept = match self.outcome.loss {
            Loss::Squared => yes / self.total,
            Loss::Logistic => {
                if yes <= 0.0 || yes >= self.total {
                    return Err(Error::OneClass { class: yes > 0.0 });
                }
                (yes / (self.total - yes)).ln()
            }
        };
        let mut start = vec![0.0; self.design.n_weights() + 1];
        start[self.design.n_weights()] = intercept;
        Ok(start)
    }

    fn row_weight(&self, row: usize) -> f64 {
        self.outcome.row_weights.map_or(1.0, |weights| weights[row])
    }

    /// A row's loss and its derivative by the margin.
    fn loss(&self, row: usize, margin: f64) -> (f64, f64) {
        let target = self.outcome.targets[row];
        let (loss, slope) = match self.outcome.loss {
            Loss::Squared => {
                let off = margin - target;
                (0.5 * off * off, off)
            }
            Loss::Logistic => {
                let loss = if target >= 1.0 {
                    log1p_exp_neg(margin)
                } else if target <= 0.0 {
                    log1p_exp_neg(-margin)
                } else {
                    target * log1p_exp_neg(margin) + (1.0 - target) * log1p_exp_neg(-margin)
                };
                (loss, sigmoid(margin) - target)
            }
        };
        let weight = self.row_weight(row);
        (weight * loss, weight * slope)
    }

    pub(super) fn evaluate(&self, point: &[f64]) -> State {
        let (intercept, weights) = point.split_last().expect("the intercept comes last");
        let n_rows = self.design.n_rows();
        let chunk = self.design.chunk_rows(point.len());
        let partials = parallel::map_chunks(n_rows, chunk, self.params.threads, |range| {
            let mut margins = vec![*intercept; range.len()];
            self.design.add_margins(&range, weights, &mut margins);
            let mut total = 0.0;
            let mut residuals = Vec::with_capacity(range.len());
            for (margin, row) in margins.iter().zip(range.clone()) {
                let (loss, slope) = self.loss(row, *margin);
                total += loss;
                residuals.push(slope);
            }
            let mut gradient = vec![0.0; point.len()];
            self.design.add_products(&range, &residuals, &mut gradient);
            gradient[point.len() - 1] = residuals.iter().sum();
            (margins, total, gradient)
        });
        let mut state = State {
            margins: Vec::with_capacity(n_rows),
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

    /// The second derivative of each row's loss by its margin.
    pub(super) fn factors(&self, state: &State) -> Vec<f64> {
        let rows = state.margins.iter().enumerate();
        rows.map(|(row, margin)| {
            let weight = self.row_weight(row);
            match self.outcome.loss {
                Loss::Squared => weight,
                Loss::Logistic => {
                    let p = sigmoid(*margin);
                    weight * (p * (1.0 - p))
                }
            }
        })
        .collect()
    }

    /// The lower triangle of the second derivatives, row by row.
    pub(super) fn hessian(&self, factors: &[f64]) -> Vec<f64> {
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

    /// The diagonal of the second derivatives.
    pub(super) fn diagonal(&self, factors: &[f64]) -> Vec<f64> {
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

    /// The second derivatives times `direction`, without storing them.
    pub(super) fn apply(&self, factors: &[f64], direction: &[f64]) -> Vec<f64> {
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

    /// The answer, once a search has ended at `point`.
    pub(super) fn answer(
        &self,
        mut point: Vec<f64>,
        state: State,
        l1: f64,
        steps: usize,
    ) -> GlmFit {
        let intercept = point.pop().expect("the intercept comes last");
        GlmFit {
            intercept,
            objective: state.objective + l1 * size_of(&point),
            weights: point,
            margins: state.margins,
            steps,
        }
    }
}

/// The sum of the absolute values.
pub(super) fn size_of(weights: &[f64]) -> f64 {
    weights.iter().map(|w| w.abs()).sum()
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
