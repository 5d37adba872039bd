//! What was joined is dealt out as if each had asked alone.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::Float64Array;
use arrow_array::Int64Array;
use arrow_array::RecordBatch;
use arrow_array::cast::AsArray as _;
use arrow_array::types::Float64Type;
use arrow_array::types::Int64Type;
use arrow_schema::DataType;
use arrow_schema::Field;
use arrow_schema::Schema;

use super::deal;
use super::join;

fn table(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, column)| Field::new(*name, column.data_type().clone(), true))
        .collect();
    let columns = columns.into_iter().map(|(_, column)| column).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).expect("columns of one length")
}

fn scores(values: &[f64]) -> RecordBatch {
    table(vec![(
        "score",
        Arc::new(Float64Array::from(values.to_vec())),
    )])
}

fn offers(requests: &[i64], values: &[f64]) -> RecordBatch {
    table(vec![
        ("request", Arc::new(Int64Array::from(requests.to_vec()))),
        ("score", Arc::new(Float64Array::from(values.to_vec()))),
    ])
}

fn numbers(batch: &RecordBatch) -> Vec<f64> {
    let column = batch.column_by_name("score").expect("there is one");
    column.as_primitive::<Float64Type>().values().to_vec()
}

fn asked(batch: &RecordBatch) -> Vec<i64> {
    let column = batch.column_by_name("request").expect("there is one");
    assert_eq!(column.data_type(), &DataType::Int64);
    column.as_primitive::<Int64Type>().values().to_vec()
}

#[test]
fn each_gets_the_scores_of_its_rows() {
    let (one, two) = (scores(&[1.0]), scores(&[2.0, 3.0]));
    let joined = join(&[&one, &two, &one]).expect("one schema");
    assert_eq!(numbers(&joined), [1.0, 2.0, 3.0, 1.0]);
    let parts = deal(&joined, &[1, 2, 1])
        .expect("no error")
        .expect("it fits");
    let parts: Vec<Vec<f64>> = parts.iter().map(numbers).collect();
    assert_eq!(parts, [vec![1.0], vec![2.0, 3.0], vec![1.0]]);
}

#[test]
fn offers_go_to_the_row_that_asked_by_its_own_number() {
    // The third row of the second call got none.
    let answer = offers(&[0, 0, 1, 2, 2, 4], &[9.0, 8.0, 7.0, 6.0, 5.0, 4.0]);
    let parts = deal(&answer, &[1, 3, 1])
        .expect("no error")
        .expect("it fits");
    assert_eq!(numbers(&parts[0]), [9.0, 8.0]);
    assert_eq!(asked(&parts[0]), [0, 0]);
    assert_eq!(numbers(&parts[1]), [7.0, 6.0, 5.0]);
    assert_eq!(asked(&parts[1]), [0, 1, 1]);
    assert_eq!(numbers(&parts[2]), [4.0]);
    assert_eq!(asked(&parts[2]), [0]);
}

#[test]
fn an_answer_that_does_not_fit_is_nobodys() {
    assert!(
        deal(&scores(&[1.0, 2.0]), &[1, 2])
            .expect("no error")
            .is_none()
    );
    let unordered = offers(&[1, 0], &[1.0, 2.0]);
    assert!(deal(&unordered, &[1, 1]).expect("no error").is_none());
    let beyond = offers(&[0, 2], &[1.0, 2.0]);
    assert!(deal(&beyond, &[1, 1]).expect("no error").is_none());
}
