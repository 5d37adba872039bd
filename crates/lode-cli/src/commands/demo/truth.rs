//! What was planted in the sample, to compare with what was found.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use serde::Deserialize;

use crate::failure::Failed;
use crate::failure::Result;

/// The planted truth.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Truth {
    pub(super) retail: Retail,
    pub(super) telecom: Telecom,
}

/// Of the shop.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Retail {
    pub(super) customers: Vec<Shopper>,
}

/// One customer of the shop.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Shopper {
    pub(super) customer_id: String,
    /// What they like.
    pub(super) group: String,
    /// vip, regular, occasional or once.
    pub(super) class: String,
    /// What they would buy next and do not have yet.
    pub(super) next_items: Vec<String>,
}

/// Of the phone company.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Telecom {
    /// By name.
    pub(super) causes: BTreeMap<String, Cause>,
    pub(super) customers: Vec<Subscriber>,
}

/// What drives customers of the phone company away.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Cause {
    /// Columns that show it.
    pub(super) columns: Vec<String>,
}

/// One customer of the phone company.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Subscriber {
    pub(super) customer_id: String,
    /// Of leaving.
    pub(super) probability: f64,
    pub(super) churned: bool,
    pub(super) main_cause: String,
}

impl Truth {
    pub(super) fn read(path: &Path) -> Result<Self> {
        let name = || format!("cannot read {}", path.display());
        let file = File::open(path).map_err(|error| Failed::io(name(), error))?;
        serde_json::from_reader(BufReader::new(file))
            .map_err(|error| Failed::io(name(), error.into()))
    }

    /// The shop's customers by id.
    pub(super) fn shoppers(&self) -> BTreeMap<&str, &Shopper> {
        let shoppers = self.retail.customers.iter();
        shoppers
            .map(|shopper| (shopper.customer_id.as_str(), shopper))
            .collect()
    }

    /// Whether a column shows why a customer of the phone company would leave.
    pub(super) fn is_main_cause(&self, subscriber: &Subscriber, column: &str) -> bool {
        let cause = self.telecom.causes.get(&subscriber.main_cause);
        cause.is_some_and(|cause| cause.columns.iter().any(|shown| shown == column))
    }

    /// The phone company's customers by id.
    pub(super) fn subscribers(&self) -> BTreeMap<&str, &Subscriber> {
        let subscribers = self.telecom.customers.iter();
        subscribers
            .map(|subscriber| (subscriber.customer_id.as_str(), subscriber))
            .collect()
    }

    /// The AUC that the planted probabilities themselves reach: what no model can pass,
    /// since who leaves is drawn by them.
    pub(super) fn best_auc(&self) -> f64 {
        let mut scored: Vec<(f64, bool)> = self
            .telecom
            .customers
            .iter()
            .map(|subscriber| (subscriber.probability, subscriber.churned))
            .collect();
        scored.sort_by(|a, b| a.0.total_cmp(&b.0));
        // Pairs of a leaver above a stayer, in the order of the probabilities, which do not tie.
        let (mut n_stayers, mut n_leavers, mut pairs) = (0.0, 0.0, 0.0);
        for (_, churned) in scored {
            if churned {
                n_leavers += 1.0;
                pairs += n_stayers;
            } else {
                n_stayers += 1.0;
            }
        }
        pairs / (n_stayers * n_leavers)
    }
}

#[cfg(test)]
mod tests;
