//! Isotonic regression: the rising steps that fit the outcomes best.

use super::classes;
use crate::Error;
use crate::Result;

/// Probabilities at rising margins; straight lines between, flat beyond the ends.
///
/// # Method
/// Outcomes of one margin are pooled; then neighbors that fall are pooled, by weight, until none
/// does (pool adjacent violators). Each pool keeps its first and last margin, so that within a
/// pool the probability is level and between two pools it is linear.
///
/// # Source
/// R. Barlow, D. Bartholomew, J. Bremner, H. Brunk, "Statistical Inference under Order
/// Restrictions", 1972; B. Zadrozny, C. Elkan, KDD 2002, doi:10.1145/775047.775151. The
/// interpolation is that of scikit-learn's `IsotonicRegression(out_of_bounds="clip")`.
#[derive(Clone, Debug, PartialEq)]
pub struct Isotonic {
    /// Margin and probability; both rise.
    knots: Vec<(f64, f64)>,
}

/// Neighbors with one probability.
#[derive(Clone, Copy, Debug)]
struct Pool {
    first: f64,
    last: f64,
    weight: f64,
    yes: f64,
}

impl Isotonic {
    /// Fits the steps.
    ///
    /// # Errors
    /// [`Error::OneClass`] without both classes; [`Error::Length`], [`Error::NotFinite`],
    /// [`Error::OutOfRange`] for a weight below 0.
    pub fn fit(margins: &[f64], labels: &[bool], weights: Option<&[f64]>) -> Result<Self> {
        Ok(Self::of_pools(&pools(margins, labels, weights)?))
    }

    /// Fits at most `most` steps with probabilities that stay away from 0 and 1: the two pools
    /// whose union costs least squared error are pooled until there are no more than that, and a
    /// pool of weight w holds `(yes + prior) / (w + 1)`, prior the share of yes of all rows.
    ///
    /// # Errors
    /// As [`Isotonic::fit`]; [`Error::OutOfRange`] for 0 steps.
    pub fn fit_smooth(
        margins: &[f64],
        labels: &[bool],
        weights: Option<&[f64]>,
        most: usize,
    ) -> Result<Self> {
        if most == 0 {
            return Err(Error::OutOfRange {
                what: "steps",
                expected: "of at least 1",
                found: 0.0,
            });
        }
        let [no, yes] = classes(margins, labels, weights)?;
        let mut pools = pools(margins, labels, weights)?;
        let prior = yes / (no + yes);
        while pools.len() > most {
            let cost = |at: usize| {
                let (a, b) = (pools[at], pools[at + 1]);
                (a.mean() - b.mean()).powi(2) * a.weight * b.weight / (a.weight + b.weight)
            };
            let cheapest = (0..pools.len() - 1).min_by(|a, b| cost(*a).total_cmp(&cost(*b)));
            let Some(at) = cheapest else { break };
            let next = pools.remove(at + 1);
            pools[at].take(next);
        }
        for pool in &mut pools {
            pool.yes += prior;
            pool.weight += 1.0;
        }
        // Small pools move further to the prior than large ones: they may fall again.
        Ok(Self::of_pools(&pooled(pools)))
    }

    /// The steps of knots, as [`Isotonic::knots`] gives them; none unless both numbers of each are
    /// finite, margins rise, and probabilities are from 0 to 1 and do not fall.
    pub fn from_knots(knots: Vec<(f64, f64)>) -> Option<Self> {
        let sound = |knot: &(f64, f64)| knot.0.is_finite() && (0.0..=1.0).contains(&knot.1);
        let rising = knots
            .windows(2)
            .all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1);
        (!knots.is_empty() && knots.iter().all(sound) && rising).then_some(Self { knots })
    }

    /// Margin and probability where the line bends.
    pub fn knots(&self) -> &[(f64, f64)] {
        &self.knots
    }

    /// The probability of a margin.
    pub fn apply(&self, margin: f64) -> f64 {
        interpolate(&self.knots, margin)
    }

    fn of_pools(pools: &[Pool]) -> Self {
        let mut knots = Vec::with_capacity(pools.len() * 2);
        for pool in pools {
            knots.push((pool.first, pool.mean()));
            if pool.last > pool.first {
                knots.push((pool.last, pool.mean()));
            }
        }
        Self { knots }
    }
}

/// Straight lines between knots that rise, flat beyond them; NaN without any.
pub fn interpolate(knots: &[(f64, f64)], x: f64) -> f64 {
    let after = knots.partition_point(|knot| knot.0 < x);
    let Some(&(x1, y1)) = knots.get(after) else {
        return knots.last().map_or(f64::NAN, |last| last.1);
    };
    let Some((x0, y0)) = after.checked_sub(1).map(|before| knots[before]) else {
        return y1;
    };
    y0 + (y1 - y0) * ((x - x0) / (x1 - x0))
}

impl Pool {
    fn mean(&self) -> f64 {
        self.yes / self.weight
    }

    fn take(&mut self, next: Self) {
        self.last = next.last;
        self.weight += next.weight;
        self.yes += next.yes;
    }
}

fn pools(margins: &[f64], labels: &[bool], weights: Option<&[f64]>) -> Result<Vec<Pool>> {
    classes(margins, labels, weights)?;
    let weight = |row: usize| weights.map_or(1.0, |weights| weights[row]);
    let mut rows: Vec<(f64, f64, f64)> = (0..margins.len())
        .filter(|row| weight(*row) > 0.0)
        .map(|row| {
            let yes = if labels[row] { weight(row) } else { 0.0 };
            (margins[row] + 0.0, weight(row), yes)
        })
        .collect();
    rows.sort_unstable_by(|a, b| {
        a.0.total_cmp(&b.0)
            .then(a.1.total_cmp(&b.1))
            .then(a.2.total_cmp(&b.2))
    });
    let mut single: Vec<Pool> = Vec::new();
    for (margin, weight, yes) in rows {
        let next = Pool {
            first: margin,
            last: margin,
            weight,
            yes,
        };
        match single.last_mut() {
            Some(last) if last.last.total_cmp(&margin).is_eq() => last.take(next),
            _ => single.push(next),
        }
    }
    Ok(pooled(single))
}

/// Pools neighbors that do not rise.
fn pooled(single: Vec<Pool>) -> Vec<Pool> {
    let mut pools: Vec<Pool> = Vec::new();
    for mut next in single {
        while let Some(last) = pools.last()
            && last.yes * next.weight >= next.yes * last.weight
        {
            let mut whole = *last;
            whole.take(next);
            next = whole;
            pools.pop();
        }
        pools.push(next);
    }
    pools
}
