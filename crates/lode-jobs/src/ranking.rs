//! Puts models in the order of a measure: the leaderboard over jobs.
//!
//! It reads what was measured and measures nothing. Invariant: models that were judged on other
//! rows are never told apart from chance here; who wants one order asks for one `judged_sha256`.

use std::cmp::Ordering;

use lode_store::Store;

use crate::Model;
use crate::Result;
use crate::records;

/// Measures of which less is better; of all others more is.
const LESS_IS_BETTER: [&str; 17] = [
    "log_loss",
    "log_loss_raw",
    "brier",
    "brier_raw",
    "brier_at_horizon",
    "calibration_error",
    "calibration_error_raw",
    "calibration_error_max",
    "calibration_error_max_raw",
    "rmse",
    "mae",
    "pinball",
    "wape",
    "poisson_deviance",
    "tweedie_deviance",
    "gamma_deviance",
    "contact_to_reach_80",
];
/// Models read from the store at once.
const PAGE: usize = 1000;

/// Which models, in which order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranking {
    /// Only models with this metric, the best first; empty: all, the newest first.
    pub by_metric: String,
    /// Only models that were judged on these rows; empty: on any or none.
    pub judged_sha256: String,
}

impl Ranking {
    pub(crate) fn of(&self, store: &Store) -> Result<Vec<Model>> {
        let mut taken = Vec::new();
        let mut before: Option<(u64, String)> = None;
        loop {
            let start = before
                .as_ref()
                .map(|(number, name)| (*number, name.as_str()));
            let page = records::models(store, start, PAGE)?;
            let Some(last) = page.last() else { break };
            before = Some((last.number, last.name.clone()));
            for model in page {
                if let Some(value) = self.value(&model) {
                    taken.push((value, model));
                }
            }
        }
        if !self.by_metric.is_empty() {
            // Of equal ones the newer comes first, as they were read.
            taken.sort_by(|(a, _), (b, _)| better_first(&self.by_metric, *a, *b));
        }
        Ok(taken.into_iter().map(|(_, model)| model).collect())
    }

    /// What a model is put in order by; none when it is left out. A model beside the main one
    /// was not judged.
    fn value(&self, model: &Model) -> Option<f64> {
        if !self.judged_sha256.is_empty() && model.judged_sha256 != self.judged_sha256 {
            return None;
        }
        if self.by_metric.is_empty() {
            return Some(0.0);
        }
        if !model.name.is_empty() {
            return None;
        }
        let mut metrics = model.metrics.iter();
        let found = metrics.find(|metric| metric.name == self.by_metric)?;
        found.value.is_finite().then_some(found.value)
    }
}

/// Whether less of a measure is better.
pub(crate) fn less_is_better(measure: &str) -> bool {
    LESS_IS_BETTER.contains(&measure)
}

/// The order of two values of a measure, the better one first.
pub(crate) fn better_first(measure: &str, a: f64, b: f64) -> Ordering {
    if less_is_better(measure) {
        a.total_cmp(&b)
    } else {
        b.total_cmp(&a)
    }
}
