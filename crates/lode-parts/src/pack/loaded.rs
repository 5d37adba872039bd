//! Writes rows as they were loaded: numbers in the narrowest width, all else as it came.
//!
//! A load is durable when its bytes are on the disk, so fewer bytes are sooner durable; what
//! would take longer than it saves (dictionaries, runs, scaled floats) is left to compaction.

use std::fs::File;
use std::sync::Arc;

use arrow_array::Array;
use arrow_array::ArrayRef;
use arrow_array::PrimitiveArray;
use arrow_array::RecordBatch;
use arrow_array::RecordBatchOptions;
use arrow_array::cast::AsArray;
use arrow_array::types::ArrowPrimitiveType;
use arrow_array::types::Date32Type;
use arrow_array::types::Float64Type;
use arrow_array::types::Int64Type;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::types::UInt8Type;
use arrow_array::types::UInt16Type;
use arrow_array::types::UInt32Type;
use arrow_array::types::UInt64Type;
use arrow_schema::DataType;
use arrow_schema::Field;
use arrow_schema::Schema;
use arrow_schema::TimeUnit;

use super::Code;
use super::ColumnNote;
use super::FORM;
use super::Note;
use super::PACKED_KEY;
use super::note::file_zones;
use super::type_word;
use crate::Error;
use crate::Result;
use crate::Zone;
use crate::write::IpcFile;
use crate::write::Written;
use crate::write::to_json;
use crate::zone::ZONES_KEY;

/// Steps that times often have, in microseconds: a day, a second, a millisecond.
const STEPS: [u64; 3] = [86_400_000_000, 1_000_000, 1_000];

/// Writes batches of that schema into an empty file; does not sync it. Gives length, checksum
/// and zones.
pub(crate) fn write(
    file: &File,
    schema: &Schema,
    batches: &[RecordBatch],
) -> Result<(Written, u32, Vec<Zone>)> {
    let mut fields = Vec::with_capacity(schema.fields().len());
    let mut notes = Vec::with_capacity(fields.capacity());
    let mut columns = Vec::with_capacity(fields.capacity());
    for (i, field) in schema.fields().iter().enumerate() {
        let given: Vec<&ArrayRef> = batches.iter().map(|batch| batch.column(i)).collect();
        let column = column(field, &given)?;
        let stored = Field::new(field.name(), column.data_type, field.is_nullable());
        fields.push(stored.with_metadata(field.metadata().clone()));
        notes.push(column.note);
        columns.push(column.batches);
    }
    let stored = Arc::new(Schema::new(fields).with_metadata(schema.metadata().clone()));
    let mut ipc = IpcFile::start(file, &stored)?;
    for (i, batch) in batches.iter().enumerate() {
        let columns = columns.iter().map(|column| Arc::clone(&column[i]));
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let stored = Arc::clone(&stored);
        let batch = RecordBatch::try_new_with_options(stored, columns.collect(), &options)?;
        ipc.push(&batch)?;
    }
    let note = Note {
        form: FORM,
        columns: notes,
        customers: None,
    };
    let rows: Vec<usize> = batches.iter().map(RecordBatch::num_rows).collect();
    let zones = file_zones(schema, &note.columns, &rows);
    ipc.note(ZONES_KEY, to_json(&zones)?);
    ipc.note(PACKED_KEY, to_json(&note)?);
    let (written, crc32c) = ipc.finish()?;
    Ok((written, crc32c, zones))
}

/// A column as it is stored, batch by batch.
struct Stored {
    data_type: DataType,
    note: ColumnNote,
    batches: Vec<ArrayRef>,
}

fn column(field: &Field, given: &[&ArrayRef]) -> Result<Stored> {
    let mut note = ColumnNote {
        kind: type_word(field.data_type())?,
        code: Code::Plain,
        step: 1,
        digits: 0,
        single: false,
        min: Vec::new(),
        max: Vec::new(),
        float_min: Vec::new(),
        float_max: Vec::new(),
        nulls: given
            .iter()
            .map(|array| array.null_count() as u32)
            .collect(),
    };
    match field.data_type() {
        DataType::Int64 | DataType::Date32 | DataType::Timestamp(TimeUnit::Microsecond, _) => {
            let ints: Vec<PrimitiveArray<Int64Type>> = given
                .iter()
                .map(|array| ints(array))
                .collect::<Result<_>>()?;
            let is_time = matches!(field.data_type(), DataType::Timestamp(_, _));
            return Ok(offsets(note, &ints, is_time));
        }
        DataType::Float64 => {
            for array in given {
                let ends = float_ends(array.as_primitive::<Float64Type>());
                note.float_min.push(ends.map(|ends| ends.0));
                note.float_max.push(ends.map(|ends| ends.1));
            }
        }
        _ => {}
    }
    Ok(Stored {
        data_type: field.data_type().clone(),
        note,
        batches: given.iter().map(|array| Arc::clone(array)).collect(),
    })
}

fn ints(array: &ArrayRef) -> Result<PrimitiveArray<Int64Type>> {
    Ok(match array.data_type() {
        DataType::Int64 => array.as_primitive::<Int64Type>().clone(),
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            let times = array.as_primitive::<TimestampMicrosecondType>();
            times.reinterpret_cast::<Int64Type>()
        }
        DataType::Date32 => {
            let days = array.as_primitive::<Date32Type>();
            days.unary::<_, Int64Type>(i64::from)
        }
        other => {
            return Err(Error::SchemaDiffers {
                expected: "integers".to_owned(),
                found: other.to_string(),
            });
        }
    })
}

fn offsets(mut note: ColumnNote, ints: &[PrimitiveArray<Int64Type>], is_time: bool) -> Stored {
    let ends: Vec<Option<(i64, i64)>> = ints.iter().map(int_ends).collect();
    let steps = STEPS.iter().filter(|_| is_time);
    let fits =
        |step: &&u64| std::iter::zip(ints, &ends).all(|(ints, ends)| is_step(ints, *ends, **step));
    let step = steps.copied().find(|step| fits(&step)).unwrap_or(1);
    let widest = ends.iter().flatten();
    let widest = widest.map(|(min, max)| max.abs_diff(*min) / step).max();
    let widest = widest.unwrap_or(0);
    let bases = ends.iter().map(|ends| ends.map_or(0, |(min, _)| min));
    let pairs = std::iter::zip(ints, bases);
    macro_rules! narrow {
        ($kind:ty, $native:ty) => {
            pairs
                .map(|(ints, base)| narrow::<$kind>(ints, base, step, |offset| offset as $native))
                .collect()
        };
    }
    let (data_type, batches) = if u8::try_from(widest).is_ok() {
        (DataType::UInt8, narrow!(UInt8Type, u8))
    } else if u16::try_from(widest).is_ok() {
        (DataType::UInt16, narrow!(UInt16Type, u16))
    } else if u32::try_from(widest).is_ok() {
        (DataType::UInt32, narrow!(UInt32Type, u32))
    } else {
        (DataType::UInt64, narrow!(UInt64Type, u64))
    };
    note.code = Code::Offset;
    note.step = step;
    note.min = ends.iter().map(|ends| ends.map(|(min, _)| min)).collect();
    note.max = ends.iter().map(|ends| ends.map(|(_, max)| max)).collect();
    Stored {
        data_type,
        note,
        batches,
    }
}

/// Whether all differences to the smallest value are multiples of the step, which is one of a
/// few, so that a remainder is a multiplication.
fn is_step(ints: &PrimitiveArray<Int64Type>, ends: Option<(i64, i64)>, step: u64) -> bool {
    fn all<const STEP: u64>(ints: &PrimitiveArray<Int64Type>, base: i64) -> bool {
        let offset = |value: i64| value.wrapping_sub(base).cast_unsigned();
        match ints.nulls() {
            None => ints.values().iter().all(|value| offset(*value) % STEP == 0),
            Some(_) => ints.iter().flatten().all(|value| offset(value) % STEP == 0),
        }
    }
    let Some((base, _)) = ends else { return true };
    match step {
        86_400_000_000 => all::<86_400_000_000>(ints, base),
        1_000_000 => all::<1_000_000>(ints, base),
        1_000 => all::<1_000>(ints, base),
        _ => step == 1,
    }
}

fn narrow<T: ArrowPrimitiveType>(
    ints: &PrimitiveArray<Int64Type>,
    base: i64,
    step: u64,
    narrow: impl Fn(u64) -> T::Native + Copy,
) -> ArrayRef {
    let offset = |value: i64| value.wrapping_sub(base).cast_unsigned();
    // What stands in a place without a value is anything, and becomes anything.
    let values = ints.values().iter();
    let offsets: Vec<T::Native> = match step {
        1 => values.map(|value| narrow(offset(*value))).collect(),
        1_000_000 => values
            .map(|value| narrow(offset(*value) / 1_000_000))
            .collect(),
        step => values.map(|value| narrow(offset(*value) / step)).collect(),
    };
    Arc::new(PrimitiveArray::<T>::new(
        offsets.into(),
        ints.nulls().cloned(),
    ))
}

fn int_ends(ints: &PrimitiveArray<Int64Type>) -> Option<(i64, i64)> {
    let (mut min, mut max) = (i64::MAX, i64::MIN);
    let mut take = |value: i64| {
        min = min.min(value);
        max = max.max(value);
    };
    match ints.nulls() {
        None => ints.values().iter().for_each(|value| take(*value)),
        Some(_) => ints.iter().flatten().for_each(take),
    }
    (min <= max).then_some((min, max))
}

/// The ends of a batch's floats; none when one of them is no number that JSON has.
fn float_ends(floats: &PrimitiveArray<Float64Type>) -> Option<(f64, f64)> {
    let (mut min, mut max) = (f64::INFINITY, f64::NEG_INFINITY);
    // NaN is neither smaller nor larger than anything, and so is passed over.
    let mut take = |value: f64| {
        min = if value < min { value } else { min };
        max = if value > max { value } else { max };
    };
    match floats.nulls() {
        None => floats.values().iter().for_each(|value| take(*value)),
        Some(_) => floats.iter().flatten().for_each(take),
    }
    (min <= max && min.is_finite() && max.is_finite()).then_some((min, max))
}

#[cfg(test)]
mod tests;
