//! What a user may ask of `segment.rfm`, and the check of it.
//!
//! Invariant: `check` accepts what the JSON Schema accepts and whose time can be read.

use lode_plugin::Error;
use lode_plugin::Result;
use lode_plugin::schemars::JsonSchema;
use lode_plugin::serde::Deserialize;
use lode_plugin::serde::Serialize;

use super::time;

/// Parameters of `segment.rfm`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(crate = "lode_plugin::serde", deny_unknown_fields, default)]
#[schemars(crate = "lode_plugin::schemars")]
pub struct RfmParams {
    /// Scores run from 1 to this: 5 makes quintiles.
    #[schemars(range(min = 2, max = 100))]
    pub bins: u32,
    /// Recency is counted back from here; later rows are left out. RFC 3339 such as
    /// 2011-12-10T00:00:00Z, or a date, meaning its midnight in UTC. When not given: one day
    /// after the latest row that has a customer.
    pub reference_time: Option<String>,
    /// What rows with an amount of 0 or less do.
    pub returns: Returns,
}

/// What rows with an amount of 0 or less do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(crate = "lode_plugin::serde", rename_all = "snake_case")]
#[schemars(crate = "lode_plugin::schemars")]
pub enum Returns {
    /// They are left out.
    #[default]
    Ignore,
    /// They lower the money of customers who also bought, and touch neither recency nor
    /// frequency.
    Net,
}

/// Parameters that can be used as they are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Checked {
    pub(super) bins: u32,
    pub(super) reference_micros: Option<i64>,
    pub(super) returns: Returns,
}

impl Default for RfmParams {
    fn default() -> Self {
        Self {
            bins: 5,
            reference_time: None,
            returns: Returns::Ignore,
        }
    }
}

impl RfmParams {
    pub(super) fn check(&self) -> Result<Checked> {
        if !(2..=100).contains(&self.bins) {
            return Err(Error::invalid(
                "params.bins",
                format!("expected 2 to 100, found {}", self.bins),
            ));
        }
        let reference_micros = match &self.reference_time {
            None => None,
            Some(text) => Some(time::parse(text).ok_or_else(|| {
                Error::invalid(
                    "params.reference_time",
                    format!("expected a time such as 2011-12-10T00:00:00Z, found {text:?}"),
                )
            })?),
        };
        Ok(Checked {
            bins: self.bins,
            reference_micros,
            returns: self.returns,
        })
    }
}
