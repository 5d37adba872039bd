//! The commit of a customers dataset: chunks of rows become buckets of columnar blocks.
//!
//! New rows are sorted by (hash, arrival) and merged, stretch by stretch of the hash, with
//! the rows that are there; each touched bucket gets a new block under the commit's number.
//! When buckets grow past their target everything is laid out anew under another generation
//! with more buckets. Invariant: until the version flips nothing of this can be seen, and the
//! intent, made first, tells a later start what to delete.

use std::fs::File;
use std::sync::Arc;

use arrow_array::Array;
use arrow_array::ArrayRef;
use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use arrow_select::interleave::interleave;
use lode_parts::Table;
use lode_types::Role;

use crate::Error;
use crate::Result;
use crate::block;
use crate::bucket::Blocks;
use crate::bucket::Ids;
use crate::bucket::block as stored_block;
use crate::bucket::bucket_of;
use crate::committer::Committer;
use crate::committer::Core;
use crate::committer::Pending;
use crate::key;
use crate::kv::MAX_VALUE_BYTES;
use crate::kv::Tree;
use crate::record::Definition;
use crate::record::Head;
use crate::record::Layout;
use crate::record::Touched;

/// A bucket's mean size past which everything is laid out anew, and the most it then has.
const MAX_MEAN_BYTES: u64 = 3000;
const NEW_MEAN_BYTES: u64 = 1600;
/// Rows that are encoded to learn how large rows are.
const SAMPLE_ROWS: usize = 2048;
/// Roughly what is merged at once.
const STRETCH_BYTES: u64 = 4 << 20;
/// Fewer touched buckets of a stretch than these are read one by one.
const POINT_READS: usize = 32;
const BATCH_BYTES: usize = 1 << 20;
/// Batches that may be under way to the committer.
const IN_FLIGHT: usize = 2;

/// A commit about to be merged.
pub(crate) struct Merge<'a> {
    pub(crate) core: &'a Core,
    pub(crate) committer: &'a Committer,
    pub(crate) dataset: u32,
    pub(crate) head: &'a Head,
    /// The version to be.
    pub(crate) version: u64,
    schema: SchemaRef,
    key_column: usize,
    batches: Vec<RecordBatch>,
    /// Hash, batch and row of each new row, sorted.
    order: Vec<(u64, u32, u32)>,
}

/// What a merge came to.
#[derive(Debug, Default)]
pub(crate) struct Merged {
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    pub(crate) replaced: u64,
    pub(crate) blocks: u64,
}

impl<'a> Merge<'a> {
    /// Maps the chunks and sorts their rows by hash.
    pub(crate) fn new(
        core: &'a Core,
        committer: &'a Committer,
        dataset: u32,
        definition: &Definition,
        head: &'a Head,
        files: Vec<File>,
    ) -> Result<Self> {
        let schema = Arc::new(definition.schema.to_arrow());
        let key_column = key_column(definition)?;
        let mut batches = Vec::new();
        for file in files {
            for batch in Table::open(vec![file])?.batches() {
                batches.push(batch?);
            }
        }
        let rows = batches.iter().map(RecordBatch::num_rows).sum();
        let mut order = Vec::with_capacity(rows);
        for (i, batch) in (0..).zip(&batches) {
            let hashes = Ids::new(batch, key_column).hashes()?;
            order.extend((0..).zip(hashes).map(|(row, hash)| (hash, i, row)));
        }
        order.sort_unstable();
        Ok(Self {
            core,
            committer,
            dataset,
            head,
            version: head.version + 1,
            schema,
            key_column,
            batches,
            order,
        })
    }

    /// The layout that the dataset should have afterwards.
    pub(crate) fn plan(&self) -> Result<Layout> {
        let Some(sample) = self.batches.iter().find(|batch| batch.num_rows() > 0) else {
            return Ok(self.head.layout);
        };
        let n = sample.num_rows().min(SAMPLE_ROWS);
        let new_rows = self.order.len() as u64;
        let new_bytes = block::encode(sample, 0..n)?.len() as u64 * new_rows / n as u64;
        Ok(plan(self.head, new_rows, new_bytes))
    }

    /// Writes the blocks of the version to be under layout `after`.
    pub(crate) fn run(&self, after: Layout) -> Result<Merged> {
        let before = self.head.layout;
        let relayout = after.generation != before.generation;
        let mut merged = Merged {
            rows: self.head.rows,
            bytes: if relayout { 0 } else { self.head.bytes },
            ..Merged::default()
        };
        let mut out = Output::new(self, after, relayout);
        let stretch_bits = self.stretch_bits(after);
        let mut from = 0;
        for stretch in 0..1u64 << stretch_bits {
            let hashes = self.order[from..]
                .iter()
                .take_while(|(hash, _, _)| u64::from(bucket_of(*hash, stretch_bits)) == stretch)
                .count();
            let new = &self.order[from..from + hashes];
            from += hashes;
            if new.is_empty() && !relayout {
                continue;
            }
            self.merge_stretch(new, stretch, stretch_bits, after, &mut out, &mut merged)?;
        }
        out.finish()?;
        merged.blocks = out.blocks;
        Ok(merged)
    }

    /// Into how many stretches, as a power of two, the hash is cut.
    fn stretch_bits(&self, after: Layout) -> u8 {
        let per_row = self
            .head
            .bytes
            .checked_div(self.head.rows)
            .unwrap_or(0)
            .max(64);
        let total = self.head.bytes + self.order.len() as u64 * per_row;
        let mut bits = 0;
        while bits < after.bits && total >> bits > STRETCH_BYTES {
            bits += 1;
        }
        bits
    }

    fn merge_stretch(
        &self,
        new: &[(u64, u32, u32)],
        stretch: u64,
        stretch_bits: u8,
        after: Layout,
        out: &mut Output<'_>,
        merged: &mut Merged,
    ) -> Result<()> {
        let relayout = after.generation != self.head.layout.generation;
        let old = self.old_rows(new, stretch, stretch_bits, relayout, merged)?;
        let chosen = self.choose(&old, new, stretch, stretch_bits, merged)?;
        let Some(rows) = self.gather(&old.batch, &chosen)? else {
            return Ok(());
        };
        let mut start = 0;
        while start < chosen.len() {
            let bucket = bucket_of(chosen[start].hash, after.bits);
            let n = chosen[start..]
                .iter()
                .take_while(|row| bucket_of(row.hash, after.bits) == bucket)
                .count();
            let block = block::encode(&rows, start..start + n)?;
            merged.bytes += block.len() as u64;
            let before = old
                .stored
                .binary_search_by_key(&bucket, |stored| stored.bucket);
            let before = before.ok().filter(|_| !relayout).map(|at| &old.stored[at]);
            out.push(bucket, &block, before)?;
            start += n;
        }
        Ok(())
    }

    /// The rows of the buckets of a stretch that the commit touches; all when laid out anew.
    fn old_rows(
        &self,
        new: &[(u64, u32, u32)],
        stretch: u64,
        stretch_bits: u8,
        relayout: bool,
        merged: &mut Merged,
    ) -> Result<Old> {
        let layout = self.head.layout;
        let mut decoder = block::Decoder::new(Arc::clone(&self.schema))?;
        let mut stored_at = Vec::new();
        if self.head.rows > 0 {
            let mut touched: Vec<u32> = new.iter().map(|r| bucket_of(r.0, layout.bits)).collect();
            touched.dedup();
            let trees = &self.core.trees;
            let version = self.head.version;
            let mut take = |stored: crate::bucket::Stored| -> Result<()> {
                let bytes = stored.bytes();
                decoder.push(&bytes)?;
                if !relayout {
                    merged.bytes -= bytes.len() as u64;
                }
                stored_at.push(StoredAt {
                    bucket: stored.bucket,
                    commit: stored.commit,
                    pages: stored.pages(),
                });
                Ok(())
            };
            if !relayout && touched.len() < POINT_READS {
                for bucket in touched {
                    let stored = stored_block(trees, self.dataset, layout, version, bucket)?;
                    stored.map(&mut take).transpose()?;
                }
            } else {
                let (first, last) = bucket_range(stretch, stretch_bits, layout.bits);
                for stored in Blocks::new(trees, self.dataset, layout, version, first, last) {
                    let stored = stored?;
                    if relayout || touched.binary_search(&stored.bucket).is_ok() {
                        take(stored)?;
                    }
                }
            }
        }
        let batch = decoder.finish()?;
        let hashes = Ids::new(&batch, self.key_column).hashes()?;
        Ok(Old {
            batch,
            hashes,
            stored: stored_at,
        })
    }

    /// The rows that stay, in the order of (hash, id); the last row of an id wins.
    fn choose(
        &self,
        old: &Old,
        new: &[(u64, u32, u32)],
        stretch: u64,
        stretch_bits: u8,
        merged: &mut Merged,
    ) -> Result<Vec<Chosen>> {
        let old_ids = Ids::new(&old.batch, self.key_column);
        // With fewer old buckets than stretches a block holds rows of other stretches too.
        let mine = |hash: &u64| u64::from(bucket_of(*hash, stretch_bits)) == stretch;
        let start = old.hashes.iter().take_while(|hash| !mine(hash)).count();
        let end = start + old.hashes[start..].iter().take_while(|h| mine(h)).count();
        let mut old_at = start;
        let mut chosen = Vec::with_capacity(end - start + new.len());
        let mut new_at = 0;
        while old_at < end || new_at < new.len() {
            let next_old = (old_at < end).then(|| old.hashes[old_at]);
            let next_new = new.get(new_at).map(|row| row.0);
            let hash = match (next_old, next_new) {
                (Some(a), Some(b)) => a.min(b),
                (Some(hash), None) | (None, Some(hash)) => hash,
                (None, None) => break,
            };
            if next_new != Some(hash) {
                chosen.push(Chosen {
                    hash,
                    source: 0,
                    row: old_at,
                });
                old_at += 1;
                continue;
            }
            let n_new = new[new_at..].iter().take_while(|r| r.0 == hash).count();
            let n_old = old.hashes[old_at..end]
                .iter()
                .take_while(|h| **h == hash)
                .count();
            if n_new == 1 && n_old == 0 {
                // The common case of a first load needs no texts.
                let (_, batch, row) = new[new_at];
                chosen.push(Chosen::new_row(hash, batch, row));
                merged.rows += 1;
            } else {
                let mut rows: Vec<(String, Chosen)> = Vec::with_capacity(n_old + n_new);
                for row in old_at..old_at + n_old {
                    let kept = Chosen {
                        hash,
                        source: 0,
                        row,
                    };
                    rows.push((old_ids.text(row)?, kept));
                }
                for &(_, batch, row) in &new[new_at..new_at + n_new] {
                    let ids = Ids::new(&self.batches[batch as usize], self.key_column);
                    let id = ids.text(row as usize)?;
                    let next = Chosen::new_row(hash, batch, row);
                    match rows.iter_mut().find(|(known, _)| *known == id) {
                        Some((_, kept)) => {
                            *kept = next;
                            merged.replaced += 1;
                        }
                        None => {
                            rows.push((id, next));
                            merged.rows += 1;
                        }
                    }
                }
                rows.sort_unstable_by(|a, b| a.0.cmp(&b.0));
                chosen.extend(rows.into_iter().map(|(_, row)| row));
            }
            old_at += n_old;
            new_at += n_new;
        }
        Ok(chosen)
    }

    /// The chosen rows as one batch.
    fn gather(&self, old: &RecordBatch, chosen: &[Chosen]) -> Result<Option<RecordBatch>> {
        if chosen.is_empty() {
            return Ok(None);
        }
        let at: Vec<(usize, usize)> = chosen.iter().map(|row| (row.source, row.row)).collect();
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.schema.fields().len());
        for i in 0..self.schema.fields().len() {
            let mut sources: Vec<&dyn Array> = Vec::with_capacity(1 + self.batches.len());
            sources.push(old.column(i));
            sources.extend(self.batches.iter().map(|batch| batch.column(i).as_ref()));
            columns.push(interleave(&sources, &at).map_err(|error| Error::bug(error.to_string()))?);
        }
        RecordBatch::try_new(Arc::clone(&self.schema), columns)
            .map(Some)
            .map_err(|error| Error::bug(error.to_string()))
    }
}

/// The layout that a dataset should have once it has so many rows and bytes more.
pub(crate) fn plan(head: &Head, new_rows: u64, new_bytes: u64) -> Layout {
    let before = head.layout;
    let total = head.bytes + new_bytes;
    let is_first = head.bytes == 0;
    if !is_first && total >> before.bits <= MAX_MEAN_BYTES {
        return before;
    }
    let rows = head.rows + new_rows;
    let mut bits = before.bits;
    while bits < 32 && total >> bits > NEW_MEAN_BYTES && rows >> bits > 1 {
        bits += 1;
    }
    if !is_first && bits == before.bits {
        return before;
    }
    Layout {
        generation: before.generation + 1,
        bits,
    }
}

/// The place of the customer id among the columns.
pub(crate) fn key_column(definition: &Definition) -> Result<usize> {
    definition
        .schema
        .columns()
        .iter()
        .position(|column| column.role == Some(Role::CustomerId))
        .ok_or(Error::NoKeyColumn)
}

/// The buckets of `bits` bits that overlap a stretch.
fn bucket_range(stretch: u64, stretch_bits: u8, bits: u8) -> (u32, u32) {
    let clip = |bucket: u64| u32::try_from(bucket).unwrap_or(u32::MAX);
    if bits >= stretch_bits {
        let more = bits - stretch_bits;
        (clip(stretch << more), clip(((stretch + 1) << more) - 1))
    } else {
        let bucket = clip(stretch >> (stretch_bits - bits));
        (bucket, bucket)
    }
}

struct Old {
    batch: RecordBatch,
    hashes: Vec<u64>,
    stored: Vec<StoredAt>,
}

struct StoredAt {
    bucket: u32,
    commit: u64,
    pages: u16,
}

/// A row that stays: of the old rows (source 0) or of new batch `source - 1`.
struct Chosen {
    hash: u64,
    source: usize,
    row: usize,
}

impl Chosen {
    fn new_row(hash: u64, batch: u32, row: u32) -> Self {
        Self {
            hash,
            source: 1 + batch as usize,
            row: row as usize,
        }
    }
}

/// Blocks on their way to the committer, in bounded batches.
struct Output<'a> {
    core: &'a Core,
    committer: &'a Committer,
    dataset: u32,
    version: u64,
    layout: Layout,
    relayout: bool,
    pages: Vec<(Vec<u8>, Vec<u8>)>,
    bytes: usize,
    touched: Vec<Touched>,
    batch: u32,
    pending: std::collections::VecDeque<Pending<()>>,
    blocks: u64,
}

impl<'a> Output<'a> {
    fn new(merge: &Merge<'a>, layout: Layout, relayout: bool) -> Self {
        Self {
            core: merge.core,
            committer: merge.committer,
            dataset: merge.dataset,
            version: merge.version,
            layout,
            relayout,
            pages: Vec::new(),
            bytes: 0,
            touched: Vec::new(),
            batch: 0,
            pending: std::collections::VecDeque::new(),
            blocks: 0,
        }
    }

    fn push(&mut self, bucket: u32, block: &[u8], before: Option<&StoredAt>) -> Result<()> {
        let pages = block.chunks(MAX_VALUE_BYTES);
        let n = u16::try_from(pages.len()).map_err(|_| Error::TooLong {
            what: "rows of one bucket",
            limit: usize::from(u16::MAX) * MAX_VALUE_BYTES,
            found: block.len(),
        })?;
        for (page, bytes) in (0..n).zip(pages) {
            let key = key::page(
                self.dataset,
                self.layout.generation,
                bucket,
                self.version,
                page,
            );
            self.bytes += bytes.len();
            self.pages.push((key, bytes.to_vec()));
        }
        self.touched.push(Touched {
            bucket,
            pages: n,
            before: before.map_or(0, |stored| stored.commit),
            before_pages: before.map_or(0, |stored| stored.pages),
        });
        self.blocks += 1;
        if self.bytes >= BATCH_BYTES || self.touched.len() >= Touched::MAX_IN_VALUE {
            self.send()?;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        self.send()?;
        for pending in self.pending.drain(..) {
            pending.wait()?;
        }
        Ok(())
    }

    /// Queues a batch. It need not be durable by itself: the flip comes after it in the log.
    fn send(&mut self) -> Result<()> {
        if self.touched.is_empty() {
            return Ok(());
        }
        while self.pending.len() >= IN_FLIGHT {
            if let Some(pending) = self.pending.pop_front() {
                pending.wait()?;
            }
        }
        let pages = std::mem::take(&mut self.pages);
        let touched = std::mem::take(&mut self.touched);
        self.bytes = 0;
        // A generation of its own is deleted as a whole and needs no list.
        let list = (!self.relayout).then(|| {
            let key = key::touched(self.dataset, self.version, self.batch);
            (key, Touched::encode(self.layout.generation, &touched))
        });
        self.batch += 1;
        self.core.failpoints.pass("commit.blocks");
        self.pending
            .push_back(self.committer.begin(false, move |txn| {
                for (key, page) in pages {
                    txn.put(Tree::Blocks, key, page)?;
                }
                if let Some((key, list)) = list {
                    txn.put(Tree::Meta, key, list)?;
                }
                Ok(())
            }));
        Ok(())
    }
}
