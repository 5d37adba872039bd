//! The rows that came after a version: what a reader who knows that version has yet to see.
//!
//! Loads and small writes are read from their own parts while those are there. Compaction merges
//! them with older rows and frees them later; then they cannot be told apart here, and the answer
//! is that there is none. Invariant: an answer has exactly the rows by which the two versions
//! differ.

use std::sync::Arc;

use arrow_array::RecordBatch;
use lode_parts::Strings;
use lode_parts::Table;
use lode_types::DatasetKind;

use crate::Error;
use crate::Result;
use crate::Snapshot;
use crate::ingest::Place;
use crate::key;
use crate::kv::Read;
use crate::kv::Tree;
use crate::recent;
use crate::record::Version;
use crate::runs;
use crate::runs::Tile;
use crate::snapshot::open_run;
use crate::snapshot::open_some;

impl Snapshot {
    /// Some columns, by their numbers, of the rows that commits after `version` brought: those of
    /// loads in the order of their commits, then the small writes that wait for their part. None
    /// when there are more than `most` rows, when they can no longer be told from older ones, or
    /// when the dataset is one of customers.
    ///
    /// # Errors
    /// `STORE_DAMAGED`.
    pub fn rows_since(
        &self,
        version: u64,
        columns: &[usize],
        most: u64,
    ) -> Result<Option<Vec<RecordBatch>>> {
        if version >= self.version() {
            return Ok(Some(Vec::new()));
        }
        if self.dataset().kind == DatasetKind::Customers {
            return Ok(None);
        }
        let (trees, number) = (&self.inner().core().trees, self.number());
        let Some(before) = rows_at(trees, number, version)? else {
            return Ok(None);
        };
        let expected = self.dataset().row_count.saturating_sub(before);
        if expected > most {
            return Ok(None);
        }
        let read = recent::undisturbed(trees, number, || self.since(version, columns));
        // What was freed under the reader is not there; whoever reads all of it says what is wrong.
        let Ok(batches) = read else { return Ok(None) };
        let found: u64 = batches.iter().map(|batch| batch.num_rows() as u64).sum();
        Ok((found == expected).then_some(batches))
    }

    fn since(&self, version: u64, columns: &[usize]) -> Result<Vec<RecordBatch>> {
        let (inner, dataset) = (self.inner(), self.number());
        let trees = &inner.core().trees;
        let mut since = Since {
            columns,
            batches: Vec::new(),
        };
        for tile in runs::tiles_from(trees, dataset, version + 1, self.version())? {
            match tile {
                Tile::Run(run, _) => {
                    let mut files = Vec::new();
                    open_run(inner, dataset, run, None, false, &mut files)?;
                    since.files(files, 0..u64::MAX)?;
                }
                Tile::Loads(loads) => {
                    for load in loads {
                        let ingest = load.ingest;
                        let rolled = recent::rolled(trees, dataset, load.version)?;
                        let known = rolled.map_or(0, |rolled| rows_to(&rolled, version));
                        let mut files = Vec::new();
                        open_some(inner, Place { dataset, ingest }, false, &mut files)?;
                        since.files(files, known..u64::MAX)?;
                    }
                }
            }
        }
        // Small writes up to this version whose part goes on behind it, and those without a part.
        if let Some((ingest, rolled)) = recent::roll_across(trees, dataset, self.version())? {
            let mut files = Vec::new();
            open_some(inner, Place { dataset, ingest }, false, &mut files)?;
            let range = rows_to(&rolled, version)..rows_to(&rolled, self.version());
            since.files(files, range)?;
        }
        let schema = Arc::new(self.definition().schema.to_arrow());
        let waiting = recent::pending_after(trees, dataset, &schema, version, self.version())?;
        if let Some(rows) = waiting {
            let rows = rows.project(columns);
            since
                .batches
                .push(rows.map_err(|error| Error::bug(error.to_string()))?);
        }
        Ok(since.batches)
    }
}

struct Since<'a> {
    columns: &'a [usize],
    batches: Vec<RecordBatch>,
}

impl Since<'_> {
    /// Reads a range of the rows of some files.
    fn files(&mut self, files: Vec<crate::TableFile>, wanted: std::ops::Range<u64>) -> Result<()> {
        if files.is_empty() {
            return Ok(());
        }
        let table = Table::open(files.into_iter().map(|file| file.file).collect())?;
        let mut start = 0;
        for i in 0..table.n_batches() {
            let n = table.batch_rows(i)? as u64;
            let from = wanted.start.clamp(start, start + n) - start;
            let to = wanted.end.clamp(start, start + n) - start;
            start += n;
            if from < to {
                let batch = table.batch_as(i, Some(self.columns), Strings::Plain)?;
                let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
                self.batches
                    .push(batch.slice(place(from), place(to - from)));
            }
        }
        Ok(())
    }
}

/// Rows of a part of small writes up to a version.
fn rows_to(rolled: &[recent::Rolled], version: u64) -> u64 {
    let until = rolled.iter().filter(|put| put.version <= version);
    until.map(|put| put.rows).sum()
}

/// Rows of the dataset at a version; none when nothing is known of it any more.
fn rows_at(read: &dyn Read, dataset: u32, version: u64) -> Result<Option<u64>> {
    if version == 0 {
        return Ok(Some(0));
    }
    let record = read.get(Tree::Meta, &key::version(dataset, version))?;
    record
        .map(|bytes| Ok(Version::decode(&bytes)?.rows))
        .transpose()
}
