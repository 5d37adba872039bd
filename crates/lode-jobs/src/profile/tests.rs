//! Profiles of small tables: bins, weights, typical values, and drift of 0 and of much.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::BooleanArray;
use arrow_array::Float64Array;
use arrow_array::Int64Array;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use lode_parts::Table;
use lode_types::ColumnType;
use lode_types::Role;

use super::Bins;
use super::Profile;
use super::Rows;
use super::Tally;
use super::make;
use super::unseen;
use crate::SignatureColumn;

fn table(batches: &[RecordBatch]) -> Table {
    let schema = batches[0].schema();
    let file = lode_parts::memfd("profile", &schema, batches.iter().cloned());
    Table::open(vec![file.unwrap()]).unwrap()
}

/// `n` rows from `start` on.
fn rows(start: i64, n: i64) -> RecordBatch {
    let numbers = start..start + n;
    let calls: ArrayRef = Arc::new(Int64Array::from_iter_values(numbers.clone().map(|i| i % 4)));
    let spend = numbers.clone().map(|i| (i % 5 != 0).then_some(i as f64));
    let spend: ArrayRef = Arc::new(spend.collect::<Float64Array>());
    let plan = numbers
        .clone()
        .map(|i| Some(if i % 3 == 0 { "b" } else { "a" }));
    let plan: ArrayRef = Arc::new(plan.collect::<StringArray>());
    let adult: ArrayRef = Arc::new(numbers.map(|i| Some(i % 2 == 0)).collect::<BooleanArray>());
    RecordBatch::try_from_iter_with_nullable([
        ("calls", calls, true),
        ("spend", spend, true),
        ("plan", plan, true),
        ("adult", adult, true),
    ])
    .unwrap()
}

fn columns(names: &[(&str, ColumnType, Option<Role>)]) -> Vec<SignatureColumn> {
    let columns = names
        .iter()
        .map(|(name, column_type, role)| SignatureColumn {
            name: (*name).to_owned(),
            column_type: *column_type,
            role: *role,
        });
    columns.collect()
}

fn profile(batches: &[RecordBatch]) -> Profile {
    let table = table(batches);
    let columns = columns(&[
        ("calls", ColumnType::Int64, None),
        ("spend", ColumnType::Float64, None),
        ("plan", ColumnType::String, None),
        ("adult", ColumnType::Bool, None),
    ]);
    make(&Rows {
        table: &table,
        columns: &columns,
        descriptions: &BTreeMap::from([("calls".to_owned(), "Calls".to_owned())]),
        scores: Some((&table, "spend")),
    })
    .unwrap()
}

#[test]
fn the_same_rows_have_no_drift_and_others_have() {
    let profile = profile(&[rows(0, 300), rows(300, 200)]);
    let mut tally = Tally::new(&profile);
    let scores: Vec<f64> = (0..500).filter(|i| i % 5 != 0).map(f64::from).collect();
    tally.add(&profile, &rows(0, 500), &scores).unwrap();
    for drift in tally.drifts(&profile) {
        // The score's rows without a value have no score at all.
        if drift.name != "score" {
            assert!(drift.psi == Some(0.0), "{drift:?}");
            assert_eq!(drift.verdict, "stable");
            assert_eq!(drift.mean_then, drift.mean_now);
        }
    }
    let mut far = Tally::new(&profile);
    let scores: Vec<f64> = (5000..5500).map(f64::from).collect();
    far.add(&profile, &rows(5000, 500), &scores).unwrap();
    let drifts = far.drifts(&profile);
    assert_eq!((&*drifts[0].name, drifts[0].verdict), ("score", "shifted"));
    assert_eq!((&*drifts[1].name, drifts[1].verdict), ("spend", "shifted"));
    assert!(drifts[2..].iter().all(|drift| drift.verdict == "stable"));
    assert_eq!(drifts[1].mean_then, Some(250.0));
    assert_eq!(drifts[1].mean_now, Some(5250.0));
    let mut few = Tally::new(&profile);
    few.add(&profile, &rows(5000, 99), &[]).unwrap();
    let drifts = few.drifts(&profile);
    assert!(
        drifts
            .iter()
            .all(|d| d.verdict == "few rows" && d.psi.is_none())
    );
}

#[test]
fn bins_hold_each_row_once_and_what_is_usual_is_known() {
    let profile = profile(&[rows(0, 100)]);
    assert_eq!(profile.rows, 100);
    let [calls, spend, plan, adult] = &profile.features[..] else {
        panic!("expected four features, found {:?}", profile.features);
    };
    assert_eq!(calls.values.bins, Bins::Edges(vec![0.0, 1.0, 2.0]));
    assert_eq!(calls.values.weights, [25.0, 25.0, 25.0, 25.0, 0.0]);
    assert_eq!(calls.typical.as_deref(), Some("1"));
    assert_eq!(calls.description, "Calls");
    assert_eq!(spend.values.weights.len(), 11);
    assert_eq!(spend.values.weights.last(), Some(&20.0));
    assert_eq!(spend.values.weights.iter().sum::<f64>(), 100.0);
    assert_eq!(plan.typical.as_deref(), Some("a"));
    assert_eq!(plan.values.weights, [66.0, 34.0, 0.0, 0.0]);
    let both = vec!["false".to_owned(), "true".to_owned()];
    assert_eq!(adult.values.bins, Bins::Levels(both));
}

#[test]
fn rows_without_a_label_do_not_count_and_weights_do() {
    let label: ArrayRef = Arc::new(StringArray::from(vec![Some("yes"), None, Some("no")]));
    let weight: ArrayRef = Arc::new(Float64Array::from(vec![3.0, 5.0, 1.0]));
    let plan: ArrayRef = Arc::new(StringArray::from(vec!["a", "b", "b"]));
    let batch = RecordBatch::try_from_iter_with_nullable([
        ("label", label, true),
        ("weight", weight, true),
        ("plan", plan, true),
    ]);
    let table = table(&[batch.unwrap()]);
    let columns = columns(&[
        ("plan", ColumnType::String, None),
        ("label", ColumnType::String, Some(Role::Label)),
        ("weight", ColumnType::Float64, Some(Role::Weight)),
    ]);
    let made = make(&Rows {
        table: &table,
        columns: &columns,
        descriptions: &BTreeMap::new(),
        scores: None,
    });
    let made = made.unwrap();
    assert_eq!(made.rows, 2);
    assert_eq!(made.features.len(), 1);
    assert_eq!(made.features[0].values.weights, [3.0, 1.0, 0.0, 0.0]);
    assert_eq!(made.features[0].typical.as_deref(), Some("a"));
}

/// The profile of one column of words.
fn of_words(words: impl Iterator<Item = Option<String>>) -> Profile {
    let words: ArrayRef = Arc::new(words.collect::<StringArray>());
    let batch = RecordBatch::try_from_iter_with_nullable([("word", words, true)]);
    let table = table(&[batch.unwrap()]);
    let made = make(&Rows {
        table: &table,
        columns: &columns(&[("word", ColumnType::String, None)]),
        descriptions: &BTreeMap::new(),
        scores: None,
    });
    made.unwrap()
}

#[test]
fn very_many_words_and_long_ones_are_the_others() {
    let words = (0..12_000).map(|i| Some(format!("w{i:05}")));
    let words = words.chain([Some("x".repeat(300))]).chain([None]);
    let made = of_words(words);
    // What was seen is not known to the end, so nothing is called unseen.
    assert!(!made.features[0].is_unseen("never"));
    let values = &made.features[0].values;
    assert_eq!(values.weights.len(), 22);
    assert_eq!(values.weights[20], 11_981.0);
    assert_eq!(values.weights[21], 1.0);
}

#[test]
fn a_word_that_never_taught_is_found_and_a_rare_one_is_not() {
    let words = (0..60).map(|i| Some(format!("w{:02}", i % 30)));
    let made = of_words(words);
    // Twenty words have bins, the other ten are known too.
    let asked = [Some("w00"), Some("w29"), Some("new"), None, Some("w290")];
    let asked: ArrayRef = Arc::new(StringArray::from(asked.to_vec()));
    let asked = RecordBatch::try_from_iter_with_nullable([("word", asked, true)]).unwrap();
    assert_eq!(unseen(&made, &asked).unwrap(), [("word", vec![2, 4])]);
    let mut tally = Tally::new(&made);
    tally.add(&made, &asked, &[]).unwrap();
    assert_eq!(tally.drifts(&made)[0].unseen_now, 2);
    // A card of before such words were kept says nothing.
    let mut old = made.clone();
    old.features[0].other_words = None;
    assert_eq!(unseen(&old, &asked).unwrap(), []);
}
