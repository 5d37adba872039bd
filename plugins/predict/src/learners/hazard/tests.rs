//! Checks against planted rises at contract ends and the promises of the docs.

use std::sync::Arc;

use arrow_array::Array;
use arrow_array::Float64Array;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use lode_numeric::Rng;
use lode_plugin::Inputs;
use lode_plugin::Result;
use lode_plugin::Role;
use lode_plugin::testing;
use lode_plugin::testing::Fit;

use crate::Predict;
use crate::families::Churn;

type Hazard = Predict<Churn, super::Hazard>;

/// Monthly hazard of leaving: 0.02, times 8 in the month in which a contract ends, times 2
/// after it, and times exp(0.5) a call.
fn hazard(month: i64, end: Option<i64>, calls: f64) -> f64 {
    let phase = match end {
        Some(end) if month == end => 8.0,
        Some(end) if month > end => 2.0,
        _ => 1.0,
    };
    1.0 - (-0.02 * phase * (0.5 * calls).exp()).exp()
}

/// Customers with contracts of 12 or 24 months or none, as a picture of when they left or of
/// now; `from_start` counts contracts from their beginning.
fn customers(n: usize, from_start: bool) -> RecordBatch {
    let mut rng = Rng::new(21);
    let (mut ids, mut calls, mut ends) = (Vec::new(), Vec::new(), Vec::new());
    let (mut durations, mut labels) = (Vec::new(), Vec::new());
    for row in 0..n {
        let n_calls = rng.normal();
        let end = [Some(12), Some(24), Some(6), None][rng.index(4)];
        let limit = 1 + rng.below(36) as i64;
        let mut month = 0;
        let left = loop {
            month += 1;
            if rng.chance(hazard(month, end, n_calls)) {
                break true;
            }
            if month == limit {
                break false;
            }
        };
        ids.push(format!("c{row}"));
        calls.push(n_calls);
        ends.push(end.map(|end| (if from_start { end } else { end - month }) as f64));
        durations.push(month as f64);
        labels.push(if left { "yes" } else { "no" });
    }
    testing::batch(&[
        (
            "id",
            Some(Role::CustomerId),
            Arc::new(StringArray::from(ids)),
        ),
        ("calls", None, Arc::new(Float64Array::from(calls))),
        ("months_to_end", None, Arc::new(Float64Array::from(ends))),
        (
            "months",
            Some(Role::Duration),
            Arc::new(Float64Array::from(durations)),
        ),
        (
            "left",
            Some(Role::Label),
            Arc::new(StringArray::from(labels)),
        ),
    ])
}

fn fit(params: &str, batch: &RecordBatch) -> Result<Fit> {
    let inputs = Inputs::new().with("customers", batch.clone().into());
    testing::fit::<Hazard>(params, inputs, 1, 2)
}

fn floats(batch: &RecordBatch, column: &str) -> Vec<f64> {
    batch[column]
        .as_primitive::<Float64Type>()
        .values()
        .to_vec()
}

const WITH_CONTRACT: &str = r#"{"contract_end": "months_to_end", "horizon": 3}"#;

#[test]
fn the_rise_at_the_end_of_a_contract_is_found_and_foretold() {
    let batch = customers(12_000, false);
    let found = fit(WITH_CONTRACT, &batch).unwrap();
    let ratios = found.table("hazard_ratios");
    let levels = ratios["level"].as_string::<i32>();
    let ratio = |level: &str| {
        let row = (0..ratios.num_rows()).find(|row| levels.value(*row) == level);
        floats(ratios, "hazard_ratio")[row.unwrap()]
    };
    assert!((ratio("(ends)") / 8.0 - 1.0).abs() < 0.15);
    assert!((ratio("(has ended)") / 2.0 - 1.0).abs() < 0.2);
    assert!((ratio("(none)") - 1.0).abs() < 0.15);
    assert!((ratio("(runs)") - 1.0).abs() < 1e-12);
    // The chance of the three months to come, month by month as planted.
    let scores = floats(found.table("scores"), "score");
    let (calls, durations) = (floats(&batch, "calls"), floats(&batch, "months"));
    let ends = batch["months_to_end"].as_primitive::<Float64Type>();
    let mut worst: f64 = 0.0;
    for row in 0..2_000 {
        let month = durations[row] as i64;
        let end = ends.is_valid(row).then(|| month + ends.value(row) as i64);
        let stays = (1..=3).map(|ahead| 1.0 - hazard(month + ahead, end, calls[row]));
        let planted = 1.0 - stays.product::<f64>();
        worst = worst.max((scores[row] - planted).abs());
    }
    assert!(worst < 0.1, "{worst}");
    // The reason of whose contract ends next month is the contract.
    let row = (0..12_000)
        .find(|row| ends.is_valid(*row) && (ends.value(*row) - 1.0).abs() < 0.1)
        .unwrap();
    let lists = found.table("scores")["contributions"].as_list::<i32>();
    let first = lists.value(row);
    let features = first.as_struct().column(0);
    assert_eq!(features.as_string::<i32>().value(0), "months_to_end");
}

#[test]
fn contracts_may_count_from_the_beginning() {
    let now = fit(WITH_CONTRACT, &customers(4_000, false)).unwrap();
    let start = r#"{"contract_end": "months_to_end", "contract_clock": "start", "horizon": 3}"#;
    let start = fit(start, &customers(4_000, true)).unwrap();
    assert_eq!(
        floats(now.table("scores"), "score"),
        floats(start.table("scores"), "score")
    );
}

#[test]
fn contributions_add_up_and_scores_follow_from_margins() {
    let batch = customers(1_000, false);
    let found = fit(WITH_CONTRACT, &batch).unwrap();
    let scores = found.table("scores");
    let lists = scores["contributions"].as_list::<i32>();
    let (margins, bases) = (floats(scores, "margin"), floats(scores, "base"));
    let (mut sum_of_margins, score) = (0.0, floats(scores, "score"));
    for row in 0..1_000 {
        let entries = lists.value(row);
        let parts = entries.as_struct().column(2);
        let sum: f64 = parts.as_primitive::<Float64Type>().values().iter().sum();
        assert!((bases[row] + sum - margins[row]).abs() < 1e-12);
        sum_of_margins += margins[row];
        assert!(score[row] > 0.0 && score[row] < 1.0);
    }
    // Contributions are centered: the mean margin is the base.
    assert!((sum_of_margins / 1_000.0 - bases[0]).abs() < 1e-9);
    let inputs = Inputs::new().with("customers", batch.clone().into());
    let again =
        testing::score::<Hazard>(WITH_CONTRACT, found.model.as_deref().unwrap(), inputs, 1, 2)
            .unwrap();
    assert_eq!(floats(&again, "score"), score);
}

#[test]
fn the_baseline_is_given_by_groups_of_periods() {
    let found = fit(
        r#"{"period": 3, "max_groups": 5}"#,
        &customers(3_000, false),
    )
    .unwrap();
    let hazards = found.table("hazards");
    let (first, last) = (floats(hazards, "first"), floats(hazards, "last"));
    assert!(hazards.num_rows() <= 5 && first[0].abs() < 1e-12);
    assert!(
        first[1..]
            .iter()
            .zip(&last)
            .all(|(a, b)| (a - b).abs() < 1e-9)
    );
    assert!(
        last.iter()
            .all(|end| (end / 3.0 - (end / 3.0).round()).abs() < 1e-9)
    );
    let left: f64 = floats(hazards, "left").iter().sum();
    let metric = |name: &str| found.metrics[name];
    assert!((left - metric("positives")).abs() < 1e-9);
}

#[test]
fn odd_requests_get_words() {
    let batch = customers(300, false);
    for (params, words) in [
        (r#"{"contract_end": "end"}"#, "contract_end"),
        (r#"{"contract_end": "left"}"#, "contract_end"),
        (
            r#"{"contract_end": "calls", "exclude": ["calls"]}"#,
            "contract_end",
        ),
        (r#"{"period": 0.00001}"#, "params.period"),
        (r#"{"smooth": -1}"#, "smooth"),
    ] {
        let error = fit(params, &batch).unwrap_err();
        assert!(format!("{error:?} {error}").contains(words), "{error:?}");
    }
    let far = fit(
        r#"{"contract_end": "months_to_end", "horizon": 1e9}"#,
        &batch,
    )
    .unwrap();
    let scores = floats(far.table("scores"), "score");
    assert!(scores.iter().all(|score| *score > 0.99 && *score <= 1.0));
}
