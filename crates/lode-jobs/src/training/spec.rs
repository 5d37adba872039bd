//! What a client asks of a training set, as it is stored with the job.

use lode_types::DatasetId;
use lode_types::FeatureViewId;
use lode_types::Timestamp;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value as Json;

/// A training set; empty texts and zeros mean the defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingSpec {
    /// The features.
    pub feature_view: FeatureViewId,
    /// The dates; none and no plan means a rolling plan with its defaults.
    #[serde(default)]
    pub as_of: Vec<Timestamp>,
    /// Dates at equal distances.
    #[serde(default)]
    pub rolling: Option<RollingPlan>,
    /// How far ahead the label looks, e.g. `90d`.
    pub horizon: String,
    /// What is learned.
    pub label: LabelSpec,
    /// Conditions on the features that a row must pass, as in a feature view's declaration.
    #[serde(default, rename = "where")]
    pub rows: Json,
    /// Datasets whose customers take no part.
    #[serde(default)]
    pub exclude_customers: Vec<DatasetId>,
    /// Rows without the event for each with it; 0 keeps all.
    #[serde(default)]
    pub negatives: f64,
    /// Customers whose first event is in (t - `new_within`, t] are new at t.
    #[serde(default)]
    pub new_within: String,
    /// A row for each customer and candidate.
    #[serde(default)]
    pub candidates: Option<CandidatesSpec>,
}

/// Dates at equal distances, counted back from the last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollingPlan {
    /// The last date.
    #[serde(default)]
    pub last: Option<Timestamp>,
    /// Between dates, e.g. `1mo`.
    #[serde(default)]
    pub every: String,
    /// How many.
    #[serde(default)]
    pub dates: u32,
}

/// What a label tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LabelWord {
    /// That nothing of it happens.
    NoEvent,
    /// That something happens.
    Event,
    /// How much.
    Sum,
    /// A column of the customers dataset, a horizon later.
    Column,
}

/// What is learned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LabelSpec {
    /// What it tells.
    pub kind: LabelWord,
    /// The dataset of events.
    #[serde(default)]
    pub events: String,
    /// Which of its events.
    #[serde(default)]
    pub filter: Json,
    /// Of a sum which amount, of a column which.
    #[serde(default)]
    pub column: String,
}

/// What a customer might take.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CandidatesSpec {
    /// Column of the label's events.
    #[serde(default)]
    pub column: String,
    /// Which values.
    #[serde(default)]
    pub values: Vec<String>,
    /// How many of the most frequent ones.
    #[serde(default)]
    pub top: u32,
    /// Leave out those that the customer has.
    #[serde(default)]
    pub exclude_owned: bool,
}
