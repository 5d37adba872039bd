//! What learners of amounts ask of a label: 0 or more, and somewhere more.

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
