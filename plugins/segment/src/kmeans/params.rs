//! What a user may ask of `segment.kmeans`, and the check of it.
//!
//! Invariant: `check` accepts what the JSON Schema accepts, and nothing else.

use lode_plugin::Error;
use lode_plugin::Result;
use lode_plugin::schemars::JsonSchema;
use lode_plugin::serde::Deserialize;
use lode_plugin::serde::Serialize;

/// Parameters of `segment.kmeans`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(crate = "lode_plugin::serde", deny_unknown_fields, default)]
#[schemars(crate = "lode_plugin::schemars")]
pub struct KMeansParams {
    /// Segments to make.
    #[schemars(range(min = 2, max = 1000))]
    pub k: usize,
    /// Columns to use; all number columns without a role when empty.
    pub columns: Vec<String>,
    /// What is done to the columns before distances are measured.
    pub transform: Transform,
    /// Starts from different seeds; the best is kept. One that starts from a model is the only one.
    #[schemars(range(min = 1, max = 1000))]
    pub restarts: usize,
    /// Rounds a start may take.
    #[schemars(range(min = 1, max = 100_000))]
    pub max_iterations: usize,
    /// A start ends when its centers' squared moves add up to this times the mean variance of
    /// the columns; 0 goes on until nothing changes.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub tolerance: f64,
}

/// What is done to the columns before distances are measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(crate = "lode_plugin::serde", rename_all = "snake_case")]
#[schemars(crate = "lode_plugin::schemars")]
pub enum Transform {
    /// To mean 0 and standard deviation 1; a constant column becomes 0.
    #[default]
    Standardize,
    /// ln(1 + x), then standardized: for money and counts with a long tail. All values must be
    /// above -1.
    LogStandardize,
    /// Nothing: the columns are measured in their own units.
    None,
}

impl Transform {
    /// The word that a user writes for it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Standardize => "standardize",
            Self::LogStandardize => "log_standardize",
            Self::None => "none",
        }
    }
}

impl Default for KMeansParams {
    fn default() -> Self {
        Self {
            k: 4,
            columns: Vec::new(),
            transform: Transform::Standardize,
            restarts: 10,
            max_iterations: 300,
            tolerance: 1e-4,
        }
    }
}

impl KMeansParams {
    /// The same parameters, checked.
    pub(super) fn check(self) -> Result<Self> {
        let ranges = [
            ("params.k", self.k, 2, 1000),
            ("params.restarts", self.restarts, 1, 1000),
            ("params.max_iterations", self.max_iterations, 1, 100_000),
        ];
        for (field, value, least, most) in ranges {
            if !(least..=most).contains(&value) {
                return Err(Error::invalid(
                    field,
                    format!("expected {least} to {most}, found {value}"),
                ));
            }
        }
        if !(0.0..=1.0).contains(&self.tolerance) {
            return Err(Error::invalid(
                "params.tolerance",
                format!("expected 0 to 1, found {}", self.tolerance),
            ));
        }
        Ok(self)
    }
}
