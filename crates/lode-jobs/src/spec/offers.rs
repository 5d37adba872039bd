//! How a recommender is judged, as it is stored.

use serde::Deserialize;
use serde::Serialize;

use crate::InputRef;

/// How a recommender is judged; what is not said has a default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct OfferEvaluation {
    /// What is held out.
    pub protocol: OfferProtocol,
    /// Length of a window in microseconds; 0 for 7 days.
    pub window_micros: i64,
    /// Whether items that a customer has may be offered, and count when they are taken again.
    pub repeats: bool,
    /// An order of items, best first, to be measured beside.
    pub order: Option<InputRef>,
    /// What is to be found, if it is given.
    pub holdout: Option<InputRef>,
    /// Most customers that are asked about; 0 for 20,000.
    pub max_customers: u32,
    /// Places that are ranked; 0 for 100.
    pub depth: u32,
    /// A rating at or above it is something to be found; the mean of the ratings if it is not
    /// said.
    pub liked_rating: Option<f64>,
}

impl OfferEvaluation {
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What is held out of the fits that judge a recommender.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OfferProtocol {
    /// Windows where the times of the events allow it, else strangers.
    #[default]
    Auto,
    /// The last windows, each behind a fit on what was before it.
    Windows,
    /// The last visit of each customer.
    Last,
    /// A tenth of the customers, all but one item of each told.
    Strangers,
    /// What a table says.
    Given,
}
