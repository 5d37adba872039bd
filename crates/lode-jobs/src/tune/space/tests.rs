//! Hints are read, or refused with the parameter that they stand at.

use std::collections::BTreeMap;

use lode_types::AlgorithmSpec;
use lode_types::Failure as _;
use lode_types::Value;
use serde_json::json;

use super::Space;

fn algorithm(properties: serde_json::Value) -> AlgorithmSpec {
    let schema = json!({
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
    });
    let spec = json!({
        "id": "churn.made-up",
        "version": "1",
        "task": "churn",
        "title": "",
        "description": "",
        "params_schema": schema.to_string(),
        "inputs": [],
        "outputs": [],
    });
    serde_json::from_value(spec).unwrap()
}

#[test]
fn hints_become_ranges_and_points_parameters() {
    let algorithm = algorithm(json!({
        "rate": {"type": "number", "minimum": 0.001, "default": 0.1,
                 "x-tune": {"low": 0.01, "high": 1.0, "scale": "log"}},
        "depth": {"type": "integer", "minimum": 1, "default": 4,
                  "x-tune": {"low": 2, "high": 10, "scale": "int"}},
        "loss": {"enum": ["a", "b", "c"], "default": "b", "x-tune": {"values": ["a", "b", "c"]}},
        "share": {"type": "number", "default": 0.9, "x-tune": {"low": 0.0, "high": 0.8}},
        "seen": {"type": "number", "default": 1.0, "x-tune": {"low": 0.0, "high": 1.0}},
        "plain": {"type": "number", "default": 1.0},
    }));
    let given = [("seen".to_owned(), Value::Float(0.5))].into();
    let space = Space::of(&algorithm, &given).unwrap();
    // By name: depth, loss, rate, share; what is given is not searched, and 0.9 lies outside.
    assert_eq!(space.defaults(), [Some(0.25), Some(1.0), Some(0.5), None]);
    let params = space.params(&[0.49, 2.0, 0.5, 1.0]);
    let expected: BTreeMap<String, Value> = [
        ("depth".to_owned(), Value::Int(6)),
        ("loss".to_owned(), Value::Text("c".to_owned())),
        ("rate".to_owned(), Value::Float(0.1)),
        ("share".to_owned(), Value::Float(0.8)),
    ]
    .into();
    assert_eq!(params, expected);
    let params = space.params(&[0.0, 0.0, 0.123_456_789, 0.5]);
    assert_eq!(params["rate"], Value::Float(0.017_66), "four digits");
}

#[test]
fn wrong_hints_are_refused_with_their_parameter() {
    for (hint, part) in [
        (json!("all"), "expected an object"),
        (json!({"low": 1.0}), "\"high\""),
        (json!({"low": 2.0, "high": 1.0}), "below"),
        (
            json!({"low": "a", "high": 1.0}),
            "expected a number as \"low\"",
        ),
        (json!({"low": 0.0, "high": 1.0, "scale": "log"}), "above 0"),
        (
            json!({"low": 0.1, "high": 1.0, "scale": "cubic"}),
            "log, linear or int",
        ),
        (json!({"values": []}), "values in a list"),
        (json!({"low": 0.1, "high": 100.0}), "at most 10"),
        (json!({"values": [1, "two"]}), "two"),
    ] {
        let algorithm = algorithm(json!({
            "rate": {"type": "number", "maximum": 10, "default": 1, "x-tune": hint},
        }));
        let error = Space::of(&algorithm, &BTreeMap::new()).unwrap_err();
        assert_eq!(error.reason(), "TUNE_HINT_INVALID", "{hint}");
        assert_eq!(error.field(), "spec.params.rate", "{hint}");
        let words = error.to_string();
        assert!(
            words.contains(part) && words.contains("\"rate\""),
            "{words}"
        );
    }
}
