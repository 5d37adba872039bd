//! The trials of a search and their order.
//!
//! Invariant: a trial that was judged on all splits stands before one that was given up early,
//! and that before one that failed; of equal ones the earlier.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::Float64Array;
use arrow_array::Int64Array;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use arrow_schema::DataType;
use arrow_schema::Field;
use arrow_schema::Schema;

use crate::Result;
use crate::judge::Report;
use crate::ranking::better_first;
use crate::ranking::less_is_better;

/// One try of one algorithm with one set of parameters.
pub(super) struct Trial {
    /// Which of the algorithms.
    pub(super) candidate: usize,
    pub(super) algorithm: String,
    pub(super) point: Vec<Option<f64>>,
    pub(super) params_json: String,
    /// The measure on each split so far.
    pub(super) values: Vec<f64>,
    pub(super) end: End,
    pub(super) seconds: f64,
}

/// How a trial ended.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum End {
    /// Judged on all splits.
    Whole,
    /// Given up: behind the best on the splits so far; what it would have come to.
    GivenUp(f64),
    /// Why.
    Failed(String),
}

impl Trial {
    /// Mean over the splits that it was judged on.
    pub(super) fn value(&self) -> Option<f64> {
        mean(&self.values)
    }

    /// Population standard deviation over these splits.
    pub(super) fn spread(&self) -> Option<f64> {
        let mean = self.value()?;
        let squares = self.values.iter().map(|value| (value - mean).powi(2));
        Some((squares.sum::<f64>() / self.values.len() as f64).sqrt())
    }

    /// What it came to on all splits, or would have: the less the better.
    pub(super) fn loss(&self, measure: &str) -> Option<f64> {
        let value = match &self.end {
            End::Whole => self.value()?,
            End::GivenUp(estimate) => *estimate,
            End::Failed(_) => return None,
        };
        Some(loss(measure, value))
    }

    fn class(&self) -> u8 {
        match self.end {
            End::Whole => 0,
            End::GivenUp(_) => 1,
            End::Failed(_) => 2,
        }
    }
}

/// A value so that less is better.
pub(super) fn loss(measure: &str, value: f64) -> f64 {
    if less_is_better(measure) {
        value
    } else {
        -value
    }
}

pub(super) fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The trials, the best first, by their place among `trials`.
pub(super) fn order(trials: &[Trial], measure: &str) -> Vec<usize> {
    let mut order: Vec<usize> = (0..trials.len()).collect();
    order.sort_by(|a, b| {
        let (a, b) = (&trials[*a], &trials[*b]);
        let value = |trial: &Trial| match trial.end {
            End::GivenUp(estimate) => Some(estimate),
            _ => trial.value(),
        };
        let by_value = match (value(a), value(b)) {
            (Some(a), Some(b)) => better_first(measure, a, b),
            _ => Ordering::Equal,
        };
        let same_class = a.class() == b.class() && a.class() < 2;
        let by_value = if same_class {
            by_value
        } else {
            Ordering::Equal
        };
        a.class().cmp(&b.class()).then(by_value)
    });
    order
}

/// The trials as a table.
pub(super) fn table(trials: &[Trial], measure: &str, n_splits: usize) -> Result<Report> {
    let order = order(trials, measure);
    let all = || order.iter().map(|at| &trials[*at]);
    let whole = |values: Vec<i64>| Arc::new(Int64Array::from(values)) as ArrayRef;
    let words = |values: Vec<String>| Arc::new(StringArray::from(values)) as ArrayRef;
    let numbers = |values: Vec<Option<f64>>| Arc::new(Float64Array::from(values)) as ArrayRef;
    let state = |trial: &Trial| match &trial.end {
        End::Whole => "judged".to_owned(),
        End::GivenUp(_) => "given up".to_owned(),
        End::Failed(_) => "failed".to_owned(),
    };
    let error = |trial: &Trial| match &trial.end {
        End::Failed(why) => Some(why.clone()),
        _ => None,
    };
    let (int, text, float) = (DataType::Int64, DataType::Utf8, DataType::Float64);
    let columns = [
        ("rank", &int, whole((1..=trials.len() as i64).collect())),
        (
            "trial",
            &int,
            whole(order.iter().map(|at| *at as i64 + 1).collect()),
        ),
        (
            "algorithm",
            &text,
            words(all().map(|t| t.algorithm.clone()).collect()),
        ),
        (
            "params",
            &text,
            words(all().map(|t| t.params_json.clone()).collect()),
        ),
        (
            "measure",
            &text,
            words(all().map(|_| measure.to_owned()).collect()),
        ),
        ("value", &float, numbers(all().map(Trial::value).collect())),
        (
            "spread",
            &float,
            numbers(all().map(Trial::spread).collect()),
        ),
        (
            "splits",
            &int,
            whole(all().map(|t| t.values.len() as i64).collect()),
        ),
        (
            "of_splits",
            &int,
            whole(all().map(|_| n_splits as i64).collect()),
        ),
        (
            "seconds",
            &float,
            numbers(all().map(|t| Some(t.seconds)).collect()),
        ),
        ("state", &text, words(all().map(state).collect())),
        (
            "error",
            &text,
            Arc::new(all().map(error).collect::<StringArray>()) as ArrayRef,
        ),
    ];
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, data_type, _)| {
            let nullable = matches!(*name, "value" | "spread" | "error");
            Field::new(*name, (*data_type).clone(), nullable)
        })
        .collect();
    let arrays = columns.into_iter().map(|(.., array)| array).collect();
    Ok(Report {
        name: "leaderboard",
        chart_hint: "table",
        rows: RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?,
    })
}

#[cfg(test)]
mod tests;
