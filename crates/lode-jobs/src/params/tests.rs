//! Params are checked by the plugin's schema, defaults filled in, refusals name the parameter.

use std::collections::BTreeMap;

use lode_types::Failure;
use lode_types::Value;

use super::resolve;

const SCHEMA: &str = r##"{
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "k": { "type": "integer", "minimum": 2, "maximum": 100, "default": 4 },
    "tolerance": { "type": "number", "exclusiveMinimum": 0, "default": 0.0001 },
    "transform": { "type": "string", "enum": ["none", "log"], "default": "none" },
    "returns": { "$ref": "#/$defs/Returns", "default": "ignore" }
  },
  "$defs": { "Returns": { "oneOf": [ { "const": "ignore" }, { "const": "net" } ] } }
}"##;

fn check(name: &str, value: Value) -> Result<String, (String, String, String)> {
    resolve("a.b", SCHEMA, &BTreeMap::from([(name.to_owned(), value)])).map_err(|error| {
        (
            error.reason().to_owned(),
            error.field().to_owned(),
            error.to_string(),
        )
    })
}

#[test]
fn defaults_are_filled_in() {
    let params = resolve("a.b", SCHEMA, &BTreeMap::new()).unwrap();
    assert_eq!(
        params,
        r#"{"k":4,"returns":"ignore","tolerance":0.0001,"transform":"none"}"#
    );
}

#[test]
fn a_whole_float_is_an_integer_where_one_is_wanted() {
    let params = check("k", Value::Float(7.0)).unwrap();
    assert!(params.contains(r#""k":7,"#), "{params}");
}

#[test]
fn refusals_name_the_parameter_and_what_was_expected() {
    let (reason, field, message) = check("clusters", Value::Int(3)).unwrap_err();
    assert_eq!(
        (reason.as_str(), field.as_str()),
        ("UNKNOWN_PARAM", "spec.params.clusters")
    );
    assert!(
        message.contains("expected one of k, returns, tolerance, transform"),
        "{message}"
    );

    let (reason, field, message) = check("k", Value::Int(1)).unwrap_err();
    assert_eq!(
        (reason.as_str(), field.as_str()),
        ("PARAM_OUT_OF_RANGE", "spec.params.k")
    );
    assert!(
        message.contains("at least 2 and at most 100, found 1"),
        "{message}"
    );

    let (reason, _, message) = check("k", Value::Text("four".to_owned())).unwrap_err();
    assert_eq!(reason, "PARAM_WRONG_TYPE");
    assert!(
        message.contains("type integer, found \"four\""),
        "{message}"
    );

    let (reason, _, message) = check("transform", Value::Text("sqrt".to_owned())).unwrap_err();
    assert_eq!(reason, "PARAM_OUT_OF_RANGE");
    assert!(message.contains(r#"one of ["none","log"]"#), "{message}");

    let (reason, _, message) = check("returns", Value::Text("foo".to_owned())).unwrap_err();
    assert_eq!(reason, "PARAM_OUT_OF_RANGE");
    assert!(
        message.ends_with(r#"expected one of "ignore", "net", found "foo""#),
        "{message}"
    );

    let (reason, _, _) = check("tolerance", Value::Float(f64::NAN)).unwrap_err();
    assert_eq!(reason, "PARAM_OUT_OF_RANGE");
}

#[test]
fn a_schema_that_leads_in_a_ring_is_no_end_of_the_engine() {
    let schema = r##"{ "properties": { "k": {
        "type": "integer",
        "oneOf": [{ "$ref": "#/properties/k" }, { "const": 2 }]
    } } }"##;
    let given = BTreeMap::from([("k".to_owned(), Value::Text("a".to_owned()))]);
    let error = resolve("a.b", schema, &given).unwrap_err();
    assert_eq!(error.field(), "spec.params.k");
    assert!(error.to_string().contains("found \"a\""), "{error}");
}

#[test]
fn a_refusal_does_not_say_the_whole_value_again() {
    let long = "x".repeat(1 << 20);
    let (_, field, message) = check(&long, Value::Int(1)).unwrap_err();
    assert!(field.len() < 300 && message.len() < 1000);
    let (_, _, message) = check("k", Value::Text(long)).unwrap_err();
    assert!(message.len() < 1000);
    assert!(message.contains("expected a value of type integer, found \"xxx"));
}

#[test]
fn refusals_of_what_lies_deeper_say_what_was_expected_there() {
    let schema = r##"{
      "type": "object",
      "properties": {
        "monotone": {
          "type": "object",
          "additionalProperties": { "$ref": "#/$defs/Direction" }
        },
        "sets": { "type": "array", "items": { "type": "array", "items": { "type": "string" } } }
      },
      "$defs": { "Direction": { "oneOf": [ { "const": "rising" }, { "const": "falling" } ] } }
    }"##;
    let refused = |name: &str, value: Value| {
        let given = BTreeMap::from([(name.to_owned(), value)]);
        let error = resolve("a.b", schema, &given).unwrap_err();
        (error.reason().to_owned(), error.to_string())
    };
    let up = Value::Map(BTreeMap::from([(
        "a/b".to_owned(),
        Value::Text("up".to_owned()),
    )]));
    let (reason, message) = refused("monotone", up);
    assert_eq!(reason, "PARAM_OUT_OF_RANGE");
    assert!(
        message.contains(r#"expected one of "rising", "falling", found "up""#),
        "{message}"
    );
    let flat = Value::List(vec![Value::Text("age".to_owned())]);
    let (reason, message) = refused("sets", flat);
    assert_eq!(reason, "PARAM_WRONG_TYPE");
    assert!(
        message.contains(r#"parameter "sets.0": expected a value of type array, found "age""#),
        "{message}"
    );
}
