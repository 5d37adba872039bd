//! Arrow columns of features.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::Decimal128Array;
use arrow_array::Float64Array;
use arrow_array::Int64Array;
use arrow_array::builder::BooleanBuilder;
use arrow_array::builder::Date32Builder;
use arrow_array::builder::Decimal128Builder;
use arrow_array::builder::Float64Builder;
use arrow_array::builder::Int64Builder;
use arrow_array::builder::StringBuilder;
use arrow_array::builder::TimestampMicrosecondBuilder;
use arrow_buffer::NullBuffer;
use arrow_schema::DataType;

use crate::Error;
use crate::cells::Cell;
use crate::cells::Key;

/// A column of floats.
pub(crate) fn floats(values: impl ExactSizeIterator<Item = Option<f64>>) -> ArrayRef {
    let (values, nulls) = parts(values);
    Arc::new(Float64Array::new(values.into(), nulls))
}

/// A column of integers.
pub(crate) fn ints(values: impl ExactSizeIterator<Item = Option<i64>>) -> ArrayRef {
    let (values, nulls) = parts(values);
    Arc::new(Int64Array::new(values.into(), nulls))
}

/// A column of decimals' digits.
pub(crate) fn decimals(
    data_type: &DataType,
    values: impl ExactSizeIterator<Item = Option<i128>>,
) -> ArrayRef {
    let (values, nulls) = parts(values);
    let digits = Decimal128Array::new(values.into(), nulls);
    Arc::new(digits.with_data_type(data_type.clone()))
}

/// A column of any type.
pub(crate) fn cells<'a>(data_type: &DataType, cells: impl Iterator<Item = Cell<'a>>) -> ArrayRef {
    let mut builder = Builder::new(data_type);
    for cell in cells {
        builder.push(&cell);
    }
    builder.finish()
}

/// The customers of rows.
pub(crate) fn keys<'a>(data_type: &DataType, keys: impl Iterator<Item = Key<'a>>) -> ArrayRef {
    cells(
        data_type,
        keys.map(|key| match key {
            Key::Int(id) => Cell::Int(id),
            Key::Text(id) => Cell::Text(id),
        }),
    )
}

/// Values, nulls as zeros, and where the nulls are if there are any.
fn parts<T: Default>(
    values: impl ExactSizeIterator<Item = Option<T>>,
) -> (Vec<T>, Option<NullBuffer>) {
    let mut all = Vec::with_capacity(values.len());
    let mut is_there = Vec::with_capacity(values.len());
    let mut n_there = 0;
    for value in values {
        is_there.push(value.is_some());
        n_there += usize::from(value.is_some());
        all.push(value.unwrap_or_default());
    }
    let nulls = (n_there < all.len()).then(|| NullBuffer::from(is_there));
    (all, nulls)
}

enum Builder {
    Int(Int64Builder),
    Float(Float64Builder),
    Decimal(Decimal128Builder),
    Text(StringBuilder),
    Bool(BooleanBuilder),
    Time(TimestampMicrosecondBuilder),
    Date(Date32Builder),
}

impl Builder {
    fn new(data_type: &DataType) -> Self {
        match data_type {
            DataType::Int64 => Self::Int(Int64Builder::new()),
            DataType::Decimal128(_, _) => {
                Self::Decimal(Decimal128Builder::new().with_data_type(data_type.clone()))
            }
            DataType::Utf8 => Self::Text(StringBuilder::new()),
            DataType::Boolean => Self::Bool(BooleanBuilder::new()),
            DataType::Timestamp(_, _) => {
                let builder = TimestampMicrosecondBuilder::new();
                Self::Time(builder.with_data_type(data_type.clone()))
            }
            DataType::Date32 => Self::Date(Date32Builder::new()),
            _ => Self::Float(Float64Builder::new()),
        }
    }

    fn push(&mut self, cell: &Cell<'_>) {
        match (self, cell) {
            (Self::Float(to), Cell::Float(value)) => to.append_value(*value),
            (Self::Float(to), _) => to.append_null(),
            (Self::Int(to), Cell::Int(value)) => to.append_value(*value),
            (Self::Int(to), _) => to.append_null(),
            (Self::Decimal(to), Cell::Decimal(value)) => to.append_value(*value),
            (Self::Decimal(to), _) => to.append_null(),
            (Self::Text(to), Cell::Text(value)) => to.append_value(value),
            (Self::Text(to), Cell::Owned(value)) => to.append_value(value),
            (Self::Text(to), _) => to.append_null(),
            (Self::Bool(to), Cell::Bool(value)) => to.append_value(*value),
            (Self::Bool(to), _) => to.append_null(),
            (Self::Time(to), Cell::Int(value)) => to.append_value(*value),
            (Self::Time(to), _) => to.append_null(),
            (Self::Date(to), Cell::Int(value)) => to.append_option(i32::try_from(*value).ok()),
            (Self::Date(to), _) => to.append_null(),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Int(from) => Arc::new(from.finish()),
            Self::Float(from) => Arc::new(from.finish()),
            Self::Decimal(from) => Arc::new(from.finish()),
            Self::Text(from) => Arc::new(from.finish()),
            Self::Bool(from) => Arc::new(from.finish()),
            Self::Time(from) => Arc::new(from.finish()),
            Self::Date(from) => Arc::new(from.finish()),
        }
    }
}

/// A sum that its column cannot hold.
pub(crate) fn overflow(name: &str, data_type: &DataType) -> Error {
    Error::Overflow {
        feature: name.to_owned(),
        data_type: data_type.to_string(),
    }
}
