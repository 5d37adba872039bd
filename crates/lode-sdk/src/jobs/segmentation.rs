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

    /// Measures the columns of k-means on a logarithmic scale: for money and counts with a
    /// long tail. Values must be above -1.
    #[must_use]
    pub fn log_standardize(mut self) -> Self {
        let word = Value::Text("log_standardize".to_owned());
        self.spec.params.insert("transform".to_owned(), word);
        self
    }

    /// Counts the recency of RFM back from here: RFC 3339, or a date at midnight UTC.
    #[must_use]
    pub fn reference_time(mut self, time: impl Into<String>) -> Self {
        self.spec
            .params
            .insert("reference_time".to_owned(), Value::Text(time.into()));
        self
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
