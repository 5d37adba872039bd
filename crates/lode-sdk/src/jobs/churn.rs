//! Churn: who will leave, and why.

use lode_types::Role;
use lode_types::Value;

use crate::Input;
use crate::JobSpec;
use crate::jobs::common_settings;

/// A churn job to be.
#[derive(Clone, Debug, PartialEq)]
pub struct Churn {
    spec: JobSpec,
}

impl Churn {
    /// Logistic regression with L2, with reasons for each score. `customers` has one row a
    /// customer, with a label.
    pub fn logistic(customers: impl Into<Input>) -> Self {
        Self {
            spec: JobSpec::new("churn.logistic").input("customers", customers),
        }
    }

    /// The column that says who left, when the dataset does not say so itself.
    #[must_use]
    pub fn label(mut self, column: impl Into<String>) -> Self {
        if let Some(input) = self.spec.inputs.get_mut("customers") {
            input.roles.push((Role::Label, column.into()));
        }
        self
    }

    /// Strength of the L2 penalty.
    #[must_use]
    pub fn l2(mut self, l2: f64) -> Self {
        self.spec.params.insert("l2".to_owned(), Value::Float(l2));
        self
    }

    /// The value of the label that means that a customer left, when it is not yes, true or 1.
    #[must_use]
    pub fn positive(mut self, value: impl Into<String>) -> Self {
        self.spec
            .params
            .insert("positive".to_owned(), Value::Text(value.into()));
        self
    }

    /// Folds of the engine's cross-validation, 2 to 20; 1 turns it off.
    #[must_use]
    pub fn folds(mut self, folds: u32) -> Self {
        self.spec.folds = folds;
        self
    }
}

common_settings!(Churn);
