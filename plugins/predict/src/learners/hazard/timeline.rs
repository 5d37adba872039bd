//! The levels of periods and phases, and what they add up to over a horizon.
//!
//! Invariant: the hazard of a horizon is above 0, so its logarithm is a number.

use std::sync::Arc;

use lode_numeric::survival::hazard::HazardFit;
use lode_numeric::survival::hazard::NO_END;
use lode_plugin::Error;
use lode_plugin::Result;
use lode_plugin::arrow_array::Float64Array;
use lode_plugin::arrow_array::RecordBatch;
use lode_plugin::serde::Deserialize;
use lode_plugin::serde::Serialize;

use super::Clock;
use super::HazardParams;
use crate::learners::survival;

/// Beyond this many periods all is alike, and a duration counts as this long.
const FAR: f64 = 1e9;

/// The period in which a contract ends, counted as periods of the duration are.
pub(super) fn end_period(clock: Clock, period: f64, duration: f64, after: f64) -> i64 {
    if after.is_nan() {
        return NO_END;
    }
    let end = match clock {
        Clock::Now => duration + after,
        Clock::Start => after,
    };
    // `as` saturates; a contract that ends after all times ends in the last but one.
    ((end / period).ceil() as i64).min(NO_END - 1)
}

/// The baseline over time and what the phases of a contract change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(crate = "lode_plugin::serde")]
pub(super) struct Timeline {
    horizon: f64,
    period: f64,
    /// The first period of each group of periods; the first is 1.
    firsts: Vec<u32>,
    /// The hazard of one period in each group, while a contract runs.
    rates: Vec<f64>,
    /// Factors of the phases: the contract ends, has ended, there is none.
    phases: [f64; 3],
}

impl Timeline {
    pub(super) fn new(fit: &HazardFit, params: &HazardParams) -> Self {
        Self {
            horizon: params.horizon,
            period: params.period,
            firsts: fit.groups.iter().map(|group| group.first).collect(),
            rates: fit.groups.iter().map(|group| group.effect.exp()).collect(),
            phases: [fit.phases.ends, fit.phases.after, fit.phases.none].map(f64::exp),
        }
    }

    pub(super) fn check(&self) -> Result<()> {
        let is_positive = |value: &f64| *value > 0.0 && value.is_finite();
        let is_whole = self.firsts.len() == self.rates.len()
            && self.firsts.first() == Some(&1)
            && self.firsts.windows(2).all(|pair| pair[0] < pair[1])
            && self.rates.iter().all(is_positive)
            && self.phases.iter().all(is_positive)
            && is_positive(&self.horizon)
            && is_positive(&self.period);
        if is_whole {
            Ok(())
        } else {
            Err(Error::model(
                "expected groups of periods with hazards above 0, found others",
            ))
        }
    }

    /// The baseline's hazard over the horizon from `begin` on.
    pub(super) fn baseline(&self, begin: f64) -> f64 {
        self.sums(begin, None).0
    }

    /// The logarithm of what a contract does to the hazard of the horizon.
    pub(super) fn contract(&self, clock: Clock, begin: f64, after: f64) -> f64 {
        if after.is_nan() {
            return self.phases[2].ln();
        }
        let end = match clock {
            Clock::Now => begin + after,
            Clock::Start => after,
        };
        let (without, with) = self.sums(begin, Some((end / self.period).ceil()));
        (with / without).ln()
    }

    /// The hazard of the horizon without a contract's phases and, if it ends in the period
    /// `end`, with them.
    fn sums(&self, begin: f64, end: Option<f64>) -> (f64, f64) {
        let from = (begin / self.period).min(FAR);
        let to = from + self.horizon / self.period;
        let mut sums = (0.0, 0.0);
        for (index, (first, rate)) in self.firsts.iter().zip(&self.rates).enumerate() {
            let low = f64::from(first - 1).max(from);
            let high = match self.firsts.get(index + 1) {
                Some(next) => f64::from(next - 1).min(to),
                None => to,
            };
            if high <= low {
                continue;
            }
            sums.0 += rate * (high - low);
            if let Some(end) = end {
                let ends = (high.min(end) - low.max(end - 1.0)).max(0.0);
                let after = (high - low.max(end)).max(0.0);
                let before = (high.min(end - 1.0) - low).max(0.0);
                sums.1 += rate * (before + ends * self.phases[0] + after * self.phases[1]);
            }
        }
        if sums.0 > 0.0 && (end.is_none() || sums.1 > 0.0) {
            return sums;
        }
        // A horizon that is lost beside the duration: all of it lies in one phase.
        let last = self.rates.len() - 1;
        let factor = match end {
            Some(end) if from >= end => self.phases[1],
            Some(end) if from >= end - 1.0 => self.phases[0],
            _ => 1.0,
        };
        let without = self.rates[last] * self.horizon / self.period;
        (without, without * factor)
    }
}

/// The output `hazards`, of a customer whose margin is `base`.
pub(super) fn table(fit: &HazardFit, params: &HazardParams, base: f64) -> Result<RecordBatch> {
    let column = |values: Vec<f64>| Arc::new(Float64Array::from(values));
    let rate = |effect: f64| (effect + base).exp();
    let mut cumulative = 0.0;
    let mut survivals = Vec::with_capacity(fit.groups.len());
    for group in &fit.groups {
        cumulative += rate(group.effect) * f64::from(group.last - group.first + 1);
        survivals.push((-cumulative).exp());
    }
    let groups = || fit.groups.iter();
    survival::table(vec![
        (
            "first",
            false,
            column(
                groups()
                    .map(|group| f64::from(group.first - 1) * params.period)
                    .collect(),
            ),
        ),
        (
            "last",
            false,
            column(
                groups()
                    .map(|group| f64::from(group.last) * params.period)
                    .collect(),
            ),
        ),
        (
            "at_risk",
            false,
            column(groups().map(|group| group.at_risk).collect()),
        ),
        (
            "left",
            false,
            column(groups().map(|group| group.events).collect()),
        ),
        (
            "hazard",
            false,
            column(
                groups()
                    .map(|group| -(-rate(group.effect)).exp_m1())
                    .collect(),
            ),
        ),
        ("survival", false, column(survivals)),
    ])
}
