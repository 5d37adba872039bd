//! Counts what models were asked online since the engine started, for their drift.
//!
//! In memory only: a restart begins anew. Invariant: counting never makes a score wait for
//! another model's.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use arrow_array::RecordBatch;
use lode_types::ModelId;

use crate::Result;
use crate::card::Card;
use crate::profile::Drift;
use crate::profile::Profile;
use crate::profile::Tally;

/// What each model was asked.
#[derive(Default)]
pub(super) struct Watch {
    models: Mutex<HashMap<ModelId, Arc<Mutex<Tally>>>>,
}

impl Watch {
    /// Counts rows and their scores, if it is known what they would be compared with.
    pub(super) fn count(
        &self,
        id: &ModelId,
        card: &Card,
        rows: &RecordBatch,
        scores: &[f64],
    ) -> Result<()> {
        let Some(profile) = &card.profile else {
            return Ok(());
        };
        let tally = {
            let mut models = self.models.lock().unwrap_or_else(PoisonError::into_inner);
            let new = || Arc::new(Mutex::new(Tally::new(profile)));
            Arc::clone(models.entry(id.clone()).or_insert_with(new))
        };
        let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.add(profile, rows, scores)
    }

    /// Rows that were counted, and how far they are from the profile.
    pub(super) fn of(&self, id: &ModelId, profile: &Profile) -> (u64, Vec<Drift>) {
        let models = self.models.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = models.get(id).cloned();
        drop(models);
        let tally = match counted {
            Some(tally) => tally.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            None => Tally::new(profile),
        };
        (tally.rows(), tally.drifts(profile))
    }

    /// Forgets a model that was deleted.
    pub(super) fn forget(&self, id: &ModelId) {
        let mut models = self.models.lock().unwrap_or_else(PoisonError::into_inner);
        models.remove(id);
    }
}
