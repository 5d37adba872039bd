//! The commit of an ingest: at once for parts, by a merge for customers.
//!
//! One commit a customers dataset at a time. A commit that fails on the way is rolled back;
//! one that was killed is rolled back at the next start.

use arrow_array::RecordBatch;
use lode_types::DatasetId;
use lode_types::DatasetKind;
use lode_types::IngestId;
use lode_types::Timestamp;

use crate::Error;
use crate::Ingest;
use crate::Result;
use crate::catalog;
use crate::committer::lock;
use crate::ingest;
use crate::ingest::Outcome;
use crate::ingest::Place;
use crate::ingest::Ready;
use crate::key;
use crate::kv::Tree;
use crate::marker;
use crate::merge::Merge;
use crate::record::Definition;
use crate::record::Head;
use crate::record::Intent;
use crate::record::Progress;
use crate::record::State;
use crate::record::Touched;
use crate::record::Version;
use crate::snapshot::open_parts;
use crate::store::Inner;
use crate::sweep;

/// A commit that may go on.
struct Started {
    place: Place,
    progress: Progress,
    head: Head,
    definition: Definition,
    intent: Intent,
}

pub(crate) fn commit(
    inner: &Inner,
    dataset: &DatasetId,
    id: &IngestId,
    chunk_count: u64,
) -> Result<Ingest> {
    let known = catalog::known(&inner.core().trees, dataset)?;
    if known.definition.kind == DatasetKind::Customers {
        let serial = inner.serial(known.number);
        let _serial = lock(&serial);
        return commit_customers(inner, dataset, id, chunk_count);
    }
    commit_parts(inner, known.number, dataset, id, chunk_count)
}

/// Commits an ingest that was committed before, and whose marker is there.
pub(crate) fn again(
    inner: &Inner,
    number: u32,
    dataset: &DatasetId,
    id: &IngestId,
    chunk_count: u64,
) -> Result<()> {
    let definition = catalog::definition(&inner.core().trees, number)?;
    let (dataset, id, now) = (dataset.clone(), id.clone(), inner.now());
    if definition.kind == DatasetKind::Customers {
        return commit_customers(inner, &dataset, &id, chunk_count).map(|_| ());
    }
    inner
        .committer()
        .run(move |txn| ingest::commit_parts(txn, &dataset, &id, chunk_count, now))
        .map(|_| ())
}

/// Merges rows into customers as their next version, which no load made; for a rebuild, when
/// nobody else writes.
pub(crate) fn merge_rows(
    inner: &Inner,
    number: u32,
    rows: &RecordBatch,
    ingest: u32,
    time: Timestamp,
) -> Result<()> {
    let trees = &inner.core().trees;
    let mut head = catalog::head(trees, number)?;
    let definition = catalog::definition(trees, number)?;
    let file = lode_parts::memfd("lode-rows", &rows.schema(), [rows.clone()])?;
    let (core, committer) = (inner.core(), inner.committer());
    let merge = Merge::new(core, committer, number, &definition, &head, vec![file])?;
    let layout = merge.plan()?;
    let merged = merge.run(layout)?;
    drop(merge);
    head.version += 1;
    (head.rows, head.bytes, head.layout) = (merged.rows, merged.bytes, layout);
    let version = Version {
        ingest,
        rows: merged.rows,
        bytes: merged.bytes,
        layout,
        time,
    };
    let pending = committer.begin(false, move |txn| {
        let key = key::version(number, head.version);
        txn.put(Tree::Meta, key, version.encode())?;
        catalog::put_head(txn, number, &head)
    });
    pending.wait()
}

fn commit_parts(
    inner: &Inner,
    number: u32,
    dataset: &DatasetId,
    id: &IngestId,
    chunk_count: u64,
) -> Result<Ingest> {
    let serial = inner.serial(number);
    let _serial = lock(&serial);
    // Small writes wait, so that the version stays the one that the marker says.
    let _hold = inner.hold(number);
    let now = inner.now();
    let marker = {
        let (dataset, id) = (dataset.clone(), id.clone());
        let begun = inner.committer().begin(false, move |txn| {
            let Ready::Go(place, progress) = ingest::ready(txn, &dataset, &id, chunk_count)? else {
                return Ok(None);
            };
            let version = catalog::head(txn, number)?.version + 1;
            marker::of_ingest(txn, place, id.as_str(), &progress, version, now).map(Some)
        });
        begun.wait()?
    };
    let shown = marker.as_ref().map(|marker| marker.version);
    if let Some(marker) = &marker {
        marker::write(inner, number, marker)?;
    }
    inner.core().failpoints.pass("commit.flip");
    let (dataset, id) = (dataset.clone(), id.clone());
    let done = inner
        .committer()
        .run(move |txn| ingest::commit_parts(txn, &dataset, &id, chunk_count, now));
    if let (Err(_), Some(version)) = (&done, shown) {
        marker::remove(inner, number, version);
    }
    done
}

fn commit_customers(
    inner: &Inner,
    dataset: &DatasetId,
    id: &IngestId,
    chunk_count: u64,
) -> Result<Ingest> {
    if let Some(mut started) = start(inner, dataset, id, chunk_count)? {
        let number = started.place.dataset;
        let written = match merge(inner, id, &mut started) {
            Ok(written) => written,
            Err(error) => {
                marker::remove(inner, number, started.intent.version);
                if let Err(left) = sweep::roll_back(inner, number, &started.intent) {
                    let error = lode_types::chain(&left);
                    tracing::warn!(error, "a half commit is left to the next start");
                }
                return Err(error);
            }
        };
        // The rows are visible and durable; what follows is tidying that a restart can do.
        // Its parts stay: they are the history of the dataset.
        if let Err(error) = sweep::clean(inner, number, written) {
            let error = lode_types::chain(&error);
            tracing::warn!(error, "tidying after a commit is left to the next start");
        }
    }
    ingest::get(&inner.core().trees, dataset, id)
}

/// Marks the ingest as being committed and says so durably; none when it was committed before.
fn start(
    inner: &Inner,
    dataset: &DatasetId,
    id: &IngestId,
    chunk_count: u64,
) -> Result<Option<Started>> {
    let (dataset, id) = (dataset.clone(), id.clone());
    inner.committer().run(move |txn| {
        let Ready::Go(place, mut progress) = ingest::ready(txn, &dataset, &id, chunk_count)? else {
            return Ok(None);
        };
        let head = catalog::head(txn, place.dataset)?;
        let definition = catalog::definition(txn, place.dataset)?;
        let intent = Intent {
            ingest: place.ingest,
            version: head.version + 1,
            before: head.layout,
            after: head.layout,
        };
        progress.state = State::Committing;
        ingest::put_progress(txn, place, &progress)?;
        txn.put(Tree::Meta, key::intent(place.dataset), intent.encode())?;
        Ok(Some(Started {
            place,
            progress,
            head,
            definition,
            intent,
        }))
    })
}

/// Writes the blocks and flips the version; how many blocks were written.
fn merge(inner: &Inner, id: &IngestId, started: &mut Started) -> Result<u64> {
    let place = started.place;
    let mut files = Vec::new();
    open_parts(inner, place, &mut files)?;
    let files = files.into_iter().map(|file| file.file).collect();
    let merge = Merge::new(
        inner.core(),
        inner.committer(),
        place.dataset,
        &started.definition,
        &started.head,
        files,
    )?;
    started.intent.after = merge.plan()?;
    let intent = started.intent.clone();
    if intent.after != intent.before {
        let bytes = intent.encode();
        let pending = inner.committer().begin(false, move |txn| {
            txn.put(Tree::Meta, key::intent(place.dataset), bytes)
        });
        pending.wait()?;
    }
    let merged = merge.run(intent.after)?;
    let outcome = Outcome {
        rows: merged.rows,
        bytes: merged.bytes,
        replaced: merged.replaced,
        layout: intent.after,
    };
    let (progress, now) = (started.progress.clone(), inner.now());
    let marker = {
        let (id, progress, version) = (id.as_str(), &progress, intent.version);
        marker::of_ingest(&inner.core().trees, place, id, progress, version, now)?
    };
    marker::write(inner, place.dataset, &marker)?;
    inner.core().failpoints.pass("commit.flip");
    inner.committer().run(move |txn| {
        // Read again: ingests may have been opened since.
        let head = catalog::head(txn, place.dataset)?;
        if head.version + 1 != intent.version {
            return Err(Error::bug("two commits of one dataset at once"));
        }
        ingest::flip(txn, place, progress, head, &outcome, now)?;
        if intent.after.generation != intent.before.generation && intent.before.generation > 0 {
            let key = key::touched(place.dataset, intent.version, sweep::GENERATION);
            let value = Touched::encode(intent.before.generation, &[]);
            txn.put(Tree::Meta, key, value)?;
        }
        txn.remove(Tree::Meta, key::intent(place.dataset));
        Ok(())
    })?;
    Ok(merged.blocks)
}
