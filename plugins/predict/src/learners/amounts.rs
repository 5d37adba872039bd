//! What learners of amounts ask of a label: 0 or more, and somewhere more; and what is far for
//! them.

use lode_plugin::Error;
use lode_plugin::Result;

use crate::learner::Training;

/// Refuses amounts below 0, and amounts that are all 0.
pub(super) fn check(rows: &Training<'_>) -> Result<()> {
    let refused = |message: String| Err(Error::invalid(rows.label.as_str(), message));
    if let Some(below) = rows.targets.iter().find(|amount| **amount < 0.0) {
        return refused(format!("expected amounts of 0 or more, found {below}"));
    }
    let mut counted = rows.targets.iter().enumerate();
    if !counted.any(|(row, amount)| *amount > 0.0 && rows.weight(row) > 0.0) {
        return refused("expected an amount above 0 in some row, found none".to_owned());
    }
    Ok(())
}

/// Refuses amounts of 0, which `what` does not take.
pub(super) fn check_above_0(rows: &Training<'_>, what: &str) -> Result<()> {
    let mut counted = rows.targets.iter().enumerate();
    if counted.any(|(row, amount)| *amount <= 0.0 && rows.weight(row) > 0.0) {
        return Err(Error::invalid(
            rows.label.as_str(),
            format!("expected amounts above 0 for {what}, found 0: tweedie takes both"),
        ));
    }
    Ok(())
}

/// The standard deviation of a normal distribution whose median distance from the median is 1.
const OF_MEDIAN: f64 = 1.4826;
/// Standard deviations beyond which P. Huber's estimate of a mean counts a row less; it keeps 95%
/// of the efficiency of the mean ("Robust Statistics", 1981).
const FAR: f64 = 1.345;

/// Where the Huber loss turns straight when nobody says: what is far for these amounts.
pub(super) fn huber_delta(rows: &Training<'_>) -> f64 {
    let targets = rows.targets.iter().copied();
    let center = median(rows, targets);
    let off = || rows.targets.iter().map(|amount| (amount - center).abs());
    let usual = OF_MEDIAN * median(rows, off());
    // Where more than half of the amounts are one, the others say what is far.
    let weights = || (0..rows.targets.len()).map(|row| rows.weight(row));
    let sum: f64 = off().zip(weights()).map(|(off, weight)| off * weight).sum();
    let mean = sum / weights().sum::<f64>();
    let scale = if usual > 0.0 { usual } else { mean };
    match FAR * scale {
        delta if delta > 0.0 && delta.is_finite() => delta,
        _ => 1.0,
    }
}

/// The least value with half of the weight at or below it.
fn median(rows: &Training<'_>, values: impl Iterator<Item = f64>) -> f64 {
    let mut entries: Vec<(f64, f64)> = values
        .enumerate()
        .map(|(row, value)| (value, rows.weight(row)))
        .collect();
    entries.sort_by(|a, b| a.0.total_cmp(&b.0));
    let total: f64 = entries.iter().map(|(_, weight)| weight).sum();
    let mut below = 0.0;
    for (value, weight) in &entries {
        below += weight;
        if below >= 0.5 * total {
            return *value;
        }
    }
    entries.last().map_or(0.0, |(value, _)| *value)
}
