//! The part of a spec that says what always holds when a recommender's model offers something.

use lode_types::DatasetId;
use serde::Deserialize;
use serde::Serialize;

/// What always holds when a model offers something, online and in batches.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Offering {
    /// Conditions in words, all of which must hold of an item and the customer.
    pub rules: Vec<String>,
    /// What is known of items; the dataset of the input `items` if it is not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub items: Option<DatasetId>,
    /// What is known of customers; the dataset of the input `customers` if it is not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customers: Option<DatasetId>,
    /// Share of customers who get popular items instead, 0 to 0.9.
    pub control_share: f64,
}

/// What to offer each customer of a batch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct OfferList {
    /// Offers a customer, 1 to 1,000; 0 means 10.
    pub limit: u32,
    /// A condition in words on the items, beside the rules of the model; empty for none.
    pub filter: String,
    /// Whether items that the customer has may be offered.
    pub allow_owned: bool,
    /// 0 to 1: trades score for variety.
    pub diversity: f64,
    /// Whether to give reasons.
    pub explain: bool,
}
