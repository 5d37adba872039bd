//! Checks that boosting finds what a line cannot, for outcomes and for amounts.

use std::sync::Arc;

use lode_numeric::Rng;
use lode_plugin::Inputs;
use lode_plugin::Role;
use lode_plugin::arrow_array::ArrayRef;
use lode_plugin::arrow_array::BooleanArray;
use lode_plugin::arrow_array::Float64Array;
use lode_plugin::arrow_array::Int64Array;
use lode_plugin::arrow_array::RecordBatch;
use lode_plugin::arrow_array::StringArray;
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
use crate::testdata::score;
use crate::testdata::spenders;
use crate::testdata::with;

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
    for loss in ["squared", "quantile", "huber"] {
        let fit = quick(loss);
        let table = fit.table("scores");
        assert_eq!(floats(table, "score"), floats(table, "margin"), "{loss}");
    }
}

#[test]
fn a_quantile_is_an_amount_that_its_share_stays_below() {
    let batch = spenders(2_000);
    let spent = batch["spent"].as_primitive::<Float64Type>();
    for alpha in [0.5, 0.9] {
        let params =
            format!(r#"{{"loss": "quantile", "alpha": {alpha}, "repeats": 1, "max_rounds": 300}}"#);
        let scores = floats(
            fit::<Amounts>(&params, &batch).unwrap().table("scores"),
            "score",
        );
        let known = (0..2_000).filter(|row| row % 10 != 9);
        let below = known.filter(|row| spent.value(*row) <= scores[*row] + 1e-9);
        let share = below.count() as f64 / 1_800.0;
        assert!((share - alpha).abs() < 0.06, "{alpha}: {share}");
    }
}

/// Spenders with every number of visits from 0 to 12 and all else alike.
fn visitors(before: f64) -> RecordBatch {
    let visits: ArrayRef = Arc::new(Float64Array::from_iter_values((0..13).map(f64::from)));
    let before: ArrayRef = Arc::new(Float64Array::from(vec![before; 13]));
    let batch = spenders(13);
    with(&with(&batch, "visits", visits), "before", before)
}

#[test]
fn scores_keep_to_a_trend_that_is_asked_for() {
    let batch = spenders(400);
    for loss in ["tweedie", "squared", "quantile"] {
        // Against the truth: who comes more often spends more.
        let params = format!(
            r#"{{"loss": "{loss}", "repeats": 1, "max_rounds": 60,
                 "monotone": {{"visits": "falling", "before": "rising"}}}}"#
        );
        let kept = fit::<Amounts>(&params, &batch).unwrap();
        for before in [0.0, 15.0, 60.0] {
            let asked = visitors(before);
            let tariff = Arc::new(StringArray::from(vec!["gold"; 13]));
            let asked = with(&asked, "tariff", tariff);
            let scores = floats(&score::<Amounts>(&params, &kept, &asked).unwrap(), "score");
            assert!(scores.is_sorted_by(|a, b| a >= b), "{loss}: {scores:?}");
        }
    }
    let params = r#"{"repeats": 1, "max_rounds": 60}"#;
    let free = fit::<Amounts>(params, &batch).unwrap();
    let scores = floats(
        &score::<Amounts>(params, &free, &visitors(15.0)).unwrap(),
        "score",
    );
    assert!(scores[6] > 2.0 * scores[0], "{scores:?}");
}

#[test]
fn columns_that_may_not_meet_cannot_tell_a_crossing() {
    let batch = crossed(800);
    let right = |params: &str| {
        let fit = fit::<Gbdt>(params, &batch).unwrap();
        let scores = floats(fit.table("scores"), "score");
        let left = batch["left"].as_boolean().values();
        let right = scores.iter().zip(left).filter(|(s, y)| (**s > 0.5) == *y);
        right.count()
    };
    let apart = right(r#"{"repeats": 1, "interactions": [["a"], ["b"]]}"#);
    assert!(apart < 600, "{apart}");
    let together = right(r#"{"repeats": 1, "interactions": [["a", "b"], ["noise"]]}"#);
    assert!(together > 740, "{together}");
}

#[test]
fn pairs_that_act_together_are_told_when_asked_for() {
    let batch = crossed(800);
    let made = fit::<Gbdt>(r#"{"repeats": 1}"#, &batch).unwrap();
    assert_eq!(made.table("interactions").num_rows(), 0);
    let asked = r#"{"repeats": 1, "interaction_rows": 300}"#;
    let made = fit::<Gbdt>(asked, &batch).unwrap();
    let table = made.table("interactions");
    let words = |name: &str| table[name].as_string::<i32>().value(0).to_owned();
    assert_eq!(
        (words("first"), words("second")),
        ("a".to_owned(), "b".to_owned())
    );
    let (share, strength) = (floats(table, "share"), floats(table, "strength"));
    // Who leaves hangs on a and b together, and on nothing else.
    assert!(share[0] > 0.5 && share[0] < 1.0, "{share:?}");
    assert!(strength.is_sorted_by(|a, b| a >= b) && strength[0] > 10.0 * strength[1]);
    let apart = r#"{"repeats": 1, "interaction_rows": 300, "interactions": [["a"], ["b"]]}"#;
    let made = fit::<Gbdt>(apart, &batch).unwrap();
    let table = made.table("interactions");
    assert_eq!(table.num_rows(), 0);
    let found = message(fit::<Gbdt>(r#"{"interaction_rows": 10001}"#, &batch));
    assert_eq!(
        found,
        "params.interaction_rows: expected 0 to 10000, found 10001"
    );
}

#[test]
fn a_fit_goes_on_from_a_model() {
    let batch = spenders(1_000);
    let params = r#"{"members": 1, "max_rounds": 15, "category_rows": 0}"#;
    let inputs = || Inputs::new().with("customers", batch.clone().into());
    let first = fit::<Amounts>(params, &batch).unwrap();
    let base = first.model.as_deref().unwrap();
    let second = testing::fit_from::<Amounts>(params, inputs(), base, 1, 2).unwrap();
    assert_eq!(second.metrics["trees"].to_bits(), 30.0_f64.to_bits());
    let longer = r#"{"members": 1, "max_rounds": 30, "category_rows": 0}"#;
    let whole = fit::<Amounts>(longer, &batch).unwrap();
    let scores = |fit: &testing::Fit| floats(fit.table("scores"), "score");
    let error = |scores: &[f64]| -> f64 {
        let spent = batch["spent"].as_primitive::<Float64Type>();
        let off = (0..1_000).map(|row| match row % 10 {
            9 => 0.0,
            _ => (scores[row] - spent.value(row)).powi(2),
        });
        off.sum()
    };
    let [first, second, whole] = [&first, &second, &whole].map(|fit| error(&scores(fit)));
    assert!(second < 0.98 * first, "{second} after {first}");
    assert!(
        (second / whole - 1.0).abs() < 0.05,
        "{second} against {whole}"
    );
    // Another loss, other columns, another algorithm's model.
    let squared = r#"{"loss": "squared", "members": 1, "max_rounds": 15}"#;
    let found = testing::fit_from::<Amounts>(squared, inputs(), base, 1, 2).unwrap_err();
    assert_eq!(
        found.to_string(),
        "expected that of the model to start from, which is tweedie with \
         tweedie_power 1.5, found squared"
    );
    let fewer = batch.project(&[0, 1, 3, 4]).unwrap();
    let fewer = Inputs::new().with("customers", fewer.into());
    assert!(testing::fit_from::<Amounts>(params, fewer, base, 1, 2).is_err());
    let churn = Inputs::new().with("customers", crossed(50).into());
    assert!(testing::fit_from::<Gbdt>("{}", churn, base, 1, 2).is_err());
}

#[test]
fn huber_finds_what_is_far_in_any_unit() {
    let batch = spenders(600);
    let spent = batch["spent"].as_primitive::<Float64Type>();
    let quick = r#"{"loss": "huber", "repeats": 1, "max_rounds": 150}"#;
    let scores = |unit: f64| {
        let spent: Float64Array = spent.iter().map(|y| y.map(|y| y * unit)).collect();
        let fit = fit::<Amounts>(quick, &with(&batch, "spent", Arc::new(spent))).unwrap();
        floats(fit.table("scores"), "score")
    };
    let (ones, many) = (scores(1.0), scores(4096.0));
    for (one, many) in ones.iter().zip(&many) {
        assert!(
            (many / 4096.0 - one).abs() < 1e-6 * one.abs().max(1.0),
            "{one} {many}"
        );
    }
    // A model is gone on with by what was far for it.
    let other: Float64Array = spent.iter().map(|y| y.map(|y| y * 1.5)).collect();
    let other = with(&batch, "spent", Arc::new(other));
    let inputs = Inputs::new().with("customers", other.into());
    let base = fit::<Amounts>(quick, &batch).unwrap().model.unwrap();
    testing::fit_from::<Amounts>(quick, inputs, &base, 1, 2).unwrap();
}

#[test]
fn rows_that_cannot_teach_are_named_as_such() {
    let one = spenders(1);
    let one = with(&one, "spent", Arc::new(Float64Array::from(vec![12.5])));
    let found = message(fit::<Amounts>("{}", &one));
    assert_eq!(
        found,
        "inputs.customers.spent: expected at least 2 rows with a label and a weight above 0, found 1"
    );
    let batch = crossed(40);
    let left = batch["left"].as_boolean();
    let weights = left
        .iter()
        .map(|left| f64::from(u8::from(left != Some(true))));
    let weights: ArrayRef = Arc::new(Float64Array::from_iter_values(weights));
    let weighted = testing::batch(&[
        ("id", Some(Role::CustomerId), Arc::clone(&batch["id"])),
        ("a", None, Arc::clone(&batch["a"])),
        ("left", Some(Role::Label), Arc::clone(&batch["left"])),
        ("w", Some(Role::Weight), weights),
    ]);
    let found = message(fit::<Gbdt>("{}", &weighted));
    assert_eq!(
        found,
        "inputs.customers.left: expected yes and no among the rows with a weight above 0, found no alone"
    );
}

#[test]
fn parameters_are_checked() {
    let batch = spenders(50);
    for (params, words) in [
        (
            r#"{"learning_rate": 2}"#,
            "params.learning_rate: expected 0 to 1, found 2",
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
        (
            r#"{"alpha": 1}"#,
            "params.alpha: expected 0.001 to 0.999, found 1",
        ),
        (
            r#"{"huber_delta": -1}"#,
            "params.huber_delta: expected 0 to 1e15, found -1",
        ),
        (
            r#"{"loss": "gamma"}"#,
            "inputs.customers.spent: expected amounts above 0 for the loss gamma, found 0: \
             tweedie takes both",
        ),
        (
            r#"{"monotone": {"visit": "rising"}}"#,
            "params.monotone: expected columns that are learned from, which are visits, before, \
             tariff, found \"visit\"",
        ),
        (
            r#"{"monotone": {"tariff": "rising"}}"#,
            "params.monotone.tariff: expected a column of numbers or booleans, found one of text, \
             whose values have no order",
        ),
        (
            r#"{"monotone": {"visits": "up"}}"#,
            "unknown variant `up`, expected `rising` or `falling`",
        ),
        (
            r#"{"interactions": [["visits"], ["spent"]]}"#,
            "params.interactions: expected columns that are learned from, which are visits, \
             before, tariff, found \"spent\"",
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
