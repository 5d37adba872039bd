//! The best AUC against the count over all pairs.

use std::collections::BTreeMap;

use super::Retail;
use super::Subscriber;
use super::Telecom;
use super::Truth;

#[test]
fn best_auc_counts_pairs() {
    let subscriber = |probability, churned| Subscriber {
        customer_id: String::new(),
        probability,
        churned,
        main_cause: String::new(),
    };
    let truth = Truth {
        retail: Retail {
            customers: Vec::new(),
        },
        telecom: Telecom {
            causes: BTreeMap::new(),
            customers: vec![
                subscriber(0.9, true),
                subscriber(0.1, false),
                subscriber(0.3, true),
                subscriber(0.6, false),
                subscriber(0.2, false),
            ],
        },
    };
    // Leavers 0.9 and 0.3 against stayers 0.1, 0.6 and 0.2: 5 of 6 pairs in order.
    assert!((truth.best_auc() - 5.0 / 6.0).abs() < 1e-12);
}
