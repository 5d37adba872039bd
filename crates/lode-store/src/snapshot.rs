//! A dataset at one version, kept readable as long as the snapshot lives.
//!
//! Pins are counts in memory: a restart forgets them, and blocks are only deleted after a
//! commit, so a job that is run again can pin its versions first.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::sync::Arc;
use std::sync::Mutex;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use lode_types::CustomerId;
use lode_types::DatasetId;
use lode_types::DatasetKind;

use crate::Dataset;
use crate::Error;
use crate::Result;
use crate::block::Decoder;
use crate::bucket::Blocks;
use crate::bucket::Ids;
use crate::bucket::block;
use crate::bucket::bucket_of;
use crate::bucket::hash;
use crate::catalog;
use crate::committer::lock;
use crate::damage;
use crate::ingest::Place;
use crate::ingest::chunks;
use crate::key;
use crate::kv::Read;
use crate::kv::Tree;
use crate::merge::key_column;
use crate::recent;
use crate::record::Chunk;
use crate::record::Definition;
use crate::record::Layout;
use crate::record::Version;
use crate::runs;
use crate::runs::Tile;
use crate::store::Inner;

/// Records read at once.
const STEP: usize = 1000;
/// So often the parts of a version are looked for when compaction comes between.
const OPEN_ATTEMPTS: usize = 100;
/// Rows of a batch of materialised customers.
const BATCH_ROWS: usize = 1 << 16;

/// A table file of a snapshot.
#[derive(Debug)]
pub struct TableFile {
    /// Open for reading.
    pub file: File,
    /// Its rows.
    pub rows: u64,
    /// Its length.
    pub bytes: u64,
    /// Its name; for people.
    pub name: String,
    /// The sorted run it belongs to; none when its rows lie as they were loaded. The files of
    /// one run stand in order: ascending by customer, event time and stored order, and no
    /// customer is in two of them.
    pub run: Option<u32>,
}

/// A dataset at one version; cheap to clone.
#[derive(Clone)]
pub struct Snapshot {
    pin: Arc<Pin>,
}

struct Pin {
    inner: Arc<Inner>,
    number: u32,
    dataset: Dataset,
    definition: Definition,
    layout: Layout,
}

impl Drop for Pin {
    fn drop(&mut self) {
        self.inner.pins().release(self.number, self.dataset.version);
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("dataset", &self.pin.dataset.id)
            .field("version", &self.pin.dataset.version)
            .finish()
    }
}

pub(crate) fn pin(inner: &Arc<Inner>, id: &DatasetId, version: Option<u64>) -> Result<Snapshot> {
    let trees = &inner.core().trees;
    // The lock is held until the pin counts, so that no deletion comes between.
    let mut pins = inner.pins().lock();
    let known = catalog::known(trees, id)?;
    let state = pins.entry(known.number).or_default();
    if state.deleting {
        return Err(Error::DatasetNotFound {
            id: id.as_str().to_owned(),
        });
    }
    let newest = known.head.version;
    let oldest = known.head.oldest.max(state.floor);
    let version = version.unwrap_or(newest);
    if version > newest || version < oldest {
        return Err(Error::VersionNotFound {
            id: id.as_str().to_owned(),
            oldest,
            newest,
            found: version,
        });
    }
    let mut dataset = known.dataset()?;
    let mut layout = Layout::default();
    dataset.version = version;
    if version == 0 {
        (dataset.row_count, dataset.size_bytes) = (0, 0);
    } else {
        let record = version_record(trees, known.number, version)?;
        (dataset.row_count, dataset.size_bytes) = (record.rows, record.bytes);
        layout = record.layout;
    }
    *state.versions.entry(version).or_insert(0) += 1;
    drop(pins);
    Ok(Snapshot {
        pin: Arc::new(Pin {
            inner: Arc::clone(inner),
            number: known.number,
            dataset,
            definition: known.definition,
            layout,
        }),
    })
}

impl Snapshot {
    /// The dataset as it stands at the version.
    pub fn dataset(&self) -> &Dataset {
        &self.pin.dataset
    }

    /// The version.
    pub fn version(&self) -> u64 {
        self.pin.dataset.version
    }

    /// The rows as table files: the parts as they are, in the order of commits and chunks,
    /// or the customers as one sealed memory file in the order of (hash of the id, id). There
    /// is always one file, and the first carries the schema's roles.
    ///
    /// # Errors
    /// `TABLE_DAMAGED` when a part is not what was written; the first read of a part in this
    /// process checks all of it.
    pub fn files(&self) -> Result<Vec<TableFile>> {
        match self.pin.dataset.kind {
            DatasetKind::Customers => Ok(vec![self.materialise()?]),
            _ => self.part_files(),
        }
    }

    /// The row of one customer of a customers dataset, as a batch of one row.
    ///
    /// # Errors
    /// `STORE_DAMAGED` when the customer's block is.
    pub fn customer(&self, id: &CustomerId) -> Result<Option<RecordBatch>> {
        let (rows, places) = self.customers(std::slice::from_ref(id))?;
        let place = places.first().copied().flatten();
        Ok(place.map(|place| rows.slice(place, 1)))
    }

    /// A batch with the rows of some customers of a customers dataset, among others, and in
    /// which row of it each is; none for one who is not there. Blocks that several share are
    /// read once.
    ///
    /// # Errors
    /// `STORE_DAMAGED` when the block of one of them is.
    pub fn customers(&self, ids: &[CustomerId]) -> Result<(RecordBatch, Vec<Option<usize>>)> {
        let pin = &*self.pin;
        let schema = self.schema();
        if pin.dataset.kind != DatasetKind::Customers || pin.dataset.row_count == 0 {
            return Ok((RecordBatch::new_empty(schema), vec![None; ids.len()]));
        }
        let buckets = ids
            .iter()
            .map(|id| bucket_of(hash(id.as_str()), pin.layout.bits));
        let buckets: BTreeSet<u32> = buckets.collect();
        let trees = &pin.inner.core().trees;
        let mut decoder = Decoder::new(schema)?;
        for bucket in buckets {
            if let Some(stored) = block(trees, pin.number, pin.layout, self.version(), bucket)? {
                decoder.push(&stored.bytes())?;
            }
        }
        let rows = decoder.finish()?;
        let mut asked: HashMap<&str, Option<usize>> =
            ids.iter().map(|id| (id.as_str(), None)).collect();
        Ids::new(&rows, key_column(&pin.definition)?).each(|row, text| {
            if let Some(place) = asked.get_mut(text) {
                *place = Some(row);
            }
        })?;
        let places = ids
            .iter()
            .map(|id| asked.get(id.as_str()).copied().flatten());
        Ok((rows, places.collect()))
    }

    pub(crate) fn inner(&self) -> &Arc<Inner> {
        &self.pin.inner
    }

    pub(crate) fn number(&self) -> u32 {
        self.pin.number
    }

    pub(crate) fn definition(&self) -> &Definition {
        &self.pin.definition
    }

    /// Whether the owner lets reads go on without lost parts.
    pub(crate) fn skips_lost(&self) -> bool {
        damage::skips(&self.pin.definition)
    }

    pub(crate) fn schema(&self) -> SchemaRef {
        Arc::new(self.pin.definition.schema.to_arrow())
    }

    fn materialise(&self) -> Result<TableFile> {
        let pin = &*self.pin;
        if pin.dataset.row_count == 0 {
            return self.empty();
        }
        let schema = self.schema();
        let mut rows = Rows::new(&pin.inner, pin.number, pin.layout, self.version(), schema)?;
        let file = lode_parts::memfd(pin.dataset.id.as_str(), &self.schema(), &mut rows)?;
        rows.check()?;
        Ok(TableFile {
            bytes: length(&file)?,
            rows: pin.dataset.row_count,
            name: pin.dataset.id.as_str().to_owned(),
            run: None,
            file,
        })
    }

    pub(crate) fn empty(&self) -> Result<TableFile> {
        let file = lode_parts::empty_file(&self.schema())?;
        Ok(TableFile {
            bytes: length(&file)?,
            rows: 0,
            name: "empty".to_owned(),
            run: None,
            file,
        })
    }

    fn part_files(&self) -> Result<Vec<TableFile>> {
        let pin = &*self.pin;
        let trees = &pin.inner.core().trees;
        recent::undisturbed(trees, pin.number, || {
            let mut files = self.parts()?;
            files.extend(self.recent_file()?);
            if files.is_empty() {
                files.push(self.empty()?);
            }
            Ok(files)
        })
    }

    /// The rows of small writes that no part of this version has.
    fn recent_file(&self) -> Result<Option<TableFile>> {
        let batches = self.recent_batches()?;
        let rows = batches.iter().map(|batch| batch.num_rows() as u64).sum();
        if rows == 0 {
            return Ok(None);
        }
        let file = lode_parts::memfd("lode-recent", &self.schema(), batches)?;
        Ok(Some(TableFile {
            bytes: length(&file)?,
            rows,
            name: "recent".to_owned(),
            run: None,
            file,
        }))
    }

    /// The same as batches.
    pub(crate) fn recent_batches(&self) -> Result<Vec<RecordBatch>> {
        let pin = &*self.pin;
        let trees = &pin.inner.core().trees;
        let schema = self.schema();
        let mut batches = Vec::new();
        if let Some((ingest, rolled)) = recent::roll_across(trees, pin.number, self.version())? {
            let place = Place {
                dataset: pin.number,
                ingest,
            };
            let mut files = Vec::new();
            open_some(&pin.inner, place, self.skips_lost(), &mut files)?;
            for file in files {
                batches.extend(recent::first_rows(file.file, &rolled, self.version())?);
            }
        }
        batches.extend(recent::pending_rows(
            trees,
            pin.number,
            &schema,
            self.version(),
        )?);
        Ok(batches)
    }

    fn parts(&self) -> Result<Vec<TableFile>> {
        self.laid(|tiles| self.parts_of(tiles))
    }

    /// Calls `read` with how the version is laid out, again when that was freed meanwhile.
    pub(crate) fn laid<T>(&self, mut read: impl FnMut(&[Tile]) -> Result<T>) -> Result<T> {
        let trees = &self.pin.inner.core().trees;
        for _ in 0..OPEN_ATTEMPTS {
            let laid = runs::tiles(trees, self.pin.number, self.version())?;
            let found = read(&laid);
            // What was laid may have been compacted and freed since; what is laid now was not.
            if runs::tiles(trees, self.pin.number, self.version())? == laid {
                return found;
            }
        }
        Err(Error::bug("compactions never end"))
    }

    fn parts_of(&self, tiles: &[Tile]) -> Result<Vec<TableFile>> {
        let pin = &*self.pin;
        let skip = self.skips_lost();
        let mut files = Vec::new();
        if pin.definition.roles_changed {
            files.push(self.empty()?);
        }
        for tile in tiles {
            match tile {
                Tile::Run(number, run) => {
                    let sorted = run.is_sorted_by(&pin.definition.schema).then_some(*number);
                    open_run(&pin.inner, pin.number, *number, sorted, skip, &mut files)?;
                }
                Tile::Loads(loads) => {
                    for load in loads {
                        let place = Place {
                            dataset: pin.number,
                            ingest: load.ingest,
                        };
                        open_some(&pin.inner, place, skip, &mut files)?;
                    }
                }
            }
        }
        Ok(files)
    }
}

/// Opens the parts of a run in order, and marks them as that sorted run; with `skip` those
/// that are lost are left out.
pub(crate) fn open_run(
    inner: &Inner,
    dataset: u32,
    run: u32,
    sorted: Option<u32>,
    skip: bool,
    files: &mut Vec<TableFile>,
) -> Result<()> {
    let place = Place {
        dataset,
        ingest: run,
    };
    for (at, chunk) in (0_u64..).zip(runs::parts(&inner.core().trees, dataset, run)?) {
        files.extend(open_one(inner, place, at, chunk, sorted, skip)?);
    }
    Ok(())
}

/// Opens one part; none when it is lost and such are left out.
fn open_one(
    inner: &Inner,
    place: Place,
    seq: u64,
    chunk: Chunk,
    run: Option<u32>,
    skip: bool,
) -> Result<Option<TableFile>> {
    let file = match damage::open_part(inner, place, seq, &chunk) {
        Ok(file) => file,
        Err(error @ Error::PartDamaged { .. }) if skip => {
            tracing::warn!(error = %error, "reading without a lost part");
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    Ok(Some(TableFile {
        file,
        rows: chunk.rows,
        bytes: chunk.bytes,
        name: chunk.part,
        run,
    }))
}

/// Opens the parts of an ingest in the order of its chunks.
pub(crate) fn open_parts(inner: &Inner, place: Place, files: &mut Vec<TableFile>) -> Result<()> {
    open_some(inner, place, false, files)
}

/// Like [`open_parts`]; with `skip` those that are lost are left out.
pub(crate) fn open_some(
    inner: &Inner,
    place: Place,
    skip: bool,
    files: &mut Vec<TableFile>,
) -> Result<()> {
    let mut from = 0;
    loop {
        let page = chunks(&inner.core().trees, place, from, STEP)?;
        let Some((last, _)) = page.last() else {
            return Ok(());
        };
        from = last + 1;
        for (seq, chunk) in page {
            if chunk.rows == 0 {
                continue;
            }
            files.extend(open_one(inner, place, seq, chunk, None, skip)?);
        }
    }
}

pub(crate) fn version_record(read: &dyn Read, number: u32, version: u64) -> Result<Version> {
    match read.get(Tree::Meta, &key::version(number, version))? {
        Some(value) => Version::decode(&value),
        None => Err(Error::damaged("version", "none")),
    }
}

pub(crate) fn length(file: &File) -> Result<u64> {
    let metadata = file.metadata().map_err(Error::io("read a length"))?;
    Ok(metadata.len())
}

/// Customers as batches, block by block.
pub(crate) struct Rows<'a> {
    blocks: Blocks<'a>,
    decoder: Decoder,
    failure: Option<Error>,
}

impl<'a> Rows<'a> {
    pub(crate) fn new(
        inner: &'a Inner,
        dataset: u32,
        layout: Layout,
        version: u64,
        schema: SchemaRef,
    ) -> Result<Self> {
        let trees = &inner.core().trees;
        Ok(Self {
            blocks: Blocks::new(trees, dataset, layout, version, 0, u32::MAX),
            decoder: Decoder::new(schema)?,
            failure: None,
        })
    }

    /// Why there are no more batches, when it is not that all were given.
    pub(crate) fn check(&mut self) -> Result<()> {
        self.failure.take().map_or(Ok(()), Err)
    }

    fn advance(&mut self) -> Result<Option<RecordBatch>> {
        while self.decoder.rows() < BATCH_ROWS {
            let Some(stored) = self.blocks.next().transpose()? else {
                break;
            };
            self.decoder.push(&stored.bytes())?;
        }
        if self.decoder.rows() == 0 {
            return Ok(None);
        }
        self.decoder.finish().map(Some)
    }
}

impl Iterator for Rows<'_> {
    type Item = RecordBatch;

    fn next(&mut self) -> Option<RecordBatch> {
        self.advance().unwrap_or_else(|error| {
            self.failure = Some(error);
            None
        })
    }
}

/// Who reads which version of which dataset.
#[derive(Default)]
pub(crate) struct Pins(Mutex<HashMap<u32, PinState>>);

#[derive(Default)]
pub(crate) struct PinState {
    versions: BTreeMap<u64, usize>,
    /// Versions below it are being deleted.
    floor: u64,
    deleting: bool,
}

impl Pins {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<u32, PinState>> {
        lock(&self.0)
    }

    fn release(&self, number: u32, version: u64) {
        if let Some(state) = self.lock().get_mut(&number)
            && let Some(count) = state.versions.get_mut(&version)
        {
            *count -= 1;
            if *count == 0 {
                state.versions.remove(&version);
            }
        }
    }

    /// The oldest version that stays readable; later pins of older ones are refused.
    pub(crate) fn raise_floor(&self, number: u32, current: u64) -> u64 {
        let mut pins = self.lock();
        let state = pins.entry(number).or_default();
        let oldest = state
            .versions
            .keys()
            .next()
            .map_or(current, |v| current.min(*v));
        state.floor = state.floor.max(oldest);
        oldest
    }

    /// Refuses later pins of versions below `to`; false when there are such pins already.
    pub(crate) fn raise_floor_to(&self, number: u32, to: u64) -> bool {
        let mut pins = self.lock();
        let state = pins.entry(number).or_default();
        if state
            .versions
            .keys()
            .next()
            .is_some_and(|pinned| *pinned < to)
        {
            return false;
        }
        state.floor = state.floor.max(to);
        true
    }

    /// Refuses new pins of a dataset, unless there are some.
    pub(crate) fn begin_delete(&self, id: &DatasetId, number: u32) -> Result<()> {
        let mut pins = self.lock();
        let state = pins.entry(number).or_default();
        let readers = state.versions.values().sum();
        if readers > 0 {
            return Err(Error::DatasetInUse {
                id: id.as_str().to_owned(),
                readers,
            });
        }
        state.deleting = true;
        Ok(())
    }

    pub(crate) fn end_delete(&self, number: u32, deleted: bool) {
        let mut pins = self.lock();
        if deleted {
            pins.remove(&number);
        } else if let Some(state) = pins.get_mut(&number) {
            state.deleting = false;
        }
    }
}
