//! Values of every type as text and JSON.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::BooleanArray;
use arrow_array::Date32Array;
use arrow_array::Float64Array;
use arrow_array::Int64Array;
use arrow_array::ListArray;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use arrow_array::StructArray;
use arrow_array::TimestampMicrosecondArray;
use arrow_array::UInt64Array;
use arrow_array::types::Int64Type;
use arrow_schema::DataType;
use arrow_schema::Field;

use super::Cell;
use super::cell;
use super::json_rows;
use super::number;

#[test]
fn floats_are_short_for_people() {
    let cases = [
        (0.0, "0"),
        (-0.0, "0"),
        (1.0, "1"),
        (0.842_345, "0.8423"),
        (9_747_747.934, "9747747.934"),
        (280_206.02, "280206.02"),
        (0.012_345_67, "0.01235"),
        (0.001_234_567, "0.001235"),
        (0.000_123_456, "0.000123456"),
        (1.5e-9, "1.5000e-9"),
        (-2.5e20, "-2.5000e20"),
        (f64::NAN, "NaN"),
    ];
    for (value, expected) in cases {
        assert_eq!(number(value), expected);
    }
}

#[test]
fn floats_are_exact_for_programs() {
    for value in [0.1 + 0.2, 1.0 / 3.0, 9_747_747.934, 1e300, -5e-324] {
        let text = Cell::Float(value).plain();
        assert_eq!(text.parse::<f64>().unwrap().to_bits(), value.to_bits());
    }
}

#[test]
fn every_type() {
    let columns: Vec<(&str, ArrayRef, &str, &str)> = vec![
        (
            "int",
            Arc::new(Int64Array::from(vec![i64::MIN])),
            "-9223372036854775808",
            "-9223372036854775808",
        ),
        (
            "uint",
            Arc::new(UInt64Array::from(vec![u64::MAX])),
            "18446744073709551615",
            "18446744073709551615",
        ),
        (
            "float",
            Arc::new(Float64Array::from(vec![0.25])),
            "0.25",
            "0.25",
        ),
        (
            "nan",
            Arc::new(Float64Array::from(vec![f64::NAN])),
            "NaN",
            "null",
        ),
        (
            "bool",
            Arc::new(BooleanArray::from(vec![true])),
            "true",
            "true",
        ),
        (
            "text",
            Arc::new(StringArray::from(vec!["a,\"b"])),
            "a,\"b",
            "\"a,\\\"b\"",
        ),
        (
            "null",
            Arc::new(StringArray::from(vec![None::<&str>])),
            "",
            "null",
        ),
        (
            "date",
            Arc::new(Date32Array::from(vec![0])),
            "1970-01-01",
            "\"1970-01-01\"",
        ),
        (
            "time",
            Arc::new(TimestampMicrosecondArray::from(vec![1_500_000]).with_timezone("UTC")),
            "1970-01-01T00:00:01.500000Z",
            "\"1970-01-01T00:00:01.500000Z\"",
        ),
        (
            "list",
            Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>([Some([
                Some(1),
                None,
            ])])),
            "[1,null]",
            "[1,null]",
        ),
        (
            "struct",
            Arc::new(StructArray::from(vec![(
                Arc::new(Field::new("f", DataType::Float64, true)),
                Arc::new(Float64Array::from(vec![0.5])) as ArrayRef,
            )])),
            "{\"f\":0.5}",
            "{\"f\":0.5}",
        ),
    ];
    for (name, column, text, json) in columns {
        assert_eq!(cell(&column, 0).unwrap().display(), text, "{name}");
        let batch = RecordBatch::try_from_iter([(name, column)]).unwrap();
        let rows = json_rows(&batch).unwrap();
        assert_eq!(rows[0][name].to_string(), json, "{name}");
    }
}
