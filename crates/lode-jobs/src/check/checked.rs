//! A job that can run: what it reads and whom it asks, and the same with another algorithm.

use std::sync::Arc;

use lode_host::Loaded;
use lode_store::Snapshot;
use lode_types::ModelId;

use super::BoundSource;
use super::Checked;
use crate::PinnedInput;
use crate::Result;
use crate::training::TrainingSource;

impl Checked {
    /// The model that is asked about everybody, of a job that fits none.
    pub(crate) fn asks(&self) -> Option<&ModelId> {
        let batch = self.batch.as_ref().map(|batch| &batch.model.id);
        batch.or(self.for_all.as_ref().map(|all| &all.model.id))
    }

    /// The same job with another algorithm of the same inputs, and its parameters.
    pub(crate) fn with(&self, algorithm: Arc<Loaded>, params_json: String) -> Self {
        Self {
            algorithm,
            params_json,
            inputs: Arc::clone(&self.inputs),
            folds: self.folds,
            base_model: self.base_model.clone(),
            base_model_sha256: self.base_model_sha256.clone(),
            batch: None,
            for_all: None,
            tuning: self.tuning.clone(),
            offers: Arc::clone(&self.offers),
        }
    }

    /// Whether the algorithm knows an input of that name: one that was found by a search may know
    /// less than the one that was asked for.
    pub(crate) fn takes(&self, input: &str) -> bool {
        let mut known = self.algorithm.spec.inputs.iter();
        known.any(|known| known.name == input)
    }

    /// Versions read, in the order of the inputs.
    pub(crate) fn pinned(&self) -> Result<Vec<PinnedInput>> {
        let mut pinned = Vec::new();
        let judging = self.offers.order.iter().chain(&self.offers.holdout);
        for input in self.inputs.iter().chain(judging) {
            let mut features = None;
            let mut training = None;
            let snapshots: Vec<Arc<Snapshot>> = match &input.source {
                BoundSource::Dataset(snapshot) => vec![Arc::clone(snapshot)],
                BoundSource::Sql { tables, .. } => {
                    let latest = tables.iter().filter(|table| !table.has_own_version);
                    let snapshots = latest.map(|table| table.snapshot.clone());
                    snapshots.map(Arc::new).collect()
                }
                BoundSource::Output { .. } => Vec::new(),
                BoundSource::Features {
                    view, declaration, ..
                } => {
                    features = Some(declaration.clone());
                    view.snapshots()
                }
                BoundSource::Subjects { subjects, .. } => subjects.snapshots(),
                BoundSource::TrainingSet(set) => {
                    features = Some(set.declaration.clone());
                    training = Some(serde_json::to_string(&set.resolved)?);
                    set.snapshots()
                }
            };
            for snapshot in snapshots {
                pinned.push(PinnedInput {
                    input: input.name.clone(),
                    dataset: snapshot.dataset().id.clone(),
                    version: snapshot.version(),
                    as_of: input.as_of,
                    features: features.clone(),
                    // Once is enough: it may name many values.
                    training: training.take(),
                });
            }
        }
        Ok(pinned)
    }

    /// The training set that the job learns from, if it is one.
    pub(crate) fn training(&self) -> Option<&TrainingSource> {
        self.inputs.iter().find_map(|input| match &input.source {
            BoundSource::TrainingSet(set) => Some(&**set),
            _ => None,
        })
    }
}
