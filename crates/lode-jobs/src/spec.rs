//! What a client asks: the spec of a job, as it is stored.

mod batch;
mod offering;
mod offers;

use std::collections::BTreeMap;

use lode_types::DatasetId;
use lode_types::FeatureViewId;
use lode_types::JobId;
use lode_types::ModelRef;
use lode_types::Role;
use lode_types::Timestamp;
use lode_types::Value;
use serde::Deserialize;
use serde::Serialize;

use crate::TrainingSpec;
pub use batch::BatchScore;
pub use batch::ContactList;
pub use batch::DoNotContact;
pub use offering::OfferList;
pub use offering::Offering;
pub use offers::OfferEvaluation;
pub use offers::OfferProtocol;

/// What to run. Two specs are the same job when they are equal.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct JobSpec {
    /// Algorithm id, e.g. `churn.logistic`; `id@version` selects a version of its plugin. Empty
    /// for a batch score, whose model says it.
    pub algorithm: String,
    /// Parameters as given; defaults are filled in when the job is checked.
    pub params: BTreeMap<String, Value>,
    /// Name of an input to its rows.
    pub inputs: BTreeMap<String, InputRef>,
    /// Seed of every random choice.
    pub seed: u64,
    /// Bounds on the run.
    pub limits: Limits,
    /// Folds of the cross-validation of a supervised job: 0 for the default of 5; 1: no job is
    /// judged, nor is a recommender.
    pub folds: u32,
    /// How it is judged beyond that.
    #[serde(default)]
    pub evaluation: Evaluation,
    /// Whether to write outputs back onto customers.
    pub write_back: bool,
    /// Free labels.
    pub labels: BTreeMap<String, String>,
    /// Every input is read as it was known at this time, if it is said.
    #[serde(default)]
    pub as_of: Option<Timestamp>,
    /// A model of the same algorithm that the fit starts from, if one is said; of an alias, what it
    /// points at when the job is created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_model: Option<ModelRef>,
    /// Score everybody with a model instead of fitting one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_score: Option<BatchScore>,
    /// Search for parameters before the fit, if it is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tuning: Option<Tuning>,
    /// Of a recommender: what always holds when its model offers something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offering: Option<Offering>,
}

/// A search for parameters before the fit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tuning {
    /// No trial begins after it, in milliseconds; 0 if it is not said.
    pub time_budget_millis: u64,
    /// Most trials; 0 if it is not said.
    pub max_trials: u32,
    /// Ids of other algorithms to try.
    pub algorithms: Vec<String>,
    /// What to make best; empty for the default of the outcome.
    pub measure: String,
}

/// How a job is judged; what is not said has a default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Evaluation {
    /// How scores are made probabilities.
    pub calibration: CalibrationMethod,
    /// A score at or above it counts as yes; 0.5 if it is not said.
    pub threshold: Option<f64>,
    /// How many of the best to take: a share below 1, or a number of rows; a tenth if it is not
    /// said.
    pub budget: Option<f64>,
    /// What a contact costs.
    pub cost_per_contact: f64,
    /// What a yes is worth.
    pub value_per_positive: f64,
    /// How many of the last dates of a training set judge; 0 for a third of them. Of a
    /// recommender, how many windows; 0 for up to three.
    pub test_dates: u32,
    /// How a recommender is judged.
    #[serde(skip_serializing_if = "OfferEvaluation::is_default")]
    pub offers: OfferEvaluation,
}

/// How scores are made probabilities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CalibrationMethod {
    /// The best of the others by the log loss of rows that it was not fitted on.
    #[default]
    Auto,
    /// The plugin's own score.
    None,
    /// A logistic curve along the margin.
    Platt,
    /// The best rising steps along the margin.
    Isotonic,
}

/// Bounds on one job; zero means the engine's default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Wall time of the run, in milliseconds.
    pub timeout_millis: u64,
    /// Private memory of the worker, in bytes.
    pub memory_bytes: u64,
    /// Threads of the algorithm.
    pub threads: u32,
}

/// A job's input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InputRef {
    /// Where rows come from.
    pub source: InputSource,
    /// Which column holds a role, where the dataset does not say.
    pub roles: BTreeMap<Role, String>,
    /// Columns to leave out.
    pub exclude: Vec<String>,
}

/// Where a job's rows come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputSource {
    /// A dataset.
    Dataset(DatasetId),
    /// A SELECT over datasets.
    Sql(String),
    /// An output of a finished job.
    Output {
        /// The job.
        job: JobId,
        /// Its output.
        output: String,
    },
    /// A feature view, as it is declared when the job is created and as of the job's time, or
    /// that of its creation.
    Features(FeatureViewId),
    /// A training set that is made of what happened.
    TrainingSet(Box<TrainingSpec>),
}
