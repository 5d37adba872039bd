//! Part files: an immutable piece of a dataset with its manifest, zones and checksum.
//!
//! Who owns a part is the store's business. Invariant: under its final name a part is whole
//! and on stable storage; whatever ends in `.tmp` is waste.

use std::collections::HashMap;
use std::fs::File;
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::Path;

use arrow_array::RecordBatch;
use arrow_schema::Schema;
use arrow_schema::SchemaRef;
use serde::Deserialize;
use serde::Serialize;

use crate::Error;
use crate::Order;
use crate::Result;
use crate::Zone;
use crate::cells::Cells;
use crate::map::map;
use crate::table::Footer;
use crate::write::Written;
use crate::write::describe;
use crate::write::same_columns;
use crate::write::to_json;

/// Key of the Arrow schema metadata that holds a part's manifest, as JSON.
pub const MANIFEST_KEY: &str = "lode.manifest";

const CHECK_BYTES: usize = 1 << 18;

/// Where a part belongs, written into the part, so that a lost catalog can be rebuilt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of the part's format; 1.
    pub format: u32,
    /// The dataset's id.
    pub dataset: String,
    /// The dataset's kind, in its word.
    pub kind: String,
    /// The ingest that wrote it; empty when it belongs to a run.
    pub ingest: String,
    /// The chunk of the ingest, or the part's place in its run.
    pub seq: u64,
    /// The run it belongs to, when it was made from other parts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunPart>,
}

/// A run as each of its parts knows it: the rows of some versions in other parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunPart {
    /// Its number in the dataset.
    pub number: u32,
    /// The first version whose rows it holds.
    pub from: u64,
    /// The last one.
    pub to: u64,
    /// Rows of all its parts together; when fewer are found, one is missing.
    pub rows: u64,
}

/// What the owner of a part keeps of it.
#[derive(Clone, Debug, PartialEq)]
pub struct PartInfo {
    /// Its file name.
    pub name: String,
    /// Its rows.
    pub rows: u64,
    /// Its length.
    pub bytes: u64,
    /// CRC-32C of all its bytes.
    pub crc32c: u32,
    /// The ranges of its ordered columns; kept in its footer too.
    pub zones: Vec<Zone>,
}

/// Writes a part: temporary name, fdatasync, rename, fsync of the directory.
///
/// # Errors
/// When a batch does not fit the schema or the disk refuses; the temporary file is removed.
pub fn write(
    dir: &Path,
    name: &str,
    schema: &SchemaRef,
    batches: &[RecordBatch],
    manifest: &Manifest,
) -> Result<PartInfo> {
    write_in_steps(dir, name, schema, batches, manifest, &|_| {})
}

/// A step of writing a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It is whole under its temporary name.
    Written,
    /// It is durable under its own name.
    Renamed,
}

/// Like [`write()`], and calls `after` after each step; a crash test ends the process there.
///
/// # Errors
/// As [`write()`].
pub fn write_in_steps(
    dir: &Path,
    name: &str,
    schema: &SchemaRef,
    batches: &[RecordBatch],
    manifest: &Manifest,
    after: &dyn Fn(Step),
) -> Result<PartInfo> {
    let schema = with_manifest(schema, manifest)?;
    in_steps(dir, name, after, &|file| {
        check_columns(&schema, batches)?;
        crate::pack::write_loaded(file, &schema, batches)
    })
}

fn check_columns(schema: &Schema, batches: &[RecordBatch]) -> Result<()> {
    for batch in batches {
        let found = batch.schema();
        if !same_columns(schema, &found) {
            return Err(Error::SchemaDiffers {
                expected: describe(schema),
                found: describe(&found),
            });
        }
    }
    Ok(())
}

/// Writes a sorted part in the same steps.
pub(crate) fn write_sorted(
    dir: &Path,
    name: &str,
    schema: &SchemaRef,
    columns: &[Cells],
    order: Order,
    manifest: &Manifest,
    after: &dyn Fn(Step),
) -> Result<PartInfo> {
    let schema = with_manifest(schema, manifest)?;
    in_steps(dir, name, after, &|file| {
        crate::pack::write(file, &schema, columns, order)
    })
}

/// Writes a part's bytes: what it wrote, their checksum, and the zones.
type Fill<'a> = dyn Fn(&File) -> Result<(Written, u32, Vec<Zone>)> + 'a;

fn in_steps(dir: &Path, name: &str, after: &dyn Fn(Step), fill: &Fill<'_>) -> Result<PartInfo> {
    let temporary = dir.join(format!("{name}.tmp"));
    let result = write_temporary(&temporary, name, fill).and_then(|info| {
        after(Step::Written);
        std::fs::rename(&temporary, dir.join(name))
            .map_err(Error::io(format!("rename part {name}")))?;
        sync_dir(dir)?;
        after(Step::Renamed);
        Ok(info)
    });
    if result.is_err() {
        // The error that counts is the one before; a leftover is swept at the next start.
        drop(std::fs::remove_file(&temporary));
    }
    result
}

/// Makes renames and removals in a directory durable.
///
/// # Errors
/// When the disk refuses.
pub fn sync_dir(dir: &Path) -> Result<()> {
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(Error::io(format!("sync directory {}", dir.display())))
}

/// Reads all of a part and compares its length and checksum with what its owner kept.
///
/// # Errors
/// `TABLE_DAMAGED` when they differ.
pub fn check(file: &File, bytes: u64, crc32c: u32) -> Result<()> {
    let mut buffer = vec![0; CHECK_BYTES];
    let (mut at, mut sum) = (0, 0);
    loop {
        let n = file
            .read_at(&mut buffer, at)
            .map_err(Error::io("read a part"))?;
        if n == 0 {
            break;
        }
        sum = crc32c::crc32c_append(sum, &buffer[..n]);
        at += n as u64;
    }
    if at != bytes {
        return Err(Error::damaged(
            format!("{bytes} bytes"),
            format!("{at} bytes"),
        ));
    }
    if sum != crc32c {
        return Err(Error::damaged(
            format!("checksum {crc32c:08x}"),
            format!("checksum {sum:08x}"),
        ));
    }
    Ok(())
}

/// The manifest and the zones that a part carries.
///
/// # Errors
/// `TABLE_DAMAGED` when it is no part.
pub fn manifest(file: &File) -> Result<(Manifest, Vec<Zone>)> {
    let footer = Footer::read(&map(file)?)?;
    let text = footer
        .schema
        .metadata()
        .get(MANIFEST_KEY)
        .ok_or_else(|| Error::damaged("a part's manifest", "none"))?;
    let manifest = serde_json::from_str(text)
        .map_err(|error| Error::damaged("a part's manifest", error.to_string()))?;
    let zones = footer.zones()?.unwrap_or_default();
    Ok((manifest, zones))
}

fn write_temporary(path: &Path, name: &str, fill: &Fill<'_>) -> Result<PartInfo> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)
        .map_err(Error::io(format!("create part {name}")))?;
    let (written, crc32c, zones) = fill(&file)?;
    file.sync_data()
        .map_err(Error::io(format!("sync part {name}")))?;
    Ok(PartInfo {
        name: name.to_owned(),
        rows: written.rows,
        bytes: written.bytes,
        crc32c,
        zones,
    })
}

fn with_manifest(schema: &Schema, manifest: &Manifest) -> Result<Schema> {
    let mut metadata: HashMap<String, String> = schema.metadata().clone();
    metadata.insert(MANIFEST_KEY.to_owned(), to_json(manifest)?);
    Ok(schema.clone().with_metadata(metadata))
}
