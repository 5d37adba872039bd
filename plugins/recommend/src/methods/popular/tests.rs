//! Checks counts, exclusions and what is refused.

use arrow_array::Int64Array;
use arrow_array::TimestampMicrosecondArray;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use lode_numeric::Rng;
use lode_plugin::Error;
use lode_plugin::Inputs;
use lode_plugin::Role;
use lode_plugin::testing;

use super::Popular;
use crate::recommends::State;
use crate::testdata::answers;
use crate::testdata::events;
use crate::testdata::message;
use crate::testdata::offers_of;
use crate::testdata::requests;
use crate::testdata::tastes;
use crate::testdata::with_pieces;

const SHOP: &[(&str, &str)] = &[
    ("ann", "tea"),
    ("ann", "tea"),
    ("ann", "mug"),
    ("bob", "tea"),
    ("bob", "pot"),
    ("cy", "mug"),
    ("cy", "tin"),
    ("cy", "tea"),
    ("di", "pot"),
];

fn fit(params: &str, batch: arrow_array::RecordBatch) -> lode_plugin::Result<testing::Fit> {
    testing::fit::<Popular>(params, Inputs::new().with("events", batch.into()), 1, 1)
}

fn names(offers: Vec<(String, f64)>) -> Vec<String> {
    offers.into_iter().map(|offer| offer.0).collect()
}

#[test]
fn the_description_is_whole() {
    assert_eq!(testing::check_spec::<Popular>(), Vec::<String>::new());
}

#[test]
fn items_are_counted_once_a_customer() {
    let fit = fit("{}", events(SHOP)).unwrap();
    let items = fit.table("items");
    let names: Vec<_> = items["item"].as_string::<i32>().iter().flatten().collect();
    assert_eq!(names, ["tea", "mug", "pot", "tin"]);
    assert_eq!(
        items["customers"].as_primitive::<Int64Type>().values()[..],
        [3, 2, 2, 1]
    );
    assert_eq!(fit.metrics["customers"] as usize, 4);
    assert_eq!(fit.metrics["pairs"] as usize, 8);
    assert_eq!(fit.metrics["rows_used"] as usize, 9);
}

#[test]
fn owned_items_are_not_offered() {
    let fit = fit(r#"{"n": 2}"#, events(SHOP)).unwrap();
    let offers = fit.table("recommendations");
    assert_eq!(names(offers_of(offers, "ann")), ["pot", "tin"]);
    assert_eq!(names(offers_of(offers, "bob")), ["mug", "tin"]);
    assert_eq!(names(offers_of(offers, "cy")), ["pot"]);
    assert_eq!(
        offers_of(offers, "di"),
        [("tea".to_owned(), 0.75), ("mug".to_owned(), 0.5)]
    );
}

#[test]
fn requests_are_answered() {
    let fit = fit(r#"{"n": 3}"#, events(SHOP)).unwrap();
    let model = fit.model.as_deref().unwrap();
    let asked = requests(&[
        (Some("di"), &[], &[], 2),
        (Some("eve"), &[], &["tea", "cup"], 0),
        (None, &["mug"], &[], 1),
        (Some("cy"), &[], &["pot"], 5),
    ]);
    let found = testing::score::<Popular>(r#"{"n": 3}"#, model, asked, 1, 1).unwrap();
    assert_eq!(
        answers(&found, 0),
        (
            offers_of(fit.table("recommendations"), "di")[..2].to_vec(),
            false
        )
    );
    assert_eq!(names(answers(&found, 1).0), ["mug", "pot", "tin"]);
    assert_eq!(names(answers(&found, 2).0), ["tea"]);
    assert!(answers(&found, 3).0.is_empty());
}

#[test]
fn gaps_are_left_out_and_returns_speak_against() {
    let batch = with_pieces(
        &events(&SHOP[..4]),
        vec![Some(1.0), None, Some(-2.0), Some(0.0)],
    );
    let fit = fit("{}", batch).unwrap();
    assert_eq!(fit.metrics["rows_used"] as usize, 4);
    assert_eq!(fit.metrics["rows_not_positive"] as usize, 2);
    assert_eq!(fit.metrics["customers"] as usize, 2);
    assert_eq!(fit.metrics["items"] as usize, 2);
    // What was returned is owned and not liked: nobody gets it but who never had it, last.
    let offers = fit.table("recommendations");
    assert!(offers_of(offers, "ann").is_empty());
    assert_eq!(offers_of(offers, "bob"), [("mug".to_owned(), 0.0)]);
    let gaps = testing::batch(&[
        (
            "who",
            Some(Role::CustomerId),
            std::sync::Arc::new(Int64Array::from(vec![Some(1), None, Some(3)])),
        ),
        (
            "what",
            Some(Role::Item),
            std::sync::Arc::new(Int64Array::from(vec![Some(7), Some(7), None])),
        ),
    ]);
    let fit = testing::fit::<Popular>("{}", Inputs::new().with("events", gaps.into()), 1, 1);
    let metrics = fit.unwrap().metrics;
    assert_eq!(metrics["rows_without_customer"] as usize, 1);
    assert_eq!(metrics["rows_without_item"] as usize, 1);
}

#[test]
fn bytes_do_not_depend_on_threads_or_batches() {
    let batch = tastes(600, 1);
    let run = |rows: usize, threads| {
        let inputs = Inputs::new().with("events", testing::rebatch(&batch, rows));
        testing::fit::<Popular>("{}", inputs, 1, threads).unwrap()
    };
    let one = run(10_000, 1);
    for (rows, threads) in [(10_000, 2), (10_000, 8), (7, 1), (500, 8)] {
        let other = run(rows, threads);
        assert_eq!(other.tables, one.tables);
        assert_eq!(other.model, one.model);
    }
}

fn part(batch: arrow_array::RecordBatch) -> Vec<u8> {
    let inputs = Inputs::new().with("events", batch.into());
    testing::partial::<Popular>("{}", inputs, 1, 1).unwrap()
}

#[test]
fn parts_in_any_order_and_grouping_give_the_whole() {
    let batch = tastes(600, 1);
    let n = batch.num_rows();
    let whole = fit("{}", batch.clone()).unwrap();
    for cuts in [vec![0, n], vec![0, 0, 1, n / 2, n], vec![0, 5, 90, 91, n]] {
        let ranges = cuts.windows(2);
        let parts: Vec<Vec<u8>> = ranges
            .map(|cut| part(batch.slice(cut[0], cut[1] - cut[0])))
            .collect();
        let mut states: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        let none = testing::merge::<Popular>("{}", &[]).unwrap();
        for turn in 0..states.len() {
            states.rotate_left(1);
            let (left, right) = states.split_at(turn);
            let left = testing::merge::<Popular>("{}", left).unwrap();
            let right = testing::merge::<Popular>("{}", right).unwrap();
            let all = testing::merge::<Popular>("{}", &[&right, &none, &left]).unwrap();
            let found = testing::finish::<Popular>("{}", &all, 1, 1).unwrap();
            assert_eq!(found.tables, whole.tables);
            assert_eq!(found.metrics, whole.metrics);
            assert_eq!(found.model, whole.model);
        }
    }
}

#[test]
fn damaged_states_are_refused_or_merge_within_bounds() {
    let state = state_of(SHOP);
    assert_eq!(State::from_bytes(&state.to_bytes()).unwrap(), state);
    let bytes = state.to_bytes();
    for len in 0..bytes.len() {
        assert!(State::from_bytes(&bytes[..len]).is_err(), "{len}");
    }
    let mut rng = Rng::new(9);
    for _ in 0..5_000 {
        let mut damaged = bytes.clone();
        let at = rng.index(damaged.len());
        damaged[at] ^= 1 << rng.below(8);
        if let Ok(read) = State::from_bytes(&damaged) {
            let both = read.merge(state.clone());
            assert!(both.log.n_rows() >= state.log.n_rows());
            assert_eq!(State::from_bytes(&both.to_bytes()).unwrap(), both);
        }
    }
}

fn state_of(pairs: &[(&str, &str)]) -> State {
    let bytes = part(events(pairs));
    // Lode's header, in front of the state: 36 bytes and the id.
    State::from_bytes(&bytes[36 + "recommend.popular".len()..]).unwrap()
}

#[test]
fn the_state_of_no_rows_ends_as_a_fit_of_none_does() {
    let none = testing::merge::<Popular>("{}", &[]).unwrap();
    assert_eq!(
        message(testing::finish::<Popular>("{}", &none, 1, 1)),
        "inputs.events: expected at least one row, found none"
    );
}

#[test]
fn bad_input_is_refused() {
    assert_eq!(
        message(fit("{}", events(&[]))),
        "inputs.events: expected at least one row, found none"
    );
    let returns = with_pieces(&events(&SHOP[..1]), vec![Some(-1.0)]);
    assert_eq!(
        message(fit("{}", returns)),
        "inputs.events: expected at least one row that speaks for an item, found none in 1 rows"
    );
    assert_eq!(
        message(fit(r#"{"n": 0}"#, events(SHOP))),
        "params.n: expected 1 to 1000, found 0"
    );
    assert!(message(fit(r#"{"top": 3}"#, events(SHOP))).contains("unknown field `top`"));
    let inputs = Inputs::new().with("events", events(SHOP).into());
    let cancelled = testing::fit_cancelled::<Popular>("{}", inputs);
    assert!(matches!(cancelled, Err(Error::Cancelled)));
}

/// Rows of customer, item and day.
fn dated(rows: &[(&str, &str, i64)]) -> arrow_array::RecordBatch {
    let pairs: Vec<(&str, &str)> = rows.iter().map(|row| (row.0, row.1)).collect();
    let plain = events(&pairs);
    let times = rows.iter().map(|row| row.2 * 86_400_000_000);
    testing::batch(&[
        (
            "who",
            Some(Role::CustomerId),
            std::sync::Arc::clone(plain.column(0)),
        ),
        (
            "what",
            Some(Role::Item),
            std::sync::Arc::clone(plain.column(1)),
        ),
        (
            "at",
            Some(Role::EventTime),
            std::sync::Arc::new(TimestampMicrosecondArray::from_iter_values(times)),
        ),
    ])
}

const SEASONS: &[(&str, &str, i64)] = &[
    ("ann", "fan", 1),
    ("bob", "fan", 2),
    ("cy", "fan", 3),
    ("ann", "coat", 90),
    ("bob", "coat", 99),
    ("di", "mug", 100),
    ("di", "fan", 20),
];

fn offers_to_a_stranger(params: &str) -> Vec<(String, f64)> {
    let fit = fit(params, dated(SEASONS)).unwrap();
    let model = fit.model.as_deref().unwrap();
    let asked = requests(&[(Some("eve"), &[], &[], 5)]);
    answers(
        &testing::score::<Popular>(params, model, asked, 1, 1).unwrap(),
        0,
    )
    .0
}

#[test]
fn a_window_forgets_what_was() {
    let all = offers_to_a_stranger("{}");
    assert_eq!(all[0], ("fan".to_owned(), 1.0));
    // Three customers did anything in the last 15 days.
    let found = offers_to_a_stranger(r#"{"window": 15}"#);
    assert_eq!(names(found.clone()), ["coat", "mug", "fan"]);
    assert!((found[0].1 - 2.0 / 3.0).abs() < 1e-12 && (found[1].1 - 1.0 / 3.0).abs() < 1e-12);
    assert_eq!(found[2].1.to_bits(), 0);
    // What is older than the window is owned all the same.
    let fit = fit(r#"{"window": 15}"#, dated(SEASONS)).unwrap();
    assert_eq!(
        names(offers_of(fit.table("recommendations"), "ann")),
        ["mug"]
    );
}

#[test]
fn likings_decay_by_the_last_event() {
    let found = offers_to_a_stranger(r#"{"half_life": 10}"#);
    let decay = |day: f64| 0.5_f64.powf((100.0 - day) / 10.0);
    let expected = [
        ("mug", decay(100.0) / 4.0),
        ("coat", (decay(90.0) + decay(99.0)) / 4.0),
        (
            "fan",
            (decay(1.0) + decay(2.0) + decay(3.0) + decay(20.0)) / 4.0,
        ),
    ];
    assert_eq!(found.len(), 3);
    for (name, share) in expected {
        let of_item = found.iter().find(|offer| offer.0 == name).unwrap();
        assert!((of_item.1 - share).abs() < 1e-7, "{found:?}");
    }
    assert_eq!(found[0].0, "coat");
}

#[test]
fn a_segment_has_to_be_a_column() {
    assert_eq!(
        message(fit(r#"{"segment": "country"}"#, events(SHOP))),
        "params.segment: expected a column of inputs.customers, found \"country\" and no such input"
    );
}
