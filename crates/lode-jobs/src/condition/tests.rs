//! What filters mean, which are refused, and where.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::BooleanArray;
use arrow_array::Decimal128Array;
use arrow_array::Float64Array;
use arrow_array::Int64Array;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use arrow_array::TimestampMicrosecondArray;
use lode_types::Column;
use lode_types::ColumnType;
use lode_types::Failure;
use lode_types::Schema;
use lode_types::Timestamp;

use super::Bound;
use super::Columns;
use super::Filter;
use super::Side;
use super::Sides;
use super::filter::Of;

fn schema(columns: &[(&str, ColumnType)]) -> Schema {
    let columns = columns.iter().map(|(name, kind)| Column::new(*name, *kind));
    Schema::new(columns.collect()).unwrap()
}

fn items() -> (Schema, RecordBatch) {
    let schema = schema(&[
        ("item", ColumnType::String),
        ("price", ColumnType::Float64),
        ("list price", ColumnType::Int64),
        ("adult", ColumnType::Bool),
        ("since", ColumnType::Timestamp),
        (
            "weight",
            ColumnType::Decimal {
                precision: 6,
                scale: 2,
            },
        ),
    ]);
    let day = |text: &str| Timestamp::parse(text).map(|time| time.0);
    let weights = Decimal128Array::from(vec![Some(150), Some(25), None, Some(9_999)]);
    let since = [
        day("2024-01-01"),
        day("2024-06-30"),
        None,
        day("2023-12-31"),
    ];
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(vec!["a", "b", "c", "d"])),
        Arc::new(Float64Array::from(vec![
            Some(1.0),
            Some(20.5),
            Some(3.0),
            None,
        ])),
        Arc::new(Int64Array::from(vec![Some(1), Some(30), None, Some(5)])),
        Arc::new(BooleanArray::from(vec![
            Some(true),
            Some(false),
            None,
            Some(false),
        ])),
        Arc::new(TimestampMicrosecondArray::from(since.to_vec()).with_timezone("UTC")),
        Arc::new(weights.with_precision_and_scale(6, 2).unwrap()),
    ];
    let batch = RecordBatch::try_new(Arc::new(schema.to_arrow()), columns).unwrap();
    (schema, batch)
}

fn customers() -> (Schema, RecordBatch) {
    let schema = schema(&[
        ("id", ColumnType::String),
        ("age", ColumnType::Int64),
        ("budget", ColumnType::Float64),
        ("do_not_contact", ColumnType::String),
    ]);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(vec!["old", "young", "ageless"])),
        Arc::new(Int64Array::from(vec![Some(40), Some(12), None])),
        Arc::new(Float64Array::from(vec![Some(3.0), Some(100.0), None])),
        Arc::new(StringArray::from(vec![Some("no"), Some("yes"), None])),
    ];
    let batch = RecordBatch::try_new(Arc::new(schema.to_arrow()), columns).unwrap();
    (schema, batch)
}

fn bind(text: &str) -> crate::Result<Bound> {
    let ((items, _), (customers, _)) = (items(), customers());
    let filter = Filter::parse(text).map_err(|wrong| super::bound::invalid(text, &wrong))?;
    let side = |name, schema| Some(Side { name, schema });
    Bound::new(
        &filter,
        Sides {
            items: side("things", &items),
            customers: side("people", &customers),
        },
    )
}

/// The items that pass for a customer, as one word.
fn passing(text: &str, customer: usize) -> String {
    let bound = bind(text).unwrap();
    let (items, customers) = (items().1, customers().1);
    let (items, customers) = (
        Columns::of(&items).unwrap(),
        Columns::of(&customers).unwrap(),
    );
    let bound = bound.for_customer(Some((&customers, customer)));
    let rows = (0..items.rows()).filter(|row| bound.holds(Some((&items, *row))));
    rows.map(|row| ["a", "b", "c", "d"][row]).collect()
}

#[test]
fn filters_pass_what_they_say() {
    for (filter, expected) in [
        ("price < 5", "ac"),
        ("PRICE_ is known or price < 5", ""),
        ("price at most 3 and price above 1", "c"),
        ("not price < 5", "b"),
        ("price >= 1 AND (item = b or item in (\"c\", 'x'))", "bc"),
        ("item not in (a, b)", "cd"),
        ("item is not a and item != b", "cd"),
        ("adult", "a"),
        ("not adult", "bd"),
        ("adult = no", "bd"),
        ("adult missing", "c"),
        ("not adult or adult missing", "bcd"),
        ("adult is known and not adult", "bd"),
        ("price is missing", "d"),
        ("price not missing", "abc"),
        ("\"list price\" between 1 and 5", "ad"),
        ("price < item.\"list price\"", "b"),
        ("since >= 2024-01-01", "ab"),
        ("since below 2024-06-30T00:00:00Z", "ad"),
        ("weight = 1.50 or weight = 99.99", "ad"),
        // Or binds less than and; not binds most.
        ("item = a or item = b and price > 100", "a"),
        ("not item = a and item = b", "b"),
        // What is missing is neither.
        ("price = 1 or not price = 1", "abc"),
        ("not (price > 2 and adult)", "abd"),
    ] {
        if filter.starts_with("PRICE_") {
            let refused = bind(filter).unwrap_err();
            assert_eq!(refused.reason(), "COLUMN_NOT_FOUND", "case counts");
            continue;
        }
        assert_eq!(passing(filter, 0), expected, "{filter}");
    }
}

#[test]
fn what_is_said_of_the_customer_is_settled_first() {
    for (filter, [old, young, ageless]) in [
        ("customer.age >= 18 or not adult", ["abcd", "bd", "bd"]),
        (
            "customer.age >= 18 or not adult or adult missing",
            ["abcd", "bcd", "bcd"],
        ),
        ("price <= customer.budget", ["ac", "abc", ""]),
        ("customer.budget >= item.price", ["ac", "abc", ""]),
        ("not customer.budget < item.price", ["ac", "abc", ""]),
        ("not customer.do_not_contact", ["abcd", "", ""]),
        (
            "customer.do_not_contact missing or not customer.do_not_contact",
            ["abcd", "", "abcd"],
        ),
        ("customer.age in (12, 13) and price < 5", ["", "ac", ""]),
    ] {
        let found = [0, 1, 2].map(|customer| passing(filter, customer));
        assert_eq!(found, [old, young, ageless], "{filter}");
    }
    let settled = |text: &str, row: Option<usize>| {
        let customers = Columns::of(&customers().1).unwrap();
        let bound = bind(text).unwrap();
        bound
            .for_customer(row.map(|row| (&customers, row)))
            .settled()
    };
    assert_eq!(
        settled("not customer.do_not_contact", Some(1)),
        Some(Some(false))
    );
    assert_eq!(settled("not customer.do_not_contact", None), Some(None));
    assert_eq!(settled("customer.age missing", None), Some(Some(true)));
    assert_eq!(
        settled("adult or customer.age > 3", Some(0)),
        Some(Some(true))
    );
    assert_eq!(settled("adult or customer.age > 50", Some(0)), None);
}

/// Truth is that of Kleene's three values: settling the customer first changes nothing.
#[test]
fn filters_that_mean_the_same_pass_the_same() {
    let parts = [
        "adult",
        "price > 2",
        "customer.age > 20",
        "customer.budget > item.price",
    ];
    for one in parts {
        for other in parts {
            for third in parts {
                for customer in 0..3 {
                    let same = |left: String, right: String| {
                        assert_eq!(
                            passing(&left, customer),
                            passing(&right, customer),
                            "{left} and {right}"
                        );
                    };
                    same(
                        format!("not ({one} and {other})"),
                        format!("not {one} or not {other}"),
                    );
                    same(
                        format!("{one} and ({other} or {third})"),
                        format!("{one} and {other} or {one} and {third}"),
                    );
                    same(format!("not not {one}"), one.to_owned());
                }
            }
        }
    }
}

#[test]
fn a_wrong_filter_says_where_and_what_was_expected() {
    for (filter, place, words) in [
        ("", 1, "expected a column"),
        ("price >", 8, "expected a value, found the end"),
        ("price > 3 price", 11, "expected \"and\", \"or\" or the end"),
        ("(price > 3", 11, "or \")\""),
        ("price in 3", 10, "expected \"(\""),
        ("price in (3; 4)", 12, "found ';'"),
        ("price in (3 4)", 13, "expected \",\" or \")\""),
        ("price and or adult", 11, "found \"or\""),
        ("item = \"a", 10, "close the one at 8"),
        ("price cheap", 7, "a comparison of column \"price\""),
        ("price between 1 or 3", 17, "the other end"),
        ("price > many", 9, "expected a number for column \"price\""),
        ("item > a", 1, "which is of words"),
        ("since = soon", 9, "a date or time"),
        ("adult = perhaps", 9, "yes, no, true or false"),
        ("price = item.adult", 9, "the same kind as \"price\""),
        ("since", 1, "which is of times"),
        ("customer. = 3", 11, "the name of a column"),
    ] {
        let refused = bind(filter).unwrap_err();
        assert_eq!(refused.reason(), "INVALID_FILTER", "{filter}");
        let message = refused.to_string();
        let at = format!("at letter {place}: ");
        assert!(message.contains(&at), "{filter}: {message}");
        assert!(message.contains(words), "{filter}: {message}");
    }
    for (filter, known) in [
        ("colour = red", "price, list price, adult"),
        ("customer.name = x", "id, age, budget"),
    ] {
        let refused = bind(filter).unwrap_err();
        assert_eq!(refused.reason(), "COLUMN_NOT_FOUND");
        assert!(refused.to_string().contains(known), "{refused}");
    }
    let deep = format!("{}adult{}", "(".repeat(60), ")".repeat(60));
    assert!(bind(&deep).unwrap_err().to_string().contains("at most 50"));
    let filter = Filter::parse("adult").unwrap();
    let refused = Bound::new(&filter, Sides::default()).unwrap_err();
    assert_eq!(refused.reason(), "NO_ITEMS");
    let filter = Filter::parse("price < customer.budget and x missing").unwrap();
    assert_eq!(
        filter.columns(Of::Item).into_iter().collect::<Vec<_>>(),
        ["price", "x"]
    );
}
