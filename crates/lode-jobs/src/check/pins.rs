//! The datasets that a job reads, each held at one version.

use std::collections::BTreeMap;
use std::sync::Arc;

use lode_store::Snapshot;
use lode_store::Store;
use lode_types::DatasetId;
use lode_types::Timestamp;

use crate::PinnedInput;
use crate::Result;

/// Snapshots of one job: a dataset that is read twice is read at one version.
pub(super) struct Pins<'a> {
    pub(super) store: &'a Store,
    pub(super) pinned: Option<&'a [PinnedInput]>,
    pub(super) held: BTreeMap<DatasetId, Arc<Snapshot>>,
}

impl Pins<'_> {
    /// The view of an input as it was pinned.
    pub(super) fn features(&self, input: &str) -> Option<(String, Timestamp)> {
        let mut pinned = self.pinned?.iter().filter(|pinned| pinned.input == input);
        pinned.find_map(|pinned| Some((pinned.features.clone()?, pinned.as_of?)))
    }

    /// The view and the resolved training set of an input as they were kept.
    pub(super) fn training(&self, input: &str) -> Option<(String, String)> {
        let mut pinned = self.pinned?.iter().filter(|pinned| pinned.input == input);
        pinned.find_map(|pinned| Some((pinned.features.clone()?, pinned.training.clone()?)))
    }

    /// A dataset at the version that was pinned, or else the latest.
    pub(super) fn pin(&mut self, id: &DatasetId) -> Result<Arc<Snapshot>> {
        if let Some(held) = self.held.get(id) {
            return Ok(Arc::clone(held));
        }
        let version = self
            .pinned
            .and_then(|pinned| pinned.iter().find(|input| input.dataset == *id))
            .map(|input| input.version);
        let snapshot = Arc::new(self.store.pin(id, version)?);
        self.held.insert(id.clone(), Arc::clone(&snapshot));
        Ok(snapshot)
    }
}
