//! Sequences are in order of time, ties in the order of the table.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use arrow_array::TimestampMicrosecondArray;
use lode_types::Role;

use crate::Sequences;
use crate::testing::batch;
use crate::testing::rebatch;

fn events() -> RecordBatch {
    let who: ArrayRef = Arc::new(StringArray::from(vec![
        Some("b"),
        Some("a"),
        Some("b"),
        None,
        Some("b"),
        Some("a"),
        Some("c"),
    ]));
    let what: ArrayRef = Arc::new(StringArray::from(vec![
        "x", "y", "w", "x", "v", "x", "gone",
    ]));
    let at: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![
        Some(5),
        Some(1),
        Some(2),
        Some(0),
        Some(5),
        Some(9),
        None,
    ]));
    batch(&[
        ("who", Some(Role::CustomerId), who),
        ("what", Some(Role::Item), what),
        ("at", Some(Role::EventTime), at),
    ])
}

#[test]
fn in_order_of_time() {
    let found = Sequences::read(&events().into()).unwrap();
    assert_eq!(found.customers, ["a", "b"]);
    assert_eq!(found.items, ["v", "w", "x", "y"]);
    assert_eq!(found.n_left_out, 2);
    let b = found.of(1);
    assert_eq!(b.times, [2, 5, 5]);
    assert_eq!(b.items, [1, 2, 0], "x before v as in the table");
    assert_eq!(b.rows, [2, 0, 4]);
    assert_eq!(found.iter().map(|s| s.items.len()).sum::<usize>(), 5);
}

#[test]
fn batches_do_not_matter() {
    let whole = Sequences::read(&events().into()).unwrap();
    for size in 1..7 {
        assert_eq!(Sequences::read(&rebatch(&events(), size)).unwrap(), whole);
    }
}

#[test]
fn no_row_is_an_error() {
    let none = Sequences::read(&events().slice(6, 1).into()).unwrap_err();
    assert!(none.to_string().contains("found none in 1 rows"), "{none}");
}
