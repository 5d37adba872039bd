//! The rows that can judge: those with a label, and what the engine knows of them.
//!
//! Does not deal them out. Invariant: what the engine keeps for itself (`as_of`, `is_new`) is
//! never a column of the batch.

use std::collections::HashMap;
use std::fs::File;

use arrow_array::Array;
use arrow_array::ArrayRef;
use arrow_array::BooleanArray;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use arrow_array::UInt64Array;
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::types::TimestampMicrosecondType;
use arrow_cast::CastOptions;
use arrow_schema::DataType;
use arrow_schema::TimeUnit;
use lode_numeric::label;
use lode_parts::Table;
use lode_types::Outcome;
use lode_types::Role;
use lode_types::role_of;
use sha2::Digest;
use sha2::Sha256;

use super::classes;
use crate::Error;
use crate::Result;
use crate::check::BoundInput;
use crate::input;

/// The labeled rows of a job's first input.
pub(super) struct Sample {
    /// The columns that the plugin gets, roles in the metadata.
    pub(super) batch: RecordBatch,
    pub(super) truth: Truth,
    pub(super) weights: Option<Vec<f64>>,
    pub(super) customers: Option<StringArray>,
    pub(super) items: Option<StringArray>,
    /// Microseconds.
    pub(super) as_of: Option<Vec<i64>>,
    /// When the label was known, microseconds.
    pub(super) label_end: Option<Vec<i64>>,
    pub(super) is_new: Option<Vec<bool>>,
}

/// What happened.
pub(super) enum Truth {
    Binary(Vec<bool>),
    Amount(Vec<f64>),
    Class {
        /// The number of each row's class.
        of: Vec<u32>,
        names: Vec<String>,
    },
    Survival {
        events: Vec<bool>,
        durations: Vec<f64>,
    },
}

impl Sample {
    /// Reads an input and takes the rows with a label.
    pub(super) fn load(
        files: Vec<File>,
        bound: &BoundInput,
        outcome: Outcome,
        params_json: &str,
    ) -> Result<Self> {
        let table = Table::open(files)?;
        let batch = input::load(&table, &bound.columns)?;
        let kept = |name: &Option<String>| match name {
            Some(name) => input::load_column(&table, name).map(Some),
            None => Ok(None),
        };
        let as_of = kept(&bound.kept.as_of)?
            .map(|column| times(&column))
            .transpose()?;
        let label_end = kept(&bound.kept.label_end)?;
        let label_end = label_end.map(|column| times(&column)).transpose()?;
        let is_new = kept(&bound.kept.is_new)?
            .map(|column| flags(&column))
            .transpose()?;

        let field = format!("spec.inputs.{}", bound.name);
        let labels = with_role(&batch, Role::Label)
            .ok_or_else(|| Error::bug("a supervised algorithm's input has no label"))?;
        let mut columns = bound.columns.iter();
        let name = columns.find(|column| column.role == Some(Role::Label));
        let name = name.map_or("", |column| &column.name);
        let events = || binary_labels(&labels, params_json, name, &field);
        let (truth, known) = match outcome {
            Outcome::Binary => {
                let labels = events()?;
                let known = known(&labels);
                (Truth::Binary(labels.into_iter().flatten().collect()), known)
            }
            Outcome::Amount => {
                let amounts = numbers(&labels, &format!("label in column {name:?}"), &field)?;
                let known = known(&amounts);
                let amounts = amounts.into_iter().flatten().collect();
                (Truth::Amount(amounts), known)
            }
            Outcome::Class => {
                let (found, names) = class_labels(&labels, name, &field)?;
                let known = known(&found);
                let of = found.into_iter().flatten().collect();
                (Truth::Class { of, names }, known)
            }
            Outcome::Survival => {
                let durations = with_role(&batch, Role::Duration)
                    .ok_or_else(|| Error::bug("an algorithm of times has no duration"))?;
                let durations = numbers(&durations, "duration", &field)?;
                let both = events()?.into_iter().zip(durations);
                let both: Vec<Option<(bool, f64)>> =
                    both.map(|(event, time)| event.zip(time)).collect();
                let known = known(&both);
                let (events, durations) = both.into_iter().flatten().unzip();
                (Truth::Survival { events, durations }, known)
            }
        };
        let weights = with_role(&batch, Role::Weight);
        let weights = weights
            .map(|column| weights_of(&column, &field))
            .transpose()?;
        let sample = Self {
            customers: words(&batch, Role::CustomerId)?,
            items: words(&batch, Role::Item)?,
            batch,
            truth,
            weights,
            as_of,
            label_end,
            is_new,
        };
        sample.pick(&known)
    }

    pub(super) fn n_rows(&self) -> usize {
        self.batch.num_rows()
    }

    /// Whether a row has any weight.
    pub(super) fn counts(&self, row: usize) -> bool {
        self.weights
            .as_ref()
            .is_none_or(|weights| weights[row] > 0.0)
    }

    /// What splits should have their share of: the yes rows, or the events.
    pub(super) fn classes(&self) -> Option<&[bool]> {
        match &self.truth {
            Truth::Binary(labels) => Some(labels),
            Truth::Survival { events, .. } => Some(events),
            Truth::Amount(_) | Truth::Class { .. } => None,
        }
    }

    /// The number of each row's customer, rows without one each on its own; none when no customer
    /// has two of these rows.
    pub(super) fn clusters(&self, rows: &[usize]) -> Option<Vec<u32>> {
        let customers = self.customers.as_ref()?;
        let mut numbers = HashMap::new();
        let mut next = 0;
        let mut clusters = Vec::with_capacity(rows.len());
        for &row in rows {
            let number = match customers.is_valid(row) {
                true => *numbers.entry(customers.value(row)).or_insert(next),
                false => next,
            };
            next = next.max(number + 1);
            clusters.push(number);
        }
        ((next as usize) < rows.len()).then_some(clusters)
    }

    /// How many classes there are; 0 where the answer is none of several.
    pub(super) fn n_classes(&self) -> usize {
        match &self.truth {
            Truth::Class { names, .. } => names.len(),
            _ => 0,
        }
    }

    /// Some of the rows.
    pub(super) fn subset(&self, rows: &[usize]) -> Result<Self> {
        let index = UInt64Array::from_iter_values(rows.iter().map(|row| *row as u64));
        let words = |words: &Option<StringArray>| -> Result<Option<StringArray>> {
            let Some(words) = words else { return Ok(None) };
            let taken = arrow_select::take::take(words, &index, None)?;
            Ok(Some(taken.as_string::<i32>().clone()))
        };
        let times = |times: &Option<Vec<i64>>| times.as_deref().map(|times| pick(times, rows));
        let truth = match &self.truth {
            Truth::Binary(labels) => Truth::Binary(pick(labels, rows)),
            Truth::Amount(amounts) => Truth::Amount(pick(amounts, rows)),
            Truth::Class { of, names } => Truth::Class {
                of: pick(of, rows),
                names: names.clone(),
            },
            Truth::Survival { events, durations } => Truth::Survival {
                events: pick(events, rows),
                durations: pick(durations, rows),
            },
        };
        Ok(Self {
            batch: arrow_select::take::take_record_batch(&self.batch, &index)?,
            truth,
            weights: self.weights.as_deref().map(|weights| pick(weights, rows)),
            customers: words(&self.customers)?,
            items: words(&self.items)?,
            as_of: times(&self.as_of),
            label_end: times(&self.label_end),
            is_new: self.is_new.as_deref().map(|flags| pick(flags, rows)),
        })
    }

    /// These rows, all of whose truth is there already.
    fn pick(self, known: &[u64]) -> Result<Self> {
        if known.len() == self.batch.num_rows() {
            return Ok(self);
        }
        let rows = UInt64Array::from(known.to_vec());
        let picked = |words: Option<StringArray>| -> Result<Option<StringArray>> {
            let Some(words) = words else { return Ok(None) };
            let taken = arrow_select::take::take(&words, &rows, None)?;
            Ok(Some(taken.as_string::<i32>().clone()))
        };
        let customers = picked(self.customers)?;
        let items = picked(self.items)?;
        let at = |row: &u64| usize::try_from(*row).unwrap_or(usize::MAX);
        let index = |times: Vec<i64>| known.iter().map(|row| times[at(row)]).collect();
        Ok(Self {
            batch: arrow_select::take::take_record_batch(&self.batch, &rows)?,
            truth: self.truth,
            weights: self
                .weights
                .map(|w| known.iter().map(|row| w[at(row)]).collect()),
            customers,
            items,
            as_of: self.as_of.map(index),
            label_end: self.label_end.map(index),
            is_new: self
                .is_new
                .map(|n| known.iter().map(|row| n[at(row)]).collect()),
        })
    }
}

/// SHA-256 of the judged rows and their labels, in the order of the table.
pub(super) fn sha256(sample: &Sample, rows: &[usize]) -> String {
    let mut hasher = Sha256::new();
    let word = |words: &Option<StringArray>, row: usize, hasher: &mut Sha256| {
        let word = words.as_ref().filter(|words| words.is_valid(row));
        let word = word.map_or("", |words| words.value(row));
        hasher.update((word.len() as u64).to_be_bytes());
        hasher.update(word.as_bytes());
    };
    for &row in rows {
        word(&sample.customers, row, &mut hasher);
        word(&sample.items, row, &mut hasher);
        let time = sample.as_of.as_ref().map_or(0, |times| times[row]);
        hasher.update(time.to_be_bytes());
        let [label, duration] = match &sample.truth {
            Truth::Binary(labels) => [f64::from(u8::from(labels[row])), 0.0],
            Truth::Amount(amounts) => [amounts[row], 0.0],
            Truth::Class { of, names } => {
                hasher.update(names[of[row] as usize].as_bytes());
                [f64::from(of[row]), 0.0]
            }
            Truth::Survival { events, durations } => {
                [f64::from(u8::from(events[row])), durations[row]]
            }
        };
        let weight = sample.weights.as_ref().map_or(1.0, |weights| weights[row]);
        for number in [label, duration, weight] {
            hasher.update(number.to_bits().to_be_bytes());
        }
    }
    hasher
        .finalize()
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect()
}

/// The column of a role.
pub(super) fn with_role(batch: &RecordBatch, role: Role) -> Option<ArrayRef> {
    let schema = batch.schema_ref();
    let at = schema
        .fields()
        .iter()
        .position(|field| role_of(field) == Some(role))?;
    Some(batch.column(at).clone())
}

fn words(batch: &RecordBatch, role: Role) -> Result<Option<StringArray>> {
    let Some(column) = with_role(batch, role) else {
        return Ok(None);
    };
    let column = arrow_cast::cast(&column, &DataType::Utf8)?;
    Ok(Some(column.as_string::<i32>().clone()))
}

fn binary_labels(
    column: &ArrayRef,
    params_json: &str,
    name: &str,
    field: &str,
) -> Result<Vec<Option<bool>>> {
    let words = arrow_cast::cast(column, &DataType::Utf8)?;
    let words = words.as_string::<i32>();
    // A NaN is no answer to a yes-or-no question.
    let words = words
        .iter()
        .map(|word| word.filter(|word| !word.eq_ignore_ascii_case("nan")));
    label::binary(words, positive_param(params_json).as_deref()).map_err(|error| {
        let words = format!("label column {name:?}: {error}");
        Error::invalid("LABEL_INVALID", field, words)
    })
}

/// The class of each row and the classes by name.
fn class_labels(
    column: &ArrayRef,
    name: &str,
    field: &str,
) -> Result<(Vec<Option<u32>>, Vec<String>)> {
    let words = arrow_cast::cast(column, &DataType::Utf8)?;
    let (found, names) = label::classes(words.as_string::<i32>().iter());
    if !(2..=classes::MOST).contains(&names.len()) {
        let words = format!(
            "label column {name:?}: expected 2 to {} different values, found {}",
            classes::MOST,
            names.len()
        );
        return Err(Error::invalid("LABEL_INVALID", field, words));
    }
    Ok((found, names))
}

/// The numbers of a column; none where it is null or NaN.
fn numbers(column: &ArrayRef, what: &str, field: &str) -> Result<Vec<Option<f64>>> {
    let strict = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    let refused = |found: String| {
        let words = format!("expected a number as {what} in every row that has one, {found}");
        Error::invalid("LABEL_INVALID", field, words)
    };
    let column = arrow_cast::cast_with_options(column, &DataType::Float64, &strict)
        .map_err(|error| refused(error.to_string()))?;
    let column = column.as_primitive::<Float64Type>();
    if let Some(endless) = column.iter().flatten().find(|number| number.is_infinite()) {
        return Err(refused(format!("found {endless}")));
    }
    Ok(column
        .iter()
        .map(|number| number.filter(|number| !number.is_nan()))
        .collect())
}

fn weights_of(column: &ArrayRef, field: &str) -> Result<Vec<f64>> {
    let column = arrow_cast::cast(column, &DataType::Float64)?;
    let column = column.as_primitive::<Float64Type>();
    let refused = |row: usize, found: String| {
        let words =
            format!("expected a weight of at least 0 in each row, found {found} in row {row}");
        Err(Error::invalid("WEIGHT_INVALID", field, words))
    };
    for (row, weight) in column.iter().enumerate() {
        match weight {
            None => return refused(row, "none".to_owned()),
            Some(weight) if !(weight >= 0.0 && weight.is_finite()) => {
                return refused(row, weight.to_string());
            }
            Some(_) => {}
        }
    }
    Ok(column.values().to_vec())
}

fn times(column: &ArrayRef) -> Result<Vec<i64>> {
    let micros = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let column = arrow_cast::cast(column, &micros)?;
    if column.null_count() > 0 {
        return Err(Error::bug("a row of a training set has no date"));
    }
    Ok(column
        .as_primitive::<TimestampMicrosecondType>()
        .values()
        .to_vec())
}

fn flags(column: &ArrayRef) -> Result<Vec<bool>> {
    let column = arrow_cast::cast(column, &DataType::Boolean)?;
    let column: &BooleanArray = column.as_boolean();
    Ok(column.iter().map(|flag| flag == Some(true)).collect())
}

fn pick<T: Copy>(values: &[T], rows: &[usize]) -> Vec<T> {
    rows.iter().map(|row| values[*row]).collect()
}

fn known<T>(values: &[Option<T>]) -> Vec<u64> {
    let rows = values.iter().enumerate();
    rows.filter(|(_, value)| value.is_some())
        .map(|(row, _)| row as u64)
        .collect()
}

/// The value that counts as positive, when the algorithm has such a parameter.
fn positive_param(params_json: &str) -> Option<String> {
    let params: serde_json::Value = serde_json::from_str(params_json).ok()?;
    Some(params.get("positive")?.as_str()?.to_owned())
}
