//! The check of a job's params: a schema that a plugin brought, values that a client sent.
//!
//! An input is the schema, a line `===`, and the params as JSON; without that line it is params
//! for a schema like those of the shipped plugins. The text `@nan` stands for that number and
//! `@time N` for an instant, which JSON cannot write.

use std::collections::BTreeMap;

use lode_jobs::resolve_params;
use lode_types::Class;
use lode_types::Failure;
use lode_types::Timestamp;
use lode_types::Value;
use serde_json::Value as Json;

use crate::assert_words;
use crate::memory;

/// What schemas and params are made of.
pub(crate) const WORDS: &[&[u8]] = &[
    b"\n===\n",
    b"{\"k\":4.0}",
    b"\"@nan\"",
    b"\"@time 9223372036854775807\"",
    b"\"default\":",
    b"\"type\":\"integer\"",
    b"\"type\":[\"integer\",\"null\"]",
    b"\"type\":\"object\"",
    b"\"minimum\":",
    b"\"exclusiveMaximum\":",
    b"\"multipleOf\":",
    b"\"pattern\":\"(a+)+$\"",
    b"\"format\":\"date-time\"",
    b"\"enum\":[",
    b"\"required\":[\"k\"]",
    b"\"$ref\":\"#\"",
    b"\"$ref\":\"#/properties/k\"",
    b"\"$ref\":\"#/$defs/a\"",
    b"\"oneOf\":[",
    b"\"anyOf\":[{\"const\":1}]",
    b"\"allOf\":[",
    b"\"not\":{}",
    b"\"properties\":{",
    b"\"additionalProperties\":false",
    b"\"items\":{",
    b"\"uniqueItems\":true",
    b"1e308",
    b"-0.0",
    b"9007199254740993",
    b"18446744073709551615",
    b"null",
];

const SCHEMA: &str = r##"{
  "type": "object",
  "additionalProperties": false,
  "required": ["target"],
  "properties": {
    "target": { "type": "string" },
    "k": { "type": "integer", "minimum": 2, "maximum": 100, "default": 4 },
    "seed": { "type": ["integer", "null"], "minimum": 0 },
    "tolerance": { "type": "number", "exclusiveMinimum": 0, "default": 0.0001 },
    "columns": { "type": "array", "items": { "type": "string" }, "maxItems": 8 },
    "returns": { "$ref": "#/$defs/Returns", "default": "ignore" },
    "tree": { "$ref": "#/$defs/Tree" }
  },
  "$defs": {
    "Returns": { "oneOf": [{ "const": "ignore" }, { "const": "net" }] },
    "Tree": {
      "type": "object",
      "additionalProperties": false,
      "properties": {
        "weight": { "type": "number" },
        "kids": { "type": "array", "items": { "$ref": "#/$defs/Tree" } }
      }
    }
  }
}"##;

/// What a schema needs whatever it says: a pattern is compiled up to 10 MB, and doubled as it grows.
const OWN_BYTES: usize = 64 << 20;

/// Bytes as a schema and params.
pub fn params(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let (schema, given) = text.split_once("\n===\n").unwrap_or((SCHEMA, text));
    let Ok(given) = serde_json::from_str::<Json>(given) else {
        return;
    };
    let given = fields(given, true);
    let due = OWN_BYTES + 2000 * bytes.len();
    match memory::bounded(due, || resolve_params("a.b", schema, &given)) {
        Ok(params) => {
            let params: Json = serde_json::from_str(&params).expect("params are JSON");
            assert!(params.is_object(), "params are an object");
            for name in given.keys() {
                assert!(params.get(name).is_some(), "{name} was given and is gone");
            }
            let again = resolve_params("a.b", schema, &fields(params.clone(), false));
            let again = again.expect("what was accepted is accepted again");
            let again: Json = serde_json::from_str(&again).expect("params are JSON");
            assert!(is_same(&again, &params), "{params} became {again}");
        }
        Err(error) => {
            assert_words(&error.to_string());
            assert!(!error.reason().is_empty());
            if error.class() == Class::Invalid {
                assert!(error.field().starts_with("spec.params."), "{error}");
            }
        }
    }
}

fn fields(json: Json, marks: bool) -> BTreeMap<String, Value> {
    match json {
        Json::Object(fields) => fields
            .into_iter()
            .map(|(name, json)| (name, value(json, marks)))
            .collect(),
        other => BTreeMap::from([("k".to_owned(), value(other, marks))]),
    }
}

/// A value as it comes off the wire; `marks` are read as what JSON cannot write.
fn value(json: Json, marks: bool) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(v) => Value::Bool(v),
        Json::Number(v) => match v.as_i64() {
            Some(v) => Value::Int(v),
            None => Value::Float(v.as_f64().expect("a number")),
        },
        Json::String(v) => match v.strip_prefix("@time ").map(str::parse) {
            Some(Ok(micros)) if marks => Value::Time(Timestamp(micros)),
            _ if marks && v == "@nan" => Value::Float(f64::NAN),
            _ => Value::Text(v),
        },
        Json::Array(v) => Value::List(v.into_iter().map(|v| value(v, marks)).collect()),
        Json::Object(_) => Value::Map(fields(json, marks)),
    }
}

/// Whether the same JSON, however its numbers are written: a default 4.0 comes back as 4.
fn is_same(one: &Json, other: &Json) -> bool {
    match (one, other) {
        (Json::Number(one), Json::Number(other)) => one == other || one.as_f64() == other.as_f64(),
        (Json::Array(one), Json::Array(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .zip(other)
                    .all(|(one, other)| is_same(one, other))
        }
        (Json::Object(one), Json::Object(other)) => {
            let same = |(name, one)| other.get(name).is_some_and(|other| is_same(one, other));
            one.len() == other.len() && one.iter().all(same)
        }
        _ => one == other,
    }
}

/// None: schemas and params are text, and lie in the corpus.
pub(crate) fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    Vec::new()
}
