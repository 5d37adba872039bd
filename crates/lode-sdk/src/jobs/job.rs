//! A job as the engine tells it: state, progress, results, provenance.

use std::collections::BTreeMap;
use std::io::Cursor;

use arrow_ipc::reader::StreamReader;
use arrow_schema::SchemaRef;
use lode_client::v1;
use lode_proto::convert;
use lode_types::Fault;
use lode_types::Timestamp;
use lode_types::Value;
use serde::Serialize;

use crate::lode::id_of;
use crate::serial;

/// One run of an algorithm.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Job {
    /// Its id.
    pub job: String,
    /// e.g. `churn.logistic`.
    pub algorithm: String,
    /// How far its life is.
    pub state: JobState,
    /// Why it failed or was cancelled.
    pub error: Option<Fault>,
    /// How far it has got.
    pub progress: Progress,
    /// Numbers it reports, by name.
    pub metrics: BTreeMap<String, f64>,
    /// Tables it made.
    pub outputs: Vec<JobOutput>,
    /// Models it made.
    pub models: Vec<String>,
    /// Customers that it wrote onto.
    pub written_back: u64,
    /// Parameters as they were given.
    #[serde(serialize_with = "serial::values")]
    pub params: BTreeMap<String, Value>,
    /// Its seed.
    pub seed: u64,
    /// The model that it starts from.
    pub base_model: Option<String>,
    /// The model whose scores it gives, of a batch score.
    pub scored_model: Option<String>,
    /// All that a repeat of it needs.
    pub provenance: Option<Provenance>,
    /// When it was made.
    #[serde(serialize_with = "serial::time")]
    pub create_time: Option<Timestamp>,
    /// When it was started.
    #[serde(serialize_with = "serial::time")]
    pub start_time: Option<Timestamp>,
    /// When it ended.
    #[serde(serialize_with = "serial::time")]
    pub end_time: Option<Timestamp>,
}

/// How far a job's life is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Waits for its turn.
    Queued,
    /// Runs.
    Running,
    /// Was asked to stop.
    Cancelling,
    /// Ended well.
    Succeeded,
    /// Ended with an error.
    Failed,
    /// Was stopped.
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

    /// Whether nothing more will happen.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }

    fn from_wire(state: v1::JobState) -> Self {
        match state {
            v1::JobState::Unspecified | v1::JobState::Queued => Self::Queued,
            v1::JobState::Running => Self::Running,
            v1::JobState::Cancelling => Self::Cancelling,
            v1::JobState::Succeeded => Self::Succeeded,
            v1::JobState::Failed => Self::Failed,
            v1::JobState::Cancelled => Self::Cancelled,
        }
    }
}

/// How far a job has got.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Progress {
    /// What it is doing.
    pub stage: String,
    /// 0.0 to 1.0 of the whole job.
    pub fraction: f64,
}

impl From<v1::Progress> for Progress {
    fn from(progress: v1::Progress) -> Self {
        Self {
            stage: progress.stage,
            fraction: progress.fraction,
        }
    }
}

/// A table that a job made.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct JobOutput {
    /// e.g. `scores`.
    pub name: String,
    /// Rows in it.
    pub rows: u64,
    /// Bytes of it.
    pub bytes: u64,
    /// Of the stored table; equal bytes, equal result.
    pub sha256: String,
    /// table, bar, line, heatmap or scatter.
    pub chart_hint: String,
    /// Its columns.
    #[serde(skip)]
    pub schema: Option<SchemaRef>,
}

impl From<v1::OutputRef> for JobOutput {
    fn from(output: v1::OutputRef) -> Self {
        let schema = StreamReader::try_new(Cursor::new(&output.arrow_schema), None)
            .ok()
            .map(|reader| reader.schema());
        Self {
            name: id_of(&output.name),
            rows: output.row_count,
            bytes: output.size_bytes,
            sha256: output.sha256,
            chart_hint: output.chart_hint,
            schema,
        }
    }
}

/// All that a repeat of a job needs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Provenance {
    /// The plugin that ran.
    pub plugin: String,
    /// Its version.
    pub plugin_version: String,
    /// Of its file.
    pub plugin_sha256: String,
    /// The algorithm that made the model; tuning may have chosen another than the job's.
    pub algorithm: String,
    /// Version of the algorithm.
    pub algorithm_version: String,
    /// Version of the engine.
    pub engine_version: String,
    /// What was read.
    pub inputs: Vec<PinnedInput>,
    /// Parameters with every default filled in.
    pub params: serde_json::Value,
    /// Times it was started.
    pub attempts: u32,
    /// The model that the job started from; empty when it started from none.
    pub base_model: String,
    /// Of that model; empty when it started from none.
    pub base_model_sha256: String,
}

/// A dataset at the version that a job read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PinnedInput {
    /// Name of the input.
    pub input: String,
    /// The dataset.
    pub dataset: String,
    /// Its version.
    pub version: u64,
    /// The time it was read as of; none when it was read as it is.
    #[serde(serialize_with = "serial::time")]
    pub as_of: Option<Timestamp>,
    /// The training set that is made of it, with nothing left open; null where none is.
    #[serde(skip_serializing_if = "serde_json::Value::is_null")]
    pub training_set: serde_json::Value,
}

impl From<v1::Provenance> for Provenance {
    fn from(from: v1::Provenance) -> Self {
        let params = serde_json::from_str(&from.params_json)
            .unwrap_or(serde_json::Value::String(from.params_json));
        Self {
            plugin: id_of(&from.plugin),
            plugin_version: from.plugin_version,
            plugin_sha256: from.plugin_sha256,
            algorithm: id_of(&from.algorithm),
            algorithm_version: from.algorithm_version,
            engine_version: from.engine_version,
            inputs: from
                .inputs
                .into_iter()
                .map(|input| PinnedInput {
                    input: input.input,
                    dataset: id_of(&input.dataset),
                    version: input.version,
                    as_of: input.as_of.as_ref().map(convert::time_from_wire),
                    training_set: serde_json::from_str(&input.training_set_json)
                        .unwrap_or_default(),
                })
                .collect(),
            params,
            attempts: from.attempts,
            base_model: id_of(&from.base_model),
            base_model_sha256: from.base_model_sha256,
        }
    }
}

impl From<v1::Job> for Job {
    fn from(job: v1::Job) -> Self {
        let state = JobState::from_wire(job.state());
        let spec = job.spec.unwrap_or_default();
        Self {
            job: id_of(&job.name),
            algorithm: match (&job.provenance, spec.algorithm.as_str()) {
                (Some(provenance), "") => id_of(&provenance.algorithm),
                (_, algorithm) => id_of(algorithm),
            },
            state,
            error: job.error.as_ref().map(convert::fault_from_wire),
            progress: job.progress.map(Progress::from).unwrap_or_default(),
            metrics: metrics(job.metrics),
            outputs: job.outputs.into_iter().map(JobOutput::from).collect(),
            models: job.models.iter().map(|name| id_of(name)).collect(),
            written_back: job.written_back,
            params: convert::values_from_wire(&spec.params),
            seed: spec.seed,
            base_model: (!spec.base_model.is_empty()).then(|| id_of(&spec.base_model)),
            scored_model: job
                .provenance
                .as_ref()
                .filter(|provenance| !provenance.model.is_empty())
                .map(|provenance| id_of(&provenance.model)),
            provenance: job.provenance.map(Provenance::from),
            create_time: job.create_time.as_ref().map(convert::time_from_wire),
            start_time: job.start_time.as_ref().map(convert::time_from_wire),
            end_time: job.end_time.as_ref().map(convert::time_from_wire),
        }
    }
}

/// Metrics by name.
pub(crate) fn metrics(metrics: Vec<v1::Metric>) -> BTreeMap<String, f64> {
    metrics
        .into_iter()
        .map(|metric| (metric.name, metric.value))
        .collect()
}
