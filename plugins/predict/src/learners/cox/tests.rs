//! Checks against planted causes, the fit itself and the promises of the docs.

use std::sync::Arc;

use arrow_array::Array;
use arrow_array::ArrayRef;
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

type Cox = Predict<Churn, super::Cox>;

/// Customers who leave at a rate of 0.05 a month, times exp of 0.4 a call, and of the tariff
/// (basic 0.7, gold -0.7); watched for up to 40 months.
fn customers(n: usize) -> RecordBatch {
    let mut rng = Rng::new(8);
    let (mut ids, mut calls, mut tariffs) = (Vec::new(), Vec::new(), Vec::new());
    let (mut durations, mut labels) = (Vec::new(), Vec::new());
    for row in 0..n {
        let n_calls = rng.poisson(1.5) as f64;
        let tariff = ["basic", "gold", "silver", "silver"][rng.index(4)];
        let effect = match tariff {
            "basic" => 0.7,
            "gold" => -0.7,
            _ => 0.0,
        };
        let rate = 0.05 * (0.4 * (n_calls - 1.5) + effect).exp();
        let stays = -(1.0 - rng.uniform()).ln() / rate;
        let limit = (1 + rng.below(40)) as f64;
        ids.push(format!("c{row}"));
        calls.push(Some(n_calls));
        tariffs.push(Some(tariff));
        durations.push((row % 50 != 7).then_some(stays.ceil().min(limit)));
        labels.push(Some(if stays.ceil() <= limit { "yes" } else { "no" }));
    }
    table(ids, calls, tariffs, durations, labels)
}

fn table(
    ids: Vec<String>,
    calls: Vec<Option<f64>>,
    tariffs: Vec<Option<&str>>,
    durations: Vec<Option<f64>>,
    labels: Vec<Option<&str>>,
) -> RecordBatch {
    testing::batch(&[
        (
            "id",
            Some(Role::CustomerId),
            Arc::new(StringArray::from(ids)),
        ),
        ("calls", None, Arc::new(Float64Array::from(calls))),
        ("tariff", None, Arc::new(StringArray::from(tariffs))),
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
    testing::fit::<Cox>(params, inputs, 1, 2)
}

fn floats(batch: &RecordBatch, column: &str) -> Vec<f64> {
    batch[column]
        .as_primitive::<Float64Type>()
        .values()
        .to_vec()
}

/// A number of the hazard ratio of a feature or its level; none where there is none.
fn ratio(fit: &Fit, feature: &str, level: Option<&str>, column: &str) -> Option<f64> {
    let ratios = fit.table("hazard_ratios");
    let features = ratios["feature"].as_string::<i32>();
    let levels = ratios["level"].as_string::<i32>();
    let row = (0..ratios.num_rows()).find(|row| {
        features.value(*row) == feature
            && level == levels.is_valid(*row).then(|| levels.value(*row))
    });
    let values = ratios[column].as_primitive::<Float64Type>();
    let row = row.unwrap();
    values.is_valid(row).then(|| values.value(row))
}

#[test]
fn planted_causes_are_found_with_their_uncertainty() {
    let found = fit(r#"{"horizon": 3}"#, &customers(8_000)).unwrap();
    let calls = ratio(&found, "calls", None, "coefficient").unwrap();
    assert!((calls - 0.4).abs() < 0.04, "{calls}");
    // Silver is the most frequent: the others count against it.
    assert_eq!(ratio(&found, "tariff", Some("silver"), "z"), None);
    let basic = |column| ratio(&found, "tariff", Some("basic"), column).unwrap();
    assert!((basic("hazard_ratio") - 0.7_f64.exp()).abs() < 0.2);
    assert!(basic("low") < 0.7_f64.exp() && basic("high") > 0.7_f64.exp());
    assert!(basic("p") < 1e-10 && basic("standard_error") < 0.06);
    let gold = ratio(&found, "tariff", Some("gold"), "coefficient").unwrap();
    assert!((gold + 0.7).abs() < 0.12, "{gold}");
    // A constant rate: the curve of the average customer falls as exp(-rate * t).
    let curve = found.table("survival");
    let (times, survival) = (floats(curve, "time"), floats(curve, "survival"));
    let at = |month: f64| times.iter().position(|t| (t - month).abs() < 0.1).unwrap();
    let rate = -survival[at(20.0)].ln() / 20.0;
    let early = -survival[at(5.0)].ln() / 5.0;
    assert!((early / rate - 1.0).abs() < 0.15, "{early} and {rate}");
    assert!(survival.windows(2).all(|pair| pair[0] >= pair[1]));
    let metric = |name: &str| found.metrics[name];
    assert!(metric("log_likelihood") > metric("null_log_likelihood") + 100.0);
    assert!((metric("rows_without_label") - 160.0).abs() < 0.5);
}

#[test]
fn scores_are_the_chance_to_leave_within_the_horizon() {
    let batch = customers(8_000);
    let found = fit(r#"{"horizon": 4}"#, &batch).unwrap();
    let scores = found.table("scores");
    let (score, margin) = (floats(scores, "score"), floats(scores, "margin"));
    let calls = floats(&batch, "calls");
    let tariffs = batch["tariff"].as_string::<i32>();
    for row in 0..500 {
        let effect = match tariffs.value(row) {
            "basic" => 0.7,
            "gold" => -0.7,
            _ => 0.0,
        };
        let rate = 0.05 * (0.4 * (calls[row] - 1.5) + effect).exp();
        let planted = 1.0 - (-4.0 * rate).exp();
        assert!((score[row] - planted).abs() < 0.12, "{row}");
    }
    // At one duration scores are in the order of margins.
    let durations = batch["months"].as_primitive::<Float64Type>();
    let of_ten: Vec<usize> = (0..8_000)
        .filter(|row| durations.is_valid(*row) && (durations.value(*row) - 10.0).abs() < 0.1)
        .collect();
    for pair in of_ten.windows(2) {
        let by_score = score[pair[0]].total_cmp(&score[pair[1]]);
        assert_eq!(by_score, margin[pair[0]].total_cmp(&margin[pair[1]]));
    }
}

#[test]
fn an_open_model_scores_with_and_without_a_duration() {
    let batch = customers(600);
    let found = fit(r#"{"horizon": 4}"#, &batch).unwrap();
    let score = |batch: RecordBatch| {
        let inputs = Inputs::new().with("customers", batch.into());
        testing::score::<Cox>(
            r#"{"horizon": 4}"#,
            found.model.as_deref().unwrap(),
            inputs,
            1,
            2,
        )
        .unwrap()
    };
    let again = score(batch.clone());
    assert_eq!(
        floats(&again, "score"),
        floats(found.table("scores"), "score")
    );
    let fields = ["id", "calls", "tariff"];
    let columns: Vec<usize> = fields
        .iter()
        .map(|name| batch.schema().index_of(name).unwrap())
        .collect();
    let without = score(batch.project(&columns).unwrap());
    assert_eq!(floats(&without, "margin"), floats(&again, "margin"));
    // Whose duration is not known is taken for one who begins.
    let scores = floats(&without, "score");
    assert_eq!(scores[7].to_bits(), floats(&again, "score")[7].to_bits());
    assert!(scores.iter().all(|score| *score > 0.0 && *score < 1.0));
}

#[test]
fn contributions_add_up_to_the_margin() {
    let found = fit("{}", &customers(500)).unwrap();
    let scores = found.table("scores");
    let lists = scores["contributions"].as_list::<i32>();
    let (margins, bases) = (floats(scores, "margin"), floats(scores, "base"));
    for row in 0..500 {
        let entries = lists.value(row);
        let parts = entries.as_struct().column(2);
        let sum: f64 = parts.as_primitive::<Float64Type>().values().iter().sum();
        assert!((bases[row] + sum - margins[row]).abs() < 1e-12);
    }
}

#[test]
fn odd_tables_get_words() {
    let run = |durations: Vec<Option<f64>>, labels: Vec<Option<&str>>| {
        let n = labels.len();
        let ids = (0..n).map(|row| row.to_string()).collect();
        let calls = (0..n).map(|row| Some(row as f64)).collect();
        fit(
            "{}",
            &table(ids, calls, vec![Some("a"); n], durations, labels),
        )
    };
    let of = |values: &[f64]| values.iter().map(|v| Some(*v)).collect::<Vec<_>>();
    let both = vec![Some("yes"), Some("no"), Some("yes")];
    let negative = run(of(&[1.0, -2.0, 3.0]), both.clone()).unwrap_err();
    assert!(
        negative.to_string().contains("found -2 for customer \"1\""),
        "{negative}"
    );
    // Who left has no duration: nobody is seen to leave.
    let none = run(
        vec![Some(1.0), None, Some(2.0)],
        vec![Some("no"), Some("yes"), Some("no")],
    );
    let none = none.unwrap_err().to_string();
    assert!(none.contains("expected customers who left"), "{none}");
    let one_class = run(of(&[1.0, 2.0]), vec![Some("no"), Some("no")]);
    assert!(one_class.is_err());
    assert!(run(of(&[0.0, 0.0, 0.0]), both.clone()).is_ok());
    // Calls foretell who leaves: the penalty keeps the weight finite.
    let n = 40;
    let durations: Vec<f64> = (0..n).map(|row| f64::from(n - row)).collect();
    let labels = (0..n).map(|row| Some(if row > 0 { "yes" } else { "no" }));
    let found = run(of(&durations), labels.collect()).unwrap();
    let coefficient = ratio(&found, "calls", None, "coefficient").unwrap();
    assert!(coefficient > 0.1 && coefficient.is_finite());
    let field: ArrayRef = found.table("scores")["score"].clone();
    let scores = field.as_primitive::<Float64Type>();
    assert!(
        scores
            .values()
            .iter()
            .all(|score| (0.0..=1.0).contains(score))
    );
    let horizon = fit(r#"{"horizon": 0}"#, &customers(50)).unwrap_err();
    assert!(
        format!("{horizon:?}").contains("params.horizon"),
        "{horizon:?}"
    );
}
