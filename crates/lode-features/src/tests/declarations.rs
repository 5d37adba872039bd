//! Wrong declarations: each is refused with its path, what was expected and what was found.
//! `cargo test -p lode-features wrong_declarations -- --nocapture` prints the messages.

use lode_types::Failure;

use super::ALL;
use super::schemas;
use super::view;
use crate::View;
use crate::ViewSpec;

/// A view of one feature.
fn one(feature: &str) -> String {
    format!(r#"{{"events": ["sales"], "features": [{feature}]}}"#)
}

#[test]
fn wrong_declarations_name_the_field_and_what_was_expected() {
    let wrong: &[(String, &str, &[&str])] = &[
        ("[1, 2".into(), "", &["a JSON object"]),
        (r#"{"events": ["sales"], "features": []}"#.into(), "features", &["1 to 500 features", "found 0"]),
        (r#"{"event": "sales", "features": []}"#.into(), "event", &["events", r#"found "event""#]),
        (r#"{"events": ["sale"], "features": [{"name": "r", "kind": "recency"}]}"#.into(), "events[0]", &["people, sales", r#"found "sale""#]),
        (r#"{"events": ["people"], "features": [{"name": "r", "kind": "recency"}]}"#.into(), "events[0]", &["role event_time"]),
        (r#"{"events": ["sales"], "population": "known", "features": [{"name": "r", "kind": "recency"}]}"#.into(), "customers", &["a dataset of customers"]),
        (one(r#"{"name": "r", "kind": "recncy"}"#), "features[0].kind", &["recency", r#"found "recncy""#]),
        (one(r#"{"name": "spend 30", "kind": "monetary"}"#), "features[0].name", &["letters, digits and underscores"]),
        (one(r#"{"name": "as_of", "kind": "monetary"}"#), "features[0].name", &["every row has"]),
        (one(r#"{"name": "a", "kind": "recency"}, {"name": "a", "kind": "tenure"}"#), "features[1].name", &["once", "twice"]),
        (one(r#"{"name": "w", "kind": "window", "params": {"stat": "sum"}}"#), "features[0].params.window", &[r#""30d""#, "nothing"]),
        (one(r#"{"name": "w", "kind": "window", "params": {"window": "thirty", "stat": "sum"}}"#), "features[0].params.window", &["w, d, h, m, s", r#"found "thirty""#]),
        (one(r#"{"name": "w", "kind": "window", "params": {"window": 30, "stat": "sum"}}"#), "features[0].params.window", &["text", "found 30"]),
        (one(r#"{"name": "w", "kind": "window", "params": {"window": "30d", "stat": "median"}}"#), "features[0].params.stat", &["mean", r#"found "median""#]),
        (one(r#"{"name": "w", "kind": "window", "params": {"window": "30d", "stat": "sum", "column": "amuont"}}"#), "features[0].params.column", &["amount", r#"found "amuont""#]),
        (one(r#"{"name": "w", "kind": "window", "params": {"window": "30d", "stat": "sum", "column": "what"}}"#), "features[0].params.column", &["int64, float64 or decimal", "of type string"]),
        (one(r#"{"name": "r", "kind": "recency", "params": {"windw": "30d"}}"#), "features[0].params.windw", &["window", r#"found "windw""#]),
        (one(r#"{"name": "t", "kind": "tenure", "params": {"window": "30d"}}"#), "features[0].params", &["no parameters for kind tenure"]),
        (one(r#"{"name": "c", "kind": "count_of", "params": {"column": "type", "value": 3}}"#), "features[0].params.value", &["text", "of type string", "found 3"]),
        (one(r#"{"name": "c", "kind": "count_of", "params": {"column": "type"}}"#), "features[0].params.value", &["the value of the column", "nothing"]),
        (one(r#"{"name": "f", "kind": "monetary", "filter": {"column": "type", "at_least": "a"}}"#), "features[0].filter.at_least", &["equals, not_equals or in"]),
        (one(r#"{"name": "f", "kind": "monetary", "filter": {"column": "fee", "above": 1.005}}"#), "features[0].filter.above", &["at most 2 decimals", "found 1.005"]),
        (one(r#"{"name": "f", "kind": "monetary", "filter": {"column": "type"}}"#), "features[0].filter", &["equals", "nothing"]),
        (one(r#"{"name": "r", "kind": "ratio", "params": {"numerator": "a", "denominator": "b"}}"#), "features[0].params.numerator", &["a feature of the view", r#"found "a""#]),
        (one(r#"{"name": "i", "kind": "last_item"}, {"name": "r", "kind": "ratio", "params": {"numerator": "i", "denominator": "i"}}"#), "features[1].params.numerator", &["a number", "of type string"]),
        (one(r#"{"name": "a", "kind": "ratio", "params": {"numerator": "b", "denominator": "b"}}, {"name": "b", "kind": "ratio", "params": {"numerator": "a", "denominator": "a"}}"#), "features[0].params", &["do not need each other", r#"a circle of "a", "b""#]),
        (one(r#"{"name": "p", "kind": "attribute", "params": {"column": "plan"}}"#), "customers", &["a dataset of customers"]),
        (r#"{"events": ["sales"], "customers": "people", "features": [{"name": "p", "kind": "attribute", "params": {"column": "plam"}}]}"#.into(), "features[0].params.column", &["id, plan", r#"found "plam""#]),
        (one(r#"{"name": "r", "kind": "recency", "events": "calls"}"#), "features[0].events", &["sales", r#"found "calls""#]),
        (one(r#"{"name": "s", "kind": "share", "params": {"column": "type", "value": "sale", "of": "amonut"}}"#), "features[0].params.of", &["amount", r#"found "amonut""#]),
    ];
    for (json, path, words) in wrong {
        let checked = ViewSpec::parse(json).and_then(|spec| View::check(spec, &schemas()));
        let Err(error) = checked else {
            panic!("expected a refusal at {path:?} of {json}");
        };
        println!("{error}");
        assert_eq!(error.field(), *path, "{error}");
        assert_eq!(error.reason(), "INVALID_FEATURE_VIEW");
        for word in *words {
            assert!(
                error.to_string().contains(word),
                "expected {word:?} in: {error}"
            );
        }
    }
}

#[test]
fn a_declaration_is_read_back_as_it_was() {
    let spec = ViewSpec::parse(ALL).unwrap();
    assert_eq!(ViewSpec::from_json(&spec.to_json()).unwrap(), spec);
}

#[test]
fn features_say_what_they_mean() {
    let view = view(ALL);
    let meaning = |name: &str| {
        let info = view.features().iter().find(|info| info.name == name);
        info.unwrap().description.clone()
    };
    assert_eq!(
        meaning("sum_30d"),
        "Sum of amount over the 30 days up to the as-of time, of sales"
    );
    assert_eq!(
        meaning("recency"),
        "Days from the last event to the as-of time in sales"
    );
    assert_eq!(
        meaning("big"),
        "Sum of amount over all time up to the as-of time, of sales, only events with amount >= 5 and type in \"sale\", \"gift\""
    );
    assert_eq!(meaning("ratio"), "sum_30d divided by spend");
    assert!(
        view.features()
            .iter()
            .all(|info| !info.description.is_empty())
    );
}
