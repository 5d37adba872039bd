//! Checks against planted causes, plain recomputation and the promises of the docs.

use std::sync::Arc;

use lode_numeric::glm::sigmoid;
use lode_plugin::Error;
use lode_plugin::Inputs;
use lode_plugin::Result;
use lode_plugin::arrow_array::Array;
use lode_plugin::arrow_array::ArrayRef;
use lode_plugin::arrow_array::BooleanArray;
use lode_plugin::arrow_array::Float64Array;
use lode_plugin::arrow_array::Int64Array;
use lode_plugin::arrow_array::RecordBatch;
use lode_plugin::arrow_array::StringArray;
use lode_plugin::arrow_array::cast::AsArray;
use lode_plugin::arrow_array::types::Float64Type;
use lode_plugin::testing;
use lode_plugin::testing::Fit;

use crate::Predict;
use crate::families::Churn;
use crate::testdata::customers;
use crate::testdata::floats;
use crate::testdata::message;
use crate::testdata::with;

type Logistic = Predict<Churn, super::Logistic>;

fn fit(params: &str, batch: &RecordBatch) -> Result<Fit> {
    crate::testdata::fit::<Logistic>(params, batch)
}

/// The coefficient of a feature, or of its level.
fn coefficient(fit: &Fit, feature: &str, level: Option<&str>) -> f64 {
    let table = fit.table("coefficients");
    let features = table["feature"].as_string::<i32>();
    let levels = table["level"].as_string::<i32>();
    let row = (0..table.num_rows())
        .find(|row| {
            features.value(*row) == feature
                && level == levels.is_valid(*row).then(|| levels.value(*row))
        })
        .unwrap();
    floats(table, "coefficient")[row]
}

#[test]
fn the_description_is_whole() {
    assert_eq!(testing::check_spec::<Logistic>(), Vec::<String>::new());
}

#[test]
fn planted_causes_are_found_and_noise_is_not() {
    let fit = fit("{}", &customers(4_000)).unwrap();
    let calls = coefficient(&fit, "calls", None);
    // 0.9 a call and a standard deviation of sqrt(1.2) calls.
    assert!((0.75..1.2).contains(&calls), "{calls}");
    let gap =
        coefficient(&fit, "tariff", Some("basic")) - coefficient(&fit, "tariff", Some("gold"));
    assert!((1.2..2.0).contains(&gap), "{gap}");
    assert!(coefficient(&fit, "paperless", None) < -0.1);
    assert!(coefficient(&fit, "noise", None).abs() < 0.12);
    assert!(coefficient(&fit, "calls", Some("(missing)")).is_finite());
    assert_eq!(fit.metrics["rows"] as usize, 3_600);
    assert_eq!(fit.metrics["rows_without_label"] as usize, 400);
    assert_eq!(fit.table("scores").num_rows(), 4_000);
}

#[test]
fn reasons_add_up_to_the_margin() {
    let fit = fit("{}", &customers(1_000)).unwrap();
    let scores = fit.table("scores");
    let (score, margin, base) = (
        floats(scores, "score"),
        floats(scores, "margin"),
        floats(scores, "base"),
    );
    let lists = scores["contributions"].as_list::<i32>();
    for row in 0..scores.num_rows() {
        let reasons = lists.value(row);
        let parts = reasons.as_struct().column(2).as_primitive::<Float64Type>();
        assert_eq!(parts.len(), 5);
        let sum: f64 = parts.values().iter().sum();
        assert!((base[row] + sum - margin[row]).abs() < 1e-9);
        assert!((sigmoid(margin[row]) - score[row]).abs() < 1e-15);
        let falling = parts.values().windows(2).all(|p| p[0].abs() >= p[1].abs());
        assert!(falling);
    }
    let mean: f64 = margin
        .iter()
        .enumerate()
        .filter(|(row, _)| row % 10 != 9)
        .map(|(_, margin)| margin)
        .sum::<f64>()
        / 900.0;
    assert!((mean - base[0]).abs() < 1e-9, "the base is the mean margin");
}

#[test]
fn reasons_show_values_as_people_write_them() {
    let fit = fit("{}", &customers(50)).unwrap();
    let lists = fit.table("scores")["contributions"].as_list::<i32>();
    let batch = customers(50);
    for row in 0..50 {
        let reasons = lists.value(row);
        let features = reasons.as_struct().column(0).as_string::<i32>();
        let values = reasons.as_struct().column(1).as_string::<i32>();
        for (feature, value) in features.iter().zip(values) {
            match feature.unwrap() {
                "paperless" => assert!(["true", "false"].contains(&value.unwrap())),
                "months" => assert!(value.unwrap().parse::<u32>().is_ok()),
                "tariff" => assert_eq!(value.is_none(), batch["tariff"].is_null(row)),
                "calls" => assert_eq!(value.is_none(), batch["calls"].is_null(row)),
                _ => {}
            }
        }
    }
}

#[test]
fn scoring_gives_what_the_fit_gave() {
    let batch = customers(600);
    let fit = fit("{}", &batch).unwrap();
    let model = fit.model.as_deref().unwrap();
    let score = |batch: RecordBatch| {
        let inputs = Inputs::new().with("customers", batch.into());
        testing::score::<Logistic>("{}", model, inputs, 9, 1).unwrap()
    };
    // Without the label, as new customers come.
    let keep: Vec<usize> = (0..6).collect();
    let new = batch.project(&keep).unwrap();
    let plain = score(new.clone());
    let explained = score(testing::with_option(&new, "explain", "true"));
    for column in ["score", "margin", "base"] {
        assert_eq!(floats(&plain, column), floats(fit.table("scores"), column));
    }
    assert!(plain.column_by_name("contributions").is_none());
    assert_eq!(
        &explained["contributions"],
        &fit.table("scores")["contributions"]
    );
}

#[test]
fn unseen_values_weigh_nothing() {
    let batch = customers(600);
    let fit = fit("{}", &batch).unwrap();
    let model = fit.model.as_deref().unwrap();
    let odd = with(
        &batch,
        "tariff",
        Arc::new(StringArray::from(vec!["comet"; 600])),
    );
    let inputs = Inputs::new().with("customers", odd.into());
    let scored = testing::score::<Logistic>("{}", model, inputs, 1, 1).unwrap();
    let before = floats(fit.table("scores"), "margin");
    let tariffs = batch["tariff"].as_string::<i32>();
    let row = (0..600).find(|row| tariffs.is_valid(*row)).unwrap();
    let weight = coefficient(&fit, "tariff", Some(tariffs.value(row)));
    let change = before[row] - floats(&scored, "margin")[row];
    assert!((change - weight).abs() < 1e-12);
}

#[test]
fn bytes_do_not_depend_on_threads_or_batches() {
    let batch = customers(9_000);
    let run = |rows: usize, threads| {
        let inputs = Inputs::new().with("customers", testing::rebatch(&batch, rows));
        testing::fit::<Logistic>("{}", inputs, 1, threads).unwrap()
    };
    let one = run(9_000, 1);
    for (rows, threads) in [(9_000, 2), (9_000, 8), (77, 1), (1_000, 8)] {
        let other = run(rows, threads);
        assert_eq!(other.tables, one.tables);
        assert_eq!(other.model, one.model);
    }
}

#[test]
fn constant_leaking_and_empty_columns_do_no_harm() {
    let batch = customers(500);
    let labels = batch["left"].as_string::<i32>();
    let leak: Vec<f64> = labels
        .iter()
        .map(|label| f64::from(u8::from(label == Some("Yes"))) * 1e6)
        .collect();
    let odd = with(&batch, "noise", Arc::new(Float64Array::from(leak)));
    let odd = with(&odd, "months", Arc::new(Int64Array::from(vec![7; 500])));
    let odd = with(&odd, "tariff", Arc::new(StringArray::new_null(500)));
    let odd = with(&odd, "calls", Arc::new(Float64Array::new_null(500)));
    let fit = fit("{}", &odd).unwrap();
    let scores = floats(fit.table("scores"), "score");
    for (score, label) in scores.iter().zip(labels) {
        assert!(score.is_finite());
        if let Some(label) = label {
            assert_eq!(*score > 0.5, label == "Yes");
        }
    }
    assert!(coefficient(&fit, "months", None).abs() < 1e-9);
}

#[test]
fn parameters_do_what_they_say() {
    let batch = customers(1_000);
    let strong = fit(r#"{"l2": 1e6}"#, &batch).unwrap();
    assert!(coefficient(&strong, "calls", None).abs() < 0.01);
    let without = fit(r#"{"exclude": ["noise", "months"]}"#, &batch).unwrap();
    assert_eq!(without.metrics["weights"] as usize, 2 + 4 + 1);
    let two = fit(r#"{"max_levels": 2, "max_reasons": 2}"#, &batch).unwrap();
    assert_eq!(two.metrics["weights"] as usize, 2 + 1 + 3 + 1 + 1);
    let lists = two.table("scores")["contributions"].as_list::<i32>();
    assert_eq!(lists.value(0).len(), 2);
    for (params, part) in [
        (r#"{"l2": 0}"#, "params.l2: expected 1e-6 to 1e9, found 0"),
        (r#"{"max_levels": 0}"#, "params.max_levels"),
        (r#"{"depth": 3}"#, "unknown field `depth`"),
        (r#"{"exclude": ["nose"]}"#, "nose"),
    ] {
        let found = message(fit(params, &batch));
        assert!(found.contains(part), "{found}");
    }
}

#[test]
fn labels_are_read_or_refused_with_what_was_found() {
    let batch = customers(6);
    let label = |values: Vec<Option<&str>>, params: &str| {
        fit(
            params,
            &with(&batch, "left", Arc::new(StringArray::from(values))),
        )
    };
    let stayed = vec![
        Some("here"),
        Some("gone"),
        Some("gone"),
        Some("here"),
        None,
        Some("gone"),
    ];
    let named = label(stayed.clone(), r#"{"positive": "gone"}"#).unwrap();
    assert_eq!(named.metrics["positives"] as usize, 3);
    let unnamed = message(label(stayed, "{}"));
    assert!(unnamed.starts_with("inputs.customers.left: "), "{unnamed}");
    assert!(
        unnamed.contains("the parameter \"positive\"")
            && unnamed.ends_with(r#"found the values ["gone", "here"]"#),
        "{unnamed}"
    );
    let three = vec![Some("a"), Some("b"), Some("c"), None, None, None];
    let refused = message(label(three, r#"{"positive": "a"}"#));
    assert!(
        refused.ends_with(r#"exactly two values, found the values ["a", "b", "c"]"#),
        "{refused}"
    );
    let refused = message(label(vec![Some("no"); 6], "{}"));
    assert!(
        refused.ends_with(r#"exactly two values, found the values ["no"]"#),
        "{refused}"
    );
    assert!(message(label(vec![None; 6], "{}")).ends_with("found the values []"));
    let numbers: ArrayRef = Arc::new(Float64Array::from(vec![1.0, 0.0, 1.0, -0.0, 1.0, 0.0]));
    let as_float = fit("{}", &with(&batch, "left", numbers)).unwrap();
    assert_eq!(as_float.metrics["positives"] as usize, 3);
    let flags: ArrayRef = Arc::new(BooleanArray::from(vec![
        true, false, true, true, true, false,
    ]));
    let as_bool = fit("{}", &with(&batch, "left", flags)).unwrap();
    assert_eq!(as_bool.metrics["positives"] as usize, 4);
}

#[test]
fn bad_tables_are_refused() {
    let batch = customers(20);
    assert_eq!(
        message(fit("{}", &batch.slice(0, 0))),
        "inputs.customers: expected at least one row, found none"
    );
    let mut calls = vec![1.0; 20];
    calls[3] = f64::INFINITY;
    let infinite = with(&batch, "calls", Arc::new(Float64Array::from(calls)));
    assert_eq!(
        message(fit("{}", &infinite)),
        "inputs.customers.calls: expected finite numbers of at most 1e100, found inf for customer \"c3\""
    );
    let bare = batch.project(&[0, 6]).unwrap();
    assert!(message(fit("{}", &bare)).contains("expected at least one column of numbers"));
    let model = fit("{}", &batch).unwrap().model.unwrap();
    let inputs = Inputs::new().with("customers", bare.into());
    let missing = testing::score::<Logistic>("{}", &model, inputs, 1, 1).unwrap_err();
    assert!(missing.to_string().contains("calls"), "{missing}");
    let inputs = Inputs::new().with("customers", batch.into());
    let cancelled = testing::fit_cancelled::<Logistic>("{}", inputs);
    assert!(matches!(cancelled, Err(Error::Cancelled)));
}
