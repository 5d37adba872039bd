//! What the readers give: the same for any batching, nulls as stated, types as stated.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::BooleanArray;
use arrow_array::Date32Array;
use arrow_array::Decimal128Array;
use arrow_array::DictionaryArray;
use arrow_array::Float64Array;
use arrow_array::Int32Array;
use arrow_array::Int64Array;
use arrow_array::ListArray;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use arrow_array::StringViewArray;
use arrow_array::TimestampMicrosecondArray;
use arrow_array::TimestampSecondArray;
use arrow_array::types::Int32Type;
use arrow_schema::Field;
use lode_types::Failure;
use lode_types::Features;
use lode_types::Role;

use crate::Ids;
use crate::Inputs;
use crate::Table;
use crate::Values;
use crate::testing::batch;
use crate::testing::rebatch;
use crate::testing::with_option;

fn one(array: ArrayRef, role: Role) -> Table {
    Table::from(batch(&[("x", Some(role), array)]))
}

fn mixed(n: usize) -> RecordBatch {
    let ids = (0..n).map(|i| (i % 7 != 3).then(|| format!("c{}", (i * 37) % 101)));
    let items = (0..n).map(|i| (i % 5 != 1).then_some(((i * 53) % 211) as i64 - 100));
    let paid = (0..n).map(|i| (i % 11 != 0).then_some(i as f64 / 4.0));
    let at = (0..n).map(|i| (i % 13 != 0).then_some(i as i64 * 1_000_000));
    let city = (0..n).map(|i| (i % 4 != 0).then(|| ["Oslo", "Bern", "Rom"][i % 3]));
    batch(&[
        (
            "who",
            Some(Role::CustomerId),
            Arc::new(ids.collect::<StringArray>()),
        ),
        (
            "what",
            Some(Role::Item),
            Arc::new(items.collect::<Int64Array>()),
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
        ("city", None, Arc::new(city.collect::<StringArray>())),
        (
            "age",
            None,
            Arc::new((0..n).map(|i| Some(i as i64 % 90)).collect::<Int64Array>()),
        ),
        (
            "paper",
            None,
            Arc::new((0..n).map(|i| Some(i % 2 == 0)).collect::<BooleanArray>()),
        ),
    ])
}

#[test]
fn readers_do_not_see_batches() {
    let rows = mixed(500);
    let whole = Table::from(rows.clone());
    for size in [1, 3, 64, 499, 500, 1000] {
        let cut = rebatch(&rows, size);
        assert_eq!(cut.n_rows(), 500);
        for role in [Role::CustomerId, Role::Item] {
            assert_eq!(cut.ids(role).unwrap(), whole.ids(role).unwrap());
        }
        let bits = |table: &Table| -> Vec<u64> {
            let numbers = table.numbers(Role::Amount).unwrap();
            numbers.iter().map(|x| x.to_bits()).collect()
        };
        assert_eq!(bits(&cut), bits(&whole));
        assert_eq!(
            cut.times(Role::EventTime).unwrap(),
            whole.times(Role::EventTime).unwrap()
        );
        let features = cut.features(Features::All, &[]).unwrap();
        assert_eq!(features, whole.features(Features::All, &[]).unwrap());
    }
}

#[test]
fn ids_agree_with_a_naive_version() {
    let table = Table::from(mixed(300));
    let found = table.ids(Role::CustomerId).unwrap();
    let texts = table.require(Role::CustomerId).unwrap().texts().unwrap();
    let sorted: BTreeSet<&String> = texts.iter().flatten().collect();
    assert_eq!(
        found.names.iter().collect::<Vec<_>>(),
        sorted.into_iter().collect::<Vec<_>>()
    );
    for (code, text) in found.codes.iter().zip(&texts) {
        assert_eq!(found.name(*code), text.as_deref());
    }
    assert_eq!(found.code("c37"), Some(found.codes[1]));
    assert_eq!(found.code("nobody"), None);
}

#[test]
fn ids_sort_as_text_whatever_their_type() {
    let numbers = Int64Array::from(vec![Some(10), Some(9), None, Some(-1), Some(9)]);
    let expected = Ids {
        codes: vec![1, 2, Ids::NONE, 0, 2],
        names: vec!["-1".to_owned(), "10".to_owned(), "9".to_owned()],
    };
    assert_eq!(
        one(Arc::new(numbers), Role::Item).ids(Role::Item).unwrap(),
        expected
    );
    let texts = StringViewArray::from(vec![Some("10"), Some("9"), None, Some("-1"), Some("9")]);
    assert_eq!(
        one(Arc::new(texts), Role::Item).ids(Role::Item).unwrap(),
        expected
    );
    let words: DictionaryArray<Int32Type> = [Some("10"), Some("9"), None, Some("-1"), Some("9")]
        .into_iter()
        .collect();
    assert_eq!(
        one(Arc::new(words), Role::Item).ids(Role::Item).unwrap(),
        expected
    );
}

#[test]
fn numbers_of_every_numeric_type() {
    let ints = Int32Array::from(vec![Some(1), None]);
    let numbers = one(Arc::new(ints), Role::Quantity)
        .numbers(Role::Quantity)
        .unwrap();
    assert_eq!(numbers[..1], [1.0]);
    assert!(numbers[1].is_nan());
    let money = Decimal128Array::from(vec![12345])
        .with_precision_and_scale(10, 2)
        .unwrap();
    let numbers = one(Arc::new(money), Role::Amount)
        .numbers(Role::Amount)
        .unwrap();
    assert_eq!(numbers, [123.45]);
    let text = StringArray::from(vec!["12"]);
    let error = Inputs::new()
        .with("events", one(Arc::new(text), Role::Amount))
        .table("events")
        .and_then(|table| table.numbers(Role::Amount))
        .unwrap_err();
    assert_eq!(error.field(), "inputs.events.x");
    assert_eq!(error.reason(), "INPUT_INVALID");
    assert_eq!(error.to_string(), "expected a number, found Utf8");
}

#[test]
fn times_are_utc_micros() {
    let seconds = TimestampSecondArray::from(vec![Some(2), None]);
    let times = one(Arc::new(seconds), Role::EventTime)
        .times(Role::EventTime)
        .unwrap();
    assert_eq!(times, [Some(2_000_000), None]);
    let zoned = TimestampMicrosecondArray::from(vec![7]).with_timezone("UTC");
    let times = one(Arc::new(zoned), Role::EventTime)
        .times(Role::EventTime)
        .unwrap();
    assert_eq!(times, [Some(7)]);
    let days = Date32Array::from(vec![1]);
    let times = one(Arc::new(days), Role::EventTime)
        .times(Role::EventTime)
        .unwrap();
    assert_eq!(times, [Some(86_400_000_000)]);
}

#[test]
fn features_follow_the_spec() {
    let table = Table::from(mixed(6));
    let names = |which, exclude: &[String]| -> Vec<String> {
        let features = table.features(which, exclude).unwrap();
        features.into_iter().map(|f| f.name).collect()
    };
    assert_eq!(names(Features::All, &[]), ["city", "age", "paper"]);
    assert_eq!(names(Features::Numeric, &["age".to_owned()]), ["paper"]);
    assert!(names(Features::Ignored, &[]).is_empty());
    let features = table.features(Features::All, &[]).unwrap();
    assert_eq!(
        features[0].values,
        Values::Category {
            codes: vec![Ids::NONE, 0, 2, 1, Ids::NONE, 2],
            names: vec!["Bern".to_owned(), "Oslo".to_owned(), "Rom".to_owned()],
        }
    );
    assert_eq!(
        features[2].values,
        Values::Number(vec![1.0, 0.0, 1.0, 0.0, 1.0, 0.0])
    );
    let error = table
        .features(Features::All, &["gone".to_owned()])
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("expected a column named \"gone\""),
        "{error}"
    );
}

#[test]
fn lists_and_options() {
    let mut lists =
        arrow_array::builder::ListBuilder::new(arrow_array::builder::StringBuilder::new());
    lists.append_value([Some("a"), None, Some("b")]);
    lists.append_null();
    let lists: ListArray = lists.finish();
    let rows = batch(&[("session_items", None, Arc::new(lists))]);
    let table = Table::from(with_option(&rows, "explain", "true"));
    let read = table
        .require_named("session_items")
        .unwrap()
        .text_lists()
        .unwrap();
    assert_eq!(read, [vec!["a".to_owned(), "b".to_owned()], vec![]]);
    assert_eq!(table.option("explain"), Some("true"));
    assert_eq!(table.option("other"), None);
}

#[test]
fn a_batch_of_other_columns_is_refused() {
    let a = batch(&[("x", None, Arc::new(Int64Array::from(vec![1])))]);
    let b = batch(&[("y", None, Arc::new(Int64Array::from(vec![1])))]);
    assert!(Table::new(a.schema(), vec![a.clone(), b]).is_err());
    let renamed: Vec<Field> = vec![Field::new("x", arrow_schema::DataType::Int64, false)];
    let schema = Arc::new(arrow_schema::Schema::new(renamed));
    assert!(Table::new(schema, vec![a]).is_ok());
}
