//! Zone maps: the smallest and largest value of each ordered column of a part.
//!
//! A reader with a range in mind can skip a part whose zone lies outside it. NaN is no bound.

use arrow_array::Array;
use arrow_array::ArrayRef;
use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Date32Type;
use arrow_array::types::Float64Type;
use arrow_array::types::Int64Type;
use arrow_array::types::TimestampMicrosecondType;
use arrow_schema::DataType;
use arrow_schema::TimeUnit;
use serde::Deserialize;
use serde::Serialize;

/// Key of the footer's metadata that holds the zones of a part, as JSON.
pub const ZONES_KEY: &str = "lode.zones";

/// The range of one column in one part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Zone {
    /// The column's name.
    pub column: String,
    /// Its smallest value; none when all are null or NaN.
    pub min: Option<Bound>,
    /// Its largest value.
    pub max: Option<Bound>,
    /// Rows without a value.
    pub nulls: u64,
}

/// One end of a zone.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// Of an int64, timestamp (microseconds) or date (days) column.
    Int(i64),
    /// Of a float64 column.
    Float(f64),
    /// Of a decimal column, unscaled.
    Decimal(i128),
}

/// The zones of the columns that have an order: int64, float64, timestamp and date.
pub(crate) fn zones(batches: &[RecordBatch]) -> Vec<Zone> {
    let Some(first) = batches.first() else {
        return Vec::new();
    };
    let mut zones = Vec::new();
    for (i, field) in first.schema().fields().iter().enumerate() {
        if !is_ordered(field.data_type()) {
            continue;
        }
        let mut zone = Zone {
            column: field.name().clone(),
            min: None,
            max: None,
            nulls: 0,
        };
        for batch in batches {
            widen(&mut zone, batch.column(i));
        }
        zones.push(zone);
    }
    zones
}

fn is_ordered(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Int64
            | DataType::Float64
            | DataType::Date32
            | DataType::Timestamp(TimeUnit::Microsecond, _)
    )
}

fn widen(zone: &mut Zone, array: &ArrayRef) {
    zone.nulls += array.null_count() as u64;
    match array.data_type() {
        DataType::Int64 => widen_ints(zone, array.as_primitive::<Int64Type>().iter()),
        DataType::Date32 => widen_ints(
            zone,
            array
                .as_primitive::<Date32Type>()
                .iter()
                .map(|v| v.map(i64::from)),
        ),
        DataType::Timestamp(TimeUnit::Microsecond, _) => widen_ints(
            zone,
            array.as_primitive::<TimestampMicrosecondType>().iter(),
        ),
        DataType::Float64 => {
            for value in array.as_primitive::<Float64Type>().iter().flatten() {
                if value.is_nan() {
                    continue;
                }
                zone.min = Some(match zone.min {
                    Some(Bound::Float(min)) => Bound::Float(min.min(value)),
                    _ => Bound::Float(value),
                });
                zone.max = Some(match zone.max {
                    Some(Bound::Float(max)) => Bound::Float(max.max(value)),
                    _ => Bound::Float(value),
                });
            }
        }
        _ => {}
    }
}

fn widen_ints(zone: &mut Zone, values: impl Iterator<Item = Option<i64>>) {
    let (mut min, mut max) = match (zone.min, zone.max) {
        (Some(Bound::Int(min)), Some(Bound::Int(max))) => (min, max),
        _ => (i64::MAX, i64::MIN),
    };
    let mut any = zone.min.is_some();
    for value in values.flatten() {
        any = true;
        min = min.min(value);
        max = max.max(value);
    }
    if any {
        zone.min = Some(Bound::Int(min));
        zone.max = Some(Bound::Int(max));
    }
}
