//! Jobs and models as they are kept and shown.

use lode_types::ColumnType;
use lode_types::DatasetId;
use lode_types::Fault;
use lode_types::JobId;
use lode_types::ModelId;
use lode_types::ModelRef;
use lode_types::Role;
use lode_types::Timestamp;
use serde::Deserialize;
use serde::Serialize;

use crate::Calibration;
use crate::JobSpec;
use crate::check::Checked;

/// The life of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Waiting for its turn.
    Queued,
    /// Running.
    Running,
    /// Asked to stop.
    Cancelling,
    /// Done; outputs and models stand.
    Succeeded,
    /// Ended with an error.
    Failed,
    /// Stopped on request.
    Cancelled,
}

impl JobState {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Cancelling => "cancelling",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether the job has ended.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

/// How far a job has got.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// What it is doing.
    pub stage: String,
    /// 0.0 to 1.0 of the whole job.
    pub fraction: f64,
}

/// One number that a job reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// e.g. `auc`.
    pub name: String,
    /// The number.
    pub value: f64,
}

/// An output table of a finished job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// As the algorithm declares it, or `evaluation` from the engine.
    pub name: String,
    /// Rows.
    pub rows: u64,
    /// Bytes of its file.
    pub bytes: u64,
    /// Of its file, in hexadecimal.
    pub sha256: String,
    /// A hint to consoles.
    pub chart_hint: String,
    /// Its file in the store's area of outputs.
    pub file: String,
}

/// What a job reads, fixed when it was created.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinnedInput {
    /// Name of the input.
    pub input: String,
    /// The dataset.
    pub dataset: DatasetId,
    /// Its version.
    pub version: u64,
    /// The time it was read as of, if not as it is.
    #[serde(default)]
    pub as_of: Option<Timestamp>,
    /// The declaration of the feature view that is computed from it, as JSON, if one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub features: Option<String>,
    /// The training set that is made of it, with nothing left open, as JSON, if one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training: Option<String>,
}

/// All that a repeat of the job needs, beside its spec.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// The plugin's name.
    pub plugin: String,
    /// The plugin's version.
    pub plugin_version: String,
    /// Of the plugin's file, in hexadecimal.
    pub plugin_sha256: String,
    /// Id of the algorithm; empty in records of before, whose spec has it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub algorithm: String,
    /// The algorithm's version.
    pub algorithm_version: String,
    /// The engine's version.
    pub engine_version: String,
    /// Versions read.
    pub inputs: Vec<PinnedInput>,
    /// The params with every default filled in, as JSON.
    pub params_json: String,
    /// Times the job was started.
    pub attempts: u32,
    /// The model that it starts from, if there is one: what an alias pointed at when the job was
    /// created. Records of before have it in their spec alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_model: Option<ModelId>,
    /// Of the model that it starts from or scores with, in hexadecimal, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_model_sha256: Option<String>,
    /// The model whose scores a batch score gives; its checksum stands above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelId>,
}

/// One run of an algorithm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Its id, chosen by the client.
    pub id: JobId,
    /// Its number: the order of creation.
    pub number: u64,
    /// What to run.
    pub spec: JobSpec,
    /// Where it is in its life.
    pub state: JobState,
    /// How far it has got.
    pub progress: Progress,
    /// Why it failed or was cancelled.
    pub error: Option<Fault>,
    /// Its outputs, in the algorithm's order, the engine's last.
    pub outputs: Vec<Output>,
    /// Models it made, the main one first.
    pub models: Vec<ModelId>,
    /// By name.
    pub metrics: Vec<Metric>,
    /// What a repeat needs.
    pub provenance: Provenance,
    /// Customers that got a tag from it.
    pub written_back: u64,
    /// When it was created.
    pub create_time: Timestamp,
    /// When it last started to run.
    pub start_time: Option<Timestamp>,
    /// When it ended.
    pub end_time: Option<Timestamp>,
}

impl Job {
    /// The model that it starts from, if there is one.
    pub fn base_model(&self) -> Option<&ModelId> {
        base_model_of(&self.spec, &self.provenance)
    }
}

impl Provenance {
    /// Says what runs: algorithm, parameters and library.
    pub(crate) fn runs(&mut self, checked: &Checked) {
        let algorithm = &checked.algorithm;
        self.plugin.clone_from(&algorithm.plugin);
        self.plugin_version.clone_from(&algorithm.plugin_version);
        self.plugin_sha256.clone_from(&algorithm.sha256);
        self.algorithm.clone_from(&algorithm.spec.id);
        self.algorithm_version.clone_from(&algorithm.spec.version);
        self.params_json.clone_from(&checked.params_json);
    }
}

/// The model that a job of this spec starts from, as it was fixed when the job was created.
pub(crate) fn base_model_of<'a>(
    spec: &'a JobSpec,
    provenance: &'a Provenance,
) -> Option<&'a ModelId> {
    match (&provenance.base_model, &spec.base_model) {
        (Some(fixed), _) => Some(fixed),
        (None, Some(ModelRef::Id(id))) => Some(id),
        (None, _) => None,
    }
}

/// A column that a model was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignatureColumn {
    /// Its name.
    pub name: String,
    /// Its type.
    pub column_type: ColumnType,
    /// The role it held for the algorithm.
    pub role: Option<Role>,
}

/// A trained model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Model {
    /// Its id: that of its job, and behind a dot its name if it has one.
    pub id: ModelId,
    /// Its number: that of its job.
    pub number: u64,
    /// Its name beside the job's main model, which has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Algorithm id.
    pub algorithm: String,
    /// Format of its bytes, as the library that made it counts; none in records of before.
    #[serde(default)]
    pub model_format: Option<u32>,
    /// The job that made it.
    pub job: JobId,
    /// The job's metrics.
    pub metrics: Vec<Metric>,
    /// Bytes of its file.
    pub bytes: u64,
    /// Of its file, in hexadecimal.
    pub sha256: String,
    /// What made it.
    pub provenance: Provenance,
    /// The job's seed.
    pub seed: u64,
    /// The columns of the first input, as the algorithm saw them.
    pub signature: Vec<SignatureColumn>,
    /// The dataset of the first input, when it was one.
    pub dataset: Option<DatasetId>,
    /// Its file in the store's area of models.
    pub file: String,
    /// How its scores are made probabilities; none when they are the plugin's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Calibration>,
    /// Of the rows and labels it was judged on, in hexadecimal; empty when it was not judged.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub judged_sha256: String,
    /// When it was made.
    pub create_time: Timestamp,
}
