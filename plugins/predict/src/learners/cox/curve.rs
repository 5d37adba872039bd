//! The baseline of a Cox regression: as a table, and as lines that scores are read from.
//!
//! Invariant: the lines rise everywhere, so that a horizon is never without risk and scores
//! always order customers of one duration as their margins do.

use std::sync::Arc;

use lode_numeric::survival::cox::Baseline;
use lode_plugin::Error;
use lode_plugin::Result;
use lode_plugin::arrow_array::Float64Array;
use lode_plugin::arrow_array::RecordBatch;
use lode_plugin::serde::Deserialize;
use lode_plugin::serde::Serialize;

use crate::learners::survival;

/// The most points that a model keeps.
const MAX_POINTS: usize = 1_000;

/// The cumulative hazard of margin 0: straight from (0, 0) to the first point, from point to
/// point, and on at the tail's rate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(crate = "lode_plugin::serde")]
pub(super) struct Curve {
    times: Vec<f64>,
    hazards: Vec<f64>,
    tail_rate: f64,
}

impl Curve {
    pub(super) fn new(baseline: &Baseline) -> Self {
        let points = &baseline.points;
        let step = points.len().div_ceil(MAX_POINTS).max(1);
        let last = points.len().saturating_sub(1);
        let kept = points
            .iter()
            .enumerate()
            .filter(|(index, point)| (last - index).is_multiple_of(step) && point.time > 0.0);
        // Who leaves at time 0 does not leave after it.
        let at_zero = points.first().filter(|point| point.time <= 0.0);
        let at_zero = at_zero.map_or(0.0, |point| point.cumulative);
        let kept = kept.map(|(_, point)| (point.time, point.cumulative - at_zero));
        let (times, hazards) = kept.unzip();
        let mut curve = Self {
            times,
            hazards,
            tail_rate: baseline.tail_rate,
        };
        // All left at time 0, or nobody was at risk later: some rate is still needed.
        if curve.tail_rate <= 0.0 {
            let whole = points.last().map_or(1.0, |point| point.cumulative);
            let time = curve.times.last().copied().unwrap_or(1.0);
            curve.tail_rate = whole.max(f64::MIN_POSITIVE) / time;
        }
        curve
    }

    pub(super) fn check(&self) -> Result<()> {
        let rises = |values: &[f64]| {
            values.first().is_none_or(|first| *first >= 0.0)
                && values.windows(2).all(|pair| pair[0] <= pair[1])
        };
        let is_whole = self.times.len() == self.hazards.len() && self.tail_rate > 0.0;
        if is_whole && rises(&self.times) && rises(&self.hazards) {
            return Ok(());
        }
        Err(Error::model(
            "expected a baseline hazard that rises with time, found another",
        ))
    }

    /// The hazard from `begin` to `begin + length`.
    pub(super) fn between(&self, begin: f64, length: f64) -> f64 {
        let last = self.times.last().copied().unwrap_or(0.0);
        if begin >= last {
            return self.tail_rate * length;
        }
        self.cumulative(begin + length) - self.cumulative(begin)
    }

    fn cumulative(&self, time: f64) -> f64 {
        let next = self.times.partition_point(|known| *known <= time);
        let (from, low) = match next.checked_sub(1) {
            Some(index) => (self.times[index], self.hazards[index]),
            None => (0.0, 0.0),
        };
        match self.times.get(next) {
            Some(to) => low + (self.hazards[next] - low) * (time - from) / (to - from),
            None => low + self.tail_rate * (time - from),
        }
    }
}

/// The output `survival`, of a customer whose margin is `base`.
pub(super) fn table(baseline: &Baseline, base: f64) -> Result<RecordBatch> {
    let factor = base.exp();
    let column = |read: &dyn Fn(usize) -> f64| {
        let values = (0..baseline.points.len()).map(read);
        Arc::new(Float64Array::from_iter_values(values))
    };
    let points = &baseline.points;
    survival::table(vec![
        ("time", false, column(&|index| points[index].time)),
        (
            "survival",
            false,
            column(&|index| (-points[index].cumulative * factor).exp()),
        ),
        (
            "hazard",
            false,
            column(&|index| points[index].hazard * factor),
        ),
        ("at_risk", false, column(&|index| points[index].at_risk)),
    ])
}
