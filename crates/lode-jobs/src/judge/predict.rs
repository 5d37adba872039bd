//! Held-out predictions: one worker learns, another scores rows that the first did not see.
//!
//! Computes no measure. Invariant: what is scored has no label, and of a time neither how long its
//! subject was watched (the duration of each row is 0 there).

use std::ops::Range;
use std::sync::Arc;

use arrow_array::Array;
use arrow_array::RecordBatch;
use arrow_array::UInt64Array;
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_schema::DataType;
use arrow_schema::Schema;
use lode_host::ScorerCall;
use lode_numeric::metrics;
use lode_types::Class;
use lode_types::Outcome;
use lode_types::Role;
use lode_types::role_of;

use super::calibration::CalibrationInput;
use super::calibration::logit;
use super::classes;
use super::measures::BINS;
use super::plan::Plan;
use super::plan::Split;
use super::rows::Sample;
use super::rows::Truth;
use crate::Error;
use crate::Job;
use crate::Result;
use crate::check::Checked;
use crate::input;
use crate::profile::LEAST_ROWS;
use crate::run::Bench;
use crate::run::Bounds;
use crate::run::EVALUATION_SHARE;
use crate::run::Fit;

/// Rows of one scoring call.
const CALL_ROWS: usize = 1 << 16;
/// Rows of a fit that are scored too, to see whether held-out rows score like them.
const LEARNED_ROWS: usize = 10_000;

/// Predictions of all rows that were held out, in the order of the table.
pub(super) struct Held {
    /// Rows of the sample, ascending.
    pub(super) rows: Vec<usize>,
    /// The split that held each one out.
    pub(super) split: Vec<u32>,
    /// The plugin's score.
    pub(super) raw: Vec<f64>,
    /// What the score rises with: the plugin's margin, or the log odds of a score that has none.
    pub(super) margin: Vec<f64>,
    /// Which of the two.
    pub(super) margin_is: CalibrationInput,
    /// Of one of several, the probability of each class: row by row in the order of the classes.
    pub(super) shares: Vec<f64>,
    /// The score, made a probability by other rows than this one.
    pub(super) score: Vec<f64>,
    /// How far the scores of held-out rows lie from those of the rows of their fit: the population
    /// stability index over ten bins, the mean over the splits; none of too few rows.
    pub(super) psi: Option<f64>,
}

/// Fits and scores all splits.
pub(super) fn hold_out(
    bench: &Bench<'_>,
    job: &Job,
    checked: &Checked,
    bounds: Bounds,
    sample: &Sample,
    plan: &Plan,
) -> Result<Held> {
    let n_splits = plan.splits.len();
    let mut predicted = Vec::new();
    let mut indices = Vec::new();
    for (at, split) in plan.splits.iter().enumerate() {
        bench.check_cancelled()?;
        let share = EVALUATION_SHARE / n_splits as f64;
        let start = share * at as f64;
        let stage = Stage {
            name: format!("evaluate {}", split.name),
            progress: start..start + share,
        };
        bench.progress(&stage.name, start);
        let learned = some_of(&split.train);
        let rows = (split, &learned[..]);
        let mut answers = learn_and_score(bench, job, checked, bounds, sample, rows, stage)?;
        let of_learned = answers.rows.split_off(split.test.len());
        indices.extend(stability(&of_learned, &answers.rows));
        let n_classes = sample.n_classes();
        for (i, (&row, answer)) in split.test.iter().zip(answers.rows).enumerate() {
            let own = i * n_classes..(i + 1) * n_classes;
            predicted.push((row, at as u32, answer, answers.shares[own].to_vec()));
        }
    }
    predicted.sort_unstable_by_key(|(row, ..)| *row);
    let raw: Vec<f64> = predicted
        .iter()
        .map(|(_, _, (score, _), _)| *score)
        .collect();
    let margins = predicted.iter().map(|(_, _, (_, margin), _)| *margin);
    let margins: Option<Vec<f64>> = margins.collect();
    let is_binary = matches!(sample.truth, Truth::Binary(_));
    let (margin, margin_is) = match margins {
        // A margin that does not order rows as the score does is something else.
        Some(margins) if !is_binary || rise_together(&margins, &raw) => {
            (margins, CalibrationInput::Margin)
        }
        _ if is_binary => (
            raw.iter().copied().map(logit).collect(),
            CalibrationInput::Score,
        ),
        _ => (raw.clone(), CalibrationInput::Score),
    };
    Ok(Held {
        rows: predicted.iter().map(|(row, ..)| *row).collect(),
        split: predicted.iter().map(|(_, split, ..)| *split).collect(),
        shares: predicted
            .into_iter()
            .flat_map(|(.., shares)| shares)
            .collect(),
        score: raw.clone(),
        raw,
        margin,
        margin_is,
        psi: (!indices.is_empty()).then(|| indices.iter().sum::<f64>() / indices.len() as f64),
    })
}

/// At most [`LEARNED_ROWS`] of the rows of a fit, evenly spread.
fn some_of(rows: &[usize]) -> Vec<usize> {
    let step = rows.len().div_ceil(LEARNED_ROWS).max(1);
    rows.iter().copied().step_by(step).collect()
}

/// The population stability index of the scores of held-out rows against those of rows that taught.
fn stability(learned: &[Answer], held: &[Answer]) -> Option<f64> {
    if learned.len().min(held.len()) < LEAST_ROWS as usize {
        return None;
    }
    let of = |answers: &[Answer]| {
        answers
            .iter()
            .map(|(score, _)| *score)
            .collect::<Vec<f64>>()
    };
    let (learned, held) = (of(learned), of(held));
    let edges = metrics::number_edges(&learned, None, BINS).ok()?;
    let shares = |scores: &[f64]| metrics::number_shares(scores, None, &edges).ok();
    metrics::psi(&shares(&learned)?, &shares(&held)?).ok()
}

/// What a watcher of the job sees of a fit.
pub(super) struct Stage {
    pub(super) name: String,
    pub(super) progress: Range<f64>,
}

/// A score, and the margin if the plugin gives one.
pub(super) type Answer = (f64, Option<f64>);

/// What a scorer said of rows.
pub(super) struct Answers {
    pub(super) rows: Vec<Answer>,
    /// As of [`Held`].
    pub(super) shares: Vec<f64>,
}

/// Fits on the rows of a split and scores those that it holds out, then the others that are named.
pub(super) fn learn_and_score(
    bench: &Bench<'_>,
    job: &Job,
    checked: &Checked,
    bounds: Bounds,
    sample: &Sample,
    (split, others): (&Split, &[usize]),
    stage: Stage,
) -> Result<Answers> {
    let bound = &checked.inputs[0];
    let train = take(&sample.batch, &split.train)?;
    let file = lode_parts::memfd("train", &train.schema(), [train])?;
    let model = bench.store.scratch_file()?;
    let copy = model
        .try_clone()
        .map_err(|error| Error::new(Class::Unavailable, "FILE_FAILED", error.to_string()))?;
    bench.fit(
        job,
        checked,
        bounds,
        Fit {
            inputs: vec![input::table(&bound.name, vec![file], &bound.columns)],
            outputs: Vec::new(),
            models: vec![(String::new(), copy)],
            base_model: None,
            stage: &stage.name,
            progress: stage.progress,
        },
    )?;
    let call = ScorerCall {
        algorithm: checked.algorithm.spec.id.clone(),
        params_json: checked.params_json.clone(),
        model,
        seed: job.spec.seed,
        threads: bounds.threads,
        memory_bytes: bounds.memory_bytes,
    };
    let mut scorer = bench.host.open_scorer_with(&checked.algorithm, call)?;
    let outcome = checked.algorithm.spec.outcome();
    let mut answers = Answers {
        rows: Vec::with_capacity(split.test.len() + others.len()),
        shares: Vec::new(),
    };
    for rows in split.test.chunks(CALL_ROWS).chain(others.chunks(CALL_ROWS)) {
        bench.check_cancelled()?;
        let asked = unlabeled(&take(&sample.batch, rows)?, outcome)?;
        let scored = scorer.score(vec![(bound.name.clone(), asked.into())], bounds.deadline)?;
        answers
            .rows
            .extend(answers_of(&scored, rows.len(), outcome)?);
        if let Truth::Class { names, .. } = &sample.truth {
            answers.shares.extend(classes::shares_of(&scored, names)?);
        }
    }
    Ok(answers)
}

/// The rows as they are scored.
pub(super) fn unlabeled(batch: &RecordBatch, outcome: Option<Outcome>) -> Result<RecordBatch> {
    let mut fields = Vec::new();
    let mut columns = Vec::new();
    let schema = batch.schema();
    for (field, column) in schema.fields().iter().zip(batch.columns()) {
        let column = match role_of(field) {
            Some(Role::Label) => continue,
            Some(Role::Duration) if outcome == Some(Outcome::Survival) => {
                let zeros = arrow_array::Int64Array::from(vec![0; column.len()]);
                arrow_cast::cast(&zeros, field.data_type())?
            }
            _ => Arc::clone(column),
        };
        fields.push(Arc::clone(field));
        columns.push(column);
    }
    Ok(RecordBatch::try_new(
        Arc::new(Schema::new(fields)),
        columns,
    )?)
}

fn answers_of(
    scored: &RecordBatch,
    n_rows: usize,
    outcome: Option<Outcome>,
) -> Result<Vec<Answer>> {
    if scored.num_rows() != n_rows {
        return Err(failed(format!(
            "expected {n_rows} scores, found {}",
            scored.num_rows()
        )));
    }
    let number = |name: &str| -> Result<Option<arrow_array::Float64Array>> {
        let Some(column) = scored.column_by_name(name) else {
            return Ok(None);
        };
        let column = arrow_cast::cast(column, &DataType::Float64)?;
        let column = column.as_primitive::<Float64Type>();
        if column.null_count() > 0 || column.values().iter().any(|number| !number.is_finite()) {
            return Err(failed(format!(
                "expected every {name} to be a finite number"
            )));
        }
        Ok(Some(column.clone()))
    };
    let scores = number("score")?;
    let scores = scores.ok_or_else(|| failed("expected a column \"score\", found none"))?;
    let is_chance = outcome != Some(Outcome::Amount);
    if is_chance
        && scores
            .values()
            .iter()
            .any(|score| !(0.0..=1.0).contains(score))
    {
        return Err(failed("expected every score to be a number from 0 to 1"));
    }
    let margins = number("margin")?;
    let margin = |row: usize| margins.as_ref().map(|margins| margins.value(row));
    Ok((0..n_rows)
        .map(|row| (scores.value(row), margin(row)))
        .collect())
}

/// Whether one never falls where the other rises.
fn rise_together(margins: &[f64], scores: &[f64]) -> bool {
    let mut pairs: Vec<(f64, f64)> = margins
        .iter()
        .copied()
        .zip(scores.iter().copied())
        .collect();
    pairs.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    pairs.windows(2).all(|pair| pair[0].1 <= pair[1].1 + 1e-12)
}

fn take(batch: &RecordBatch, rows: &[usize]) -> Result<RecordBatch> {
    let rows = UInt64Array::from_iter_values(rows.iter().map(|row| *row as u64));
    Ok(arrow_select::take::take_record_batch(batch, &rows)?)
}

fn failed(message: impl Into<String>) -> Error {
    Error::new(Class::Bug, "PLUGIN_FAILED", message)
}
