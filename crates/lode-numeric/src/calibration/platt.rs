//! Platt scaling: a logistic curve through the outcomes along the margin.

use super::classes;
use crate::Error;
use crate::Result;

/// Steps of Newton's method at most.
const MAX_STEPS: usize = 100;

/// A gradient, in units of the weight, from which on the optimum is only polished.
const NEAR: f64 = 1e-7;

/// `probability = 1 / (1 + exp(-(slope margin + intercept)))`.
///
/// # Method
/// Maximizes the weighted likelihood of the smoothed targets `(Y + 1) / (Y + 2)` for yes and
/// `1 / (N + 2)` for no, Y and N the weights of yes and of no rows, by Newton's method with
/// halving steps. A slope below 0 becomes 0: a score that
/// ranks the wrong way is not turned round.
///
/// # Source
/// J. Platt, "Probabilistic outputs for support vector machines", 1999; H. Lin, C. Lin, R. Weng,
/// Machine Learning 68, 2007, doi:10.1007/s10994-007-5018-6. Deviations: weights, the slope's
/// sign.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Platt {
    /// At least 0.
    pub slope: f64,
    /// What margin 0 is worth, in log odds.
    pub intercept: f64,
}

impl Platt {
    /// Fits the curve.
    ///
    /// # Errors
    /// [`Error::OneClass`] without both classes; [`Error::Length`], [`Error::NotFinite`],
    /// [`Error::OutOfRange`] for a weight below 0; [`Error::NotConverged`].
    pub fn fit(margins: &[f64], labels: &[bool], weights: Option<&[f64]>) -> Result<Self> {
        let [no, yes] = classes(margins, labels, weights)?;
        let total = no + yes;
        // Margins of any size: solved on a standard scale and taken back.
        let w = |row: usize| weights.map_or(1.0, |weights| weights[row]);
        let mean = sum(margins, |row| w(row) * margins[row]) / total;
        let spread = (sum(margins, |row| w(row) * (margins[row] - mean).powi(2)) / total).sqrt();
        let scale = if spread > 0.0 { spread } else { 1.0 };
        let x: Vec<f64> = margins
            .iter()
            .map(|margin| (margin - mean) / scale)
            .collect();
        let problem = Problem {
            x: &x,
            labels,
            weights,
            targets: [1.0 / (no + 2.0), (yes + 1.0) / (yes + 2.0)],
        };
        let flat = ((yes + 1.0) / (no + 1.0)).ln();
        let (mut slope, mut intercept) = problem.solve(total, spread > 0.0, flat)?;
        if slope < 0.0 {
            (slope, intercept) = problem.solve(total, false, flat)?;
        }
        let slope = slope / scale;
        Ok(Self {
            slope,
            intercept: intercept - slope * mean,
        })
    }

    /// The probability of a margin.
    pub fn apply(&self, margin: f64) -> f64 {
        sigmoid(self.slope * margin + self.intercept)
    }
}

struct Problem<'a> {
    x: &'a [f64],
    labels: &'a [bool],
    weights: Option<&'a [f64]>,
    /// Of no and of yes.
    targets: [f64; 2],
}

impl Problem<'_> {
    fn solve(&self, total: f64, sloped: bool, start: f64) -> Result<(f64, f64)> {
        let (mut a, mut b) = (0.0, start);
        let mut loss = self.loss(a, b);
        let mut left = f64::INFINITY;
        for _ in 0..MAX_STEPS {
            let (gradient, hessian) = self.derivatives(a, b, sloped);
            let before = left;
            left = gradient[0].abs().max(gradient[1].abs()) / total;
            // Near the optimum the loss is level in its last bits: there Newton's steps are
            // taken as they are, until the gradient shrinks no further.
            let near = left < NEAR;
            if left <= 0.0 || (near && left >= before) {
                return Ok((a, b));
            }
            let [haa, hab, hbb] = hessian;
            let determinant = haa * hbb - hab * hab;
            let (da, db) = if sloped && determinant > 0.0 {
                (
                    (hbb * gradient[0] - hab * gradient[1]) / determinant,
                    (haa * gradient[1] - hab * gradient[0]) / determinant,
                )
            } else {
                (0.0, gradient[1] / hbb)
            };
            let mut step = 1.0;
            let mut next = self.loss(a - da, b - db);
            while !near && (next.is_nan() || next > loss) && step > 1e-10 {
                step /= 2.0;
                next = self.loss(a - step * da, b - step * db);
            }
            (a, b, loss) = (a - step * da, b - step * db, next);
        }
        match left < NEAR {
            true => Ok((a, b)),
            false => Err(Error::NotConverged {
                steps: MAX_STEPS,
                gradient: left,
            }),
        }
    }

    fn loss(&self, a: f64, b: f64) -> f64 {
        sum(self.x, |row| {
            let margin = a * self.x[row] + b;
            // ln(1 + exp(-m)) + (1 - t) m, without overflow.
            let soft = (-margin.abs()).exp().ln_1p() + (-margin).max(0.0);
            self.weight(row) * (soft + (1.0 - self.target(row)) * margin)
        })
    }

    fn derivatives(&self, a: f64, b: f64, sloped: bool) -> ([f64; 2], [f64; 3]) {
        let mut gradient = [0.0; 2];
        let mut hessian = [0.0; 3];
        for (row, &x) in self.x.iter().enumerate() {
            let p = sigmoid(a * x + b);
            let weight = self.weight(row);
            let wrong = weight * (p - self.target(row));
            let curve = weight * p * (1.0 - p);
            gradient[1] += wrong;
            hessian[2] += curve;
            if sloped {
                gradient[0] += wrong * x;
                hessian[0] += curve * x * x;
                hessian[1] += curve * x;
            }
        }
        (gradient, hessian)
    }

    fn target(&self, row: usize) -> f64 {
        self.targets[usize::from(self.labels[row])]
    }

    fn weight(&self, row: usize) -> f64 {
        self.weights.map_or(1.0, |weights| weights[row])
    }
}

fn sum(rows: &[f64], of: impl Fn(usize) -> f64) -> f64 {
    (0..rows.len()).map(of).sum()
}

fn sigmoid(margin: f64) -> f64 {
    if margin >= 0.0 {
        1.0 / (1.0 + (-margin).exp())
    } else {
        let odds = margin.exp();
        odds / (1.0 + odds)
    }
}
