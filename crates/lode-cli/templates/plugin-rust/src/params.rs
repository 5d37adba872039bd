//! What a user may ask of the algorithm, and the check of it.
//!
//! The engine makes its help and its first check from this struct: doc comments become
//! descriptions, the defaults defaults, `range` limits.

use lode_plugin::Error;
use lode_plugin::Result;
use lode_plugin::schemars::JsonSchema;
use lode_plugin::serde::Deserialize;
use lode_plugin::serde::Serialize;

/// Parameters of `{{ALGORITHM}}`.
// `deny_unknown_fields` refuses a misspelt name; `Serialize` tells the schema the defaults.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(crate = "lode_plugin::serde", deny_unknown_fields, default)]
#[schemars(crate = "lode_plugin::schemars")]
pub struct Params {
    /// A customer who stays away longer than this many of their usual gaps is overdue.
    #[schemars(range(min = 1.0, max = 1000.0))]
    pub late: f64,
    /// How many gaps of the average customer are mixed into each customer's own: more of
    /// them make few purchases say less.
    #[schemars(range(min = 0.0, max = 1000.0))]
    pub prior: f64,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            late: 2.0,
            prior: 1.0,
        }
    }
}

impl Params {
    /// Refuses what cannot work. The engine has checked the schema already, but tests and
    /// other hosts may not have; the field is what the user sees as to blame.
    pub(crate) fn check(self) -> Result<Self> {
        for (name, value, least) in [("late", self.late, 1.0), ("prior", self.prior, 0.0)] {
            if !(least..=1000.0).contains(&value) {
                return Err(Error::invalid(
                    format!("params.{name}"),
                    format!("expected {least} to 1000, found {value}"),
                ));
            }
        }
        Ok(self)
    }
}
