//! Checks that boosting finds what a line cannot, for outcomes and for amounts.

use std::sync::Arc;

use lode_numeric::Rng;
use lode_plugin::Role;
use lode_plugin::arrow_array::ArrayRef;
use lode_plugin::arrow_array::BooleanArray;
use lode_plugin::arrow_array::Float64Array;
use lode_plugin::arrow_array::Int64Array;
use lode_plugin::arrow_array::RecordBatch;
use lode_plugin::arrow_array::cast::AsArray;
use lode_plugin::arrow_array::types::Float64Type;
use lode_plugin::testing;

use crate::Predict;
use crate::families::Churn;
use crate::families::Value;
use crate::learners::Linear;
use crate::testdata::contributions;
use crate::testdata::fit;
use crate::testdata::floats;
use crate::testdata::message;
use crate::testdata::spenders;

type Gbdt = Predict<Churn, super::Gbdt>;
type Amounts = Predict<Value, super::GbdtAmount>;

/// Customers who leave when exactly one of two things holds: no line tells them apart.
fn crossed(n: usize) -> RecordBatch {
    let mut rng = Rng::new(3);
    let mut columns: [Vec<f64>; 3] = Default::default();
    let mut left = Vec::new();
    for _ in 0..n {
        let [a, b, noise] = [(); 3].map(|()| rng.normal());
        left.push((a > 0.0) != (b > 0.0));
        for (column, value) in columns.iter_mut().zip([a, b, noise]) {
            column.push(value);
        }
    }
    let [a, b, noise] = columns.map(|column| -> ArrayRef { Arc::new(Float64Array::from(column)) });
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values((0..).take(n)));
    testing::batch(&[
        ("id", Some(Role::CustomerId), ids),
        ("a", None, a),
        ("b", None, b),
        ("noise", None, noise),
        (
            "left",
            Some(Role::Label),
            Arc::new(BooleanArray::from(left)),
        ),
    ])
}

#[test]
fn columns_in_combination_are_found_and_named() {
    let batch = crossed(800);
    let fit = fit::<Gbdt>("{}", &batch).unwrap();
    let scores = floats(fit.table("scores"), "score");
    let left = batch["left"].as_boolean().values();
    let right = scores.iter().zip(left).filter(|(s, y)| (**s > 0.5) == *y);
    assert!(right.count() > 760);
    let importance = fit.table("importance");
    let features = importance["feature"].as_string::<i32>();
    assert_eq!(features.value(2), "noise");
    let shares = floats(importance, "share");
    assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    assert!(shares[2] < 0.2, "{shares:?}");
    let sure = (0..800)
        .max_by(|a, b| scores[*a].total_cmp(&scores[*b]))
        .unwrap();
    let reasons = contributions(fit.table("scores"), sure);
    assert!(reasons[0].0 != "noise" && reasons[0].1 > 0.0);
    assert!(fit.metrics["rounds"] > 5.0);
}

#[test]
fn expected_amounts_are_right_on_the_whole() {
    let batch = spenders(1_500);
    let spent = batch["spent"].as_primitive::<Float64Type>();
    let known: Vec<usize> = (0..1_500).filter(|row| row % 10 != 9).collect();
    let actual: f64 = known.iter().map(|row| spent.value(*row)).sum();
    let error = |scores: &[f64]| -> f64 {
        let off = known
            .iter()
            .map(|row| (scores[*row] - spent.value(*row)).powi(2));
        (off.sum::<f64>() / known.len() as f64).sqrt()
    };
    let line = fit::<Predict<Value, Linear>>("{}", &batch).unwrap();
    let line = error(&floats(line.table("scores"), "score"));
    for params in [r#"{"repeats": 1}"#, r#"{"repeats": 1, "loss": "squared"}"#] {
        let fit = fit::<Amounts>(params, &batch).unwrap();
        let scores = floats(fit.table("scores"), "score");
        let expected: f64 = known.iter().map(|row| scores[*row]).sum();
        assert!(
            (expected / actual - 1.0).abs() < 0.06,
            "{expected} of {actual}"
        );
        assert!(error(&scores) < line, "{} against {line}", error(&scores));
    }
}

#[test]
fn the_loss_says_what_a_margin_is() {
    let batch = spenders(300);
    let quick = |loss: &str| {
        let params = format!(r#"{{"members": 1, "max_rounds": 30, "loss": "{loss}"}}"#);
        fit::<Amounts>(&params, &batch).unwrap()
    };
    for loss in ["tweedie", "poisson"] {
        let fit = quick(loss);
        let (scores, margins) = (
            floats(fit.table("scores"), "score"),
            floats(fit.table("scores"), "margin"),
        );
        for (score, margin) in scores.iter().zip(margins) {
            assert!((score.ln() - margin).abs() < 1e-9);
        }
    }
    let squared = quick("squared");
    let table = squared.table("scores");
    assert_eq!(floats(table, "score"), floats(table, "margin"));
}

#[test]
fn parameters_are_checked() {
    let batch = spenders(50);
    for (params, words) in [
        (
            r#"{"learning_rate": 0}"#,
            "params.learning_rate: expected 0.001 to 1, found 0",
        ),
        (
            r#"{"max_leaves": 1}"#,
            "params.max_leaves: expected 2 to 4096, found 1",
        ),
        (
            r#"{"members": 17}"#,
            "params.members: expected 1 to 16, found 17",
        ),
        (
            r#"{"tweedie_power": 2}"#,
            "params.tweedie_power: expected 1.01 to 1.99, found 2",
        ),
        (r#"{"loss": "gini"}"#, "unknown variant `gini`"),
        (
            r#"{"positive": "yes"}"#,
            "unknown field `positive`, expected one of `learning_rate`",
        ),
    ] {
        let found = message(fit::<Amounts>(params, &batch));
        assert!(found.contains(words), "{found}");
    }
}
