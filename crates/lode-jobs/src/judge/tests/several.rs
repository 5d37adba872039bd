//! One answer of several, and quantiles: what is dealt, measured and told of them.

use std::sync::Arc;

use arrow_array::Array;
use arrow_array::ArrayRef;
use arrow_array::Float64Array;
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use lode_numeric::Rng;
use lode_types::Outcome;

use super::batch;
use super::held;
use super::sample;
use super::settings;
use crate::JobSpec;
use crate::judge::classes;
use crate::judge::groups::groups;
use crate::judge::measures::Measure;
use crate::judge::measures::Settings;
use crate::judge::measures::of_group;
use crate::judge::plan::plan;
use crate::judge::quantile;
use crate::judge::rows::Truth;
use crate::judge::suspect;
use crate::judge::tables;

const NAMES: [&str; 3] = ["camping", "golf", "tents"];

/// Rows of three classes, the last of which is rare, with probabilities that are right.
fn rows(n: usize) -> (Vec<u32>, Vec<f64>) {
    let mut rng = Rng::new(11);
    let (mut of, mut shares) = (Vec::new(), Vec::new());
    for _ in 0..n {
        let first = 0.9 * rng.uniform();
        let own = [first, 0.9 - first, 0.1];
        let drawn = rng.uniform();
        of.push(match drawn {
            drawn if drawn < own[0] => 0,
            drawn if drawn < 0.9 => 1,
            _ => 2,
        });
        shares.extend(own);
    }
    (of, shares)
}

fn value(measures: &[Measure], name: &str) -> f64 {
    let mut measures = measures.iter();
    measures.find(|found| found.name == name).unwrap().value
}

#[test]
fn classes_are_dealt_measured_and_tabled() {
    let (of, shares) = rows(1_500);
    let names: Vec<String> = NAMES.map(str::to_owned).to_vec();
    let truth = Truth::Class {
        of: of.clone(),
        names,
    };
    let sample = sample(truth, None);
    let spec = JobSpec::default();
    let plan = plan(&sample, 5, &spec).unwrap();
    for split in &plan.splits {
        let tents = |rows: &[usize]| rows.iter().filter(|row| of[**row] == 2).count();
        let all = tents(&(0..1_500).collect::<Vec<_>>());
        assert!((all / 5..=all / 5 + 1).contains(&tents(&split.test)));
    }
    let mut held = held(&sample, &plan, |_| 0.0);
    held.shares.clone_from(&shares);
    let settings = settings(&spec, Outcome::Class);
    let groups = groups(&sample, &held, &plan);
    let measures = of_group(&sample, &held, &plan, &groups[0], &settings).unwrap();
    // By hand, over all rows: folds are as large as each other.
    let p = |row: usize| shares[row * 3 + of[row] as usize];
    let loss = (0..1_500).map(|row| -p(row).ln()).sum::<f64>() / 1_500.0;
    assert!((value(&measures, "log_loss") - loss).abs() < 1e-9);
    let named = |row: usize| if shares[row * 3] >= 0.45 { 0 } else { 1 };
    let right = (0..1_500).filter(|row| named(*row) == of[*row]).count();
    assert!((value(&measures, "accuracy") - right as f64 / 1_500.0).abs() < 1e-9);
    assert!(value(&measures, "macro_f1") < value(&measures, "accuracy"));
    assert!(value(&measures, "base_log_loss") > loss);
    assert!(
        measures[0]
            .interval
            .is_some_and(|(low, high)| low < loss && loss < high)
    );
    let tables = tables::reports(&sample, &held, &settings).unwrap();
    let names: Vec<&str> = tables.iter().map(|table| table.name).collect();
    assert_eq!(
        names,
        ["evaluation", "evaluation_confusion", "evaluation_scores"]
    );
    let number = |table: usize, name: &str| {
        let column = tables[table].rows.column_by_name(name).unwrap();
        column.as_primitive::<Float64Type>().clone()
    };
    // Nobody is taken for tents.
    assert_eq!(number(0, "chosen").value(2).to_bits(), 0.0_f64.to_bits());
    assert!(number(0, "precision").is_null(2));
    let cells = number(1, "customers");
    let hits = cells.value(0) + cells.value(4);
    assert_eq!((cells.len(), hits as usize), (9, right));
    let label = tables[2].rows.column_by_name("label").unwrap();
    assert_eq!(label.as_string::<i32>().value(0), NAMES[of[0] as usize]);
    assert!((number(2, "p_label").value(7) - p(7)).abs() < 1e-12);
}

#[test]
fn too_few_rows_of_two_classes_are_refused_and_rare_ones_told() {
    let of = |of: Vec<u32>| {
        let names = NAMES.map(str::to_owned).to_vec();
        plan(
            &sample(Truth::Class { of, names }, None),
            5,
            &JobSpec::default(),
        )
    };
    let all_but_four = (0..60).map(|row| u32::from(row < 4)).collect();
    let error = of(all_but_four).map(drop).unwrap_err().to_string();
    assert!(
        error.contains("expected at least 2 values of the label with 5 rows or more"),
        "{error}"
    );
    let with_rare = (0..60)
        .map(|row| if row < 3 { 2 } else { row % 2 })
        .collect();
    let notes = of(with_rare).unwrap().notes;
    assert!(
        notes[0].starts_with("1 values of the label have fewer than 5 rows"),
        "{notes:?}"
    );
}

#[test]
fn probabilities_are_those_of_the_classes() {
    let names: Vec<String> = NAMES.map(str::to_owned).to_vec();
    let column = |values: [f64; 2]| -> ArrayRef { Arc::new(Float64Array::from(values.to_vec())) };
    let answer = |golf: [f64; 2], camping: [f64; 2]| {
        batch(&[
            ("p_golf", None, column(golf)),
            ("p_camping", None, column(camping)),
        ])
    };
    // A class that was not learned is held impossible.
    let shares = classes::shares_of(&answer([0.25, 1.0], [0.75, 0.0]), &names).unwrap();
    assert_eq!(shares, [0.75, 0.25, 0.0, 0.0, 1.0, 0.0]);
    for (golf, camping) in [([0.25, 0.5], [0.75, 0.4]), ([0.5, 1.5], [0.5, -0.5])] {
        assert!(classes::shares_of(&answer(golf, camping), &names).is_err());
    }
}

#[test]
fn a_quantile_is_judged_as_one() {
    let mut rng = Rng::new(3);
    let amounts: Vec<f64> = (0..800).map(|_| rng.exponential()).collect();
    let sample = sample(Truth::Amount(amounts.clone()), None);
    let spec = JobSpec::default();
    let plan = plan(&sample, 5, &spec).unwrap();
    let params = r#"{"loss": "quantile", "alpha": 0.1}"#;
    let settings = Settings::of(&spec, params, Outcome::Amount, 1).unwrap();
    let asked = serde_json::from_str(params).unwrap();
    assert_eq!(quantile::alpha_of(&asked), Some(0.1));
    let other = serde_json::from_str(r#"{"loss": "tweedie", "alpha": 0.1}"#).unwrap();
    assert_eq!(quantile::alpha_of(&other), None);
    let told = |tenth: f64| {
        let mut held = held(&sample, &plan, |_| tenth);
        held.raw = vec![tenth; 800];
        held.score.clone_from(&held.raw);
        let groups = groups(&sample, &held, &plan);
        let measures = of_group(&sample, &held, &plan, &groups[0], &settings).unwrap();
        let metrics = measures
            .iter()
            .map(|measure| (measure.name.to_owned(), measure.value))
            .collect();
        let words = suspect::results(&sample, &held, &metrics, settings.alpha);
        (
            value(&measures, "pinball"),
            value(&measures, "share_below"),
            words,
        )
    };
    let (loss, below, words) = told(-(0.9_f64.ln()));
    assert!((below - 0.1).abs() < 0.04, "{below}");
    // Of a sum a quarter of what happened, and right so.
    assert!(words.is_empty(), "{words:?}");
    let (worse, half, words) = told(2.0_f64.ln());
    assert!(worse > loss && half > 0.4);
    assert!(
        words[0].contains("the quantile 0.1 was asked for"),
        "{words:?}"
    );
    assert!(settings.is_main("pinball") && !settings.is_main("rmse"));
}
