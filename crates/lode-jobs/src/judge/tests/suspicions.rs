//! What looks wrong, and what does not.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::BooleanArray;
use arrow_array::Date32Array;
use arrow_array::Float64Array;
use arrow_array::StringArray;
use lode_numeric::Rng;
use lode_types::Role;

use super::batch;
use super::sample;
use crate::judge::calibration::CalibrationInput;
use crate::judge::predict::Held;
use crate::judge::rows::Sample;
use crate::judge::rows::Truth;
use crate::judge::suspect;

#[test]
fn a_column_that_gives_the_label_away_is_named() {
    let mut rng = Rng::new(8);
    let labels: Vec<bool> = (0..400).map(|_| rng.chance(0.3)).collect();
    let noisy = labels
        .iter()
        .map(|label| f64::from(u8::from(*label)) + rng.normal());
    let noisy: ArrayRef = Arc::new(noisy.collect::<Float64Array>());
    let refund = labels.iter().map(|label| if *label { -25.0 } else { 0.0 });
    let refund: ArrayRef = Arc::new(refund.collect::<Float64Array>());
    // Known of those who left alone.
    let ended = labels.iter().map(|label| label.then_some(7.0));
    let ended: ArrayRef = Arc::new(ended.collect::<Float64Array>());
    let state = labels
        .iter()
        .map(|label| Some(if *label { "closed" } else { "open" }));
    let state: ArrayRef = Arc::new(state.collect::<StringArray>());
    let flag: ArrayRef = Arc::new(BooleanArray::from(labels.clone()));
    // A date is no feature, but whether there is one is the label.
    let cancelled = labels.iter().map(|label| label.then_some(19_000));
    let cancelled: ArrayRef = Arc::new(cancelled.collect::<Date32Array>());
    let joined: ArrayRef = Arc::new(Date32Array::from(vec![Some(18_000); 400]));
    // One word a row tells nothing of others.
    let unique = (0..400).map(|row| Some(format!("id-{row}")));
    let unique: ArrayRef = Arc::new(unique.collect::<StringArray>());
    let constant: ArrayRef = Arc::new(Float64Array::from(vec![1.0; 400]));
    let empty: ArrayRef = Arc::new(Float64Array::from(vec![None; 400]));
    let label: ArrayRef = Arc::new(BooleanArray::from(labels.clone()));
    let mut rows = sample(Truth::Binary(labels), None);
    rows.batch = batch(&[
        ("noisy", None, noisy),
        ("refund", None, refund),
        ("ended", None, ended),
        ("state", None, state),
        ("flag", None, flag),
        ("cancelled", None, cancelled),
        ("joined", None, joined),
        ("unique", None, unique),
        ("constant", None, constant),
        ("empty", None, empty),
        ("left", Some(Role::Label), label),
    ]);
    let warnings = suspect::features(&rows, 1);
    let named: Vec<&str> = warnings
        .iter()
        .filter_map(|words| words.split('"').nth(1))
        .collect();
    assert_eq!(
        named,
        ["refund", "ended", "state", "flag", "cancelled"],
        "{warnings:?}"
    );
    assert!(
        warnings[0].contains("suspiciously perfect"),
        "{}",
        warnings[0]
    );
}

#[test]
fn an_amount_in_another_currency_is_named() {
    let mut rng = Rng::new(8);
    let amounts: Vec<f64> = (0..300).map(|_| rng.gamma(2.0)).collect();
    let other: ArrayRef = Arc::new(amounts.iter().map(|x| x * 1.1).collect::<Float64Array>());
    let near = amounts.iter().map(|x| x + rng.normal());
    let near: ArrayRef = Arc::new(near.collect::<Float64Array>());
    let mut rows = sample(Truth::Amount(amounts), None);
    rows.batch = batch(&[("dollars", None, other), ("near", None, near)]);
    let warnings = suspect::features(&rows, 1);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("\"dollars\""), "{warnings:?}");
}

#[test]
fn amounts_of_no_use_are_said_to_be() {
    let warned = |r2: f64, ratio: f64| -> Vec<String> {
        let metrics = BTreeMap::from([("r2".to_owned(), r2), ("total_ratio".to_owned(), ratio)]);
        suspect::useless(&metrics)
    };
    assert!(warned(0.0, 1.5).is_empty() && warned(0.4, 0.67).is_empty());
    let both = warned(-17_809.0, 11.6);
    assert!(both[0].contains("r2 of -17809.000 is below 0"), "{both:?}");
    assert!(both[1].contains("add up to 11.600 times"), "{both:?}");
    assert_eq!(warned(0.4, 0.6).len(), 1);
    assert!(suspect::useless(&BTreeMap::new()).is_empty());
}

#[test]
fn a_column_that_makes_most_of_a_model_is_asked_after() {
    let mut rng = Rng::new(5);
    let labels: Vec<bool> = (0..2_000).map(|_| rng.chance(0.3)).collect();
    let mut shifted = |by: f64| -> ArrayRef {
        let numbers = labels.iter();
        let numbers = numbers.map(|label| by * f64::from(u8::from(*label)) + rng.normal());
        Arc::new(numbers.collect::<Float64Array>())
    };
    // AUC of the normal distribution function at by / sqrt(2): .70, .71 and .86.
    let (honest, other, lie) = (shifted(0.75), shifted(0.8), shifted(1.53));
    let of = |columns: &[(&str, Option<Role>, ArrayRef)], dated: bool| {
        let mut rows = sample(Truth::Binary(labels.clone()), None);
        rows.batch = batch(columns);
        rows.as_of = dated.then(|| vec![0; labels.len()]);
        rows
    };
    let both = [("honest", None, honest), ("other", None, other)];
    let mut all = both.to_vec();
    all.push(("lie", None, lie));
    let all_judge = Held {
        rows: (0..2_000).collect(),
        split: (0..2_000).map(|row| row % 3).collect(),
        raw: Vec::new(),
        margin: Vec::new(),
        margin_is: CalibrationInput::Margin,
        score: Vec::new(),
        psi: None,
        shares: Vec::new(),
    };
    let asked = |rows: &Sample, auc: f64| suspect::leader(rows, &all_judge, auc);
    let words = asked(&of(&all, true), 0.9).unwrap();
    assert!(
        words.contains("\"lie\"") && words.contains("at each of the dates"),
        "{words}"
    );
    // Not where nothing says when columns were known, nor where the others make the model.
    assert_eq!(asked(&of(&all, false), 0.9), None);
    assert_eq!(asked(&of(&all, true), 0.985), None);
    assert_eq!(asked(&of(&both, true), 0.75), None);
}
