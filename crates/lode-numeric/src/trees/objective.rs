//! What trees are grown to make small: losses, their slopes and curvatures by margin.
//!
//! Does not grow anything. Invariant: slopes and curvatures are those of the same loss that
//! early stopping looks at.

use super::exp;
use super::quantize::Bounds;
use crate::Error;
use crate::Result;
use crate::glm::sigmoid;

/// Largest magnitude of a target, so that no sum of squares overflows.
pub const TARGET_LIMIT: f64 = 1e100;

/// Margins of log links are kept within this, so that `exp` stays finite.
const LOG_LIMIT: f64 = 300.0;

/// The kind of target, and the loss of a margin `m` against a target `y`.
///
/// Targets and margins of [`Objective::Squared`] and the objectives with a log link are in
/// the target's own unit (or its logarithm) at the boundary; inside they are scaled so that
/// penalties mean the same for cents and millions.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Objective {
    /// Yes or no: targets 0 or 1; `log(1 + exp(m)) - y m`; mean = sigmoid.
    Logistic,
    /// A number: `(m - y)^2 / 2`; mean = the margin.
    Squared,
    /// A count or an amount >= 0: `exp(m) - y m`; mean = exp.
    Poisson,
    /// An amount > 0: `y exp(-m) + m`; mean = exp.
    Gamma,
    /// An amount >= 0 with many zeros:
    /// `exp((2 - power) m) / (2 - power) - y exp((1 - power) m) / (1 - power)`; mean = exp.
    Tweedie {
        /// Power of the variance, above 1 (like Poisson) and below 2 (like Gamma).
        power: f64,
    },
}

impl Objective {
    /// The expected target that belongs to a margin: the inverse of the link.
    pub fn mean(self, margin: f64) -> f64 {
        match self {
            Self::Logistic => sigmoid(margin),
            Self::Squared => margin,
            Self::Poisson | Self::Gamma | Self::Tweedie { .. } => {
                margin.clamp(-LOG_LIMIT, LOG_LIMIT).exp()
            }
        }
    }

    /// Slope and curvature of the loss at margin `m`.
    pub(super) fn slope(self, m: f64, y: f64) -> [f64; 2] {
        match self {
            Self::Logistic => {
                let p = sigmoid(m);
                [p - y, p * (1.0 - p)]
            }
            Self::Squared => [m - y, 1.0],
            Self::Poisson => {
                let mean = self.mean(m);
                [mean - y, mean]
            }
            Self::Gamma => {
                let ratio = y * self.mean(-m);
                [1.0 - ratio, ratio]
            }
            Self::Tweedie { power } => {
                let zero = self.mean((2.0 - power) * m);
                let some = y * self.mean((1.0 - power) * m);
                [zero - some, (2.0 - power) * zero + (power - 1.0) * some]
            }
        }
    }

    /// Weighted slopes and curvatures of rows beside each other; no weights are all 1.
    #[inline(always)]
    pub(super) fn slopes(
        self,
        margins: &[f64],
        targets: &[f64],
        weights: Option<&[f64]>,
        slopes: &mut [[f64; 2]],
    ) {
        let rows = slopes.iter_mut().zip(margins.iter().zip(targets));
        if let Self::Logistic = self {
            for (slope, (m, y)) in rows {
                let p = exp::sigmoid(*m);
                *slope = [p - y, p * (1.0 - p)];
            }
        } else {
            for (slope, (m, y)) in rows {
                *slope = self.slope(*m, *y);
            }
        }
        if let Some(weights) = weights {
            for (slope, w) in slopes.iter_mut().zip(weights) {
                *slope = [slope[0] * w, slope[1] * w];
            }
        }
    }

    /// Slopes and curvatures that no row of weight 1 passes, where the objective has such.
    pub(super) fn most(self) -> Option<Bounds> {
        match self {
            Self::Logistic => Some(Bounds {
                slope: 1.0,
                curve: 0.25,
                mean_slope: 0.0,
            }),
            _ => None,
        }
    }

    /// The loss of margin `m`.
    pub(super) fn loss(self, m: f64, y: f64) -> f64 {
        match self {
            Self::Logistic => {
                let towards = if y > 0.5 { m } else { -m };
                if towards > 0.0 {
                    (-towards).exp().ln_1p()
                } else {
                    towards.exp().ln_1p() - towards
                }
            }
            Self::Squared => 0.5 * (m - y) * (m - y),
            Self::Poisson => self.mean(m) - y * m,
            Self::Gamma => y * self.mean(-m) + m,
            Self::Tweedie { power } => {
                self.mean((2.0 - power) * m) / (2.0 - power)
                    + y * self.mean((1.0 - power) * m) / (power - 1.0)
            }
        }
    }

    pub(super) fn check(self) -> Result<()> {
        match self {
            Self::Tweedie { power } if !(power > 1.0 && power < 2.0) => Err(Error::OutOfRange {
                what: "power",
                expected: "above 1 and below 2",
                found: power,
            }),
            _ => Ok(()),
        }
    }

    fn check_target(self, y: f64) -> Result<()> {
        let (legal, expected) = match self {
            Self::Logistic => (
                y.abs() < 0.5 / TARGET_LIMIT || (y - 1.0).abs() == 0.0,
                "0 or 1",
            ),
            Self::Squared => (y.abs() <= TARGET_LIMIT, "of magnitude 1e100 at most"),
            Self::Poisson | Self::Tweedie { .. } => {
                ((0.0..=TARGET_LIMIT).contains(&y), "from 0 to 1e100")
            }
            Self::Gamma => (y > 0.0 && y <= TARGET_LIMIT, "above 0 and at most 1e100"),
        };
        if legal {
            Ok(())
        } else {
            Err(Error::OutOfRange {
                what: "target",
                expected,
                found: y,
            })
        }
    }
}

/// Targets and weights, checked and scaled: weights have mean 1 over the rows in use.
#[derive(Clone, Debug)]
pub(super) struct Targets {
    pub(super) objective: Objective,
    /// Scaled targets.
    pub(super) targets: Vec<f64>,
    /// Scaled weights.
    pub(super) weights: Vec<f64>,
    /// Whether all weights are 1.
    unit: bool,
    /// Rows of weight above 0.
    pub(super) rows: Vec<u32>,
    /// Margin of all rows alike, on the inside scale.
    pub(super) start: f64,
    /// Outside margin = offset + scale * inside margin.
    pub(super) offset: f64,
    pub(super) scale: f64,
}

impl Targets {
    /// Weights, unless all are 1.
    pub(super) fn uneven_weights(&self) -> Option<&[f64]> {
        (!self.unit).then_some(self.weights.as_slice())
    }

    /// Slopes and curvatures that no row passes, where the objective has such.
    pub(super) fn most(&self) -> Option<Bounds> {
        let heaviest = self.weights.iter().fold(0.0, |a: f64, b| a.max(*b));
        self.objective.most().map(|most| Bounds {
            slope: most.slope * heaviest,
            curve: most.curve * heaviest,
            mean_slope: 0.0,
        })
    }

    /// Slopes and curvatures of the rows from `first` on, at these margins.
    #[inline(always)]
    pub(super) fn slopes(&self, first: usize, margins: &[f64], slopes: &mut [[f64; 2]]) {
        let range = first..first + margins.len();
        let weights = self.uneven_weights().map(|weights| &weights[range.clone()]);
        self.objective
            .slopes(margins, &self.targets[range], weights, slopes);
    }

    /// Checks and scales.
    pub(super) fn new(
        n_rows: usize,
        objective: Objective,
        targets: &[f64],
        weights: Option<&[f64]>,
    ) -> Result<Self> {
        objective.check()?;
        let lengths = [Some(targets.len()), weights.map(<[f64]>::len)];
        for (what, found) in ["targets, one a row", "weights, one a row"]
            .into_iter()
            .zip(lengths)
        {
            if let Some(found) = found.filter(|found| *found != n_rows) {
                return Err(Error::Length {
                    what,
                    expected: n_rows,
                    found,
                });
            }
        }
        let mut weights = weights.map_or_else(|| vec![1.0; n_rows], <[f64]>::to_vec);
        let mut rows = Vec::with_capacity(n_rows);
        let mut heaviest = 0.0_f64;
        for (row, (target, weight)) in (0_u32..).zip(targets.iter().zip(&weights)) {
            if !target.is_finite() {
                return Err(Error::NotFinite {
                    what: "targets",
                    index: row as usize,
                });
            }
            if !weight.is_finite() {
                return Err(Error::NotFinite {
                    what: "weights",
                    index: row as usize,
                });
            }
            objective.check_target(*target)?;
            if *weight < 0.0 {
                return Err(Error::OutOfRange {
                    what: "weight",
                    expected: "0 or more",
                    found: *weight,
                });
            }
            if *weight > 0.0 {
                rows.push(row);
                heaviest = heaviest.max(*weight);
            }
        }
        if rows.len() < 2 {
            return Err(Error::TooFewRows {
                needed: 2,
                found: rows.len(),
            });
        }
        // First by the heaviest: a sum of weights near the largest float would not be finite.
        let sum: f64 = rows
            .iter()
            .map(|row| weights[*row as usize] / heaviest)
            .sum();
        let mean = sum / rows.len() as f64;
        for weight in &mut weights {
            *weight = *weight / heaviest / mean;
        }
        Self::scaled(objective, targets.to_vec(), weights, rows)
    }

    fn scaled(
        objective: Objective,
        mut targets: Vec<f64>,
        weights: Vec<f64>,
        rows: Vec<u32>,
    ) -> Result<Self> {
        let n = rows.len() as f64;
        let average = |of: &dyn Fn(usize) -> f64| -> f64 {
            rows.iter()
                .map(|row| weights[*row as usize] * of(*row as usize))
                .sum::<f64>()
                / n
        };
        let mean = average(&|row| targets[row]);
        let (start, offset, scale) = match objective {
            Objective::Logistic => {
                let first = targets[rows[0] as usize] > 0.5;
                if rows
                    .iter()
                    .all(|row| (targets[*row as usize] > 0.5) == first)
                {
                    return Err(Error::OneClass { class: first });
                }
                ((mean / (1.0 - mean)).ln(), 0.0, 1.0)
            }
            Objective::Squared => {
                let spread = average(&|row| (targets[row] - mean) * (targets[row] - mean)).sqrt();
                (0.0, mean, if spread > 0.0 { spread } else { 1.0 })
            }
            _ if mean > 0.0 => (0.0, mean.ln(), 1.0),
            _ => {
                return Err(Error::OutOfRange {
                    what: "mean of the targets",
                    expected: "above 0",
                    found: mean,
                });
            }
        };
        match objective {
            Objective::Logistic => {}
            Objective::Squared => targets.iter_mut().for_each(|y| *y = (*y - mean) / scale),
            _ => targets.iter_mut().for_each(|y| *y /= mean),
        }
        Ok(Self {
            objective,
            targets,
            unit: weights
                .iter()
                .all(|weight| weight.to_bits() == 1.0_f64.to_bits()),
            weights,
            rows,
            start,
            offset,
            scale,
        })
    }
}
