//! `lode admin rebuild`: the catalog made anew from what lies beside it.
//!
//! When sled's directory is lost or beyond repair, the files beside the parts of each commit
//! say what was committed, in which order and as which version. Each commit is entered again,
//! customers by merging their history as at the first time. Invariant: nothing is deleted; the
//! old directory of sled is set aside, and so is what no commit names.

mod runs;

use std::collections::BTreeMap;
use std::collections::HashSet;
use std::fs::File;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering;

use arrow_array::RecordBatch;
use lode_parts::Table;
use lode_types::Clock;
use lode_types::DatasetId;
use lode_types::DatasetKind;
use lode_types::IngestId;
use lode_types::SystemClock;
use lode_types::Timestamp;

use crate::Error;
use crate::Options;
use crate::Result;
use crate::Store;
use crate::catalog;
use crate::check::Copied;
use crate::check::Problem;
use crate::check::check;
use crate::commit;
use crate::files;
use crate::home::Home;
use crate::home::list;
use crate::ingest;
use crate::ingest::Place;
use crate::key;
use crate::kv::Tree;
use crate::long;
use crate::mark;
use crate::marker;
use crate::marker::Marker;
use crate::recent;
use crate::record::Chunk;
use crate::record::Head;
use crate::record::Progress;
use crate::record::State;
use crate::record::Version;
use crate::store::Inner;

/// Version records written at once.
const STEP: u64 = 1000;

/// What a rebuilt catalog has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rebuilt {
    /// Where the old catalog lies now; none when there was none.
    pub aside: Option<PathBuf>,
    /// Each dataset: its id, newest version and rows.
    pub datasets: Vec<(String, u64, u64)>,
    /// What could not be had back.
    pub problems: Vec<Problem>,
    /// Outputs and models that lie there without the jobs that made them.
    pub files: u64,
}

/// A clock that says when each commit was made.
struct Then(AtomicI64);

impl Clock for Then {
    fn now(&self) -> Timestamp {
        match self.0.load(Ordering::SeqCst) {
            i64::MIN => SystemClock.now(),
            time => Timestamp(time),
        }
    }
}

/// Makes the catalog of `dir` anew. One that is whole is left alone unless `force` is set.
///
/// # Errors
/// `STORE_LOCKED`, `STORE_FOREIGN`, `STORE_TOO_NEW`, `CATALOG_WHOLE`, errors of the disk;
/// `CATALOG_SHORT` when no commit is lost, so that the catalog has more than a rebuilt one.
pub fn rebuild(dir: &Path, force: bool) -> Result<Rebuilt> {
    let mut rebuilt = Rebuilt::default();
    {
        let home = Home::inspect(dir)?;
        if !force && let Ok(trees) = Copied::of(&home.sled())?.open() {
            if let Err(short @ Error::CatalogShort { .. }) = mark::verify(&home, &trees) {
                return Err(short);
            }
            drop(home);
            let problems = check(dir)?.problems;
            let beyond = problems
                .iter()
                .any(|problem| !problem.what.starts_with("part ") && !problem.what.contains('/'));
            if !beyond {
                return Err(Error::CatalogWhole);
            }
        }
    }
    {
        let home = Home::inspect(dir)?;
        if home.sled().exists() {
            let name = format!("sled-{:016}", SystemClock.now().0);
            home.set_aside(&home.sled(), &name)?;
            rebuilt.aside = Some(home.dir().join("aside").join(name));
        }
        mark::forget(home.dir())?;
    }
    let clock = Arc::new(Then(AtomicI64::new(i64::MIN)));
    let options = Options {
        clock: Arc::clone(&clock) as Arc<dyn Clock>,
        ..Options::default()
    };
    let store = Store::open_for_rebuild(dir, options)?;
    let mut work = Rebuild {
        inner: store.inner(),
        clock,
        rebuilt,
    };
    work.all()?;
    let rebuilt = work.rebuilt;
    store.close()?;
    Ok(rebuilt)
}

/// Goes on with a catalog that has lost its last writes: what it has is all there is from now
/// on. Gives how many groups of writes were expected, and how many there are.
///
/// # Errors
/// `STORE_LOCKED`, `STORE_FOREIGN`, `STORE_TOO_NEW`; `CATALOG_BEHIND` when a commit is lost, so
/// that a rebuild has more; `CATALOG_WHOLE` when nothing is.
pub fn accept(dir: &Path) -> Result<(u64, u64)> {
    let home = Home::inspect(dir)?;
    let copy = Copied::of(&home.sled())?;
    let trees = copy.open()?;
    match mark::verify(&home, &trees) {
        Ok(()) => Err(Error::CatalogWhole),
        Err(Error::CatalogShort { found, .. }) => Ok((mark::forget(home.dir())?, found)),
        Err(error) => Err(error),
    }
}

struct Rebuild<'a> {
    inner: &'a Inner,
    clock: Arc<Then>,
    rebuilt: Rebuilt,
}

impl Rebuild<'_> {
    fn problem(&mut self, dataset: &str, what: String, found: String, rows: u64) {
        self.rebuilt.problems.push(Problem {
            dataset: dataset.to_owned(),
            what,
            found,
            rows,
        });
    }

    fn all(&mut self) -> Result<()> {
        let mut next = 1;
        let mut newest: BTreeMap<String, (u64, u32)> = BTreeMap::new();
        let dirs = list(&self.inner.home().parts())?;
        let mut datasets = Vec::new();
        for dir in dirs {
            let Some(number) = Home::number_of(&dir) else {
                continue;
            };
            next = next.max(number + 1);
            let (markers, damaged) = marker::read_all(&dir)?;
            for (path, found) in damaged {
                self.problem("", path.display().to_string(), found, 0);
            }
            match markers.last() {
                Some(last) => {
                    let id = last.definition.id.clone();
                    newest.insert(id, (last.version, number));
                    datasets.push((number, dir, markers));
                }
                None => {
                    let parts = list(&dir)?.len();
                    if parts > 0 {
                        let found = format!("{parts} files and no file of a commit");
                        self.problem("", dir.display().to_string(), found, 0);
                    }
                }
            }
        }
        let begun = self.inner.committer().begin(false, move |txn| {
            txn.put(Tree::Meta, key::dataset_counter(), key::number(next))
        });
        begun.wait()?;
        for (number, dir, markers) in datasets {
            let id = markers.last().map(|m| m.definition.id.clone());
            let id = id.unwrap_or_default();
            if newest.get(&id).is_some_and(|(_, n)| *n != number) {
                self.problem(
                    &id,
                    dir.display().to_string(),
                    "an older dataset of the same name".to_owned(),
                    0,
                );
                continue;
            }
            if let Err(error) = self.dataset(number, &dir, markers) {
                self.problem(&id, "the dataset".to_owned(), lode_types::chain(&error), 0);
            }
        }
        self.files()?;
        self.clock.0.store(i64::MIN, Ordering::SeqCst);
        Ok(())
    }

    fn dataset(&mut self, number: u32, dir: &Path, markers: Vec<Marker>) -> Result<()> {
        let Some(last) = markers.last() else {
            return Ok(());
        };
        let definition = last.definition.clone();
        let id = DatasetId::parse(definition.id.clone())
            .map_err(|error| Error::damaged("dataset id", error.to_string()))?;
        let is_customers = definition.kind == DatasetKind::Customers;
        let next_ingest = markers.iter().map(|m| m.ingest + 1).max().unwrap_or(0);
        let head = Head {
            next_ingest,
            create_time: Timestamp(last.create_time),
            update_time: Timestamp(last.time),
            ..Head::default()
        };
        {
            let (id, definition) = (id.clone(), definition.clone());
            let made = self.inner.committer().begin(false, move |txn| {
                txn.put(Tree::Meta, key::dataset_id(&id), key::number(number))?;
                catalog::put_head(txn, number, &head)?;
                catalog::put_definition(txn, number, &definition)
            });
            made.wait()?;
        }
        let rolls = rolls(dir, &markers, is_customers);
        let found = match is_customers {
            true => Vec::new(),
            false => runs::find(dir, &definition.id, last.version)?,
        };
        let in_runs = found.iter().flat_map(|run| &run.parts);
        let mut seen: HashSet<String> = in_runs.map(|part| part.part.clone()).collect();
        for (i, marker) in markers.iter().enumerate() {
            // Of rolls that overlap the later has all rows.
            let later = markers[i + 1..].iter().any(|later| covers(later, marker));
            let missing = match found.iter().any(|run| run.covers(marker.version)) {
                true => HashSet::new(),
                false => self.missing(dir, &definition.id, marker),
            };
            if later && !marker.rolled.is_empty() {
                continue;
            }
            self.clock.0.store(marker.time, Ordering::SeqCst);
            self.fill(number, marker.version - 1, marker.time, &rolls)?;
            self.enter(number, &id, marker, &rolls, &missing)?;
            seen.extend(marker.chunks.iter().map(|chunk| chunk.part.clone()));
        }
        if !found.is_empty() {
            let now = SystemClock.now().0;
            let (dir, markers) = (dir.to_owned(), markers.clone());
            let entered = self.inner.committer().begin(false, move |txn| {
                let is_there = |part: &str| dir.join(part).exists();
                runs::enter(txn, number, &found, &markers, &is_there, now)
            });
            entered.wait()?;
        }
        for path in list(dir)? {
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            if !seen.contains(name) && marker::version_of(&path).is_none() {
                let found = "no commit names it: of a load that was not committed".to_owned();
                self.problem(&definition.id, path.display().to_string(), found, 0);
                self.inner
                    .home()
                    .set_aside(&path, &format!("{number:08x}-{name}"))?;
            }
        }
        let head = catalog::head(&self.inner.core().trees, number)?;
        self.rebuilt
            .datasets
            .push((definition.id, head.version, head.rows));
        Ok(())
    }

    /// The parts of a commit that are not there as they were written.
    fn missing(&mut self, dir: &Path, dataset: &str, marker: &Marker) -> HashSet<String> {
        let mut missing = HashSet::new();
        for chunk in marker.chunks.iter().filter(|chunk| chunk.rows > 0) {
            let checked = File::open(dir.join(&chunk.part))
                .map_err(Error::io(format!("open part {}", chunk.part)))
                .and_then(|file| Ok(lode_parts::check(&file, chunk.bytes, chunk.part_crc32c)?));
            if let Err(error) = checked {
                missing.insert(chunk.part.clone());
                self.problem(
                    dataset,
                    format!("part {}", chunk.part),
                    lode_types::chain(&error),
                    chunk.rows,
                );
            }
        }
        missing
    }

    /// Versions that no file tells of: those of small writes that a later roll has, or that
    /// were in no part yet.
    fn fill(&mut self, number: u32, upto: u64, time: i64, rolls: &Rolls) -> Result<()> {
        let mut head = catalog::head(&self.inner.core().trees, number)?;
        let is_customers = rolls.is_customers;
        while head.version < upto {
            let next = rolls.puts.range(head.version + 1..=upto).next();
            let plain = next.map_or(upto, |(version, _)| version - 1);
            if plain > head.version {
                let last = plain.min(head.version + STEP);
                let filled = self.inner.committer().begin(false, move |txn| {
                    for version in head.version + 1..=last {
                        let record = version_of(&head, recent::PUT, time);
                        txn.put(Tree::Meta, key::version(number, version), record.encode())?;
                    }
                    head.version = last;
                    catalog::put_head(txn, number, &head)
                });
                filled.wait()?;
            } else if let Some((_, put)) = next {
                self.put(number, put, recent::PUT, is_customers)?;
            }
            head = catalog::head(&self.inner.core().trees, number)?;
        }
        Ok(())
    }

    /// Makes the rows of one small write, which lie in a roll's part, the next version.
    fn put(&mut self, number: u32, put: &Put, ingest: u32, is_customers: bool) -> Result<()> {
        if let (Some(rows), true) = (&put.rows, is_customers) {
            return commit::merge_rows(self.inner, number, rows, ingest, Timestamp(put.time));
        }
        let (count, time) = (put.count, put.time);
        let done = self.inner.committer().begin(false, move |txn| {
            let mut head = catalog::head(txn, number)?;
            head.version += 1;
            if !is_customers {
                head.rows += count;
            }
            let record = version_of(&head, ingest, time);
            txn.put(
                Tree::Meta,
                key::version(number, head.version),
                record.encode(),
            )?;
            catalog::put_head(txn, number, &head)
        });
        done.wait()
    }

    /// Enters a load as it was before its commit, and commits it.
    fn enter(
        &mut self,
        number: u32,
        dataset: &DatasetId,
        marker: &Marker,
        rolls: &Rolls,
        missing: &HashSet<String>,
    ) -> Result<()> {
        let id = IngestId::parse(marker.ingest_id.clone())
            .map_err(|error| Error::damaged("ingest id", error.to_string()))?;
        let place = Place {
            dataset: number,
            ingest: marker.ingest,
        };
        let chunks: Vec<Chunk> = marker
            .chunks
            .iter()
            .map(|chunk| {
                let gone = rolls.is_customers && missing.contains(&chunk.part);
                Chunk {
                    part: if gone {
                        String::new()
                    } else {
                        chunk.part.clone()
                    },
                    rows: if gone { 0 } else { chunk.rows },
                    bytes: chunk.bytes,
                    part_crc32c: chunk.part_crc32c,
                    chunk_crc32c: chunk.chunk_crc32c,
                    rejected: chunk.rejected,
                }
            })
            .collect();
        let count = chunks.len() as u64;
        let mut progress = Progress {
            next_seq: count,
            accepted: chunks.iter().map(|chunk| chunk.rows).sum(),
            rejected: marker.rejected,
            repeated: marker.repeated,
            received_bytes: marker.received_bytes,
            part_bytes: chunks.iter().map(|chunk| chunk.bytes).sum(),
            ..Progress::new(Timestamp(marker.time))
        };
        let is_roll = !marker.rolled.is_empty();
        if is_roll {
            progress.state = State::Committed;
            progress.version = marker.version;
            progress.end_time = Some(Timestamp(marker.time));
        }
        let options =
            serde_json::to_vec(&marker.options).map_err(|error| Error::bug(error.to_string()))?;
        let (entered, rolled) = (id.clone(), marker.rolled.clone());
        let done = self.inner.committer().begin(false, move |txn| {
            let key = key::ingest_id(number, &entered);
            txn.put(Tree::Meta, key, key::number(place.ingest))?;
            long::put(
                txn,
                Tree::Meta,
                &key::options(number, place.ingest),
                &options,
            )?;
            ingest::put_progress(txn, place, &progress)?;
            for (seq, chunk) in (0..).zip(&chunks) {
                let key = key::chunk(number, place.ingest, seq);
                txn.put(Tree::Meta, key, chunk.encode())?;
            }
            recent::enter_roll(txn, number, place.ingest, &rolled)
        });
        done.wait()?;
        if is_roll {
            return match rolls.puts.get(&marker.version) {
                Some(put) => self.put(number, put, marker.ingest, rolls.is_customers),
                None => Err(Error::bug("a roll without its last write")),
            };
        }
        commit::again(self.inner, number, dataset, &id, count)
    }

    /// Keeps outputs and models, though nobody knows any more what they were.
    fn files(&mut self) -> Result<()> {
        self.rebuilt.files = files::adopt_all(self.inner)?;
        Ok(())
    }
}

/// A small write that a roll has.
struct Put {
    /// None when the part is not what was written.
    rows: Option<RecordBatch>,
    count: u64,
    time: i64,
}

/// The small writes of a dataset that are in parts, by version.
struct Rolls {
    is_customers: bool,
    puts: BTreeMap<u64, Put>,
}

fn rolls(dir: &Path, markers: &[Marker], is_customers: bool) -> Rolls {
    let mut puts = BTreeMap::new();
    for marker in markers.iter().filter(|marker| !marker.rolled.is_empty()) {
        let part = marker.chunks.first();
        // Only customers are merged anew; and only from what is as it was written.
        let rows = part.filter(|_| is_customers).and_then(|part| {
            let file = File::open(dir.join(&part.part)).ok()?;
            lode_parts::check(&file, part.bytes, part.part_crc32c).ok()?;
            let table = Table::open(vec![file]).ok()?;
            let batches = table
                .batches()
                .collect::<lode_parts::Result<Vec<_>>>()
                .ok()?;
            arrow_select::concat::concat_batches(batches.first()?.schema_ref(), &batches).ok()
        });
        let mut at = 0;
        for &(version, count, time) in &marker.rolled {
            let n = usize::try_from(count).unwrap_or(usize::MAX);
            let rows = rows.as_ref().filter(|rows| at + n <= rows.num_rows());
            let rows = rows.map(|rows| rows.slice(at, n));
            puts.insert(version, Put { rows, count, time });
            at += n;
        }
    }
    Rolls { is_customers, puts }
}

fn version_of(head: &Head, ingest: u32, time: i64) -> Version {
    Version {
        ingest,
        rows: head.rows,
        bytes: head.bytes,
        layout: head.layout,
        time: Timestamp(time),
    }
}

/// Whether a roll has all rows of another.
fn covers(roll: &Marker, other: &Marker) -> bool {
    match (roll.rolled.first(), other.rolled.first()) {
        (Some((first, ..)), Some((of_other, ..))) => first <= of_other,
        _ => false,
    }
}
