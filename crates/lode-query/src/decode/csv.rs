//! Reads CSV records into columns.
//!
//! Invariant: the number of a row is that of its record within the chunk, whatever became of
//! the records before it. Lines without any character are no records.

use std::borrow::Cow;

use csv::ByteRecord;

use crate::Error;
use crate::Result;
use crate::column::Builder;
use crate::decode::CsvPlan;
use crate::decode::Decoded;
use crate::decode::Decoder;
use crate::decode::reject::Rejects;
use crate::decode::repeat;
use crate::parse::Problem;

/// The byte-order mark that some programs put before the first record.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// A reader of records of any number of fields.
pub(crate) fn reader(data: &[u8], delimiter: u8) -> csv::Reader<&[u8]> {
    csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .from_reader(data.strip_prefix(BOM).unwrap_or(data))
}

/// Reads the next record; none at the end.
pub(crate) fn read(reader: &mut csv::Reader<&[u8]>, record: &mut ByteRecord) -> Result<bool> {
    reader
        .read_byte_record(record)
        .map_err(|error| Error::ChunkInvalid {
            expected: "expected CSV records",
            found: error.to_string(),
        })
}

/// Decodes a chunk of records.
pub(super) fn decode(decoder: &Decoder, plan: &CsvPlan, data: &[u8]) -> Result<Decoded> {
    // Checked once here, every field of a good chunk is known to be UTF-8.
    let utf8 = std::str::from_utf8(data).is_ok();
    let mut reader = reader(data, plan.delimiter);
    let mut record = ByteRecord::new();
    let mut builders: Vec<Builder> = Vec::new();
    let mut rejects = Rejects::default();
    let mut rows = 0;
    let mut row = 0_u32;
    while read(&mut reader, &mut record)? {
        if builders.is_empty() {
            // Each field takes a byte at least, so the columns together stay within 8 x the chunk.
            let guess = data.len() / (record.as_slice().len() + record.len()).max(1);
            let targets = plan.targets.iter().map(|&target| &decoder.targets[target]);
            builders = targets.map(|target| Builder::new(target, guess)).collect();
        }
        match push(&mut builders, &record, utf8) {
            Ok(()) => {
                rows += 1;
                if rows % 4096 == 0 {
                    decoder.check_rows(rows)?;
                }
            }
            Err((field, problem)) => {
                let len = usize::try_from(rows).unwrap_or(usize::MAX);
                builders
                    .iter_mut()
                    .for_each(|builder| builder.truncate(len));
                let column = match problem {
                    Problem::FieldCount { .. } => "",
                    _ => &decoder.targets[plan.targets[field]].name,
                };
                let found = text(record.get(field).unwrap_or_default());
                let fields = plan.header.iter().map(|name| Cow::from(name.as_str()));
                let beyond = (plan.header.len()..record.len())
                    .map(|i| Cow::from(format!("field_{}", i + 1)));
                let fields = fields
                    .chain(beyond)
                    .zip(&record)
                    .map(|(name, value)| (name, Some(text(value))));
                rejects.add(row, column, &problem, &found, fields)?;
            }
        }
        row += 1;
    }
    decoder.check_rows(rows)?;

    let mut columns = vec![None; decoder.targets.len()];
    for (builder, &target) in builders.into_iter().zip(&plan.targets) {
        let column = builder.finish().map_err(|error| Error::ChunkInvalid {
            expected: "expected UTF-8 text",
            found: error.to_string(),
        })?;
        columns[target] = Some(column);
    }
    let lacking = decoder.lacking(&columns);
    let batch = decoder.assemble(columns, usize::try_from(rows).unwrap_or(0))?;
    Ok(Decoded {
        lacking,
        repeated_rows: repeat::count(&batch),
        rejected: rejects.into_rows(),
        batch,
    })
}

/// Adds one record; on an error some builders are a row ahead.
fn push(
    builders: &mut [Builder],
    record: &ByteRecord,
    utf8: bool,
) -> std::result::Result<(), (usize, Problem)> {
    if record.len() != builders.len() {
        let problem = Problem::FieldCount {
            expected: builders.len(),
            found: record.len(),
            lines: record.as_slice().iter().filter(|b| **b == b'\n').count(),
        };
        return Err((0, problem));
    }
    for (i, (builder, field)) in builders.iter_mut().zip(record).enumerate() {
        if let Err(problem) = builder.push(field, utf8) {
            return Err((i, problem));
        }
    }
    Ok(())
}

fn text(field: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(field)
}
