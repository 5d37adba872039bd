//! A SELECT with everything that may go with it.

use std::collections::BTreeMap;
use std::time::Duration;

use lode_client::v1;
use lode_proto::convert::time_to_wire;
use lode_proto::convert::value_to_wire;
use lode_types::Timestamp;
use lode_types::Value;

use crate::lode::tenant;

/// A SELECT over datasets.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// The statement.
    pub sql: String,
    /// What stands for `$name`, and for `$1` under "1".
    pub parameters: BTreeMap<String, Value>,
    /// Every dataset without a time of its own is read as it was known at this time.
    pub as_of: Option<Timestamp>,
    /// Versions of datasets; others are read at their latest.
    pub versions: BTreeMap<String, u64>,
    /// Most rows of the answer.
    pub row_limit: Option<u64>,
    /// Most bytes of the answer.
    pub byte_limit: Option<u64>,
    /// Time for all of it; none: the engine's default.
    pub timeout: Option<Duration>,
    /// Threads; none: the engine's default.
    pub threads: Option<u32>,
}

impl Query {
    /// A statement alone.
    pub fn new(sql: impl Into<String>) -> Self {
        Self {
            sql: sql.into(),
            ..Self::default()
        }
    }

    pub(crate) fn to_wire(&self) -> v1::QueryRequest {
        let values = self.parameters.iter();
        v1::QueryRequest {
            parent: tenant(),
            sql: self.sql.clone(),
            row_limit: self.row_limit.unwrap_or(0),
            parameters: values
                .map(|(name, value)| (name.clone(), value_to_wire(value)))
                .collect(),
            byte_limit: self.byte_limit.unwrap_or(0),
            // A time beyond the wire's range is beyond the engine's too, which says so.
            timeout: self
                .timeout
                .map(|timeout| timeout.try_into().unwrap_or_default()),
            versions: self.versions.clone().into_iter().collect(),
            as_of: self.as_of.map(time_to_wire),
            threads: self.threads.unwrap_or(0),
        }
    }
}
