//! Segmentation: groups of customers.

use lode_types::Value;

use crate::Input;
use crate::JobSpec;
use crate::jobs::common_settings;

/// A segmentation job to be.
#[derive(Clone, Debug, PartialEq)]
pub struct Segmentation {
    spec: JobSpec,
}

impl Segmentation {
    /// Recency, frequency and monetary value in quintiles, with named tiers. `events` has
    /// who, when and how much.
    pub fn rfm(events: impl Into<Input>) -> Self {
        Self {
            spec: JobSpec::new("segment.rfm").input("events", events),
        }
    }

    /// `k` groups of customers who are alike in their numeric columns. `customers` has one
    /// row a customer.
    pub fn kmeans(customers: impl Into<Input>, k: u32) -> Self {
        Self {
            spec: JobSpec::new("segment.kmeans")
                .input("customers", customers)
                .param("k", Value::Int(i64::from(k))),
        }
    }

    /// Starts of k-means from other seeds, of which the best is kept.
    #[must_use]
    pub fn restarts(mut self, restarts: u32) -> Self {
        self.spec
            .params
            .insert("restarts".to_owned(), Value::Int(i64::from(restarts)));
        self
    }
}

common_settings!(Segmentation);
