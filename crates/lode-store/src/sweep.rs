//! Deletes what nothing needs any more, in bounded steps that a restart can take up again.
//!
//! Dropped datasets, aborted ingests, merged chunks, half commits and blocks that no pinned
//! version reads. Invariant: a record that says what is to be deleted goes last.

use std::collections::HashMap;

use lode_types::Timestamp;

use crate::Error;
use crate::Result;
use crate::catalog;
use crate::files::Area;
use crate::home::Home;
use crate::home::list;
use crate::ingest;
use crate::ingest::Place;
use crate::key;
use crate::kv::Read;
use crate::kv::Span;
use crate::kv::Tree;
use crate::marker;
use crate::record::Chunk;
use crate::record::Doom;
use crate::record::Intent;
use crate::record::State;
use crate::record::Touched;
use crate::store::Inner;

/// Keys that are deleted at once.
const STEP: usize = 500;
/// In place of a batch's number: the whole generation of blocks named in the value is superseded.
pub(crate) const GENERATION: u32 = u32::MAX;
/// Blocks that a commit may delete beyond twice what it wrote.
const CLEAN_BLOCKS: u64 = 4096;

/// Takes up what an earlier process left undone.
pub(crate) fn resume(inner: &Inner) -> Result<()> {
    let trees = &inner.core().trees;
    for (key, value) in trees.scan(Tree::Meta, &Span::prefix(&key::intents()))? {
        let dataset = key::read_dataset(&key).ok_or_else(|| Error::damaged("intent", "a key"))?;
        roll_back(inner, dataset, &Intent::decode(&value)?)?;
    }
    for (key, value) in trees.scan(Tree::Meta, &Span::prefix(&key::doomed_ingests()))? {
        let dataset = key::read_dataset(&key).ok_or_else(|| Error::damaged("doom", "a key"))?;
        let ingest = key::read_ingest(&key).ok_or_else(|| Error::damaged("doom", "a key"))?;
        sweep_ingest(inner, Place { dataset, ingest }, Doom::decode(&value)?)?;
    }
    for (key, _) in trees.scan(Tree::Meta, &Span::prefix(&key::doomed_datasets()))? {
        let dataset = key::read_dataset(&key).ok_or_else(|| Error::damaged("doom", "a key"))?;
        sweep_dataset(inner, dataset)?;
    }
    Ok(())
}

/// Deletes the blocks of a commit that did not happen and opens its ingest again.
pub(crate) fn roll_back(inner: &Inner, dataset: u32, intent: &Intent) -> Result<()> {
    if intent.after.generation != intent.before.generation {
        let prefix = key::generation(dataset, intent.after.generation);
        delete(inner, Tree::Blocks, &prefix, u64::MAX)?;
    }
    let prefix = key::touched_by(dataset, intent.version);
    for (record, value) in inner
        .core()
        .trees
        .scan(Tree::Meta, &Span::prefix(&prefix))?
    {
        let (generation, touched) = Touched::decode(&value)?;
        let version = intent.version;
        let pending = inner.committer().begin(false, move |txn| {
            for entry in touched {
                for page in 0..entry.pages {
                    let key = key::page(dataset, generation, entry.bucket, version, page);
                    txn.remove(Tree::Blocks, key);
                }
            }
            txn.remove(Tree::Meta, record.to_vec());
            Ok(())
        });
        pending.wait()?;
    }
    let place = Place {
        dataset,
        ingest: intent.ingest,
    };
    inner.committer().run(move |txn| {
        let mut progress = ingest::progress(txn, place)?;
        if progress.state == State::Committing {
            progress.state = State::Open;
            ingest::put_progress(txn, place, &progress)?;
        }
        txn.remove(Tree::Meta, key::intent(dataset));
        Ok(())
    })
}

/// Deletes the parts and records of an ingest that needs them no more.
pub(crate) fn sweep_ingest(inner: &Inner, place: Place, doom: Doom) -> Result<()> {
    let dir = inner.home().parts_of(place.dataset);
    loop {
        let chunks = ingest::chunks(&inner.core().trees, place, 0, STEP)?;
        if chunks.is_empty() {
            break;
        }
        for (_, chunk) in &chunks {
            if !chunk.part.is_empty() {
                remove_if_there(&dir.join(&chunk.part))?;
            }
        }
        let keys = chunks
            .iter()
            .map(|(seq, _)| key::chunk(place.dataset, place.ingest, *seq));
        remove_keys(inner, Tree::Meta, keys.collect())?;
    }
    if doom == Doom::Aborted {
        let prefix = key::rejected_rows(place.dataset, place.ingest);
        delete(inner, Tree::Meta, &prefix, u64::MAX)?;
    }
    let key = key::doomed_ingest(place.dataset, place.ingest);
    remove_keys(inner, Tree::Meta, vec![key])
}

/// Deletes everything that a dropped dataset had.
pub(crate) fn sweep_dataset(inner: &Inner, dataset: u32) -> Result<()> {
    let dir = inner.home().parts_of(dataset);
    match std::fs::remove_dir_all(&dir) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(Error::io("delete the parts of a dataset")(error)),
    }
    delete(inner, Tree::Blocks, &key::blocks_of(dataset), u64::MAX)?;
    for prefix in key::of_dataset(dataset) {
        delete(inner, Tree::Meta, &prefix, u64::MAX)?;
    }
    remove_keys(inner, Tree::Meta, vec![key::doomed_dataset(dataset)])
}

/// Deletes blocks of a customers dataset that neither its version nor a pinned one reads.
pub(crate) fn clean(inner: &Inner, dataset: u32, written: u64) -> Result<()> {
    let trees = &inner.core().trees;
    let current = catalog::head(trees, dataset)?.version;
    let oldest = inner.pins().raise_floor(dataset, current);
    let mut budget = CLEAN_BLOCKS + 2 * written;
    let span = Span::prefix(&key::touched_in(dataset)).limit(STEP);
    let mut is_raised = false;
    loop {
        let mut cleaned = false;
        for (record, value) in trees.scan(Tree::Meta, &span)? {
            let version =
                key::read_version(&record).ok_or_else(|| Error::damaged("touched", "a key"))?;
            if version > oldest || budget == 0 {
                return Ok(());
            }
            if !is_raised {
                raise_oldest(inner, dataset, oldest)?;
                is_raised = true;
            }
            let (generation, touched) = Touched::decode(&value)?;
            if record.ends_with(&GENERATION.to_be_bytes()) {
                let prefix = key::generation(dataset, generation);
                budget -= delete(inner, Tree::Blocks, &prefix, budget)?;
                if budget == 0 {
                    return Ok(());
                }
            }
            budget = budget.saturating_sub(touched.len() as u64);
            let pending = inner.committer().begin(false, move |txn| {
                for entry in touched {
                    for page in 0..entry.before_pages {
                        let key = key::page(dataset, generation, entry.bucket, entry.before, page);
                        txn.remove(Tree::Blocks, key);
                    }
                }
                txn.remove(Tree::Meta, record.to_vec());
                Ok(())
            });
            pending.wait()?;
            cleaned = true;
        }
        if !cleaned {
            return Ok(());
        }
    }
}

/// Moves files that no record names to the trash; only after an orderly end.
pub(crate) fn discard_orphans(inner: &Inner) -> Result<()> {
    let now = inner.now();
    let owned = owned_parts(inner)?;
    for dir in list(&inner.home().parts())? {
        let Some(number) = Home::number_of(&dir) else {
            continue;
        };
        for path in list(&dir)? {
            let name = path.file_name().and_then(|name| name.to_str());
            if marker::version_of(&path).is_some() {
                continue;
            }
            if name.is_none_or(|name| !owned.contains_key(&(number, name.to_owned()))) {
                discard(inner, &path, now)?;
            }
        }
    }
    for area in [Area::Outputs, Area::Models] {
        for path in list(&inner.home().area(area.as_str()))? {
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
                continue;
            };
            let key = key::file(area.tag(), name);
            if inner.core().trees.get(Tree::Meta, &key)?.is_none() {
                discard(inner, &path, now)?;
            }
        }
    }
    inner.home().empty_trash(now)
}

/// Compares the catalog with the parts after a recovery; what is missing is reported here and
/// is an error of the readers that need it.
pub(crate) fn check_parts(inner: &Inner) -> Result<()> {
    for ((dataset, part), bytes) in owned_parts(inner)? {
        let path = inner.home().parts_of(dataset).join(&part);
        let found = std::fs::metadata(&path).map_or(0, |metadata| metadata.len());
        if found != bytes {
            tracing::error!(
                path = %path.display(),
                expected_bytes = bytes,
                found_bytes = found,
                "a part that the catalog names is damaged or missing"
            );
        }
    }
    Ok(())
}

/// All parts that the catalog names, with their lengths.
fn owned_parts(inner: &Inner) -> Result<HashMap<(u32, String), u64>> {
    let mut owned = HashMap::new();
    for prefix in [key::all_chunks(), key::all_run_parts()] {
        let mut span = Span::prefix(&prefix).limit(STEP);
        loop {
            let pairs = inner.core().trees.scan(Tree::Meta, &span)?;
            let Some((last, _)) = pairs.last() else {
                break;
            };
            span = span.after(last);
            for (key, value) in &pairs {
                let dataset =
                    key::read_dataset(key).ok_or_else(|| Error::damaged("chunk", "a key"))?;
                let chunk = Chunk::decode(value)?;
                if !chunk.part.is_empty() {
                    owned.insert((dataset, chunk.part), chunk.bytes);
                }
            }
        }
    }
    Ok(owned)
}

fn discard(inner: &Inner, path: &std::path::Path, now: Timestamp) -> Result<()> {
    tracing::warn!(path = %path.display(), "moving a file without an owner to the trash");
    inner.home().discard(path, now)
}

/// Deletes at most `limit` keys that begin with `prefix`; how many they were.
fn delete(inner: &Inner, tree: Tree, prefix: &[u8], limit: u64) -> Result<u64> {
    let mut deleted = 0;
    while deleted < limit {
        let step = STEP.min(usize::try_from(limit - deleted).unwrap_or(STEP));
        let span = Span::prefix(prefix).limit(step);
        let pairs = inner.core().trees.scan(tree, &span)?;
        if pairs.is_empty() {
            break;
        }
        deleted += pairs.len() as u64;
        remove_keys(
            inner,
            tree,
            pairs.iter().map(|(key, _)| key.to_vec()).collect(),
        )?;
    }
    Ok(deleted)
}

pub(crate) fn remove_keys(inner: &Inner, tree: Tree, keys: Vec<Vec<u8>>) -> Result<()> {
    let pending = inner.committer().begin(false, move |txn| {
        for key in keys {
            txn.remove(tree, key);
        }
        Ok(())
    });
    pending.wait()
}

/// Says durably which versions are gone before their blocks are.
fn raise_oldest(inner: &Inner, dataset: u32, oldest: u64) -> Result<()> {
    let pending = inner.committer().begin(false, move |txn| {
        let mut head = catalog::head(txn, dataset)?;
        head.oldest = head.oldest.max(oldest);
        catalog::put_head(txn, dataset, &head)
    });
    pending.wait()
}

pub(crate) fn remove_if_there(path: &std::path::Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io("delete a part")(error))
        }
        _ => Ok(()),
    }
}
