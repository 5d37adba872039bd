//! Training sets against a naive builder over random histories: labels, candidates, who is new,
//! who is left out; what a sample keeps; and what is refused.

mod expected;

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use arrow_array::ArrayRef;
use arrow_array::BooleanArray;

use super::*;
use crate::Candidates;
use crate::Condition;
use crate::Label;
use crate::LabelKind;
use crate::Literal;
use crate::Sampling;
use crate::Training;
use crate::Window;
use crate::top_values;
use expected::Expected;

const VIEW: &str = r#"{
  "events": ["sales"], "customers": "people",
  "features": [
    {"name": "recency", "kind": "recency"},
    {"name": "n_30d", "kind": "window", "params": {"window": "30d", "stat": "count"}},
    {"name": "spend", "kind": "monetary"},
    {"name": "last_item", "kind": "last_item"}
  ]
}"#;
const HORIZON: i64 = 20 * DAY;

fn days(n: i64) -> Window {
    Window::parse(&format!("{n}d")).unwrap()
}

fn training(kind: LabelKind) -> Training {
    Training {
        events: None,
        filter: Vec::new(),
        label: Some(Label {
            kind,
            horizon: days(20),
            column: None,
        }),
        rows: Vec::new(),
        new_within: days(30),
        candidates: None,
        weighs: false,
        known_by: Timestamp(i64::MAX),
    }
}

fn sales_only() -> Vec<Condition> {
    Condition::read(
        "label.filter",
        &serde_json::json!({"column": "type", "equals": "sale"}),
    )
    .unwrap()
}

fn set(training: &Training) -> View {
    View::check_training(ViewSpec::parse(VIEW).unwrap(), &schemas(), training).unwrap()
}

fn dates() -> Vec<i64> {
    // The second is the time of some events, and so is the end of its window.
    vec![5 * DAY, 33 * DAY, 64 * DAY + 1, 80 * DAY]
}

fn set_input(view: &View, events: &[Event], threads: usize) -> Input {
    // One dataset, read twice where what is known later differs from what was known.
    let rows = view
        .events()
        .map(|_| vec![Rows::Batches(vec![sales(events)])]);
    let none: Vec<Plans> = dates().iter().map(|_| Plans::new()).collect();
    Input {
        events: rows.collect(),
        lookups: view
            .lookups()
            .iter()
            .map(|_| none.iter().map(people).collect())
            .collect(),
        as_of: dates().into_iter().map(Timestamp).collect(),
        threads,
        training: TrainingInput::default(),
    }
}

fn found(view: &View, input: &Input) -> Vec<naive::Row> {
    run(view, input).iter().flat_map(naive::rows).collect()
}

fn assert_rows(found: &[naive::Row], expected: &[naive::Row], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found.len(), expected.len(), "{what}: {found:?}");
        for (name, value) in expected {
            assert!(
                naive::same(&found[name], value),
                "{what}, {:?} at {:?}, {name}: expected {value:?}, found {:?}",
                expected["customer_id"],
                expected["as_of"],
                found[name]
            );
        }
    }
}

#[test]
fn labels_are_what_a_plain_loop_gives() {
    let mut positives = 0;
    for seed in 1..9 {
        let late = seed % 2 == 0;
        let events = history(seed * 104_729, 40 + seed * 60, late);
        for kind in [LabelKind::NoEvent, LabelKind::Event, LabelKind::Sum] {
            let mut training = training(kind);
            if kind == LabelKind::Sum {
                training.label.as_mut().unwrap().column = Some("fee".to_owned());
            }
            let only_sales = seed % 3 == 0;
            if only_sales {
                training.filter = sales_only();
            }
            let view = set(&training);
            let found = found(&view, &set_input(&view, &events, 1));
            let expected = Expected {
                events: &events,
                kind,
                only_sales,
                items: &[],
                exclude_owned: false,
            };
            assert_rows(&found, &expected.rows(), &format!("seed {seed}, {kind:?}"));
            positives += found
                .iter()
                .filter(|row| row["label"] == Value::Bool(true))
                .count();
        }
    }
    assert!(positives > 500, "{positives}");
}

#[test]
fn candidates_are_what_a_plain_loop_gives() {
    for seed in 1..7 {
        let events = history(seed * 7907, 60 * seed, seed % 2 == 0);
        let (only_sales, exclude_owned) = (seed % 3 == 0, seed % 3 == 1);
        let items = ["item 7", "item 3", "item 19", "never sold"];
        let kind = if seed == 6 {
            LabelKind::NoEvent
        } else {
            LabelKind::Event
        };
        let mut training = training(kind);
        training.filter = if only_sales { sales_only() } else { Vec::new() };
        training.candidates = Some(Candidates {
            column: None,
            values: items
                .iter()
                .map(|item| Literal::Text((*item).to_owned()))
                .collect(),
            exclude_owned,
        });
        let view = set(&training);
        let mut input = set_input(&view, &events, 1);
        input.training.buyers = crate::buyers(&view, &input, &AtomicBool::new(false)).unwrap();
        let whole = run(&view, &input);
        let found: Vec<_> = whole.iter().flat_map(naive::rows).collect();
        let expected = Expected {
            events: &events,
            kind,
            only_sales,
            items: &items,
            exclude_owned,
        };
        assert_rows(&found, &expected.rows(), &format!("seed {seed}"));
        input.threads = 3;
        assert_eq!(run(&view, &input), whole);
    }
}

/// The same rows without a label, for who scores.
#[test]
fn rows_to_be_scored_are_those_that_taught() {
    let events = history(77, 900, true);
    let mut training = training(LabelKind::Event);
    training.candidates = Some(Candidates {
        column: Some("what".to_owned()),
        values: vec![
            Literal::Text("item 1".to_owned()),
            Literal::Text("item 2".to_owned()),
        ],
        exclude_owned: false,
    });
    training.rows = Condition::read(
        "where",
        &serde_json::json!({"column": "recency", "at_most": 25}),
    )
    .unwrap();
    let view = set(&training);
    let mut taught = found(&view, &set_input(&view, &events, 2));
    training.label = None;
    let view = set(&training);
    assert_eq!(view.events().count(), 1, "nothing ahead is read");
    let scored = found(&view, &set_input(&view, &events, 2));
    for row in &mut taught {
        assert!(row.remove("label").is_some() && row.remove("label_end").is_some());
    }
    assert!(taught.len() > 100);
    assert_eq!(taught, scored);
    assert!(
        scored
            .iter()
            .all(|row| matches!(row["recency"], Value::Float(days) if days <= 25.0))
    );
}

#[test]
fn what_happens_after_t_changes_labels_and_nothing_else() {
    let events = history(5, 1500, true);
    let view = set(&training(LabelKind::Event));
    let mut before = found(&view, &set_input(&view, &events, 1));
    let last = *dates().last().unwrap();
    let mut planted = events.clone();
    for event in planted
        .iter_mut()
        .filter(|e| e.time > last || e.arrival > last)
    {
        event.amount = Some(1e300);
        event.item = Some("from the future".to_owned());
    }
    planted.retain(|event| event.time <= last || event.time > last + HORIZON);
    let mut after = found(&view, &set_input(&view, &planted, 1));
    let at_last = |row: &naive::Row| row["as_of"] == Value::Int(last);
    let labels = |rows: &mut Vec<naive::Row>| -> Vec<Value> {
        let rows = rows.iter_mut().filter(|row| at_last(row));
        rows.map(|row| row.remove("label").unwrap()).collect()
    };
    let (old, new) = (labels(&mut before), labels(&mut after));
    assert!(old.contains(&Value::Bool(true)));
    assert!(new.iter().all(|label| *label == Value::Bool(false)));
    let features = |rows: &[naive::Row]| -> Vec<naive::Row> {
        rows.iter().filter(|row| at_last(row)).cloned().collect()
    };
    assert_eq!(features(&before), features(&after));
}

#[test]
fn a_window_is_open_at_t_and_closed_at_its_end() {
    let event = |who: &str, time: i64, arrival: i64| Event {
        who: who.to_owned(),
        time,
        arrival,
        ..history(1, 1, false).remove(0)
    };
    let t = 33 * DAY;
    let label = |second: i64, arrival: i64, known_by: i64| {
        let events = [event("a", DAY, DAY), event("a", second, arrival)];
        let mut training = training(LabelKind::Event);
        training.known_by = Timestamp(known_by);
        let view = set(&training);
        let rows = found(&view, &set_input(&view, &events, 1));
        let row = rows
            .into_iter()
            .find(|row| row["as_of"] == Value::Int(t))
            .unwrap();
        row["label"] == Value::Bool(true)
    };
    assert!(!label(t, t, i64::MAX));
    assert!(label(t + 1, t + 1, i64::MAX));
    assert!(label(t + HORIZON, t + HORIZON, i64::MAX));
    assert!(!label(t + HORIZON + 1, t + HORIZON + 1, i64::MAX));
    // It happened within the window and was known long after it: that is what happened.
    assert!(label(t + DAY, t + 90 * DAY, i64::MAX));
    // But what is known after the bound does not exist.
    assert!(label(t + DAY, t + 90 * DAY, t + 90 * DAY));
    assert!(!label(t + DAY, t + 90 * DAY, t + 89 * DAY));
}

#[test]
fn excluded_customers_have_no_row() {
    let events = history(11, 600, false);
    let view = set(&training(LabelKind::NoEvent));
    let mut input = set_input(&view, &events, 2);
    let all = found(&view, &input);
    let out: ArrayRef = Arc::new(StringArray::from(vec![
        Some("customer-3"),
        None,
        Some("customer-8"),
    ]));
    input.training.excluded.add(&out);
    let left = found(&view, &input);
    let stays = |row: &&naive::Row| {
        let id = &row["customer_id"];
        *id != Value::Text("customer-3".to_owned()) && *id != Value::Text("customer-8".to_owned())
    };
    let expected: Vec<naive::Row> = all.iter().filter(stays).cloned().collect();
    assert!(expected.len() < all.len());
    assert_eq!(left, expected);
}

#[test]
fn the_weights_of_a_sample_give_back_what_it_left_out() {
    let events = history(3, 9_000, false);
    let mut training = training(LabelKind::Event);
    training.weighs = true;
    let view = set(&training);
    let mut input = set_input(&view, &events, 2);
    let all = found(&view, &input);
    assert!(all.iter().all(|row| row["weight"] == Value::Float(1.0)));
    let is_yes = |row: &&naive::Row| row["label"] == Value::Bool(true);
    let count = |rows: &[naive::Row], t: i64| {
        let rows: Vec<&naive::Row> = rows
            .iter()
            .filter(|row| row["as_of"] == Value::Int(t))
            .collect();
        let yes = rows.iter().filter(|row| is_yes(row)).count();
        (rows.len() - yes, yes)
    };
    let weight = |rows: &[naive::Row], t: i64| -> f64 {
        let rows = rows
            .iter()
            .filter(|row| row["as_of"] == Value::Int(t) && !is_yes(row));
        rows.map(|row| match row["weight"] {
            Value::Float(weight) => weight,
            _ => panic!("a weight is a float"),
        })
        .sum()
    };
    let rates = vec![0.05, 0.2, 0.5, 1.0];
    let mut mean = [0.0; 4];
    for seed in 0..12 {
        let sampling = Sampling {
            seed,
            rates: rates.clone(),
        };
        input.training.sampling = Some(sampling);
        let kept = found(&view, &input);
        for (i, t) in dates().into_iter().enumerate() {
            let ((negatives, yes), (kept_negatives, kept_yes)) = (count(&all, t), count(&kept, t));
            assert_eq!(yes, kept_yes, "none with the event is left out");
            let expected = negatives as f64 * rates[i];
            let spread = (expected * (1.0 - rates[i])).sqrt();
            assert!((kept_negatives as f64 - expected).abs() <= 5.0 * spread + 1e-9);
            mean[i] += weight(&kept, t) / negatives as f64 / 12.0;
        }
        if seed == 7 {
            // Cuts and threads choose no other rows.
            input.threads = 1;
            assert_eq!(found(&view, &input), kept);
            input.threads = 2;
        }
    }
    for (mean, rate) in mean.iter().zip(&rates) {
        let spread = ((1.0 - rate) / rate / 12.0 / 300.0_f64).sqrt() + 1e-9;
        assert!((mean - 1.0).abs() <= 5.0 * spread, "rate {rate}: {mean}");
    }
}

#[test]
fn a_column_a_horizon_later_is_a_label() {
    let events = history(13, 200, false);
    let mut training = training(LabelKind::Column);
    training.label.as_mut().unwrap().column = Some("plan".to_owned());
    let view = set(&training);
    let mut input = set_input(&view, &events, 1);
    // At the second date two have a plan then, one of them is known at all.
    let plans: Plans = [("customer-1", "gone"), ("nobody", "gone")]
        .map(|(who, plan)| (who.to_owned(), plan.to_owned()))
        .into();
    let later = input.lookups.len() - 1;
    input.lookups[later][1] = people(&plans);
    let rows = found(&view, &input);
    assert_eq!(rows.len(), 1, "who has no label has no row");
    assert_eq!(rows[0]["customer_id"], Value::Text("customer-1".to_owned()));
    assert_eq!(rows[0]["as_of"], Value::Int(33 * DAY));
    assert_eq!(rows[0]["label"], Value::Text("gone".to_owned()));
}

#[test]
fn the_most_frequent_items_are_those_of_known_events() {
    let events = history(21, 2000, true);
    let mut training = training(LabelKind::Event);
    training.filter = sales_only();
    training.candidates = Some(Candidates {
        column: None,
        values: Vec::new(),
        exclude_owned: false,
    });
    let view = set(&training);
    let t = 50 * DAY;
    let mut counts: BTreeMap<&str, i64> = BTreeMap::new();
    for event in events
        .iter()
        .filter(|e| e.time <= t && e.arrival <= t && e.kind == "sale")
    {
        if let Some(item) = &event.item {
            *counts.entry(item).or_insert(0) -= 1;
        }
    }
    let mut ranked: Vec<(i64, &str)> = counts.into_iter().map(|(item, n)| (n, item)).collect();
    ranked.sort_unstable();
    let expected: Vec<Literal> = ranked[..6]
        .iter()
        .map(|(_, item)| Literal::Text((*item).to_owned()))
        .collect();
    let input = set_input(&view, &events, 1);
    assert_eq!(
        top_values(&view, &input, Timestamp(t), 6).unwrap(),
        expected
    );
    let rows = &input.events[0];
    let range = crate::time_range(&view, 0, rows, Timestamp(t))
        .unwrap()
        .unwrap();
    let known = events
        .iter()
        .filter(|e| e.time <= t && e.arrival <= t)
        .map(|e| e.time);
    assert_eq!(range.0.0, known.clone().min().unwrap());
    assert_eq!(range.1.0, known.max().unwrap());
    assert_eq!(
        crate::time_range(&view, 0, rows, Timestamp(-DAY)).unwrap(),
        None
    );
}

#[test]
fn what_is_wrong_with_a_set_is_named() {
    let refused = |change: &dyn Fn(&mut Training)| {
        let mut training = training(LabelKind::Event);
        change(&mut training);
        View::check_training(ViewSpec::parse(VIEW).unwrap(), &schemas(), &training)
            .unwrap_err()
            .to_string()
    };
    let kind = |training: &mut Training, kind: LabelKind, column: &str| {
        let label = training.label.as_mut().unwrap();
        label.kind = kind;
        label.column = (!column.is_empty()).then(|| column.to_owned());
    };
    let conditions = |json: serde_json::Value| Condition::read("where", &json).unwrap();
    let candidates = |column: &str| {
        Some(Candidates {
            column: Some(column.to_owned()),
            values: Vec::new(),
            exclude_owned: false,
        })
    };
    assert_eq!(
        refused(&|t| kind(t, LabelKind::Sum, "amont")),
        "label.column: expected a column of \"sales\", one of amount, who, when (6 more), found \"amont\""
    );
    assert_eq!(
        refused(&|t| kind(t, LabelKind::Sum, "type")),
        "label.column: expected a column of type int64, float64 or decimal, found \"type\" of type string"
    );
    assert_eq!(
        refused(&|t| kind(t, LabelKind::Event, "amount")),
        "label.column: expected none, since a label of kind event has no column, found \"amount\""
    );
    assert_eq!(
        refused(&|t| kind(t, LabelKind::Column, "plam")),
        "label.column: expected a column of \"people\", one of id, plan, found \"plam\""
    );
    assert_eq!(
        refused(&|t| kind(t, LabelKind::Column, "")),
        "label.column: expected the name of a column of \"people\", found nothing"
    );
    assert_eq!(
        refused(&|t| t.events = Some("sale".to_owned())),
        "label.events: expected a dataset, one of people, sales, found \"sale\""
    );
    assert_eq!(
        refused(&|t| t.events = Some("people".to_owned())),
        "label.events: expected a dataset with a column of role event_time, found \"people\", which has none"
    );
    assert_eq!(
        refused(&|t| t.filter = conditions(serde_json::json!({"column": "kind", "equals": "sale"}))),
        "label.filter.column: expected a column of \"sales\", one of who, when, known, invoice, \
         what, amount, pieces, fee, type, found \"kind\""
    );
    assert_eq!(
        refused(&|t| t.rows = conditions(serde_json::json!({"column": "recent", "at_most": 3}))),
        "where[0].column: expected a column of the view, one of last_item, n_30d, recency, spend, found \"recent\""
    );
    assert_eq!(
        refused(&|t| t.rows = conditions(serde_json::json!({"column": "n_30d", "above": "3"}))),
        "where[0].above: expected an integer, as column \"n_30d\" is of type int64, found \"3\""
    );
    assert_eq!(
        refused(&|t| t.candidates = candidates("amount")),
        "candidates.column: expected a column of type string or int64, found \"amount\" of type float64"
    );
    assert_eq!(
        refused(&|t| {
            t.candidates = candidates("what");
            kind(t, LabelKind::Sum, "amount");
        }),
        "label.kind: expected event or no_event, since there are candidates, found sum"
    );
    let clash = VIEW.replace("\"recency\", \"kind\"", "\"label\", \"kind\"");
    let clash = View::check_training(
        ViewSpec::parse(&clash).unwrap(),
        &schemas(),
        &training(LabelKind::Event),
    );
    assert_eq!(
        clash.unwrap_err().to_string(),
        "feature_view: expected features with other names than a training set's own columns label, \
         weight, label_end, is_new, found a feature with the column \"label\""
    );
    let unread = Condition::read("where", &serde_json::json!([{"column": "a", "over": 3}]));
    assert!(
        unread
            .unwrap_err()
            .to_string()
            .starts_with("where[0].over: expected one of")
    );
}

/// What the engine keeps of a batch is where it says.
#[test]
fn kept_columns_are_there_and_have_no_role() {
    let view = set(&training(LabelKind::Event));
    let schema = view.schema();
    for name in crate::KEPT {
        let field = schema.field_with_name(name).unwrap();
        assert_eq!(lode_types::role_of(field), None, "{name}");
    }
    let events = history(2, 100, false);
    let batches = run(&view, &set_input(&view, &events, 1));
    let new = batches[0].column_by_name("is_new").unwrap();
    assert!(new.as_any().is::<BooleanArray>());
}
