//! Part files on their way: written and synced, but not yet named by any record.
//!
//! A staged part that is never recorded removes its file when it is dropped.

use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::Array;
use arrow_array::RecordBatch;
use lode_parts::Manifest;
use lode_parts::PartInfo;
use lode_parts::Step;
use lode_types::DatasetId;
use lode_types::DatasetKind;
use lode_types::IngestId;

use crate::Error;
use crate::Result;
use crate::catalog;
use crate::ingest;
use crate::ingest::Place;
use crate::merge::key_column;
use crate::record::Definition;
use crate::store::Inner;

/// A part that waits to be recorded.
#[derive(Debug)]
pub struct Staged {
    path: PathBuf,
    info: PartInfo,
    keep: bool,
}

impl Staged {
    pub(crate) fn new(path: PathBuf, info: PartInfo) -> Self {
        Self {
            path,
            info,
            keep: false,
        }
    }

    /// Rows in it.
    pub fn rows(&self) -> u64 {
        self.info.rows
    }

    /// Its length.
    pub fn bytes(&self) -> u64 {
        self.info.bytes
    }

    pub(crate) fn name(&self) -> &str {
        &self.info.name
    }

    pub(crate) fn crc32c(&self) -> u32 {
        self.info.crc32c
    }

    /// The file stays: a record names it, or may name it.
    pub(crate) fn keep(mut self) {
        self.keep = true;
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if self.keep {
            return;
        }
        if let Err(error) = std::fs::remove_file(&self.path)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(part = self.info.name, %error, "could not remove an unused part");
        }
    }
}

/// Writes the good rows of a chunk as a part.
pub(crate) fn write(
    inner: &Inner,
    dataset: &DatasetId,
    id: &IngestId,
    seq: u64,
    batch: &RecordBatch,
) -> Result<Staged> {
    inner.core().check()?;
    let known = catalog::known(&inner.core().trees, dataset)?;
    let place = ingest::place(&inner.core().trees, dataset, id)?;
    inner.touch(known.number);
    let batch = conform(&known.definition, batch)?;
    let manifest = Manifest {
        format: 1,
        dataset: dataset.as_str().to_owned(),
        kind: known.definition.kind.as_str().to_owned(),
        ingest: id.as_str().to_owned(),
        seq,
        run: None,
    };
    write_part(inner, place, seq, &batch, &manifest)
}

/// Writes one batch as a part of an ingest.
pub(crate) fn write_part(
    inner: &Inner,
    place: Place,
    seq: u64,
    batch: &RecordBatch,
    manifest: &Manifest,
) -> Result<Staged> {
    let dir = inner.home().parts_of(place.dataset);
    if !dir.exists() {
        std::fs::create_dir_all(&dir).map_err(Error::io("create a directory for parts"))?;
        lode_parts::sync_dir(&inner.home().parts())?;
    }
    let name = format!(
        "{:08x}-{seq:012x}-{}.arrow",
        place.ingest,
        inner.next_part()
    );
    let pass = |step: Step| {
        inner.core().failpoints.pass(match step {
            Step::Written => "part.written",
            Step::Renamed => "part.renamed",
        });
    };
    let schema = batch.schema();
    let info = lode_parts::write_in_steps(
        &dir,
        &name,
        &schema,
        std::slice::from_ref(batch),
        manifest,
        &pass,
    )?;
    Ok(Staged::new(dir.join(name), info))
}

/// The batch under the dataset's own schema, or why it does not fit.
pub(crate) fn conform(definition: &Definition, batch: &RecordBatch) -> Result<RecordBatch> {
    let schema = Arc::new(definition.schema.to_arrow());
    let found = batch.schema();
    let same_names = schema.fields().len() == found.fields().len()
        && std::iter::zip(schema.fields(), found.fields()).all(|(a, b)| a.name() == b.name());
    if !same_names {
        let names: Vec<&str> = found.fields().iter().map(|f| f.name().as_str()).collect();
        return Err(Error::ChunkSchema {
            found: format!("columns {}", names.join(", ")),
        });
    }
    if definition.kind == DatasetKind::Customers {
        let nulls = batch.column(key_column(definition)?).null_count();
        if nulls > 0 {
            return Err(Error::MissingKey { nulls });
        }
    }
    RecordBatch::try_new(schema, batch.columns().to_vec()).map_err(|error| Error::ChunkSchema {
        found: error.to_string(),
    })
}
