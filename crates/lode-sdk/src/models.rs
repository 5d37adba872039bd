//! Trained models.

use std::collections::BTreeMap;

use lode_client::v1;
use lode_proto::convert;
use lode_proto::names;
use lode_types::ModelRef;
use lode_types::Timestamp;
use serde::Serialize;

use crate::Lode;
use crate::Provenance;
use crate::Result;
use crate::jobs::metrics;
use crate::lode::id_of;
use crate::lode::tenant;
use crate::serial;

/// A trained model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Model {
    /// Its id.
    pub model: String,
    /// e.g. `churn.logistic`.
    pub algorithm: String,
    /// The job that made it.
    pub job: String,
    /// Its name beside the job's main model; empty for the main one.
    pub beside: String,
    /// Aliases that point at it.
    pub aliases: Vec<String>,
    /// What the job measured.
    pub metrics: BTreeMap<String, f64>,
    /// Of the rows that it was judged on; empty when it was not.
    pub judged_sha256: String,
    /// How its scores are made probabilities, `score = calibrated(margin)`: `method`, `input` and
    /// the numbers of the curve; none when they are the plugin's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calibration: Option<serde_json::Value>,
    /// Format of its bytes, as its plugin counts; none when it was not kept.
    pub model_format: Option<u32>,
    /// Bytes of it.
    pub bytes: u64,
    /// Of its bytes.
    pub sha256: String,
    /// Seed of the job.
    pub seed: u64,
    /// What made it.
    pub provenance: Option<Provenance>,
    /// When it was made.
    #[serde(serialize_with = "serial::time")]
    pub create_time: Option<Timestamp>,
}

impl From<v1::Model> for Model {
    fn from(model: v1::Model) -> Self {
        Self {
            model: id_of(&model.name),
            algorithm: id_of(&model.algorithm),
            job: id_of(&model.job),
            beside: model.beside,
            aliases: model.aliases,
            metrics: metrics(model.metrics),
            judged_sha256: model.judged_sha256,
            calibration: serde_json::from_str(&model.calibration_json).ok(),
            model_format: model.model_format,
            bytes: model.size_bytes,
            sha256: model.sha256,
            seed: model.seed,
            provenance: model.provenance.map(Provenance::from),
            create_time: model.create_time.as_ref().map(convert::time_from_wire),
        }
    }
}

impl Lode {
    /// A model by its id, or by `@ALIAS`.
    ///
    /// # Errors
    /// `MODEL_NOT_FOUND`, or what the call met.
    pub async fn model(&self, id: &str) -> Result<Model> {
        let request = v1::GetModelRequest {
            name: model_name(id)?,
        };
        let answer = self.client().get_model(request).await?;
        Ok(answer.model.unwrap_or_default().into())
    }

    /// All models, newest first.
    ///
    /// # Errors
    /// What the calls met.
    pub async fn models(&self) -> Result<Vec<Model>> {
        let request = v1::ListModelsRequest {
            parent: tenant(),
            ..Default::default()
        };
        let models = self.client().models(request).all().await?;
        Ok(models.into_iter().map(Model::from).collect())
    }

    /// The models that have a measure, the best first; with `judged_sha256` only those that were
    /// judged on these rows.
    ///
    /// # Errors
    /// What the calls met.
    pub async fn leaderboard(&self, measure: &str, judged_sha256: &str) -> Result<Vec<Model>> {
        let request = v1::ListModelsRequest {
            parent: tenant(),
            by_metric: measure.to_owned(),
            judged_sha256: judged_sha256.to_owned(),
            ..Default::default()
        };
        let models = self.client().models(request).all().await?;
        Ok(models.into_iter().map(Model::from).collect())
    }
}

/// The resource name of a model: of `ID` or `@ALIAS`.
pub(crate) fn model_name(model: &str) -> Result<String> {
    Ok(names::model_ref(&ModelRef::parse(model)?))
}
