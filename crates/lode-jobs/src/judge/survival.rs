//! The numbers of a time until something happens: C, the Brier score and calibration at a horizon.
//!
//! The measures themselves are `lode_numeric::metrics`. Invariant: without a horizon among the
//! algorithm's parameters there is C alone.

use lode_numeric::metrics;

use super::measures::BINS;
use super::measures::Settings;
use super::predict::Held;
use super::rows::Sample;
use super::rows::Truth;
use crate::Result;

/// Measures that are means over parts.
pub(super) const NAMES: [&str; 2] = ["concordance", "brier_at_horizon"];

/// Rows whose scores may be put in one order.
pub(super) struct Part {
    pub(super) times: Vec<f64>,
    pub(super) events: Vec<bool>,
    /// Of the event by the horizon.
    pub(super) chances: Vec<f64>,
    pub(super) horizon: Option<f64>,
}

impl Part {
    pub(super) fn numbers(&self, weights: Option<&[f64]>) -> Vec<Option<f64>> {
        let (times, events, chances) = (&self.times, &self.events, &self.chances);
        let brier = |horizon| metrics::brier_at(horizon, times, events, chances, weights).ok();
        // What nobody was watched for long enough cannot be judged.
        let reached = |horizon: &f64| times.iter().any(|time| time >= horizon);
        vec![
            metrics::concordance(times, events, chances, weights).ok(),
            self.horizon.filter(reached).and_then(brier),
        ]
    }
}

/// Numbers of all rows of a group together.
pub(super) fn of_whole(
    sample: &Sample,
    held: &Held,
    positions: &[usize],
    weights: Option<&[f64]>,
    settings: &Settings,
) -> Result<Vec<(&'static str, f64)>> {
    let bins = bins(sample, held, positions, weights, settings);
    let rows: f64 = bins.iter().map(|bin| bin.rows).sum();
    if rows <= 0.0 {
        return Ok(Vec::new());
    }
    let gap = |bin: &metrics::SurvivalBin| bin.rows * (bin.predicted - bin.observed).abs();
    let error = bins.iter().map(gap).sum::<f64>() / rows;
    Ok(vec![("calibration_error", error)])
}

/// Predicted and observed chance by the horizon; none without one.
pub(super) fn bins(
    sample: &Sample,
    held: &Held,
    positions: &[usize],
    weights: Option<&[f64]>,
    settings: &Settings,
) -> Vec<metrics::SurvivalBin> {
    let (Truth::Survival { events, durations }, Some(horizon)) = (&sample.truth, settings.horizon)
    else {
        return Vec::new();
    };
    let row = |at: &usize| held.rows[*at];
    let times: Vec<f64> = positions.iter().map(|at| durations[row(at)]).collect();
    let events: Vec<bool> = positions.iter().map(|at| events[row(at)]).collect();
    let chances: Vec<f64> = positions.iter().map(|at| held.raw[*at]).collect();
    if !times.iter().any(|time| *time >= horizon) {
        return Vec::new();
    }
    metrics::calibration_at(horizon, &times, &events, &chances, weights, BINS).unwrap_or_default()
}
