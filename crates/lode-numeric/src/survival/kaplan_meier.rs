//! The survival curve of a whole base, from watched and censored durations.
//!
//! Does not compare groups. Invariant: the curve never rises.

use super::Subjects;
use super::normal::two_sided;
use crate::Error;
use crate::Result;

/// The curve at a time at which a subject left or ceased to be watched.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KaplanMeierPoint {
    /// The time.
    pub time: f64,
    /// Weight of those at risk just before.
    pub at_risk: f64,
    /// Weight of those who left now.
    pub events: f64,
    /// Weight of those who were last seen now.
    pub censored: f64,
    /// The chance to be there after this time.
    pub survival: f64,
    /// Its standard error by Greenwood; 0 when nobody is left.
    pub standard_error: f64,
    /// Lower end of its confidence interval.
    pub low: f64,
    /// Upper end of its confidence interval.
    pub high: f64,
}

/// The Kaplan-Meier estimate of the survival curve.
///
/// For how many are still there after any time, when some have not left yet; not for reasons,
/// see [`super::cox`].
///
/// # Input
/// `subjects`; `confidence` of the intervals, above 0 and below 1.
///
/// # Output
/// One point for each different duration, ascending.
///
/// # Method
/// `S(t) = product over times <= t of (1 - events / at_risk)`, with those at risk entry < time
/// <= duration: who leaves or is censored at a time was at risk at it. Variance by Greenwood,
/// `S^2 sum(events / (at_risk (at_risk - events)))`; the interval is symmetric in
/// `log(-log S)` and so stays in 0 to 1. At a survival of 1 it is 1 to 1, of 0 it is 0 to 0.
///
/// # Determinism and cost
/// No randomness; O(n log n) time, O(n) memory.
///
/// # Errors
/// [`Error::TooFewRows`], [`Error::Length`], [`Error::Entry`] for the subjects;
/// [`Error::OutOfRange`] for the confidence. That nobody left is no error: the curve is 1.
///
/// # Source
/// E. Kaplan, P. Meier, "Nonparametric estimation from incomplete observations", JASA 53,
/// 1958, pages 457-481; M. Greenwood, "The natural duration of cancer", 1926; J. Kalbfleisch,
/// R. Prentice, "The Statistical Analysis of Failure Time Data", 2nd ed., 2002, section 1.4
/// (interval).
///
/// # Example
/// ```
/// use lode_numeric::survival::{Subjects, kaplan_meier};
/// let subjects = Subjects::new(&[1.0, 2.0, 2.0, 3.0], &[true, true, false, true]);
/// let curve = kaplan_meier(&subjects, 0.95)?;
/// assert_eq!(curve[1].survival, 0.75 * (1.0 - 1.0 / 3.0));
/// # Ok::<(), lode_numeric::Error>(())
/// ```
pub fn kaplan_meier(subjects: &Subjects<'_>, confidence: f64) -> Result<Vec<KaplanMeierPoint>> {
    subjects.check()?;
    if !(confidence > 0.0 && confidence < 1.0) {
        return Err(Error::OutOfRange {
            what: "confidence",
            expected: "above 0 and below 1",
            found: confidence,
        });
    }
    let z = two_sided(confidence);
    let mut rows: Vec<usize> = (0..subjects.len()).collect();
    rows.sort_by(|a, b| subjects.durations[*a].total_cmp(&subjects.durations[*b]));
    let mut by_entry = rows.clone();
    by_entry.sort_by(|a, b| subjects.entry(*a).total_cmp(&subjects.entry(*b)));
    let (mut n_entered, mut n_gone) = (0, 0);
    let mut at_risk = 0.0;
    let mut survival = 1.0;
    let mut variance = 0.0;
    let mut curve = Vec::new();
    while n_gone < rows.len() {
        let time = subjects.durations[rows[n_gone]];
        while let Some(row) = by_entry.get(n_entered)
            && subjects.entry(*row) < time
        {
            at_risk += subjects.weight(*row);
            n_entered += 1;
        }
        let (mut events, mut censored) = (0.0, 0.0);
        while let Some(row) = rows.get(n_gone)
            && subjects.durations[*row] <= time
        {
            if subjects.events[*row] {
                events += subjects.weight(*row);
            } else {
                censored += subjects.weight(*row);
            }
            n_gone += 1;
        }
        if events > 0.0 {
            // All that are left may leave: rounding must not keep a part of them.
            let staying = if at_risk - events <= 1e-12 * at_risk {
                0.0
            } else {
                at_risk - events
            };
            survival *= staying / at_risk;
            variance += events / (at_risk * staying);
        }
        let (low, high) = interval(survival, variance, z);
        curve.push(KaplanMeierPoint {
            time,
            at_risk,
            events,
            censored,
            survival,
            standard_error: if survival > 0.0 {
                survival * variance.sqrt()
            } else {
                0.0
            },
            low,
            high,
        });
        at_risk -= events + censored;
    }
    Ok(curve)
}

fn interval(survival: f64, variance: f64, z: f64) -> (f64, f64) {
    if survival <= 0.0 || survival >= 1.0 {
        return (survival, survival);
    }
    let log = survival.ln();
    let width = z * variance.sqrt() / log.abs();
    (survival.powf(width.exp()), survival.powf((-width).exp()))
}

#[cfg(test)]
mod tests;
