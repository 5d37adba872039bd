//! One value of a table as text for people, text for CSV, and JSON.
//!
//! Floats are short for people and exact for programs; integers keep all 64 bits.

use arrow_array::Array;
use arrow_array::ArrayRef;
use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Float32Type;
use arrow_array::types::Float64Type;
use arrow_array::types::Int8Type;
use arrow_array::types::Int16Type;
use arrow_array::types::Int32Type;
use arrow_array::types::Int64Type;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::types::TimestampMillisecondType;
use arrow_array::types::TimestampNanosecondType;
use arrow_array::types::TimestampSecondType;
use arrow_array::types::UInt8Type;
use arrow_array::types::UInt16Type;
use arrow_array::types::UInt32Type;
use arrow_array::types::UInt64Type;
use arrow_cast::display::ArrayFormatter;
use arrow_cast::display::FormatOptions;
use arrow_schema::DataType;
use arrow_schema::TimeUnit;
use lode_types::Timestamp;
use lode_types::Value;
use serde_json::Map;
use serde_json::Value as Json;

use crate::failure::Result;

/// One value, ready to print.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    /// No value.
    Empty,
    /// Words.
    Text(String),
    /// A number that is written as it is.
    Int(String),
    /// A number that is shortened for people.
    Float(f64),
}

impl Cell {
    /// For people.
    pub(crate) fn display(&self) -> String {
        match self {
            Self::Empty => String::new(),
            Self::Text(text) => text.clone(),
            Self::Int(digits) => digits.clone(),
            Self::Float(value) => number(*value),
        }
    }

    /// For CSV: exact, empty for no value.
    pub(crate) fn plain(&self) -> String {
        match self {
            Self::Float(value) => exact(*value),
            _ => self.display(),
        }
    }

    /// Whether it stands on the right.
    pub(crate) fn is_number(&self) -> bool {
        matches!(self, Self::Int(_) | Self::Float(_))
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        match text.is_empty() {
            true => Self::Empty,
            false => Self::Text(text.to_owned()),
        }
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<u64> for Cell {
    fn from(n: u64) -> Self {
        Self::Int(n.to_string())
    }
}

impl From<f64> for Cell {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

/// A float as a person reads it: at most four decimals, or four digits when it is tiny.
pub(crate) fn number(value: f64) -> String {
    if !value.is_finite() {
        return value.to_string();
    }
    let size = value.abs();
    if size >= 1e15 || (size > 0.0 && size < 1e-6) {
        return format!("{value:.4e}");
    }
    let decimals = match size {
        _ if size >= 1e-1 || size == 0.0 => 4,
        _ if size >= 1e-2 => 5,
        _ if size >= 1e-3 => 6,
        _ => 9,
    };
    let text = format!("{value:.decimals$}");
    let short = text.trim_end_matches('0').trim_end_matches('.');
    match short {
        "-0" => "0".to_owned(),
        short => short.to_owned(),
    }
}

/// A float with all its digits; the shortest text that reads back as the same number.
fn exact(value: f64) -> String {
    match value.is_finite() {
        true => value.to_string(),
        false => String::new(),
    }
}

/// The value of a typed answer.
pub(crate) fn value_cell(value: &Value) -> Cell {
    match value {
        Value::Null => Cell::Empty,
        Value::Bool(v) => Cell::Text(v.to_string()),
        Value::Int(v) => Cell::Int(v.to_string()),
        Value::Float(v) => Cell::Float(*v),
        Value::Text(v) => Cell::from(v.as_str()),
        Value::Time(v) => Cell::Text(v.to_rfc3339()),
        Value::List(_) | Value::Map(_) => Cell::Text(lode_sdk::value_to_json(value).to_string()),
    }
}

/// The value in a row of an Arrow column.
pub(crate) fn cell(column: &ArrayRef, row: usize) -> Result<Cell> {
    if column.is_null(row) {
        return Ok(Cell::Empty);
    }
    if let Some(digits) = integer(column, row) {
        return Ok(Cell::Int(digits));
    }
    Ok(match column.data_type() {
        DataType::Null => Cell::Empty,
        DataType::Float64 => Cell::Float(column.as_primitive::<Float64Type>().value(row)),
        DataType::Float32 => {
            Cell::Float(f64::from(column.as_primitive::<Float32Type>().value(row)))
        }
        DataType::Decimal128(_, _) | DataType::Decimal256(_, _) => {
            Cell::Int(formatted(column, row)?)
        }
        DataType::List(_)
        | DataType::LargeList(_)
        | DataType::FixedSizeList(_, _)
        | DataType::Struct(_)
        | DataType::Map(_, _) => Cell::Text(json(column, row)?.to_string()),
        _ => Cell::Text(formatted(column, row)?),
    })
}

/// The value in a row of an Arrow column, as JSON.
pub(crate) fn json(column: &ArrayRef, row: usize) -> Result<Json> {
    if column.is_null(row) {
        return Ok(Json::Null);
    }
    Ok(match column.data_type() {
        DataType::Null => Json::Null,
        DataType::Boolean => Json::Bool(column.as_boolean().value(row)),
        DataType::Int8 => column.as_primitive::<Int8Type>().value(row).into(),
        DataType::Int16 => column.as_primitive::<Int16Type>().value(row).into(),
        DataType::Int32 => column.as_primitive::<Int32Type>().value(row).into(),
        DataType::Int64 => column.as_primitive::<Int64Type>().value(row).into(),
        DataType::UInt8 => column.as_primitive::<UInt8Type>().value(row).into(),
        DataType::UInt16 => column.as_primitive::<UInt16Type>().value(row).into(),
        DataType::UInt32 => column.as_primitive::<UInt32Type>().value(row).into(),
        DataType::UInt64 => column.as_primitive::<UInt64Type>().value(row).into(),
        DataType::Float64 => column.as_primitive::<Float64Type>().value(row).into(),
        DataType::Float32 => f64::from(column.as_primitive::<Float32Type>().value(row)).into(),
        DataType::List(_) => json_list(&column.as_list::<i32>().value(row))?,
        DataType::LargeList(_) => json_list(&column.as_list::<i64>().value(row))?,
        DataType::FixedSizeList(_, _) => json_list(&column.as_fixed_size_list().value(row))?,
        DataType::Struct(fields) => {
            let columns = column.as_struct().columns();
            let mut object = Map::new();
            for (field, column) in fields.iter().zip(columns) {
                object.insert(field.name().clone(), json(column, row)?);
            }
            Json::Object(object)
        }
        _ => Json::String(formatted(column, row)?),
    })
}

/// The rows of a batch as JSON objects.
pub(crate) fn json_rows(batch: &RecordBatch) -> Result<Vec<Json>> {
    let schema = batch.schema();
    let mut rows = Vec::with_capacity(batch.num_rows());
    for row in 0..batch.num_rows() {
        let mut object = Map::new();
        for (field, column) in schema.fields().iter().zip(batch.columns()) {
            object.insert(field.name().clone(), json(column, row)?);
        }
        rows.push(Json::Object(object));
    }
    Ok(rows)
}

fn json_list(values: &ArrayRef) -> Result<Json> {
    let items: Result<Vec<Json>> = (0..values.len()).map(|i| json(values, i)).collect();
    Ok(Json::Array(items?))
}

fn integer(column: &ArrayRef, row: usize) -> Option<String> {
    Some(match column.data_type() {
        DataType::Int8 => column.as_primitive::<Int8Type>().value(row).to_string(),
        DataType::Int16 => column.as_primitive::<Int16Type>().value(row).to_string(),
        DataType::Int32 => column.as_primitive::<Int32Type>().value(row).to_string(),
        DataType::Int64 => column.as_primitive::<Int64Type>().value(row).to_string(),
        DataType::UInt8 => column.as_primitive::<UInt8Type>().value(row).to_string(),
        DataType::UInt16 => column.as_primitive::<UInt16Type>().value(row).to_string(),
        DataType::UInt32 => column.as_primitive::<UInt32Type>().value(row).to_string(),
        DataType::UInt64 => column.as_primitive::<UInt64Type>().value(row).to_string(),
        _ => return None,
    })
}

/// Text, times and what else Arrow knows how to write. Times are RFC 3339, with a "Z" when
/// the column says that they are UTC.
fn formatted(column: &ArrayRef, row: usize) -> Result<String> {
    if let DataType::Timestamp(unit, zone) = column.data_type() {
        let micros = match unit {
            TimeUnit::Second => {
                let value = column.as_primitive::<TimestampSecondType>().value(row);
                value.saturating_mul(1_000_000)
            }
            TimeUnit::Millisecond => {
                let value = column.as_primitive::<TimestampMillisecondType>().value(row);
                value.saturating_mul(1000)
            }
            TimeUnit::Microsecond => column.as_primitive::<TimestampMicrosecondType>().value(row),
            TimeUnit::Nanosecond => {
                let value = column.as_primitive::<TimestampNanosecondType>().value(row);
                value.div_euclid(1000)
            }
        };
        let text = Timestamp(micros).to_rfc3339().replace(".000000Z", "Z");
        return Ok(match zone {
            Some(_) => text,
            None => text.trim_end_matches('Z').to_owned(),
        });
    }
    let options = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(column.as_ref(), &options)?;
    Ok(formatter.value(row).try_to_string()?)
}

#[cfg(test)]
mod tests;
