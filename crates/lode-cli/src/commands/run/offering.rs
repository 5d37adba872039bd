//! The flags that say what always holds of what a recommender offers.

use lode_sdk::Offering;

/// Rules of a recommender's model.
#[derive(Debug, clap::Args)]
pub(crate) struct OfferingArgs {
    /// Of a recommender: what always holds of an offer, e.g. "stock > 0" or
    /// "customer.age >= 18 or not adult" (docs/offers.md)
    #[arg(long = "rule", value_name = "CONDITION")]
    rules: Vec<String>,
    /// The dataset of items that rules and filters read [default: the input items]
    #[arg(
        long,
        value_name = "DATASET",
        default_value = "",
        hide_default_value = true
    )]
    offer_items: String,
    /// The dataset of customers that rules and filters read [default: the input customers]
    #[arg(
        long,
        value_name = "DATASET",
        default_value = "",
        hide_default_value = true
    )]
    offer_customers: String,
    /// Share of customers who get popular items instead, to measure against
    #[arg(
        long,
        value_name = "SHARE",
        default_value_t = 0.0,
        hide_default_value = true
    )]
    control_share: f64,
}

impl OfferingArgs {
    /// What was said; nothing when nothing was.
    pub(crate) fn offering(&self) -> Option<Offering> {
        let offering = Offering {
            rules: self.rules.clone(),
            items: self.offer_items.clone(),
            customers: self.offer_customers.clone(),
            control_share: self.control_share,
        };
        (offering != Offering::default()).then_some(offering)
    }
}
