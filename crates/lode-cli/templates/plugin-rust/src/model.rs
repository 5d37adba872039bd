//! What a fit leaves for scoring: how often each customer comes.
//!
//! Kept as JSON; raise `MODEL_FORMAT` when an older build could not read it.

use std::collections::BTreeMap;

use lode_plugin::Error;
use lode_plugin::Result;
use lode_plugin::serde::Deserialize;
use lode_plugin::serde::Serialize;
use lode_plugin::serde_json;

use crate::days::Days;

/// The customers' habits.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(crate = "lode_plugin::serde")]
pub struct Habits {
    /// The day that scores are counted to when the caller names none.
    pub(crate) today: i32,
    /// Days between purchases of the average customer.
    pub(crate) usual_gap: f64,
    pub(crate) customers: BTreeMap<String, Habit>,
}

/// One customer's habit.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(crate = "lode_plugin::serde")]
pub(crate) struct Habit {
    pub(crate) last_day: i32,
    pub(crate) n_days: usize,
    /// Expected days between purchases; at least 1.
    pub(crate) gap: f64,
}

impl Habits {
    /// Learns them: a customer's mean gap, with `prior` gaps of the average customer mixed
    /// in, so that somebody who came twice is not judged by one gap alone.
    pub(crate) fn learn(days: &Days, prior: f64) -> Result<Self> {
        let span = |days: &[i32]| match days {
            [first, .., last] => f64::from(*last) - f64::from(*first),
            _ => 0.0,
        };
        let gaps = |days: &[i32]| days.len().saturating_sub(1) as f64;
        // Whole numbers: the order of the sum does not matter.
        let all_span: f64 = days.of.values().map(|days| span(days)).sum();
        let all_gaps: f64 = days.of.values().map(|days| gaps(days)).sum();
        let (Some(today), true) = (days.last(), all_gaps > 0.0) else {
            return Err(Error::invalid(
                "inputs.events",
                "expected at least one customer who bought on two days, found none",
            ));
        };
        let usual_gap = all_span / all_gaps;
        let customers = days.of.iter().map(|(name, days)| {
            let weight = gaps(days) + prior;
            let gap = if weight > 0.0 {
                (span(days) + prior * usual_gap) / weight
            } else {
                usual_gap
            };
            let habit = Habit {
                last_day: days.last().copied().unwrap_or(today),
                n_days: days.len(),
                gap,
            };
            (name.clone(), habit)
        });
        Ok(Self {
            today,
            usual_gap,
            customers: customers.collect(),
        })
    }

    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self)
            .map_err(|error| Error::numeric(format!("the model cannot be written: {error}")))
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self> {
        serde_json::from_slice(bytes)
            .map_err(|error| Error::model(format!("expected habits of customers, found {error}")))
    }
}

impl Habit {
    /// How many of the usual gaps have passed by a day; 0 on the day of the last purchase.
    pub(crate) fn overdue(&self, day: i32) -> f64 {
        f64::from(day.saturating_sub(self.last_day)).max(0.0) / self.gap
    }
}
