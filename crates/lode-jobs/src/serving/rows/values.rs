//! Rows that come with a request, value by value, as one batch of the model's columns.
//!
//! Invariant: each row is gone through once, beside the model's columns in the order of their
//! names; a request of a hundred rows of fifty columns looks nothing up.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::BooleanArray;
use arrow_array::Date32Array;
use arrow_array::Float64Array;
use arrow_array::Int64Array;
use arrow_array::RecordBatch;
use arrow_array::RecordBatchOptions;
use arrow_array::StringArray;
use arrow_array::TimestampMicrosecondArray;
use arrow_schema::Schema;
use lode_types::ColumnType;
use lode_types::Role;
use lode_types::Timestamp;
use lode_types::Value;

use super::Subjects;
use super::features;
use super::field_of;
use super::is_feature;
use crate::Error;
use crate::Result;
use crate::Scored;
use crate::SignatureColumn;

/// What the rows say of one column; none where a row leaves it out.
type Cells<'a> = Vec<Option<&'a Value>>;

/// Rows as the client gave them; a column that a row leaves out is null.
pub(crate) fn from_values(
    signature: &[SignatureColumn],
    rows: &[BTreeMap<String, Value>],
) -> Result<Subjects> {
    let cells = cells(signature, rows)?;
    let mut results = vec![Scored::default(); rows.len()];
    let mut fields = Vec::new();
    let mut columns = Vec::new();
    for (column, cells) in signature.iter().zip(&cells) {
        if column.role == Some(Role::CustomerId) {
            for (result, id) in results.iter_mut().zip(cells) {
                result.customer = match id {
                    Some(Value::Text(id)) => id.clone(),
                    Some(Value::Int(id)) => id.to_string(),
                    _ => String::new(),
                };
            }
        }
        if is_feature(column) {
            for (result, cell) in results.iter_mut().zip(cells) {
                if cell.is_none() {
                    result.missing_columns.push(column.name.clone());
                }
            }
        }
        if matches!(column.role, Some(Role::Label | Role::Weight)) {
            continue;
        }
        let held = widened(column, cells);
        fields.push(field_of(column, held));
        columns.push(array(column, held, cells)?);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    let batch =
        RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)?;
    Ok(((0..rows.len()).collect(), results, batch))
}

/// What the rows say, column by column. A row that names a column the model lacks, or none of
/// those that it has, is a mistake.
fn cells<'a>(
    signature: &[SignatureColumn],
    rows: &'a [BTreeMap<String, Value>],
) -> Result<Vec<Cells<'a>>> {
    let mut by_name: Vec<usize> = (0..signature.len()).collect();
    by_name.sort_unstable_by(|a, b| signature[*a].name.cmp(&signature[*b].name));
    let mut cells = vec![vec![None; rows.len()]; signature.len()];
    let says_much = signature.iter().any(|column| column.role.is_none());
    let known = || {
        let names: Vec<&str> = features(signature).map(|c| c.name.as_str()).collect();
        names.join(", ")
    };
    for (i, row) in rows.iter().enumerate() {
        let mut columns = by_name.iter().copied().peekable();
        let mut says_something = false;
        for (name, value) in row {
            while columns.next_if(|at| signature[*at].name < *name).is_some() {}
            let Some(at) = columns.next_if(|at| signature[*at].name == *name) else {
                return Err(Error::invalid(
                    "UNKNOWN_COLUMN",
                    format!("rows[{i}].{name}"),
                    format!("the model has no column {name:?}: expected {}", known()),
                ));
            };
            cells[at][i] = Some(value);
            says_something |= signature[at].role.is_none();
        }
        if says_much && !says_something {
            return Err(Error::invalid(
                "MISSING_COLUMN",
                format!("rows[{i}]"),
                format!(
                    "expected at least one of the columns of the model, found none: {}",
                    known()
                ),
            ));
        }
    }
    Ok(cells)
}

/// The type of a column as the rows tell it: one of whole numbers is one of numbers where a row
/// has a part of one, as it is for a batch of rows.
fn widened(column: &SignatureColumn, cells: &[Option<&Value>]) -> ColumnType {
    let is_whole = column.role.is_none() && column.column_type == ColumnType::Int64;
    let is_part = |cell: &Option<&Value>| matches!(cell, Some(Value::Float(_)));
    match is_whole && cells.iter().any(is_part) {
        true => ColumnType::Float64,
        false => column.column_type,
    }
}

/// A value in the words of the person who sent it.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(v) => format!("the boolean {v}"),
        Value::Int(v) => format!("the integer {v}"),
        Value::Float(v) => format!("the number {v}"),
        Value::Text(v) => format!("the text {v:?}"),
        Value::Time(v) => format!("the time {}", v.to_rfc3339()),
        Value::List(_) => "a list".to_owned(),
        Value::Map(_) => "a map".to_owned(),
    }
}

fn array(column: &SignatureColumn, held: ColumnType, cells: &[Option<&Value>]) -> Result<ArrayRef> {
    let values = cells.iter().map(|cell| cell.unwrap_or(&Value::Null));
    let refused = |i: usize, found: &Value| {
        Error::invalid(
            "WRONG_TYPE",
            format!("rows[{i}].{}", column.name),
            format!(
                "column {:?}: expected type {}, found {}",
                column.name,
                held,
                shown(found)
            ),
        )
    };
    /// Values of one type; null where there is none, an error where it is another's.
    fn collect<'a, T, A: FromIterator<Option<T>>>(
        values: impl Iterator<Item = &'a Value>,
        read: impl Fn(&'a Value) -> Option<T>,
        refused: impl Fn(usize, &Value) -> Error,
    ) -> Result<A> {
        values
            .enumerate()
            .map(|(i, value)| match value {
                Value::Null => Ok(None),
                value => read(value).map(Some).ok_or_else(|| refused(i, value)),
            })
            .collect()
    }
    Ok(match held {
        ColumnType::Bool => Arc::new(collect::<bool, BooleanArray>(
            values,
            |value| match value {
                Value::Bool(v) => Some(*v),
                _ => None,
            },
            refused,
        )?),
        ColumnType::Int64 => Arc::new(collect::<i64, Int64Array>(
            values,
            |value| match value {
                Value::Int(v) => Some(*v),
                _ => None,
            },
            refused,
        )?),
        ColumnType::Float64 | ColumnType::Decimal { .. } => Arc::new(collect::<f64, Float64Array>(
            values,
            |value| match value {
                Value::Float(v) if v.is_finite() => Some(*v),
                #[expect(clippy::cast_precision_loss, reason = "as any reader of a CSV would")]
                Value::Int(v) => Some(*v as f64),
                _ => None,
            },
            refused,
        )?),
        ColumnType::String => Arc::new(collect::<&str, StringArray>(
            values,
            |value| match value {
                Value::Text(v) => Some(v.as_str()),
                _ => None,
            },
            refused,
        )?),
        ColumnType::Timestamp => {
            let times: TimestampMicrosecondArray = collect::<i64, _>(
                values,
                |value| match value {
                    Value::Time(v) => Some(v.0),
                    // JSON has no times: there they come as text.
                    Value::Text(v) => Timestamp::parse(v).map(|time| time.0),
                    _ => None,
                },
                refused,
            )?;
            Arc::new(times.with_timezone("UTC"))
        }
        ColumnType::Date => Arc::new(collect::<i32, Date32Array>(
            values,
            |value| match value {
                Value::Time(v) => i32::try_from(v.0.div_euclid(86_400_000_000)).ok(),
                Value::Text(v) => Timestamp::parse(v)
                    .and_then(|time| i32::try_from(time.0.div_euclid(86_400_000_000)).ok()),
                _ => None,
            },
            refused,
        )?),
    })
}
