//! Reads blocks back into one batch; refuses bytes that are not what was written.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::RecordBatch;
use arrow_array::builder::BooleanBuilder;
use arrow_array::builder::Date32Builder;
use arrow_array::builder::Decimal128Builder;
use arrow_array::builder::Float64Builder;
use arrow_array::builder::Int64Builder;
use arrow_array::builder::StringBuilder;
use arrow_array::builder::TimestampMicrosecondBuilder;
use arrow_schema::DataType;
use arrow_schema::SchemaRef;
use arrow_schema::TimeUnit;

use super::BITS;
use super::DECIMALS;
use super::FLOATS;
use super::FORM;
use super::HAS_NULLS;
use super::INTEGERS;
use super::TEXTS;
use super::WORDS;
use crate::Error;
use crate::Result;
use crate::codec::Reader;

/// More rows than any block is given.
const MAX_ROWS: usize = 1 << 24;
const WHAT: &str = "customers block";

/// Gathers the rows of blocks.
pub(crate) struct Decoder {
    schema: SchemaRef,
    columns: Vec<Builder>,
    rows: usize,
}

enum Builder {
    Bool(BooleanBuilder),
    Int(Int64Builder),
    Time(TimestampMicrosecondBuilder),
    Date(Date32Builder),
    Float(Float64Builder),
    Decimal(Decimal128Builder),
    Text(StringBuilder),
}

impl Decoder {
    pub(crate) fn new(schema: SchemaRef) -> Result<Self> {
        let columns = schema
            .fields()
            .iter()
            .map(|field| Builder::new(field.data_type()))
            .collect::<Result<_>>()?;
        Ok(Self {
            schema,
            columns,
            rows: 0,
        })
    }

    /// Rows gathered so far.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Adds the rows of a block.
    pub(crate) fn push(&mut self, block: &[u8]) -> Result<()> {
        let (body, crc) = block
            .split_last_chunk::<4>()
            .ok_or_else(|| Error::damaged(WHAT, "a block too short"))?;
        if crc32c::crc32c(body) != u32::from_le_bytes(*crc) {
            return Err(Error::damaged(WHAT, "a wrong checksum"));
        }
        let mut read = Reader::versioned(body, WHAT, FORM)?;
        let rows = read.len()?;
        let columns = read.len()?;
        if columns != self.columns.len() || rows > MAX_ROWS {
            return Err(Error::damaged(
                WHAT,
                format!("{rows} rows of {columns} columns"),
            ));
        }
        for column in &mut self.columns {
            column.push(&mut read, rows)?;
        }
        read.end()?;
        self.rows += rows;
        Ok(())
    }

    /// Gives the rows gathered and begins anew.
    pub(crate) fn finish(&mut self) -> Result<RecordBatch> {
        self.rows = 0;
        let columns = self.columns.iter_mut().map(Builder::finish).collect();
        RecordBatch::try_new(Arc::clone(&self.schema), columns)
            .map_err(|error| Error::damaged(WHAT, error.to_string()))
    }
}

impl Builder {
    fn new(data_type: &DataType) -> Result<Self> {
        Ok(match data_type {
            DataType::Boolean => Self::Bool(BooleanBuilder::new()),
            DataType::Int64 => Self::Int(Int64Builder::new()),
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                Self::Time(TimestampMicrosecondBuilder::new().with_data_type(data_type.clone()))
            }
            DataType::Date32 => Self::Date(Date32Builder::new()),
            DataType::Float64 => Self::Float(Float64Builder::new()),
            DataType::Decimal128(_, _) => {
                Self::Decimal(Decimal128Builder::new().with_data_type(data_type.clone()))
            }
            DataType::Utf8 => Self::Text(StringBuilder::new()),
            other => return Err(Error::bug(format!("a stored column of type {other}"))),
        })
    }

    fn push(&mut self, read: &mut Reader<'_>, rows: usize) -> Result<()> {
        let encoding = read.u8()?;
        let validity = if encoding & HAS_NULLS != 0 {
            Some(read.take(rows.div_ceil(8))?)
        } else {
            None
        };
        let valid = Valid { validity, rows };
        match (self, encoding & !HAS_NULLS) {
            (Self::Bool(out), BITS) => {
                let bits = read.take(valid.count().div_ceil(8))?;
                let mut n = 0;
                valid.each(|is_valid| {
                    if is_valid {
                        out.append_value(bit(bits, n));
                        n += 1;
                    } else {
                        out.append_null();
                    }
                    Ok(())
                })
            }
            (Self::Int(out), INTEGERS) => {
                let mut values = Integers::read(read, valid.count())?;
                valid.each(|is_valid| {
                    out.append_option(is_valid.then(|| values.next()));
                    Ok(())
                })
            }
            (Self::Time(out), INTEGERS) => {
                let mut values = Integers::read(read, valid.count())?;
                valid.each(|is_valid| {
                    out.append_option(is_valid.then(|| values.next()));
                    Ok(())
                })
            }
            (Self::Date(out), INTEGERS) => {
                let mut values = Integers::read(read, valid.count())?;
                valid.each(|is_valid| {
                    let value = is_valid.then(|| i32::try_from(values.next())).transpose();
                    out.append_option(value.map_err(|_| Error::damaged(WHAT, "a wrong date"))?);
                    Ok(())
                })
            }
            (Self::Float(out), FLOATS) => {
                let (values, _) = read.take(valid.count().saturating_mul(8))?.as_chunks::<8>();
                let mut values = values.iter().map(|bytes| f64::from_le_bytes(*bytes));
                valid.each(|is_valid| {
                    out.append_option(if is_valid { values.next() } else { None });
                    Ok(())
                })
            }
            (Self::Decimal(out), DECIMALS) => {
                let (min, _) = read
                    .take(16)?
                    .split_first_chunk::<16>()
                    .ok_or_else(|| Error::damaged(WHAT, "a decimal too short"))?;
                let min = i128::from_le_bytes(*min);
                let width = usize::from(read.u8()?);
                if width > 16 {
                    return Err(Error::damaged(WHAT, format!("decimals of {width} bytes")));
                }
                let mut data = read.take(valid.count().saturating_mul(width))?;
                valid.each(|is_valid| {
                    if !is_valid {
                        out.append_null();
                        return Ok(());
                    }
                    let (value, rest) = data.split_at(width);
                    data = rest;
                    let mut bytes = [0; 16];
                    bytes[..width].copy_from_slice(value);
                    out.append_value(min.wrapping_add(u128::from_le_bytes(bytes).cast_signed()));
                    Ok(())
                })
            }
            (Self::Text(out), TEXTS) => valid.each(|is_valid| {
                if is_valid {
                    out.append_value(read.text()?);
                } else {
                    out.append_null();
                }
                Ok(())
            }),
            (Self::Text(out), WORDS) => {
                let n = read.len()?;
                let mut words = Vec::new();
                for _ in 0..n {
                    words.push(read.text()?);
                }
                let mut codes = read.take(valid.count())?.iter();
                valid.each(|is_valid| {
                    match codes.as_slice().first().filter(|_| is_valid) {
                        None => out.append_null(),
                        Some(&code) => {
                            codes.next();
                            let word = words
                                .get(usize::from(code))
                                .ok_or_else(|| Error::damaged(WHAT, "a word without a text"))?;
                            out.append_value(word);
                        }
                    }
                    Ok(())
                })
            }
            (_, encoding) => Err(Error::damaged(WHAT, format!("encoding {encoding}"))),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Bool(out) => Arc::new(out.finish()),
            Self::Int(out) => Arc::new(out.finish()),
            Self::Time(out) => Arc::new(out.finish()),
            Self::Date(out) => Arc::new(out.finish()),
            Self::Float(out) => Arc::new(out.finish()),
            Self::Decimal(out) => Arc::new(out.finish()),
            Self::Text(out) => Arc::new(out.finish()),
        }
    }
}

/// Which rows of a column have a value.
#[derive(Clone, Copy)]
struct Valid<'a> {
    validity: Option<&'a [u8]>,
    rows: usize,
}

impl Valid<'_> {
    fn count(self) -> usize {
        match self.validity {
            None => self.rows,
            Some(bits) => (0..self.rows).filter(|&i| bit(bits, i)).count(),
        }
    }

    fn each(self, mut push: impl FnMut(bool) -> Result<()>) -> Result<()> {
        for i in 0..self.rows {
            push(self.validity.is_none_or(|bits| bit(bits, i)))?;
        }
        Ok(())
    }
}

struct Integers<'a> {
    min: i64,
    width: usize,
    data: &'a [u8],
}

impl<'a> Integers<'a> {
    fn read(read: &mut Reader<'a>, n: usize) -> Result<Self> {
        let min = read.signed()?;
        let width = usize::from(read.u8()?);
        if width > 8 {
            return Err(Error::damaged(WHAT, format!("integers of {width} bytes")));
        }
        let data = read.take(n.saturating_mul(width))?;
        Ok(Self { min, width, data })
    }

    /// The next value; `read` made sure that there are enough.
    fn next(&mut self) -> i64 {
        let (value, rest) = self.data.split_at(self.width);
        self.data = rest;
        let mut bytes = [0; 8];
        bytes[..self.width].copy_from_slice(value);
        self.min
            .wrapping_add(u64::from_le_bytes(bytes).cast_signed())
    }
}

fn bit(bits: &[u8], i: usize) -> bool {
    bits[i / 8] >> (i % 8) & 1 == 1
}
