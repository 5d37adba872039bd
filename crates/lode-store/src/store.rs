//! The store's front: opens a directory and hands each call to the module that does it.
//!
//! All calls block and may come from many threads at once; writes meet in the committer.
//! Invariant: whatever a call that writes answers with `Ok` is on stable storage, but for
//! `write_docs_lazily`.

use std::collections::HashMap;
use std::collections::HashSet;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use arrow_array::RecordBatch;
use lode_types::Clock;
use lode_types::DatasetId;
use lode_types::DatasetKind;
use lode_types::IngestId;
use lode_types::SystemClock;
use lode_types::Timestamp;

use crate::Appended;
use crate::Compaction;
use crate::Dataset;
use crate::DatasetChange;
use crate::Error;
use crate::Ingest;
use crate::IngestOptions;
use crate::LostPart;
use crate::NewChunk;
use crate::NewDataset;
use crate::NewRows;
use crate::Put;
use crate::RejectedRow;
use crate::Result;
use crate::Snapshot;
use crate::Staged;
use crate::catalog;
use crate::commit;
use crate::committer::Committer;
use crate::committer::Core;
use crate::committer::lock;
use crate::compact;
use crate::compact::Background;
use crate::damage;
use crate::history;
use crate::home::Home;
use crate::ingest;
use crate::key;
use crate::kv::Read;
use crate::kv::Tree;
use crate::marker;
use crate::recent;
use crate::snapshot;
use crate::snapshot::Pins;
use crate::stage;
use crate::sweep;
use crate::timeline::Opened;

mod hold;
mod options;
mod shelf;

/// How a store is opened.
#[derive(Clone)]
pub struct Options {
    /// sled's cache; about half as much again is resident.
    pub cache_bytes: u64,
    /// Where the time of day comes from.
    pub clock: Arc<dyn Clock>,
    /// Whether parts are compacted, and old ones freed, without being asked.
    pub compact: bool,
    /// How long versions of parts stay readable after a compaction has replaced their parts;
    /// those that are pinned stay longer.
    pub keep_versions: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            cache_bytes: 128 << 20,
            clock: Arc::new(SystemClock),
            compact: true,
            keep_versions: Duration::from_secs(3600),
        }
    }
}

/// An open data directory; cheap to clone. The directory is free again when the last clone
/// and the last snapshot are gone.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
    /// Ends with the last handle.
    background: Option<Arc<Background>>,
}

/// What the modules of the store share. The order of the fields is that of their end.
pub(crate) struct Inner {
    committer: Committer,
    core: Arc<Core>,
    home: Home,
    clock: Arc<dyn Clock>,
    pins: Pins,
    verified: Arc<Verified>,
    /// Adopted files that this process has checked.
    sealed: Mutex<HashSet<(u8, String)>>,
    serials: Mutex<HashMap<u32, Arc<Mutex<()>>>>,
    held: Arc<Mutex<HashSet<u32>>>,
    /// How often the directory was opened, so that names of parts never repeat.
    epoch: u32,
    parts: AtomicU32,
    opened: Opened,
    /// One compaction, or freeing, at a time.
    compacting: Mutex<()>,
    keep_versions: Duration,
    /// When rows of a dataset last came.
    busy: Mutex<HashMap<u32, Instant>>,
    /// Rows of a part of a run, in tests.
    run_file_rows: AtomicUsize,
}

impl Inner {
    pub(crate) fn core(&self) -> &Core {
        &self.core
    }
    pub(crate) fn committer(&self) -> &Committer {
        &self.committer
    }
    pub(crate) fn home(&self) -> &Home {
        &self.home
    }
    pub(crate) fn pins(&self) -> &Pins {
        &self.pins
    }
    pub(crate) fn verified(&self) -> &Verified {
        &self.verified
    }
    pub(crate) fn sealed(&self) -> &Mutex<HashSet<(u8, String)>> {
        &self.sealed
    }
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Tables that looks for customers have opened.
    pub(crate) fn opened(&self) -> &Opened {
        &self.opened
    }
    pub(crate) fn compacting(&self) -> &Mutex<()> {
        &self.compacting
    }
    pub(crate) fn keep_micros(&self) -> i64 {
        i64::try_from(self.keep_versions.as_micros()).unwrap_or(i64::MAX)
    }

    /// Rows of a part of a run; none leaves it to the size of the rows.
    pub(crate) fn run_file_rows(&self) -> Option<usize> {
        Some(self.run_file_rows.load(Ordering::Relaxed)).filter(|rows| *rows > 0)
    }

    #[cfg(test)]
    pub(crate) fn set_run_file_rows(&self, rows: usize) {
        self.run_file_rows.store(rows, Ordering::Relaxed);
    }

    /// Says that rows of a dataset come.
    pub(crate) fn touch(&self, dataset: u32) {
        lock(&self.busy).insert(dataset, Instant::now());
    }

    /// How long no rows of a dataset have come.
    pub(crate) fn quiet_for(&self, dataset: u32) -> Duration {
        lock(&self.busy)
            .get(&dataset)
            .map_or(Duration::MAX, Instant::elapsed)
    }

    /// The end of a part's name, which never repeats in this directory.
    pub(crate) fn next_part(&self) -> String {
        let part = self.parts.fetch_add(1, Ordering::Relaxed);
        format!("{:08x}-{part:08x}", self.epoch)
    }

    /// What commits and the deletion of one dataset wait for.
    pub(crate) fn serial(&self, dataset: u32) -> Arc<Mutex<()>> {
        Arc::clone(lock(&self.serials).entry(dataset).or_default())
    }
}

/// Parts whose bytes this process has written or checked: dataset, ingest, chunk.
#[derive(Default)]
pub(crate) struct Verified(Mutex<HashSet<(u32, u32, u64)>>);

impl Verified {
    pub(crate) fn contains(&self, part: (u32, u32, u64)) -> bool {
        lock(&self.0).contains(&part)
    }
    pub(crate) fn insert(&self, part: (u32, u32, u64)) {
        lock(&self.0).insert(part);
    }
    fn forget(&self, dataset: u32) {
        lock(&self.0).retain(|part| part.0 != dataset);
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("dir", &self.inner.home.dir())
            .finish_non_exhaustive()
    }
}

impl Store {
    /// Opens a directory, makes it when it is not there, and takes up what was left undone.
    ///
    /// # Errors
    /// `STORE_LOCKED` when another engine has it, `STORE_FOREIGN` and `STORE_TOO_NEW` when it
    /// is no directory of this release, `STORE_DAMAGED` and the like when it cannot be read.
    pub fn open(dir: &Path, options: Options) -> Result<Self> {
        Self::open_as(dir, options, false)
    }

    /// Opens a directory whose catalog is to be made anew; nothing is swept.
    pub(crate) fn open_for_rebuild(dir: &Path, options: Options) -> Result<Self> {
        Self::open_as(dir, options, true)
    }

    fn open_as(dir: &Path, options: Options, rebuild: bool) -> Result<Self> {
        let home = Home::open(dir)?;
        let opened = home.open_sled(options.cache_bytes)?;
        let sweep = home.was_clean() && !opened.recovered;
        let core = Arc::new(Core::new(&home, opened, rebuild)?);
        let committer = Committer::start(Arc::clone(&core))?;
        let epoch = committer.run(|txn| {
            let before = match txn.get(Tree::Meta, &key::epoch())? {
                None => 0,
                Some(value) => {
                    key::read_number(&value).ok_or_else(|| Error::damaged("epoch", "no number"))?
                }
            };
            let epoch = before.wrapping_add(1);
            txn.put(Tree::Meta, key::epoch(), key::number(epoch))?;
            Ok(epoch)
        })?;
        let inner = Inner {
            committer,
            core,
            home,
            clock: options.clock,
            pins: Pins::default(),
            verified: Arc::default(),
            sealed: Mutex::default(),
            serials: Mutex::default(),
            held: Arc::default(),
            epoch,
            parts: AtomicU32::new(0),
            opened: Opened::default(),
            compacting: Mutex::default(),
            keep_versions: options.keep_versions,
            busy: Mutex::default(),
            run_file_rows: AtomicUsize::new(0),
        };
        sweep::resume(&inner)?;
        if rebuild {
            return Ok(Self {
                inner: Arc::new(inner),
                background: None,
            });
        }
        let is_older = inner.home.is_older();
        if is_older {
            history::begin(&inner)?;
            crate::files::seal(&inner)?;
        }
        marker::resume(&inner, is_older)?;
        recent::resume(&inner)?;
        inner.home.finish_upgrade()?;
        if sweep {
            sweep::discard_orphans(&inner)?;
        } else {
            sweep::check_parts(&inner)?;
        }
        let inner = Arc::new(inner);
        let background = options
            .compact
            .then(|| Background::start(Arc::downgrade(&inner)).map(Arc::new))
            .transpose()?;
        Ok(Self { inner, background })
    }

    /// Finishes what is queued, refuses further writes and marks the directory as closed in
    /// order. Reads go on until the last clone is gone.
    ///
    /// # Errors
    /// When the last sync fails or the store is poisoned.
    pub fn close(&self) -> Result<()> {
        if let Some(background) = &self.background {
            background.stop();
        }
        self.inner.committer.stop()?;
        self.inner.home.mark_clean()
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        self.inner.home.dir()
    }

    /// Makes a dataset; true when it was there already, with the same kind and schema.
    ///
    /// # Errors
    /// `DATASET_EXISTS`, `INVALID_SCHEMA` when customers have no key, `TOO_LONG`.
    pub fn create_dataset(&self, id: &DatasetId, new: NewDataset) -> Result<(Dataset, bool)> {
        let (id, now) = (id.clone(), self.inner.now());
        self.inner
            .committer
            .run(move |txn| catalog::create(txn, &id, new, now))
    }

    /// A dataset at its newest version.
    ///
    /// # Errors
    /// `DATASET_NOT_FOUND`.
    pub fn dataset(&self, id: &DatasetId) -> Result<Dataset> {
        catalog::known(&self.inner.core.trees, id)?.dataset()
    }

    /// All datasets, in the order of their ids.
    ///
    /// # Errors
    /// `STORE_DAMAGED`.
    pub fn datasets(&self) -> Result<Vec<Dataset>> {
        catalog::all(&self.inner.core.trees)
    }

    /// Changes names, labels, and of columns the role, privacy class and description.
    ///
    /// # Errors
    /// `DATASET_NOT_FOUND`, `SCHEMA_FIXED`, `TOO_LONG`.
    pub fn update_dataset(&self, id: &DatasetId, change: DatasetChange) -> Result<Dataset> {
        let (id, now) = (id.clone(), self.inner.now());
        self.inner
            .committer
            .run(move |txn| catalog::update(txn, &id, change, now))
    }

    /// Deletes a dataset and its rows.
    ///
    /// # Errors
    /// `DATASET_IN_USE` while a snapshot of it lives; `DATASET_NOT_FOUND` unless allowed.
    pub fn delete_dataset(&self, id: &DatasetId, allow_missing: bool) -> Result<()> {
        let inner = &self.inner;
        let number = match catalog::find(&inner.core.trees, id)? {
            Some(number) => number,
            None if allow_missing => return Ok(()),
            None => catalog::number(&inner.core.trees, id)?,
        };
        let serial = inner.serial(number);
        let _serial = lock(&serial);
        inner.pins.begin_delete(id, number)?;
        let id = id.clone();
        let deleted = inner.committer.run(move |txn| {
            // Another caller may have been first.
            if catalog::find(txn, &id)? != Some(number) {
                return Ok(());
            }
            txn.remove(Tree::Meta, key::dataset_id(&id));
            txn.put(Tree::Meta, key::doomed_dataset(number), Vec::new())
        });
        inner.pins.end_delete(number, deleted.is_ok());
        deleted?;
        inner.verified.forget(number);
        inner.opened.forget(number);
        if let Err(error) = sweep::sweep_dataset(inner, number) {
            let error = lode_types::chain(&error);
            tracing::warn!(
                error,
                "the rest of a deleted dataset is left to the next start"
            );
        }
        Ok(())
    }

    /// Makes one sorted run of all rows of a dataset, small writes too, and waits for it. The
    /// versions before stay readable as after any other compaction. Customers are kept in
    /// another way and stay as they are.
    ///
    /// # Errors
    /// `DATASET_NOT_FOUND`, `TABLE_DAMAGED`, errors of the disk; then all is as before.
    pub fn compact(&self, id: &DatasetId) -> Result<Compaction> {
        let known = catalog::known(&self.inner.core.trees, id)?;
        if known.definition.kind != DatasetKind::Customers {
            compact::everything(&self.inner, known.number, &|| false)?;
        }
        self.compaction(id)
    }

    /// What compaction has done to a dataset, and at what cost.
    ///
    /// # Errors
    /// `DATASET_NOT_FOUND`.
    pub fn compaction(&self, id: &DatasetId) -> Result<Compaction> {
        let trees = &self.inner.core.trees;
        compact::account(trees, catalog::number(trees, id)?)
    }

    /// Opens an ingest; one of the same options is given as it stands.
    ///
    /// # Errors
    /// `DATASET_NOT_FOUND`, `INGEST_EXISTS` when the options differ.
    pub fn open_ingest(
        &self,
        dataset: &DatasetId,
        id: &IngestId,
        options: IngestOptions,
    ) -> Result<Ingest> {
        let (dataset, id, now) = (dataset.clone(), id.clone(), self.inner.now());
        self.inner
            .committer
            .run(move |txn| ingest::open(txn, &dataset, &id, &options, now))
    }

    /// Writes a few rows, durable and visible at once as one new version; the same request
    /// again gives the first answer, for seven days and the last million of a dataset.
    ///
    /// # Errors
    /// `DATASET_NOT_FOUND`, `REQUEST_EXISTS` when the id was used for other rows,
    /// `TOO_MANY_ROWS`, `CHUNK_SCHEMA_DIFFERS`, `MISSING_VALUE`.
    pub fn put_rows(&self, rows: NewRows) -> Result<Put> {
        recent::put(&self.inner, rows)
    }

    /// The parts of a dataset that are damaged or gone, as far as a read has met them. Reads
    /// fail until the same chunks of the same loads come again, or the dataset's label
    /// `damaged-parts` is `skip`.
    ///
    /// # Errors
    /// `DATASET_NOT_FOUND`.
    pub fn lost_parts(&self, id: &DatasetId) -> Result<Vec<LostPart>> {
        let trees = &self.inner.core.trees;
        damage::of_dataset(trees, catalog::number(trees, id)?)
    }

    /// The chunks of a load whose parts are lost, which it takes again.
    ///
    /// # Errors
    /// `DATASET_NOT_FOUND`, `INGEST_NOT_FOUND`.
    pub fn lost_chunks(&self, dataset: &DatasetId, id: &IngestId) -> Result<Vec<u64>> {
        let trees = &self.inner.core.trees;
        let place = ingest::place(trees, dataset, id)?;
        let lost = damage::of_dataset(trees, place.dataset)?;
        let mine = lost.iter().filter(|part| part.ingest == place.ingest);
        Ok(mine.map(|part| part.seq).collect())
    }

    /// An ingest as it stands.
    ///
    /// # Errors
    /// `DATASET_NOT_FOUND`, `INGEST_NOT_FOUND`.
    pub fn ingest(&self, dataset: &DatasetId, id: &IngestId) -> Result<Ingest> {
        ingest::get(&self.inner.core.trees, dataset, id)
    }

    /// Writes and syncs the good rows of a chunk as a part; may run on many threads at once,
    /// and ahead of the chunks before it. The file goes when the result is dropped unrecorded.
    ///
    /// # Errors
    /// `CHUNK_SCHEMA_DIFFERS`, `MISSING_VALUE`, `INGEST_NOT_FOUND`, errors of the disk.
    pub fn stage_chunk(
        &self,
        dataset: &DatasetId,
        id: &IngestId,
        seq: u64,
        batch: &RecordBatch,
    ) -> Result<Staged> {
        stage::write(&self.inner, dataset, id, seq, batch)
    }

    /// Records a chunk; `done` is called on the committer's thread once that is durable, and
    /// must not wait for the store. Blocks only while the queue is full.
    pub fn record_chunk(
        &self,
        chunk: NewChunk,
        done: impl FnOnce(Result<Appended>) + Send + 'static,
    ) {
        let seq = chunk.seq;
        let verified = Arc::clone(&self.inner.verified);
        self.inner.committer.submit(
            true,
            move |txn| ingest::record(txn, chunk),
            move |result| {
                if let Ok((appended, place)) = &result
                    && !appended.duplicate
                {
                    verified.insert((place.dataset, place.ingest, seq));
                }
                done(result.map(|(appended, _)| appended));
            },
        );
    }

    /// Makes an ingest visible as the next version; twice gives the first result.
    ///
    /// # Errors
    /// `CHUNKS_MISSING`, `INGEST_ABORTED`, `INGEST_NOT_FOUND`.
    pub fn commit_ingest(
        &self,
        dataset: &DatasetId,
        id: &IngestId,
        chunk_count: u64,
    ) -> Result<Ingest> {
        commit::commit(&self.inner, dataset, id, chunk_count)
    }

    /// Drops what an ingest wrote; twice is no error.
    ///
    /// # Errors
    /// `INGEST_COMMITTED`, `INGEST_COMMITTING`, `INGEST_NOT_FOUND`.
    pub fn abort_ingest(&self, dataset: &DatasetId, id: &IngestId) -> Result<Ingest> {
        let inner = &self.inner;
        let aborted = {
            let (dataset, id, now) = (dataset.clone(), id.clone(), inner.now());
            inner
                .committer
                .run(move |txn| ingest::abort(txn, &dataset, &id, now))?
        };
        if let Some(place) = aborted
            && let Err(error) = sweep::sweep_ingest(inner, place, crate::record::Doom::Aborted)
        {
            let error = lode_types::chain(&error);
            tracing::warn!(
                error,
                "the rest of an aborted ingest is left to the next start"
            );
        }
        self.ingest(dataset, id)
    }

    /// Rows that were refused, in the order of chunk and row, after `after`.
    ///
    /// # Errors
    /// `DATASET_NOT_FOUND`, `INGEST_NOT_FOUND`.
    pub fn rejected_rows(
        &self,
        dataset: &DatasetId,
        id: &IngestId,
        after: Option<(u64, u32)>,
        limit: usize,
    ) -> Result<Vec<RejectedRow>> {
        let trees = &self.inner.core.trees;
        let place = ingest::place(trees, dataset, id)?;
        ingest::rejected_rows(trees, place, after, limit)
    }

    /// Keeps a version readable, the newest when none is named, until the snapshot is dropped.
    ///
    /// # Errors
    /// `DATASET_NOT_FOUND`, `VERSION_NOT_FOUND`.
    pub fn pin(&self, id: &DatasetId, version: Option<u64>) -> Result<Snapshot> {
        snapshot::pin(&self.inner, id, version)
    }

    /// A number that grows with everything that is written, of any kind: while it stays, nothing
    /// that was read has changed. Costs nothing.
    pub fn changes(&self) -> u64 {
        self.inner.core().applied()
    }

    /// The newest version of a dataset; cheaper than the dataset.
    ///
    /// # Errors
    /// `DATASET_NOT_FOUND`.
    pub fn version(&self, id: &DatasetId) -> Result<u64> {
        let trees = &self.inner.core().trees;
        Ok(catalog::head(trees, catalog::number(trees, id)?)?.version)
    }

    /// The time by the store's clock.
    pub fn now(&self) -> Timestamp {
        self.inner.now()
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.inner
    }
}

#[cfg(test)]
mod tests;
