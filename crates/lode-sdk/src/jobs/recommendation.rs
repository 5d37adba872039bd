//! Recommendation: items for customers.

use lode_types::Value;

use crate::Input;
use crate::JobSpec;
use crate::Offering;
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
