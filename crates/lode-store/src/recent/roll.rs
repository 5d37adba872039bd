//! Rows of small writes become a part, and versions within it stay readable.
//!
//! A roll is a commit like any other: the part is durable, then one transaction names it and
//! moves the mark behind its rows; the blocks go after that. A reader sees by the mark which
//! of the two to read.

use std::fs::File;
use std::sync::Arc;

use arrow_array::RecordBatch;
use lode_parts::Manifest;
use lode_parts::Table;
use lode_types::DatasetKind;
use lode_types::IngestId;
use lode_types::Timestamp;

use super::FORM;
use super::STEP;
use super::first;
use super::is_due;
use super::load_options;
use super::pending;
use super::waiting;
use crate::Error;
use crate::Result;
use crate::catalog;
use crate::codec::Reader;
use crate::codec::Writer;
use crate::ingest;
use crate::ingest::Place;
use crate::key;
use crate::kv::Read;
use crate::kv::Span;
use crate::kv::Tree;
use crate::kv::Txn;
use crate::long;
use crate::marker;
use crate::marker::Marker;
use crate::marker::MarkerChunk;
use crate::record::Chunk;
use crate::record::Definition;
use crate::record::Progress;
use crate::record::State;
use crate::record::Version;
use crate::stage;
use crate::store::Inner;
use crate::sweep;

/// One small write within the part that it was rolled into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rolled {
    pub(crate) version: u64,
    pub(crate) rows: u64,
    pub(crate) time: Timestamp,
}

/// Writes the rows that wait as a part and makes it the ingest of the last of their versions.
/// The caller holds the dataset's serial lock. False when nothing waited.
///
/// # Errors
/// Those of the disk; then the rows stay where they are.
pub(crate) fn roll(inner: &Inner, number: u32) -> Result<bool> {
    let trees = &inner.core().trees;
    forget_rolled(inner, number)?;
    let before = waiting(trees, number)?;
    if before.first == 0 {
        return Ok(false);
    }
    let definition = catalog::definition(trees, number)?;
    let schema = Arc::new(definition.schema.to_arrow());
    let newest = catalog::head(trees, number)?.version;
    let pending = pending(trees, number, &schema, newest)?;
    let Some(last) = pending.last().map(|rows| rows.version) else {
        return Err(Error::damaged("recent rows", "none where some wait"));
    };
    let rolled: Vec<Rolled> = pending
        .iter()
        .map(|pending| Rolled {
            version: pending.version,
            rows: pending.rows.num_rows() as u64,
            time: pending.time,
        })
        .collect();
    let bytes: u64 = pending.iter().map(|pending| pending.bytes).sum();
    let batches: Vec<RecordBatch> = pending.into_iter().map(|pending| pending.rows).collect();
    let rows = arrow_select::concat::concat_batches(&schema, &batches)
        .map_err(|error| Error::bug(error.to_string()))?;
    let id =
        IngestId::parse(format!("roll.{last}")).map_err(|error| Error::bug(error.to_string()))?;
    let ingest = inner.committer().begin(false, move |txn| {
        let mut head = catalog::head(txn, number)?;
        let ingest = head.next_ingest;
        head.next_ingest += 1;
        catalog::put_head(txn, number, &head)?;
        Ok(ingest)
    });
    let place = Place {
        dataset: number,
        ingest: ingest.wait()?,
    };
    let manifest = Manifest {
        format: 1,
        dataset: definition.id.clone(),
        kind: definition.kind.as_str().to_owned(),
        ingest: id.as_str().to_owned(),
        seq: 0,
        run: None,
    };
    let staged = stage::write_part(inner, place, 0, &rows, &manifest)?;
    let chunk = Chunk {
        part: staged.name().to_owned(),
        rows: staged.rows(),
        bytes: staged.bytes(),
        part_crc32c: staged.crc32c(),
        chunk_crc32c: 0,
        rejected: 0,
    };
    let now = inner.now();
    let marker = marker(&definition, trees, &chunk, place, id.as_str(), &rolled)?;
    marker::write(inner, number, &marker)?;
    inner.core().failpoints.pass("roll.flip");
    let is_customers = definition.kind == DatasetKind::Customers;
    let shown = inner.committer().run(move |txn| {
        let mut waiting = waiting(txn, number)?;
        let mut head = catalog::head(txn, number)?;
        if waiting.first != before.first {
            return Err(Error::bug("two rolls of one dataset at once"));
        }
        waiting.first = next_after(txn, number, last)?.unwrap_or(0);
        waiting.puts -= rolled.len() as u64;
        waiting.rows -= chunk.rows;
        waiting.bytes -= bytes;
        txn.put(Tree::Meta, key::waiting(number), waiting.encode())?;
        if !is_customers {
            head.bytes = (head.bytes + chunk.bytes).saturating_sub(bytes);
            catalog::put_head(txn, number, &head)?;
        }
        let options =
            serde_json::to_vec(&load_options()).map_err(|error| Error::bug(error.to_string()))?;
        let key = key::options(number, place.ingest);
        long::put(txn, Tree::Meta, &key, &options)?;
        let number_of = key::number(place.ingest);
        txn.put(Tree::Meta, key::ingest_id(number, &id), number_of)?;
        let progress = Progress {
            state: State::Committed,
            next_seq: 1,
            accepted: chunk.rows,
            part_bytes: chunk.bytes,
            version: last,
            end_time: Some(now),
            ..Progress::new(now)
        };
        ingest::put_progress(txn, place, &progress)?;
        let key = key::chunk(number, place.ingest, 0);
        txn.put(Tree::Meta, key, chunk.encode())?;
        let key = key::version(number, last);
        let mut version = match txn.get(Tree::Meta, &key)? {
            Some(value) => Version::decode(&value)?,
            None => return Err(Error::damaged("version", "none")),
        };
        version.ingest = place.ingest;
        txn.put(Tree::Meta, key, version.encode())?;
        let list = encode_rolled(place.ingest, &rolled);
        long::put(txn, Tree::Meta, &key::rolled(number, last), &list)?;
        staged.keep();
        Ok(())
    });
    if shown.is_err() {
        marker::remove(inner, number, last);
    }
    shown?;
    forget_rolled(inner, number)?;
    Ok(true)
}

/// Enters the record of a roll again: versions, rows and times of its small writes; none when
/// it was no roll.
pub(crate) fn enter_roll(
    txn: &mut Txn<'_>,
    number: u32,
    ingest: u32,
    puts: &[(u64, u64, i64)],
) -> Result<()> {
    let Some((last, ..)) = puts.last() else {
        return Ok(());
    };
    let rolled: Vec<Rolled> = puts
        .iter()
        .map(|&(version, rows, time)| Rolled {
            version,
            rows,
            time: Timestamp(time),
        })
        .collect();
    let list = encode_rolled(ingest, &rolled);
    long::put(txn, Tree::Meta, &key::rolled(number, *last), &list)
}

fn marker(
    definition: &Definition,
    read: &dyn Read,
    chunk: &Chunk,
    place: Place,
    id: &str,
    rolled: &[Rolled],
) -> Result<Marker> {
    let Some(last) = rolled.last() else {
        return Err(Error::bug("a roll of nothing"));
    };
    Ok(Marker {
        form: 1,
        version: last.version,
        definition: definition.clone(),
        create_time: catalog::head(read, place.dataset)?.create_time.0,
        time: last.time.0,
        ingest: place.ingest,
        ingest_id: id.to_owned(),
        options: load_options(),
        rejected: 0,
        repeated: 0,
        received_bytes: 0,
        chunks: vec![MarkerChunk {
            part: chunk.part.clone(),
            rows: chunk.rows,
            bytes: chunk.bytes,
            part_crc32c: chunk.part_crc32c,
            chunk_crc32c: 0,
            rejected: 0,
        }],
        rolled: rolled
            .iter()
            .map(|put| (put.version, put.rows, put.time.0))
            .collect(),
    })
}

/// The version of the first rows that lie behind `last`.
fn next_after(read: &dyn Read, number: u32, last: u64) -> Result<Option<u64>> {
    let span = Span::prefix(&key::recents(number))
        .from(&key::recent(number, last + 1))
        .limit(1);
    Ok(read
        .scan(Tree::Meta, &span)?
        .first()
        .and_then(|(key, _)| key::read_version(key)))
}

/// Deletes blocks whose rows are in a part; a reader knows by [`first`] that they are.
fn forget_rolled(inner: &Inner, number: u32) -> Result<()> {
    let trees = &inner.core().trees;
    let mut span = Span::prefix(&key::recents(number));
    match first(trees, number)? {
        0 => {
            // What came since the look has a version above the newest.
            let newest = catalog::head(trees, number)?.version;
            if first(trees, number)? != 0 {
                return Ok(());
            }
            span = span.before(&key::recent(number, newest + 1));
        }
        first => span = span.before(&key::recent(number, first)),
    }
    let span = span.limit(STEP);
    loop {
        let keys: Vec<Vec<u8>> = trees
            .scan(Tree::Meta, &span)?
            .into_iter()
            .map(|(key, _)| key.to_vec())
            .collect();
        if keys.is_empty() {
            return Ok(());
        }
        sweep::remove_keys(inner, Tree::Meta, keys)?;
    }
}

/// Rolls what is due, after a start.
pub(crate) fn resume(inner: &Inner) -> Result<()> {
    let trees = &inner.core().trees;
    for (key, _) in trees.scan(Tree::Meta, &Span::prefix(&key::all_waiting()))? {
        let number = key::read_dataset(&key).ok_or_else(|| Error::damaged("waiting", "a key"))?;
        // A dataset that is being deleted has no head any more.
        if trees.get(Tree::Meta, &key::head(number))?.is_some() {
            forget_rolled(inner, number)?;
            if is_due(trees, number)? {
                roll(inner, number)?;
            }
        }
    }
    Ok(())
}

/// The small writes that were rolled into the part of version `last`, in the order of its rows;
/// none when that version was made by something else.
pub(crate) fn rolled(read: &dyn Read, number: u32, last: u64) -> Result<Option<Vec<Rolled>>> {
    let bytes = long::get(read, Tree::Meta, &key::rolled(number, last))?;
    let rolled = bytes.map(|bytes| decode_rolled(&bytes)).transpose()?;
    Ok(rolled.map(|(_, rolled)| rolled))
}

/// The roll that covers `version` and goes on behind it: its ingest, and the small writes in
/// the order of their rows.
pub(crate) fn roll_across(
    read: &dyn Read,
    number: u32,
    version: u64,
) -> Result<Option<(u32, Vec<Rolled>)>> {
    let span = Span::prefix(&key::rolls(number))
        .after(&key::piece(&key::rolled(number, version), u16::MAX));
    let Some((_, bytes)) = long::scan(read, Tree::Meta, span, 1, false)?.pop() else {
        return Ok(None);
    };
    let (ingest, rolled) = decode_rolled(&bytes)?;
    let covers = rolled.first().is_some_and(|first| first.version <= version);
    Ok(covers.then_some((ingest, rolled)))
}

/// The first rows of a part: those of the small writes up to `version`.
pub(crate) fn first_rows(file: File, rolled: &[Rolled], version: u64) -> Result<Vec<RecordBatch>> {
    let mut left: u64 = rolled
        .iter()
        .filter(|put| put.version <= version)
        .map(|put| put.rows)
        .sum();
    let mut batches = Vec::new();
    for batch in Table::open(vec![file])?.batches() {
        let batch = batch?;
        let n = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(batch.num_rows());
        if n == 0 {
            break;
        }
        left -= n as u64;
        batches.push(batch.slice(0, n));
    }
    Ok(batches)
}

fn encode_rolled(ingest: u32, rolled: &[Rolled]) -> Vec<u8> {
    let mut out = Writer::version(FORM);
    out.int(u64::from(ingest));
    out.int(rolled.len() as u64);
    let (mut version, mut time) = (0, 0);
    for put in rolled {
        out.int(put.version - version);
        out.int(put.rows);
        out.signed(put.time.0.wrapping_sub(time));
        (version, time) = (put.version, put.time.0);
    }
    out.0
}

fn decode_rolled(bytes: &[u8]) -> Result<(u32, Vec<Rolled>)> {
    let mut read = Reader::versioned(bytes, "roll", FORM)?;
    let ingest = read.u32()?;
    let n = read.len()?;
    let mut rolled = Vec::new();
    let (mut version, mut time) = (0_u64, 0_i64);
    for _ in 0..n {
        version = version.saturating_add(read.int()?);
        let rows = read.int()?;
        time = time.wrapping_add(read.signed()?);
        rolled.push(Rolled {
            version,
            rows,
            time: Timestamp(time),
        });
    }
    read.end()?;
    Ok((ingest, rolled))
}
