//! Writes a packed part: columns, then the filter, then the footer with its notes.

use std::fs::File;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::RecordBatch;
use arrow_array::RecordBatchOptions;
use arrow_schema::Schema;

use super::BATCH_ROWS;
use super::CustomersNote;
use super::FORM;
use super::Note;
use super::PACKED_KEY;
use super::encode::encode;
use super::note::file_zones;
use crate::Customer;
use crate::Order;
use crate::Result;
use crate::Zone;
use crate::cells::Cells;
use crate::cells::Values;
use crate::filter;
use crate::write::IpcFile;
use crate::write::Written;
use crate::write::to_json;
use crate::zone::ZONES_KEY;

/// Writes the rows into an empty file; does not sync it. Gives length, checksum and zones.
/// They must be sorted in that order, those without a customer or a time last.
pub(crate) fn write(
    file: &File,
    schema: &Schema,
    columns: &[Cells],
    order: Order,
) -> Result<(Written, u32, Vec<Zone>)> {
    let rows = columns.first().map_or(0, Cells::len);
    let batches: Vec<Range<usize>> = (0..rows)
        .step_by(BATCH_ROWS)
        .map(|start| start..rows.min(start + BATCH_ROWS))
        .collect();
    let mut fields = Vec::with_capacity(columns.len());
    let mut notes = Vec::with_capacity(columns.len());
    let mut arrays = Vec::with_capacity(columns.len());
    for (field, cells) in schema.fields().iter().zip(columns) {
        let encoded = encode(field, cells, &batches)?;
        fields.push(encoded.field);
        notes.push(encoded.note);
        arrays.push(encoded.batches);
    }
    let stored = Arc::new(Schema::new(fields).with_metadata(schema.metadata().clone()));
    let mut ipc = IpcFile::start(file, &stored)?;
    for (batch, rows) in batches.iter().enumerate() {
        let columns: Vec<ArrayRef> = arrays.iter().map(|a| Arc::clone(&a[batch])).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&stored), columns, &options)?;
        ipc.push(&batch)?;
    }
    let customers = match order.customer.map(|column| (column, &columns[column])) {
        None => None,
        Some((column, cells)) => {
            let hashes = customers(cells);
            let bytes = filter::build(&hashes);
            let offset = ipc.raw(&bytes)?;
            Some(CustomersNote {
                column,
                time: order.time,
                distinct: hashes.len() as u64,
                offset,
                length: bytes.len() as u64,
            })
        }
    };
    let rows: Vec<usize> = batches.iter().map(ExactSizeIterator::len).collect();
    let zones = file_zones(schema, &notes, &rows);
    let note = Note {
        form: FORM,
        columns: notes,
        customers,
    };
    ipc.note(ZONES_KEY, to_json(&zones)?);
    ipc.note(PACKED_KEY, to_json(&note)?);
    let (written, crc32c) = ipc.finish()?;
    Ok((written, crc32c, zones))
}

/// The hashes of the customers of a sorted column, each once.
fn customers(cells: &Cells) -> Vec<u64> {
    let mut hashes = Vec::new();
    let mut last = None;
    for row in 0..cells.len() {
        if !cells.is_valid(row) {
            continue;
        }
        let (word, hash): (u64, &dyn Fn() -> u64) = match &cells.values {
            Values::Int(values) => {
                let value = values[row];
                (value.cast_unsigned(), &move || Customer::Int(value).hash())
            }
            Values::Text(ids, texts) => {
                let id = ids[row];
                (u64::from(id), &move || Customer::Text(texts.get(id)).hash())
            }
            _ => continue,
        };
        if last != Some(word) {
            last = Some(word);
            hashes.push(hash());
        }
    }
    hashes
}
