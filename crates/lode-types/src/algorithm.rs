//! What an algorithm says of itself: its task, parameters, inputs by role, outputs.
//!
//! A plugin gives this as JSON when it is asked to describe itself; the engine checks jobs
//! against it before anything runs. Unknown fields are ignored, so that it can grow.

use serde::Deserialize;
use serde::Serialize;

use crate::ColumnType;
use crate::Role;
use crate::TagKind;

/// An algorithm's description.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlgorithmSpec {
    /// `family.name`, e.g. `churn.logistic`.
    pub id: String,
    /// Version of the algorithm, e.g. `1.0`; grows when its results change.
    pub version: String,
    /// One line for people.
    pub title: String,
    /// A paragraph for people.
    pub description: String,
    /// What it is for; decides how the engine evaluates it.
    pub task: Task,
    /// JSON Schema 2020-12 of the parameters object, as text.
    pub params_schema: String,
    /// The tables it takes.
    pub inputs: Vec<InputSpec>,
    /// The tables it makes.
    pub outputs: Vec<OutputSpec>,
    /// Format number of its model bytes; none when it makes no model.
    pub model_format: Option<u32>,
    /// Older formats that it still opens; see [`AlgorithmSpec::reads`].
    #[serde(default)]
    pub reads_formats: Vec<u32>,
    /// Models that a fit gives beside its main one, each under its name.
    #[serde(default)]
    pub models: Vec<ModelSpec>,
    /// Whether a fit can start from a model of an earlier one.
    #[serde(default)]
    pub warm_start: bool,
    /// How near merged parts come to one fit over all rows; none when it cannot be merged.
    #[serde(default)]
    pub merge: Option<MergeSpec>,
    /// The private memory that it says it needs.
    #[serde(default)]
    pub memory: MemorySpec,
}

impl AlgorithmSpec {
    /// What kind of label it learns; none when it learns without one. It is a matter of time
    /// when its first input cannot do without a column of role duration.
    pub fn outcome(&self) -> Option<Outcome> {
        if !self.task.is_supervised() {
            return None;
        }
        let mut columns = self.inputs.iter().take(1).flat_map(|input| &input.columns);
        let timed = columns.any(|column| column.role == Role::Duration && !column.optional);
        Some(match self.task {
            _ if timed => Outcome::Survival,
            Task::Value => Outcome::Amount,
            Task::Choice => Outcome::Class,
            _ => Outcome::Binary,
        })
    }

    /// Whether `open` takes a model of this format.
    pub fn reads(&self, format: u32) -> bool {
        self.model_format == Some(format)
            || (self.model_format.is_some() && self.reads_formats.contains(&format))
    }
}

/// A model beside the main one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelSpec {
    /// 1 to 32 of a-z, 0-9 and -, starting with a letter.
    pub name: String,
    /// For people.
    pub description: String,
}

/// How merged parts compare with one fit over all rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MergeSpec {
    /// Largest relative difference of a number of an output or a metric; 0 means the same bytes.
    pub tolerance: f64,
}

/// Private memory of a fit: `base_bytes + bytes_per_row` times the rows of all its inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemorySpec {
    /// Whatever the inputs are.
    pub base_bytes: u64,
    /// For each row.
    pub bytes_per_row: u64,
}

impl Default for MemorySpec {
    fn default() -> Self {
        Self {
            base_bytes: 128 << 20,
            bytes_per_row: 1 << 10,
        }
    }
}

/// What an algorithm is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// Groups of customers.
    Segmentation,
    /// Items for customers.
    Recommendation,
    /// Who will leave: a yes or no.
    Churn,
    /// Who will answer an offer: a yes or no.
    Response,
    /// Who will buy which product: a yes or no for a customer and an item.
    Demand,
    /// How much a customer will spend: an amount.
    Value,
    /// Who will not pay: a yes or no.
    Credit,
    /// Which of several a customer will choose: one of a few values.
    Choice,
    /// Anything else, also what a newer plugin calls by a word that this build does not know.
    #[serde(other)]
    Other,
}

impl Task {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Segmentation => "segmentation",
            Self::Recommendation => "recommendation",
            Self::Churn => "churn",
            Self::Response => "response",
            Self::Demand => "demand",
            Self::Value => "value",
            Self::Credit => "credit",
            Self::Choice => "choice",
            Self::Other => "other",
        }
    }

    /// Whether it learns a label, so that the engine evaluates it on rows it did not see.
    pub fn is_supervised(self) -> bool {
        matches!(
            self,
            Self::Churn | Self::Response | Self::Demand | Self::Value | Self::Credit | Self::Choice
        )
    }
}

/// What kind of label a supervised algorithm learns; decides how it is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// One of two values; scores are probabilities.
    Binary,
    /// A number; scores are expected amounts.
    Amount,
    /// One of several values; scores are the probability of the most probable one, which is the
    /// answer's `label`, and a number column `p_VALUE` has the probability of each value.
    Class,
    /// Whether and when something happened: a label of two values and a duration.
    Survival,
}

/// A table that an algorithm takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputSpec {
    /// e.g. `events`.
    pub name: String,
    /// Whether a job may leave it out.
    pub optional: bool,
    /// For people.
    pub description: String,
    /// The columns it looks for, by role.
    pub columns: Vec<InputColumn>,
    /// What happens to the other columns.
    pub features: Features,
}

/// A column that an algorithm looks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputColumn {
    /// Its role.
    pub role: Role,
    /// Whether a table may lack it.
    pub optional: bool,
    /// Types it takes.
    pub types: Vec<ColumnType>,
    /// For people.
    pub description: String,
}

/// What an algorithm does with columns that have none of its roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Features {
    /// They are not read.
    Ignored,
    /// Numbers and booleans are features.
    Numeric,
    /// Numbers, booleans and text (as categories) are features.
    All,
}

/// A table that an algorithm makes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputSpec {
    /// e.g. `scores`.
    pub name: String,
    /// For people.
    pub description: String,
    /// table, bar, line, heatmap or scatter.
    pub chart_hint: String,
    /// What of it a job may write back onto customers; the table then has a column of role `customer_id`.
    pub write_back: Vec<WriteBack>,
}

/// One column of an output that can be written back onto customers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriteBack {
    /// Column of the output.
    pub column: String,
    /// What it becomes.
    pub kind: TagKind,
}
