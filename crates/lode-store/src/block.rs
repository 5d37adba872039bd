//! Rows of one bucket of customers as compact columnar bytes.
//!
//! Layout in docs/storage.md: a version, counts, one encoding a column, a CRC-32C. Blocks are
//! written from ranges of a batch and read back into builders, many blocks to one batch.

mod decode;

use std::ops::Range;

use arrow_array::Array;
use arrow_array::ArrayRef;
use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Date32Type;
use arrow_array::types::Decimal128Type;
use arrow_array::types::Float64Type;
use arrow_array::types::Int64Type;
use arrow_array::types::TimestampMicrosecondType;
use arrow_schema::DataType;
use arrow_schema::TimeUnit;

use crate::Error;
use crate::Result;
use crate::codec::Writer;

pub(crate) use decode::Decoder;

/// Version of a block's form.
const FORM: u8 = 1;
/// Set in a column's encoding when a bitmap of its values follows.
const HAS_NULLS: u8 = 0x80;
const BITS: u8 = 0;
const INTEGERS: u8 = 1;
const FLOATS: u8 = 2;
const TEXTS: u8 = 3;
const WORDS: u8 = 4;
const DECIMALS: u8 = 5;
/// More distinct texts than these in one block are written one by one.
const MAX_WORDS: usize = 16;

/// The rows `rows` of `batch`, whose columns are of a dataset's types.
pub(crate) fn encode(batch: &RecordBatch, rows: Range<usize>) -> Result<Vec<u8>> {
    let mut out = Writer::version(FORM);
    out.int(rows.len() as u64);
    out.int(batch.num_columns() as u64);
    for column in batch.columns() {
        encode_column(&mut out, column, rows.clone())?;
    }
    let mut bytes = out.0;
    let crc = crc32c::crc32c(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    Ok(bytes)
}

fn encode_column(out: &mut Writer, column: &ArrayRef, rows: Range<usize>) -> Result<()> {
    let has_nulls = column.null_count() > 0 && rows.clone().any(|i| column.is_null(i));
    let flag = if has_nulls { HAS_NULLS } else { 0 };
    let validity = |out: &mut Writer| {
        if has_nulls {
            bits(out, rows.clone().map(|i| column.is_valid(i)));
        }
    };
    let valid = rows.clone().filter(|&i| !has_nulls || column.is_valid(i));
    match column.data_type() {
        DataType::Boolean => {
            out.u8(BITS | flag);
            validity(out);
            let values = column.as_boolean();
            bits(out, valid.map(|i| values.value(i)));
        }
        DataType::Int64 => {
            out.u8(INTEGERS | flag);
            validity(out);
            let values = column.as_primitive::<Int64Type>().values();
            integers(out, valid.map(|i| values[i]));
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            out.u8(INTEGERS | flag);
            validity(out);
            let values = column.as_primitive::<TimestampMicrosecondType>().values();
            integers(out, valid.map(|i| values[i]));
        }
        DataType::Date32 => {
            out.u8(INTEGERS | flag);
            validity(out);
            let values = column.as_primitive::<Date32Type>().values();
            integers(out, valid.map(|i| i64::from(values[i])));
        }
        DataType::Float64 => {
            out.u8(FLOATS | flag);
            validity(out);
            let values = column.as_primitive::<Float64Type>().values();
            for i in valid {
                out.0.extend_from_slice(&values[i].to_le_bytes());
            }
        }
        DataType::Decimal128(_, _) => {
            out.u8(DECIMALS | flag);
            validity(out);
            let values = column.as_primitive::<Decimal128Type>().values();
            decimals(out, valid.map(|i| values[i]));
        }
        DataType::Utf8 => {
            let values = column.as_string::<i32>();
            let words = words(valid.clone().map(|i| values.value(i)));
            out.u8(if words.is_some() { WORDS } else { TEXTS } | flag);
            validity(out);
            match words {
                None => valid.for_each(|i| out.text(values.value(i))),
                Some((words, codes)) => {
                    out.int(words.len() as u64);
                    for word in words {
                        out.text(word);
                    }
                    out.0.extend_from_slice(&codes);
                }
            }
        }
        other => return Err(Error::bug(format!("a stored column of type {other}"))),
    }
    Ok(())
}

fn bits(out: &mut Writer, values: impl Iterator<Item = bool>) {
    let (mut byte, mut n) = (0, 0);
    for value in values {
        byte |= u8::from(value) << n;
        n += 1;
        if n == 8 {
            out.u8(byte);
            (byte, n) = (0, 0);
        }
    }
    if n > 0 {
        out.u8(byte);
    }
}

/// The smallest, the width in bytes of the largest difference from it, the differences.
fn integers(out: &mut Writer, values: impl Iterator<Item = i64> + Clone) {
    let min = values.clone().min().unwrap_or(0);
    let difference = |value: i64| value.wrapping_sub(min).cast_unsigned();
    let largest = values.clone().map(difference).max().unwrap_or(0);
    let width = 8 - (largest.leading_zeros() / 8) as usize;
    out.signed(min);
    out.u8(u8::try_from(width).unwrap_or(8));
    for value in values {
        out.0
            .extend_from_slice(&difference(value).to_le_bytes()[..width]);
    }
}

/// Like [`integers`], with the smallest in 16 bytes.
fn decimals(out: &mut Writer, values: impl Iterator<Item = i128> + Clone) {
    let min = values.clone().min().unwrap_or(0);
    let difference = |value: i128| value.wrapping_sub(min).cast_unsigned();
    let largest = values.clone().map(difference).max().unwrap_or(0);
    let width = 16 - (largest.leading_zeros() / 8) as usize;
    out.0.extend_from_slice(&min.to_le_bytes());
    out.u8(u8::try_from(width).unwrap_or(16));
    for value in values {
        out.0
            .extend_from_slice(&difference(value).to_le_bytes()[..width]);
    }
}

/// The distinct texts and each value's number among them, when that is shorter.
fn words<'a>(values: impl Iterator<Item = &'a str>) -> Option<(Vec<&'a str>, Vec<u8>)> {
    let mut words: Vec<&str> = Vec::new();
    let mut codes = Vec::new();
    let mut plain = 0;
    for value in values {
        plain += value.len() + 1;
        let code = match words.iter().position(|word| *word == value) {
            Some(code) => code,
            None if words.len() == MAX_WORDS => return None,
            None => {
                words.push(value);
                words.len() - 1
            }
        };
        codes.push(u8::try_from(code).ok()?);
    }
    let listed: usize = words.iter().map(|word| word.len() + 1).sum();
    (1 + listed + codes.len() < plain).then_some((words, codes))
}

#[cfg(test)]
mod tests;
