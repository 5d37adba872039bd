//! Tables on the wire: a schema, then chunks that each decode alone and fit a message.

use std::sync::Arc;

use arrow_array::Array;
use arrow_array::RecordBatch;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::ArrowError;
use arrow_schema::Schema;
use lode_proto::v1;
use lode_types::Class;
use lode_types::Fault;

/// Bytes of a chunk that the engine sends; far below the 4 MiB that every client takes.
const CHUNK_BYTES: usize = 1 << 20;

/// A schema as one Arrow IPC stream without batches.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn schema_bytes(schema: &Schema) -> Result<Vec<u8>, Fault> {
    let mut writer = StreamWriter::try_new(Vec::new(), schema).map_err(|e| failed(&e))?;
    writer.finish().map_err(|e| failed(&e))?;
    writer.into_inner().map_err(|e| failed(&e))
}

/// A batch as chunks of about a megabyte.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn chunks(batch: &RecordBatch) -> Result<Vec<v1::Chunk>, Fault> {
    let rows = batch.num_rows();
    if rows == 0 {
        return Ok(Vec::new());
    }
    let bytes = sliced_bytes(batch).max(1);
    let step = (rows as u128 * CHUNK_BYTES as u128 / bytes as u128).clamp(1, rows as u128);
    let step = usize::try_from(step).unwrap_or(rows);
    let mut chunks = Vec::new();
    let mut start = 0;
    while start < rows {
        let length = step.min(rows - start);
        chunks.push(chunk(&batch.slice(start, length))?);
        start += length;
    }
    Ok(chunks)
}

/// The checksum of a chunk's bytes, refused where the chunk, which the request has at `field`, says
/// another. `words` come before what was expected, such as "chunk 3: ".
///
/// # Errors
/// `CHECKSUM_MISMATCH`.
pub(crate) fn check_sum(chunk: &v1::Chunk, field: &str, words: &str) -> Result<u32, Fault> {
    let found = crc32c::crc32c(&chunk.data);
    match chunk.crc32c.filter(|&expected| expected != found) {
        Some(expected) => Err(Fault::new(
            Class::Corrupt,
            "CHECKSUM_MISMATCH",
            format!("{words}expected CRC-32C {expected:08x}, found {found:08x}"),
        )
        .at(format!("{field}.crc32c"))),
        None => Ok(found),
    }
}

fn chunk(batch: &RecordBatch) -> Result<v1::Chunk, Fault> {
    let schema = batch.schema();
    let mut writer = StreamWriter::try_new(Vec::new(), &schema).map_err(|e| failed(&e))?;
    writer.write(batch).map_err(|e| failed(&e))?;
    writer.finish().map_err(|e| failed(&e))?;
    let data = writer.into_inner().map_err(|e| failed(&e))?;
    Ok(v1::Chunk {
        format: v1::Format::ArrowStream.into(),
        crc32c: Some(crc32c::crc32c(&data)),
        row_count: u32::try_from(batch.num_rows()).unwrap_or(0),
        data: data.into(),
    })
}

fn sliced_bytes(batch: &RecordBatch) -> usize {
    let columns = batch.columns().iter().map(Arc::as_ref);
    columns
        .map(|column: &dyn Array| {
            column
                .to_data()
                .get_slice_memory_size()
                .unwrap_or_else(|_| column.get_array_memory_size())
        })
        .sum()
}

fn failed(error: &ArrowError) -> Fault {
    Fault::new(Class::Bug, "INTERNAL", error.to_string())
}
