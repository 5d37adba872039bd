//! Reads what a plugin answered to rows: scores, margins, and where it started from.

use arrow_array::Float64Array;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_schema::DataType;
use lode_types::Class;

use crate::Error;
use crate::Model;
use crate::Result;

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
