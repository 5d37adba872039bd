//! Typed scalars and containers: parameters, attributes of a customer, what a job writes back.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::Serialize;

use crate::Timestamp;

/// A typed value; integers keep all 64 bits.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// No value.
    #[default]
    Null,
    /// True or false.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A number.
    Float(f64),
    /// Text.
    Text(String),
    /// An instant.
    Time(Timestamp),
    /// Values in order.
    List(Vec<Value>),
    /// Named values.
    Map(BTreeMap<String, Value>),
}

/// What a tag on a customer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TagKind {
    /// A number.
    Score,
    /// A word from a closed list.
    Label,
    /// Membership of a group.
    Segment,
}
