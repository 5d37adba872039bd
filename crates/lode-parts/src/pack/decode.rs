//! The loops that turn stored columns into values again; each is plain enough for vectors.
//!
//! All arithmetic wraps: a file that lies gives other numbers, never a crash.
#![expect(
    clippy::cast_lossless,
    clippy::unnecessary_cast,
    clippy::useless_conversion,
    reason = "one text serves all widths, of which some need no cast"
)]

use std::ops::Range;
use std::sync::Arc;

use arrow_array::Array;
use arrow_array::ArrayRef;
use arrow_array::Date32Array;
use arrow_array::Decimal128Array;
use arrow_array::DictionaryArray;
use arrow_array::Float64Array;
use arrow_array::Int32Array;
use arrow_array::Int64Array;
use arrow_array::PrimitiveArray;
use arrow_array::StringArray;
use arrow_array::TimestampMicrosecondArray;
use arrow_array::UInt32Array;
use arrow_array::builder::StringBuilder;
use arrow_array::types::Float64Type;
use arrow_array::types::UInt32Type;
use arrow_buffer::ArrowNativeType;
use arrow_buffer::NullBuffer;
use arrow_buffer::ScalarBuffer;
use arrow_schema::DataType;
use arrow_select::take::take;

use super::read::Dictionary;
use crate::Error;
use crate::Result;
use crate::Strings;

/// Offsets as they stand in the file.
pub(super) enum Offsets {
    U8(ScalarBuffer<u8>),
    U16(ScalarBuffer<u16>),
    U32(ScalarBuffer<u32>),
    U64(ScalarBuffer<u64>),
}

macro_rules! each_width {
    ($offsets:expr, $raw:ident => $body:expr) => {
        match $offsets {
            Offsets::U8($raw) => $body,
            Offsets::U16($raw) => $body,
            Offsets::U32($raw) => $body,
            Offsets::U64($raw) => $body,
        }
    };
}

pub(super) use each_width;

impl Offsets {
    pub(super) fn len(&self) -> usize {
        each_width!(self, raw => raw.len())
    }

    pub(super) fn get(&self, row: usize) -> u64 {
        match self {
            Self::U8(raw) => u64::from(raw[row]),
            Self::U16(raw) => u64::from(raw[row]),
            Self::U32(raw) => u64::from(raw[row]),
            Self::U64(raw) => raw[row],
        }
    }
}

/// Values of runs as often as the runs are long, for some of the rows.
pub(super) fn expand<T: ArrowNativeType>(
    ends: &[i16],
    values: &[T],
    rows: &Range<usize>,
) -> Result<Vec<T>> {
    /// Most runs are short: a few values more than a run has are written in one go.
    const LANES: usize = 8;
    let wrong = || Error::damaged("runs up to the last row", "others");
    let first =
        ends.partition_point(|end| usize::try_from(*end).is_ok_and(|end| end <= rows.start));
    let mut out = vec![T::default(); rows.len() + LANES];
    let mut at = 0;
    for (end, value) in std::iter::zip(&ends[first..], &values[first..]) {
        if at == rows.len() {
            break;
        }
        let end = usize::try_from(*end).map_err(|_| wrong())?.min(rows.end);
        let end = end.checked_sub(rows.start).filter(|end| *end > at);
        let end = end.ok_or_else(wrong)?;
        out[at..at + LANES].fill(*value);
        if end - at > LANES {
            out[at + LANES..end].fill(*value);
        }
        at = end;
    }
    if at < rows.len() {
        return Err(wrong());
    }
    out.truncate(rows.len());
    Ok(out)
}

/// The integers of an offset column.
fn ints(offsets: &Offsets, base: i64, step: u64) -> Vec<i64> {
    fn each<T: Copy + Into<u64>>(raw: &[T], base: i64, step: u64) -> Vec<i64> {
        let base = base.cast_unsigned();
        if step == 1 {
            return raw
                .iter()
                .map(|&offset| base.wrapping_add(offset.into()).cast_signed())
                .collect();
        }
        if let Ok(small) = u32::try_from(step) {
            // Of two halves of 32 bits there is a vector multiplication; of 64 there is none.
            let small = u64::from(small);
            return raw
                .iter()
                .map(|&offset| {
                    let offset: u64 = offset.into();
                    let low = (offset & 0xffff_ffff).wrapping_mul(small);
                    let high = (offset >> 32).wrapping_mul(small) << 32;
                    base.wrapping_add(low).wrapping_add(high).cast_signed()
                })
                .collect();
        }
        raw.iter()
            .map(|&offset| {
                base.wrapping_add(step.wrapping_mul(offset.into()))
                    .cast_signed()
            })
            .collect()
    }
    each_width!(offsets, raw => each(raw, base, step))
}

/// The floats of a scaled column.
fn floats(offsets: &Offsets, base: i64, step: u64, digits: u8, single: bool) -> Vec<f64> {
    let (base, step, scale) = (base as f64, step as f64, power_of_ten(digits));
    macro_rules! each {
        ($raw:expr) => {
            if single {
                $raw.iter()
                    .map(|&offset| unscale(base + step * offset as f64, scale, true))
                    .collect()
            } else if digits == 0 {
                $raw.iter()
                    .map(|&offset| base + step * offset as f64)
                    .collect()
            } else {
                $raw.iter()
                    .map(|&offset| unscale(base + step * offset as f64, scale, false))
                    .collect()
            }
        };
    }
    each_width!(offsets, raw => each!(raw))
}

pub(super) fn power_of_ten(digits: u8) -> f64 {
    [1.0, 10.0, 100.0, 1000.0, 10_000.0][usize::from(digits.min(4))]
}

/// A scaled float; the division rounds as reading the decimal text does.
pub(super) fn unscale(scaled: f64, scale: f64, single: bool) -> f64 {
    let value = scaled / scale;
    if single {
        f64::from(value as f32)
    } else {
        value
    }
}

/// Integers as the column's own type.
pub(super) fn typed_ints(
    data_type: &DataType,
    offsets: &Offsets,
    base: i64,
    step: u64,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef> {
    let values = ints(offsets, base, step);
    Ok(match data_type {
        DataType::Int64 => Arc::new(Int64Array::try_new(values.into(), nulls)?),
        DataType::Timestamp(_, _) => Arc::new(
            TimestampMicrosecondArray::try_new(values.into(), nulls)?
                .with_data_type(data_type.clone()),
        ),
        DataType::Date32 => {
            let days: Vec<i32> = values.iter().map(|day| *day as i32).collect();
            Arc::new(Date32Array::try_new(days.into(), nulls)?)
        }
        DataType::Decimal128(_, _) => {
            let wide: Vec<i128> = values.iter().map(|value| i128::from(*value)).collect();
            Arc::new(
                Decimal128Array::try_new(wide.into(), nulls)?.with_data_type(data_type.clone()),
            )
        }
        other => return Err(mismatch("offsets", other)),
    })
}

pub(super) fn scaled_floats(
    offsets: &Offsets,
    (base, step): (i64, u64),
    digits: u8,
    single: bool,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef> {
    let values = floats(offsets, base, step, digits, single);
    Ok(Arc::new(PrimitiveArray::<Float64Type>::try_new(
        values.into(),
        nulls,
    )?))
}

pub(super) fn single_floats(raw: &[f32], nulls: Option<NullBuffer>) -> Result<ArrayRef> {
    let values: Vec<f64> = raw.iter().map(|value| f64::from(*value)).collect();
    Ok(Arc::new(Float64Array::try_new(values.into(), nulls)?))
}

/// The texts that keys name; each key is checked first.
pub(super) fn texts(
    keys: &Offsets,
    dictionary: &Dictionary,
    nulls: Option<NullBuffer>,
    strings: Strings,
) -> Result<ArrayRef> {
    let largest = each_width!(keys, raw => raw.iter().copied().max().map(u64::from));
    let n = dictionary.texts.len() as u64;
    if let Some(largest) = largest.filter(|largest| *largest >= n) {
        return Err(Error::damaged(
            format!("keys below {n}"),
            format!("key {largest}"),
        ));
    }
    Ok(match strings {
        Strings::Dictionary => {
            let keys: Vec<i32> =
                each_width!(keys, raw => raw.iter().map(|&key| key as i32).collect());
            let keys = Int32Array::try_new(keys.into(), nulls)?;
            Arc::new(DictionaryArray::try_new(
                keys,
                Arc::clone(&dictionary.texts) as ArrayRef,
            )?)
        }
        Strings::View => {
            let keys: Vec<u32> =
                each_width!(keys, raw => raw.iter().map(|&key| key as u32).collect());
            let keys = PrimitiveArray::<UInt32Type>::try_new(keys.into(), nulls)?;
            take(dictionary.views(), &keys, None)?
        }
        Strings::Plain => {
            let texts: &StringArray = &dictionary.texts;
            let ids: Vec<u32> =
                each_width!(keys, raw => raw.iter().map(|&key| key as u32).collect());
            let ids = UInt32Array::new(ScalarBuffer::from(ids), None);
            let bytes = ids
                .values()
                .iter()
                .map(|id| texts.value_length(*id as usize) as usize)
                .sum();
            let mut out = StringBuilder::with_capacity(ids.len(), bytes);
            for id in ids.values() {
                out.append_value(texts.value(*id as usize));
            }
            let (offsets, bytes, _) = out.finish().into_parts();
            Arc::new(StringArray::try_new(offsets, bytes, nulls)?)
        }
    })
}

pub(super) fn mismatch(what: &str, data_type: &DataType) -> Error {
    Error::damaged(
        format!("a column type that is stored as {what}"),
        data_type.to_string(),
    )
}
