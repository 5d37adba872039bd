//! Packed parts: the narrowest fixed width that holds each column's values.
//!
//! The file is Arrow IPC like any other, but a column holds `(value - base) / step` as the
//! narrowest unsigned integers, and a note in the footer says how to come back. `loaded` does
//! that to rows as they come; `write`, of a sorted run, also makes strings keys into a
//! dictionary of the file, and runs where equal values follow each other.
//! docs/storage.md has the form.
//! Invariant: what comes back is what went in, bit for bit.

mod decode;
mod encode;
mod loaded;
mod note;
mod read;
mod rows;
mod write;

use arrow_schema::DataType;
use arrow_schema::TimeUnit;
use serde::Deserialize;
use serde::Serialize;
use std::sync::Arc;

use crate::Error;
use crate::Result;

pub(crate) use loaded::write as write_loaded;
pub(crate) use read::Packed;
pub(crate) use rows::Rows;
pub(crate) use write::write;

/// Key of the footer's metadata that says how a packed part is read, as JSON.
pub(crate) const PACKED_KEY: &str = "lode.packed";
pub(crate) const FORM: u32 = 1;
/// Rows of a batch: so few that a row's place fits 15 bits, and a multiple of 64.
pub(crate) const BATCH_ROWS: usize = 511 * 64;

/// How a packed part is read.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Note {
    pub(crate) form: u32,
    pub(crate) columns: Vec<ColumnNote>,
    #[serde(default)]
    pub(crate) customers: Option<CustomersNote>,
}

/// How a column is read; the lists have an entry for each batch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ColumnNote {
    /// The type that readers see.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) code: Code,
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub(crate) step: u64,
    /// Decimal digits behind the point of a scaled float.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) digits: u8,
    /// Whether a scaled float was rounded to 32 bits before it was one of 64.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) single: bool,
    /// Smallest value (of a dictionary: key) of the batch, the base of its offsets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) min: Vec<Option<i64>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) max: Vec<Option<i64>>,
    /// The same of floats that are not scaled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) float_min: Vec<Option<f64>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) float_max: Vec<Option<f64>>,
    pub(crate) nulls: Vec<u32>,
}

impl ColumnNote {
    /// What offsets of that batch are counted from.
    fn base(&self, batch: usize) -> i64 {
        self.min.get(batch).copied().flatten().unwrap_or(0)
    }
}

/// What stands in the file's column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Code {
    /// (value - base of the batch) / step, unsigned.
    Offset,
    /// The same of a float times a power of ten.
    Scaled,
    /// Floats of 32 bits.
    Single,
    /// Keys into the file's dictionary, whose texts are in ascending order.
    Dictionary,
    /// The values themselves.
    Plain,
}

/// The customers of a sorted part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CustomersNote {
    pub(crate) column: usize,
    /// The column of times by which the rows of a customer are sorted; older parts do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) time: Option<usize>,
    /// How many different ones there are.
    pub(crate) distinct: u64,
    /// Where the filter lies in the file.
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

fn one() -> u64 {
    1
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_one(value: &u64) -> bool {
    *value == 1
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(value: &u8) -> bool {
    *value == 0
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_false(value: &bool) -> bool {
    !*value
}

/// The word of a type that a packed part can hold.
pub(crate) fn type_word(data_type: &DataType) -> Result<String> {
    Ok(match data_type {
        DataType::Boolean => "bool".to_owned(),
        DataType::Int64 => "int64".to_owned(),
        DataType::Float64 => "float64".to_owned(),
        DataType::Utf8 => "string".to_owned(),
        DataType::Date32 => "date".to_owned(),
        DataType::Timestamp(TimeUnit::Microsecond, Some(zone)) if &**zone == "UTC" => {
            "timestamp".to_owned()
        }
        DataType::Decimal128(precision, scale) => format!("decimal({precision},{scale})"),
        other => {
            return Err(Error::SchemaDiffers {
                expected: "a column type of a dataset".to_owned(),
                found: other.to_string(),
            });
        }
    })
}

fn read_type_word(word: &str) -> Option<DataType> {
    Some(match word {
        "bool" => DataType::Boolean,
        "int64" => DataType::Int64,
        "float64" => DataType::Float64,
        "string" => DataType::Utf8,
        "date" => DataType::Date32,
        "timestamp" => DataType::Timestamp(TimeUnit::Microsecond, Some(Arc::from("UTC"))),
        _ => {
            let (precision, scale) = word
                .strip_prefix("decimal(")?
                .strip_suffix(')')?
                .split_once(',')?;
            let (precision, scale) = (precision.parse().ok()?, scale.parse().ok()?);
            if !(1..=38).contains(&precision)
                || !(0..=38).contains(&scale)
                || scale > precision as i8
            {
                return None;
            }
            DataType::Decimal128(precision, scale)
        }
    })
}
