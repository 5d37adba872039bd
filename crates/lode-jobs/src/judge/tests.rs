//! The judge on rows of which everything is known: what is held out of what, whose rows make whose
//! score a probability, what is called suspicious, and what the numbers are then.

mod numbers;
mod plans;
mod several;
mod suspicions;

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::Float64Array;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use arrow_schema::Field;
use arrow_schema::Schema;
use lode_numeric::Rng;
use lode_types::Outcome;
use lode_types::ROLE_KEY;
use lode_types::Role;

use super::calibration::CalibrationInput;
use super::measures::Settings;
use super::plan::Plan;
use super::predict::Held;
use super::predict::unlabeled;
use super::rows::Sample;
use super::rows::Truth;
use crate::JobSpec;

/// A day in microseconds.
const DAY: i64 = 86_400_000_000;

/// Rows of these outcomes without features.
fn sample(truth: Truth, customers: Option<Vec<String>>) -> Sample {
    let n_rows = match &truth {
        Truth::Binary(labels) => labels.len(),
        Truth::Amount(amounts) => amounts.len(),
        Truth::Class { of, .. } => of.len(),
        Truth::Survival { events, .. } => events.len(),
    };
    let labels: ArrayRef = Arc::new(Float64Array::from(vec![0.0; n_rows]));
    Sample {
        batch: batch(&[("left", Some(Role::Label), labels)]),
        truth,
        weights: None,
        customers: customers.map(StringArray::from),
        items: None,
        as_of: None,
        label_end: None,
        is_new: None,
    }
}

fn batch(columns: &[(&str, Option<Role>, ArrayRef)]) -> RecordBatch {
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, role, array)| {
            let role = role.map(|role| (ROLE_KEY.to_owned(), role.as_str().to_owned()));
            Field::new(*name, array.data_type().clone(), true)
                .with_metadata(role.into_iter().collect())
        })
        .collect();
    let arrays = columns
        .iter()
        .map(|(.., array)| Arc::clone(array))
        .collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

/// Customers asked at several dates, every 30 days; a label is known `horizon` days later. One in
/// four says yes.
fn dated(n_customers: usize, n_dates: i64, horizon: i64) -> Sample {
    let mut rng = Rng::new(5);
    let (mut labels, mut customers, mut as_of) = (Vec::new(), Vec::new(), Vec::new());
    for customer in 0..n_customers {
        for date in 0..n_dates {
            labels.push(rng.chance(0.25));
            customers.push(format!("c{customer}"));
            as_of.push(date * 30 * DAY);
        }
    }
    let mut sample = sample(Truth::Binary(labels), Some(customers));
    sample.label_end = Some(as_of.iter().map(|date| date + horizon * DAY).collect());
    sample.as_of = Some(as_of);
    sample
}

/// Predictions for all rows that a plan holds out; `margin` gives them.
fn held(sample: &Sample, plan: &Plan, mut margin: impl FnMut(usize) -> f64) -> Held {
    let mut rows: Vec<(usize, u32)> = Vec::new();
    for (at, split) in (0..).zip(&plan.splits) {
        rows.extend(split.test.iter().map(|row| (*row, at)));
    }
    rows.sort_unstable();
    assert!(rows.iter().all(|(row, _)| *row < sample.n_rows()));
    let margin: Vec<f64> = rows.iter().map(|(row, _)| margin(*row)).collect();
    let raw: Vec<f64> = margin
        .iter()
        .map(|margin| 1.0 / (1.0 + (-margin).exp()))
        .collect();
    Held {
        psi: None,
        rows: rows.iter().map(|(row, _)| *row).collect(),
        split: rows.iter().map(|(_, split)| *split).collect(),
        score: raw.clone(),
        raw,
        margin,
        margin_is: CalibrationInput::Margin,
        shares: Vec::new(),
    }
}

fn settings(spec: &JobSpec, outcome: Outcome) -> Settings {
    Settings::of(spec, "{\"horizon\": 12.0}", outcome, 2).unwrap()
}

#[test]
fn a_sample_knows_which_rows_are_of_one_customer() {
    let of = |ids: &[&str]| {
        let ids = ids.iter().map(|id| (*id).to_owned()).collect();
        sample(Truth::Amount(vec![1.0; 4]), Some(ids))
    };
    let all = [0, 1, 2, 3];
    assert_eq!(of(&["a", "b", "c", "d"]).clusters(&all), None);
    assert_eq!(
        of(&["a", "b", "a", "d"]).clusters(&all),
        Some(vec![0, 1, 0, 2])
    );
    assert_eq!(of(&["a", "b", "a", "d"]).clusters(&all[1..]), None);
    let mut nameless = of(&["a", "b", "a", "d"]);
    nameless.customers = Some(StringArray::from(vec![None, None, Some("a"), Some("a")]));
    assert_eq!(nameless.clusters(&all), Some(vec![0, 1, 2, 2]));
}

#[test]
fn what_is_scored_has_no_label_and_no_time() {
    let number = |x: f64| -> ArrayRef { Arc::new(Float64Array::from(vec![x; 3])) };
    let rows = batch(&[
        ("calls", None, number(4.0)),
        ("left", Some(Role::Label), number(1.0)),
        ("months", Some(Role::Duration), number(17.0)),
    ]);
    let asked = unlabeled(&rows, Some(Outcome::Survival)).unwrap();
    assert_eq!(asked.num_columns(), 2);
    assert_eq!(asked.column_by_name("months"), Some(&number(0.0)));
    assert_eq!(asked.column_by_name("calls"), Some(&number(4.0)));
    let asked = unlabeled(&rows, Some(Outcome::Binary)).unwrap();
    assert_eq!(asked.column_by_name("months"), Some(&number(17.0)));
    assert!(asked.column_by_name("left").is_none());
}
