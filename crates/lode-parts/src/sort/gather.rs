//! Picks rows out of batches, a column at a time.

use arrow_array::Array;
use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use arrow_array::types::ArrowPrimitiveType;
use arrow_array::types::Date32Type;
use arrow_array::types::Decimal128Type;
use arrow_array::types::Float64Type;
use arrow_array::types::Int32Type;
use arrow_array::types::Int64Type;
use arrow_array::types::TimestampMicrosecondType;
use arrow_schema::DataType;
use arrow_schema::Schema;

use crate::Error;
use crate::Result;
use crate::cells::Cells;
use crate::cells::Texts;
use crate::cells::Values;

const UNKNOWN: u32 = u32::MAX;

/// A column that grows by picked rows.
pub(super) struct Builder {
    values: Values,
    valid: Option<Vec<bool>>,
    /// The texts of the dictionary seen last, and their numbers here.
    dictionary: Option<(ArrayRef, Vec<u32>)>,
}

/// A builder for each column, with room for so many rows.
pub(super) fn builders(schema: &Schema, rows: usize) -> Result<Vec<Builder>> {
    schema
        .fields()
        .iter()
        .map(|field| {
            Ok(Builder {
                values: match field.data_type() {
                    DataType::Int64 | DataType::Timestamp(_, _) | DataType::Date32 => {
                        Values::Int(Vec::with_capacity(rows))
                    }
                    DataType::Float64 => Values::Float(Vec::with_capacity(rows)),
                    DataType::Boolean => Values::Bool(Vec::with_capacity(rows)),
                    DataType::Decimal128(_, _) => Values::Decimal(Vec::with_capacity(rows)),
                    DataType::Utf8 => Values::Text(Vec::with_capacity(rows), Texts::new()),
                    other => return Err(unknown(other)),
                },
                valid: None,
                dictionary: None,
            })
        })
        .collect()
}

impl Builder {
    /// Adds the rows of a column that are named.
    pub(super) fn push(&mut self, column: &ArrayRef, rows: &[u32]) -> Result<()> {
        let before = self.values.len();
        match column
            .logical_nulls()
            .filter(|nulls| nulls.null_count() > 0)
        {
            None => {
                if let Some(valid) = &mut self.valid {
                    valid.extend(rows.iter().map(|_| true));
                }
            }
            Some(nulls) => self
                .valid
                .get_or_insert_with(|| vec![true; before])
                .extend(rows.iter().map(|row| nulls.is_valid(*row as usize))),
        }
        let valid = self.valid.as_ref().map(|valid| &valid[before..]);
        match (&mut self.values, column.data_type()) {
            (Values::Int(out), DataType::Int64) => pick::<Int64Type, _>(out, column, rows, |v| v),
            (Values::Int(out), DataType::Timestamp(_, _)) => {
                pick::<TimestampMicrosecondType, _>(out, column, rows, |v| v);
            }
            (Values::Int(out), DataType::Date32) => {
                pick::<Date32Type, _>(out, column, rows, i64::from);
            }
            (Values::Float(out), DataType::Float64) => {
                pick::<Float64Type, _>(out, column, rows, |v| v);
            }
            (Values::Decimal(out), DataType::Decimal128(_, _)) => {
                pick::<Decimal128Type, _>(out, column, rows, |v| v);
            }
            (Values::Bool(out), DataType::Boolean) => {
                let bits = column.as_boolean();
                out.extend(rows.iter().map(|row| bits.value(*row as usize)));
            }
            (Values::Text(ids, texts), DataType::Utf8) => {
                let column = column.as_string::<i32>();
                for (i, row) in rows.iter().enumerate() {
                    ids.push(match valid {
                        Some(valid) if !valid[i] => 0,
                        _ => texts.intern(column.value(*row as usize)),
                    });
                }
            }
            (Values::Text(ids, texts), DataType::Dictionary(_, _)) => {
                let column = column.as_dictionary::<Int32Type>();
                let same = |known: &(ArrayRef, Vec<u32>)| {
                    known.0.to_data().ptr_eq(&column.values().to_data())
                };
                if !self.dictionary.as_ref().is_some_and(same) {
                    let unknown = vec![UNKNOWN; column.values().len()];
                    self.dictionary = Some((column.values().clone(), unknown));
                }
                let Some((values, numbers)) = &mut self.dictionary else {
                    return Err(unknown(column.data_type()));
                };
                let values = values.as_string::<i32>();
                let keys = column.keys().values();
                for (i, row) in rows.iter().enumerate() {
                    if valid.is_some_and(|valid| !valid[i]) {
                        ids.push(0);
                        continue;
                    }
                    let key = keys[*row as usize] as usize;
                    if numbers[key] == UNKNOWN {
                        numbers[key] = texts.intern(values.value(key));
                    }
                    ids.push(numbers[key]);
                }
            }
            (_, other) => return Err(unknown(other)),
        }
        // Whatever stands under a null is not carried on.
        if let (Some(valid), Values::Int(out)) = (valid, &mut self.values) {
            blank(&mut out[before..], valid);
        } else if let (Some(valid), Values::Float(out)) = (valid, &mut self.values) {
            blank(&mut out[before..], valid);
        } else if let (Some(valid), Values::Bool(out)) = (valid, &mut self.values) {
            blank(&mut out[before..], valid);
        } else if let (Some(valid), Values::Decimal(out)) = (valid, &mut self.values) {
            blank(&mut out[before..], valid);
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Cells {
        Cells {
            values: self.values,
            valid: self.valid.filter(|valid| valid.contains(&false)),
        }
    }
}

fn pick<T: ArrowPrimitiveType, V>(
    out: &mut Vec<V>,
    column: &ArrayRef,
    rows: &[u32],
    value: impl Fn(T::Native) -> V,
) {
    let values = column.as_primitive::<T>().values();
    out.extend(rows.iter().map(|row| value(values[*row as usize])));
}

fn blank<T: Default>(values: &mut [T], valid: &[bool]) {
    for (value, valid) in values.iter_mut().zip(valid) {
        if !valid {
            *value = T::default();
        }
    }
}

fn unknown(data_type: &DataType) -> Error {
    Error::SchemaDiffers {
        expected: "a column type of a dataset".to_owned(),
        found: data_type.to_string(),
    }
}
