//! The hazard of a row of margin 0, by Breslow, and what follows from it for any row.
//!
//! Does not smooth: the hazard lies on the times at which somebody left. Invariant: times
//! ascend, and the cumulative hazard never falls.

use super::likelihood::State;
use super::order::Order;

/// The hazard at a time at which somebody left.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BaselinePoint {
    /// The time.
    pub time: f64,
    /// Sum of the weights of those at risk; without weights their number.
    pub at_risk: f64,
    /// Sum of the weights of those who left.
    pub events: f64,
    /// What the time adds to the cumulative hazard.
    pub hazard: f64,
    /// The cumulative hazard, this time included.
    pub cumulative: f64,
    /// The chance of a row of margin 0 to be there after this time.
    pub survival: f64,
}

/// The cumulative hazard of a row of margin 0, as steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Baseline {
    /// One point for each time at which somebody left, ascending.
    pub points: Vec<BaselinePoint>,
    /// Hazard per unit of time after the last point: events over time at risk (both as rows
    /// of margin 0) since the last tenth of the events began.
    pub tail_rate: f64,
}

impl Baseline {
    pub(super) fn new(order: &Order, state: &State) -> Self {
        let mut at_risk = vec![0.0; order.times.len()];
        order.backwards(
            &order.weights,
            0,
            |_, _, _| {},
            |time, sum, _| {
                at_risk[time] = sum;
            },
        );
        let mut points = Vec::with_capacity(order.times.len());
        let mut cumulative = 0.0;
        for (index, event) in order.times.iter().enumerate() {
            // Divided as logarithms: the shift may be beyond what exp can hold.
            let hazard = (event.weight.ln() - state.at_risk[index].ln() - state.shift).exp();
            cumulative += hazard;
            points.push(BaselinePoint {
                time: event.time,
                at_risk: at_risk[index],
                events: event.weight,
                hazard,
                cumulative,
                survival: (-cumulative).exp(),
            });
        }
        let tail_rate = tail_rate(order, state);
        Self { points, tail_rate }
    }

    /// The cumulative hazard of a row of margin 0 at `time`. Between two points it is that
    /// of the first; after the last point it goes on at `tail_rate`.
    pub fn cumulative(&self, time: f64) -> f64 {
        let n_before = self.points.partition_point(|point| point.time <= time);
        let Some(point) = n_before.checked_sub(1).map(|last| &self.points[last]) else {
            return 0.0;
        };
        if n_before < self.points.len() {
            return point.cumulative;
        }
        point.cumulative + self.tail_rate * (time - point.time)
    }

    /// The chance that a row of `margin` is still there after `time`.
    pub fn survival(&self, time: f64, margin: f64) -> f64 {
        (-self.cumulative(time) * margin.exp()).exp()
    }
}

/// Events by exposure over the time in which the last tenth of the events fell.
fn tail_rate(order: &Order, state: &State) -> f64 {
    let total: f64 = order.times.iter().map(|event| event.weight).sum();
    let mut events = 0.0;
    let mut begin = 0.0;
    for (index, event) in order.times.iter().enumerate().rev() {
        events += event.weight;
        if events >= 0.1 * total {
            begin = index.checked_sub(1).map_or(0.0, |i| order.times[i].time);
            break;
        }
    }
    let mut exposure = 0.0;
    for (position, margin) in state.margins.iter().enumerate() {
        let entry = order.entries.get(position).copied().unwrap_or(0.0);
        let watched = order.durations[position] - begin.max(entry);
        if watched > 0.0 {
            exposure += order.weights[position] * (margin - state.shift).exp() * watched;
        }
    }
    if exposure > 0.0 {
        (events.ln() - exposure.ln() - state.shift).exp()
    } else {
        0.0
    }
}
