//! What a fit leaves for scoring: for each column how to read it and what it weighs.
//!
//! Kept as JSON; format 1. Invariant: `base` is the intercept plus the mean contributions of
//! all features, so a margin is `base` plus centered contributions.

use lode_plugin::Error;
use lode_plugin::Result;
use lode_plugin::serde::Deserialize;
use lode_plugin::serde::Serialize;

/// A fitted regression.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(crate = "lode_plugin::serde")]
pub struct LogisticModel {
    pub(super) intercept: f64,
    pub(super) base: f64,
    pub(super) features: Vec<FeatureModel>,
}

/// One column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(crate = "lode_plugin::serde")]
pub(super) struct FeatureModel {
    pub(super) name: String,
    /// Mean over the learned rows of what the weights make of the column.
    pub(super) center: f64,
    pub(super) kind: Kind,
}

/// How a column is read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(crate = "lode_plugin::serde", rename_all = "snake_case")]
pub(super) enum Kind {
    /// `weight * (value - mean) / std`, or `missing` for a null; std 0 means constant.
    Number {
        mean: f64,
        std: f64,
        weight: f64,
        /// Weight of "missing"; none when no learned row lacked a value.
        missing: Option<f64>,
    },
    /// The weight of the level; 0 for a level that is not listed.
    Category {
        levels: Vec<String>,
        weights: Vec<f64>,
        /// Weight of "missing"; none when no learned row lacked a value.
        missing: Option<f64>,
    },
}

impl LogisticModel {
    pub(super) fn to_bytes(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self)
            .map_err(|error| Error::numeric(format!("the model cannot be written: {error}")))
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let model: Self = serde_json::from_slice(bytes).map_err(|error| {
            Error::model(format!("expected a churn.logistic model, found {error}"))
        })?;
        for feature in &model.features {
            if let Kind::Category {
                levels, weights, ..
            } = &feature.kind
                && levels.len() != weights.len()
            {
                return Err(Error::model(format!(
                    "expected {} weights on column {:?}, found {}",
                    levels.len(),
                    feature.name,
                    weights.len()
                )));
            }
        }
        Ok(model)
    }
}
