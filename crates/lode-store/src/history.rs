//! What loads wrote to a customers dataset, kept as parts in the order of commits.
//!
//! The blocks answer for the newest row of each customer; this answers for the older ones.
//! Invariant: from the version where the history begins to the newest, every row that a
//! commit merged into the blocks is in a part that a chunk record names.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use arrow_select::concat::concat_batches;
use lode_parts::Manifest;
use lode_parts::Table;
use lode_types::DatasetKind;
use lode_types::Timestamp;

use crate::Error;
use crate::Result;
use crate::catalog;
use crate::catalog::Known;
use crate::codec::Reader;
use crate::codec::Writer;
use crate::damage;
use crate::ingest::Place;
use crate::key;
use crate::kv::Read;
use crate::kv::Span;
use crate::kv::Tree;
use crate::recent;
use crate::recent::Rolled;
use crate::record::Chunk;
use crate::record::Version;
use crate::snapshot::Rows;
use crate::snapshot::open_some;
use crate::snapshot::version_record;
use crate::stage;
use crate::stage::Staged;
use crate::store::Inner;

/// Version records read at once.
const STEP: usize = 1000;

/// Rows of the history, in the order of the commits that brought them.
pub(crate) struct Piece {
    pub(crate) rows: RecordBatch,
    pub(crate) commits: Vec<Commit>,
}

/// How many rows of a piece one commit brought.
#[derive(Clone, Copy)]
pub(crate) struct Commit {
    pub(crate) version: u64,
    /// When it became visible.
    pub(crate) time: Timestamp,
    pub(crate) rows: usize,
}

/// The history of customers up to a version, and about the bytes that it takes. Of one version
/// the rows are in the order in which they came; versions may not be, since small writes are
/// gathered later.
///
/// This is where a history that was rewritten into fewer parts would be read.
pub(crate) fn pieces(
    inner: &Inner,
    dataset: u32,
    schema: &SchemaRef,
    version: u64,
) -> Result<(Vec<Piece>, u64)> {
    let trees = &inner.core().trees;
    let skip = damage::skips(&catalog::definition(trees, dataset)?);
    recent::undisturbed(trees, dataset, || {
        let mut reader = PieceReader {
            inner,
            skip,
            pieces: Vec::new(),
            bytes: 0,
        };
        reader.loads(dataset, version)?;
        reader.waiting(dataset, schema, version)?;
        Ok((reader.pieces, reader.bytes))
    })
}

struct PieceReader<'a> {
    inner: &'a Inner,
    /// Whether parts that are lost are left out.
    skip: bool,
    pieces: Vec<Piece>,
    bytes: u64,
}

impl PieceReader<'_> {
    /// What is in parts.
    fn loads(&mut self, dataset: u32, version: u64) -> Result<()> {
        let trees = &self.inner.core().trees;
        let mut span = Span::prefix(&key::versions(dataset))
            .before(&key::version(dataset, version + 1))
            .limit(STEP);
        loop {
            let pairs = trees.scan(Tree::Meta, &span)?;
            let Some((last, _)) = pairs.last() else { break };
            span = span.after(last);
            for (key, value) in &pairs {
                let record = Version::decode(value)?;
                if record.ingest == recent::PUT {
                    continue;
                }
                let version =
                    key::read_version(key).ok_or_else(|| Error::damaged("version", "a key"))?;
                let commits = match recent::rolled(trees, dataset, version)? {
                    Some(rolled) => commits_of(&rolled, version),
                    None => vec![Commit {
                        version,
                        time: record.time,
                        rows: usize::MAX,
                    }],
                };
                self.load(dataset, record.ingest, commits)?;
            }
        }
        if let Some((ingest, rolled)) = recent::roll_across(trees, dataset, version)? {
            self.load(dataset, ingest, commits_of(&rolled, version))?;
        }
        Ok(())
    }

    /// The parts of one ingest, as far as the commits go.
    fn load(&mut self, dataset: u32, ingest: u32, commits: Vec<Commit>) -> Result<()> {
        let mut files = Vec::new();
        let place = Place { dataset, ingest };
        open_some(self.inner, place, self.skip, &mut files)?;
        let mut commits = commits.into_iter();
        let mut current = commits.next();
        for file in files {
            self.bytes += file.bytes;
            for batch in Table::open(vec![file.file])?.batches() {
                let batch = batch?;
                let mut left = batch.num_rows();
                let mut of_batch = Vec::new();
                while let (Some(commit), true) = (&mut current, left > 0) {
                    let rows = commit.rows.min(left);
                    of_batch.push(Commit { rows, ..*commit });
                    left -= rows;
                    commit.rows -= rows;
                    if commit.rows == 0 {
                        current = commits.next();
                    }
                }
                self.pieces.push(Piece {
                    rows: batch.slice(0, batch.num_rows() - left),
                    commits: of_batch,
                });
            }
        }
        Ok(())
    }

    /// Small writes that are in no part yet.
    fn waiting(&mut self, dataset: u32, schema: &SchemaRef, version: u64) -> Result<()> {
        let pending = recent::pending(&self.inner.core().trees, dataset, schema, version)?;
        let commits = pending
            .iter()
            .map(|put| Commit {
                version: put.version,
                time: put.time,
                rows: put.rows.num_rows(),
            })
            .collect();
        self.bytes += pending.iter().map(|put| put.bytes).sum::<u64>();
        let rows = concat_batches(schema, pending.iter().map(|put| &put.rows))
            .map_err(|error| Error::bug(error.to_string()))?;
        self.pieces.push(Piece { rows, commits });
        Ok(())
    }
}

fn commits_of(rolled: &[Rolled], version: u64) -> Vec<Commit> {
    let seen = rolled.iter().filter(|put| put.version <= version);
    seen.map(|put| Commit {
        version: put.version,
        time: put.time,
        rows: usize::try_from(put.rows).unwrap_or(usize::MAX),
    })
    .collect()
}

/// The first version whose rows the history has; what older ones held at their time is lost.
pub(crate) fn begins(read: &dyn Read, dataset: u32) -> Result<u64> {
    match read.get(Tree::Meta, &key::history(dataset))? {
        None => Ok(0),
        Some(value) => {
            let mut read = Reader::versioned(&value, "history", 1)?;
            let version = read.int()?;
            read.end()?;
            Ok(version)
        }
    }
}

/// Begins the histories of a directory of format 1, which deleted what was merged: what the
/// blocks hold becomes the load of the newest version, dated with that version's commit. A row
/// may so seem younger than it is, never older, so that nothing is seen before it was known.
pub(crate) fn begin(inner: &Inner) -> Result<()> {
    let trees = &inner.core().trees;
    for dataset in catalog::all(trees)? {
        let known = catalog::known(trees, &dataset.id)?;
        let is_begun = trees
            .get(Tree::Meta, &key::history(known.number))?
            .is_some();
        if known.definition.kind == DatasetKind::Customers && known.head.version > 0 && !is_begun {
            begin_one(inner, &known)?;
        }
    }
    Ok(())
}

fn begin_one(inner: &Inner, known: &Known) -> Result<()> {
    let dataset = known.number;
    let version = known.head.version;
    let record = version_record(&inner.core().trees, dataset, version)?;
    let manifest = Manifest {
        format: 1,
        dataset: known.definition.id.clone(),
        kind: known.definition.kind.as_str().to_owned(),
        ingest: ingest_id(inner, dataset, record.ingest)?,
        seq: 0,
        run: None,
    };
    let schema = Arc::new(known.definition.schema.to_arrow());
    let mut rows = Rows::new(inner, dataset, record.layout, version, schema)?;
    let mut staged: Vec<Staged> = Vec::new();
    for batch in rows.by_ref() {
        let seq = staged.len() as u64;
        let manifest = Manifest {
            seq,
            run: None,
            ..manifest.clone()
        };
        let place = Place {
            dataset,
            ingest: record.ingest,
        };
        staged.push(stage::write_part(inner, place, seq, &batch, &manifest)?);
    }
    rows.check()?;
    let chunks: Vec<(Vec<u8>, Chunk)> = (0..)
        .zip(&staged)
        .map(|(seq, part)| {
            let chunk = Chunk {
                part: part.name().to_owned(),
                rows: part.rows(),
                bytes: part.bytes(),
                part_crc32c: part.crc32c(),
                chunk_crc32c: 0,
                rejected: 0,
            };
            (key::chunk(dataset, record.ingest, seq), chunk)
        })
        .collect();
    let mut marker = Writer::version(1);
    marker.int(version);
    inner.committer().run(move |txn| {
        for (key, chunk) in chunks {
            txn.put(Tree::Meta, key, chunk.encode())?;
        }
        txn.put(Tree::Meta, key::history(dataset), marker.0)
    })?;
    staged.into_iter().for_each(Staged::keep);
    Ok(())
}

/// The name of an ingest, by its number.
fn ingest_id(inner: &Inner, dataset: u32, ingest: u32) -> Result<String> {
    let prefix = key::ingest_ids(dataset);
    let pairs = inner
        .core()
        .trees
        .scan(Tree::Meta, &Span::prefix(&prefix))?;
    let found = pairs
        .iter()
        .find(|(_, value)| key::read_number(value) == Some(ingest));
    found
        .and_then(|(key, _)| String::from_utf8(key.get(prefix.len()..)?.to_vec()).ok())
        .ok_or_else(|| Error::damaged("ingest id", "none"))
}
