//! Values of any size, cut into pieces that sled may keep.
//!
//! The first piece begins with the number of pieces (u16) and the CRC-32C of the whole (u32),
//! so that a reader who meets a rewrite half-way sees it and reads again.

use sled::IVec;

use crate::Error;
use crate::Result;
use crate::key::piece;
use crate::key::read_piece;
use crate::kv::MAX_VALUE_BYTES;
use crate::kv::Read;
use crate::kv::Span;
use crate::kv::Tree;
use crate::kv::Txn;

/// Largest long value.
pub(crate) const MAX_LONG_BYTES: usize = 64 << 20;

const HEADER: usize = 6;
/// A rewrite is over in microseconds; a mismatch that stays is damage.
const READ_ATTEMPTS: usize = 100;
const SCAN_PIECES: usize = 512;

/// Puts `bytes` under `key`, in place of what was there.
pub(crate) fn put(txn: &mut Txn<'_>, tree: Tree, key: &[u8], bytes: &[u8]) -> Result<()> {
    if bytes.len() > MAX_LONG_BYTES {
        return Err(Error::TooLong {
            what: "document",
            limit: MAX_LONG_BYTES,
            found: bytes.len(),
        });
    }
    let head = bytes.len().min(MAX_VALUE_BYTES - HEADER);
    let (first, rest) = bytes.split_at(head);
    let n = 1 + rest.len().div_ceil(MAX_VALUE_BYTES);
    let n = u16::try_from(n).map_err(|_| Error::bug("a long value of too many pieces"))?;
    let before = pieces(txn, tree, key)?;
    let mut value = Vec::with_capacity(HEADER + first.len());
    value.extend_from_slice(&n.to_be_bytes());
    value.extend_from_slice(&crc32c::crc32c(bytes).to_be_bytes());
    value.extend_from_slice(first);
    txn.put(tree, piece(key, 0), value)?;
    for (i, chunk) in (1..n).zip(rest.chunks(MAX_VALUE_BYTES)) {
        txn.put(tree, piece(key, i), chunk.to_vec())?;
    }
    for i in n..before {
        txn.remove(tree, piece(key, i));
    }
    Ok(())
}

/// Removes what is under `key`; true when there was something.
pub(crate) fn remove(txn: &mut Txn<'_>, tree: Tree, key: &[u8]) -> Result<bool> {
    let before = pieces(txn, tree, key)?;
    for i in 0..before {
        txn.remove(tree, piece(key, i));
    }
    Ok(before > 0)
}

/// What is under `key`.
pub(crate) fn get(read: &dyn Read, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>> {
    for _ in 0..READ_ATTEMPTS {
        let Some(first) = read.get(tree, &piece(key, 0))? else {
            return Ok(None);
        };
        let mut found = vec![first];
        for i in 1..count(&found[0])? {
            found.extend(read.get(tree, &piece(key, i))?);
        }
        if let Some(bytes) = assemble(&found)? {
            return Ok(Some(bytes));
        }
        std::thread::yield_now();
    }
    Err(Error::damaged("stored document", "pieces that do not fit"))
}

/// The long values within `span`, whose limit counts values and whose bounds are piece keys.
pub(crate) fn scan(
    read: &dyn Read,
    tree: Tree,
    mut span: Span,
    limit: usize,
    reverse: bool,
) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut out = Vec::new();
    let mut group: Option<(Vec<u8>, Vec<IVec>)> = None;
    span = span.limit(SCAN_PIECES).reverse(reverse);
    loop {
        let pairs = read.scan(tree, &span)?;
        let ended = pairs.len() < SCAN_PIECES;
        for (pair_key, value) in pairs {
            let (key, _) =
                read_piece(&pair_key).ok_or_else(|| Error::damaged("key", "one too short"))?;
            match &mut group {
                Some((current, values)) if current == key => values.push(value),
                _ => {
                    finish(read, tree, group.take(), reverse, &mut out)?;
                    if out.len() >= limit {
                        return Ok(out);
                    }
                    group = Some((key.to_vec(), vec![value]));
                }
            }
            span = if reverse {
                span.before(&pair_key)
            } else {
                span.after(&pair_key)
            };
        }
        if ended {
            finish(read, tree, group, reverse, &mut out)?;
            out.truncate(limit);
            return Ok(out);
        }
    }
}

fn finish(
    read: &dyn Read,
    tree: Tree,
    group: Option<(Vec<u8>, Vec<IVec>)>,
    reverse: bool,
    out: &mut Vec<(Vec<u8>, Vec<u8>)>,
) -> Result<()> {
    let Some((key, mut values)) = group else {
        return Ok(());
    };
    if reverse {
        values.reverse();
    }
    let whole = match count(&values[0]) {
        Ok(n) if usize::from(n) == values.len() => assemble(&values)?,
        _ => None,
    };
    let bytes = match whole {
        Some(bytes) => Some(bytes),
        None => get(read, tree, &key)?,
    };
    out.extend(bytes.map(|bytes| (key, bytes)));
    Ok(())
}

fn pieces(read: &dyn Read, tree: Tree, key: &[u8]) -> Result<u16> {
    match read.get(tree, &piece(key, 0))? {
        Some(first) => count(&first),
        None => Ok(0),
    }
}

fn count(first: &[u8]) -> Result<u16> {
    match first.first_chunk::<2>() {
        Some(bytes) if first.len() >= HEADER => Ok(u16::from_be_bytes(*bytes)),
        _ => Err(Error::damaged("stored document", "a piece too short")),
    }
}

/// The pieces joined, or none when they do not belong together.
fn assemble(pieces: &[IVec]) -> Result<Option<Vec<u8>>> {
    let n = usize::from(count(&pieces[0])?);
    if n != pieces.len() {
        return Ok(None);
    }
    let mut crc = [0; 4];
    crc.copy_from_slice(&pieces[0][2..HEADER]);
    let mut bytes = pieces[0][HEADER..].to_vec();
    for piece in &pieces[1..] {
        bytes.extend_from_slice(piece);
    }
    Ok((crc32c::crc32c(&bytes) == u32::from_be_bytes(crc)).then_some(bytes))
}
