//! Parts that are not what was written: named, set aside, and remembered until they are back.
//!
//! A read that meets one fails and says which part of which dataset it is and how many rows
//! are gone, since a number that is silently too small is worse than none. Where the owner
//! says so, by the label [`LABEL`] on the dataset, reads go on without the rows. A client that
//! still has the source sends the same chunk of the same load again; then nothing is missing.

use std::fs::File;
use std::path::Path;

use lode_types::Timestamp;

use crate::Appended;
use crate::Error;
use crate::NewChunk;
use crate::Result;
use crate::catalog;
use crate::codec::Reader;
use crate::codec::Writer;
use crate::ingest::Place;
use crate::key;
use crate::kv::Read;
use crate::kv::Span;
use crate::kv::Tree;
use crate::kv::Txn;
use crate::record::Chunk;
use crate::record::Definition;
use crate::store::Inner;
use crate::sweep;

/// The label by whose value [`SKIP`] reads of a dataset go on without lost parts.
const LABEL: &str = "damaged-parts";
/// See [`LABEL`].
const SKIP: &str = "skip";

const FORM: u8 = 1;

/// Whether reads of a dataset go on without lost parts.
pub(crate) fn skips(definition: &Definition) -> bool {
    definition
        .labels
        .get(LABEL)
        .is_some_and(|value| value == SKIP)
}

/// A part that is gone or damaged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostPart {
    /// Its name; a damaged one lies in `aside` under its dataset's number and this.
    pub part: String,
    /// The number of the load that wrote it, within its dataset, or of the sorted run.
    pub ingest: u32,
    /// That load's id, under which the chunk is taken again; empty for a run.
    pub load: String,
    /// The chunk that it held.
    pub seq: u64,
    /// Rows that are not there.
    pub rows: u64,
    /// What was found in its place.
    pub found: String,
    /// When it was found.
    pub time: Timestamp,
}

/// Opens the part of a chunk; all of it is checked when this process has not done so before.
/// One that is not what was written is set aside and remembered.
pub(crate) fn open_part(inner: &Inner, place: Place, seq: u64, chunk: &Chunk) -> Result<File> {
    let path = inner.home().parts_of(place.dataset).join(&chunk.part);
    let file = match File::open(&path) {
        Ok(file) => file,
        // A part that was compacted and freed since has no record any more.
        Err(error)
            if error.kind() == std::io::ErrorKind::NotFound
                && is_recorded(&inner.core().trees, place, seq)? =>
        {
            return Err(lost(inner, place, seq, chunk, "no file".to_owned()));
        }
        Err(error) => return Err(Error::io(format!("open part {}", chunk.part))(error)),
    };
    let id = (place.dataset, place.ingest, seq);
    if !inner.verified().contains(id) {
        match lode_parts::check(&file, chunk.bytes, chunk.part_crc32c) {
            Ok(()) => {
                inner.verified().insert(id);
                found_again(inner, place, seq);
            }
            Err(lode_parts::Error::Damaged { found, .. }) => {
                set_aside(inner, place, &path, &chunk.part);
                return Err(lost(inner, place, seq, chunk, found));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(file)
}

/// The parts of a dataset that are lost, in the order of loads and chunks.
pub(crate) fn of_dataset(read: &dyn Read, dataset: u32) -> Result<Vec<LostPart>> {
    let mut lost = read
        .scan(Tree::Meta, &Span::prefix(&key::lost_parts(dataset)))?
        .into_iter()
        .map(|(key, value)| {
            let wrong = || Error::damaged("lost part", "a key");
            let ingest = key::read_ingest(&key).ok_or_else(wrong)?;
            decode(&value, ingest, key::read_seq(&key).ok_or_else(wrong)?)
        })
        .collect::<Result<Vec<_>>>()?;
    if lost.is_empty() {
        return Ok(lost);
    }
    let prefix = key::ingest_ids(dataset);
    for (key, value) in read.scan(Tree::Meta, &Span::prefix(&prefix))? {
        let number = key::read_number(&value);
        for part in lost.iter_mut().filter(|part| Some(part.ingest) == number) {
            part.load = String::from_utf8_lossy(&key[prefix.len()..]).into_owned();
        }
    }
    Ok(lost)
}

/// Whether the part of a chunk is lost, so that the chunk may come again.
pub(crate) fn is_lost(read: &dyn Read, place: Place, seq: u64) -> Result<bool> {
    let key = key::lost_part(place.dataset, place.ingest, seq);
    Ok(read.get(Tree::Meta, &key)?.is_some())
}

/// Takes a chunk whose part is lost a second time; nothing else of its load changes.
pub(crate) fn replace(
    txn: &mut Txn<'_>,
    place: Place,
    known: &Chunk,
    chunk: NewChunk,
) -> Result<(Appended, Place)> {
    let (Some(staged), true) = (chunk.staged, chunk.chunk_crc32c == known.chunk_crc32c) else {
        return Err(Error::ChunkDiffers {
            seq: chunk.seq,
            expected: known.chunk_crc32c,
            found: chunk.chunk_crc32c,
        });
    };
    let record = Chunk {
        part: staged.name().to_owned(),
        bytes: staged.bytes(),
        part_crc32c: staged.crc32c(),
        ..known.clone()
    };
    let key = key::chunk(place.dataset, place.ingest, chunk.seq);
    txn.put(Tree::Meta, key, record.encode())?;
    let key = key::lost_part(place.dataset, place.ingest, chunk.seq);
    txn.remove(Tree::Meta, key);
    staged.keep();
    let appended = Appended {
        duplicate: false,
        accepted_rows: known.rows,
        rejected_rows: known.rejected,
    };
    Ok((appended, place))
}

fn is_recorded(read: &dyn Read, place: Place, seq: u64) -> Result<bool> {
    let chunk = key::chunk(place.dataset, place.ingest, seq);
    let part = key::run_part(place.dataset, place.ingest, seq);
    Ok(read.get(Tree::Meta, &chunk)?.is_some() || read.get(Tree::Meta, &part)?.is_some())
}

fn set_aside(inner: &Inner, place: Place, path: &Path, part: &str) {
    if let Err(error) = inner
        .home()
        .set_aside(path, &format!("{:08x}-{part}", place.dataset))
    {
        // It stays where it is; reads fail or skip it all the same.
        tracing::warn!(error = %lode_types::chain(&error), part, "could not set a part aside");
    }
}

fn lost(inner: &Inner, place: Place, seq: u64, chunk: &Chunk, found: String) -> Error {
    let dataset = match catalog::definition(&inner.core().trees, place.dataset) {
        Ok(definition) => definition.id,
        Err(_) => format!("number {}", place.dataset),
    };
    tracing::error!(
        dataset,
        part = chunk.part,
        rows = chunk.rows,
        found,
        "a part is damaged or missing"
    );
    let mut out = Writer::version(FORM);
    out.text(&chunk.part);
    out.int(chunk.rows);
    out.signed(inner.now().0);
    out.text(&found);
    let key = key::lost_part(place.dataset, place.ingest, seq);
    let known = inner.core().trees.get(Tree::Meta, &key);
    if matches!(known, Ok(None)) {
        let pending = inner
            .committer()
            .begin(false, move |txn| txn.put(Tree::Meta, key, out.0));
        if let Err(error) = pending.wait() {
            tracing::warn!(error = %lode_types::chain(&error), "a lost part is not remembered");
        }
    }
    let run = key::run_part(place.dataset, place.ingest, seq);
    let is_run = matches!(inner.core().trees.get(Tree::Meta, &run), Ok(Some(_)));
    Error::PartDamaged {
        dataset,
        part: chunk.part.clone(),
        rows: chunk.rows,
        found,
        mend: match is_run {
            true => "compaction made it, so load its rows into another dataset",
            false => "send the same chunk of its load again",
        },
    }
}

/// Forgets that a part was lost which is there again.
fn found_again(inner: &Inner, place: Place, seq: u64) {
    if !matches!(is_lost(&inner.core().trees, place, seq), Ok(true)) {
        return;
    }
    let key = key::lost_part(place.dataset, place.ingest, seq);
    if let Err(error) = sweep::remove_keys(inner, Tree::Meta, vec![key]) {
        tracing::warn!(error = %lode_types::chain(&error), "a part that is back still counts as lost");
    }
}

fn decode(bytes: &[u8], ingest: u32, seq: u64) -> Result<LostPart> {
    let mut read = Reader::versioned(bytes, "lost part", FORM)?;
    let lost = LostPart {
        part: read.text()?.to_owned(),
        ingest,
        load: String::new(),
        seq,
        rows: read.int()?,
        time: Timestamp(read.signed()?),
        found: read.text()?.to_owned(),
    };
    read.end()?;
    Ok(lost)
}
