//! Judges trials of a search, on rows that the final judging does not test on.
//!
//! Chooses nothing. Invariant: the rows are those that the first split of the final judging learns
//! from; of dates, all that was known before the first that judges.

use std::ops::Range;

use lode_numeric::metrics;
use lode_numeric::metrics::Amount;
use lode_numeric::metrics::Binary;
use lode_types::Outcome;

use super::classes;
use super::offers;
use super::offers::OfferGrounds;
use super::plan;
use super::plan::Split;
use super::predict;
use super::predict::Stage;
use super::quantile;
use super::rows::Sample;
use super::rows::Truth;
use crate::Error;
use crate::EventKind;
use crate::Job;
use crate::Result;
use crate::check::Checked;
use crate::run::Bench;
use crate::run::Bounds;

/// Measures of a yes or no by which trials may be put in order, the default first.
const BINARY: [&str; 4] = ["log_loss", "auc", "average_precision", "brier"];
/// Of an amount.
const AMOUNT: [&str; 3] = ["rmse", "mae", "spearman"];
/// Of a quantile.
const QUANTILE: [&str; 4] = [quantile::PINBALL, "rmse", "mae", "spearman"];
/// Of one of several.
const CLASS: [&str; 3] = ["log_loss", "accuracy", "macro_f1"];
/// Of a time.
const SURVIVAL: [&str; 1] = ["concordance"];

/// The measure that is meant; empty means the default of the outcome, and of a quantile, whose
/// `alpha` is given, or of a recommender, which has no outcome.
///
/// # Errors
/// `OUT_OF_RANGE`, with the measures that there are.
pub(crate) fn measure_of(
    outcome: Option<Outcome>,
    alpha: Option<f64>,
    name: &str,
) -> Result<&'static str> {
    let known: &[&'static str] = match outcome {
        Some(Outcome::Binary) => &BINARY,
        Some(Outcome::Amount) if alpha.is_some() => &QUANTILE,
        Some(Outcome::Amount) => &AMOUNT,
        Some(Outcome::Class) => &CLASS,
        Some(Outcome::Survival) => &SURVIVAL,
        None => &offers::MEASURES,
    };
    let found = known.iter().find(|known| **known == name);
    match (name, found) {
        ("", _) => Ok(known[0]),
        (_, Some(found)) => Ok(found),
        (_, None) => Err(Error::invalid(
            "OUT_OF_RANGE",
            "spec.tuning.measure",
            format!("expected one of {}, found {name:?}", known.join(", ")),
        )),
    }
}

/// The rows of a search and their splits.
pub(crate) enum Grounds {
    Rows(Box<RowGrounds>),
    Offers(Box<OfferGrounds>),
}

/// Those of a supervised job.
pub(crate) struct RowGrounds {
    sample: Sample,
    splits: Vec<Split>,
    /// Of a quantile, as the job asks for it.
    alpha: Option<f64>,
}

impl Grounds {
    /// Reads the rows of a job and leaves out those that the final judging tests on.
    ///
    /// # Errors
    /// What the judging of the job would meet.
    pub(crate) fn open(
        bench: &Bench<'_>,
        job: &Job,
        checked: &Checked,
        bounds: Bounds,
    ) -> Result<Self> {
        let Some(outcome) = checked.algorithm.spec.outcome() else {
            let grounds = OfferGrounds::open(bench, job, checked, bounds)?;
            return Ok(Self::Offers(Box::new(grounds)));
        };
        let bound = checked
            .inputs
            .first()
            .ok_or_else(|| Error::bug("a supervised algorithm declares no input"))?;
        let opened = bench.open_input(bound, bounds)?;
        let mut sample = Sample::load(opened.files, bound, outcome, &checked.params_json)?;
        if checked.folds > 1 {
            let outer = plan::plan(&sample, checked.folds, &job.spec)?;
            let seen = outer.splits.first().map(|split| split.train.as_slice());
            sample = sample.subset(seen.unwrap_or_default())?;
        }
        let inner = plan::inner(&sample, &job.spec)?;
        for note in inner.notes {
            (bench.report)(EventKind::Log {
                level: "info".to_owned(),
                message: format!("search: {note}"),
            });
        }
        let alpha = quantile::alpha_of(&serde_json::from_str(&checked.params_json)?);
        Ok(Self::Rows(Box::new(RowGrounds {
            sample,
            splits: inner.splits,
            alpha,
        })))
    }

    pub(crate) fn n_splits(&self) -> usize {
        match self {
            Self::Rows(rows) => rows.splits.len(),
            Self::Offers(offers) => offers.n_splits(),
        }
    }

    pub(crate) fn split_name(&self, split: usize) -> &str {
        match self {
            Self::Rows(rows) => &rows.splits[split].name,
            Self::Offers(offers) => offers.split_name(split),
        }
    }

    /// A measure of what one split holds out, scored by a fit on the rest of it.
    ///
    /// # Errors
    /// What the plugin met.
    pub(crate) fn value(
        &self,
        bench: &Bench<'_>,
        job: &Job,
        checked: &Checked,
        bounds: Bounds,
        asked: (usize, &str),
        stage: (String, Range<f64>),
    ) -> Result<f64> {
        match self {
            Self::Rows(rows) => rows.value(bench, job, checked, bounds, asked, stage),
            Self::Offers(offers) => offers.value(bench, job, checked, bounds, asked, stage),
        }
    }
}

impl RowGrounds {
    fn value(
        &self,
        bench: &Bench<'_>,
        job: &Job,
        checked: &Checked,
        bounds: Bounds,
        (split, measure): (usize, &str),
        (stage, progress): (String, Range<f64>),
    ) -> Result<f64> {
        let split = &self.splits[split];
        let stage = Stage {
            name: stage,
            progress,
        };
        let sample = &self.sample;
        let rows = (split, &[][..]);
        let answers = predict::learn_and_score(bench, job, checked, bounds, sample, rows, stage)?;
        let scores: Vec<f64> = answers.rows.iter().map(|(score, _)| *score).collect();
        let of = |values: &[f64]| {
            split
                .test
                .iter()
                .map(|row| values[*row])
                .collect::<Vec<f64>>()
        };
        let flags = |flags: &[bool]| {
            split
                .test
                .iter()
                .map(|row| flags[*row])
                .collect::<Vec<bool>>()
        };
        let weights = sample.weights.as_deref().map(of);
        let weights = weights.as_deref();
        let value = match &sample.truth {
            Truth::Binary(truth) => {
                let labels = flags(truth);
                match measure {
                    "log_loss" => metrics::weighted_log_loss(&scores, &labels, weights),
                    "brier" => metrics::weighted_brier(&scores, &labels, weights),
                    "auc" => Binary::new(&scores, &labels, weights).map(|binary| binary.auc()),
                    _ => Binary::new(&scores, &labels, weights)
                        .map(|binary| binary.average_precision()),
                }
            }
            Truth::Amount(truth) => {
                let actual = of(truth);
                if let (quantile::PINBALL, Some(alpha)) = (measure, self.alpha) {
                    let loss = metrics::pinball_loss(&scores, &actual, weights, alpha);
                    return loss.map_err(unmeasured);
                }
                let amount = Amount::new(&scores, &actual, weights).map_err(unmeasured)?;
                match measure {
                    "rmse" => Ok(amount.rmse()),
                    "mae" => Ok(amount.mae()),
                    // A constant prediction puts nothing in order.
                    _ => Ok(amount.spearman().unwrap_or(0.0)),
                }
            }
            Truth::Class { of, names } => {
                let actual = split.test.iter().map(|row| of[*row]).collect();
                let part = classes::Part::new(&answers.shares, actual, names.len())?;
                let numbers = part.numbers(weights);
                let at = classes::NAMES.iter().position(|name| *name == measure);
                let number = at.and_then(|at| numbers[at]);
                return number.ok_or_else(|| {
                    unmeasured(lode_numeric::Error::TooFewRows {
                        needed: 1,
                        found: 0,
                    })
                });
            }
            Truth::Survival { events, durations } => {
                metrics::concordance(&of(durations), &flags(events), &scores, weights)
            }
        };
        value.map_err(unmeasured)
    }
}

fn unmeasured(error: lode_numeric::Error) -> Error {
    Error::invalid("NOT_MEASURABLE", "spec.tuning", error.to_string())
}
