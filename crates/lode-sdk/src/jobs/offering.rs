//! What always holds of offers, and offers for everybody.

use lode_client::v1;

use crate::BatchScore;
use crate::Input;
use crate::JobSpec;
use crate::Result;
use crate::catalog::dataset_name;
use crate::jobs::common_settings;

/// What always holds when a recommender's model offers something; part of a [`JobSpec`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Offering {
    /// Conditions in words, all of which must hold, e.g. `stock > 0`.
    pub rules: Vec<String>,
    /// The dataset of items; empty for that of the input `items`.
    pub items: String,
    /// The dataset of customers; empty for that of the input `customers`.
    pub customers: String,
    /// Share of customers who get popular items instead, 0 to 0.9.
    pub control_share: f64,
}

/// What to offer each customer; part of a [`BatchScore`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OfferList {
    /// Offers a customer, 1 to 1,000; 0 means 10.
    pub limit: u32,
    /// Only items of which this holds; empty for all.
    pub filter: String,
    /// Items that the customer has may be offered too.
    pub allow_owned: bool,
    /// 0 to 1: trades score for variety.
    pub diversity: f64,
    /// Give reasons.
    pub explain: bool,
}

/// A job to be that says what to offer everybody; its output is `offers`.
#[derive(Clone, Debug, PartialEq)]
pub struct RecommendAll {
    spec: JobSpec,
}

impl RecommendAll {
    /// Offers for all customers whom the model, `ID` or `@ALIAS`, is for.
    pub fn new(model: impl Into<String>) -> Self {
        let batch = BatchScore {
            model: model.into(),
            offers: Some(OfferList::default()),
            ..BatchScore::default()
        };
        Self {
            spec: JobSpec {
                batch_score: Some(batch),
                ..JobSpec::default()
            },
        }
    }

    /// For these customers instead.
    #[must_use]
    pub fn customers(mut self, customers: impl Into<Input>) -> Self {
        self.spec = self.spec.input("customers", customers);
        self
    }

    /// How many, which, and with reasons or without.
    #[must_use]
    pub fn offers(mut self, list: OfferList) -> Self {
        self.spec.batch_score.get_or_insert_default().offers = Some(list);
        self
    }
}

common_settings!(RecommendAll);

impl Offering {
    pub(super) fn to_wire(&self) -> Result<v1::Offering> {
        let name = |dataset: &str| match dataset {
            "" => Ok(String::new()),
            dataset => dataset_name(dataset),
        };
        Ok(v1::Offering {
            rules: self.rules.clone(),
            items: name(&self.items)?,
            customers: name(&self.customers)?,
            control_share: self.control_share,
        })
    }
}

impl OfferList {
    pub(super) fn to_wire(&self) -> v1::OfferList {
        v1::OfferList {
            limit: self.limit,
            filter: self.filter.clone(),
            allow_owned: self.allow_owned,
            diversity: self.diversity,
            explain: self.explain,
        }
    }
}
