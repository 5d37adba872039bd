//! CSV chunks.

use std::collections::BTreeMap;

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::Decimal128Type;
use arrow_schema::DataType;
use lode_types::Column;
use lode_types::ColumnType;
use lode_types::DatasetKind;
use lode_types::Failure;
use lode_types::Role;
use lode_types::Schema;

use super::decoder;
use super::header;
use super::options;
use super::rows;
use super::schema;
use crate::CsvOptions;
use crate::Decoded;
use crate::Decoder;
use crate::Format;

fn decode(data: &[u8]) -> Decoded {
    let options = CsvOptions {
        header: header(),
        delimiter: b',',
    };
    decoder(Some(&options)).decode(Format::Csv, data).unwrap()
}

#[test]
fn good_rows_of_every_type() {
    let decoded = decode(
        b"\xef\xbb\xbfa,1,2.5,true,2010-12-01 08:26:00,2010-12-01,\"x, \"\"y\"\"\nz\"\r\n\
          b, -2.0 , 3 , NO ,2010-12-01T08:26:00+01:00,20101201, kept as is \r\n\
          \r\n\
          c,,  ,\t,,,\r\n\
          d,3,nan,1,,,gr\xc3\xbcn",
    );
    assert_eq!(decoded.rejected, []);
    assert_eq!(decoded.batch.schema().as_ref(), &schema().to_arrow());
    assert_eq!(
        rows(&decoded.batch),
        [
            r#""a" 1 2.5 true 2010-12-01T08:26:00 2010-12-01 "x, \"y\"\nz""#,
            r#""b" -2 3.0 false 2010-12-01T07:26:00 2010-12-01 " kept as is ""#,
            r#""c" - - - - - -"#,
            r#""d" 3 - true - - "grün""#,
        ]
    );
}

/// Every text of cents is kept as it is, and what would be rounded is set aside with its reason.
#[test]
fn money_is_exact() {
    let schema = Schema::new(vec![
        Column::new("id", ColumnType::String).with_role(Role::CustomerId),
        Column::new("paid", ColumnType::decimal(9, 2).unwrap()).with_role(Role::Amount),
    ])
    .unwrap();
    let csv = options(&["id", "paid"], b',');
    let decoder = Decoder::new(&schema, DatasetKind::Events, &BTreeMap::new(), Some(&csv)).unwrap();
    let mut text = String::new();
    let mut sum = 0;
    for cents in (-1_000_000..1_000_000_i64).step_by(997) {
        let sign = if cents < 0 { "-" } else { "" };
        let (whole, part) = (cents.abs() / 100, cents.abs() % 100);
        text.push_str(&format!("a,{sign}{whole}.{part:02}\n"));
        sum += i128::from(cents);
    }
    text.push_str("b,0.125\nc,\nd,12345678\ne,free\nf,1.10\nf,1.1\n");
    let decoded = decoder.decode(Format::Csv, text.as_bytes()).unwrap();
    let column = decoded.batch.column(1).as_primitive::<Decimal128Type>();
    let found: i128 = column.iter().flatten().sum();
    assert_eq!(found, sum + 220);
    assert_eq!(column.data_type(), &DataType::Decimal128(9, 2));
    assert_eq!(decoded.repeated_rows, 1);
    let rejected: Vec<_> = decoded
        .rejected
        .iter()
        .map(|row| (row.column.as_str(), row.reason, row.message.as_str()))
        .collect();
    assert_eq!(
        rejected,
        [
            (
                "paid",
                "TOO_MANY_DECIMALS",
                "expected at most 2 digits after the point (decimal(9,2)), found \"0.125\""
            ),
            (
                "paid",
                "OUT_OF_RANGE",
                "expected at most 7 digits before the point (decimal(9,2)), found \"12345678\""
            ),
            (
                "paid",
                "NOT_A_NUMBER",
                "expected a number such as 12.5, found \"free\""
            ),
        ]
    );
}

#[test]
fn bad_rows_are_set_aside_and_good_rows_keep_their_order() {
    let long = "k".repeat(513);
    let text = format!(
        "a,1,,,,,first\n\
         b,C536379,1.5,,,,\n\
         c,1.5,,,,,\n\
         d,,abc,,,,\n\
         e,,1e999,,,,\n\
         f,,,maybe,,,\n\
         g,,,,12/1/2010 8:26,,\n\
         h,,,,,2010-02-30,\n\
         ,,,,,,no customer\n\
         i,9223372036854775808,,,,,\n\
         j,1\n\
         k,1,2,true,,,x,y\n\
         {long},,,,,,\n\
         z,2,,,,,last\n"
    );
    let mut data = text.into_bytes();
    data.extend_from_slice(b"m,,,,,,\xff\n");
    let decoded = decode(&data);
    assert_eq!(
        rows(&decoded.batch),
        [r#""a" 1 - - - - "first""#, r#""z" 2 - - - - "last""#]
    );
    let rejected: Vec<_> = decoded
        .rejected
        .iter()
        .map(|r| (r.row, r.column.as_str(), r.reason))
        .collect();
    assert_eq!(
        rejected,
        [
            (1, "n", "NOT_AN_INTEGER"),
            (2, "n", "NOT_AN_INTEGER"),
            (3, "x", "NOT_A_NUMBER"),
            (4, "x", "OUT_OF_RANGE"),
            (5, "ok", "NOT_A_BOOL"),
            (6, "at", "NOT_A_TIMESTAMP"),
            (7, "day", "NOT_A_DATE"),
            (8, "id", "MISSING_VALUE"),
            (9, "n", "OUT_OF_RANGE"),
            (10, "", "WRONG_FIELD_COUNT"),
            (11, "", "WRONG_FIELD_COUNT"),
            (12, "id", "KEY_TOO_LONG"),
            (14, "note", "NOT_UTF8"),
        ]
    );
    let first = &decoded.rejected[0];
    assert_eq!(first.message, r#"expected a whole number, found "C536379""#);
    assert_eq!(
        first.row_json,
        r#"{"id":"b","n":"C536379","x":"1.5","ok":"","at":"","day":"","note":""}"#
    );
    assert_eq!(decoded.rejected[9].message, "expected 7 fields, found 2");
    assert_eq!(
        decoded.rejected[10].row_json,
        r#"{"id":"k","n":"1","x":"2","ok":"true","at":"","day":"","note":"x","field_8":"y"}"#
    );
}

#[test]
fn a_row_is_kept_as_whole_json_of_3_kib_at_most() {
    for filler in ["x", "\u{1}", "\"", "ü", "\\n"] {
        let long = filler.repeat(5000).replace('"', "\"\"");
        let decoded = decode(format!("a,b,\"{long}\",,,,\n").as_bytes());
        let json = &decoded.rejected[0].row_json;
        assert!((3000..=3072).contains(&json.len()), "{}", json.len());
        let value: serde_json::Value = serde_json::from_str(json).unwrap();
        let kept = value["x"].as_str().unwrap();
        assert!(filler.repeat(5000).starts_with(kept) && kept.len() > 400);
    }
    let decoded = decode(format!("a,b,{},,,,\n", "x".repeat(3040)).as_bytes());
    let value: serde_json::Value = serde_json::from_str(&decoded.rejected[0].row_json).unwrap();
    assert_eq!(value["n"], "b");
}

#[test]
fn a_quote_that_is_never_closed_is_pointed_out() {
    let mut text = String::from("a,1,,,,,\"oops\n");
    for i in 0..30 {
        text.push_str(&format!("b{i},1,,,,,\n"));
    }
    // Quotes pair up across lines, so the record ends where the chunk does.
    let decoded = decode(text.as_bytes());
    assert_eq!(decoded.batch.num_rows() + decoded.rejected.len(), 1);
    let options = options(&["id", "n"], b',');
    let decoder = decoder(Some(&options));
    let decoded = decoder.decode(Format::Csv, text.as_bytes()).unwrap();
    let message = &decoded.rejected[0].message;
    assert_eq!(
        message,
        "expected 2 fields, found 7; the record spans 31 lines: is a quote never closed?"
    );
}

#[test]
fn repeated_rows_are_counted_and_kept() {
    let decoded = decode(
        b"a,1,0.0,,,,x\na,1,0.0,,,,x\na,1,-0.0,,,,x\na,1,0.0,,,,\na,1,0.0,,,,\nb,1,0.0,,,,x\na,2,0,,,,x\n",
    );
    assert_eq!(decoded.batch.num_rows(), 7);
    assert_eq!(decoded.repeated_rows, 3);
}

#[test]
fn many_rows_repeat_as_a_set_says() {
    let mut seen = std::collections::HashSet::new();
    let mut text = String::new();
    let mut expected = 0;
    let mut state = 7_u64;
    for _ in 0..5000 {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let line = format!(
            "c{},{},,,,,t{}\n",
            state >> 60,
            (state >> 40) % 16,
            (state >> 30) % 8
        );
        expected += u64::from(!seen.insert(line.clone()));
        text.push_str(&line);
    }
    assert_eq!(decode(text.as_bytes()).repeated_rows, expected);
}

#[test]
fn columns_are_mapped_and_absent_ones_are_null() {
    let mapping = BTreeMap::from([("customer".to_owned(), "id".to_owned())]);
    let options = options(&["\u{feff}note", "customer"], b';');
    let decoder = Decoder::new(&schema(), DatasetKind::Events, &mapping, Some(&options)).unwrap();
    let decoded = decoder.decode(Format::Csv, b"x;1\n;2\n;\n").unwrap();
    assert_eq!(
        rows(&decoded.batch),
        [r#""1" - - - - - "x""#, r#""2" - - - - - -"#]
    );
    assert_eq!(decoded.rejected[0].column, "id");
    assert_eq!(decoded.rejected[0].row_json, r#"{"note":"","customer":""}"#);
}

#[test]
fn headers_that_do_not_fit_are_refused() {
    let check = |header: &[&str], mapping: &[(&str, &str)], reason: &str, text: &str| {
        let options = options(header, b',');
        let mapping = mapping
            .iter()
            .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()));
        let error = Decoder::new(
            &schema(),
            DatasetKind::Events,
            &mapping.collect(),
            Some(&options),
        )
        .unwrap_err();
        assert_eq!(error.reason(), reason);
        assert!(error.to_string().contains(text), "{error}");
    };
    check(
        &["n"],
        &[],
        "MISSING_COLUMN",
        r#"column "id" is required: expected it among "n""#,
    );
    check(&["id", "N"], &[], "UNKNOWN_COLUMN", r#"found "N""#);
    check(&["id", ""], &[], "UNKNOWN_COLUMN", r#"found "column_2""#);
    check(&["id", "id"], &[], "DUPLICATE_COLUMN", "found two");
    check(
        &["id", "n"],
        &[("q", "x")],
        "UNKNOWN_COLUMN",
        r#"column_mapping names "q""#,
    );
    check(
        &["id", "n"],
        &[("n", "q")],
        "UNKNOWN_COLUMN",
        r#"found "q""#,
    );

    let error = decoder(None).decode(Format::Csv, b"a\n").unwrap_err();
    assert_eq!(error.reason(), "CSV_HEADER_MISSING");
    let options = options(&["id"], b'"');
    let error = Decoder::new(
        &schema(),
        DatasetKind::Events,
        &BTreeMap::new(),
        Some(&options),
    );
    assert_eq!(error.unwrap_err().reason(), "DELIMITER_INVALID");
}

#[test]
fn the_customer_of_a_customers_dataset_is_required_and_of_events_is_not() {
    let schema = Schema::new(vec![
        Column::new("who", ColumnType::String).with_role(Role::CustomerId),
        Column::new("n", ColumnType::Int64),
    ])
    .unwrap();
    let options = options(&["who", "n"], b',');
    let decode = |kind| {
        let decoder = Decoder::new(&schema, kind, &BTreeMap::new(), Some(&options)).unwrap();
        let decoded = decoder.decode(Format::Csv, b",1\na,2\n").unwrap();
        (decoded.batch.num_rows(), decoded.rejected.len())
    };
    assert_eq!(decode(DatasetKind::Events), (2, 0));
    assert_eq!(decode(DatasetKind::Customers), (1, 1));
}

#[test]
fn an_empty_chunk_has_no_rows() {
    let decoded = decode(b"");
    assert_eq!(decoded.batch.num_rows(), 0);
    assert_eq!(decoded.batch.num_columns(), 7);
}
