//! Finds the narrowest form of a column and writes its values in it.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::Array;
use arrow_array::ArrayRef;
use arrow_array::BooleanArray;
use arrow_array::Decimal128Array;
use arrow_array::DictionaryArray;
use arrow_array::Float32Array;
use arrow_array::Float64Array;
use arrow_array::PrimitiveArray;
use arrow_array::RunArray;
use arrow_array::StringArray;
use arrow_array::UInt32Array;
use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::make_array;
use arrow_array::types::ArrowDictionaryKeyType;
use arrow_array::types::ArrowPrimitiveType;
use arrow_array::types::Int16Type;
use arrow_array::types::UInt8Type;
use arrow_array::types::UInt16Type;
use arrow_array::types::UInt32Type;
use arrow_array::types::UInt64Type;
use arrow_buffer::BooleanBuffer;
use arrow_buffer::NullBuffer;
use arrow_schema::DataType;
use arrow_schema::Field;
use arrow_select::take::take;

use super::Code;
use super::ColumnNote;
use super::type_word;
use crate::Result;
use crate::cells::Cells;
use crate::cells::Texts;
use crate::cells::Values;

/// Most bytes of a dictionary's texts; longer ones stand in the column.
const MAX_DICTIONARY_BYTES: usize = 1 << 28;
/// Integers below this, and the differences of two of them, are exact floats.
const MAX_EXACT: f64 = 4_503_599_627_370_496.0;
/// Most digits behind the point that are tried.
const MAX_DIGITS: u8 = 4;
/// Rows that are tried before all are.
const SAMPLE: usize = 1000;

/// A column in the form in which it is stored.
pub(super) struct Encoded {
    pub(super) field: Field,
    pub(super) note: ColumnNote,
    pub(super) batches: Vec<ArrayRef>,
}

/// Encodes a column of `field`'s type, in batches of those rows.
pub(super) fn encode(field: &Field, cells: &Cells, batches: &[Range<usize>]) -> Result<Encoded> {
    let column = Column {
        field,
        cells,
        batches,
        kind: type_word(field.data_type())?,
    };
    Ok(match &cells.values {
        Values::Int(values) => column.ints(values, Code::Offset, 0, false),
        Values::Float(values) => column.floats(values),
        Values::Bool(values) => column.each(DataType::Boolean, |rows, nulls| {
            let bits = BooleanBuffer::collect_bool(rows.len(), |i| values[rows.start + i]);
            Arc::new(BooleanArray::new(bits, nulls))
        }),
        Values::Decimal(values) => column.decimals(values),
        Values::Text(ids, texts) => column.texts(ids, texts)?,
    })
}

struct Column<'a> {
    field: &'a Field,
    cells: &'a Cells,
    batches: &'a [Range<usize>],
    kind: String,
}

impl Column<'_> {
    fn note(&self, code: Code) -> ColumnNote {
        ColumnNote {
            kind: self.kind.clone(),
            code,
            step: 1,
            digits: 0,
            single: false,
            min: Vec::new(),
            max: Vec::new(),
            float_min: Vec::new(),
            float_max: Vec::new(),
            nulls: self
                .batches
                .iter()
                .map(|rows| match &self.cells.valid {
                    None => 0,
                    Some(valid) => valid[rows.clone()].iter().filter(|v| !**v).count() as u32,
                })
                .collect(),
        }
    }

    fn nulls(&self, rows: &Range<usize>) -> Option<NullBuffer> {
        let valid = &self.cells.valid.as_ref()?[rows.clone()];
        let bits = BooleanBuffer::collect_bool(valid.len(), |i| valid[i]);
        Some(NullBuffer::new(bits)).filter(|nulls| nulls.null_count() > 0)
    }

    fn stored(&self, data_type: DataType) -> Field {
        Field::new(self.field.name(), data_type, self.field.is_nullable())
            .with_metadata(self.field.metadata().clone())
    }

    /// The values as they are.
    fn each(
        &self,
        data_type: DataType,
        array: impl Fn(&Range<usize>, Option<NullBuffer>) -> ArrayRef,
    ) -> Encoded {
        Encoded {
            field: self.stored(data_type),
            note: self.note(Code::Plain),
            batches: self
                .batches
                .iter()
                .map(|rows| array(rows, self.nulls(rows)))
                .collect(),
        }
    }

    /// Smallest and largest value of each batch that are there.
    fn ends(&self, values: &[i64]) -> Vec<Option<(i64, i64)>> {
        self.batches
            .iter()
            .map(|rows| {
                let (mut min, mut max) = (i64::MAX, i64::MIN);
                match &self.cells.valid {
                    None => {
                        for &value in &values[rows.clone()] {
                            min = min.min(value);
                            max = max.max(value);
                        }
                    }
                    Some(valid) => {
                        for (&value, _) in values[rows.clone()]
                            .iter()
                            .zip(&valid[rows.clone()])
                            .filter(|(_, valid)| **valid)
                        {
                            min = min.min(value);
                            max = max.max(value);
                        }
                    }
                }
                (min <= max).then_some((min, max))
            })
            .collect()
    }

    /// The greatest step that all differences to the first value are multiples of.
    fn step(&self, values: &[i64]) -> u64 {
        let mut first = None;
        let mut step = 0;
        for (row, &value) in values.iter().enumerate() {
            if !self.cells.is_valid(row) {
                continue;
            }
            let first = *first.get_or_insert(value);
            let difference = value.abs_diff(first);
            if step == 0 || difference % step != 0 {
                step = gcd(step, difference);
            }
            if step == 1 {
                break;
            }
        }
        step.max(1)
    }

    fn ints(&self, values: &[i64], code: Code, digits: u8, single: bool) -> Encoded {
        let ends = self.ends(values);
        let step = self.step(values);
        let width = ends
            .iter()
            .flatten()
            .map(|(min, max)| max.abs_diff(*min) / step)
            .max()
            .unwrap_or(0);
        let bases: Vec<i64> = ends.iter().map(|e| e.map_or(0, |(min, _)| min)).collect();
        let (data_type, batches) = if u8::try_from(width).is_ok() {
            let narrow = |offset| offset as u8;
            (
                DataType::UInt8,
                self.offsets::<UInt8Type>(values, &bases, step, narrow),
            )
        } else if u16::try_from(width).is_ok() {
            let narrow = |offset| offset as u16;
            (
                DataType::UInt16,
                self.offsets::<UInt16Type>(values, &bases, step, narrow),
            )
        } else if u32::try_from(width).is_ok() {
            let narrow = |offset| offset as u32;
            (
                DataType::UInt32,
                self.offsets::<UInt32Type>(values, &bases, step, narrow),
            )
        } else {
            (
                DataType::UInt64,
                self.offsets::<UInt64Type>(values, &bases, step, |offset| offset),
            )
        };
        let (data_type, batches) = self.as_runs(data_type, batches);
        let mut note = self.note(code);
        (note.step, note.digits, note.single) = (step, digits, single);
        note.min = ends.iter().map(|e| e.map(|(min, _)| min)).collect();
        note.max = ends.iter().map(|e| e.map(|(_, max)| max)).collect();
        Encoded {
            field: self.stored(data_type),
            note,
            batches,
        }
    }

    fn offsets<T: ArrowPrimitiveType>(
        &self,
        values: &[i64],
        bases: &[i64],
        step: u64,
        narrow: impl Fn(u64) -> T::Native + Copy,
    ) -> Vec<ArrayRef> {
        std::iter::zip(self.batches, bases)
            .map(|(rows, base)| {
                let nulls = self.nulls(rows);
                let values = &values[rows.clone()];
                let offset = |value: &i64| value.wrapping_sub(*base).cast_unsigned();
                let offsets: Vec<T::Native> = match &nulls {
                    None if step == 1 => values.iter().map(|v| narrow(offset(v))).collect(),
                    None => values.iter().map(|v| narrow(offset(v) / step)).collect(),
                    Some(nulls) => values
                        .iter()
                        .zip(nulls)
                        .map(|(v, valid)| narrow(if valid { offset(v) / step } else { 0 }))
                        .collect(),
                };
                Arc::new(PrimitiveArray::<T>::new(offsets.into(), nulls)) as ArrayRef
            })
            .collect()
    }

    /// The column as runs of equal values when that is smaller by a quarter, and has no nulls.
    fn as_runs(&self, data_type: DataType, batches: Vec<ArrayRef>) -> (DataType, Vec<ArrayRef>) {
        if batches.iter().any(|batch| batch.null_count() > 0) {
            return (data_type, batches);
        }
        let ends: Vec<Vec<i16>> = batches.iter().map(run_ends).collect();
        let rows: usize = self.batches.iter().map(ExactSizeIterator::len).sum();
        let runs: usize = ends.iter().map(Vec::len).sum();
        let width = match &data_type {
            DataType::Dictionary(keys, _) => keys.primitive_width(),
            other => other.primitive_width(),
        };
        let width = width.unwrap_or(1);
        if runs * (width + size_of::<i16>()) * 4 > rows * width * 3 {
            return (data_type, batches);
        }
        let encoded: Option<Vec<ArrayRef>> = std::iter::zip(&batches, ends)
            .map(|(batch, ends)| {
                let firsts: UInt32Array = std::iter::once(0)
                    .chain(ends.iter().map(|end| u32::from(end.cast_unsigned())))
                    .take(ends.len())
                    .collect();
                let values = take(batch, &firsts, None).ok()?;
                let ends = PrimitiveArray::<Int16Type>::new(ends.into(), None);
                let runs = RunArray::<Int16Type>::try_new(&ends, &values).ok()?;
                Some(Arc::new(runs) as ArrayRef)
            })
            .collect();
        match encoded {
            Some(encoded) if !encoded.is_empty() => (encoded[0].data_type().clone(), encoded),
            _ => (data_type, batches),
        }
    }

    fn floats(&self, values: &[f64]) -> Encoded {
        for single in [false, true] {
            for digits in 0..=MAX_DIGITS {
                if let Some(ints) = self.scaled(values, digits, single) {
                    let encoded = self.ints(&ints, Code::Scaled, digits, single);
                    let narrower = if single { 4 } else { 8 };
                    if stored_width(encoded.field.data_type()) < narrower {
                        return encoded;
                    }
                    break;
                }
            }
        }
        let is_single = |value: f64| f64::from(value as f32).to_bits() == value.to_bits();
        let mut encoded = if values.iter().all(|value| is_single(*value)) {
            let mut encoded = self.each(DataType::Float32, |rows, nulls| {
                let values: Vec<f32> = values[rows.clone()].iter().map(|v| *v as f32).collect();
                Arc::new(Float32Array::new(values.into(), nulls))
            });
            encoded.note.code = Code::Single;
            encoded
        } else {
            self.each(DataType::Float64, |rows, nulls| {
                Arc::new(Float64Array::new(
                    values[rows.clone()].to_vec().into(),
                    nulls,
                ))
            })
        };
        for rows in self.batches {
            let mut ends: Option<(f64, f64)> = None;
            for row in rows.clone() {
                let value = values[row];
                if value.is_nan() || !self.cells.is_valid(row) {
                    continue;
                }
                let (min, max) = ends.unwrap_or((value, value));
                ends = Some((min.min(value), max.max(value)));
            }
            // JSON has no infinity; a batch without ends may hold anything.
            let ends = ends.filter(|(min, max)| min.is_finite() && max.is_finite());
            encoded.note.float_min.push(ends.map(|e| e.0));
            encoded.note.float_max.push(ends.map(|e| e.1));
        }
        encoded
    }

    /// The integers that give the same floats again when divided; none when there are none.
    fn scaled(&self, values: &[f64], digits: u8, single: bool) -> Option<Vec<i64>> {
        let scale = super::decode::power_of_ten(digits);
        let int = |row: usize, value: f64| -> Option<i64> {
            if !self.cells.is_valid(row) {
                return Some(0);
            }
            let scaled = (value * scale).round();
            if scaled.is_nan() || scaled.abs() >= MAX_EXACT {
                return None;
            }
            let back = super::decode::unscale(scaled, scale, single);
            (back.to_bits() == value.to_bits()).then_some(scaled as i64)
        };
        for (row, value) in values.iter().enumerate().take(SAMPLE) {
            int(row, *value)?;
        }
        values
            .iter()
            .enumerate()
            .map(|(row, value)| int(row, *value))
            .collect()
    }

    fn decimals(&self, values: &[i128]) -> Encoded {
        let small: Option<Vec<i64>> = values.iter().map(|v| i64::try_from(*v).ok()).collect();
        if let Some(ints) = small {
            return self.ints(&ints, Code::Offset, 0, false);
        }
        let data_type = self.field.data_type().clone();
        self.each(data_type.clone(), |rows, nulls| {
            let array = Decimal128Array::new(values[rows.clone()].to_vec().into(), nulls);
            Arc::new(array.with_data_type(data_type.clone()))
        })
    }

    fn texts(&self, ids: &[u32], texts: &Texts) -> Result<Encoded> {
        if texts.len() > ids.len() / 2 + 16 || texts.n_bytes() > MAX_DICTIONARY_BYTES {
            return Ok(self.each(DataType::Utf8, |rows, nulls| {
                let mut out = StringBuilder::with_capacity(rows.len(), rows.len() * 16);
                for row in rows.clone() {
                    if self.cells.is_valid(row) {
                        out.append_value(texts.get(ids[row]));
                    } else {
                        out.append_value("");
                    }
                }
                let (offsets, bytes, _) = out.finish().into_parts();
                Arc::new(StringArray::new(offsets, bytes, nulls))
            }));
        }
        let (order, rank) = texts.sorted();
        let mut sorted = StringBuilder::with_capacity(order.len(), texts.n_bytes());
        for id in &order {
            sorted.append_value(texts.get(*id));
        }
        if order.is_empty() {
            // A place without a value has key 0 too.
            sorted.append_value("");
        }
        let sorted: ArrayRef = Arc::new(sorted.finish());
        let keys: Vec<i64> = ids
            .iter()
            .map(|id| rank.get(*id as usize).map_or(0, |rank| i64::from(*rank)))
            .collect();
        let ends = self.ends(&keys);
        let last = order.len().saturating_sub(1);
        let (key_type, batches) = if u8::try_from(last).is_ok() {
            let narrow = |key| key as u8;
            (
                DataType::UInt8,
                self.keys::<UInt8Type>(&keys, &sorted, narrow)?,
            )
        } else if u16::try_from(last).is_ok() {
            let narrow = |key| key as u16;
            (
                DataType::UInt16,
                self.keys::<UInt16Type>(&keys, &sorted, narrow)?,
            )
        } else {
            let narrow = |key| key as u32;
            (
                DataType::UInt32,
                self.keys::<UInt32Type>(&keys, &sorted, narrow)?,
            )
        };
        let keys_type = DataType::Dictionary(Box::new(key_type), Box::new(DataType::Utf8));
        let (data_type, batches) = self.as_runs(keys_type, batches);
        let mut note = self.note(Code::Dictionary);
        note.min = ends.iter().map(|e| e.map(|(min, _)| min)).collect();
        note.max = ends.iter().map(|e| e.map(|(_, max)| max)).collect();
        Ok(Encoded {
            field: self.stored(data_type),
            note,
            batches,
        })
    }

    fn keys<T: ArrowDictionaryKeyType>(
        &self,
        keys: &[i64],
        sorted: &ArrayRef,
        narrow: impl Fn(i64) -> T::Native + Copy,
    ) -> Result<Vec<ArrayRef>> {
        self.batches
            .iter()
            .map(|rows| {
                let nulls = self.nulls(rows);
                let keys: Vec<T::Native> = rows
                    .clone()
                    .map(|row| {
                        narrow(if self.cells.is_valid(row) {
                            keys[row]
                        } else {
                            0
                        })
                    })
                    .collect();
                let keys = PrimitiveArray::<T>::new(keys.into(), nulls);
                let array = DictionaryArray::<T>::try_new(keys, Arc::clone(sorted))?;
                Ok(Arc::new(array) as ArrayRef)
            })
            .collect()
    }
}

/// Bytes of a value, of runs those of the values alone.
fn stored_width(data_type: &DataType) -> usize {
    match data_type {
        DataType::RunEndEncoded(_, values) => stored_width(values.data_type()),
        other => other.primitive_width().unwrap_or(usize::MAX),
    }
}

/// Where each run of equal values of a batch ends.
fn run_ends(batch: &ArrayRef) -> Vec<i16> {
    fn ends<T: PartialEq>(values: &[T]) -> Vec<i16> {
        let changes = values
            .windows(2)
            .enumerate()
            .filter(|(_, pair)| pair[0] != pair[1]);
        let mut ends: Vec<i16> = changes.map(|(row, _)| row as i16 + 1).collect();
        if !values.is_empty() {
            ends.push(values.len() as i16);
        }
        ends
    }
    match batch.data_type() {
        DataType::UInt8 => ends(batch.as_primitive::<UInt8Type>().values()),
        DataType::UInt16 => ends(batch.as_primitive::<UInt16Type>().values()),
        DataType::UInt32 => ends(batch.as_primitive::<UInt32Type>().values()),
        DataType::UInt64 => ends(batch.as_primitive::<UInt64Type>().values()),
        _ => match batch.as_any_dictionary_opt() {
            Some(dictionary) => run_ends(&make_array(dictionary.keys().to_data())),
            None => Vec::new(),
        },
    }
}

fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}
