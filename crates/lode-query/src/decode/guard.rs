//! Checks the frame of an Arrow IPC stream before Arrow's reader sees it.
//!
//! A reader takes memory by what headers claim: bodies, row counts, decompressed lengths.
//! Here every claim is held against the bytes that are there and the bounds of a chunk.
//! Values inside the buffers (offsets, UTF-8) are checked by the reader itself.

use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;

use arrow_ipc::BodyCompressionMethod;
use arrow_ipc::CompressionType;
use arrow_ipc::Message;
use arrow_ipc::MessageHeader;
use arrow_ipc::convert::fb_to_schema;
use arrow_ipc::root_as_message;
use arrow_schema::Schema;

use crate::Error;
use crate::Result;
use crate::decode::MAX_BYTES;
use crate::decode::MAX_ROWS;
use crate::decode::lz4;

/// What a sound stream holds.
pub(super) struct Outline<T> {
    /// What the caller made of the schema.
    pub(super) columns: T,
    /// Rows of all batches.
    pub(super) rows: u64,
}

/// Walks the messages of a stream; `accept` sees the schema before any batch is looked at.
pub(super) fn outline<T>(
    data: &[u8],
    accept: impl FnOnce(&Schema) -> Result<T>,
) -> Result<Outline<T>> {
    let mut rest = data;
    let mut accept = Some(accept);
    let mut columns = None;
    let (mut rows, mut bytes) = (0_u64, 0);
    while let Some(header) = next_header(&mut rest)? {
        let message =
            root_as_message(header).map_err(|error| invalid("expected an Arrow message", error))?;
        let body = usize::try_from(message.bodyLength())
            .ok()
            .and_then(|len| rest.split_at_checked(len));
        let Some((body, after)) = body else {
            return Err(invalid(
                "expected a message body within the chunk",
                format_args!("{} bytes with {} left", message.bodyLength(), rest.len()),
            ));
        };
        rest = after;
        match (message.header_type(), accept.take()) {
            (MessageHeader::Schema, Some(accept)) => {
                columns = Some(accept(&read_schema(&message)?)?);
            }
            (MessageHeader::RecordBatch, None) => {
                let batch = message
                    .header_as_record_batch()
                    .ok_or_else(|| invalid("expected a record batch", "none"))?;
                rows = rows.saturating_add(check_batch(&batch, body, &mut bytes)?);
                within("rows", MAX_ROWS, rows)?;
            }
            (MessageHeader::DictionaryBatch, None) => {
                let batch = message
                    .header_as_dictionary_batch()
                    .and_then(|dictionary| dictionary.data())
                    .ok_or_else(|| invalid("expected a dictionary", "none"))?;
                check_batch(&batch, body, &mut bytes)?;
            }
            (other, _) => {
                return Err(invalid(
                    "expected an Arrow IPC stream of one schema, then batches",
                    format_args!(
                        "a message of type {}",
                        other.variant_name().unwrap_or("unknown")
                    ),
                ));
            }
        }
    }
    if !rest.is_empty() {
        return Err(invalid(
            "expected nothing after the end of the stream",
            format_args!("{} bytes", rest.len()),
        ));
    }
    match columns {
        Some(columns) => Ok(Outline { columns, rows }),
        None => Err(invalid("expected an Arrow IPC stream", "no schema")),
    }
}

/// Runs a read of foreign bytes; a panic inside Arrow becomes an error.
pub(super) fn guarded<T>(expected: &'static str, read: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(read))
        .unwrap_or_else(|_| Err(invalid(expected, "bytes that Arrow cannot read")))
}

pub(super) fn invalid(expected: &'static str, found: impl std::fmt::Display) -> Error {
    Error::ChunkInvalid {
        expected,
        found: found.to_string(),
    }
}

/// The header of the next message; none at the end of the stream.
fn next_header<'a>(rest: &mut &'a [u8]) -> Result<Option<&'a [u8]>> {
    if rest.is_empty() {
        return Ok(None);
    }
    let cut = || {
        invalid(
            "expected an Arrow IPC stream",
            "a chunk that ends within a message",
        )
    };
    let mut len = take_u32(rest).ok_or_else(cut)?;
    if len == u32::MAX {
        len = take_u32(rest).ok_or_else(cut)?;
    }
    if len == 0 {
        return Ok(None);
    }
    let (header, after) = usize::try_from(len)
        .ok()
        .and_then(|len| rest.split_at_checked(len))
        .ok_or_else(|| {
            invalid(
                "expected an Arrow IPC stream",
                format_args!("a header of {len} bytes with {} left", rest.len()),
            )
        })?;
    *rest = after;
    Ok(Some(header))
}

fn read_schema(message: &Message<'_>) -> Result<Schema> {
    let schema = message
        .header_as_schema()
        .ok_or_else(|| invalid("expected a schema", "none"))?;
    if !schema.endianness().equals_to_target_endianness() {
        return Err(invalid("expected little-endian data", "big-endian data"));
    }
    guarded("expected a schema", || Ok(fb_to_schema(schema)))
}

fn take_u32(rest: &mut &[u8]) -> Option<u32> {
    let (first, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(u32::from_le_bytes(*first))
}

/// Bounds one batch and adds the memory it takes; gives its rows.
fn check_batch(batch: &arrow_ipc::RecordBatch<'_>, body: &[u8], bytes: &mut u64) -> Result<u64> {
    let compressed = match batch.compression() {
        None => false,
        Some(compression) => {
            let codec = compression.codec();
            if codec != CompressionType::LZ4_FRAME
                || compression.method() != BodyCompressionMethod::BUFFER
            {
                return Err(invalid(
                    "expected plain or LZ4 buffers",
                    codec.variant_name().unwrap_or("an unknown compression"),
                ));
            }
            true
        }
    };
    let rows = u64::try_from(batch.length())
        .map_err(|_| invalid("expected a count of rows", batch.length()))?;
    within("rows", MAX_ROWS, rows)?;
    for node in batch.nodes().iter().flatten() {
        if node.length() != batch.length() || !(0..=node.length()).contains(&node.null_count()) {
            return Err(invalid(
                "expected columns as long as their batch",
                format_args!(
                    "{} values and {} nulls in {rows} rows",
                    node.length(),
                    node.null_count()
                ),
            ));
        }
    }
    for buffer in batch.buffers().iter().flatten() {
        let range = (|| {
            let start = usize::try_from(buffer.offset()).ok()?;
            let len = usize::try_from(buffer.length()).ok()?;
            body.get(start..start.checked_add(len)?)
        })();
        let data = range.ok_or_else(|| {
            invalid(
                "expected a buffer within its message",
                format_args!("{} bytes at {}", buffer.length(), buffer.offset()),
            )
        })?;
        let len = match compressed {
            true => compressed_len(data)?,
            false => data.len() as u64,
        };
        *bytes = bytes.saturating_add(len);
        within("bytes", MAX_BYTES, *bytes)?;
    }
    Ok(rows)
}

/// The true size of a buffer that starts with its declared size.
fn compressed_len(data: &[u8]) -> Result<u64> {
    if data.is_empty() {
        return Ok(0);
    }
    let Some((declared, frame)) = data.split_first_chunk() else {
        return Err(invalid("expected a compressed buffer", "one cut short"));
    };
    let declared = i64::from_le_bytes(*declared);
    let len = match declared {
        0 => return Ok(0),
        // Not compressed after all.
        -1 => return Ok(frame.len() as u64),
        _ => {
            lz4::frame_len(frame).ok_or_else(|| invalid("expected an LZ4 frame", "other bytes"))?
        }
    };
    if u64::try_from(declared) != Ok(len) {
        return Err(invalid(
            "expected an LZ4 frame of its declared size",
            format_args!("{len} bytes where {declared} are declared"),
        ));
    }
    Ok(len)
}

fn within(unit: &'static str, limit: u64, found: u64) -> Result<()> {
    match found > limit {
        true => Err(Error::ChunkTooLarge { unit, limit, found }),
        false => Ok(()),
    }
}
