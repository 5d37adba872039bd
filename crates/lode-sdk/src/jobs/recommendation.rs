//! Recommendation: items for customers.

use std::time::Duration;

use lode_types::Value;

use crate::Input;
use crate::JobSpec;
use crate::OfferProtocol;
use crate::Offering;
use crate::Tuning;
use crate::jobs::common_settings;

/// A recommendation job to be.
#[derive(Clone, Debug, PartialEq)]
pub struct Recommendation {
    spec: JobSpec,
}

impl Recommendation {
    /// The items that most customers took. `events` has who and what.
    pub fn popular(events: impl Into<Input>) -> Self {
        Self {
            spec: JobSpec::new("recommend.popular").input("events", events),
        }
    }

    /// Items that go with those a customer took, by the cosine of their customers. `events`
    /// has who and what.
    pub fn item_knn(events: impl Into<Input>) -> Self {
        Self {
            spec: JobSpec::new("recommend.item-knn").input("events", events),
        }
    }

    /// The items that an algorithm offers. `events` has who and what.
    pub fn with(algorithm: impl Into<String>, events: impl Into<Input>) -> Self {
        Self {
            spec: JobSpec::new(algorithm).input("events", events),
        }
    }

    /// A table of items with what is known of them.
    #[must_use]
    pub fn items(mut self, items: impl Into<Input>) -> Self {
        self.spec = self.spec.input("items", items);
        self
    }

    /// A table of customers with what is known of them.
    #[must_use]
    pub fn customers(mut self, customers: impl Into<Input>) -> Self {
        self.spec = self.spec.input("customers", customers);
        self
    }

    /// Parameters, and other algorithms that are named, are searched before the fit.
    #[must_use]
    pub fn search(mut self, tuning: Tuning) -> Self {
        self.spec.tuning = Some(tuning);
        self
    }

    /// What is held out to judge it.
    #[must_use]
    pub fn protocol(mut self, protocol: OfferProtocol) -> Self {
        self.spec.evaluation.offers.protocol = protocol;
        self
    }

    /// Judged by the last windows of this length.
    #[must_use]
    pub fn window(mut self, length: Duration) -> Self {
        self.spec.evaluation.offers.window = Some(length);
        self
    }

    /// Judged by what a table says is to be found: customers, items and labels.
    #[must_use]
    pub fn holdout(mut self, holdout: impl Into<Input>) -> Self {
        self.spec.evaluation.offers.holdout = Some(holdout.into());
        self
    }

    /// Measured beside an order of items, best first.
    #[must_use]
    pub fn beside_order(mut self, order: impl Into<Input>) -> Self {
        self.spec.evaluation.offers.order = Some(order.into());
        self
    }

    /// Items that a customer has may be offered when it is judged, and count when they are taken
    /// again.
    #[must_use]
    pub fn repeats(mut self) -> Self {
        self.spec.evaluation.offers.repeats = true;
        self
    }

    /// Not judged.
    #[must_use]
    pub fn unjudged(mut self) -> Self {
        self.spec.folds = 1;
        self
    }

    /// Offers for each customer in the output.
    #[must_use]
    pub fn offers(mut self, n: u32) -> Self {
        self.spec
            .params
            .insert("n".to_owned(), Value::Int(i64::from(n)));
        self
    }

    /// What always holds of what the model offers: rules, and where items and customers are known.
    #[must_use]
    pub fn offering(mut self, offering: Offering) -> Self {
        self.spec.offering = Some(offering);
        self
    }

    /// Similar items kept of each item, for item-knn.
    #[must_use]
    pub fn neighbors(mut self, neighbors: u32) -> Self {
        self.spec
            .params
            .insert("neighbors".to_owned(), Value::Int(i64::from(neighbors)));
        self
    }
}

common_settings!(Recommendation);
