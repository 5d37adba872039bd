//! Rows that come with a request as one Arrow stream: what a program with many rows sends.
//!
//! Read as a chunk of an ingest is, so the same types are taken and the same bytes refused; but
//! a bad row refuses the request.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::Array as _;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use arrow_array::cast::AsArray as _;
use arrow_cast::cast;
use arrow_schema::DataType;
use lode_query::Decoder;
use lode_query::Format;
use lode_types::Column;
use lode_types::DatasetKind;
use lode_types::Role;
use lode_types::Schema;

use super::Subjects;
use super::features;
use super::field;
use super::is_feature;
use crate::Error;
use crate::Result;
use crate::Scored;
use crate::SignatureColumn;

/// The rows of a stream; a column that it leaves out is null, and one that the model lacks is a
/// mistake.
pub(crate) fn from_table(
    signature: &[SignatureColumn],
    stream: &[u8],
    most_rows: usize,
) -> Result<Subjects> {
    let taken: Vec<&SignatureColumn> = features(signature).collect();
    let columns = taken
        .iter()
        .map(|column| Column::new(&column.name, column.column_type.for_algorithms()));
    let schema = Schema::new(columns.collect()).map_err(|error| Error::bug(error.to_string()))?;
    let decoder = Decoder::new(&schema, DatasetKind::Other, &BTreeMap::new(), None)?;
    let decoded = decoder
        .decode(Format::ArrowStream, stream)
        .map_err(|error| Error::from(error).at("table"))?;
    if let Some(row) = decoded.rejected.first() {
        return Err(Error::invalid(
            row.reason,
            format!("table[{}].{}", row.row, row.column),
            row.message.clone(),
        ));
    }
    let n_rows = decoded.batch.num_rows();
    if n_rows > most_rows {
        let words = format!("expected at most {most_rows} rows, found {n_rows}");
        return Err(Error::invalid("OUT_OF_RANGE", "table", words));
    }
    let mut results = vec![Scored::default(); n_rows];
    let mut arrays = Vec::new();
    for (column, array) in taken.iter().zip(decoded.batch.columns()) {
        if column.role == Some(Role::CustomerId) {
            let ids = cast(array, &DataType::Utf8)?;
            name(&mut results, ids.as_string());
        }
        arrays.push(Arc::clone(array));
    }
    let fields: Vec<_> = taken.iter().map(|column| field(column)).collect();
    let batch = RecordBatch::try_new(Arc::new(arrow_schema::Schema::new(fields)), arrays)?;
    let is_missing =
        |column: &&&SignatureColumn| is_feature(column) && decoded.lacking.contains(&column.name);
    let missing: Vec<String> = taken
        .iter()
        .filter(is_missing)
        .map(|column| column.name.clone())
        .collect();
    for result in &mut results {
        result.missing_columns.clone_from(&missing);
    }
    Ok(((0..n_rows).collect(), results, batch))
}

fn name(results: &mut [Scored], ids: &StringArray) {
    for (row, result) in results.iter_mut().enumerate() {
        if ids.is_valid(row) {
            ids.value(row).clone_into(&mut result.customer);
        }
    }
}
