//! Judges a job on rows that its plugin did not see: supervised ones here, recommenders in `offers`.
//!
//! `plan` says which rows are held out of which fit: seeded folds of a plain table, or for rows of
//! several dates the last dates, each behind fits on what was known by then. `predict` has a
//! worker learn and another one score, labels taken out. `calibrate` makes the margins
//! probabilities, never by the rows that are measured; `measures` are the numbers, computed by
//! `lode-numeric`, and `tables` what of them can be read. A model that the job starts from is no
//! start of these fits: it may have seen the rows that are kept back.
//! `docs/evaluation.md` has every definition.

mod rows;

mod plan;
mod predict;

mod calibrate;
mod calibration;

mod classes;
mod groups;
mod measures;
mod quantile;
mod survival;
mod tables;

mod rewrite;
mod suspect;

mod compare;
mod trial;

pub(crate) mod offers;

use std::collections::BTreeMap;

use arrow_array::RecordBatch;
use lode_types::Outcome;

use crate::Error;
use crate::EventKind;
use crate::Job;
use crate::Result;
use crate::check::Checked;
use crate::run::Bench;
use crate::run::Bounds;

pub use calibration::Calibration;
pub use calibration::CalibrationInput;
pub use calibration::Curve;
pub use compare::Compared;
pub use compare::Comparison;
pub(crate) use compare::compare;
pub(crate) use plan::test_dates;
pub(crate) use quantile::alpha_of;

pub(crate) use trial::Grounds;
pub(crate) use trial::measure_of;

pub(crate) use rewrite::Dates;
pub(crate) use rewrite::is_of_rows;
pub(crate) use rewrite::rewrite;

use groups::Group;
use measures::Measure;
use predict::Held;
use rows::Sample;

/// Fewer of either class, or fewer rows at all, make every measure a guess.
const FEW: usize = 50;
/// An AUC above it is more often a mistake in the data than a good model.
const TOO_GOOD: f64 = 0.995;
/// Amounts whose sum is off by more than this factor, either way, are of no use as amounts.
const FAR: f64 = 1.5;

/// What the judging gave.
pub(crate) struct Judged {
    /// The headline numbers.
    pub(crate) metrics: BTreeMap<String, f64>,
    /// The tables that go beside the plugin's.
    pub(crate) reports: Vec<Report>,
    /// How the model's scores are made probabilities, when that helps.
    pub(crate) calibration: Option<Calibration>,
    /// Of the judged rows and their labels, in hexadecimal.
    pub(crate) rows_sha256: String,
}

/// A table of the engine's.
pub(crate) struct Report {
    pub(crate) name: &'static str,
    pub(crate) chart_hint: &'static str,
    pub(crate) rows: RecordBatch,
}

/// Judges `job` on its first input.
pub(crate) fn judge(
    bench: &Bench<'_>,
    job: &Job,
    checked: &Checked,
    bounds: Bounds,
) -> Result<Judged> {
    let warn = |message: String| {
        (bench.report)(EventKind::Log {
            level: "warn".to_owned(),
            message,
        });
    };
    let outcome = checked.algorithm.spec.outcome();
    let outcome = outcome.ok_or_else(|| Error::bug("a job without a label is judged"))?;
    let bound = checked
        .inputs
        .first()
        .ok_or_else(|| Error::bug("a supervised algorithm declares no input"))?;
    let opened = bench.open_input(bound, bounds)?;
    let sample = Sample::load(opened.files, bound, outcome, &checked.params_json)?;
    suspect::features(&sample, job.spec.seed)
        .into_iter()
        .for_each(warn);

    suspect::same(&sample).into_iter().for_each(warn);

    let plan = plan::plan(&sample, checked.folds, &job.spec)?;
    plan.notes.iter().cloned().for_each(warn);
    let mut held = predict::hold_out(bench, job, checked, bounds, &sample, &plan)?;
    let calibration = match outcome {
        Outcome::Binary => calibrate::calibrate(&mut held, &sample, &plan, &job.spec)?,
        Outcome::Amount | Outcome::Class | Outcome::Survival => None,
    };

    let settings =
        measures::Settings::of(&job.spec, &checked.params_json, outcome, bounds.threads)?;
    let groups = groups::groups(&sample, &held, &plan);
    let mut judged_groups = Vec::new();
    for group in groups {
        bench.check_cancelled()?;
        let measured = measures::of_group(&sample, &held, &plan, &group, &settings)?;
        judged_groups.push((group, measured));
    }
    let metrics = headline(&held, &plan, &judged_groups, &settings);
    for message in suspect::results(&sample, &held, &metrics, settings.alpha) {
        warn(message);
    }
    suspect::beyond(&sample, settings.horizon)
        .into_iter()
        .for_each(warn);
    let mut reports = tables::reports(&sample, &held, &settings)?;
    reports.insert(1, tables::summary(&sample, &held, &judged_groups)?);
    Ok(Judged {
        metrics,
        reports,
        calibration,
        rows_sha256: rows::sha256(&sample, &held.rows),
    })
}

/// The numbers that the job shows: those of all held-out rows with their intervals, the spread
/// over folds or dates, and the main one of new and of old customers.
fn headline(
    held: &Held,
    plan: &plan::Plan,
    groups: &[(Group, Vec<Measure>)],
    settings: &measures::Settings,
) -> BTreeMap<String, f64> {
    let mut metrics = BTreeMap::new();
    for (group, measured) in groups {
        for measure in measured {
            match group.name.as_str() {
                groups::ALL => {
                    metrics.insert(measure.name.to_owned(), measure.value);
                    if let Some((low, high)) = measure.interval {
                        metrics.insert(format!("{}_low", measure.name), low);
                        metrics.insert(format!("{}_high", measure.name), high);
                    }
                }
                "new" | "old" if settings.is_main(measure.name) => {
                    metrics.insert(format!("{}_{}", measure.name, group.name), measure.value);
                }
                _ => {}
            }
        }
    }
    for (name, spread) in measures::spread(groups, plan) {
        metrics.insert(format!("{name}_sd"), spread);
    }
    if settings.outcome == Outcome::Binary
        && let Some(auc) = metrics.get("auc")
    {
        metrics.insert("gini".to_owned(), 2.0 * auc - 1.0);
    }
    if let Some(psi) = held.psi {
        metrics.insert("psi".to_owned(), psi);
    }
    metrics.insert("evaluated_rows".to_owned(), held.rows.len() as f64);
    let splits = if plan.out_of_time {
        "test_dates"
    } else {
        "folds"
    };
    metrics.insert(splits.to_owned(), plan.splits.len() as f64);
    metrics.retain(|_, value| value.is_finite());
    metrics
}

#[cfg(test)]
mod tests;
