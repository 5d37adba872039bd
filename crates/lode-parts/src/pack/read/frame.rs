//! Where the buffers of a packed file's batches and dictionaries lie.

use super::Buffers;
use super::decode;
use crate::Error;
use crate::Result;
use arrow_buffer::Buffer;
use arrow_ipc::Block;
use arrow_ipc::RecordBatch as BatchHeader;
use arrow_ipc::root_as_message;
use arrow_schema::DataType;
use std::ops::Range;

/// Rows and buffers of a batch whose columns are stored as those types.
pub(super) fn read_batch(
    bytes: &Buffer,
    block: &Block,
    stored: &[&DataType],
) -> Result<(usize, Vec<Buffers>)> {
    let (data, meta_len, body) = message(bytes, block)?;
    let message = root_as_message(&bytes[data..data + meta_len])
        .map_err(|error| Error::damaged("a batch header", error.to_string()))?;
    let header = message
        .header_as_record_batch()
        .ok_or_else(|| Error::damaged("a batch", "none"))?;
    let rows = usize::try_from(header.length())
        .map_err(|_| Error::damaged("a count of rows", header.length().to_string()))?;
    Ok((rows, buffers(&header, stored, rows, body)?))
}

/// Where the message of a block and its body lie; the block was checked against the file.
fn message(bytes: &Buffer, block: &Block) -> Result<(usize, usize, Range<usize>)> {
    let wrong = || Error::damaged("a block within the file", "another");
    let offset = usize::try_from(block.offset()).map_err(|_| wrong())?;
    let meta = usize::try_from(block.metaDataLength()).map_err(|_| wrong())?;
    let body = usize::try_from(block.bodyLength()).map_err(|_| wrong())?;
    let end = offset
        .checked_add(meta)
        .and_then(|start| start.checked_add(body))
        .filter(|end| *end <= bytes.len() && meta >= 8)
        .ok_or_else(wrong)?;
    let start = if bytes[offset..].starts_with(&[0xff; 4]) {
        8
    } else {
        4
    };
    Ok((offset + start, meta - start, offset + meta..end))
}

fn buffers(
    header: &BatchHeader<'_>,
    stored: &[&DataType],
    rows: usize,
    body: Range<usize>,
) -> Result<Vec<Buffers>> {
    if header.compression().is_some() {
        return Err(Error::damaged("a packed part", "a compressed one"));
    }
    let (nodes, lengths) = (header.nodes(), header.buffers());
    let mut nodes = nodes.iter().flatten();
    let mut lengths = lengths.iter().flatten();
    let mut next = || {
        lengths
            .next()
            .and_then(|buffer| {
                let start = body
                    .start
                    .checked_add(usize::try_from(buffer.offset()).ok()?)?;
                let end = start.checked_add(usize::try_from(buffer.length()).ok()?)?;
                (end <= body.end).then_some(start..end)
            })
            .ok_or_else(|| Error::damaged("a buffer of each column", "none"))
    };
    stored
        .iter()
        .map(|stored| {
            let mut node = |rows: Option<usize>| {
                nodes
                    .next()
                    .filter(|node| rows.is_none() || usize::try_from(node.length()).ok() == rows)
                    .ok_or_else(|| Error::damaged(format!("a column of {rows:?} rows"), "another"))
            };
            let whole = node(Some(rows))?;
            if let DataType::RunEndEncoded(ends, values) = stored {
                let n = usize::try_from(node(None)?.length()).unwrap_or(0);
                node(Some(n))?;
                if *ends.data_type() != DataType::Int16 || values.data_type().is_nested() {
                    return Err(decode::mismatch("runs", stored));
                }
                next()?;
                let ends = next()?;
                next()?;
                return Ok(Buffers {
                    first: next()?,
                    runs: Some((ends, n)),
                    ..Buffers::default()
                });
            }
            let node = whole;
            let nulls = next()?;
            let first = next()?;
            let second = match stored {
                DataType::Utf8 => next()?,
                _ => 0..0,
            };
            Ok(Buffers {
                nulls: (node.null_count() > 0).then_some(nulls),
                first,
                second,
                runs: None,
            })
        })
        .collect()
}

/// The dictionary with that number, which must be there once.
pub(super) fn find_texts(
    bytes: &Buffer,
    dictionaries: &[Block],
    id: Option<i64>,
) -> Result<(usize, Buffers)> {
    let id = id.ok_or_else(|| Error::damaged("a dictionary's number", "none"))?;
    let mut found = None;
    for block in dictionaries {
        let (data, meta_len, body) = message(bytes, block)?;
        let message = root_as_message(&bytes[data..data + meta_len])
            .map_err(|error| Error::damaged("a dictionary", error.to_string()))?;
        let header = message
            .header_as_dictionary_batch()
            .filter(|header| !header.isDelta())
            .ok_or_else(|| Error::damaged("a whole dictionary", "another"))?;
        if header.id() != id {
            continue;
        }
        let data = header
            .data()
            .ok_or_else(|| Error::damaged("a dictionary's texts", "none"))?;
        let rows = usize::try_from(data.length())
            .map_err(|_| Error::damaged("a count of texts", data.length().to_string()))?;
        let mut texts = buffers(&data, &[&DataType::Utf8], rows, body)?;
        found = texts.pop().map(|texts| (rows, texts));
    }
    found.ok_or_else(|| Error::damaged(format!("dictionary {id}"), "none"))
}
