//! What a fit leaves for scoring: how columns are prepared, and the centers.
//!
//! Kept as JSON; format 1. Invariant: every center has one number a column.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::Float64Array;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use arrow_schema::DataType;
use arrow_schema::Field;
use arrow_schema::Schema;
use lode_numeric::kmeans::Centers;
use lode_plugin::Context;
use lode_plugin::Error;
use lode_plugin::Result;
use lode_plugin::Table;
use lode_plugin::serde::Deserialize;
use lode_plugin::serde::Serialize;

use super::params::Transform;
use super::prepare;
use super::prepare::ColumnScale;

/// A fitted split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(crate = "lode_plugin::serde")]
pub struct KMeansModel {
    pub(super) transform: Transform,
    pub(super) columns: Vec<ColumnScale>,
    /// Row by row, segment "1" first.
    pub(super) centers: Vec<f64>,
}

impl KMeansModel {
    pub(super) fn to_bytes(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self)
            .map_err(|error| Error::numeric(format!("the model cannot be written: {error}")))
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let model: Self = serde_json::from_slice(bytes).map_err(|error| {
            Error::model(format!("expected a segment.kmeans model, found {error}"))
        })?;
        let n_columns = model.columns.len();
        if n_columns == 0
            || model.centers.is_empty()
            || !model.centers.len().is_multiple_of(n_columns)
        {
            return Err(Error::model(format!(
                "expected centers of {n_columns} numbers each, found {} numbers",
                model.centers.len()
            )));
        }
        Ok(model)
    }
}

/// The nearest segment of each row as `label`, the distance to it as `score`.
pub(super) fn score(model: &KMeansModel, table: &Table, cx: &Context<'_>) -> Result<RecordBatch> {
    let mut columns = Vec::with_capacity(model.columns.len());
    for column in &model.columns {
        cx.check_cancelled()?;
        let values = table.require_named(&column.name)?.numbers()?;
        prepare::check(&column.name, &values, model.transform)?;
        columns.push(values);
    }
    let rows = prepare::rows(&columns, &model.columns, model.transform);
    let centers = Centers::new(model.centers.clone(), model.columns.len());
    let mut labels = Vec::with_capacity(table.n_rows());
    let mut distances = Vec::with_capacity(table.n_rows());
    for row in rows.chunks_exact(model.columns.len()) {
        let (label, distance) = centers.nearest(row);
        labels.push((label + 1).to_string());
        distances.push(distance);
    }
    let schema = Schema::new(vec![
        Field::new("score", DataType::Float64, false),
        Field::new("label", DataType::Utf8, false),
    ]);
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(Float64Array::from(distances)),
        Arc::new(StringArray::from(labels)),
    ];
    Ok(RecordBatch::try_new(Arc::new(schema), arrays)?)
}
