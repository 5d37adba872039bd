//! Judges a supervised job on rows that its plugin did not see.
//!
//! Seeded stratified k-fold cross-validation: for each fold the plugin learns from the
//! other folds in one worker and scores this fold, its labels taken out, in another. The
//! numbers are computed here, by `lode-numeric`, from the scores and the labels kept back.
//! A model that the job starts from is no start of these fits: it may have seen the rows that
//! are kept back.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::Array;
use arrow_array::ArrayRef;
use arrow_array::Float64Array;
use arrow_array::Int64Array;
use arrow_array::RecordBatch;
use arrow_array::UInt64Array;
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_schema::DataType;
use arrow_schema::Field;
use arrow_schema::Schema;
use lode_host::ScorerCall;
use lode_numeric::folds;
use lode_numeric::label;
use lode_numeric::metrics;
use lode_types::Class;
use lode_types::Role;
use lode_types::role_of;

use crate::Error;
use crate::Job;
use crate::Result;
use crate::check::Checked;
use crate::input;
use crate::run::Bench;
use crate::run::Bounds;
use crate::run::Fit;

/// What the judging gave.
pub(crate) struct Judged {
    pub(crate) metrics: BTreeMap<String, f64>,
    /// Lift and gains by decile of the score, over all folds together.
    pub(crate) deciles: RecordBatch,
}

/// Judges `job` on its first input.
pub(crate) fn cross_validate(
    bench: &Bench<'_>,
    job: &Job,
    checked: &Checked,
    bounds: Bounds,
) -> Result<Judged> {
    let bound = checked
        .inputs
        .first()
        .ok_or_else(|| Error::bug("a supervised algorithm declares no input"))?;
    let opened = bench.open_input(bound, bounds)?;
    let all = input::load(opened.files, &bound.columns)?;
    let label_column = bound
        .columns
        .iter()
        .position(|column| column.role == Some(Role::Label))
        .ok_or_else(|| Error::bug("a supervised algorithm's input has no label"))?;

    // Rows without a label can neither teach nor judge.
    let words = arrow_cast::cast(all.column(label_column), &DataType::Utf8)?;
    let words = words.as_string::<i32>();
    let positive = positive_param(&checked.params_json);
    let labels = label::binary(words.iter(), positive.as_deref()).map_err(|error| {
        Error::invalid(
            "LABEL_INVALID",
            format!("spec.inputs.{}", bound.name),
            error.to_string(),
        )
    })?;
    let known: Vec<u64> = (0..all.num_rows())
        .filter(|&row| labels[row].is_some())
        .map(|row| row as u64)
        .collect();
    let truth: Vec<bool> = labels.iter().filter_map(|label| *label).collect();
    let k = checked.folds as usize;
    let least = truth.iter().filter(|&&label| label).count();
    let least = least.min(truth.len() - least);
    if least < k {
        return Err(Error::new(
            Class::Invalid,
            "TOO_FEW_LABELS",
            format!(
                "expected at least {k} rows of each label for {k} folds, found {least}; \
                 set evaluation.folds lower, or to 1 for none"
            ),
        )
        .at("spec.evaluation.folds"));
    }
    let fold_of = folds::stratified(&truth, k, job.spec.seed)
        .map_err(|error| Error::bug(error.to_string()))?;

    let mut scores = vec![0.0; truth.len()];
    let mut by_fold: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for fold in 0..checked.folds {
        bench.check_cancelled()?;
        let stage = format!("evaluate fold {} of {k}", fold + 1);
        let share = crate::run::EVALUATION_SHARE / f64::from(checked.folds);
        let start = share * f64::from(fold);
        bench.progress(&stage, start);
        let (held, kept): (Vec<usize>, Vec<usize>) =
            (0..truth.len()).partition(|&i| fold_of[i] == fold);
        let rows =
            |picked: &[usize]| UInt64Array::from_iter_values(picked.iter().map(|&i| known[i]));
        let train = take(&all, &rows(&kept))?;
        let test = without_column(&take(&all, &rows(&held))?, label_column)?;
        let fold_scores = learn_and_score(
            bench,
            job,
            checked,
            bounds,
            (train, test),
            Stage {
                name: &stage,
                progress: start..start + share,
            },
        )?;
        if fold_scores.len() != held.len() {
            return Err(Error::new(
                Class::Bug,
                "PLUGIN_FAILED",
                format!(
                    "expected {} scores, found {}",
                    held.len(),
                    fold_scores.len()
                ),
            ));
        }
        let fold_truth: Vec<bool> = held.iter().map(|&i| truth[i]).collect();
        for (name, value) in judge(&fold_scores, &fold_truth)? {
            by_fold.entry(name).or_default().push(value);
        }
        for (&i, score) in held.iter().zip(fold_scores) {
            scores[i] = score;
        }
    }

    let mut numbers = BTreeMap::new();
    for (name, values) in by_fold {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let spread = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt();
        numbers.insert(name.to_owned(), mean);
        numbers.insert(format!("{name}_sd"), spread);
    }
    numbers.insert("evaluated_rows".to_owned(), truth.len() as f64);
    numbers.insert("folds".to_owned(), f64::from(checked.folds));
    Ok(Judged {
        metrics: numbers,
        deciles: deciles(&scores, &truth)?,
    })
}

struct Stage<'a> {
    name: &'a str,
    progress: std::ops::Range<f64>,
}

fn learn_and_score(
    bench: &Bench<'_>,
    job: &Job,
    checked: &Checked,
    bounds: Bounds,
    (train, test): (RecordBatch, RecordBatch),
    stage: Stage<'_>,
) -> Result<Vec<f64>> {
    let bound = &checked.inputs[0];
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
            stage: stage.name,
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
    let scored = scorer.score(vec![(bound.name.clone(), test.into())], bounds.deadline)?;
    let column = scored.column_by_name("score").ok_or_else(|| {
        Error::new(
            Class::Bug,
            "PLUGIN_FAILED",
            "expected a column \"score\", found none",
        )
    })?;
    let column = arrow_cast::cast(column, &DataType::Float64)?;
    let column = column.as_primitive::<Float64Type>();
    if column.null_count() > 0
        || column
            .values()
            .iter()
            .any(|score| !(0.0..=1.0).contains(score))
    {
        return Err(Error::new(
            Class::Bug,
            "PLUGIN_FAILED",
            "expected every score to be a number from 0 to 1",
        ));
    }
    Ok(column.values().to_vec())
}

fn judge(scores: &[f64], truth: &[bool]) -> Result<Vec<(&'static str, f64)>> {
    let failed = |error: lode_numeric::Error| Error::bug(error.to_string());
    Ok(vec![
        ("auc", metrics::auc(scores, truth).map_err(failed)?),
        (
            "log_loss",
            metrics::log_loss(scores, truth).map_err(failed)?,
        ),
        ("brier", metrics::brier(scores, truth).map_err(failed)?),
        (
            "average_precision",
            metrics::average_precision(scores, truth).map_err(failed)?,
        ),
        (
            "lift_top_decile",
            metrics::top_lift(scores, truth, 0.1).map_err(failed)?,
        ),
    ])
}

fn deciles(scores: &[f64], truth: &[bool]) -> Result<RecordBatch> {
    let rows = metrics::deciles(scores, truth).map_err(|error| Error::bug(error.to_string()))?;
    let number = |name: &str, of: &dyn Fn(&metrics::Decile) -> f64| {
        let values: Vec<f64> = rows.iter().map(of).collect();
        (
            Field::new(name, DataType::Float64, false),
            Arc::new(Float64Array::from(values)) as ArrayRef,
        )
    };
    let decile: Vec<i64> = rows.iter().map(|row| i64::from(row.decile)).collect();
    let columns = [
        (
            Field::new("decile", DataType::Int64, false),
            Arc::new(Int64Array::from(decile)) as ArrayRef,
        ),
        number("customers", &|row| row.rows),
        number("positives", &|row| row.positives),
        number("rate", &|row| row.rate),
        number("lift", &|row| row.lift),
        number("mean_score", &|row| row.mean_score),
        number("cumulative_gain", &|row| row.cumulative_gain),
    ];
    let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) = columns.into_iter().unzip();
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?)
}

fn take(batch: &RecordBatch, rows: &UInt64Array) -> Result<RecordBatch> {
    Ok(arrow_select::take::take_record_batch(batch, rows)?)
}

fn without_column(batch: &RecordBatch, column: usize) -> Result<RecordBatch> {
    let rest: Vec<usize> = (0..batch.num_columns()).filter(|&i| i != column).collect();
    debug_assert!(
        batch
            .schema()
            .fields()
            .iter()
            .enumerate()
            .all(|(i, field)| { (role_of(field) == Some(Role::Label)) == (i == column) })
    );
    Ok(batch.project(&rest)?)
}

/// The value that counts as positive, when the algorithm has such a parameter.
fn positive_param(params_json: &str) -> Option<String> {
    let params: serde_json::Value = serde_json::from_str(params_json).ok()?;
    Some(params.get("positive")?.as_str()?.to_owned())
}
