//! One row of a table as named values.

use std::collections::BTreeMap;

use arrow_array::Array;
use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Date32Type;
use arrow_array::types::Decimal128Type;
use arrow_array::types::Float64Type;
use arrow_array::types::Int64Type;
use arrow_array::types::TimestampMicrosecondType;
use arrow_schema::DataType;
use lode_types::Timestamp;
use lode_types::Value;

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// The values of a row that has them; columns without a value are left out.
pub(crate) fn row(batch: &RecordBatch, row: usize) -> BTreeMap<String, Value> {
    let schema = batch.schema();
    let columns = schema.fields().iter().zip(batch.columns());
    columns
        .filter_map(|(field, column)| Some((field.name().clone(), cell(column, row)?)))
        .collect()
}

/// The instant in a row of a timestamp or date column.
pub(crate) fn time(column: &dyn Array, row: usize) -> Option<Timestamp> {
    match cell(column, row) {
        Some(Value::Time(time)) => Some(time),
        _ => None,
    }
}

fn cell(column: &dyn Array, row: usize) -> Option<Value> {
    if column.is_null(row) {
        return None;
    }
    match column.data_type() {
        DataType::Boolean => Some(Value::Bool(column.as_boolean().value(row))),
        DataType::Int64 => Some(Value::Int(column.as_primitive::<Int64Type>().value(row))),
        DataType::Float64 => Some(Value::Float(
            column.as_primitive::<Float64Type>().value(row),
        )),
        DataType::Utf8 => Some(Value::Text(column.as_string::<i32>().value(row).to_owned())),
        DataType::Timestamp(_, _) => Some(Value::Time(Timestamp(
            column
                .as_primitive_opt::<TimestampMicrosecondType>()?
                .value(row),
        ))),
        DataType::Date32 => {
            let days = column.as_primitive::<Date32Type>().value(row);
            Some(Value::Time(Timestamp(i64::from(days) * MICROS_PER_DAY)))
        }
        DataType::Decimal128(_, _) => {
            let digits = column.as_primitive::<Decimal128Type>().value_as_string(row);
            Some(Value::Text(digits))
        }
        _ => None,
    }
}
