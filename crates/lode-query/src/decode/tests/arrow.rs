//! Arrow chunks.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::BooleanArray;
use arrow_array::Date32Array;
use arrow_array::Date64Array;
use arrow_array::Decimal128Array;
use arrow_array::Decimal256Array;
use arrow_array::DictionaryArray;
use arrow_array::Float32Array;
use arrow_array::Float64Array;
use arrow_array::Int8Array;
use arrow_array::Int32Array;
use arrow_array::Int64Array;
use arrow_array::LargeStringArray;
use arrow_array::NullArray;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use arrow_array::StringViewArray;
use arrow_array::TimestampMillisecondArray;
use arrow_array::TimestampNanosecondArray;
use arrow_array::TimestampSecondArray;
use arrow_array::UInt64Array;
use arrow_array::types::Int32Type;
use arrow_buffer::i256;
use arrow_ipc::CompressionType;
use arrow_ipc::writer::IpcWriteOptions;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::DataType;
use lode_types::Column;
use lode_types::ColumnType;
use lode_types::DatasetKind;
use lode_types::Failure;
use lode_types::Role;
use lode_types::Schema;

use super::decoder;
use super::rows;
use super::schema;
use crate::Decoded;
use crate::Decoder;
use crate::Error;
use crate::Format;

pub(super) fn stream(batches: &[RecordBatch], lz4: bool) -> Vec<u8> {
    let options = IpcWriteOptions::default();
    let options = match lz4 {
        true => options
            .try_with_compression(Some(CompressionType::LZ4_FRAME))
            .unwrap(),
        false => options,
    };
    let schema = batches[0].schema();
    let mut writer = StreamWriter::try_new_with_options(Vec::new(), &schema, options).unwrap();
    for batch in batches {
        writer.write(batch).unwrap();
    }
    writer.finish().unwrap();
    writer.into_inner().unwrap()
}

pub(super) fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter(columns).unwrap()
}

fn ids(n: usize) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(
        (0..n).map(|i| format!("c{i}")),
    ))
}

fn decode(batch: RecordBatch) -> Result<Decoded, Error> {
    decoder(None).decode(Format::ArrowStream, &stream(&[batch], false))
}

/// Integers, text and decimals of any width become the column's decimal, value by value; a
/// float says no exact number and is refused.
#[test]
fn money_of_other_types() {
    let schema = Schema::new(vec![
        Column::new("paid", ColumnType::decimal(6, 2).unwrap()).with_role(Role::Amount),
    ])
    .unwrap();
    let decoder = Decoder::new(&schema, DatasetKind::Events, &BTreeMap::new(), None).unwrap();
    let try_decode = |column: ArrayRef| {
        let data = stream(&[batch(vec![("paid", column)])], false);
        decoder.decode(Format::ArrowStream, &data)
    };
    let fine = Decimal128Array::from(vec![Some(12_500), Some(12_345), None])
        .with_precision_and_scale(20, 3)
        .unwrap();
    // Its type promises six digits, its value has ten.
    let liar =
        Decimal128Array::from(vec![9_999_999_999, 125]).with_data_type(DataType::Decimal128(6, 2));
    let wide = Decimal256Array::from(vec![i256::from(7), i256::MAX])
        .with_precision_and_scale(38, 0)
        .unwrap();
    for (column, kept, reasons) in [
        (
            Arc::new(fine) as ArrayRef,
            vec!["12.50", "-"],
            vec!["TOO_MANY_DECIMALS"],
        ),
        (Arc::new(liar), vec!["1.25"], vec!["OUT_OF_RANGE"]),
        (Arc::new(wide), vec!["7.00"], vec!["OUT_OF_RANGE"]),
        (
            Arc::new(Int64Array::from(vec![9999, 10_000])),
            vec!["9999.00"],
            vec!["OUT_OF_RANGE"],
        ),
        (
            Arc::new(StringArray::from(vec!["1.5", "x", " "])),
            vec!["1.50", "-"],
            vec!["NOT_A_NUMBER"],
        ),
    ] {
        let decoded = try_decode(column).unwrap();
        assert_eq!(rows(&decoded.batch), kept);
        let found: Vec<_> = decoded.rejected.iter().map(|row| row.reason).collect();
        assert_eq!(found, reasons);
    }
    let error = try_decode(Arc::new(Float64Array::from(vec![1.5]))).unwrap_err();
    assert_eq!(error.reason(), "WRONG_TYPE");
}

#[test]
fn good_rows_plain_and_compressed_in_several_batches() {
    let first = batch(vec![
        ("id", ids(2)),
        ("x", Arc::new(Float64Array::from(vec![Some(0.5), None]))),
        (
            "ok",
            Arc::new(BooleanArray::from(vec![Some(true), Some(false)])),
        ),
        ("day", Arc::new(Date32Array::from(vec![Some(14_944), None]))),
        (
            "note",
            Arc::new(StringArray::from(vec![Some(""), Some("x")])),
        ),
    ]);
    for lz4 in [false, true] {
        let data = stream(&[first.clone(), first.slice(1, 1), first.slice(0, 0)], lz4);
        let decoded = decoder(None).decode(Format::ArrowStream, &data).unwrap();
        assert_eq!(decoded.batch.schema().as_ref(), &schema().to_arrow());
        assert_eq!(
            rows(&decoded.batch),
            [
                r#""c0" - 0.5 true - 2010-12-01 """#,
                r#""c1" - - false - - "x""#,
                r#""c1" - - false - - "x""#,
            ]
        );
        assert_eq!(decoded.repeated_rows, 1);
    }
}

#[test]
fn text_of_any_form_is_text() {
    let texts = ["a", "b", "a"];
    let forms: [ArrayRef; 4] = [
        Arc::new(LargeStringArray::from(texts.to_vec())),
        Arc::new(StringViewArray::from(texts.to_vec())),
        Arc::new(texts.into_iter().collect::<DictionaryArray<Int32Type>>()),
        Arc::new(StringArray::from(texts.to_vec())),
    ];
    for form in forms {
        for lz4 in [false, true] {
            let data = stream(&[batch(vec![("id", Arc::clone(&form))])], lz4);
            let decoded = decoder(None).decode(Format::ArrowStream, &data).unwrap();
            let ids: Vec<_> = rows(&decoded.batch);
            assert_eq!(ids[2], r#""a" - - - - - -"#, "{}", form.data_type());
            assert_eq!(decoded.repeated_rows, 1);
        }
    }
}

#[test]
fn numbers_are_widened_where_nothing_is_lost() {
    let column = |name, values: ArrayRef| batch(vec![("id", ids(values.len())), (name, values)]);
    let decoded = decode(column("n", Arc::new(Int8Array::from(vec![-128, 127])))).unwrap();
    assert_eq!(rows(&decoded.batch)[0], r#""c0" -128 - - - - -"#);
    let decoded = decode(column("n", Arc::new(UInt64Array::from(vec![u64::MAX, 5])))).unwrap();
    assert_eq!(rows(&decoded.batch), [r#""c1" 5 - - - - -"#]);
    assert_eq!(decoded.rejected[0].reason, "OUT_OF_RANGE");
    assert_eq!(
        decoded.rejected[0].row_json,
        r#"{"id":"c0","n":"18446744073709551615"}"#
    );
    let floats = Float32Array::from(vec![0.1_f32, f32::NAN, f32::INFINITY]);
    let decoded = decode(column("x", Arc::new(floats))).unwrap();
    assert_eq!(
        rows(&decoded.batch),
        [
            r#""c0" - 0.10000000149011612 - - - -"#,
            r#""c1" - - - - - -"#
        ]
    );
    assert_eq!(
        (decoded.rejected[0].row, decoded.rejected[0].reason),
        (2, "OUT_OF_RANGE")
    );
    let exact = 1_i64 << 53;
    let ints = Int64Array::from(vec![Some(exact), Some(exact + 1), None]);
    let decoded = decode(column("x", Arc::new(ints))).unwrap();
    assert_eq!(decoded.batch.num_rows(), 2);
    assert_eq!(
        (decoded.rejected[0].row, decoded.rejected[0].reason),
        (1, "OUT_OF_RANGE")
    );
    let decoded = decode(column("n", Arc::new(NullArray::new(2)))).unwrap();
    assert_eq!(rows(&decoded.batch)[1], r#""c1" - - - - - -"#);
}

#[test]
fn times_of_any_unit_are_microseconds_utc() {
    let second = 1_291_191_960; // 2010-12-01 08:26:00
    let forms: [ArrayRef; 5] = [
        Arc::new(TimestampSecondArray::from(vec![second])),
        Arc::new(
            TimestampMillisecondArray::from(vec![second * 1000]).with_timezone("Europe/London"),
        ),
        Arc::new(TimestampNanosecondArray::from(vec![
            second * 1_000_000_000 + 999,
        ])),
        Arc::new(Date32Array::from(vec![14_944])),
        Arc::new(Date64Array::from(vec![14_944 * 86_400_000])),
    ];
    for form in forms {
        let decoded = decode(batch(vec![("id", ids(1)), ("at", Arc::clone(&form))])).unwrap();
        let row = &rows(&decoded.batch)[0];
        let expected = match form.data_type().is_temporal()
            && form.data_type().to_string().starts_with("Date")
        {
            true => "2010-12-01T00:00:00",
            false => "2010-12-01T08:26:00",
        };
        assert!(row.contains(expected), "{}: {row}", form.data_type());
    }
    let far = TimestampSecondArray::from(vec![i64::MAX, 0]).with_timezone("Europe/London");
    let decoded = decode(batch(vec![("id", ids(2)), ("at", Arc::new(far))])).unwrap();
    assert_eq!(decoded.batch.num_rows(), 1);
    assert_eq!(decoded.rejected[0].reason, "OUT_OF_RANGE");
    // Arrow cannot print a time of a zone that it does not know; the row is kept all the same.
    let at = TimestampSecondArray::from(vec![second]).with_timezone("Mars/Olympus");
    let id = StringArray::from(vec![""]);
    let decoded = decode(batch(vec![("id", Arc::new(id)), ("at", Arc::new(at))])).unwrap();
    assert_eq!(
        decoded.rejected[0].row_json,
        r#"{"id":"","at":"2010-12-01T08:26:00"}"#
    );
}

#[test]
fn types_that_would_lose_are_refused_by_name() {
    let check = |name: &str, values: ArrayRef, message: &str| {
        let error = match name {
            "id" => decode(batch(vec![("id", values)])),
            _ => decode(batch(vec![("id", ids(values.len())), (name, values)])),
        }
        .unwrap_err();
        assert_eq!(error.reason(), "WRONG_TYPE");
        assert_eq!(error.field(), name);
        assert_eq!(error.to_string(), message);
    };
    check(
        "id",
        Arc::new(Int32Array::from(vec![1])),
        r#"column "id": expected string, found Int32"#,
    );
    check(
        "n",
        Arc::new(Float64Array::from(vec![1.0])),
        r#"column "n": expected int64, found Float64"#,
    );
    check(
        "n",
        Arc::new(StringArray::from(vec!["1"])),
        r#"column "n": expected int64, found Utf8"#,
    );
    check(
        "day",
        Arc::new(TimestampSecondArray::from(vec![1])),
        r#"column "day": expected date, found Timestamp(s)"#,
    );
}

#[test]
fn columns_are_matched_by_name() {
    let error = decode(batch(vec![("n", Arc::new(Int64Array::from(vec![1])))])).unwrap_err();
    assert_eq!(error.reason(), "MISSING_COLUMN");
    let error = decode(batch(vec![("id", ids(1)), ("Id", ids(1))])).unwrap_err();
    assert_eq!(error.reason(), "UNKNOWN_COLUMN");
    let mapping = BTreeMap::from([("Id".to_owned(), "id".to_owned())]);
    let decoder = Decoder::new(&schema(), DatasetKind::Events, &mapping, None).unwrap();
    let data = stream(&[batch(vec![("Id", ids(1))])], false);
    let decoded = decoder.decode(Format::ArrowStream, &data).unwrap();
    assert_eq!(decoded.batch.num_rows(), 1);
}

#[test]
fn rows_without_a_customer_or_with_too_long_a_one_are_set_aside() {
    let long = "k".repeat(513);
    let ids = StringArray::from(vec![Some("a"), None, Some(""), Some(&long), Some("b")]);
    let decoded = decode(batch(vec![("id", Arc::new(ids))])).unwrap();
    assert_eq!(decoded.batch.num_rows(), 2);
    let rejected: Vec<_> = decoded.rejected.iter().map(|r| (r.row, r.reason)).collect();
    assert_eq!(
        rejected,
        [
            (1, "MISSING_VALUE"),
            (2, "MISSING_VALUE"),
            (3, "KEY_TOO_LONG")
        ]
    );
    assert_eq!(decoded.rejected[0].row_json, r#"{"id":null}"#);
}

#[test]
fn a_stream_without_batches_has_no_rows() {
    let data = stream(&[batch(vec![("id", ids(0))])], false);
    let decoded = decoder(None).decode(Format::ArrowStream, &data).unwrap();
    assert_eq!(
        (decoded.batch.num_rows(), decoded.batch.num_columns()),
        (0, 7)
    );
}
