//! Every key on disk is built here: big-endian numbers, a tag byte first, no personal data.
//!
//! docs/storage.md has a row for each. Invariant: keys of one kind sort in the order in which
//! they are read.

use lode_types::DatasetId;
use lode_types::IngestId;

/// Tags of the `meta` tree.
mod tag {
    pub(super) const COUNTER: u8 = 0x01;
    pub(super) const DATASET_ID: u8 = 0x02;
    pub(super) const HEAD: u8 = 0x03;
    pub(super) const DEFINITION: u8 = 0x04;
    pub(super) const INGEST_ID: u8 = 0x05;
    pub(super) const INGEST: u8 = 0x06;
    pub(super) const OPTIONS: u8 = 0x07;
    pub(super) const CHUNK: u8 = 0x08;
    pub(super) const REJECTED: u8 = 0x09;
    pub(super) const VERSION: u8 = 0x0a;
    pub(super) const INTENT: u8 = 0x0b;
    pub(super) const FILE: u8 = 0x0c;
    pub(super) const DOOMED_DATASET: u8 = 0x0d;
    pub(super) const DOOMED_INGEST: u8 = 0x0e;
    pub(super) const TOUCHED: u8 = 0x0f;
    pub(super) const RUN: u8 = 0x10;
    pub(super) const RUN_PART: u8 = 0x11;
    pub(super) const RETIRED: u8 = 0x12;
    pub(super) const COMPACTION: u8 = 0x13;
    pub(super) const RECENT: u8 = 0x18;
    pub(super) const REQUEST: u8 = 0x19;
    pub(super) const WAITING: u8 = 0x1a;
    pub(super) const REQUEST_ORDER: u8 = 0x1b;
    pub(super) const ROLLED: u8 = 0x1c;
    pub(super) const LOST_PART: u8 = 0x1d;
    pub(super) const HISTORY: u8 = 0x20;
}

/// A key under construction.
struct Key(Vec<u8>);

impl Key {
    fn new(tag: u8) -> Self {
        Self(vec![tag])
    }
    fn u8(mut self, value: u8) -> Self {
        self.0.push(value);
        self
    }
    fn u16(mut self, value: u16) -> Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }
    fn u32(mut self, value: u32) -> Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }
    fn u64(mut self, value: u64) -> Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }
    fn text(mut self, value: &str) -> Self {
        self.0.extend_from_slice(value.as_bytes());
        self
    }
}

/// The number that the next dataset gets.
pub(crate) fn dataset_counter() -> Vec<u8> {
    Key::new(tag::COUNTER).u8(0).0
}

/// How often the store was opened.
pub(crate) fn epoch() -> Vec<u8> {
    Key::new(tag::COUNTER).u8(1).0
}

/// How many groups of writes were made.
pub(crate) fn groups() -> Vec<u8> {
    Key::new(tag::COUNTER).u8(2).0
}

pub(crate) fn dataset_id(id: &DatasetId) -> Vec<u8> {
    Key::new(tag::DATASET_ID).text(id.as_str()).0
}

pub(crate) fn dataset_ids() -> Vec<u8> {
    Key::new(tag::DATASET_ID).0
}

pub(crate) fn head(dataset: u32) -> Vec<u8> {
    Key::new(tag::HEAD).u32(dataset).0
}

pub(crate) fn definition(dataset: u32) -> Vec<u8> {
    Key::new(tag::DEFINITION).u32(dataset).0
}

pub(crate) fn ingest_id(dataset: u32, id: &IngestId) -> Vec<u8> {
    Key::new(tag::INGEST_ID).u32(dataset).text(id.as_str()).0
}

pub(crate) fn ingest_ids(dataset: u32) -> Vec<u8> {
    Key::new(tag::INGEST_ID).u32(dataset).0
}

/// Where the history of a customers dataset begins.
pub(crate) fn history(dataset: u32) -> Vec<u8> {
    Key::new(tag::HISTORY).u32(dataset).0
}

pub(crate) fn ingest(dataset: u32, ingest: u32) -> Vec<u8> {
    Key::new(tag::INGEST).u32(dataset).u32(ingest).0
}

pub(crate) fn options(dataset: u32, ingest: u32) -> Vec<u8> {
    Key::new(tag::OPTIONS).u32(dataset).u32(ingest).0
}

pub(crate) fn chunk(dataset: u32, ingest: u32, seq: u64) -> Vec<u8> {
    Key::new(tag::CHUNK).u32(dataset).u32(ingest).u64(seq).0
}

pub(crate) fn chunks(dataset: u32, ingest: u32) -> Vec<u8> {
    Key::new(tag::CHUNK).u32(dataset).u32(ingest).0
}

pub(crate) fn all_chunks() -> Vec<u8> {
    Key::new(tag::CHUNK).0
}

/// A rejected row; a long value, so its pieces' number follows.
pub(crate) fn rejected(dataset: u32, ingest: u32, seq: u64, row: u32) -> Vec<u8> {
    Key::new(tag::REJECTED)
        .u32(dataset)
        .u32(ingest)
        .u64(seq)
        .u32(row)
        .0
}

pub(crate) fn rejected_rows(dataset: u32, ingest: u32) -> Vec<u8> {
    Key::new(tag::REJECTED).u32(dataset).u32(ingest).0
}

pub(crate) fn version(dataset: u32, version: u64) -> Vec<u8> {
    Key::new(tag::VERSION).u32(dataset).u64(version).0
}

pub(crate) fn versions(dataset: u32) -> Vec<u8> {
    Key::new(tag::VERSION).u32(dataset).0
}

pub(crate) fn intent(dataset: u32) -> Vec<u8> {
    Key::new(tag::INTENT).u32(dataset).0
}

pub(crate) fn intents() -> Vec<u8> {
    Key::new(tag::INTENT).0
}

pub(crate) fn file(area: u8, name: &str) -> Vec<u8> {
    Key::new(tag::FILE).u8(area).text(name).0
}

pub(crate) fn doomed_dataset(dataset: u32) -> Vec<u8> {
    Key::new(tag::DOOMED_DATASET).u32(dataset).0
}

pub(crate) fn doomed_datasets() -> Vec<u8> {
    Key::new(tag::DOOMED_DATASET).0
}

pub(crate) fn doomed_ingest(dataset: u32, ingest: u32) -> Vec<u8> {
    Key::new(tag::DOOMED_INGEST).u32(dataset).u32(ingest).0
}

pub(crate) fn doomed_ingests() -> Vec<u8> {
    Key::new(tag::DOOMED_INGEST).0
}

/// Buckets that a commit wrote, by batch.
pub(crate) fn touched(dataset: u32, version: u64, batch: u32) -> Vec<u8> {
    Key::new(tag::TOUCHED)
        .u32(dataset)
        .u64(version)
        .u32(batch)
        .0
}

pub(crate) fn touched_by(dataset: u32, version: u64) -> Vec<u8> {
    Key::new(tag::TOUCHED).u32(dataset).u64(version).0
}

pub(crate) fn touched_in(dataset: u32) -> Vec<u8> {
    Key::new(tag::TOUCHED).u32(dataset).0
}

/// The rows of one small write; a long value.
pub(crate) fn recent(dataset: u32, version: u64) -> Vec<u8> {
    Key::new(tag::RECENT).u32(dataset).u64(version).0
}

pub(crate) fn recents(dataset: u32) -> Vec<u8> {
    Key::new(tag::RECENT).u32(dataset).0
}

/// The answer to a small write.
pub(crate) fn request(dataset: u32, id: &IngestId) -> Vec<u8> {
    Key::new(tag::REQUEST).u32(dataset).text(id.as_str()).0
}

/// The answers in the order in which they are forgotten.
pub(crate) fn request_in_order(dataset: u32, number: u64) -> Vec<u8> {
    Key::new(tag::REQUEST_ORDER).u32(dataset).u64(number).0
}

/// A chunk whose part is damaged or gone.
pub(crate) fn lost_part(dataset: u32, ingest: u32, seq: u64) -> Vec<u8> {
    Key::new(tag::LOST_PART).u32(dataset).u32(ingest).u64(seq).0
}

pub(crate) fn lost_parts(dataset: u32) -> Vec<u8> {
    Key::new(tag::LOST_PART).u32(dataset).0
}

/// What waits to be rolled into a part.
pub(crate) fn waiting(dataset: u32) -> Vec<u8> {
    Key::new(tag::WAITING).u32(dataset).0
}

pub(crate) fn all_waiting() -> Vec<u8> {
    Key::new(tag::WAITING).0
}

/// The small writes that became one part, by the last of their versions; a long value.
pub(crate) fn rolled(dataset: u32, last: u64) -> Vec<u8> {
    Key::new(tag::ROLLED).u32(dataset).u64(last).0
}

pub(crate) fn rolls(dataset: u32) -> Vec<u8> {
    Key::new(tag::ROLLED).u32(dataset).0
}

/// A run of a dataset: parts that hold the rows of some versions, sorted.
pub(crate) fn run(dataset: u32, run: u32) -> Vec<u8> {
    Key::new(tag::RUN).u32(dataset).u32(run).0
}

pub(crate) fn runs(dataset: u32) -> Vec<u8> {
    Key::new(tag::RUN).u32(dataset).0
}

/// A part of a run, by its place.
pub(crate) fn run_part(dataset: u32, run: u32, part: u64) -> Vec<u8> {
    Key::new(tag::RUN_PART).u32(dataset).u32(run).u64(part).0
}

pub(crate) fn run_parts(dataset: u32, run: u32) -> Vec<u8> {
    Key::new(tag::RUN_PART).u32(dataset).u32(run).0
}

pub(crate) fn all_run_parts() -> Vec<u8> {
    Key::new(tag::RUN_PART).0
}

/// What a run stands in for, until that is freed.
pub(crate) fn retired(dataset: u32, run: u32) -> Vec<u8> {
    Key::new(tag::RETIRED).u32(dataset).u32(run).0
}

pub(crate) fn retired_of(dataset: u32) -> Vec<u8> {
    Key::new(tag::RETIRED).u32(dataset).0
}

/// What compaction has cost a dataset.
pub(crate) fn compaction(dataset: u32) -> Vec<u8> {
    Key::new(tag::COMPACTION).u32(dataset).0
}

/// Every key of the `meta` tree under which a dataset keeps something, but for its id.
pub(crate) fn of_dataset(dataset: u32) -> Vec<Vec<u8>> {
    [
        tag::DEFINITION,
        tag::INGEST_ID,
        tag::INGEST,
        tag::OPTIONS,
        tag::CHUNK,
        tag::REJECTED,
        tag::VERSION,
        tag::INTENT,
        tag::DOOMED_INGEST,
        tag::TOUCHED,
        tag::RUN,
        tag::RUN_PART,
        tag::RETIRED,
        tag::COMPACTION,
        tag::RECENT,
        tag::REQUEST,
        tag::WAITING,
        tag::REQUEST_ORDER,
        tag::ROLLED,
        tag::LOST_PART,
        tag::HISTORY,
        tag::HEAD,
    ]
    .into_iter()
    .map(|tag| Key::new(tag).u32(dataset).0)
    .collect()
}

/// A page of a bucket's block; key of the `blocks` tree.
pub(crate) fn page(dataset: u32, generation: u32, bucket: u32, commit: u64, page: u16) -> Vec<u8> {
    Key(Vec::with_capacity(22))
        .u32(dataset)
        .u32(generation)
        .u32(bucket)
        .u64(commit)
        .u16(page)
        .0
}

/// Bucket, commit and page of a key of the `blocks` tree.
pub(crate) fn read_page(key: &[u8]) -> Option<(u32, u64, u16)> {
    if key.len() != 22 {
        return None;
    }
    let bucket = u32::from_be_bytes(key[8..12].try_into().ok()?);
    let commit = u64::from_be_bytes(key[12..20].try_into().ok()?);
    let page = u16::from_be_bytes(key[20..22].try_into().ok()?);
    Some((bucket, commit, page))
}

pub(crate) fn bucket(dataset: u32, generation: u32, bucket: u32) -> Vec<u8> {
    Key(Vec::with_capacity(22))
        .u32(dataset)
        .u32(generation)
        .u32(bucket)
        .0
}

pub(crate) fn generation(dataset: u32, generation: u32) -> Vec<u8> {
    Key(Vec::with_capacity(8)).u32(dataset).u32(generation).0
}

pub(crate) fn blocks_of(dataset: u32) -> Vec<u8> {
    Key(Vec::with_capacity(4)).u32(dataset).0
}

/// A bucket of tags; key of the `tags` tree.
pub(crate) fn tags(bucket: u16) -> Vec<u8> {
    Key(Vec::with_capacity(4)).u16(bucket).0
}

/// A document's key in the `docs` tree: the caller's bytes escaped so that no key is the
/// beginning of another (00 becomes 00 ff, the end is 00 01) and the order stays.
pub(crate) fn doc(space: u8, key: &[u8]) -> Vec<u8> {
    let mut out = doc_prefix(space, key);
    out.extend_from_slice(&[0x00, 0x01]);
    out
}

/// What the keys of documents begin with whose caller's key begins with `prefix`.
pub(crate) fn doc_prefix(space: u8, prefix: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(prefix.len() + 5);
    out.push(space);
    for &byte in prefix {
        out.push(byte);
        if byte == 0 {
            out.push(0xff);
        }
    }
    out
}

/// The caller's key of a document.
pub(crate) fn read_doc(key: &[u8]) -> Option<Vec<u8>> {
    let escaped = key.get(1..)?.strip_suffix(&[0x00, 0x01])?;
    let mut out = Vec::with_capacity(escaped.len());
    let mut bytes = escaped.iter();
    while let Some(&byte) = bytes.next() {
        out.push(byte);
        if byte == 0 && bytes.next() != Some(&0xff) {
            return None;
        }
    }
    Some(out)
}

/// A piece of a long value.
pub(crate) fn piece(key: &[u8], piece: u16) -> Vec<u8> {
    let mut out = Vec::with_capacity(key.len() + 2);
    out.extend_from_slice(key);
    out.extend_from_slice(&piece.to_be_bytes());
    out
}

/// A long value's key and piece.
pub(crate) fn read_piece(key: &[u8]) -> Option<(&[u8], u16)> {
    let (key, piece) = key.split_last_chunk::<2>()?;
    Some((key, u16::from_be_bytes(*piece)))
}

/// The u32 that follows the tag byte.
pub(crate) fn read_dataset(key: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(key.get(1..5)?.try_into().ok()?))
}

/// The u32 that follows the dataset.
pub(crate) fn read_ingest(key: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(key.get(5..9)?.try_into().ok()?))
}

/// The u64 that follows dataset and ingest.
pub(crate) fn read_seq(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(key.get(9..17)?.try_into().ok()?))
}

/// The u64 that follows the dataset.
pub(crate) fn read_version(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(key.get(5..13)?.try_into().ok()?))
}

/// The first key after all that begin with `prefix`; none when there is no such key.
pub(crate) fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut out = prefix.to_vec();
    while let Some(last) = out.pop() {
        if last < 0xff {
            out.push(last + 1);
            return Some(out);
        }
    }
    None
}

/// A number as it stands in a value that is a number alone.
pub(crate) fn number(value: u32) -> Vec<u8> {
    value.to_be_bytes().to_vec()
}

pub(crate) fn read_groups(value: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(value.try_into().ok()?))
}

pub(crate) fn read_number(value: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(value.try_into().ok()?))
}
