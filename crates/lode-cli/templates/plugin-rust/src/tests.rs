//! The algorithm against numbers worked out by hand, without an engine.

use std::sync::Arc;

use lode_plugin::Inputs;
use lode_plugin::Role;
use lode_plugin::Table;
use lode_plugin::arrow_array::Array;
use lode_plugin::arrow_array::ArrayRef;
use lode_plugin::arrow_array::Float64Array;
use lode_plugin::arrow_array::RecordBatch;
use lode_plugin::arrow_array::StringArray;
use lode_plugin::arrow_array::TimestampMicrosecondArray;
use lode_plugin::testing;

use crate::Overdue;

const DAY: i64 = 86_400_000_000;

/// Ada comes each 10 days, Bob each 2 and then no more; some rows say too little.
const EVENTS: [(Option<&str>, Option<i64>); 11] = [
    (Some("ada"), Some(10)),
    (Some("bob"), Some(0)),
    (Some("ada"), Some(0)),
    (Some("bob"), Some(2)),
    (None, Some(99)),
    (Some("ada"), None),
    (Some("bob"), Some(4)),
    (Some("ada"), Some(20)),
    (Some("ada"), Some(20)),
    (Some("cy"), Some(20)),
    (Some("bob"), Some(2)),
];

fn batch(events: &[(Option<&str>, Option<i64>)]) -> RecordBatch {
    let who: StringArray = events.iter().map(|event| event.0).collect();
    let at = events.iter().map(|event| event.1.map(|day| day * DAY + 7));
    let at: TimestampMicrosecondArray = at.collect();
    testing::batch(&[
        ("who", Some(Role::CustomerId), Arc::new(who)),
        ("at", Some(Role::EventTime), Arc::new(at)),
    ])
}

fn inputs(table: impl Into<Table>) -> Inputs {
    Inputs::new().with("events", table.into())
}

fn numbers<'a>(batch: &'a RecordBatch, name: &str) -> &'a [f64] {
    let column = batch.column_by_name(name).unwrap();
    let column: &Float64Array = column.as_any().downcast_ref().unwrap();
    column.values()
}

fn texts(batch: &RecordBatch, name: &str) -> Vec<String> {
    let column = batch.column_by_name(name).unwrap();
    let column: &StringArray = column.as_any().downcast_ref().unwrap();
    column.iter().flatten().map(str::to_owned).collect()
}

#[test]
fn the_description_is_whole() {
    assert_eq!(testing::check_spec::<Overdue>(), Vec::<String>::new());
}

#[test]
fn gaps_by_hand() {
    let fit = testing::fit::<Overdue>(r#"{"prior": 0}"#, inputs(batch(&EVENTS)), 1, 1).unwrap();
    let habits = fit.table("habits");
    assert_eq!(texts(habits, "customer_id"), ["ada", "bob", "cy"]);
    // Cy came once: the gap of all, (20 + 4) days by (2 + 2) gaps.
    assert_eq!(numbers(habits, "gap_days"), [10.0, 2.0, 6.0]);
    assert_eq!(numbers(habits, "overdue"), [0.0, 8.0, 0.0]);
    assert_eq!(
        texts(habits, "label"),
        ["in_rhythm", "overdue", "in_rhythm"]
    );
    assert!((fit.metrics["usual_gap_days"] - 6.0).abs() < 1e-12);
}

#[test]
fn a_prior_pulls_towards_the_average() {
    let fit = testing::fit::<Overdue>("{}", inputs(batch(&EVENTS)), 1, 1).unwrap();
    let found = numbers(fit.table("habits"), "gap_days");
    assert_eq!(found, [26.0 / 3.0, 10.0 / 3.0, 6.0]);
}

#[test]
fn a_model_answers_for_any_day() {
    let params = r#"{"prior": 0}"#;
    let fit = testing::fit::<Overdue>(params, inputs(batch(&EVENTS)), 1, 1).unwrap();
    let asked = batch(&[
        (Some("ada"), None),
        (Some("ada"), Some(45)),
        (Some("nobody"), None),
    ]);
    let asked = Inputs::new().with("customers", asked.into());
    let scores = testing::score::<Overdue>(params, &fit.model.unwrap(), asked, 1, 1).unwrap();
    assert_eq!(numbers(&scores, "score"), [0.0, 2.5, 0.0]);
    assert_eq!(texts(&scores, "label"), ["in_rhythm", "overdue", "unknown"]);
}

#[test]
fn batches_threads_and_order_do_not_matter() {
    let rows = batch(&EVENTS);
    let whole = testing::fit::<Overdue>("{}", inputs(rows.clone()), 1, 1).unwrap();
    let mut turned = EVENTS;
    turned.reverse();
    let others = [
        (inputs(testing::rebatch(&rows, 1)), 1),
        (inputs(testing::rebatch(&rows, 4)), 8),
        (inputs(batch(&turned)), 2),
    ];
    for (inputs, threads) in others {
        let fit = testing::fit::<Overdue>("{}", inputs, 1, threads).unwrap();
        assert_eq!(fit.model, whole.model);
        assert_eq!(fit.table("habits"), whole.table("habits"));
    }
}

#[test]
fn parts_make_the_whole() {
    let whole = testing::fit::<Overdue>("{}", inputs(batch(&EVENTS)), 1, 1).unwrap();
    let part = |rows: std::ops::Range<usize>| {
        testing::partial::<Overdue>("{}", inputs(batch(&EVENTS[rows])), 1, 1).unwrap()
    };
    let (a, b, c) = (part(0..2), part(2..7), part(7..11));
    let merge = |states: &[&[u8]]| testing::merge::<Overdue>("{}", states).unwrap();
    let nothing = merge(&[]);
    let orders = [
        merge(&[&a, &b, &c]),
        merge(&[&c, &a, &nothing, &b]),
        merge(&[&merge(&[&a, &b]), &c]),
        merge(&[&a, &merge(&[&b, &c])]),
    ];
    for state in &orders {
        let fit = testing::finish::<Overdue>("{}", state, 1, 1).unwrap();
        assert_eq!(fit.table("habits"), whole.table("habits"));
        assert_eq!(fit.metrics, whole.metrics);
        assert_eq!(fit.model, whole.model);
    }
}

#[test]
fn what_cannot_work_is_told() {
    let refused = |params: &str, rows: RecordBatch| {
        let error = testing::fit::<Overdue>(params, inputs(rows), 1, 1).unwrap_err();
        error.to_string()
    };
    let found = refused(r#"{"late": 0.5}"#, batch(&EVENTS));
    assert_eq!(found, "expected 1 to 1000, found 0.5");
    let found = refused(r#"{"lat": 3}"#, batch(&EVENTS));
    assert!(found.contains("unknown field"), "{found}");
    let found = refused("{}", batch(&EVENTS[..1]));
    assert!(found.contains("bought on two days"), "{found}");
    let text: ArrayRef = Arc::new(StringArray::from(vec!["ada"]));
    let found = refused(
        "{}",
        testing::batch(&[("who", Some(Role::CustomerId), text)]),
    );
    assert_eq!(found, "expected a column with role event_time, found none");
}

#[test]
fn a_cancelled_job_stops() {
    let error = testing::fit_cancelled::<Overdue>("{}", inputs(batch(&EVENTS))).unwrap_err();
    assert_eq!(error.to_string(), "the call was cancelled");
}
