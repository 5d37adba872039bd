//! Whether two models answer the same question: the same label, horizon, population and items.
//!
//! Read from what the engine settled of their training sets. Features, dates, samples and the
//! algorithm are how a question is answered, and no part of it.

use std::collections::BTreeSet;

use lode_sdk::Condition;
use lode_sdk::Provenance;
use serde_json::Value as Json;

/// What an earlier model answers that a new one does not; none when it is the same question.
pub(super) fn other(before: Option<&Provenance>, now: Option<&Provenance>) -> Option<String> {
    let Some(now) = now.and_then(training_set) else {
        return other_events(before?, now?);
    };
    match before.and_then(training_set) {
        Some(before) => differences(before, now),
        None => Some("it was not made from a training set".to_owned()),
    }
}

/// Of models without a training set: whether they learned from other datasets.
fn other_events(before: &Provenance, now: &Provenance) -> Option<String> {
    let events = |provenance: &Provenance| {
        let mut inputs = provenance.inputs.iter();
        let events = inputs.find(|input| input.input == "events");
        events.map(|input| input.dataset.clone())
    };
    let (before, now) = (events(before)?, events(now)?);
    (before != now).then(|| format!("events {before}, here {now}"))
}

fn differences(before: &Json, now: &Json) -> Option<String> {
    let parts = parts(before).into_iter().zip(parts(now));
    let mut differs: Vec<String> = parts
        .filter(|(before, now)| before != now)
        .map(|((part, before), (_, now))| format!("{part} {before}, here {now}"))
        .collect();
    if let (Some(own), Some(new)) = (values(before), values(now))
        && 2 * own.intersection(&new).count() < own.len().min(new.len())
    {
        differs.push("of other items".to_owned());
    }
    (!differs.is_empty()).then(|| differs.join("; "))
}

fn training_set(provenance: &Provenance) -> Option<&Json> {
    let mut inputs = provenance.inputs.iter();
    inputs.find_map(|input| Some(&input.training_set).filter(|set| set.is_object()))
}

/// The parts of a question with their words.
fn parts(set: &Json) -> [(&'static str, String); 5] {
    let word = |at: &str| set.pointer(at).and_then(Json::as_str).unwrap_or_default();
    let label = [word("/label/kind"), word("/label/column")];
    let of = word("/label/events");
    let filter = conditions(set.pointer("/label/filter"));
    let label = label.join(" ").trim_end().replace('_', "-");
    let excluded: BTreeSet<&str> = list(set.get("exclude_customers"));
    let excluded: Vec<&str> = excluded.into_iter().collect();
    let items = match set.get("candidates").filter(|asked| asked.is_object()) {
        Some(_) => word("/candidates/column"),
        None => "none",
    };
    [
        (
            "label",
            match (of, filter.as_str()) {
                ("", _) => label,
                (of, "") => format!("{label} of {of}"),
                (of, filter) => format!("{label} of {of} with {filter}"),
            },
        ),
        ("horizon", word("/horizon").to_owned()),
        ("population", or(conditions(set.get("where")), "everybody")),
        ("customers left out", or(excluded.join(", "), "none")),
        ("items", items.to_owned()),
    ]
}

/// The items of which each customer has a row.
fn values(set: &Json) -> Option<BTreeSet<&str>> {
    let values = list(set.pointer("/candidates/values"));
    (!values.is_empty()).then_some(values)
}

fn list(json: Option<&Json>) -> BTreeSet<&str> {
    let list = json.and_then(Json::as_array);
    list.into_iter()
        .flatten()
        .filter_map(Json::as_str)
        .collect()
}

/// Conditions as people type them, in an order of their own.
fn conditions(json: Option<&Json>) -> String {
    let list = json.and_then(Json::as_array).into_iter().flatten();
    let words = list.map(
        |json| match serde_json::from_value::<Condition>(json.clone()) {
            Ok(condition) => condition.to_string(),
            Err(_) => json.to_string(),
        },
    );
    let words: BTreeSet<String> = words.collect();
    words.into_iter().collect::<Vec<_>>().join(" and ")
}

fn or(words: String, empty: &str) -> String {
    match words.is_empty() {
        true => empty.to_owned(),
        false => words,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn set() -> Json {
        json!({
            "horizon": "90d",
            "label": {"kind": "no_event", "events": "sales", "column": "",
                      "filter": [{"column": "type", "equals": "sale"}]},
            "where": [{"column": "recency", "at_most": 90.0}],
            "exclude_customers": [],
            "candidates": {"column": "group", "values": ["a", "b", "c"]},
            "as_of": [1, 2],
        })
    }

    fn said(change: impl FnOnce(&mut Json)) -> Option<String> {
        let mut now = set();
        change(&mut now);
        differences(&set(), &now)
    }

    #[test]
    fn what_is_asked_and_not_how_it_is_answered_makes_the_question() {
        assert_eq!(said(|set| set["as_of"] = json!([3])), None);
        // The most frequent items of another month are another few.
        let few = |set: &mut Json| set["candidates"]["values"] = json!(["a", "b", "d"]);
        assert_eq!(said(few), None);
        let others = |set: &mut Json| set["candidates"]["values"] = json!(["a", "d", "e"]);
        assert_eq!(said(others).as_deref(), Some("of other items"));
        let shorter = |set: &mut Json| {
            set["horizon"] = json!("30d");
            set["where"][0]["at_most"] = json!(30.0);
        };
        assert_eq!(
            said(shorter).as_deref(),
            Some("horizon 90d, here 30d; population recency<=90, here recency<=30")
        );
        let label = |set: &mut Json| {
            set["label"] = json!({"kind": "event", "events": "calls", "filter": null});
            set["exclude_customers"] = json!(["staff"]);
            set["candidates"] = Json::Null;
        };
        assert_eq!(
            said(label).as_deref(),
            Some(
                "label no-event of sales with type=sale, here event of calls; customers left out \
                 none, here staff; items group, here none"
            )
        );
    }
}
