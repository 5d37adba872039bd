//! How typed answers become JSON: values as plain JSON, instants as RFC 3339 text.
//!
//! Integers keep all 64 bits; a number that JSON cannot hold (NaN, infinity) becomes null.

use std::collections::BTreeMap;

use lode_types::Timestamp;
use lode_types::Value;
use serde::Serializer;
use serde_json::Value as Json;

/// A value as plain JSON.
pub fn value_to_json(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(v) => Json::from(*v),
        Value::Int(v) => Json::from(*v),
        Value::Float(v) => Json::from(*v),
        Value::Text(v) => Json::from(v.as_str()),
        Value::Time(v) => Json::from(v.to_rfc3339()),
        Value::List(v) => Json::Array(v.iter().map(value_to_json).collect()),
        Value::Map(v) => Json::Object(
            v.iter()
                .map(|(k, v)| (k.clone(), value_to_json(v)))
                .collect(),
        ),
    }
}

pub(crate) fn value<S: Serializer>(value: &Value, out: S) -> Result<S::Ok, S::Error> {
    serde::Serialize::serialize(&value_to_json(value), out)
}

pub(crate) fn values<S: Serializer>(
    values: &BTreeMap<String, Value>,
    out: S,
) -> Result<S::Ok, S::Error> {
    out.collect_map(values.iter().map(|(k, v)| (k, value_to_json(v))))
}

pub(crate) fn time<S: Serializer>(time: &Option<Timestamp>, out: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => out.serialize_some(&time.to_rfc3339()),
        None => out.serialize_none(),
    }
}
