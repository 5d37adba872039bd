//! The model that a job starts from: there, of the same algorithm, in a format that is read.
//!
//! Looked at when the job is created, after a restart, and once more when the job runs: ids may
//! be used again, so the checksum that was pinned the first time decides. Invariant: a job never
//! starts from other bytes than those that its provenance names.

use std::fs::File;

use lode_store::Area;
use lode_store::Store;
use lode_types::AlgorithmSpec;
use lode_types::Class;
use lode_types::ModelId;

use crate::Error;
use crate::Model;
use crate::Result;
use crate::records;

const FIELD: &str = "spec.base_model";

/// The checksum of the model, if a job of the algorithm may start from it; `before` is the one
/// that an earlier check found.
pub(super) fn check(
    store: &Store,
    algorithm: &AlgorithmSpec,
    id: &ModelId,
    before: Option<&str>,
) -> Result<String> {
    if !algorithm.warm_start {
        return Err(Error::invalid(
            "NO_WARM_START",
            FIELD,
            format!("{} cannot start from a model", algorithm.id),
        ));
    }
    let model = find(store, id, before)?;
    if model.algorithm != algorithm.id {
        return Err(Error::invalid(
            "WRONG_ALGORITHM",
            FIELD,
            format!(
                "expected a model of {}, found {:?}, which is of {}",
                algorithm.id,
                id.as_str(),
                model.algorithm
            ),
        ));
    }
    if !model.name.is_empty() {
        return Err(Error::invalid(
            "NOT_MAIN_MODEL",
            FIELD,
            format!(
                "expected the main model of a job, found {:?}, which is its model {:?} beside it",
                id.as_str(),
                model.name
            ),
        ));
    }
    match model.model_format {
        Some(format) if !algorithm.reads(format) => Err(Error::new(
            Class::State,
            "MODEL_INCOMPATIBLE",
            format!(
                "expected a model of a format that {} {} reads, found {:?}, which is of format \
                 {format}, made by plugin {} {}",
                algorithm.id,
                algorithm.version,
                id.as_str(),
                model.provenance.plugin,
                model.provenance.plugin_version
            ),
        )
        .at(FIELD)),
        // What was not kept is left to the plugin, which checks the header.
        _ => Ok(model.sha256),
    }
}

/// The file of a model that was checked before.
pub(crate) fn open(store: &Store, id: &ModelId, sha256: Option<&str>) -> Result<File> {
    let model = find(store, id, sha256)?;
    let file = store.open_file(Area::Models, &model.file);
    file.map_err(|error| Error::from(error).at(FIELD))
}

fn find(store: &Store, id: &ModelId, sha256: Option<&str>) -> Result<Model> {
    let model = records::model(store, id)?.ok_or_else(|| {
        let gone = match sha256 {
            Some(_) => ": it was deleted after the job was created",
            None => "",
        };
        Error::new(
            Class::NotFound,
            "MODEL_NOT_FOUND",
            format!("no model {:?}{gone}", id.as_str()),
        )
        .at(FIELD)
    })?;
    match sha256 {
        Some(sha256) if sha256 != model.sha256 => Err(Error::new(
            Class::State,
            "MODEL_CHANGED",
            format!(
                "expected the model {:?} that was there when the job was created, found another \
                 of the same id",
                id.as_str()
            ),
        )
        .at(FIELD)),
        _ => Ok(model),
    }
}
