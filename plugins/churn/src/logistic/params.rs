//! What a user may ask of `churn.logistic`, and the check of it.
//!
//! Invariant: `check` accepts what the JSON Schema accepts, and nothing else.

use lode_plugin::Error;
use lode_plugin::Result;
use lode_plugin::schemars::JsonSchema;
use lode_plugin::serde::Deserialize;

/// Parameters of `churn.logistic`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(crate = "lode_plugin::serde", deny_unknown_fields, default)]
#[schemars(crate = "lode_plugin::schemars")]
pub struct Params {
    /// Strength of the L2 penalty on the weights; larger pulls all weights to 0.
    #[schemars(range(min = 1e-6, max = 1e9))]
    pub l2: f64,
    /// The value of the label that means the customer left, as text; needed when none of its
    /// two values reads 1, true, yes, y, t, churned or left.
    pub positive: Option<String>,
    /// Levels kept of each text column, the most frequent ones; rarer levels weigh nothing.
    #[schemars(range(min = 1, max = 10_000))]
    pub max_levels: usize,
    /// Columns that are not to be used.
    pub exclude: Vec<String>,
    /// Reasons kept of each row in the output `scores`, the largest; all when not given. With
    /// fewer than all, base and contributions no longer add up to the margin there.
    #[schemars(range(min = 1))]
    pub max_reasons: Option<usize>,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            l2: 1.0,
            positive: None,
            max_levels: 100,
            exclude: Vec::new(),
            max_reasons: None,
        }
    }
}

impl Params {
    /// The same parameters, checked.
    pub(super) fn check(self) -> Result<Self> {
        if !(1e-6..=1e9).contains(&self.l2) {
            return Err(Error::invalid(
                "params.l2",
                format!("expected 1e-6 to 1e9, found {}", self.l2),
            ));
        }
        if !(1..=10_000).contains(&self.max_levels) {
            return Err(Error::invalid(
                "params.max_levels",
                format!("expected 1 to 10000, found {}", self.max_levels),
            ));
        }
        if self.max_reasons == Some(0) {
            return Err(Error::invalid(
                "params.max_reasons",
                "expected at least 1, found 0",
            ));
        }
        Ok(self)
    }
}
