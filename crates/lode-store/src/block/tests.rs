//! Blocks of customers come back as written; damaged ones are errors, never panics.

use std::sync::Arc;

use arrow_array::BooleanArray;
use arrow_array::Date32Array;
use arrow_array::Decimal128Array;
use arrow_array::Float64Array;
use arrow_array::Int64Array;
use arrow_array::StringArray;
use arrow_array::TimestampMicrosecondArray;
use arrow_schema::SchemaRef;
use lode_types::Column;
use lode_types::ColumnType;
use lode_types::Failure;
use lode_types::Schema;

use super::*;

fn schema() -> SchemaRef {
    let columns = [
        ColumnType::Bool,
        ColumnType::Int64,
        ColumnType::Float64,
        ColumnType::String,
        ColumnType::Timestamp,
        ColumnType::Date,
        ColumnType::decimal(38, 4).unwrap(),
    ]
    .map(|t| Column::new(t.to_string(), t))
    .into();
    Arc::new(Schema::new(columns).unwrap().to_arrow())
}

/// Rows with a null in each column at places of its own, and values at the ends of their range.
fn batch(n: usize, nulls: bool) -> RecordBatch {
    let at = |i: usize, column: usize| !nulls || !(i + column).is_multiple_of(4);
    let big = [0, -1, 1, i64::MAX, i64::MIN, 1 << 40, -(1 << 20)];
    let texts = ["", "a", "zwölf", "no internet service", "客户"];
    let columns: Vec<ArrayRef> = vec![
        Arc::new(BooleanArray::from_iter(
            (0..n).map(|i| at(i, 0).then_some(i % 3 == 0)),
        )),
        Arc::new(Int64Array::from_iter(
            (0..n).map(|i| at(i, 1).then_some(big[i % big.len()])),
        )),
        Arc::new(Float64Array::from_iter((0..n).map(|i| {
            at(i, 2).then_some([0.0, -0.0, f64::MAX, 1e-300, -7.25][i % 5])
        }))),
        Arc::new(StringArray::from_iter((0..n).map(|i| {
            at(i, 3).then(|| {
                if i % 2 == 0 {
                    texts[i % 5].to_owned()
                } else {
                    format!("row {i}")
                }
            })
        }))),
        Arc::new(
            TimestampMicrosecondArray::from_iter(
                (0..n).map(|i| at(i, 4).then_some(1_600_000_000_000_000 + i as i64)),
            )
            .with_timezone("UTC"),
        ),
        Arc::new(Date32Array::from_iter(
            (0..n).map(|i| at(i, 5).then_some([i32::MIN, i32::MAX, 0][i % 3])),
        )),
        Arc::new(
            Decimal128Array::from_iter((0..n).map(|i| {
                let largest = 10_i128.pow(38) - 1;
                at(i, 6).then_some([0, -1, largest, -largest, 1250, 99][i % 6])
            }))
            .with_precision_and_scale(38, 4)
            .unwrap(),
        ),
    ];
    RecordBatch::try_new(schema(), columns).unwrap()
}

#[test]
fn blocks_come_back_as_written() {
    for nulls in [false, true] {
        for n in [1, 2, 7, 8, 9, 64, 100] {
            let rows = batch(n, nulls);
            let block = encode(&rows, 0..n).unwrap();
            let mut decoder = Decoder::new(schema()).unwrap();
            decoder.push(&block).unwrap();
            assert_eq!(decoder.rows(), n);
            assert_eq!(decoder.finish().unwrap(), rows);
        }
    }
}

#[test]
fn ranges_of_many_blocks_make_one_batch() {
    let rows = batch(100, true);
    let mut decoder = Decoder::new(schema()).unwrap();
    for start in (0..100).step_by(9) {
        let end = (start + 9).min(100);
        decoder.push(&encode(&rows, start..end).unwrap()).unwrap();
    }
    assert_eq!(decoder.finish().unwrap(), rows);
    assert_eq!(decoder.finish().unwrap().num_rows(), 0);
}

#[test]
fn repeated_words_and_near_numbers_are_short() {
    let columns = vec![
        Column::new("s", ColumnType::String),
        Column::new("n", ColumnType::Int64),
    ];
    let schema = Arc::new(Schema::new(columns).unwrap().to_arrow());
    let texts =
        StringArray::from_iter_values((0..40).map(|i| ["month-to-month", "two year"][i % 2]));
    let numbers = Int64Array::from_iter_values((0..40).map(|i| 1_700_000_000 + i));
    let rows = RecordBatch::try_new(schema, vec![Arc::new(texts), Arc::new(numbers)]).unwrap();
    let block = encode(&rows, 0..40).unwrap();
    // One byte a text and one a number, 26 of words, 20 of everything else at most.
    assert!(block.len() <= 40 + 40 + 26 + 20, "{}", block.len());
}

#[test]
fn damage_is_an_error() {
    let rows = batch(30, true);
    let block = encode(&rows, 0..30).unwrap();
    for i in 0..block.len() {
        let mut bad = block.clone();
        bad[i] ^= 0x55;
        let mut decoder = Decoder::new(schema()).unwrap();
        let error = decoder.push(&bad).unwrap_err();
        assert_eq!(error.reason(), "STORE_DAMAGED");
        assert!(Decoder::new(schema()).unwrap().push(&block[..i]).is_err());
    }
}

/// Damage that a checksum does not catch: a wrong body under a right checksum never panics.
#[test]
fn wrong_bodies_never_panic() {
    let rows = batch(30, true);
    let block = encode(&rows, 0..30).unwrap();
    for i in 0..block.len() - 4 {
        for change in [0x01, 0x80, 0xff] {
            let mut bad = block[..block.len() - 4].to_vec();
            bad[i] ^= change;
            let crc = crc32c::crc32c(&bad);
            bad.extend_from_slice(&crc.to_le_bytes());
            let mut decoder = Decoder::new(schema()).unwrap();
            if decoder.push(&bad).is_ok() {
                // A value changed; that it is another value is all the checksum is for.
                drop(decoder.finish());
            }
        }
    }
}
