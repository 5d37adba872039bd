//! Sums, counts and last values agree with a naive version, for any batches.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::Float64Array;
use arrow_array::Int64Array;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use arrow_array::TimestampMicrosecondArray;
use lode_types::Failure;
use lode_types::Role;

use crate::Csr;
use crate::Interactions;
use crate::Table;
use crate::Weight;
use crate::testing::batch;
use crate::testing::rebatch;

fn events(n: usize) -> RecordBatch {
    let who = (0..n).map(|i| (i % 17 != 3).then(|| format!("c{}", (i * 37) % 23)));
    let what = (0..n).map(|i| (i % 19 != 5).then_some(((i * 53) % 31) as i64));
    let paid = (0..n).map(|i| (i % 13 != 7).then_some((i % 7) as f64 - 2.0));
    let at = (0..n).map(|i| (i % 11 != 2).then_some(((i * 7) % 40) as i64));
    let columns: [(&str, Option<Role>, ArrayRef); 4] = [
        (
            "who",
            Some(Role::CustomerId),
            Arc::new(who.collect::<StringArray>()),
        ),
        (
            "what",
            Some(Role::Item),
            Arc::new(what.collect::<Int64Array>()),
        ),
        (
            "paid",
            Some(Role::Amount),
            Arc::new(paid.collect::<Float64Array>()),
        ),
        (
            "at",
            Some(Role::EventTime),
            Arc::new(at.collect::<TimestampMicrosecondArray>()),
        ),
    ];
    batch(&columns)
}

type Pairs = BTreeMap<(String, String), f64>;

fn naive(table: &Table, weight: Weight) -> (Pairs, usize) {
    let texts = |role| table.require(role).unwrap().texts().unwrap();
    let (who, what) = (texts(Role::CustomerId), texts(Role::Item));
    let paid = table.numbers(Role::Amount).unwrap();
    let at = table.times(Role::EventTime).unwrap();
    let mut last = BTreeMap::new();
    let (mut pairs, mut left_out) = (Pairs::new(), 0);
    for row in 0..table.n_rows() {
        let (Some(customer), Some(item)) = (&who[row], &what[row]) else {
            left_out += 1;
            continue;
        };
        let key = (customer.clone(), item.clone());
        match weight {
            Weight::Count => *pairs.entry(key).or_default() += 1.0,
            _ if paid[row].is_nan() => left_out += 1,
            Weight::Sum(_) => *pairs.entry(key).or_default() += paid[row],
            Weight::Last(_) => match at[row] {
                None => left_out += 1,
                Some(time) if last.get(&key).is_none_or(|seen| time >= *seen) => {
                    last.insert(key.clone(), time);
                    pairs.insert(key, paid[row]);
                }
                Some(_) => {}
            },
        }
    }
    (pairs, left_out)
}

fn pairs(rows: &[String], columns: &[String], matrix: &Csr) -> Pairs {
    let mut pairs = Pairs::new();
    for (row, name) in rows.iter().enumerate() {
        let (codes, values) = matrix.row(row);
        assert!(codes.is_sorted_by(|a, b| a < b));
        for (code, value) in codes.iter().zip(values) {
            let key = (name.clone(), columns[*code as usize].clone());
            assert_eq!(pairs.insert(key, *value), None);
        }
    }
    pairs
}

#[test]
fn a_naive_version_agrees() {
    let table = Table::from(events(700));
    for weight in [
        Weight::Count,
        Weight::Sum(Role::Amount),
        Weight::Last(Role::Amount),
    ] {
        let found = Interactions::read(&table, weight).unwrap();
        let (expected, left_out) = naive(&table, weight);
        assert_eq!(found.n_left_out, left_out, "{weight:?}");
        assert!(found.customers.is_sorted() && found.items.is_sorted());
        let (customers, items) = (&found.customers, &found.items);
        assert_eq!(pairs(customers, items, &found.matrix), expected);
        assert_eq!(found.matrix.n_values(), expected.len());
        for size in [1, 64, 699] {
            let cut = Interactions::read(&rebatch(&events(700), size), weight).unwrap();
            assert_eq!(cut, found);
        }
        let turned = found.matrix.transposed();
        assert_eq!(
            (turned.n_rows(), turned.n_cols()),
            (items.len(), customers.len())
        );
        let back = pairs(items, customers, &turned);
        let back: Pairs = back.into_iter().map(|((i, c), v)| ((c, i), v)).collect();
        assert_eq!(back, expected);
        assert_eq!(turned.transposed(), found.matrix);
    }
}

#[test]
fn who_has_no_used_row_does_not_exist() {
    let rows = batch(&[
        (
            "who",
            Some(Role::CustomerId),
            Arc::new(StringArray::from(vec![Some("a"), Some("b"), None])),
        ),
        (
            "what",
            Some(Role::Item),
            Arc::new(StringArray::from(vec![None, Some("y"), Some("z")])),
        ),
    ]);
    let found = Interactions::read(&rows.clone().into(), Weight::Count).unwrap();
    assert_eq!(found.customers, ["b"]);
    assert_eq!(found.items, ["y"]);
    assert_eq!(found.n_left_out, 2);
    let none = Interactions::read(&rows.slice(0, 1).into(), Weight::Count).unwrap_err();
    assert_eq!(none.reason(), "INPUT_INVALID");
    assert!(none.to_string().contains("found none in 1 rows"), "{none}");
}
