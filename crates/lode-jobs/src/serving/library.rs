//! Which library answers for a model.
//!
//! The one that made it while that is loaded, else another build of the same version, else
//! the highest version of the same plugin that reads the model's format. Invariant: the bytes
//! of a model never reach a library that does not say that it reads them.

use std::sync::Arc;

use lode_host::Algorithms;
use lode_host::Loaded;
use lode_types::Class;

use crate::Error;
use crate::Model;
use crate::Result;

/// The library for a model among those that are loaded.
pub(crate) fn library_of(picture: &Algorithms, model: &Model) -> Result<Arc<Loaded>> {
    let made_by = &model.provenance;
    if let Some(own) = picture.of_library(&model.algorithm, &made_by.plugin_sha256) {
        return Ok(own);
    }
    let versions = picture.versions(&model.algorithm);
    let same_version = |loaded: &&Arc<Loaded>| loaded.plugin_version == made_by.plugin_version;
    let found = versions
        .iter()
        .filter(same_version)
        .chain(versions)
        .find(|loaded| loaded.plugin == made_by.plugin && reads(loaded, model.model_format));
    match (found, versions.first()) {
        (Some(found), _) => Ok(Arc::clone(found)),
        (None, Some(current)) => Err(incompatible(model, current)),
        (None, None) => Err(Error::new(
            Class::State,
            "ALGORITHM_NOT_LOADED",
            format!(
                "model {:?} needs {}, which no plugin brings",
                model.id.as_str(),
                model.algorithm
            ),
        )
        .at("model")),
    }
}

/// Whether a library takes models of a format; one whose format was not kept is left to its
/// `open`.
fn reads(loaded: &Loaded, format: Option<u32>) -> bool {
    let spec = &loaded.spec;
    match (spec.model_format, format) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(own), Some(format)) => own == format || spec.reads_formats.contains(&format),
    }
}

fn incompatible(model: &Model, current: &Loaded) -> Error {
    let made_by = &model.provenance;
    let sha256 = &made_by.plugin_sha256;
    let format = match model.model_format {
        Some(format) => format!("format {format}"),
        None => "a format that was not kept".to_owned(),
    };
    let spec = &current.spec;
    let formats: Vec<String> = spec
        .model_format
        .iter()
        .chain(&spec.reads_formats)
        .map(u32::to_string)
        .collect();
    let reads = match formats.as_slice() {
        [] => "makes no models".to_owned(),
        formats => format!("reads format {}", formats.join(", ")),
    };
    Error::new(
        Class::State,
        "MODEL_INCOMPATIBLE",
        format!(
            "model {:?} is of {format}, made by plugin {} {} ({}); {} is now of {}, which {reads}: \
             put the library that made the model beside the new one, under another file name, or make the model anew",
            model.id.as_str(),
            made_by.plugin,
            made_by.plugin_version,
            &sha256[..sha256.len().min(12)],
            model.algorithm,
            current.library(),
        ),
    )
    .at("model")
}
