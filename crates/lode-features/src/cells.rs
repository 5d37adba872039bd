//! Values of rows, borrowed from Arrow columns.

use arrow_array::Array;
use arrow_array::ArrayRef;
use arrow_array::BooleanArray;
use arrow_array::Date32Array;
use arrow_array::Decimal128Array;
use arrow_array::Float64Array;
use arrow_array::Int64Array;
use arrow_array::StringArray;
use arrow_array::TimestampMicrosecondArray;
use arrow_schema::DataType;

use crate::plan::DAY;
use crate::plan::power;

/// A customer's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key<'a> {
    Int(i64),
    Text(&'a str),
}

/// A key of its own.
#[derive(Clone, Debug, Default)]
pub(crate) enum KeyBuf {
    #[default]
    None,
    Int(i64),
    Text(String),
}

impl KeyBuf {
    pub(crate) fn set(&mut self, key: Key<'_>) {
        match (key, &mut *self) {
            (Key::Int(value), _) => *self = Self::Int(value),
            (Key::Text(text), Self::Text(own)) => {
                own.clear();
                own.push_str(text);
            }
            (Key::Text(text), _) => *self = Self::Text(text.to_owned()),
        }
    }

    pub(crate) fn get(&self) -> Option<Key<'_>> {
        match self {
            Self::None => None,
            Self::Int(value) => Some(Key::Int(*value)),
            Self::Text(text) => Some(Key::Text(text)),
        }
    }
}

/// A column whose type is known.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Column<'a> {
    Int(&'a Int64Array),
    Float(&'a Float64Array),
    Decimal(&'a Decimal128Array),
    Text(&'a StringArray),
    Bool(&'a BooleanArray),
    Time(&'a TimestampMicrosecondArray),
    Date(&'a Date32Array),
}

impl<'a> Column<'a> {
    pub(crate) fn new(array: &'a ArrayRef) -> Option<Self> {
        let any = array.as_any();
        match array.data_type() {
            DataType::Int64 => any.downcast_ref().map(Self::Int),
            DataType::Float64 => any.downcast_ref().map(Self::Float),
            DataType::Decimal128(_, _) => any.downcast_ref().map(Self::Decimal),
            DataType::Utf8 => any.downcast_ref().map(Self::Text),
            DataType::Boolean => any.downcast_ref().map(Self::Bool),
            DataType::Timestamp(_, _) => any.downcast_ref().map(Self::Time),
            DataType::Date32 => any.downcast_ref().map(Self::Date),
            _ => None,
        }
    }

    pub(crate) fn is_null(self, row: usize) -> bool {
        match self {
            Self::Int(array) => array.is_null(row),
            Self::Float(array) => array.is_null(row),
            Self::Decimal(array) => array.is_null(row),
            Self::Text(array) => array.is_null(row),
            Self::Bool(array) => array.is_null(row),
            Self::Time(array) => array.is_null(row),
            Self::Date(array) => array.is_null(row),
        }
    }

    /// The value; times as microseconds, dates as days.
    pub(crate) fn cell(self, row: usize) -> Cell<'a> {
        if self.is_null(row) {
            return Cell::Null;
        }
        match self {
            Self::Int(array) => Cell::Int(array.value(row)),
            Self::Float(array) => Cell::Float(array.value(row)),
            Self::Decimal(array) => Cell::Decimal(array.value(row)),
            Self::Text(array) => Cell::Text(array.value(row)),
            Self::Bool(array) => Cell::Bool(array.value(row)),
            Self::Time(array) => Cell::Int(array.value(row)),
            Self::Date(array) => Cell::Int(i64::from(array.value(row))),
        }
    }

    /// The number it is, if it is one; true is 1.
    pub(crate) fn number(self, row: usize) -> Option<f64> {
        if self.is_null(row) {
            return None;
        }
        match self {
            Self::Int(array) => Some(array.value(row) as f64),
            Self::Float(array) => Some(array.value(row)),
            Self::Decimal(array) => Some(array.value(row) as f64 / power(array.scale())),
            Self::Bool(array) => Some(f64::from(u8::from(array.value(row)))),
            Self::Text(_) | Self::Time(_) | Self::Date(_) => None,
        }
    }

    /// An instant; a date is its midnight, UTC.
    pub(crate) fn time(self, row: usize) -> Option<i64> {
        match self {
            Self::Time(array) if array.is_valid(row) => Some(array.value(row)),
            Self::Date(array) if array.is_valid(row) => Some(i64::from(array.value(row)) * DAY),
            _ => None,
        }
    }

    pub(crate) fn key(self, row: usize) -> Option<Key<'a>> {
        match self {
            Self::Int(array) if array.is_valid(row) => Some(Key::Int(array.value(row))),
            Self::Text(array) if array.is_valid(row) => Some(Key::Text(array.value(row))),
            _ => None,
        }
    }

    pub(crate) fn len(self) -> usize {
        match self {
            Self::Int(array) => array.len(),
            Self::Float(array) => array.len(),
            Self::Decimal(array) => array.len(),
            Self::Text(array) => array.len(),
            Self::Bool(array) => array.len(),
            Self::Time(array) => array.len(),
            Self::Date(array) => array.len(),
        }
    }

    /// The first row from `row` on whose key is not `key`; nulls are passed over.
    pub(crate) fn pass(self, mut row: usize, key: Key<'_>) -> usize {
        match (self, key) {
            (Self::Text(array), Key::Text(text)) if array.null_count() == 0 => {
                while row < array.len() && array.value(row) == text {
                    row += 1;
                }
            }
            (Self::Int(array), Key::Int(value)) if array.null_count() == 0 => {
                while row < array.len() && array.value(row) == value {
                    row += 1;
                }
            }
            _ => {
                while row < self.len() && self.key(row).is_none_or(|found| found == key) {
                    row += 1;
                }
            }
        }
        row
    }
}

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell<'a> {
    Null,
    Int(i64),
    Float(f64),
    /// Digits; the scale is the column's.
    Decimal(i128),
    Bool(bool),
    Text(&'a str),
    Owned(String),
}

impl Cell<'_> {
    /// The text of it for joining.
    pub(crate) fn words(&self) -> Option<String> {
        match self {
            Self::Int(value) => Some(value.to_string()),
            Self::Bool(value) => Some(value.to_string()),
            Self::Text(text) => Some((*text).to_owned()),
            Self::Owned(text) => Some(text.clone()),
            Self::Null | Self::Float(_) | Self::Decimal(_) => None,
        }
    }
}
