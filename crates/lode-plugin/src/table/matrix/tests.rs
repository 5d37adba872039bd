//! A plan makes the same numbers of the same values, and says what it cannot take.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::Float64Array;
use arrow_array::Int64Array;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use lode_types::Failure;
use lode_types::Features;
use lode_types::Role;

use crate::Inputs;
use crate::MatrixOptions;
use crate::MatrixPlan;
use crate::Nulls;
use crate::Reference;
use crate::Table;
use crate::table::matrix::Infinities;
use crate::testing::batch;
use crate::testing::rebatch;

fn people() -> RecordBatch {
    let ids: ArrayRef = Arc::new(StringArray::from(vec!["a", "b", "c", "d", "e"]));
    let age: ArrayRef = Arc::new(Int64Array::from(vec![
        Some(20),
        None,
        Some(40),
        Some(30),
        None,
    ]));
    let plan: ArrayRef = Arc::new(StringArray::from(vec![
        Some("max"),
        Some("mini"),
        Some("max"),
        Some("midi"),
        None,
    ]));
    batch(&[
        ("id", Some(Role::CustomerId), ids),
        ("age", None, age),
        ("plan", None, plan),
    ])
}

fn all(nulls: Nulls) -> MatrixOptions {
    MatrixOptions {
        features: Features::All,
        nulls,
        ..MatrixOptions::default()
    }
}

fn as_input(batch: RecordBatch) -> Inputs {
    Inputs::new().with("customers", batch.into())
}

#[test]
fn numbers_and_categories_side_by_side() {
    let table = Table::from(people());
    let plan = MatrixPlan::learn(&table, &all(Nulls::Mean)).unwrap();
    let matrix = plan.encode(&table).unwrap();
    assert_eq!(
        matrix.names(),
        ["age", "plan=max", "plan=midi", "plan=mini"]
    );
    assert_eq!(matrix.row(0), [20.0, 1.0, 0.0, 0.0]);
    assert_eq!(matrix.row(1), [30.0, 0.0, 0.0, 1.0]);
    assert_eq!(matrix.row(4), [30.0, 0.0, 0.0, 0.0]);
    assert_eq!(
        matrix.column(1).collect::<Vec<_>>(),
        [1.0, 0.0, 1.0, 0.0, 0.0]
    );
    assert_eq!(plan.sources().collect::<Vec<_>>(), ["age", "plan"]);
    assert_eq!(plan.source_of_columns(), [0, 1, 1, 1]);
}

#[test]
fn batches_do_not_matter() {
    let whole = Table::from(people());
    let plan = MatrixPlan::learn(&whole, &all(Nulls::Mean)).unwrap();
    for size in [1, 2, 4] {
        let cut = rebatch(&people(), size);
        assert_eq!(MatrixPlan::learn(&cut, &all(Nulls::Mean)).unwrap(), plan);
        assert_eq!(plan.encode(&cut).unwrap(), plan.encode(&whole).unwrap());
    }
}

#[test]
fn scoring_goes_by_name_through_json() {
    let plan = MatrixPlan::learn(&people().into(), &all(Nulls::Value(-1.0))).unwrap();
    let text = serde_json::to_string(&plan).unwrap();
    let plan: MatrixPlan = serde_json::from_str(&text).unwrap();
    let rows = batch(&[
        (
            "plan",
            None,
            Arc::new(StringArray::from(vec!["giga", "mini"])),
        ),
        ("new", None, Arc::new(Int64Array::from(vec![7, 7]))),
        (
            "age",
            None,
            Arc::new(Float64Array::from(vec![None, Some(1.5)])),
        ),
    ]);
    let matrix = plan.encode(&rows.into()).unwrap();
    assert_eq!(matrix.row(0), [-1.0, 0.0, 0.0, 0.0], "unknown: zeros");
    assert_eq!(matrix.row(1), [1.5, 0.0, 0.0, 1.0]);
}

#[test]
fn what_does_not_fit_is_named() {
    let learn = |nulls| {
        let inputs = as_input(people());
        MatrixPlan::learn(inputs.table("customers").unwrap(), &all(nulls))
    };
    let error = learn(Nulls::Refuse).unwrap_err();
    assert_eq!(error.field(), "inputs.customers.age");
    assert_eq!(
        error.to_string(),
        "expected finite numbers, found no number in row 1"
    );

    let plan = learn(Nulls::Keep).unwrap();
    let encode = |rows: RecordBatch| {
        let inputs = as_input(rows);
        plan.encode(inputs.table("customers").unwrap())
    };
    let error = encode(people().project(&[0, 1]).unwrap()).unwrap_err();
    assert_eq!(error.field(), "inputs.customers.plan");
    assert!(error.to_string().contains("found id, age"), "{error}");

    let text: ArrayRef = Arc::new(StringArray::from(vec!["old"]));
    let error = encode(batch(&[("age", None, text)])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "expected numbers as in the fit, found Utf8"
    );

    let endless: ArrayRef = Arc::new(Float64Array::from(vec![1.0, f64::INFINITY]));
    let error = encode(batch(&[("age", None, endless)])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "expected finite numbers, found inf in row 1"
    );

    let ids = as_input(people().project(&[0]).unwrap());
    let error = MatrixPlan::learn(ids.table("customers").unwrap(), &MatrixOptions::default());
    assert_eq!(error.unwrap_err().field(), "inputs.customers");
}

#[test]
fn kept_nulls_are_nan_and_kept_infinities_leave_the_mean_alone() {
    let table = Table::from(people());
    let plan = MatrixPlan::learn(&table, &all(Nulls::Keep)).unwrap();
    let matrix = plan.encode(&table).unwrap();
    assert!(matrix.row(1)[0].is_nan());
    assert!(matrix.row(4).iter().all(|value| value.is_nan()));

    let values: ArrayRef = Arc::new(Float64Array::from(vec![
        Some(1.0),
        None,
        Some(f64::INFINITY),
        Some(3.0),
    ]));
    let table = Table::from(batch(&[("x", None, values)]));
    let options = MatrixOptions {
        nulls: Nulls::Mean,
        infinities: Infinities::Keep,
        ..MatrixOptions::default()
    };
    let plan = MatrixPlan::learn(&table, &options).unwrap();
    let found = plan.encode(&table).unwrap();
    assert_eq!(found.values(), [1.0, 2.0, f64::INFINITY, 3.0]);
}

#[test]
fn few_categories_and_a_reference() {
    let words = ["b", "c", "a", "c", "b", "d"];
    let words: ArrayRef = Arc::new(StringArray::from(words.to_vec()));
    let table = Table::from(batch(&[("w", None, words)]));
    let names = |max_categories, reference| {
        let options = MatrixOptions {
            max_categories,
            reference,
            ..all(Nulls::Refuse)
        };
        MatrixPlan::learn(&table, &options).unwrap().names()
    };
    assert_eq!(names(3, Reference::None), ["w=a", "w=b", "w=c"]);
    assert_eq!(names(3, Reference::First), ["w=b", "w=c"]);
    assert_eq!(names(3, Reference::MostFrequent), ["w=a", "w=c"]);
    assert_eq!(names(0, Reference::None), [""; 0]);
}
