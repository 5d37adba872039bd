//! Compaction: neighbouring parts become one sorted run, and what it replaces is freed later.
//!
//! Pieces (runs and loads) are merged by size: four neighbours of one class, a class being a
//! power of four of rows, and what lies between them; a large load is sorted by itself first.
//! So a row is rewritten at most once for being unsorted and once for each class that the
//! dataset has above the row's load. Invariant: the parts of a run are durable before the one
//! transaction that names it, and nothing that a pinned version may read is freed.

mod background;

use std::fs::File;

use lode_parts::Manifest;
use lode_parts::Order;
use lode_parts::PartInfo;
use lode_parts::RunPart;
use lode_parts::Step;
use lode_parts::Target;
use lode_types::DatasetKind;

use crate::Error;
use crate::Result;
use crate::catalog;
use crate::codec::Reader;
use crate::codec::Writer;
use crate::committer::lock;
use crate::ingest::Place;
use crate::ingest::chunks;
use crate::key;
use crate::kv::Read;
use crate::kv::Span;
use crate::kv::Tree;
use crate::long;
use crate::recent;
use crate::record::Chunk;
use crate::record::Definition;
use crate::record::Version;
use crate::runs;
use crate::runs::Piece;
use crate::runs::Retired;
use crate::runs::Run;
use crate::snapshot::open_parts;
use crate::snapshot::open_run;
use crate::store::Inner;
use crate::sweep;

pub(crate) use background::Background;

/// So many neighbours of a class are merged.
const FAN_IN: usize = 4;
/// A load of so many rows is sorted by itself.
const LARGE_LOAD: u64 = 100_000;
/// More rows are not merged into one run.
const MAX_ROWS: u64 = 1 << 31;
/// Chunk records read at once.
const STEP: usize = 1000;
const FORM: u8 = 1;

/// What compaction has done to a dataset, since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Compaction {
    /// Runs made.
    pub runs: u64,
    /// Rows written, each time they were.
    pub rows: u64,
    /// Bytes of parts read.
    pub read_bytes: u64,
    /// Bytes of parts written.
    pub written_bytes: u64,
    /// Bytes, as they were loaded, of all that is in runs now; what was written to that is
    /// the write amplification.
    pub loaded_bytes: u64,
    /// CPU time of the compacting thread, in microseconds.
    pub cpu_micros: u64,
}

impl Compaction {
    fn encode(&self) -> Vec<u8> {
        let mut out = Writer::version(FORM);
        for value in [
            self.runs,
            self.rows,
            self.read_bytes,
            self.written_bytes,
            self.loaded_bytes,
            self.cpu_micros,
        ] {
            out.int(value);
        }
        out.0
    }

    fn decode(bytes: &[u8]) -> Result<Self> {
        let mut read = Reader::versioned(bytes, "compaction", FORM)?;
        let compaction = Self {
            runs: read.int()?,
            rows: read.int()?,
            read_bytes: read.int()?,
            written_bytes: read.int()?,
            loaded_bytes: read.int()?,
            cpu_micros: read.int()?,
        };
        read.end()?;
        Ok(compaction)
    }
}

pub(crate) fn account(read: &dyn Read, dataset: u32) -> Result<Compaction> {
    match read.get(Tree::Meta, &key::compaction(dataset))? {
        Some(value) => Compaction::decode(&value),
        None => Ok(Compaction::default()),
    }
}

/// Makes one run of all that can be, small writes too; waits for a compaction under way.
pub(crate) fn everything(inner: &Inner, dataset: u32, stop: &dyn Fn() -> bool) -> Result<()> {
    {
        let serial = inner.serial(dataset);
        let _serial = lock(&serial);
        recent::roll(inner, dataset)?;
    }
    let _one = lock(inner.compacting());
    let trees = &inner.core().trees;
    let definition = catalog::definition(trees, dataset)?;
    let newest = catalog::head(trees, dataset)?.version;
    let pieces = runs::pieces(trees, dataset, newest)?;
    let is_done = match pieces.as_slice() {
        [] => true,
        [one] => one.run.is_some() && is_current(inner, dataset, one, &definition)?,
        _ => false,
    };
    if is_done || pieces.iter().map(|piece| piece.rows).sum::<u64>() > MAX_ROWS {
        return Ok(());
    }
    compact(inner, dataset, &definition, &pieces, stop)
}

/// One step of what is due by size; false when nothing is.
pub(crate) fn step(inner: &Inner, dataset: u32, stop: &dyn Fn() -> bool) -> Result<bool> {
    let _one = lock(inner.compacting());
    let trees = &inner.core().trees;
    let definition = catalog::definition(trees, dataset)?;
    if definition.kind == DatasetKind::Customers {
        return Ok(false);
    }
    let newest = catalog::head(trees, dataset)?.version;
    let pieces = runs::pieces(trees, dataset, newest)?;
    let Some((start, end)) = due(&pieces) else {
        return Ok(false);
    };
    compact(inner, dataset, &definition, &pieces[start..end], stop)?;
    Ok(true)
}

/// Which neighbours are to become one run: from the first to before the second.
pub(crate) fn due(pieces: &[Piece]) -> Option<(usize, usize)> {
    let classes: Vec<u32> = pieces.iter().map(|piece| class(piece.rows)).collect();
    let mut wanted = classes.clone();
    wanted.sort_unstable();
    wanted.dedup();
    for class in wanted {
        let mut start = 0;
        for window in classes.split_inclusive(|c| *c > class) {
            let larger = usize::from(window.last().is_some_and(|c| *c > class));
            let end = start + window.len() - larger;
            let n = classes[start..end].iter().filter(|c| **c == class).count();
            let rows: u64 = pieces[start..end].iter().map(|piece| piece.rows).sum();
            if n >= FAN_IN && rows <= MAX_ROWS {
                return Some((start, end));
            }
            start += window.len();
        }
    }
    let large = |piece: &Piece| piece.run.is_none() && piece.rows >= LARGE_LOAD;
    let at = pieces.iter().position(large)?;
    (pieces[at].rows <= MAX_ROWS).then_some((at, at + 1))
}

/// The power of four that so many rows have.
fn class(rows: u64) -> u32 {
    rows.max(1).ilog2() / 2
}

/// Whether a piece is a run that is sorted as one would be now.
fn is_current(inner: &Inner, dataset: u32, piece: &Piece, definition: &Definition) -> Result<bool> {
    let runs = runs::all(&inner.core().trees, dataset)?;
    let now = runs::sort_columns(&definition.schema);
    Ok(piece
        .run
        .and_then(|run| runs.get(&run).map(|run| (run.customer, run.time) == now))
        .unwrap_or(false))
}

fn compact(
    inner: &Inner,
    dataset: u32,
    definition: &Definition,
    pieces: &[Piece],
    stop: &dyn Fn() -> bool,
) -> Result<()> {
    let (Some(first), Some(last)) = (pieces.first(), pieces.last()) else {
        return Ok(());
    };
    let cpu = cpu_micros();
    let number = inner.committer().begin(false, move |txn| {
        let mut head = catalog::head(txn, dataset)?;
        let number = head.next_ingest;
        head.next_ingest = number
            .checked_add(1)
            .ok_or_else(|| Error::bug("no number of a run is left"))?;
        catalog::put_head(txn, dataset, &head)?;
        Ok(number)
    });
    let number = number.wait()?;
    // The first file carries today's schema.
    let schema = std::sync::Arc::new(definition.schema.to_arrow());
    let mut inputs = Vec::new();
    let mut retired = Retired {
        time: 0,
        runs: Vec::new(),
        ingests: Vec::new(),
    };
    let mut loaded = 0;
    for piece in pieces {
        match piece.run {
            Some(run) => {
                open_run(inner, dataset, run, None, false, &mut inputs)?;
                retired.runs.push(run);
            }
            None => {
                for load in &piece.loads {
                    let place = Place {
                        dataset,
                        ingest: load.ingest,
                    };
                    let before = inputs.len();
                    open_parts(inner, place, &mut inputs)?;
                    loaded += inputs[before..].iter().map(|file| file.bytes).sum::<u64>();
                    retired.ingests.push(load.ingest);
                }
            }
        }
    }
    let read_bytes: u64 = inputs.iter().map(|file| file.bytes).sum();
    let rows: u64 = inputs.iter().map(|file| file.rows).sum();
    let (customer, time) = runs::sort_columns(&definition.schema);
    let order = Order {
        customer: (customer as usize).checked_sub(1),
        time: (time as usize).checked_sub(1),
    };
    let run = Run {
        from: first.from,
        to: last.to,
        rows,
        bytes: 0,
        customer,
        time,
        time_made: inner.now().0,
    };
    let mut files: Vec<File> = vec![lode_parts::empty_file(&schema)?];
    files.extend(inputs.into_iter().map(|input| input.file));
    let mut written = Written {
        inner,
        dataset,
        parts: write(inner, dataset, number, definition, &run, order, files, stop)?,
    };
    let bytes: u64 = written.parts.iter().map(|part| part.bytes).sum();
    let kept: u64 = written.parts.iter().map(|part| part.rows).sum();
    if kept != rows {
        return Err(Error::bug(format!("{rows} rows became {kept}")));
    }
    inner.core().failpoints.pass("compact.flip");
    let spent = Compaction {
        runs: 1,
        rows,
        read_bytes,
        written_bytes: bytes,
        loaded_bytes: loaded,
        cpu_micros: cpu_micros().saturating_sub(cpu),
    };
    let parts = written.parts.clone();
    let now = inner.now();
    inner.committer().run(move |txn| {
        flip(
            txn,
            dataset,
            number,
            &Run { bytes, ..run },
            &parts,
            retired,
            spent,
            now.0,
        )
    })?;
    for at in 0..written.parts.len() as u64 {
        inner.verified().insert((dataset, number, at));
    }
    written.parts.clear();
    tracing::info!(dataset, rows, read_bytes, bytes, "compacted a dataset");
    Ok(())
}

#[expect(
    clippy::too_many_arguments,
    reason = "they are the parts of one record each"
)]
fn flip(
    txn: &mut crate::kv::Txn<'_>,
    dataset: u32,
    number: u32,
    run: &Run,
    parts: &[PartInfo],
    mut retired: Retired,
    spent: Compaction,
    now: i64,
) -> Result<()> {
    // The dataset may have been deleted since.
    if txn.get(Tree::Meta, &key::head(dataset))?.is_none()
        || txn
            .get(Tree::Meta, &key::doomed_dataset(dataset))?
            .is_some()
    {
        return Err(Error::DatasetNotFound {
            id: format!("number {dataset}"),
        });
    }
    txn.put(Tree::Meta, key::run(dataset, number), run.encode())?;
    for (at, part) in (0_u64..).zip(parts) {
        let chunk = Chunk {
            part: part.name.clone(),
            rows: part.rows,
            bytes: part.bytes,
            part_crc32c: part.crc32c,
            chunk_crc32c: 0,
            rejected: 0,
        };
        txn.put(
            Tree::Meta,
            key::run_part(dataset, number, at),
            chunk.encode(),
        )?;
    }
    retired.time = now;
    long::put(
        txn,
        Tree::Meta,
        &key::retired(dataset, number),
        &retired.encode(),
    )?;
    let mut account = account(txn, dataset)?;
    account.runs += spent.runs;
    account.rows += spent.rows;
    account.read_bytes += spent.read_bytes;
    account.written_bytes += spent.written_bytes;
    account.loaded_bytes += spent.loaded_bytes;
    account.cpu_micros += spent.cpu_micros;
    txn.put(Tree::Meta, key::compaction(dataset), account.encode())?;
    let mut head = catalog::head(txn, dataset)?;
    head.bytes = (head.bytes + spent.written_bytes).saturating_sub(spent.read_bytes);
    catalog::put_head(txn, dataset, &head)?;
    let key = key::version(dataset, head.version);
    if let Some(value) = txn.get(Tree::Meta, &key)? {
        let mut version = Version::decode(&value)?;
        version.bytes = head.bytes;
        txn.put(Tree::Meta, key, version.encode())?;
    }
    Ok(())
}

#[expect(
    clippy::too_many_arguments,
    reason = "they are the words of one manifest each"
)]
fn write(
    inner: &Inner,
    dataset: u32,
    number: u32,
    definition: &Definition,
    run: &Run,
    order: Order,
    files: Vec<File>,
    stop: &dyn Fn() -> bool,
) -> Result<Vec<PartInfo>> {
    let dir = inner.home().parts_of(dataset);
    let names = std::sync::Mutex::new(Vec::new());
    let part = |n: u64| {
        let name = format!("{number:08x}-{n:012x}-{}.arrow", inner.next_part());
        lock(&names).push(name.clone());
        let manifest = Manifest {
            format: 1,
            dataset: definition.id.clone(),
            kind: definition.kind.as_str().to_owned(),
            ingest: String::new(),
            seq: n,
            run: Some(RunPart {
                number,
                from: run.from,
                to: run.to,
                rows: run.rows,
            }),
        };
        (name, manifest)
    };
    let after = |step: Step| {
        inner.core().failpoints.pass(match step {
            Step::Written => "compact.written",
            Step::Renamed => "compact.renamed",
        });
    };
    let target = Target {
        dir: &dir,
        part: &part,
        after: &after,
        stop,
        file_rows: inner.run_file_rows(),
    };
    let sorted = lode_parts::sort(files, order, &target);
    if sorted.is_err() {
        for name in lock(&names).iter() {
            discard(&dir.join(name));
        }
    }
    Ok(sorted?)
}

/// Parts that no record names yet; they go when the run is not recorded.
struct Written<'a> {
    inner: &'a Inner,
    dataset: u32,
    parts: Vec<PartInfo>,
}

impl Drop for Written<'_> {
    fn drop(&mut self) {
        let dir = self.inner.home().parts_of(self.dataset);
        for part in &self.parts {
            discard(&dir.join(&part.name));
        }
    }
}

fn discard(path: &std::path::Path) {
    if let Err(error) = std::fs::remove_file(path)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(path = %path.display(), %error, "could not remove an unused part");
    }
}

/// Frees what runs have replaced for longer than the store keeps it and no pinned version may
/// read; how many parts went.
pub(crate) fn free(inner: &Inner, dataset: u32) -> Result<u64> {
    let _one = lock(inner.compacting());
    let trees = &inner.core().trees;
    let prefix = key::retired_of(dataset);
    let mut freed = 0;
    for (key, bytes) in long::scan(trees, Tree::Meta, Span::prefix(&prefix), STEP, false)? {
        let number =
            key::read_ingest(&key).ok_or_else(|| Error::damaged("retired parts", "a key"))?;
        let retired = Retired::decode(&bytes)?;
        let age = inner.now().0.saturating_sub(retired.time);
        if age < inner.keep_micros() {
            continue;
        }
        let Some(value) = trees.get(Tree::Meta, &key::run(dataset, number))? else {
            // It was replaced and freed itself; so its own are free as well.
            freed += free_retired(inner, dataset, number, &retired)?;
            continue;
        };
        let run = Run::decode(&value)?;
        if !inner.pins().raise_floor_to(dataset, run.to) {
            continue;
        }
        let to = run.to;
        inner.committer().run(move |txn| {
            let mut head = catalog::head(txn, dataset)?;
            head.oldest = head.oldest.max(to);
            catalog::put_head(txn, dataset, &head)
        })?;
        freed += free_retired(inner, dataset, number, &retired)?;
    }
    Ok(freed)
}

fn free_retired(inner: &Inner, dataset: u32, number: u32, retired: &Retired) -> Result<u64> {
    let trees = &inner.core().trees;
    let dir = inner.home().parts_of(dataset);
    // Records go before files, so that a reader who finds no file knows by them why.
    let mut keys = Vec::new();
    let mut names = Vec::new();
    for run in &retired.runs {
        inner.opened().forget_one(dataset, *run);
        keys.push(key::run(dataset, *run));
        for (at, part) in (0_u64..).zip(runs::parts(trees, dataset, *run)?) {
            keys.push(key::run_part(dataset, *run, at));
            names.push(part.part);
        }
    }
    for place in retired.places(dataset) {
        inner.opened().forget_one(dataset, place.ingest);
        let mut from = 0;
        loop {
            let page = chunks(trees, place, from, STEP)?;
            let Some((last, _)) = page.last() else { break };
            from = last + 1;
            for (seq, chunk) in page {
                keys.push(key::chunk(dataset, place.ingest, seq));
                names.push(chunk.part);
            }
        }
    }
    for keys in keys.chunks(STEP) {
        sweep::remove_keys(inner, Tree::Meta, keys.to_vec())?;
    }
    inner.core().failpoints.pass("compact.free");
    names.retain(|name| !name.is_empty());
    for name in &names {
        sweep::remove_if_there(&dir.join(name))?;
    }
    let key = key::retired(dataset, number);
    inner
        .committer()
        .begin(false, move |txn| {
            long::remove(txn, Tree::Meta, &key).map(|_| ())
        })
        .wait()?;
    Ok(names.len() as u64)
}

/// CPU time of this thread.
fn cpu_micros() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let micros = time.tv_sec.saturating_mul(1_000_000) + time.tv_nsec / 1000;
    u64::try_from(micros).unwrap_or(0)
}
