//! Checks the log and the pairs against plain sums, in any order of the rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use lode_numeric::Rng;
use lode_plugin::Role;
use lode_plugin::Table;
use lode_plugin::arrow_array::ArrayRef;
use lode_plugin::arrow_array::Float64Array;
use lode_plugin::arrow_array::RecordBatch;
use lode_plugin::arrow_array::StringArray;
use lode_plugin::arrow_array::TimestampMicrosecondArray;
use lode_plugin::testing;

use super::DAY;
use super::log::Columns;
use super::log::Log;
use super::pairs::Pairs;
use super::pairs::Worth;
use crate::events::counts::Counts;
use crate::model::codec::Writer;
use crate::model::names::Names;
use crate::params::Weighting;
use crate::recommends::State;

/// Customer, item, day, weight, rating.
type Plain = (u32, u32, i64, f32, f32);

fn log(rows: &[Plain]) -> Log {
    let columns = Columns {
        items: rows.iter().map(|row| row.1).collect(),
        times: rows.iter().map(|row| row.2 * DAY as i64).collect(),
        weights: rows.iter().map(|row| row.3).collect(),
        ratings: rows.iter().map(|row| row.4).collect(),
        counts: Vec::new(),
    };
    let customers: Vec<u32> = rows.iter().map(|row| row.0).collect();
    let n = |codes: &[u32]| codes.iter().max().map_or(0, |most| most + 1);
    let names = |n: u32| {
        let names: Vec<String> = (0..n).map(|code| format!("{code:04}")).collect();
        Names::of(names.iter().map(String::as_str))
    };
    Log::new(
        names(n(&customers)),
        names(n(&columns.items)),
        &customers,
        &columns,
        Counts::default(),
    )
}

fn bytes(log: &Log) -> Vec<u8> {
    let mut writer = Writer::default();
    log.write(&mut writer);
    writer.finish()
}

fn drawn(n: usize, seed: u64) -> Vec<Plain> {
    let mut rng = Rng::new(seed);
    let rows = (0..n).map(|_| {
        let weight = [1.0, 2.0, -1.0, 0.5][rng.index(4)];
        (
            rng.below(20) as u32,
            rng.below(15) as u32,
            rng.below(40) as i64,
            weight,
            f32::NAN,
        )
    });
    rows.collect()
}

fn worth(weighting: Weighting, half_life: Option<f64>) -> Worth {
    Worth {
        weighting,
        half_life,
        middle: None,
    }
}

#[test]
fn weights_are_plain_sums_with_decay() {
    let rows = drawn(800, 1);
    let last = rows.iter().map(|row| row.2).max().unwrap();
    let mut sums: BTreeMap<(u32, u32), f64> = BTreeMap::new();
    for (customer, item, day, weight, _) in &rows {
        let decay = 0.5_f64.powf((last - day) as f64 / 7.0);
        *sums.entry((*customer, *item)).or_default() += f64::from(*weight) * decay;
    }
    let log = log(&rows);
    let linear = Pairs::of(&log, &worth(Weighting::Linear, Some(7.0)), true, 3);
    let logs = Pairs::of(&log, &worth(Weighting::Log, Some(7.0)), false, 1);
    let binary = Pairs::of(&log, &worth(Weighting::Binary, None), false, 1);
    let mut n = 0;
    for customer in 0..20 {
        let history = linear.history(customer);
        for (at, item) in history.items.iter().enumerate() {
            let sum = sums[&(customer as u32, *item)];
            n += 1;
            assert!((f64::from(history.weights[at]) - sum).abs() < 1e-5);
            let of_log = f64::from(logs.history(customer).weights[at]);
            assert!((of_log - sum.signum() * (1.0 + sum.abs()).log2()).abs() < 1e-5);
        }
        let liked = binary.history(customer).weights.iter();
        assert!(
            liked
                .clone()
                .all(|w| w.to_bits() == 0 || w.to_bits() == 1.0_f32.to_bits())
        );
        let mut sequence = history.sequence.to_vec();
        sequence.sort_unstable();
        assert_eq!(sequence, history.items);
    }
    assert_eq!(n, sums.len());
}

#[test]
fn sequences_go_by_the_last_event() {
    let one = f32::NAN;
    let rows = [
        (0, 2, 1, 1.0, one),
        (0, 0, 2, 1.0, one),
        (0, 2, 3, 1.0, one),
        (0, 1, 2, 1.0, one),
    ];
    let pairs = Pairs::of(&log(&rows), &worth(Weighting::Binary, None), true, 1);
    assert_eq!(pairs.history(0).sequence, [0, 1, 2]);
}

#[test]
fn logs_do_not_depend_on_the_order_of_rows() {
    let mut rows = drawn(500, 2);
    rows.extend_from_within(..50);
    let whole = log(&rows);
    assert!(
        whole.n_rows() < rows.len(),
        "equal rows are one with a count"
    );
    let mut rng = Rng::new(3);
    for _ in 0..3 {
        for at in (1..rows.len()).rev() {
            rows.swap(at, rng.index(at + 1));
        }
        // Ratings that are not there are no equal numbers, but equal bytes.
        assert!(bytes(&log(&rows)) == bytes(&whole));
    }
}

#[test]
fn an_old_liking_is_not_lost() {
    let none = f32::NAN;
    let rows = [(0, 0, 0, 1.0, none), (0, 1, 36_500, 1.0, none)];
    let pairs = Pairs::of(&log(&rows), &worth(Weighting::Linear, Some(1.0)), false, 1);
    assert!(pairs.history(0).weights.iter().all(|weight| *weight > 0.0));
}

#[test]
fn ratings_are_read_against_the_customers_own_middle() {
    let rows = [
        (0, 0, 0, 1.0, 9.0),
        (0, 1, 0, 1.0, 7.0),
        (0, 2, 0, 1.0, 8.5),
        (1, 0, 0, 1.0, 3.0),
        (1, 1, 0, 1.0, 1.0),
        (1, 2, 0, 1.0, f32::NAN),
        (2, 1, 0, -1.0, 9.0),
    ];
    let log = log(&rows);
    let linear = worth(Weighting::Linear, None);
    let pairs = Pairs::of(&log, &linear, false, 1);
    let weights = |customer: usize| pairs.history(customer).weights;
    // Everything of the strict customer is below the mean of all; own means draw halfway.
    assert!(weights(0)[0] > weights(0)[2] && weights(0)[2] > weights(0)[1]);
    assert!(weights(1)[0] > weights(1)[1] && weights(1)[1] < 0.0);
    assert_eq!(
        weights(1)[2].to_bits(),
        1.0_f32.to_bits(),
        "not rated, so liked"
    );
    assert_eq!(
        weights(2)[0].to_bits(),
        (-1.0_f32).to_bits(),
        "returned, however rated"
    );
    let fixed = Worth {
        middle: Some(8.0),
        ..linear
    };
    let pairs = Pairs::of(&log, &fixed, false, 1);
    assert!(pairs.history(0).weights[1] < 0.0 && pairs.history(1).weights[0] < 0.0);
    assert!(pairs.history(0).weights[0] > 0.0);
}

#[test]
fn one_more_event_is_what_the_sum_would_be() {
    let none = f32::NAN;
    for weighting in [Weighting::Binary, Weighting::Log, Weighting::Linear] {
        let worth = worth(weighting, None);
        let of = |n: usize| {
            let rows: Vec<Plain> = (0..n).map(|day| (0, 0, day as i64, 1.0, none)).collect();
            Pairs::of(&log(&rows), &worth, false, 1).history(0).weights[0]
        };
        for n in 1..6 {
            assert!(
                (worth.more(of(n)) - of(n + 1)).abs() < 1e-5,
                "{weighting:?} {n}"
            );
        }
    }
}

fn table(kinds: &[Option<&str>], pieces: &[f64], times: &[Option<i64>]) -> RecordBatch {
    let n = kinds.len();
    let who: ArrayRef = Arc::new(StringArray::from(vec!["a"; n]));
    let what: StringArray = (0..n).map(|row| Some(format!("i{row}"))).collect();
    testing::batch(&[
        ("who", Some(Role::CustomerId), who),
        ("what", Some(Role::Item), Arc::new(what)),
        (
            "kind",
            Some(Role::EventKind),
            Arc::new(StringArray::from(kinds.to_vec())),
        ),
        (
            "pieces",
            Some(Role::Quantity),
            Arc::new(Float64Array::from(pieces.to_vec())),
        ),
        (
            "at",
            Some(Role::EventTime),
            Arc::new(TimestampMicrosecondArray::from(times.to_vec())),
        ),
    ])
}

/// The state of a part of `recommend.popular`.
fn state(params: &str, batch: RecordBatch) -> State {
    let inputs = lode_plugin::Inputs::new().with("events", Table::from(batch));
    let bytes = testing::partial::<crate::Popular>(params, inputs, 1, 1).unwrap();
    State::from_bytes(&bytes[36 + "recommend.popular".len()..]).unwrap()
}

#[test]
fn kinds_weigh_and_returns_speak_against() {
    let batch = table(
        &[Some("view"), Some("buy"), None, Some("buy"), Some("block")],
        &[1.0, 1.0, 1.0, -2.0, 1.0],
        &[Some(1), Some(2), Some(3), Some(4), None],
    );
    let params = r#"{"kind_weights": {"view": 0.25, "buy": 3, "block": -5}}"#;
    let log = state(params, batch.clone()).log;
    let weights: BTreeMap<u32, f32> = log.rows(0).map(|row| (row.item, row.weight)).collect();
    let weights: Vec<f32> = weights.into_values().collect();
    assert_eq!(weights, [0.25, 3.0, 1.0, -3.0, -5.0]);
    assert_eq!((log.counts.used, log.counts.returned), (5, 1));
    assert!(log.last_time().is_none(), "times are not read for nothing");
    let log = state(r#"{"half_life": 3}"#, batch).log;
    assert_eq!((log.counts.used, log.counts.without_time), (4, 1));
    assert_eq!(log.last_time(), Some(4));
}
