//! A small file beside the parts of each commit, from which a lost catalog is rebuilt.
//!
//! It is durable before the transaction that shows the commit, and goes again when there is
//! none; a start removes those that are ahead of the catalog. So with sled whole the catalog
//! is the truth, and without it these files are. Invariant: a version is shown only after its
//! file is on stable storage, and each file tells of one version.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;

use lode_types::Timestamp;
use serde::Deserialize;
use serde::Serialize;

use crate::Error;
use crate::IngestOptions;
use crate::Result;
use crate::catalog;
use crate::home::Home;
use crate::home::list;
use crate::ingest;
use crate::ingest::Place;
use crate::key;
use crate::kv::Read;
use crate::kv::Span;
use crate::kv::Tree;
use crate::recent;
use crate::record::Definition;
use crate::record::Progress;
use crate::record::State;
use crate::record::Version;
use crate::store::Inner;

const ENDING: &str = ".commit";
const FORM: u8 = 1;
const STEP: usize = 1000;

/// What a commit was.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Marker {
    pub(crate) form: u8,
    /// The version that the commit made.
    pub(crate) version: u64,
    /// The dataset, as it was then.
    pub(crate) definition: Definition,
    pub(crate) create_time: i64,
    /// When it was committed.
    pub(crate) time: i64,
    pub(crate) ingest: u32,
    pub(crate) ingest_id: String,
    pub(crate) options: IngestOptions,
    pub(crate) rejected: u64,
    pub(crate) repeated: u64,
    pub(crate) received_bytes: u64,
    /// Its chunks, in order; those without a good row too.
    pub(crate) chunks: Vec<MarkerChunk>,
    /// Of a roll: each small write's version, rows and time, in the order of the rows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) rolled: Vec<(u64, u64, i64)>,
}

/// A chunk of a commit and its part.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct MarkerChunk {
    /// Empty when no row was good.
    pub(crate) part: String,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    pub(crate) part_crc32c: u32,
    pub(crate) chunk_crc32c: u32,
    pub(crate) rejected: u64,
}

/// Writes the file of a commit that is about to be shown.
pub(crate) fn write(inner: &Inner, dataset: u32, marker: &Marker) -> Result<()> {
    let dir = inner.home().parts_of(dataset);
    if !dir.exists() {
        std::fs::create_dir_all(&dir).map_err(Error::io("create a directory for parts"))?;
        lode_parts::sync_dir(&inner.home().parts())?;
    }
    write_in(&dir, marker)?;
    lode_parts::sync_dir(&dir)?;
    inner.core().failpoints.pass("marker.written");
    Ok(())
}

/// Removes the file of a commit that was not shown; at worst the next start does.
pub(crate) fn remove(inner: &Inner, dataset: u32, version: u64) {
    let path = inner.home().parts_of(dataset).join(name(version));
    if let Err(error) = std::fs::remove_file(&path)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(path = %path.display(), %error, "could not remove the file of a commit");
    }
}

/// The marker of an ingest that is to be `version`, from its records.
pub(crate) fn of_ingest(
    read: &dyn Read,
    place: Place,
    ingest_id: &str,
    progress: &Progress,
    version: u64,
    time: Timestamp,
) -> Result<Marker> {
    let definition = catalog::definition(read, place.dataset)?;
    let mut chunks = Vec::new();
    let mut from = 0;
    loop {
        let page = ingest::chunks(read, place, from, STEP)?;
        let Some((last, _)) = page.last() else { break };
        from = last + 1;
        chunks.extend(page.into_iter().map(|(_, chunk)| MarkerChunk {
            part: chunk.part,
            rows: chunk.rows,
            bytes: chunk.bytes,
            part_crc32c: chunk.part_crc32c,
            chunk_crc32c: chunk.chunk_crc32c,
            rejected: chunk.rejected,
        }));
    }
    Ok(Marker {
        form: FORM,
        version,
        definition,
        create_time: catalog::head(read, place.dataset)?.create_time.0,
        time: time.0,
        ingest: place.ingest,
        ingest_id: ingest_id.to_owned(),
        options: ingest::options(read, place)?,
        rejected: progress.rejected,
        repeated: progress.repeated,
        received_bytes: progress.received_bytes,
        chunks,
        rolled: Vec::new(),
    })
}

/// A file of a commit that cannot be read, and why.
pub(crate) type Damaged = (PathBuf, String);

/// The files of commits in a directory of parts, in the order of their versions, and those
/// that cannot be read, with the reason.
pub(crate) fn read_all(dir: &Path) -> Result<(Vec<Marker>, Vec<Damaged>)> {
    let (mut markers, mut damaged) = (Vec::new(), Vec::new());
    for path in list(dir)? {
        let Some(version) = version_of(&path) else {
            continue;
        };
        match read_one(&path) {
            Ok(marker) if marker.version == version => markers.push(marker),
            Ok(marker) => damaged.push((path, format!("it tells of version {}", marker.version))),
            Err(error) => damaged.push((path, lode_types::chain(&error))),
        }
    }
    markers.sort_by_key(|marker| marker.version);
    Ok((markers, damaged))
}

/// The version that a file of a directory of parts tells of; none when it is no such file.
pub(crate) fn version_of(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?;
    u64::from_str_radix(name.strip_suffix(ENDING)?, 16).ok()
}

/// Makes the files agree with a whole catalog: that of a commit that was not shown goes, and
/// commits of before there were such files get theirs, once, when a directory is upgraded.
///
/// # Errors
/// `CATALOG_BEHIND` when a file tells of what the catalog has lost.
pub(crate) fn resume(inner: &Inner, upgrade: bool) -> Result<()> {
    let trees = &inner.core().trees;
    for dir in list(&inner.home().parts())? {
        let Some(number) = Home::number_of(&dir) else {
            continue;
        };
        for path in stale(trees, number, &dir)? {
            std::fs::remove_file(&path)
                .map_err(Error::io("remove the file of a commit that was not shown"))?;
        }
        if upgrade && trees.get(Tree::Meta, &key::head(number))?.is_some() {
            write_missing(inner, number, &dir)?;
        }
    }
    Ok(())
}

/// The files of commits that were not shown.
///
/// # Errors
/// `CATALOG_BEHIND` when one was.
pub(crate) fn stale(read: &dyn Read, number: u32, dir: &Path) -> Result<Vec<PathBuf>> {
    let mut stale = Vec::new();
    let Some(newest) = list(dir)?.iter().filter_map(|path| version_of(path)).max() else {
        return Ok(stale);
    };
    let behind = |dataset: String, found: u64| Error::CatalogBehind {
        dataset,
        expected: newest,
        found,
    };
    if read.get(Tree::Meta, &key::head(number))?.is_none() {
        let doomed = read.get(Tree::Meta, &key::doomed_dataset(number))?;
        let gone = doomed.is_some() || number < catalog::next_number(read)?;
        return if gone {
            Ok(stale)
        } else {
            Err(behind(format!("number {number}"), 0))
        };
    }
    let head = catalog::head(read, number)?;
    for path in list(dir)? {
        let Some(version) = version_of(&path) else {
            continue;
        };
        if version <= head.version {
            // Of a roll that did not end: its rows still wait.
            let record = read.get(Tree::Meta, &key::version(number, version))?;
            let record = record.map(|value| Version::decode(&value)).transpose()?;
            if record.is_some_and(|record| record.ingest == recent::PUT) {
                stale.push(path);
            }
            continue;
        }
        // A commit that was about to be shown has all its chunks in the catalog.
        let known = match read_one(&path) {
            Ok(marker) => {
                let key = key::ingest(number, marker.ingest);
                let progress = read.get(Tree::Meta, &key)?;
                let progress = progress.map(|value| Progress::decode(&value)).transpose()?;
                progress.is_some_and(|progress| {
                    progress.next_seq >= marker.chunks.len() as u64
                        && progress.state != State::Committed
                })
            }
            Err(_) => true,
        };
        if version > head.version + 1 || !known {
            return Err(behind(catalog::definition(read, number)?.id, head.version));
        }
        stale.push(path);
    }
    Ok(stale)
}

fn write_missing(inner: &Inner, number: u32, dir: &Path) -> Result<()> {
    let trees = &inner.core().trees;
    let mut names = std::collections::HashMap::new();
    let prefix = key::ingest_ids(number);
    for (key, value) in trees.scan(Tree::Meta, &Span::prefix(&prefix))? {
        let id = String::from_utf8_lossy(&key[prefix.len()..]).into_owned();
        let ingest =
            key::read_number(&value).ok_or_else(|| Error::damaged("ingest id", "no number"))?;
        names.insert(ingest, id);
    }
    for (key, value) in trees.scan(Tree::Meta, &Span::prefix(&key::versions(number)))? {
        let version = key::read_version(&key).ok_or_else(|| Error::damaged("version", "a key"))?;
        let record = Version::decode(&value)?;
        let place = Place {
            dataset: number,
            ingest: record.ingest,
        };
        let Some(id) = names.get(&record.ingest) else {
            continue;
        };
        if record.ingest == recent::PUT || dir.join(name(version)).exists() {
            continue;
        }
        let progress = ingest::progress(trees, place)?;
        if progress.state == State::Committed {
            let marker = of_ingest(trees, place, id, &progress, version, record.time)?;
            write_in(dir, &marker)?;
        }
    }
    lode_parts::sync_dir(dir)?;
    Ok(())
}

/// The name of the file of a version.
pub(crate) fn name(version: u64) -> String {
    format!("{version:016x}{ENDING}")
}

fn write_in(dir: &Path, marker: &Marker) -> Result<()> {
    let mut text = serde_json::to_string(marker).map_err(|error| Error::bug(error.to_string()))?;
    let crc = crc32c::crc32c(text.as_bytes());
    text.push_str(&format!("\n{crc:08x}\n"));
    let name = name(marker.version);
    let temporary = dir.join(format!("{name}.tmp"));
    let written = File::create(&temporary)
        .and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_data()
        })
        .and_then(|()| std::fs::rename(&temporary, dir.join(&name)));
    if written.is_err() {
        // The error that counts is the one before.
        drop(std::fs::remove_file(&temporary));
    }
    written.map_err(Error::io(format!("write {name}")))
}

fn read_one(path: &Path) -> Result<Marker> {
    let wrong = |found: String| Error::damaged("file of a commit", found);
    let text = std::fs::read_to_string(path).map_err(Error::io("read the file of a commit"))?;
    let (json, crc) = text
        .trim_end()
        .rsplit_once('\n')
        .ok_or_else(|| wrong("no checksum".to_owned()))?;
    let found = crc32c::crc32c(json.as_bytes());
    if u32::from_str_radix(crc, 16) != Ok(found) {
        return Err(wrong(format!("expected checksum {crc}, found {found:08x}")));
    }
    let marker: Marker = serde_json::from_str(json).map_err(|error| wrong(error.to_string()))?;
    if marker.form != FORM {
        return Err(wrong(format!(
            "expected form {FORM}, found {}",
            marker.form
        )));
    }
    Ok(marker)
}
