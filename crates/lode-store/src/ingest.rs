//! The ledger of ingests: which chunks are durable, where the source goes on, what was refused.
//!
//! Works inside the committer's transactions; files are written elsewhere. Invariant: a
//! chunk's record, the next sequence number, the source's position and the rejected rows
//! change together.

use std::collections::BTreeMap;

use lode_types::CsvOptions;
use lode_types::DatasetId;
use lode_types::IngestId;
use lode_types::Timestamp;
use serde::Deserialize;
use serde::Serialize;

use crate::Error;
use crate::Result;
use crate::catalog;
use crate::codec::Reader;
use crate::codec::Writer;
use crate::damage;
use crate::key;
use crate::kv::Read;
use crate::kv::Span;
use crate::kv::Tree;
use crate::kv::Txn;
use crate::long;
use crate::record::Chunk;
use crate::record::Doom;
use crate::record::Head;
use crate::record::Layout;
use crate::record::Progress;
use crate::record::State;
use crate::record::Version;
use crate::stage::Staged;

/// Most bytes of a client's own position in its source.
const MAX_POSITION_BYTES: usize = 2048;

/// What a bad row does to its load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BadRows {
    /// Its chunk is refused.
    Fail,
    /// It is set aside.
    Quarantine,
}

/// What is said once, when an ingest is opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IngestOptions {
    /// What a bad row does.
    pub bad_rows: BadRows,
    /// More rejected rows than these refuse a chunk.
    pub max_rejected_rows: u64,
    /// Source column to dataset column.
    pub column_mapping: BTreeMap<String, String>,
    /// How CSV chunks are read, when they are CSV.
    pub csv: Option<CsvOptions>,
}

/// The life of an ingest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IngestState {
    /// Takes chunks.
    Open,
    /// Visible.
    Committed,
    /// Dropped.
    Aborted,
}

/// A bulk load as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ingest {
    /// Its name, chosen by the client.
    pub id: IngestId,
    /// Whether it takes chunks.
    pub state: IngestState,
    /// What was said when it was opened.
    pub options: IngestOptions,
    /// The sequence number wanted next; everything below it is durable.
    pub next_seq: u64,
    /// Rows kept.
    pub accepted_rows: u64,
    /// Rows set aside.
    pub rejected_rows: u64,
    /// Of the rows kept, those equal to an earlier one of their chunk.
    pub repeated_rows: u64,
    /// After the commit to a customers dataset: rows that replaced one of the same customer,
    /// of an earlier load or of this one.
    pub replaced_rows: u64,
    /// Bytes of chunk data received.
    pub received_bytes: u64,
    /// What the client stored with the last durable chunk.
    pub source_position: Vec<u8>,
    /// The version that the commit made; 0 until then.
    pub version: u64,
    /// When it was opened.
    pub create_time: Timestamp,
    /// When it was committed or aborted.
    pub end_time: Option<Timestamp>,
}

/// A row that was not stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedRow {
    /// Its chunk; set by the store when the chunk is recorded.
    pub seq: u64,
    /// Its place in the chunk, from 0.
    pub row: u32,
    /// The offending column; empty when no one column is to blame.
    pub column: String,
    /// UPPER_SNAKE_CASE.
    pub reason: String,
    /// For people.
    pub message: String,
    /// The row as the source had it.
    pub row_json: String,
}

/// A chunk to be recorded.
#[derive(Debug)]
pub struct NewChunk {
    /// The dataset.
    pub dataset: DatasetId,
    /// The ingest.
    pub ingest: IngestId,
    /// 0, 1, 2, ... with no gap.
    pub seq: u64,
    /// Checksum of the chunk as it came.
    pub chunk_crc32c: u32,
    /// Its length as it came.
    pub chunk_bytes: u64,
    /// Its good rows; none when there is no good row.
    pub staged: Option<Staged>,
    /// Its bad rows.
    pub rejected: Vec<RejectedRow>,
    /// Of the good rows, those equal to an earlier one of the chunk.
    pub repeated_rows: u64,
    /// Kept with the chunk; at most 2,048 bytes.
    pub source_position: Vec<u8>,
}

/// What became of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// It had been recorded before, and was skipped.
    pub duplicate: bool,
    /// Rows kept.
    pub accepted_rows: u64,
    /// Rows set aside.
    pub rejected_rows: u64,
}

/// An ingest's numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) dataset: u32,
    pub(crate) ingest: u32,
}

pub(crate) fn place(read: &dyn Read, dataset: &DatasetId, id: &IngestId) -> Result<Place> {
    let number = catalog::number(read, dataset)?;
    match read.get(Tree::Meta, &key::ingest_id(number, id))? {
        Some(value) => Ok(Place {
            dataset: number,
            ingest: key::read_number(&value)
                .ok_or_else(|| Error::damaged("ingest id", "no number"))?,
        }),
        None => Err(Error::IngestNotFound {
            dataset: dataset.as_str().to_owned(),
            id: id.as_str().to_owned(),
        }),
    }
}

pub(crate) fn progress(read: &dyn Read, place: Place) -> Result<Progress> {
    match read.get(Tree::Meta, &key::ingest(place.dataset, place.ingest))? {
        Some(value) => Progress::decode(&value),
        None => Err(Error::damaged("ingest", "none")),
    }
}

pub(crate) fn put_progress(txn: &mut Txn<'_>, place: Place, progress: &Progress) -> Result<()> {
    let key = key::ingest(place.dataset, place.ingest);
    txn.put(Tree::Meta, key, progress.encode())
}

pub(crate) fn get(read: &dyn Read, dataset: &DatasetId, id: &IngestId) -> Result<Ingest> {
    let place = place(read, dataset, id)?;
    describe(read, place, id)
}

pub(crate) fn describe(read: &dyn Read, place: Place, id: &IngestId) -> Result<Ingest> {
    let progress = progress(read, place)?;
    Ok(Ingest {
        id: id.clone(),
        state: match progress.state {
            State::Open | State::Committing => IngestState::Open,
            State::Committed => IngestState::Committed,
            State::Aborted => IngestState::Aborted,
        },
        options: options(read, place)?,
        next_seq: progress.next_seq,
        accepted_rows: progress.accepted,
        rejected_rows: progress.rejected,
        repeated_rows: progress.repeated,
        replaced_rows: progress.replaced,
        received_bytes: progress.received_bytes,
        source_position: progress.source_position,
        version: progress.version,
        create_time: progress.create_time,
        end_time: progress.end_time,
    })
}

pub(crate) fn options(read: &dyn Read, place: Place) -> Result<IngestOptions> {
    let key = key::options(place.dataset, place.ingest);
    let bytes = long::get(read, Tree::Meta, &key)?
        .ok_or_else(|| Error::damaged("ingest options", "none"))?;
    serde_json::from_slice(&bytes)
        .map_err(|error| Error::damaged("ingest options", error.to_string()))
}

/// Opens an ingest, or gives it as it stands when it has the same options.
pub(crate) fn open(
    txn: &mut Txn<'_>,
    dataset: &DatasetId,
    id: &IngestId,
    wanted: &IngestOptions,
    now: Timestamp,
) -> Result<Ingest> {
    let number = catalog::number(txn, dataset)?;
    if txn.get(Tree::Meta, &key::ingest_id(number, id))?.is_some() {
        let place = place(txn, dataset, id)?;
        let found = describe(txn, place, id)?;
        return match difference(&found.options, wanted) {
            None => Ok(found),
            Some(differs) => Err(Error::IngestExists {
                id: id.as_str().to_owned(),
                differs,
            }),
        };
    }
    let mut head = catalog::head(txn, number)?;
    let place = Place {
        dataset: number,
        ingest: head.next_ingest,
    };
    head.next_ingest = head
        .next_ingest
        .checked_add(1)
        .ok_or_else(|| Error::bug("no ingest number is left"))?;
    catalog::put_head(txn, number, &head)?;
    let number = key::number(place.ingest);
    txn.put(Tree::Meta, key::ingest_id(place.dataset, id), number)?;
    put_progress(txn, place, &Progress::new(now))?;
    let options = serde_json::to_vec(wanted).map_err(|error| Error::bug(error.to_string()))?;
    let key = key::options(place.dataset, place.ingest);
    long::put(txn, Tree::Meta, &key, &options)?;
    describe(txn, place, id)
}

fn difference(one: &IngestOptions, other: &IngestOptions) -> Option<&'static str> {
    if one.bad_rows != other.bad_rows {
        Some("bad_row_policy")
    } else if one.max_rejected_rows != other.max_rejected_rows {
        Some("max_rejected_rows")
    } else if one.column_mapping != other.column_mapping {
        Some("column_mapping")
    } else if one.csv != other.csv {
        Some("csv")
    } else {
        None
    }
}

/// Records a chunk, or finds that it is one already; the file of one that is not recorded goes.
pub(crate) fn record(txn: &mut Txn<'_>, chunk: NewChunk) -> Result<(Appended, Place)> {
    let place = place(txn, &chunk.dataset, &chunk.ingest)?;
    let mut progress = progress(txn, place)?;
    let id = || chunk.ingest.as_str().to_owned();
    if progress.state == State::Aborted {
        return Err(Error::IngestAborted { id: id() });
    }
    if chunk.seq < progress.next_seq {
        let key = key::chunk(place.dataset, place.ingest, chunk.seq);
        let known = txn
            .get(Tree::Meta, &key)?
            .map(|value| Chunk::decode(&value))
            .transpose()?;
        if let Some(known) = &known
            && damage::is_lost(txn, place, chunk.seq)?
        {
            return damage::replace(txn, place, known, chunk);
        }
        let appended = Appended {
            duplicate: true,
            accepted_rows: known.as_ref().map_or(0, |chunk| chunk.rows),
            rejected_rows: known.as_ref().map_or(0, |chunk| chunk.rejected),
        };
        return Ok((appended, place));
    }
    match progress.state {
        State::Committed => return Err(Error::IngestCommitted { id: id() }),
        State::Committing => return Err(Error::IngestCommitting { id: id() }),
        State::Open | State::Aborted => {}
    }
    if chunk.seq > progress.next_seq {
        return Err(Error::ChunkOutOfOrder {
            expected: progress.next_seq,
            found: chunk.seq,
        });
    }
    if chunk.source_position.len() > MAX_POSITION_BYTES {
        return Err(Error::TooLong {
            what: "source_position",
            limit: MAX_POSITION_BYTES,
            found: chunk.source_position.len(),
        });
    }
    if !chunk.rejected.is_empty() {
        check_rejected(txn, place, &progress, &chunk.rejected)?;
    }
    for row in &chunk.rejected {
        let key = key::rejected(place.dataset, place.ingest, chunk.seq, row.row);
        long::put(txn, Tree::Meta, &key, &encode_rejected(row))?;
    }
    let rejected = chunk.rejected.len() as u64;
    let record = Chunk {
        part: chunk
            .staged
            .as_ref()
            .map_or_else(String::new, |staged| staged.name().to_owned()),
        rows: chunk.staged.as_ref().map_or(0, Staged::rows),
        bytes: chunk.staged.as_ref().map_or(0, Staged::bytes),
        part_crc32c: chunk.staged.as_ref().map_or(0, Staged::crc32c),
        chunk_crc32c: chunk.chunk_crc32c,
        rejected,
    };
    progress.next_seq += 1;
    progress.accepted += record.rows;
    progress.rejected += rejected;
    progress.repeated += chunk.repeated_rows;
    progress.received_bytes += chunk.chunk_bytes;
    progress.part_bytes += record.bytes;
    progress.source_position = chunk.source_position;
    let key = key::chunk(place.dataset, place.ingest, chunk.seq);
    txn.put(Tree::Meta, key, record.encode())?;
    put_progress(txn, place, &progress)?;
    let appended = Appended {
        duplicate: false,
        accepted_rows: record.rows,
        rejected_rows: rejected,
    };
    if let Some(staged) = chunk.staged {
        staged.keep();
    }
    Ok((appended, place))
}

fn check_rejected(
    read: &dyn Read,
    place: Place,
    progress: &Progress,
    rejected: &[RejectedRow],
) -> Result<()> {
    let options = options(read, place)?;
    if let (BadRows::Fail, Some(first)) = (options.bad_rows, rejected.first()) {
        return Err(Error::BadRow {
            row: first.row,
            column: first.column.clone(),
            reason: first.reason.clone(),
            message: first.message.clone(),
        });
    }
    let found = progress.rejected + rejected.len() as u64;
    if found > options.max_rejected_rows {
        return Err(Error::TooManyRejectedRows {
            limit: options.max_rejected_rows,
            found,
        });
    }
    Ok(())
}

/// Where an ingest stands for a commit of `chunk_count` chunks.
pub(crate) enum Ready {
    /// It was committed before, by the same or another call.
    Done,
    /// It can be committed.
    Go(Place, Progress),
}

pub(crate) fn ready(
    read: &dyn Read,
    dataset: &DatasetId,
    id: &IngestId,
    chunk_count: u64,
) -> Result<Ready> {
    let place = place(read, dataset, id)?;
    let progress = progress(read, place)?;
    let id = id.as_str().to_owned();
    match progress.state {
        State::Aborted => return Err(Error::IngestAborted { id }),
        State::Committing => return Err(Error::IngestCommitting { id }),
        State::Open | State::Committed => {}
    }
    if progress.next_seq != chunk_count {
        return Err(Error::ChunksMissing {
            expected: progress.next_seq,
            found: chunk_count,
        });
    }
    Ok(match progress.state {
        State::Committed => Ready::Done,
        _ => Ready::Go(place, progress),
    })
}

/// What a commit changes of the dataset as a whole.
pub(crate) struct Outcome {
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    pub(crate) replaced: u64,
    pub(crate) layout: Layout,
}

/// Makes an ingest visible: the next version of its dataset.
pub(crate) fn flip(
    txn: &mut Txn<'_>,
    place: Place,
    mut progress: Progress,
    mut head: Head,
    outcome: &Outcome,
    now: Timestamp,
) -> Result<u64> {
    head.version += 1;
    head.rows = outcome.rows;
    head.bytes = outcome.bytes;
    head.layout = outcome.layout;
    head.update_time = now;
    let version = Version {
        ingest: place.ingest,
        rows: outcome.rows,
        bytes: outcome.bytes,
        layout: outcome.layout,
        time: now,
    };
    progress.state = State::Committed;
    progress.replaced = outcome.replaced;
    progress.version = head.version;
    progress.end_time = Some(now);
    let key = key::version(place.dataset, head.version);
    txn.put(Tree::Meta, key, version.encode())?;
    put_progress(txn, place, &progress)?;
    catalog::put_head(txn, place.dataset, &head)?;
    Ok(head.version)
}

/// Commits an ingest whose parts become visible as they are.
pub(crate) fn commit_parts(
    txn: &mut Txn<'_>,
    dataset: &DatasetId,
    id: &IngestId,
    chunk_count: u64,
    now: Timestamp,
) -> Result<Ingest> {
    if let Ready::Go(place, progress) = ready(txn, dataset, id, chunk_count)? {
        let head = catalog::head(txn, place.dataset)?;
        let outcome = Outcome {
            rows: head.rows + progress.accepted,
            bytes: head.bytes + progress.part_bytes,
            replaced: 0,
            layout: Layout::default(),
        };
        flip(txn, place, progress, head, &outcome, now)?;
    }
    get(txn, dataset, id)
}

/// Drops an ingest; its files and rows are left to be swept. None when it was dropped before.
pub(crate) fn abort(
    txn: &mut Txn<'_>,
    dataset: &DatasetId,
    id: &IngestId,
    now: Timestamp,
) -> Result<Option<Place>> {
    let place = place(txn, dataset, id)?;
    let mut progress = progress(txn, place)?;
    let text = || id.as_str().to_owned();
    match progress.state {
        State::Aborted => return Ok(None),
        State::Committed => return Err(Error::IngestCommitted { id: text() }),
        State::Committing => return Err(Error::IngestCommitting { id: text() }),
        State::Open => {}
    }
    progress.state = State::Aborted;
    progress.end_time = Some(now);
    put_progress(txn, place, &progress)?;
    let key = key::doomed_ingest(place.dataset, place.ingest);
    txn.put(Tree::Meta, key, Doom::Aborted.encode())?;
    Ok(Some(place))
}

/// Chunks of an ingest from `from` on, at most `limit`.
pub(crate) fn chunks(
    read: &dyn Read,
    place: Place,
    from: u64,
    limit: usize,
) -> Result<Vec<(u64, Chunk)>> {
    let span = Span::prefix(&key::chunks(place.dataset, place.ingest))
        .from(&key::chunk(place.dataset, place.ingest, from))
        .limit(limit);
    let mut chunks = Vec::new();
    for (key, value) in read.scan(Tree::Meta, &span)? {
        let seq = key::read_seq(&key).ok_or_else(|| Error::damaged("chunk", "a wrong key"))?;
        chunks.push((seq, Chunk::decode(&value)?));
    }
    Ok(chunks)
}

pub(crate) fn rejected_rows(
    read: &dyn Read,
    place: Place,
    after: Option<(u64, u32)>,
    limit: usize,
) -> Result<Vec<RejectedRow>> {
    let mut span = Span::prefix(&key::rejected_rows(place.dataset, place.ingest));
    if let Some((seq, row)) = after {
        let last = key::rejected(place.dataset, place.ingest, seq, row);
        span = span.after(&key::piece(&last, u16::MAX));
    }
    long::scan(read, Tree::Meta, span, limit, false)?
        .into_iter()
        .map(|(key, bytes)| {
            let seq =
                key::read_seq(&key).ok_or_else(|| Error::damaged("rejected row", "a wrong key"))?;
            decode_rejected(seq, &bytes)
        })
        .collect()
}

fn encode_rejected(row: &RejectedRow) -> Vec<u8> {
    let mut out = Writer::version(1);
    out.int(u64::from(row.row));
    out.text(&row.column);
    out.text(&row.reason);
    out.text(&row.message);
    out.text(&row.row_json);
    out.0
}

fn decode_rejected(seq: u64, bytes: &[u8]) -> Result<RejectedRow> {
    let mut read = Reader::versioned(bytes, "rejected row", 1)?;
    let row = RejectedRow {
        seq,
        row: read.u32()?,
        column: read.text()?.to_owned(),
        reason: read.text()?.to_owned(),
        message: read.text()?.to_owned(),
        row_json: read.text()?.to_owned(),
    };
    read.end()?;
    Ok(row)
}
