//! Reads what a plugin answered to rows: scores, margins, and where it started from.

use std::collections::BTreeMap;

use arrow_array::Array;
use arrow_array::BooleanArray;
use arrow_array::Float64Array;
use arrow_array::Int64Array;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::types::Int64Type;
use arrow_schema::DataType;
use arrow_schema::Field;
use lode_types::Class;
use lode_types::Value;

use crate::Error;
use crate::Model;
use crate::Result;
use crate::reasons::CONTRIBUTIONS;

/// The numbers of an answer, one of each a row.
pub(crate) struct Given {
    /// The plugin's own.
    pub(crate) scores: Float64Array,
    /// Base plus contributions; null where the plugin gives none.
    pub(crate) margins: Float64Array,
    /// What every row starts from; null where the plugin gives none.
    pub(crate) bases: Float64Array,
}

/// The numbers of an answer.
pub(crate) fn given(answer: &RecordBatch) -> Result<Given> {
    let or_null = |column: Option<Float64Array>| {
        column.unwrap_or_else(|| Float64Array::new_null(answer.num_rows()))
    };
    Ok(Given {
        scores: number(answer, "score")?
            .ok_or_else(|| failed("expected a column \"score\", found none"))?,
        margins: or_null(number(answer, "margin")?),
        bases: or_null(number(answer, "base")?),
    })
}

impl Given {
    /// The score of each row as the engine gives it, calibrated if the model is; NaN where there
    /// is none.
    pub(crate) fn final_scores(&self, model: &Model) -> Vec<f64> {
        let rows = self.scores.iter().zip(&self.margins);
        rows.map(|(score, margin)| match (score, &model.calibration) {
            (Some(score), Some(calibration)) => calibration.apply(score, margin),
            (score, _) => score.unwrap_or(f64::NAN),
        })
        .collect()
    }
}

/// What an answer says beside score, margin, base, label and contributions, such as the stage of
/// a customer: numbers and words by column.
pub(crate) fn details(answer: &RecordBatch) -> impl Iterator<Item = &Field> {
    const KNOWN: [&str; 5] = ["score", "margin", "base", "label", CONTRIBUTIONS];
    let fields = answer.schema_ref().fields().iter().map(AsRef::as_ref);
    fields.filter(|field: &&Field| {
        let told = field.data_type();
        let plain = told.is_numeric() || matches!(told, DataType::Utf8 | DataType::Boolean);
        plain && !KNOWN.contains(&field.name().as_str())
    })
}

/// The columns of [`details`], to be read row by row.
pub(crate) struct Details(Vec<(String, Told)>);

enum Told {
    Flag(BooleanArray),
    Whole(Int64Array),
    Number(Float64Array),
    Words(StringArray),
}

impl Details {
    pub(crate) fn of(answer: &RecordBatch) -> Result<Self> {
        let columns = details(answer).filter_map(|field| {
            let column = answer.column_by_name(field.name())?;
            Some((field, column))
        });
        let read = columns.map(|(field, column)| {
            let cast = |wanted: DataType| arrow_cast::cast(column, &wanted);
            let told = match field.data_type() {
                DataType::Boolean => Told::Flag(column.as_boolean().clone()),
                DataType::Utf8 => Told::Words(column.as_string::<i32>().clone()),
                whole if whole.is_integer() => {
                    Told::Whole(cast(DataType::Int64)?.as_primitive::<Int64Type>().clone())
                }
                _ => Told::Number(
                    cast(DataType::Float64)?
                        .as_primitive::<Float64Type>()
                        .clone(),
                ),
            };
            Ok((field.name().clone(), told))
        });
        Ok(Self(read.collect::<Result<_>>()?))
    }

    /// What is said of a row, by name; nulls are left out.
    pub(crate) fn row(&self, row: usize) -> BTreeMap<String, Value> {
        let columns = self.0.iter();
        let known = columns.filter_map(|(name, told)| {
            let value = match told {
                Told::Flag(all) => all.is_valid(row).then(|| Value::Bool(all.value(row))),
                Told::Whole(all) => all.is_valid(row).then(|| Value::Int(all.value(row))),
                Told::Number(all) => all.is_valid(row).then(|| Value::Float(all.value(row))),
                Told::Words(all) => all
                    .is_valid(row)
                    .then(|| Value::Text(all.value(row).to_owned())),
            };
            Some((name.clone(), value?))
        });
        known.collect()
    }
}

pub(crate) fn number(batch: &RecordBatch, name: &str) -> Result<Option<Float64Array>> {
    let Some(column) = batch.column_by_name(name) else {
        return Ok(None);
    };
    let column = arrow_cast::cast(column, &DataType::Float64)?;
    Ok(Some(column.as_primitive::<Float64Type>().clone()))
}

pub(crate) fn text(batch: &RecordBatch, name: &str) -> Result<Option<StringArray>> {
    let Some(column) = batch.column_by_name(name) else {
        return Ok(None);
    };
    let column = arrow_cast::cast(column, &DataType::Utf8)?;
    Ok(Some(column.as_string::<i32>().clone()))
}

/// The plugin broke what it promised.
pub(crate) fn failed(message: impl Into<String>) -> Error {
    Error::new(Class::Bug, "PLUGIN_FAILED", message)
}
