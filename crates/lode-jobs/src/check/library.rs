//! Which library a job runs with.
//!
//! A new job gets what its algorithm's name means now, and keeps it whatever is loaded or
//! unloaded while it waits. After a restart it gets the same library, or another build of the
//! same version of the plugin; a job that was promised one version never runs with another.

use std::sync::Arc;

use lode_host::Loaded;
use lode_host::split_algorithm;
use lode_types::Class;

use super::Checker;
use crate::Error;
use crate::JobSpec;
use crate::Provenance;
use crate::Result;

impl Checker<'_> {
    /// The algorithm of a spec in a library that may run it.
    pub(super) fn algorithm(
        &self,
        spec: &JobSpec,
        again: Option<&Provenance>,
    ) -> Result<Arc<Loaded>> {
        if let Some(before) = again {
            // A quarantine is told when the job's turn comes.
            return self.as_before(spec, before);
        }
        let loaded = self
            .host
            .algorithm(&spec.algorithm)
            .ok_or_else(|| self.not_found(&spec.algorithm))?;
        self.host
            .check_quarantine(&loaded)
            .map_err(|error| Error::of(&error).at("spec.algorithm"))?;
        Ok(loaded)
    }

    fn as_before(&self, spec: &JobSpec, before: &Provenance) -> Result<Arc<Loaded>> {
        let picture = self.host.picture();
        let (id, _) = split_algorithm(&spec.algorithm);
        if let Some(same) = picture.of_library(id, &before.plugin_sha256) {
            return Ok(same);
        }
        let versions = picture.versions(id);
        let same_version = versions.iter().find(|loaded| {
            loaded.plugin == before.plugin && loaded.plugin_version == before.plugin_version
        });
        if let Some(same_version) = same_version {
            return Ok(Arc::clone(same_version));
        }
        let loaded: Vec<String> = versions.iter().map(|loaded| loaded.library()).collect();
        let loaded = match loaded.as_slice() {
            [] => "no plugin brings the algorithm".to_owned(),
            some => format!("loaded is {}", some.join(", ")),
        };
        Err(Error::new(
            Class::State,
            "ALGORITHM_NOT_LOADED",
            format!(
                "{id} of plugin {} {}, which the job was created for, is not loaded: {loaded}",
                before.plugin, before.plugin_version
            ),
        )
        .at("spec.algorithm"))
    }

    pub(super) fn not_found(&self, name: &str) -> Error {
        let picture = self.host.picture();
        let (id, _) = split_algorithm(name);
        let mut known: Vec<String> = match picture.versions(id) {
            [] => picture.all().iter().map(|l| l.spec.id.clone()).collect(),
            versions => versions.iter().map(|loaded| loaded.exact_id()).collect(),
        };
        known.dedup();
        Error::new(
            Class::NotFound,
            "ALGORITHM_NOT_FOUND",
            format!(
                "no algorithm {name:?}: expected one of {}",
                known.join(", ")
            ),
        )
        .at("spec.algorithm")
    }
}
