//! What trees are grown to make small: losses, their slopes and curvatures by margin.
//!
//! Does not grow anything. Invariant: slopes and curvatures are those of the same loss that
//! early stopping looks at.

mod huber;
mod pinball;
mod ranking;
mod rows;
pub(super) mod softmax;

use std::sync::Arc;

use super::exp;
use super::quantize::Bounds;
use crate::Error;
use crate::Result;
use crate::glm::sigmoid;
use ranking::Ranking;

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
    /// A number: `alpha (y - m)` below the target, `(1 - alpha) (m - y)` above; the margin is
    /// the quantile `alpha` (0.5: the median, by the absolute error). Each leaf has the
    /// quantile of what its rows lack; penalties shape the cuts alone.
    Quantile {
        /// Share of the targets that shall be below, above 0 and below 1.
        alpha: f64,
    },
    /// A number with wild values: `(m - y)^2 / 2` up to `delta` from the target, straight
    /// beyond; mean = the margin.
    Huber {
        /// Where the loss turns straight, above 0, in the unit of the target.
        delta: f64,
    },
    /// The order of rows within the groups of the table ([`super::Table::with_groups`]): targets are
    /// relevances from 0 to 30, a higher margin is a better place; LambdaMART on NDCG.
    LambdaRank {
        /// Places that count (1 or more).
        truncation: u32,
    },
}

impl Objective {
    /// The expected target that belongs to a margin: the inverse of the link.
    pub fn mean(self, margin: f64) -> f64 {
        match self {
            Self::Logistic => sigmoid(margin),
            Self::Squared
            | Self::Quantile { .. }
            | Self::Huber { .. }
            | Self::LambdaRank { .. } => margin,
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
            Self::Quantile { alpha } => pinball::slope(alpha, m, y),
            Self::Huber { delta } => huber::slope(delta, m, y),
            // Of groups, not of rows.
            Self::LambdaRank { .. } => [0.0; 2],
        }
    }

    /// Slopes and curvatures of rows beside each other; no weights are all 1.
    #[inline(always)]
    fn slopes(
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
    fn most(self) -> Option<Bounds> {
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
            Self::Quantile { alpha } => pinball::loss(alpha, m, y),
            Self::Huber { delta } => huber::loss(delta, m, y),
            Self::LambdaRank { .. } => 0.0,
        }
    }

    /// Its number and its parameter in a stored forest.
    pub(super) fn code(self) -> (u8, f64) {
        match self {
            Self::Logistic => (0, 0.0),
            Self::Squared => (1, 0.0),
            Self::Poisson => (2, 0.0),
            Self::Gamma => (3, 0.0),
            Self::Tweedie { power } => (4, power),
            Self::Quantile { alpha } => (5, alpha),
            Self::Huber { delta } => (6, delta),
            Self::LambdaRank { truncation } => (7, f64::from(truncation)),
        }
    }

    /// What [`Objective::code`] numbered, if it is legal.
    pub(super) fn from_code(tag: u8, number: f64) -> Option<Self> {
        let objective = match tag {
            0 => Self::Logistic,
            1 => Self::Squared,
            2 => Self::Poisson,
            3 => Self::Gamma,
            4 => Self::Tweedie { power: number },
            5 => Self::Quantile { alpha: number },
            6 => Self::Huber { delta: number },
            7 if number >= 1.0 && number <= f64::from(u32::MAX) => Self::LambdaRank {
                truncation: number as u32,
            },
            _ => return None,
        };
        objective.check().is_ok().then_some(objective)
    }

    pub(super) fn check(self) -> Result<()> {
        let (what, expected, found, legal) = match self {
            Self::Tweedie { power } => {
                let legal = power > 1.0 && power < 2.0;
                ("power", "above 1 and below 2", power, legal)
            }
            Self::Quantile { alpha } => {
                let legal = alpha > 0.0 && alpha < 1.0;
                ("alpha", "above 0 and below 1", alpha, legal)
            }
            Self::Huber { delta } => {
                let legal = delta > 0.0 && delta <= TARGET_LIMIT;
                ("delta", "above 0 and at most 1e100", delta, legal)
            }
            Self::LambdaRank { truncation } => {
                let found = f64::from(truncation);
                ("truncation", "of at least 1", found, truncation > 0)
            }
            _ => return Ok(()),
        };
        if legal {
            Ok(())
        } else {
            Err(Error::OutOfRange {
                what,
                expected,
                found,
            })
        }
    }

    fn check_target(self, y: f64) -> Result<()> {
        let (legal, expected) = match self {
            Self::Logistic => (
                y.abs() < 0.5 / TARGET_LIMIT || (y - 1.0).abs() == 0.0,
                "0 or 1",
            ),
            Self::Squared | Self::Quantile { .. } | Self::Huber { .. } => {
                (y.abs() <= TARGET_LIMIT, "of magnitude 1e100 at most")
            }
            Self::LambdaRank { .. } => {
                ((0.0..=ranking::MAX_RELEVANCE).contains(&y), "from 0 to 30")
            }
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
    /// The same for scaled targets.
    inner: Objective,
    ranking: Option<Ranking>,
    /// Margins to start from, of a model that is gone on with.
    pub(super) starts: Option<Vec<f64>>,
    /// Scaled targets.
    pub(super) targets: Vec<f64>,
    /// Scaled weights; empty where all are 1 and no groups are ordered.
    weights: Vec<f64>,
    /// Whether all weights are 1.
    unit: bool,
    /// Rows of weight above 0.
    pub(super) rows: Arc<Vec<u32>>,
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

    /// Weight of a row.
    pub(super) fn weight(&self, row: usize) -> f64 {
        self.weights.get(row).copied().unwrap_or(1.0)
    }

    /// Slopes and curvatures that no row passes, where the objective has such.
    pub(super) fn most(&self) -> Option<Bounds> {
        let weights = self.uneven_weights().unwrap_or(&[1.0]);
        let heaviest = weights.iter().fold(0.0, |a: f64, b| a.max(*b));
        self.inner.most().map(|most| Bounds {
            slope: most.slope * heaviest,
            curve: most.curve * heaviest,
            mean_slope: 0.0,
        })
    }

    /// Weighted slopes and curvatures of the rows from `first` on, at these inside margins.
    #[inline(always)]
    pub(super) fn slopes(&self, first: usize, margins: &[f64], slopes: &mut [[f64; 2]]) {
        let range = first..first + margins.len();
        let weights = self.uneven_weights().map(|weights| &weights[range.clone()]);
        self.inner
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
            Objective::Quantile { .. } | Objective::Huber { .. } => {
                let entry = |row: &u32| (targets[*row as usize], weights[*row as usize]);
                let mut entries: Vec<(f64, f64)> = rows.iter().map(entry).collect();
                let center = match objective {
                    Objective::Quantile { alpha } => pinball::quantile(&mut entries, alpha),
                    Objective::Huber { delta } => huber::center(&mut entries, delta),
                    _ => mean,
                };
                let spread = average(&|row| (targets[row] - center).abs());
                (0.0, center, if spread > 0.0 { spread } else { 1.0 })
            }
            Objective::LambdaRank { .. } => (0.0, 0.0, 1.0),
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
            Objective::Logistic | Objective::LambdaRank { .. } => {}
            Objective::Squared | Objective::Quantile { .. } | Objective::Huber { .. } => {
                targets.iter_mut().for_each(|y| *y = (*y - offset) / scale);
            }
            _ => targets.iter_mut().for_each(|y| *y /= mean),
        }
        let inner = match objective {
            Objective::Huber { delta } => Objective::Huber {
                delta: delta / scale,
            },
            other => other,
        };
        let unit = weights
            .iter()
            .all(|weight| weight.to_bits() == 1.0_f64.to_bits());
        let ordered = matches!(objective, Objective::LambdaRank { .. });
        Ok(Self {
            objective,
            inner,
            ranking: None,
            starts: None,
            targets,
            unit,
            weights: if unit && !ordered {
                Vec::new()
            } else {
                weights
            },
            rows: Arc::new(rows),
            start,
            offset,
            scale,
        })
    }
}

#[cfg(test)]
mod tests;
