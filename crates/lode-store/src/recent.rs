//! Small writes: a few rows at a time, durable and visible at once, exactly once.
//!
//! The rows of one call are one block in sled and one version of the dataset; a customers
//! dataset has them in its buckets too, by the same transaction. When enough of them wait
//! they are rolled into a part, which is then the ingest of the last of their versions; the
//! versions between stay readable as the first rows of that part. Invariant: a version whose
//! ingest is [`PUT`] has its rows either here or in the part of the roll that covers it.

mod record;
mod roll;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use lode_types::DatasetId;
use lode_types::DatasetKind;
use lode_types::IngestId;
use lode_types::Timestamp;

use crate::BadRows;
use crate::Error;
use crate::IngestOptions;
use crate::NewChunk;
use crate::Result;
use crate::block;
use crate::block::Decoder;
use crate::catalog;
use crate::codec::Reader;
use crate::codec::Writer;
use crate::commit;
use crate::committer::lock;
use crate::ingest;
use crate::key;
use crate::kv::Read;
use crate::kv::Span;
use crate::kv::Tree;
use crate::kv::Txn;
use crate::long;
use crate::record::Head;
use crate::record::Version;
use crate::stage;
use crate::store::Inner;
use crate::sweep;
use crate::upsert;

use record::Answer;
use record::Waiting;
pub(crate) use roll::Rolled;
pub(crate) use roll::enter_roll;
pub(crate) use roll::first_rows;
pub(crate) use roll::resume;
pub(crate) use roll::roll;
pub(crate) use roll::roll_across;
pub(crate) use roll::rolled;

/// Stands in a version's record for the ingest: its rows came by a small write.
pub(crate) const PUT: u32 = u32::MAX;

/// Most rows of one call.
pub const MAX_PUT_ROWS: usize = 10_000;
/// A call whose block is larger is a load of its own, with a part.
const MAX_BLOCK_BYTES: usize = 256 << 10;
/// Longest id of a request; room is left for what goes before it in the id of a load.
const MAX_REQUEST_BYTES: usize = 100;

/// How long the answer to a request is remembered, in microseconds: seven days.
const KEEP_MICROS: i64 = 7 * 24 * 3600 * 1_000_000;
/// How many answers of a dataset are remembered at most.
const KEEP_REQUESTS: u64 = 1_000_000;
/// Answers forgotten by each call, at most.
const FORGET: usize = 4;

/// Superseded blocks of customers are deleted once in so many versions.
const CLEAN_EVERY: u64 = 256;
/// A reader meets a roll at most so often in a row.
const READ_ATTEMPTS: usize = 100;
const STEP: usize = 1000;
const FORM: u8 = 1;

/// A few rows to be written.
#[derive(Clone, Debug)]
pub struct NewRows {
    /// The dataset.
    pub dataset: DatasetId,
    /// Chosen by the client; the same again gives the first answer. At most 100 characters.
    pub request: IngestId,
    /// The good rows, at most [`MAX_PUT_ROWS`].
    pub rows: RecordBatch,
    /// How many rows were bad; remembered for the answer.
    pub rejected_rows: u64,
}

/// What became of a few rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Put {
    /// The request had been answered before, and nothing was done.
    pub duplicate: bool,
    /// The version that shows the rows; when there was no good row, the one at that time.
    pub version: u64,
    /// Rows kept.
    pub accepted_rows: u64,
    /// Rows that were bad.
    pub rejected_rows: u64,
    /// Of a customers dataset: rows that replaced one of the same customer.
    pub replaced_rows: u64,
}

/// Rows that still lie in sled: those of one version.
pub(crate) struct Pending {
    pub(crate) version: u64,
    pub(crate) time: Timestamp,
    pub(crate) rows: RecordBatch,
    /// What they take in sled.
    pub(crate) bytes: u64,
}

enum Outcome {
    Done {
        put: Put,
        roll: bool,
        clean: bool,
    },
    /// A load is being merged into the customers.
    Busy,
    /// Too much for one transaction.
    Large,
}

pub(crate) fn put(inner: &Inner, new: NewRows) -> Result<Put> {
    if new.request.as_str().len() > MAX_REQUEST_BYTES {
        return Err(Error::TooLong {
            what: "request_id",
            limit: MAX_REQUEST_BYTES,
            found: new.request.as_str().len(),
        });
    }
    let n = new.rows.num_rows();
    if n > MAX_PUT_ROWS {
        return Err(Error::TooManyRows {
            limit: MAX_PUT_ROWS,
            found: n,
        });
    }
    let known = catalog::known(&inner.core().trees, &new.dataset)?;
    inner.touch(known.number);
    let rows = stage::conform(&known.definition, &new.rows)?;
    let bytes = Arc::new(block::encode(&rows, 0..n)?);
    loop {
        let (new, rows, bytes, now) = (new.clone(), rows.clone(), Arc::clone(&bytes), inner.now());
        let number = known.number;
        let held = inner.held();
        let outcome = inner.committer().run(move |txn| {
            if lock(&held).contains(&number) {
                return Ok(Outcome::Busy);
            }
            record(txn, &new, number, &rows, &bytes, now)
        })?;
        match outcome {
            Outcome::Done { put, roll, clean } => {
                if roll || clean {
                    tidy(inner, number, roll, clean);
                }
                return Ok(put);
            }
            Outcome::Busy => drop(lock(&inner.serial(number))),
            Outcome::Large => break,
        }
    }
    put_as_load(inner, &new, &rows, checksum(&bytes))
}

/// Work that a later call or start can do as well.
fn tidy(inner: &Inner, number: u32, roll_them: bool, clean: bool) {
    let serial = inner.serial(number);
    // Somebody else is at it, or loads.
    let Ok(_serial) = serial.try_lock() else {
        return;
    };
    let mut tidied = Ok(());
    if roll_them {
        tidied = roll(inner, number).map(|_| ());
    }
    if clean {
        tidied = tidied.and_then(|()| sweep::clean(inner, number, CLEAN_EVERY));
    }
    if let Err(error) = tidied {
        let error = lode_types::chain(&error);
        tracing::warn!(error, "tidying after small writes is left to a later one");
    }
}

fn record(
    txn: &mut Txn<'_>,
    new: &NewRows,
    number: u32,
    rows: &RecordBatch,
    bytes: &[u8],
    now: Timestamp,
) -> Result<Outcome> {
    if catalog::find(txn, &new.dataset)? != Some(number) {
        return Err(Error::DatasetNotFound {
            id: new.dataset.as_str().to_owned(),
        });
    }
    let crc = checksum(bytes);
    if let Some(put) = answered(txn, number, &new.request, crc)? {
        return Ok(Outcome::Done {
            put,
            roll: false,
            clean: false,
        });
    }
    let load = key::ingest_id(number, &load_id(&new.request)?);
    if bytes.len() > MAX_BLOCK_BYTES || txn.get(Tree::Meta, &load)?.is_some() {
        return Ok(Outcome::Large);
    }
    let mut head = catalog::head(txn, number)?;
    let mut waiting = waiting(txn, number)?;
    let mut put = Put {
        duplicate: false,
        version: head.version,
        accepted_rows: rows.num_rows() as u64,
        rejected_rows: new.rejected_rows,
        replaced_rows: 0,
    };
    let mut is_customers = false;
    if put.accepted_rows > 0 {
        let definition = catalog::definition(txn, number)?;
        is_customers = definition.kind == DatasetKind::Customers;
        if is_customers {
            if txn.get(Tree::Meta, &key::intent(number))?.is_some() {
                return Ok(Outcome::Busy);
            }
            let Some(merged) = upsert::apply(txn, number, &definition, &mut head, rows)? else {
                return Ok(Outcome::Large);
            };
            put.replaced_rows = merged;
        } else {
            head.rows += put.accepted_rows;
            head.bytes += bytes.len() as u64;
        }
        put.version = show(txn, number, &mut head, &mut waiting, put, bytes, now)?;
    }
    remember(txn, number, &mut waiting, &new.request, crc, put, now)?;
    txn.put(Tree::Meta, key::waiting(number), waiting.encode())?;
    Ok(Outcome::Done {
        put,
        roll: waiting.is_due(),
        clean: is_customers && put.version.is_multiple_of(CLEAN_EVERY),
    })
}

/// Writes the rows under the next version and makes it the newest.
fn show(
    txn: &mut Txn<'_>,
    number: u32,
    head: &mut Head,
    waiting: &mut Waiting,
    put: Put,
    bytes: &[u8],
    now: Timestamp,
) -> Result<u64> {
    head.version += 1;
    head.update_time = now;
    let version = Version {
        ingest: PUT,
        rows: head.rows,
        bytes: head.bytes,
        layout: head.layout,
        time: now,
    };
    let key = key::version(number, head.version);
    txn.put(Tree::Meta, key, version.encode())?;
    long::put(txn, Tree::Meta, &key::recent(number, head.version), bytes)?;
    catalog::put_head(txn, number, head)?;
    if waiting.first == 0 {
        waiting.first = head.version;
    }
    waiting.puts += 1;
    waiting.rows += put.accepted_rows;
    waiting.bytes += bytes.len() as u64;
    Ok(head.version)
}

/// Tells rows apart. A block ends with its own CRC, and with it the CRC of all is always the same.
fn checksum(block: &[u8]) -> u32 {
    crc32c::crc32c(&block[..block.len().saturating_sub(4)])
}

/// The rows as a load of their own, whose id follows from the request's.
fn put_as_load(inner: &Inner, new: &NewRows, rows: &RecordBatch, crc: u32) -> Result<Put> {
    let id = load_id(&new.request)?;
    let options = load_options();
    let (dataset, now) = (new.dataset.clone(), inner.now());
    let opened = {
        let (dataset, id) = (dataset.clone(), id.clone());
        inner
            .committer()
            .run(move |txn| ingest::open(txn, &dataset, &id, &options, now))?
    };
    if opened.next_seq == 0 {
        let staged = stage::write(inner, &dataset, &id, 0, rows)?;
        let chunk = NewChunk {
            dataset: dataset.clone(),
            ingest: id.clone(),
            seq: 0,
            chunk_crc32c: crc,
            chunk_bytes: staged.bytes(),
            staged: Some(staged),
            rejected: Vec::new(),
            repeated_rows: 0,
            source_position: Vec::new(),
        };
        inner
            .committer()
            .run(move |txn| ingest::record(txn, chunk))?;
    }
    let done = commit::commit(inner, &dataset, &id, 1)?;
    let put = Put {
        duplicate: false,
        version: done.version,
        accepted_rows: done.accepted_rows,
        rejected_rows: new.rejected_rows,
        replaced_rows: done.replaced_rows,
    };
    let request = new.request.clone();
    inner.committer().run(move |txn| {
        let number = catalog::number(txn, &dataset)?;
        if let Some(put) = answered(txn, number, &request, crc)? {
            return Ok(put);
        }
        let mut waiting = waiting(txn, number)?;
        remember(txn, number, &mut waiting, &request, crc, put, now)?;
        txn.put(Tree::Meta, key::waiting(number), waiting.encode())?;
        Ok(put)
    })
}

/// How a load is opened that no client opened.
fn load_options() -> IngestOptions {
    IngestOptions {
        bad_rows: BadRows::Quarantine,
        max_rejected_rows: 0,
        column_mapping: BTreeMap::new(),
        csv: None,
    }
}

fn load_id(request: &IngestId) -> Result<IngestId> {
    IngestId::parse(format!("put.{request}")).map_err(|error| Error::bug(error.to_string()))
}

/// The first answer to a request, when there was one.
fn answered(read: &dyn Read, number: u32, id: &IngestId, crc: u32) -> Result<Option<Put>> {
    let Some(value) = read.get(Tree::Meta, &key::request(number, id))? else {
        return Ok(None);
    };
    let answer = Answer::decode(&value)?;
    if answer.rows_crc32c != crc {
        return Err(Error::RequestExists {
            id: id.as_str().to_owned(),
        });
    }
    Ok(Some(Put {
        duplicate: true,
        ..answer.put
    }))
}

/// Remembers an answer, and forgets some that are old or too many.
fn remember(
    txn: &mut Txn<'_>,
    number: u32,
    waiting: &mut Waiting,
    id: &IngestId,
    crc: u32,
    put: Put,
    now: Timestamp,
) -> Result<()> {
    let answer = Answer {
        rows_crc32c: crc,
        put,
    };
    txn.put(Tree::Meta, key::request(number, id), answer.encode())?;
    let mut out = Writer::version(FORM);
    out.signed(now.0);
    out.text(id.as_str());
    txn.put(
        Tree::Meta,
        key::request_in_order(number, waiting.next_request),
        out.0,
    )?;
    waiting.next_request += 1;
    for _ in 0..FORGET {
        let at = waiting.oldest_request;
        let key = key::request_in_order(number, at);
        let Some(value) = txn.get(Tree::Meta, &key)? else {
            break;
        };
        let mut read = Reader::versioned(&value, "request", FORM)?;
        let time = read.signed()?;
        let old = now.0 - time > KEEP_MICROS;
        if !old && waiting.next_request - at <= KEEP_REQUESTS {
            break;
        }
        let id = IngestId::parse(read.text()?)
            .map_err(|error| Error::damaged("request", error.to_string()))?;
        txn.remove(Tree::Meta, key::request(number, &id));
        txn.remove(Tree::Meta, key);
        waiting.oldest_request += 1;
    }
    Ok(())
}

/// Whether so much waits that it should be rolled into a part.
pub(crate) fn is_due(read: &dyn Read, number: u32) -> Result<bool> {
    Ok(waiting(read, number)?.is_due())
}

/// The version of the oldest rows that wait, 0 when none do; changes when they are rolled.
pub(crate) fn first(read: &dyn Read, number: u32) -> Result<u64> {
    Ok(waiting(read, number)?.first)
}

/// Calls `read` until no roll came between, so that no row is seen twice or not at all.
pub(crate) fn undisturbed<T>(
    trees: &dyn Read,
    number: u32,
    mut read: impl FnMut() -> Result<T>,
) -> Result<T> {
    for _ in 0..READ_ATTEMPTS {
        let before = first(trees, number)?;
        let found = read();
        if first(trees, number)? == before {
            return found;
        }
    }
    Err(Error::bug("rolls never end"))
}

/// The rows that wait, of the versions up to `version`, in the order of the versions.
pub(crate) fn pending(
    read: &dyn Read,
    number: u32,
    schema: &SchemaRef,
    version: u64,
) -> Result<Vec<Pending>> {
    let mut pending = Vec::new();
    let first = first(read, number)?;
    if first == 0 || first > version {
        return Ok(pending);
    }
    let mut from = first;
    while from <= version {
        let page = blocks(read, number, from, version)?;
        let Some((last, _)) = page.last() else { break };
        from = last + 1;
        for (version, bytes) in page {
            let mut decoder = Decoder::new(Arc::clone(schema))?;
            decoder.push(&bytes)?;
            pending.push(Pending {
                version,
                time: version_time(read, number, version)?,
                rows: decoder.finish()?,
                bytes: bytes.len() as u64,
            });
        }
    }
    Ok(pending)
}

/// All rows that wait up to `version` as one batch; none when none do.
pub(crate) fn pending_rows(
    read: &dyn Read,
    number: u32,
    schema: &SchemaRef,
    version: u64,
) -> Result<Option<RecordBatch>> {
    pending_after(read, number, schema, 0, version)
}

/// The rows that wait, of the versions behind `after` and up to `version`.
pub(crate) fn pending_after(
    read: &dyn Read,
    number: u32,
    schema: &SchemaRef,
    after: u64,
    version: u64,
) -> Result<Option<RecordBatch>> {
    let mut from = first(read, number)?;
    if from > 0 {
        from = from.max(after + 1);
    }
    let mut decoder = Decoder::new(Arc::clone(schema))?;
    while from > 0 && from <= version {
        let page = blocks(read, number, from, version)?;
        let Some((last, _)) = page.last() else { break };
        from = last + 1;
        for (_, bytes) in page {
            decoder.push(&bytes)?;
        }
    }
    match decoder.rows() {
        0 => Ok(None),
        _ => decoder.finish().map(Some),
    }
}

fn blocks(read: &dyn Read, number: u32, from: u64, version: u64) -> Result<Vec<(u64, Vec<u8>)>> {
    let mut span = Span::prefix(&key::recents(number)).from(&key::recent(number, from));
    if let Some(after) = version.checked_add(1) {
        span = span.before(&key::recent(number, after));
    }
    long::scan(read, Tree::Meta, span, STEP, false)?
        .into_iter()
        .map(|(key, bytes)| {
            let version =
                key::read_version(&key).ok_or_else(|| Error::damaged("recent rows", "a key"))?;
            Ok((version, bytes))
        })
        .collect()
}

fn version_time(read: &dyn Read, number: u32, version: u64) -> Result<Timestamp> {
    match read.get(Tree::Meta, &key::version(number, version))? {
        Some(value) => Ok(Version::decode(&value)?.time),
        None => Err(Error::damaged("version", "none")),
    }
}

fn waiting(read: &dyn Read, number: u32) -> Result<Waiting> {
    match read.get(Tree::Meta, &key::waiting(number))? {
        Some(value) => Waiting::decode(&value),
        None => Ok(Waiting::default()),
    }
}
