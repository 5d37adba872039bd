//! Training sets: rows that the engine makes of what happened, for jobs that learn.
//!
//! [`TrainingSet`] is what a job's input says, filled in by hand or read from the JSON of
//! docs/training-sets.md; [`FeatureViewSpec::standard`] is a feature view for any dataset of
//! events. What is left open is resolved by the engine when the job is created.

mod condition;
mod standard;

use lode_client::v1;
use lode_proto::convert;
use lode_types::Timestamp;
use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;

use crate::Error;
use crate::Result;
use crate::catalog::dataset_name;
use crate::features::view_name;

pub use condition::Condition;
pub use condition::ConditionOp;
pub use standard::FeatureViewSpec;
pub use standard::Spend;
pub use standard::StandardView;

/// A training set; what is empty or 0 has the engine's default.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainingSet {
    /// The features.
    pub feature_view: String,
    /// The dates; none and no plan means a rolling plan with its defaults.
    #[serde(deserialize_with = "times", serialize_with = "texts")]
    pub as_of: Vec<Timestamp>,
    /// Dates at equal distances.
    pub rolling: Option<RollingPlan>,
    /// How far ahead the label looks, e.g. `90d`.
    pub horizon: String,
    /// What is learned.
    pub label: Label,
    /// Conditions on the features that a row must pass.
    #[serde(rename = "where")]
    pub rows: Vec<Condition>,
    /// Datasets whose customers take no part, nor are they scored later.
    pub exclude_customers: Vec<String>,
    /// Rows without the event that are kept for each with it; 0 keeps all.
    pub negatives: f64,
    /// Customers whose first event is in (t - `new_within`, t] are new at t; empty means the horizon.
    pub new_within: String,
    /// A row for each customer and candidate.
    pub candidates: Option<Candidates>,
}

/// Dates at equal distances, counted back from the last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct RollingPlan {
    /// The last date; none means the last that can be labeled.
    #[serde(deserialize_with = "time", serialize_with = "crate::serial::time")]
    pub last: Option<Timestamp>,
    /// Between dates, e.g. `1mo` or `2w`.
    pub every: String,
    /// How many.
    pub dates: u32,
}

/// What is learned.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Label {
    /// What it tells.
    pub kind: LabelKind,
    /// The dataset of events; empty means the view's first.
    pub events: String,
    /// Which of its events; all conditions must hold.
    pub filter: Vec<Condition>,
    /// Of a sum which amount, of a column which.
    pub column: String,
}

/// What a label tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LabelKind {
    /// Yes when nothing of it happens in (t, t + horizon]: who leaves.
    #[default]
    NoEvent,
    /// Yes when at least one happens: who buys.
    Event,
    /// The sum of an amount: how much.
    Sum,
    /// A column of the view's customers dataset, as it was valid at t + horizon.
    Column,
}

/// What a customer might take.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Candidates {
    /// Column of the label's events; empty means the one of role item.
    pub column: String,
    /// Which; none means the most frequent ones.
    pub values: Vec<String>,
    /// How many of the most frequent ones; 0 means 20.
    pub top: u32,
    /// Leave out those that the customer has at t.
    pub exclude_owned: bool,
}

impl TrainingSet {
    /// A set of a view's features, whose label looks so far ahead.
    pub fn new(
        feature_view: impl Into<String>,
        kind: LabelKind,
        horizon: impl Into<String>,
    ) -> Self {
        Self {
            feature_view: feature_view.into(),
            horizon: horizon.into(),
            label: Label {
                kind,
                ..Label::default()
            },
            ..Self::default()
        }
    }

    /// Reads the JSON of docs/training-sets.md.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn from_json(text: &str) -> Result<Self> {
        serde_json::from_str(text).map_err(|error| {
            Error::argument(
                "training_set",
                "the JSON of a training set",
                error.to_string(),
            )
        })
    }

    pub(crate) fn to_wire(&self) -> Result<v1::TrainingSet> {
        let kind = match self.label.kind {
            LabelKind::NoEvent => v1::LabelKind::NoEvent,
            LabelKind::Event => v1::LabelKind::Event,
            LabelKind::Sum => v1::LabelKind::Sum,
            LabelKind::Column => v1::LabelKind::Column,
        };
        let conditions = |list: &[Condition]| list.iter().map(Condition::to_wire).collect();
        let exclude = self.exclude_customers.iter();
        let exclude = exclude.map(|dataset| dataset_name(dataset));
        Ok(v1::TrainingSet {
            feature_view: view_name(&self.feature_view)?,
            as_of: self
                .as_of
                .iter()
                .copied()
                .map(convert::time_to_wire)
                .collect(),
            rolling: self.rolling.as_ref().map(|plan| v1::RollingPlan {
                last: plan.last.map(convert::time_to_wire),
                every: plan.every.clone(),
                dates: plan.dates,
            }),
            horizon: self.horizon.clone(),
            label: Some(v1::Label {
                kind: kind.into(),
                events: self.label.events.clone(),
                filter: conditions(&self.label.filter),
                column: self.label.column.clone(),
            }),
            r#where: conditions(&self.rows),
            exclude_customers: exclude.collect::<Result<_>>()?,
            negatives: self.negatives,
            new_within: self.new_within.clone(),
            candidates: self.candidates.as_ref().map(|asked| v1::Candidates {
                column: asked.column.clone(),
                values: asked.values.clone(),
                top: asked.top,
                exclude_owned: asked.exclude_owned,
            }),
        })
    }
}

fn parsed<E: serde::de::Error>(text: &str) -> std::result::Result<Timestamp, E> {
    Timestamp::parse(text)
        .ok_or_else(|| E::custom(format!("expected a date or an instant, found {text:?}")))
}

fn time<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<Option<Timestamp>, D::Error> {
    let text = Option::<String>::deserialize(from)?;
    text.map(|text| parsed(&text)).transpose()
}

fn times<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<Vec<Timestamp>, D::Error> {
    let texts = Vec::<String>::deserialize(from)?;
    texts.iter().map(|text| parsed(text)).collect()
}

fn texts<S: serde::Serializer>(
    times: &[Timestamp],
    out: S,
) -> std::result::Result<S::Ok, S::Error> {
    out.collect_seq(times.iter().map(|time| time.to_rfc3339()))
}

#[cfg(test)]
mod tests;
