//! How far what a model is asked is from what it was made from.

use lode_client::v1;
use serde::Serialize;

use crate::Lode;
use crate::Result;
use crate::lode::id_of;
use crate::models::model_name;

/// The drift of a model since the engine started.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelDrift {
    /// The model: of an alias, what it points at.
    pub model: String,
    /// Rows that were scored.
    pub rows: u64,
    /// Rows that an index needs.
    pub least_rows: u64,
    /// The score first, then features, the farthest first.
    pub drifts: Vec<Drift>,
}

/// How far one distribution is from that of the training rows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Drift {
    /// `score`, or a feature.
    pub name: String,
    /// Population stability index; none of too few rows.
    pub psi: Option<f64>,
    /// Share of rows without a value among the training rows.
    pub missing_then: f64,
    /// The same among what was scored.
    pub missing_now: f64,
    /// Mean of the training rows; 0 of words.
    pub mean_then: f64,
    /// Mean of what was scored.
    pub mean_now: f64,
    /// Rows with a word that is none of the training rows; 0 of numbers.
    pub unseen_now: u64,
    /// `stable`, `moving`, `shifted` or `few rows`.
    pub verdict: String,
}

impl Lode {
    /// The drift of a model, `ID` or `@ALIAS`.
    ///
    /// # Errors
    /// `MODEL_NOT_FOUND`, `NO_PROFILE`, or what the call met.
    pub async fn drift(&self, model: &str) -> Result<ModelDrift> {
        let request = v1::GetDriftRequest {
            model: model_name(model)?,
        };
        let answer = self.client().get_drift(request).await?;
        let drifts = answer.drifts.into_iter().map(|drift| Drift {
            name: drift.name,
            psi: drift.psi,
            missing_then: drift.missing_then,
            missing_now: drift.missing_now,
            mean_then: drift.mean_then,
            mean_now: drift.mean_now,
            unseen_now: drift.unseen_now,
            verdict: drift.verdict,
        });
        Ok(ModelDrift {
            model: id_of(&answer.model),
            rows: answer.rows,
            least_rows: answer.least_rows,
            drifts: drifts.collect(),
        })
    }
}
