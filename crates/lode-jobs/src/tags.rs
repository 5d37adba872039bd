//! Writes a job's results back onto customers as scores, labels and segments.

use std::collections::HashSet;

use arrow_array::Array;
use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_schema::DataType;
use lode_parts::Table;
use lode_store::Store;
use lode_store::Tag;
use lode_types::CustomerId;
use lode_types::JobId;
use lode_types::OutputSpec;
use lode_types::Role;
use lode_types::TagKind;
use lode_types::Timestamp;
use lode_types::Value;
use lode_types::WriteBack;
use lode_types::role_of;

use crate::Error;
use crate::Result;

/// What a write-back did.
pub(crate) struct Written {
    /// Different customers.
    pub(crate) customers: u64,
    /// Rows of a customer that had one already.
    pub(crate) repeated: u64,
}

/// Whose results are written, and when.
#[derive(Clone, Copy)]
pub(crate) struct By<'a> {
    pub(crate) job: &'a JobId,
    /// Starts the tags' keys.
    pub(crate) algorithm: &'a str,
    pub(crate) time: Timestamp,
}

/// Writes one output's columns back: of all rows, or of those that `only` picks by their number.
/// Rows without a customer or without a value are passed over; of several rows of a customer the
/// last one stays.
pub(crate) fn write_back(
    store: &Store,
    by: By<'_>,
    spec: &OutputSpec,
    table: &Table,
    only: Option<&dyn Fn(usize) -> bool>,
) -> Result<Written> {
    let schema = table.schema();
    let customer = schema
        .fields()
        .iter()
        .position(|field| role_of(field) == Some(Role::CustomerId))
        .ok_or_else(|| Error::bug(format!("output {:?} has no customer_id column", spec.name)))?;
    let mut customers = HashSet::new();
    let mut repeated = 0;
    let (algorithm, _) = lode_host::split_algorithm(by.algorithm);
    let mut before = 0;
    for batch in table.batches() {
        let batch = batch?;
        let picked = |row: usize| only.is_none_or(|only| only(before + row));
        let ids = arrow_cast::cast(batch.column(customer), &DataType::Utf8)?;
        let ids = ids.as_string::<i32>();
        let mut tags = Vec::with_capacity(batch.num_rows() * spec.write_back.len());
        for wanted in &spec.write_back {
            let values = Values::of(&batch, wanted)?;
            let key = format!("{algorithm}/{}", wanted.column);
            for row in 0..batch.num_rows() {
                if ids.is_null(row) || !picked(row) {
                    continue;
                }
                let (Ok(id), Some(value)) = (CustomerId::parse(ids.value(row)), values.at(row))
                else {
                    continue;
                };
                let tag = Tag {
                    key: key.clone(),
                    kind: wanted.kind,
                    value,
                    job: by.job.to_string(),
                    time: by.time,
                };
                tags.push((id, tag));
            }
        }
        for row in (0..ids.len()).filter(|&row| ids.is_valid(row) && picked(row)) {
            if !customers.insert(ids.value(row).to_owned()) {
                repeated += 1;
            }
        }
        before += batch.num_rows();
        store.write_tags(tags)?;
    }
    Ok(Written {
        customers: customers.len() as u64,
        repeated,
    })
}

enum Values {
    Number(arrow_array::Float64Array),
    Text(arrow_array::StringArray),
}

impl Values {
    fn of(batch: &RecordBatch, wanted: &WriteBack) -> Result<Self> {
        let column = batch
            .column_by_name(&wanted.column)
            .ok_or_else(|| Error::bug(format!("no column {:?} to write back", wanted.column)))?;
        Ok(match wanted.kind {
            TagKind::Score => {
                let numbers = arrow_cast::cast(column, &DataType::Float64)?;
                Self::Number(numbers.as_primitive::<Float64Type>().clone())
            }
            TagKind::Label | TagKind::Segment => {
                let words = arrow_cast::cast(column, &DataType::Utf8)?;
                Self::Text(words.as_string::<i32>().clone())
            }
        })
    }

    fn at(&self, row: usize) -> Option<Value> {
        match self {
            Self::Number(numbers) => numbers
                .is_valid(row)
                .then(|| Value::Float(numbers.value(row))),
            Self::Text(words) => words
                .is_valid(row)
                .then(|| Value::Text(words.value(row).to_owned())),
        }
    }
}
