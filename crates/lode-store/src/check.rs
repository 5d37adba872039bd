//! `lode admin check`: a data directory looked over from end to end, nothing changed.
//!
//! sled is opened on a copy of its directory, since it writes while it recovers. Everything
//! that a record names is read and compared with its checksum; what is there and named by no
//! record is told too.

use std::collections::HashSet;
use std::fs::File;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;

use lode_types::DatasetKind;

use crate::Error;
use crate::Result;
use crate::block::Decoder;
use crate::bucket::Blocks;
use crate::catalog;
use crate::catalog::Known;
use crate::damage;
use crate::files::Area;
use crate::files::Seal;
use crate::home::Home;
use crate::home::list;
use crate::ingest;
use crate::ingest::Place;
use crate::key;
use crate::kv::Read;
use crate::kv::Span;
use crate::kv::Tree;
use crate::kv::Trees;
use crate::long;
use crate::mark;
use crate::marker;
use crate::recent;
use crate::record::State;
use crate::record::Version;
use crate::runs;

const STEP: usize = 1000;

/// What a look over a data directory came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// What is wrong; empty when nothing is.
    pub problems: Vec<Problem>,
    /// Files that no record names; a start after an orderly end moves them to the trash.
    pub orphans: Vec<PathBuf>,
    /// Datasets in the catalog.
    pub datasets: u64,
    /// Rows of their newest versions.
    pub rows: u64,
    /// Parts that were read and compared.
    pub parts: u64,
    /// Outputs and models that were read and compared.
    pub files: u64,
    /// Documents and tags that were read.
    pub documents: u64,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The dataset, when it is one's.
    pub dataset: String,
    /// The part, file or record.
    pub what: String,
    /// What was found, and what was expected.
    pub found: String,
    /// Rows that are not there, as far as that is known.
    pub rows: u64,
}

/// Looks over the data directory `dir`, which no engine may have open.
///
/// # Errors
/// `STORE_LOCKED`, `STORE_FOREIGN`, `STORE_TOO_NEW`, `STORE_FORMAT_DAMAGED`; what is wrong
/// inside is in the result.
pub fn check(dir: &Path) -> Result<Checked> {
    let home = Home::inspect(dir)?;
    let mut check = Check {
        home: &home,
        checked: Checked::default(),
        owned: HashSet::new(),
    };
    let copy = Copied::of(&home.sled())?;
    match copy.open() {
        Ok(trees) => check.all(&trees)?,
        Err(error) => check.problem("", "the catalog (sled)", lode_types::chain(&error), 0),
    }
    Ok(check.checked)
}

/// A copy of sled's directory, gone when it is dropped.
pub(crate) struct Copied {
    dir: PathBuf,
}

impl Copied {
    pub(crate) fn of(sled: &Path) -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "lode-check-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let dir = std::env::temp_dir().join(name);
        let copied = Self { dir };
        std::fs::create_dir_all(&copied.dir).map_err(Error::io("make a temporary directory"))?;
        if sled.exists() {
            for path in list(sled)? {
                let name = path.file_name().unwrap_or_default();
                if path.is_file() && path.extension().is_none_or(|e| e != "generating") {
                    std::fs::copy(&path, copied.dir.join(name))
                        .map_err(Error::io(format!("copy {}", path.display())))?;
                }
            }
        }
        Ok(copied)
    }

    pub(crate) fn open(&self) -> Result<Trees> {
        if !self.dir.join("db").exists() {
            return Err(Error::damaged("catalog", "no file sled/db"));
        }
        let trees = Trees::open(&crate::home::start_sled(&self.dir, 64 << 20)?)?;
        if trees.get(Tree::Meta, &key::epoch())?.is_none() {
            return Err(Error::damaged("catalog", "an empty one"));
        }
        Ok(trees)
    }
}

impl Drop for Copied {
    fn drop(&mut self) {
        // A copy in the temporary directory does no harm.
        drop(std::fs::remove_dir_all(&self.dir));
    }
}

struct Check<'a> {
    home: &'a Home,
    checked: Checked,
    owned: HashSet<PathBuf>,
}

impl Check<'_> {
    fn problem(&mut self, dataset: &str, what: impl Into<String>, found: String, rows: u64) {
        self.checked.problems.push(Problem {
            dataset: dataset.to_owned(),
            what: what.into(),
            found,
            rows,
        });
    }

    /// Keeps an error as a problem.
    fn note(&mut self, dataset: &str, what: impl Into<String>, done: Result<()>) {
        if let Err(error) = done {
            self.problem(dataset, what, lode_types::chain(&error), 0);
        }
    }

    fn all(&mut self, trees: &Trees) -> Result<()> {
        let names = match trees.scan(Tree::Meta, &Span::prefix(&key::dataset_ids())) {
            Ok(names) => names,
            Err(error) => {
                self.problem("", "the list of datasets", lode_types::chain(&error), 0);
                return Ok(());
            }
        };
        for (key, _) in names {
            let id = String::from_utf8_lossy(&key[1..]).into_owned();
            let checked = self.dataset(trees, &id);
            self.note(&id, "the dataset's records", checked);
        }
        let checked = self.open_loads(trees);
        self.note("", "loads", checked);
        let checked = self.files(trees);
        self.note("", "outputs and models", checked);
        for (tree, what) in [(Tree::Docs, "documents"), (Tree::Tags, "tags")] {
            let checked = self.documents(trees, tree);
            self.note("", what, checked);
        }
        let whole = mark::verify(self.home, trees);
        let is_whole = whole.is_ok();
        self.note("", "the catalog", whole);
        if is_whole && self.home.parts().exists() {
            for dir in list(&self.home.parts())? {
                if let Some(number) = Home::number_of(&dir) {
                    let behind = marker::stale(trees, number, &dir).map(|_| ());
                    self.note("", "the catalog", behind);
                }
            }
        }
        self.orphans()
    }

    fn dataset(&mut self, trees: &Trees, id: &str) -> Result<()> {
        let parsed = lode_types::DatasetId::parse(id)
            .map_err(|error| Error::damaged("dataset id", error.to_string()))?;
        let known = catalog::known(trees, &parsed)?;
        self.checked.datasets += 1;
        self.checked.rows += known.head.rows;
        for lost in damage::of_dataset(trees, known.number)? {
            let path = self.home.parts_of(known.number).join(&lost.part);
            if !path.exists() {
                let found = format!("{} (found earlier)", lost.found);
                self.problem(id, format!("part {}", lost.part), found, lost.rows);
            }
        }
        self.versions(trees, &known)?;
        let pending = recent::pending(
            trees,
            known.number,
            &Arc::new(known.definition.schema.to_arrow()),
            known.head.version,
        );
        self.note(id, "rows of small writes", pending.map(|_| ()));
        for number in runs::all(trees, known.number)?.into_keys() {
            let place = Place {
                dataset: known.number,
                ingest: number,
            };
            for (seq, part) in (0..).zip(runs::parts(trees, known.number, number)?) {
                self.part(trees, place, seq, &part)?;
            }
        }
        if known.definition.kind == DatasetKind::Customers {
            let counted = self.customers(trees, &known);
            self.note(id, "customers' blocks", counted);
        }
        let dir = self.home.parts_of(known.number);
        if dir.exists() {
            let (markers, damaged) = marker::read_all(&dir)?;
            for (path, found) in damaged {
                self.problem(id, path.display().to_string(), found, 0);
            }
            for marker in &markers {
                self.owned.insert(dir.join(marker::name(marker.version)));
            }
        }
        Ok(())
    }

    fn versions(&mut self, trees: &Trees, known: &Known) -> Result<()> {
        let mut span = Span::prefix(&key::versions(known.number)).limit(STEP);
        let mut newest = 0;
        loop {
            let pairs = trees.scan(Tree::Meta, &span)?;
            let Some((last, _)) = pairs.last() else { break };
            span = span.after(last);
            for (key, value) in &pairs {
                newest = key::read_version(key).unwrap_or(0);
                Version::decode(value)?;
            }
        }
        if newest != known.head.version {
            return Err(Error::damaged(
                "versions",
                format!(
                    "expected the newest to be {}, found {newest}",
                    known.head.version
                ),
            ));
        }
        Ok(())
    }

    /// Every chunk of every load, committed or open, of every dataset.
    fn open_loads(&mut self, trees: &Trees) -> Result<()> {
        let mut span = Span::prefix(&key::all_chunks()).limit(STEP);
        loop {
            let pairs = trees.scan(Tree::Meta, &span)?;
            let Some((last, _)) = pairs.last() else {
                return Ok(());
            };
            span = span.after(last);
            for (key, value) in &pairs {
                let wrong = || Error::damaged("chunk", "a key");
                let dataset = key::read_dataset(key).ok_or_else(wrong)?;
                let ingest = key::read_ingest(key).ok_or_else(wrong)?;
                let seq = key::read_seq(key).ok_or_else(wrong)?;
                let place = Place { dataset, ingest };
                let chunk = crate::record::Chunk::decode(value)?;
                self.owned
                    .insert(self.home.parts_of(dataset).join(&chunk.part));
                if chunk.rows > 0 && ingest::progress(trees, place)?.state != State::Aborted {
                    self.part(trees, place, seq, &chunk)?;
                }
            }
        }
    }

    fn part(
        &mut self,
        trees: &Trees,
        place: Place,
        seq: u64,
        chunk: &crate::record::Chunk,
    ) -> Result<()> {
        let path = self.home.parts_of(place.dataset).join(&chunk.part);
        self.owned.insert(path.clone());
        if damage::is_lost(trees, place, seq)? && !path.exists() {
            return Ok(());
        }
        let dataset = catalog::definition(trees, place.dataset)
            .map_or_else(|_| format!("number {}", place.dataset), |d| d.id);
        let found = match File::open(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => "no file".to_owned(),
            Err(error) => error.to_string(),
            Ok(file) => {
                self.checked.parts += 1;
                match lode_parts::check(&file, chunk.bytes, chunk.part_crc32c) {
                    Ok(()) => return Ok(()),
                    Err(error) => lode_types::chain(&error),
                }
            }
        };
        self.problem(&dataset, format!("part {}", chunk.part), found, chunk.rows);
        Ok(())
    }

    fn customers(&mut self, trees: &Trees, known: &Known) -> Result<()> {
        let head = &known.head;
        let schema = Arc::new(known.definition.schema.to_arrow());
        let mut rows = 0;
        if head.rows > 0 {
            let (number, layout) = (known.number, head.layout);
            for stored in Blocks::new(trees, number, layout, head.version, 0, u32::MAX) {
                let mut decoder = Decoder::new(Arc::clone(&schema))?;
                decoder.push(&stored?.bytes())?;
                rows += decoder.rows() as u64;
            }
        }
        if rows == head.rows {
            return Ok(());
        }
        Err(Error::damaged(
            "customers",
            format!("expected {} rows, found {rows}", head.rows),
        ))
    }

    fn files(&mut self, trees: &Trees) -> Result<()> {
        for area in [Area::Outputs, Area::Models] {
            let prefix = key::file(area.tag(), "");
            for (key, value) in trees.scan(Tree::Meta, &Span::prefix(&prefix))? {
                let name = String::from_utf8_lossy(&key[prefix.len()..]).into_owned();
                let path = self.home.area(area.as_str()).join(&name);
                self.owned.insert(path.clone());
                let found = match File::open(&path) {
                    Err(error) => error.to_string(),
                    Ok(_) if value.is_empty() => continue,
                    Ok(file) => {
                        self.checked.files += 1;
                        let (expected, found) = (Seal::decode(&value)?, Seal::of(&file)?);
                        if expected == found {
                            continue;
                        }
                        found.differs(expected)
                    }
                };
                self.problem("", path.display().to_string(), found, 0);
            }
        }
        Ok(())
    }

    fn documents(&mut self, trees: &Trees, tree: Tree) -> Result<()> {
        let mut span = Span::prefix(b"");
        loop {
            let page = long::scan(trees, tree, span.clone(), STEP, false)?;
            let Some((last, _)) = page.last() else {
                return Ok(());
            };
            self.checked.documents += page.len() as u64;
            span = span.after(&key::piece(last, u16::MAX));
        }
    }

    fn orphans(&mut self) -> Result<()> {
        let mut dirs: Vec<PathBuf> = [Area::Outputs, Area::Models]
            .map(|area| self.home.area(area.as_str()))
            .into();
        if self.home.parts().exists() {
            dirs.extend(list(&self.home.parts())?);
        }
        for dir in dirs.iter().filter(|dir| dir.is_dir()) {
            for path in list(dir)? {
                if !self.owned.contains(&path) && marker::version_of(&path).is_none() {
                    self.checked.orphans.push(path);
                }
            }
        }
        Ok(())
    }
}
