//! Checks that the product is one, in money, and that the stages of life are as told.

use std::sync::Arc;

use lode_plugin::arrow_array::Array;
use lode_plugin::arrow_array::Float64Array;
use lode_plugin::arrow_array::cast::AsArray;
use lode_plugin::arrow_array::types::Float64Type;
use lode_plugin::testing;
use lode_plugin::testing::Fit;

use crate::Predict;
use crate::families::Value;
use crate::learners::Linear;
use crate::testdata::contributions;
use crate::testdata::fit;
use crate::testdata::floats;
use crate::testdata::message;
use crate::testdata::score;
use crate::testdata::spenders;
use crate::testdata::with;

type TwoStage = Predict<Value, super::TwoStage>;

const CORES: [(&str, &str); 3] = [
    ("boosting", "boosting"),
    ("regression", "regression"),
    ("boosting", "regression"),
];

fn params(classifier: &str, amount: &str, more: &str) -> String {
    format!(
        r#"{{"classifier": "{classifier}", "amount": "{amount}", "members": 2, "repeats": 1, "max_depth": 3{more}}}"#
    )
}

fn check_product(fit: &Fit) {
    let scores = fit.table("scores");
    let (score, margin) = (floats(scores, "score"), floats(scores, "margin"));
    let (probability, amount) = (floats(scores, "probability"), floats(scores, "amount"));
    for row in 0..score.len() {
        assert!((0.0..=1.0).contains(&probability[row]) && amount[row] > 0.0);
        let product = probability[row] * amount[row];
        assert!((score[row] - product).abs() < 1e-9 * (1.0 + product));
        assert_eq!(score[row].to_bits(), margin[row].to_bits());
    }
}

#[test]
fn the_score_is_a_probability_times_an_amount() {
    let batch = spenders(1_200);
    let spent = batch["spent"].as_primitive::<Float64Type>();
    let known: Vec<usize> = (0..1_200).filter(|row| row % 10 != 9).collect();
    let actual: f64 = known.iter().map(|row| spent.value(*row)).sum();
    let error = |scores: &[f64]| -> f64 {
        let off = known
            .iter()
            .map(|row| (scores[*row] - spent.value(*row)).powi(2));
        off.sum::<f64>()
    };
    let line = fit::<Predict<Value, Linear>>("{}", &batch).unwrap();
    let line = error(&floats(line.table("scores"), "score"));
    for (classifier, amount) in CORES {
        let fit = fit::<TwoStage>(&params(classifier, amount, ""), &batch).unwrap();
        check_product(&fit);
        let scores = floats(fit.table("scores"), "score");
        let expected: f64 = known.iter().map(|row| scores[*row]).sum();
        let off = expected / actual - 1.0;
        assert!(
            off.abs() < 0.1,
            "{classifier} {amount}: {expected} of {actual}"
        );
        if amount == "boosting" {
            assert!(error(&scores) < line, "{} against {line}", error(&scores));
        }
        assert_eq!(fit.table("scores")["stage"].null_count(), 1_200);
    }
}

#[test]
fn contributions_are_in_money_and_name_the_causes() {
    let batch = spenders(1_200);
    for (classifier, amount) in CORES {
        let fit = fit::<TwoStage>(&params(classifier, amount, ""), &batch).unwrap();
        let scores = fit.table("scores");
        let (score, base) = (floats(scores, "score"), floats(scores, "base"));
        let most = (0..1_200)
            .max_by(|a, b| score[*a].total_cmp(&score[*b]))
            .unwrap();
        let reasons = contributions(scores, most);
        assert!(
            reasons[0].0 != "visits" && reasons[0].1 > 0.0,
            "{reasons:?}"
        );
        let sum: f64 = reasons.iter().map(|(_, part)| part).sum();
        assert!((base[most] + sum - score[most]).abs() < 1e-9);
        // Who never visits loses most by that.
        let visits = batch["visits"].as_primitive::<Float64Type>();
        let never = (0..1_200).find(|row| visits.is_valid(*row) && visits.value(*row) == 0.0);
        let reasons = contributions(scores, never.unwrap());
        let of_visits = reasons.iter().find(|(name, _)| name == "visits").unwrap();
        assert!(of_visits.1 < 0.0, "{reasons:?}");
    }
}

#[test]
fn stages_follow_from_current_and_expected_value() {
    let batch = spenders(600);
    let asked = params(
        "regression",
        "regression",
        r#", "current": "before", "rising": 0.5"#,
    );
    let fit = fit::<TwoStage>(&asked, &batch).unwrap();
    let scores = fit.table("scores");
    let stages = scores["stage"].as_string::<i32>();
    let before = batch["before"].as_primitive::<Float64Type>();
    let base = floats(scores, "base")[0];
    let mut counts = [0; 3];
    for (row, score) in floats(scores, "score").iter().enumerate() {
        let current = before.value(row);
        let gap = current.max(base);
        let expected = if *score > current + 0.5 * gap {
            0
        } else if *score < current - 0.25 * gap {
            1
        } else {
            2
        };
        counts[expected] += 1;
        assert_eq!(stages.value(row), ["rising", "losing", "stable"][expected]);
    }
    assert!(counts.iter().all(|count| *count > 20), "{counts:?}");
    // No current value, no stage; a model keeps what it was told.
    let nulls = with(&batch, "before", Arc::new(Float64Array::new_null(600)));
    let answer = score::<TwoStage>(&asked, &fit, &nulls).unwrap();
    assert_eq!(answer["stage"].null_count(), 600);
    let answer = score::<TwoStage>("{}", &fit, &batch).unwrap();
    assert_eq!(&answer["stage"], &scores["stage"]);
    for (name, more) in [("tariff", ""), ("nowhere", "")] {
        let asked = params(
            "regression",
            "regression",
            &format!(r#", "current": "{name}"{more}"#),
        );
        let refused = message(crate::testdata::fit::<TwoStage>(&asked, &batch));
        assert_eq!(
            refused,
            format!("params.current: expected a number column that is a feature, found {name:?}")
        );
    }
}

#[test]
fn customers_who_all_buy_are_certain_to() {
    let batch = spenders(300);
    let spent = batch["spent"].as_primitive::<Float64Type>();
    let more: Vec<f64> = (0..300).map(|row| 1.0 + spent.value(row)).collect();
    let batch = with(&batch, "spent", Arc::new(Float64Array::from(more)));
    let fit = fit::<TwoStage>(&params("boosting", "regression", ""), &batch).unwrap();
    check_product(&fit);
    let probability = floats(fit.table("scores"), "probability");
    assert!(probability.iter().all(|p| (p - 1.0).abs() < 1e-12));
    assert!(
        fit.log
            .iter()
            .any(|(_, text)| text.contains("every amount is above 0"))
    );
    let one_buyer: Vec<f64> = (0..300)
        .map(|row| if row == 4 { 30.0 } else { 0.0 })
        .collect();
    let batch = with(&batch, "spent", Arc::new(Float64Array::from(one_buyer)));
    let fit = crate::testdata::fit::<TwoStage>(&params("regression", "boosting", ""), &batch);
    let fit = fit.unwrap();
    let amount = floats(fit.table("scores"), "amount");
    assert!(amount.iter().all(|amount| (amount - 30.0).abs() < 1e-9));
}

#[test]
fn a_row_unlike_all_others_gets_no_more_than_the_largest_amount() {
    let batch = spenders(600);
    let spent = batch["spent"].as_primitive::<Float64Type>();
    let largest = spent.iter().flatten().fold(0.0, f64::max);
    let smallest = spent.iter().flatten().filter(|amount| *amount > 0.0);
    let smallest = smallest.fold(f64::INFINITY, f64::min);
    let mut before = batch["before"]
        .as_primitive::<Float64Type>()
        .values()
        .to_vec();
    for (classifier, amount) in CORES {
        let asked = params(classifier, amount, "");
        let fit = fit::<TwoStage>(&asked, &batch).unwrap();
        before[7] = 1e7;
        before[8] = -1e7;
        let strange = with(
            &batch,
            "before",
            Arc::new(Float64Array::from(before.clone())),
        );
        let told = testing::with_option(&strange, "explain", "true");
        let answer = score::<TwoStage>(&asked, &fit, &told).unwrap();
        let amounts = floats(&answer, "amount");
        let within = |amount: f64| amount >= 0.999 * smallest && amount <= 1.001 * largest;
        assert!(amounts.iter().all(|amount| within(*amount)), "{amounts:?}");
        let (base, margin) = (floats(&answer, "base"), floats(&answer, "margin"));
        for row in 0..600 {
            let parts = contributions(&answer, row);
            let sum = parts.iter().fold(base[row], |sum, (_, part)| sum + part);
            assert_eq!(sum.to_bits(), margin[row].to_bits(), "row {row}");
        }
        // Who once spent so much is not lost among the others: his reason is that.
        if (classifier, amount) == ("regression", "regression") {
            let parts = contributions(&answer, 7);
            assert_eq!(parts[0].0, "before");
            assert!(margin[7] > 0.5 * floats(&answer, "amount")[7]);
        }
        // One among the learned rows carries nobody away either.
        let fit = crate::testdata::fit::<TwoStage>(&asked, &strange).unwrap();
        let scores = floats(fit.table("scores"), "score");
        let known: Vec<usize> = (0..600).filter(|row| row % 10 != 9).collect();
        let expected: f64 = known.iter().map(|row| scores[*row]).sum();
        let actual: f64 = known.iter().map(|row| spent.value(*row)).sum();
        let ratio = expected / actual;
        assert!(
            (0.8..1.25).contains(&ratio),
            "{classifier} {amount}: {ratio}"
        );
    }
}

#[test]
fn a_current_value_of_another_period_is_scaled() {
    let batch = spenders(600);
    let stages = |more: &str, batch: &_| {
        let asked = params("regression", "regression", more);
        let fit = fit::<TwoStage>(&asked, batch).unwrap();
        let answer = score::<TwoStage>("{}", &fit, batch).unwrap();
        assert_eq!(&answer["stage"], &fit.table("scores")["stage"]);
        Arc::clone(&answer["stage"])
    };
    let scaled = stages(r#", "current": "before", "current_scale": 0.5"#, &batch);
    let whole = stages(r#", "current": "before""#, &batch);
    assert_ne!(&scaled, &whole);
    // As if the column itself were halved, which no score feels, as numbers are standardized.
    let before = batch["before"].as_primitive::<Float64Type>().values();
    let halved: Float64Array = before.iter().map(|before| Some(before / 2.0)).collect();
    let halved = with(&batch, "before", Arc::new(halved));
    assert_eq!(&scaled, &stages(r#", "current": "before""#, &halved));
    let refused = message(fit::<TwoStage>(
        &params("regression", "regression", r#", "current_scale": 0.0"#),
        &batch,
    ));
    assert!(refused.starts_with("params.current_scale"), "{refused}");
}
