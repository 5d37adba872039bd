//! Turns an Arrow column of another type into the dataset's, where no value is lost.
//!
//! Whether two types fit at all is decided once for a chunk ([`is_lossless`]); a single value
//! that does not fit is reported with its row and is null in the result. Nanoseconds are
//! rounded down to microseconds; a time without zone is taken as UTC.

use std::sync::Arc;

use arrow_array::Array;
use arrow_array::ArrayRef;
use arrow_array::ArrowPrimitiveType;
use arrow_array::Date32Array;
use arrow_array::Decimal128Array;
use arrow_array::Float64Array;
use arrow_array::OffsetSizeTrait;
use arrow_array::PrimitiveArray;
use arrow_array::StringArray;
use arrow_array::TimestampMicrosecondArray;
use arrow_array::cast::AsArray;
use arrow_array::new_null_array;
use arrow_array::types::ArrowTimestampType;
use arrow_array::types::Date32Type;
use arrow_array::types::Date64Type;
use arrow_array::types::Decimal32Type;
use arrow_array::types::Decimal64Type;
use arrow_array::types::Decimal128Type;
use arrow_array::types::Decimal256Type;
use arrow_array::types::DecimalType;
use arrow_array::types::Float64Type;
use arrow_array::types::Int64Type;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::types::TimestampMillisecondType;
use arrow_array::types::TimestampNanosecondType;
use arrow_array::types::TimestampSecondType;
use arrow_cast::CastOptions;
use arrow_cast::cast_with_options;
use arrow_schema::DataType;
use arrow_schema::TimeUnit;
use lode_types::ColumnType;

use crate::Error;
use crate::Result;
use crate::column::MAX_KEY_BYTES;
use crate::decode::MAX_BYTES;
use crate::decode::Target;
use crate::decode::guard::invalid;
use crate::parse;
use crate::parse::Problem;

/// Integers up to here are exact as a float.
const EXACT: u64 = 1 << 53;
const MILLIS_PER_DAY: i64 = 86_400_000;
const MICROS_PER_DAY: i64 = 86_400_000_000;

/// The column type of an Arrow column; a column of nulls alone counts as text.
pub(crate) fn column_type(data_type: &DataType) -> Option<ColumnType> {
    match data_type {
        DataType::Null => Some(ColumnType::String),
        // A dictionary of dictionaries is nobody's data.
        DataType::Dictionary(_, values) if matches!(**values, DataType::Dictionary(_, _)) => None,
        _ => ColumnType::from_arrow(data_type),
    }
}

/// Whether each value of an Arrow type is, by itself, a value of the column type.
pub(super) fn is_lossless(found: &DataType, expected: ColumnType) -> bool {
    if *found == DataType::Null {
        return true;
    }
    match (column_type(found), expected) {
        (Some(ColumnType::Int64), ColumnType::Float64)
        | (Some(ColumnType::Date), ColumnType::Timestamp)
        // Each value is looked at: text is read exactly, digits that do not fit are refused.
        | (
            Some(ColumnType::Int64 | ColumnType::String | ColumnType::Decimal { .. }),
            ColumnType::Decimal { .. },
        ) => true,
        (found, expected) => found == Some(expected),
    }
}

/// The column in the target's type. `refuse` learns of each row whose value cannot be kept;
/// `text_bytes` adds up the text of the chunk, which dictionaries and views can repeat far
/// beyond the bytes they came in.
pub(super) fn convert(
    column: &ArrayRef,
    target: &Target,
    text_bytes: &mut u64,
    refuse: &mut dyn FnMut(usize, Problem),
) -> Result<ArrayRef> {
    let rows = column.len();
    let plain = match column.data_type() {
        DataType::Null => new_null_array(&target.column_type.to_arrow(), rows),
        DataType::Dictionary(_, values) => {
            if column_type(values) == Some(ColumnType::String) {
                bound(text_bytes, dictionary_bytes(column)?)?;
            }
            to_type(column, values)?
        }
        DataType::Utf8View => {
            let views = column.as_string_view();
            let len = |row| u64::from(views.views()[row] as u32);
            bound(text_bytes, (0..rows).map(len).sum())?;
            Arc::clone(column)
        }
        _ => Arc::clone(column),
    };
    let converted: ArrayRef = match target.column_type {
        ColumnType::Bool => plain,
        ColumnType::String => to_type(&plain, &DataType::Utf8)?,
        ColumnType::Int64 => to_ints(&plain, refuse)?,
        ColumnType::Float64 => Arc::new(to_floats(&plain, refuse)?),
        ColumnType::Date => Arc::new(to_dates(&plain, refuse)),
        ColumnType::Timestamp => Arc::new(to_timestamps(&plain, refuse)),
        ColumnType::Decimal { precision, scale } => to_decimals(&plain, precision, scale, refuse)?,
    };
    let converted = match target.key {
        true => check_keys(converted, refuse),
        false => converted,
    };
    if target.required && converted.null_count() > 0 {
        (0..rows)
            .filter(|&row| converted.is_null(row))
            .for_each(|row| refuse(row, Problem::Missing));
    }
    Ok(converted)
}

/// The column without the zone of its times, whose name Arrow may not know how to print.
pub(super) fn without_zone(column: &ArrayRef) -> ArrayRef {
    fn bare<T: ArrowTimestampType>(column: &ArrayRef) -> ArrayRef {
        let times = column.as_primitive::<T>().clone();
        Arc::new(times.with_timezone_opt(None::<Arc<str>>))
    }
    match column.data_type() {
        DataType::Timestamp(TimeUnit::Second, Some(_)) => bare::<TimestampSecondType>(column),
        DataType::Timestamp(TimeUnit::Millisecond, Some(_)) => {
            bare::<TimestampMillisecondType>(column)
        }
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => {
            bare::<TimestampMicrosecondType>(column)
        }
        DataType::Timestamp(TimeUnit::Nanosecond, Some(_)) => {
            bare::<TimestampNanosecondType>(column)
        }
        _ => Arc::clone(column),
    }
}

/// Makes null of empty customer ids and refuses those that are too long.
fn check_keys(column: ArrayRef, refuse: &mut dyn FnMut(usize, Problem)) -> ArrayRef {
    let ids = column.as_string::<i32>();
    let mut empty = false;
    for (row, id) in ids.iter().enumerate() {
        let Some(id) = id else { continue };
        empty |= id.is_empty();
        if id.len() > MAX_KEY_BYTES {
            refuse(row, Problem::KeyTooLong { bytes: id.len() });
        }
    }
    if !empty {
        return column;
    }
    let kept: StringArray = ids
        .iter()
        .map(|id| id.filter(|id| !id.is_empty()))
        .collect();
    Arc::new(kept)
}

fn to_type(column: &ArrayRef, data_type: &DataType) -> Result<ArrayRef> {
    let options = CastOptions {
        safe: true,
        ..CastOptions::default()
    };
    cast_with_options(column, data_type, &options)
        .map_err(|error| invalid("expected sound Arrow batches", error))
}

fn to_ints(column: &ArrayRef, refuse: &mut dyn FnMut(usize, Problem)) -> Result<ArrayRef> {
    let ints = to_type(column, &DataType::Int64)?;
    // The cast made null of what does not fit.
    if ints.null_count() > column.null_count() {
        (0..ints.len())
            .filter(|&row| ints.is_null(row) && column.is_valid(row))
            .for_each(|row| refuse(row, Problem::OutOfRange(ColumnType::Int64)));
    }
    Ok(ints)
}

fn to_floats(column: &ArrayRef, refuse: &mut dyn FnMut(usize, Problem)) -> Result<Float64Array> {
    let mut too_far = |row| refuse(row, Problem::OutOfRange(ColumnType::Float64));
    let whole = column.data_type().is_integer();
    let source = match whole {
        true => to_type(column, &DataType::Int64)?,
        false => Arc::clone(column),
    };
    if whole {
        let ints = source.as_primitive::<Int64Type>();
        for row in 0..ints.len() {
            let lost = column.is_valid(row)
                && (ints.is_null(row) || ints.value(row).unsigned_abs() > EXACT);
            if lost {
                too_far(row);
            }
        }
    }
    let floats = to_type(&source, &DataType::Float64)?;
    let floats = floats.as_primitive::<Float64Type>();
    if floats.values().iter().all(|value| value.is_finite()) {
        return Ok(floats.clone());
    }
    let mut kept = Vec::with_capacity(floats.len());
    for (row, value) in floats.iter().enumerate() {
        if value.is_some_and(f64::is_infinite) {
            too_far(row);
        }
        kept.push(value.filter(|value| value.is_finite()));
    }
    Ok(kept.into())
}

fn to_dates(column: &ArrayRef, refuse: &mut dyn FnMut(usize, Problem)) -> Date32Array {
    let mut too_far = |row| refuse(row, Problem::OutOfRange(ColumnType::Date));
    match column.data_type() {
        DataType::Date64 => map::<Date64Type, Date32Type>(column, &mut too_far, |millis| {
            parse::day_in_range(millis.div_euclid(MILLIS_PER_DAY))
        }),
        _ => map::<Date32Type, Date32Type>(column, &mut too_far, |days| {
            parse::day_in_range(days.into())
        }),
    }
}

/// The digits of each decimal, null where there is none; none within when they need more than
/// 128 bits.
fn decimal_digits(column: &ArrayRef) -> Vec<Option<Option<i128>>> {
    fn of<T: DecimalType>(
        column: &ArrayRef,
        widen: impl Fn(T::Native) -> Option<i128>,
    ) -> Vec<Option<Option<i128>>> {
        let values = column.as_primitive::<T>().iter();
        values.map(|value| value.map(&widen)).collect()
    }
    match column.data_type() {
        DataType::Decimal32(_, _) => of::<Decimal32Type>(column, |v| Some(v.into())),
        DataType::Decimal64(_, _) => of::<Decimal64Type>(column, |v| Some(v.into())),
        DataType::Decimal256(_, _) => of::<Decimal256Type>(column, |v| v.to_i128()),
        _ => of::<Decimal128Type>(column, Some),
    }
}

/// Integers, text and decimals of other widths, digit by digit.
fn to_decimals(
    column: &ArrayRef,
    precision: u8,
    scale: u8,
    refuse: &mut dyn FnMut(usize, Problem),
) -> Result<ArrayRef> {
    let same = DataType::Decimal128(precision, scale.cast_signed());
    if *column.data_type() == same {
        // What a stream says of its precision, its values may exceed.
        let values = column.as_primitive::<Decimal128Type>();
        let limit = 10_u128.pow(precision.into());
        if values
            .values()
            .iter()
            .all(|value| value.unsigned_abs() < limit)
        {
            return Ok(Arc::clone(column));
        }
    }
    let mut values = Vec::with_capacity(column.len());
    let mut keep = |row, value: Option<std::result::Result<Option<i128>, Problem>>| {
        values.push(match value {
            None => None,
            Some(Ok(value)) => value,
            Some(Err(problem)) => {
                refuse(row, problem);
                None
            }
        });
    };
    if let Some(ColumnType::Decimal { scale: from, .. }) = column_type(column.data_type()) {
        // Arrow's own casts trust the precision that a stream states, which these do not.
        let too_large = || Problem::OutOfRange(ColumnType::Decimal { precision, scale });
        for (row, digits) in decimal_digits(column).into_iter().enumerate() {
            let digits = digits.map(|digits| digits.ok_or_else(too_large));
            let value = digits.map(|digits| parse::rescale(digits?, from, precision, scale));
            keep(row, value.map(|value| value.map(Some)));
        }
    } else {
        let texts = to_type(column, &DataType::Utf8)?;
        for (row, text) in texts.as_string::<i32>().iter().enumerate() {
            let text = text.map(|text| text.as_bytes().trim_ascii());
            let text = text.filter(|text| !text.is_empty());
            keep(row, text.map(|text| parse::decimal(text, precision, scale)));
        }
    }
    let values = Decimal128Array::from(values).with_data_type(same);
    Ok(Arc::new(values))
}

fn to_timestamps(
    column: &ArrayRef,
    refuse: &mut dyn FnMut(usize, Problem),
) -> TimestampMicrosecondArray {
    let mut too_far = |row| refuse(row, Problem::OutOfRange(ColumnType::Timestamp));
    let too_far = &mut too_far;
    let scaled = |value: i64, factor: i64| {
        value
            .checked_mul(factor)
            .filter(|micros| parse::micros_in_range(*micros))
    };
    type Micros = TimestampMicrosecondType;
    let micros = match column.data_type() {
        DataType::Date32 => {
            map::<Date32Type, Micros>(column, too_far, |days| scaled(days.into(), MICROS_PER_DAY))
        }
        DataType::Date64 => {
            map::<Date64Type, Micros>(column, too_far, |millis| scaled(millis, 1000))
        }
        DataType::Timestamp(TimeUnit::Second, _) => {
            map::<TimestampSecondType, Micros>(column, too_far, |s| scaled(s, 1_000_000))
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            map::<TimestampMillisecondType, Micros>(column, too_far, |ms| scaled(ms, 1000))
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            map::<TimestampNanosecondType, Micros>(column, too_far, |ns| {
                scaled(ns.div_euclid(1000), 1)
            })
        }
        _ => map::<Micros, Micros>(column, too_far, |us| scaled(us, 1)),
    };
    micros.with_timezone("UTC")
}

/// Each value through `convert`, which must keep their order; `too_far` learns of the rows for
/// which it gives none.
fn map<From: ArrowPrimitiveType, To: ArrowPrimitiveType>(
    column: &ArrayRef,
    too_far: &mut dyn FnMut(usize),
    convert: impl Fn(From::Native) -> Option<To::Native>,
) -> PrimitiveArray<To>
where
    From::Native: Ord,
{
    let source = column.as_primitive::<From>();
    let all = source.values();
    let fits = |end: Option<&From::Native>| end.is_none_or(|end| convert(*end).is_some());
    if fits(all.iter().min()) && fits(all.iter().max()) {
        let values = all.iter().map(|value| convert(*value).unwrap_or_default());
        return PrimitiveArray::new(values.collect(), source.nulls().cloned());
    }
    let mut values = Vec::with_capacity(source.len());
    for (row, value) in source.iter().enumerate() {
        let converted = value.and_then(&convert);
        if value.is_some() && converted.is_none() {
            too_far(row);
        }
        values.push(converted);
    }
    values.into_iter().collect()
}

/// Bytes of text that a dictionary column stands for.
fn dictionary_bytes(column: &ArrayRef) -> Result<u64> {
    fn lens<O: OffsetSizeTrait>(values: &ArrayRef) -> Vec<u64> {
        let lengths = values.as_string::<O>().offsets().lengths();
        lengths.map(|len| len as u64).collect()
    }
    let dictionary = column
        .as_any_dictionary_opt()
        .ok_or_else(|| invalid("expected a dictionary", column.data_type()))?;
    let values = dictionary.values();
    let lens = match values.data_type() {
        DataType::LargeUtf8 => lens::<i64>(values),
        DataType::Utf8View => {
            let views = values.as_string_view().views();
            views.iter().map(|view| u64::from(*view as u32)).collect()
        }
        _ => lens::<i32>(values),
    };
    if lens.is_empty() {
        return Ok(0);
    }
    let keys = dictionary.normalized_keys();
    Ok(keys.into_iter().map(|key| lens[key]).sum())
}

fn bound(total: &mut u64, more: u64) -> Result<()> {
    *total = total.saturating_add(more);
    if *total > MAX_BYTES {
        return Err(Error::ChunkTooLarge {
            unit: "bytes",
            limit: MAX_BYTES,
            found: *total,
        });
    }
    Ok(())
}
