//! Builds one Arrow column from the fields of a CSV chunk.
//!
//! A row is all or nothing: when a later field of it is bad, [`Builder::truncate`] takes back
//! what its earlier fields added. Invariant: between rows all builders have the same length.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::BooleanArray;
use arrow_array::Date32Array;
use arrow_array::Decimal128Array;
use arrow_array::Float64Array;
use arrow_array::Int64Array;
use arrow_array::StringArray;
use arrow_array::TimestampMicrosecondArray;
use arrow_buffer::BooleanBufferBuilder;
use arrow_buffer::Buffer;
use arrow_buffer::NullBufferBuilder;
use arrow_buffer::OffsetBuffer;
use arrow_buffer::ScalarBuffer;
use arrow_schema::ArrowError;
use lode_types::ColumnType;

use crate::decode::Target;
use crate::parse;
use crate::parse::Problem;

/// Longest customer id, in bytes.
pub(crate) const MAX_KEY_BYTES: usize = 512;

/// One column under construction.
pub(crate) struct Builder {
    values: Values,
    nulls: NullBufferBuilder,
    required: bool,
    key: bool,
}

enum Values {
    Bool(BooleanBufferBuilder),
    Int(Vec<i64>),
    Float(Vec<f64>),
    /// End of each value in `bytes`, after a leading 0.
    Text {
        ends: Vec<i32>,
        bytes: Vec<u8>,
    },
    Timestamp(Vec<i64>),
    Date(Vec<i32>),
    Decimal {
        values: Vec<i128>,
        precision: u8,
        scale: u8,
    },
}

impl Builder {
    /// An empty column for about `rows` rows.
    pub(crate) fn new(target: &Target, rows: usize) -> Self {
        let values = match target.column_type {
            ColumnType::Bool => Values::Bool(BooleanBufferBuilder::new(rows)),
            ColumnType::Int64 => Values::Int(Vec::with_capacity(rows)),
            ColumnType::Float64 => Values::Float(Vec::with_capacity(rows)),
            ColumnType::Timestamp => Values::Timestamp(Vec::with_capacity(rows)),
            ColumnType::Date => Values::Date(Vec::with_capacity(rows)),
            ColumnType::Decimal { precision, scale } => Values::Decimal {
                values: Vec::with_capacity(rows),
                precision,
                scale,
            },
            ColumnType::String => {
                let mut ends = Vec::with_capacity(rows + 1);
                ends.push(0);
                let bytes = Vec::with_capacity(rows * 8);
                Values::Text { ends, bytes }
            }
        };
        Self {
            values,
            nulls: NullBufferBuilder::new(rows),
            required: target.required,
            key: target.key,
        }
    }

    /// Adds the value of one field, or says why it cannot be kept; then nothing was added.
    /// `utf8` tells that the field is known to be UTF-8.
    pub(crate) fn push(&mut self, field: &[u8], utf8: bool) -> Result<(), Problem> {
        if let Values::Text { ends, bytes } = &mut self.values {
            if field.is_empty() {
                return self.push_null();
            }
            if self.key && field.len() > MAX_KEY_BYTES {
                return Err(Problem::KeyTooLong { bytes: field.len() });
            }
            if !utf8 && std::str::from_utf8(field).is_err() {
                return Err(Problem::NotUtf8);
            }
            bytes.extend_from_slice(field);
            let end = i32::try_from(bytes.len()).expect("a chunk is bounded far below 2 GiB");
            ends.push(end);
            self.nulls.append_non_null();
            return Ok(());
        }
        let field = field.trim_ascii();
        if field.is_empty() {
            return self.push_null();
        }
        match &mut self.values {
            Values::Bool(values) => values.append(parse::bool(field)?),
            Values::Int(values) => values.push(parse::int(field)?),
            Values::Float(values) => match parse::float(field)? {
                Some(value) => values.push(value),
                None => return self.push_null(),
            },
            Values::Timestamp(values) => values.push(parse::timestamp(field)?),
            Values::Date(values) => values.push(parse::date(field)?),
            Values::Decimal {
                values,
                precision,
                scale,
            } => match parse::decimal(field, *precision, *scale)? {
                Some(value) => values.push(value),
                None => return self.push_null(),
            },
            Values::Text { .. } => {}
        }
        self.nulls.append_non_null();
        Ok(())
    }

    /// Keeps the first `len` rows.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.nulls.truncate(len);
        match &mut self.values {
            Values::Bool(values) => values.truncate(len),
            Values::Int(values) | Values::Timestamp(values) => values.truncate(len),
            Values::Float(values) => values.truncate(len),
            Values::Date(values) => values.truncate(len),
            Values::Decimal { values, .. } => values.truncate(len),
            Values::Text { ends, bytes } => {
                ends.truncate(len + 1);
                let end = ends.last().copied().unwrap_or(0);
                bytes.truncate(usize::try_from(end).unwrap_or(0));
            }
        }
    }

    /// The finished column.
    pub(crate) fn finish(mut self) -> Result<ArrayRef, ArrowError> {
        let nulls = self.nulls.finish();
        Ok(match self.values {
            Values::Bool(mut values) => Arc::new(BooleanArray::new(values.finish(), nulls)),
            Values::Int(values) => Arc::new(Int64Array::new(values.into(), nulls)),
            Values::Float(values) => Arc::new(Float64Array::new(values.into(), nulls)),
            Values::Timestamp(values) => {
                Arc::new(TimestampMicrosecondArray::new(values.into(), nulls).with_timezone("UTC"))
            }
            Values::Date(values) => Arc::new(Date32Array::new(values.into(), nulls)),
            Values::Decimal {
                values,
                precision,
                scale,
            } => Arc::new(
                Decimal128Array::new(values.into(), nulls)
                    .with_precision_and_scale(precision, scale.cast_signed())?,
            ),
            Values::Text { ends, bytes } => {
                let offsets = OffsetBuffer::new(ScalarBuffer::from(ends));
                Arc::new(StringArray::try_new(
                    offsets,
                    Buffer::from_vec(bytes),
                    nulls,
                )?)
            }
        })
    }

    fn push_null(&mut self) -> Result<(), Problem> {
        if self.required {
            return Err(Problem::Missing);
        }
        match &mut self.values {
            Values::Bool(values) => values.append(false),
            Values::Int(values) | Values::Timestamp(values) => values.push(0),
            Values::Float(values) => values.push(0.0),
            Values::Date(values) => values.push(0),
            Values::Decimal { values, .. } => values.push(0),
            Values::Text { ends, .. } => {
                let end = ends.last().copied().unwrap_or(0);
                ends.push(end);
            }
        }
        self.nulls.append_null();
        Ok(())
    }
}
