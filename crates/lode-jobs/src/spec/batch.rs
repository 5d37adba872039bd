//! The part of a spec that asks for the scores of everybody, and for a list of whom to contact.

use lode_types::DatasetId;
use lode_types::ModelRef;
use serde::Deserialize;
use serde::Serialize;

use super::OfferList;

/// Scores of everybody by a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BatchScore {
    /// The model; of an alias, what it points at when the job is created.
    pub model: ModelRef,
    /// Reasons in words for each customer, 1 to 20; 0 means 3.
    #[serde(default)]
    pub reasons: u32,
    /// Whether contributions that lower the score are reasons too.
    #[serde(default)]
    pub reasons_either_way: bool,
    /// The table that says what to do about a reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actions: Option<DatasetId>,
    /// Make a list of whom to contact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contacts: Option<ContactList>,
    /// Of a recommender: what to offer each customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offers: Option<OfferList>,
}

/// Whom to contact: the highest expected gain first, within bounds; 0 is no bound.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ContactList {
    /// Most customers.
    #[serde(default)]
    pub max_customers: u64,
    /// Most of all customers, 0 to 1.
    #[serde(default)]
    pub max_share: f64,
    /// What all contacts together may cost.
    #[serde(default)]
    pub max_cost: f64,
    /// What one contact costs.
    #[serde(default)]
    pub cost_per_contact: f64,
    /// What a yes is worth; a model of amounts says it itself.
    #[serde(default)]
    pub value_per_positive: f64,
    /// Part of those who are contacted whom the contact wins; none means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub success_rate: Option<f64>,
    /// Least score.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_score: Option<f64>,
    /// Who is never contacted.
    #[serde(default)]
    pub do_not_contact: Vec<DoNotContact>,
    /// Of a model of items, a row for each item of a customer instead of the best one only.
    #[serde(default)]
    pub each_item: bool,
}

/// Customers who are never contacted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoNotContact {
    /// Those in this dataset.
    pub dataset: DatasetId,
    /// Only those of whom this column is true, yes or 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
}
