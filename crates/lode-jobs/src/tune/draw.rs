//! Draws the next point of a search from what the earlier ones came to.
//!
//! The first are uniform. Then, for each parameter on its own, a tree-structured Parzen estimator:
//! of some candidates from the density of the good points the one where it is largest against
//! that of the others. J. Bergstra, R. Bardenet, Y. Bengio, B. Kegl, "Algorithms for
//! Hyper-Parameter Optimization", NIPS 2011, section 4; deviations: each parameter by itself, one
//! width of all kernels. Invariant: the same seed and the same results give the same point.

use lode_numeric::Rng;
use lode_numeric::normal;

use super::space::Range;
use super::space::Space;

/// Points that are drawn without looking at others.
const STARTUP: usize = 8;
/// Part of the points that is called good.
const GOOD: f64 = 0.25;
/// Candidates of each parameter.
const CANDIDATES: usize = 24;
/// Narrowest and widest kernel.
const WIDTHS: (f64, f64) = (0.05, 0.3);

/// A point that was tried.
pub(super) struct Tried {
    /// None for a parameter that lies outside of its range, as a default may.
    pub(super) point: Vec<Option<f64>>,
    /// The less the better.
    pub(super) loss: f64,
}

/// The next point.
pub(super) fn draw(space: &Space, rng: &mut Rng, tried: &[Tried]) -> Vec<f64> {
    if tried.len() < STARTUP {
        return space.ranges().map(|range| uniform(range, rng)).collect();
    }
    let mut order: Vec<&Tried> = tried.iter().collect();
    order.sort_by(|a, b| a.loss.total_cmp(&b.loss));
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a part of a small count"
    )]
    let n_good = ((order.len() as f64 * GOOD).ceil() as usize).max(2);
    let (good, bad) = order.split_at(n_good.min(order.len()));
    let ranges = space.ranges().enumerate();
    ranges
        .map(|(at, range)| {
            let of = |tried: &[&Tried]| {
                let points = tried.iter().filter_map(|tried| tried.point[at]);
                points.collect::<Vec<f64>>()
            };
            let (good, bad) = (Density::of(range, &of(good)), Density::of(range, &of(bad)));
            let mut best = (f64::NEG_INFINITY, 0.0);
            for _ in 0..CANDIDATES {
                let candidate = good.draw(range, rng);
                let gain = good.at(candidate).ln() - bad.at(candidate).ln();
                if gain > best.0 {
                    best = (gain, candidate);
                }
            }
            best.1
        })
        .collect()
}

fn uniform(range: &Range, rng: &mut Rng) -> f64 {
    match range {
        Range::Number { .. } => rng.uniform(),
        Range::Choice(values) => rng.index(values.len()) as f64,
    }
}

/// How often a coordinate is expected.
enum Density {
    /// A kernel around each point, and one uniform part, so that nothing is impossible.
    Kernels { centers: Vec<f64>, width: f64 },
    /// The share of each value, one more added to each count.
    Shares(Vec<f64>),
}

impl Density {
    fn of(range: &Range, points: &[f64]) -> Self {
        if let Range::Choice(values) = range {
            let mut shares = vec![1.0; values.len()];
            for point in points {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "the number of a value"
                )]
                let value = point.round() as usize;
                shares[value.min(values.len() - 1)] += 1.0;
            }
            let total: f64 = shares.iter().sum();
            return Self::Shares(shares.into_iter().map(|share| share / total).collect());
        }
        let n = points.len().max(1) as f64;
        let mean = points.iter().sum::<f64>() / n;
        let spread = points.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
        Self::Kernels {
            centers: points.to_vec(),
            width: (1.06 * spread.sqrt() * n.powf(-0.2)).clamp(WIDTHS.0, WIDTHS.1),
        }
    }

    fn draw(&self, range: &Range, rng: &mut Rng) -> f64 {
        match self {
            Self::Shares(shares) => rng.weighted(shares).unwrap_or(0) as f64,
            Self::Kernels { centers, width } => {
                let kernel = rng.index(centers.len() + 1);
                let Some(center) = centers.get(kernel) else {
                    return uniform(range, rng);
                };
                for _ in 0..CANDIDATES {
                    let drawn = center + width * rng.normal();
                    if (0.0..=1.0).contains(&drawn) {
                        return drawn;
                    }
                }
                *center
            }
        }
    }

    fn at(&self, coordinate: f64) -> f64 {
        match self {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "the number of a value"
            )]
            Self::Shares(shares) => shares[coordinate.round() as usize],
            Self::Kernels { centers, width } => {
                let kernels = centers.iter().map(|center| {
                    let inside = normal::cdf((1.0 - center) / width) - normal::cdf(-center / width);
                    let z = (coordinate - center) / width;
                    (-z * z / 2.0).exp() / (width * std::f64::consts::TAU.sqrt() * inside)
                });
                (1.0 + kernels.sum::<f64>()) / (centers.len() as f64 + 1.0)
            }
        }
    }
}

#[cfg(test)]
mod tests;
