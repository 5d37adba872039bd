//! What a column's note says of each batch: checked, and as zones of batches and files.

use arrow_schema::DataType;
use arrow_schema::FieldRef;
use arrow_schema::Schema;

use super::Code;
use super::ColumnNote;
use super::decode;
use crate::Bound;
use crate::Error;
use crate::Result;
use crate::Zone;

pub(crate) fn check_lists(note: &ColumnNote, batches: usize) -> Result<()> {
    let needs_base = matches!(note.code, Code::Offset | Code::Scaled);
    let wrong = |n: usize, needed: bool| n != batches && (needed || n != 0);
    if wrong(note.min.len(), needs_base)
        || wrong(note.max.len(), needs_base)
        || wrong(note.float_min.len(), false)
        || wrong(note.float_max.len(), false)
        || wrong(note.nulls.len(), true)
        || note.step == 0
        || note.digits > 4
    {
        return Err(Error::damaged(
            format!("a column's note on {batches} batches"),
            "another",
        ));
    }
    Ok(())
}

pub(crate) fn zone(
    name: &str,
    note: &ColumnNote,
    data_type: &DataType,
    batch: usize,
) -> Option<Zone> {
    let end = |ints: &[Option<i64>], floats: &[Option<f64>]| match (note.code, data_type) {
        (Code::Offset, DataType::Decimal128(_, _)) => {
            ints[batch].map(|value| Bound::Decimal(i128::from(value)))
        }
        (Code::Offset, _) => ints[batch].map(Bound::Int),
        (Code::Scaled, _) => ints[batch].map(|value| {
            let scale = decode::power_of_ten(note.digits);
            Bound::Float(decode::unscale(value as f64, scale, note.single))
        }),
        _ => floats.get(batch).copied().flatten().map(Bound::Float),
    };
    let nulls = note.nulls[batch];
    let (min, max) = match note.code {
        Code::Dictionary => return None,
        Code::Plain if *data_type != DataType::Float64 => return None,
        _ => (
            end(&note.min, &note.float_min),
            end(&note.max, &note.float_max),
        ),
    };
    Some(Zone {
        column: name.to_owned(),
        min,
        max,
        nulls: u64::from(nulls),
    })
}

/// The zones of a whole file, whose batches have so many rows.
pub(crate) fn file_zones(schema: &Schema, notes: &[ColumnNote], rows: &[usize]) -> Vec<Zone> {
    let columns = std::iter::zip(schema.fields(), notes);
    let whole = |(field, note): (&FieldRef, &ColumnNote)| {
        let mut nulls = 0;
        let mut whole: Option<Zone> = None;
        for (batch, rows) in rows.iter().enumerate() {
            let zone = zone(field.name(), note, field.data_type(), batch)?;
            nulls += zone.nulls;
            if zone.nulls == *rows as u64 {
                continue;
            }
            match &mut whole {
                None => whole = Some(zone),
                Some(whole) => whole.widen(&zone),
            }
        }
        let none = || Zone {
            column: field.name().clone(),
            min: None,
            max: None,
            nulls: 0,
        };
        Some(Zone {
            nulls,
            ..whole.unwrap_or_else(none)
        })
    };
    columns.filter_map(whole).collect()
}
