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
