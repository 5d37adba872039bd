//! Puts calibrated scores in place of the plugin's in its output `scores`.
//!
//! Margin, base and contributions stay as they are. Invariant: rows and their order stay.

use std::fs::File;
use std::sync::Arc;

use arrow_array::Array;
use arrow_array::ArrayRef;
use arrow_array::Float64Array;
use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_schema::ArrowError;
use arrow_schema::DataType;
use lode_parts::Table;
use lode_types::OutputSpec;

use super::Calibration;
use crate::Result;

/// The output whose scores are those of the model.
const SCORES: &str = "scores";

/// Whether the scores of an output are calibrated with its model.
pub(crate) fn is_calibrated(output: &OutputSpec) -> bool {
    output.name == SCORES
}

/// Writes a table with the column `score` calibrated; one without it as it is.
pub(crate) fn rewrite(table: &Table, calibration: &Calibration, file: &File) -> Result<()> {
    let batches = table
        .batches()
        .map(|batch| Ok(calibrated(&batch?, calibration)?));
    lode_parts::write_ipc(file, &table.schema(), batches)?;
    Ok(())
}

fn calibrated(
    batch: &RecordBatch,
    calibration: &Calibration,
) -> std::result::Result<RecordBatch, ArrowError> {
    let schema = batch.schema();
    let Ok(at) = schema.index_of("score") else {
        return Ok(batch.clone());
    };
    let numbers = |column: &ArrayRef| -> std::result::Result<Float64Array, ArrowError> {
        let column = arrow_cast::cast(column, &DataType::Float64)?;
        Ok(column.as_primitive::<Float64Type>().clone())
    };
    let scores = numbers(batch.column(at))?;
    let margins = batch.column_by_name("margin").map(numbers).transpose()?;
    let margin = |row: usize| {
        let margins = margins.as_ref().filter(|margins| margins.is_valid(row))?;
        Some(margins.value(row))
    };
    let rows = (0..scores.len()).map(|row| {
        let valid = scores.is_valid(row);
        valid.then(|| calibration.apply(scores.value(row), margin(row)))
    });
    let made: Float64Array = rows.collect();
    let mut columns = batch.columns().to_vec();
    columns[at] = arrow_cast::cast(&made, schema.field(at).data_type())?;
    RecordBatch::try_new(Arc::clone(&schema), columns)
}
