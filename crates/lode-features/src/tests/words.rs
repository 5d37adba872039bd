//! Values in words, from the descriptions that views really have.

use super::ALL;
use super::schemas;
use crate::View;
use crate::ViewSpec;
use crate::words;

/// The words for a value of a column of the view with every kind.
fn said(column: &str, value: Option<&str>, typical: Option<&str>) -> String {
    let spec = ViewSpec::parse(ALL).expect("a declaration");
    let view = View::check(spec, &schemas()).expect("a view");
    let mut features = view.features().iter();
    let feature = features
        .find(|feature| feature.columns.iter().any(|(name, _)| name == column))
        .expect("a feature of the view");
    words(column, &feature.description, value, typical)
}

#[test]
fn each_kind_of_feature_has_words_of_its_own() {
    for (column, value, typical, expected) in [
        (
            "recency",
            "143.2",
            Some("20.4"),
            "no sale for 143 days (typical: 20 days)",
        ),
        (
            "recency",
            "2.5",
            Some("20"),
            "last sale 3 days ago (typical: 20 days)",
        ),
        ("recency", "0.2", None, "no sale for less than a day"),
        ("tenure", "400", Some("400.3"), "first sale 400 days ago"),
        ("orders", "1", Some("4"), "1 order in all (typical: 4)"),
        (
            "days",
            "3",
            Some("3"),
            "3 days with a sale in the last 40 days",
        ),
        ("events", "12", Some("1"), "12 sales in all (typical: 1)"),
        (
            "spend",
            "340.5",
            Some("12"),
            "total amount 340.5 in all (typical: 12)",
        ),
        (
            "mean_30d",
            "0.03125",
            None,
            "mean amount 0.0312 in the last 30 days",
        ),
        (
            "max_30d",
            "1234.56",
            None,
            "largest amount 1235 in the last 30 days",
        ),
        (
            "n_12h",
            "0",
            Some("2"),
            "0 sales in the last 12 hours (typical: 2)",
        ),
        (
            "trend_45d",
            "-0.5",
            Some("0"),
            "amount falls by 0.5 a day in the last 45 days (typical: 0)",
        ),
        ("gap", "14", None, "mean time between sales 14 days in all"),
        (
            "gap_last",
            "1",
            None,
            "time between the last two sales 1 day in all",
        ),
        (
            "items",
            "3",
            Some("1"),
            "3 different whats in the last 50 days (typical: 1)",
        ),
        (
            "share_n",
            "0.25",
            Some("0"),
            "25% of sales with type return in all (typical: 0%)",
        ),
        (
            "last_item",
            "mug",
            Some("cup"),
            "last what mug (typical: cup)",
        ),
        (
            "returns",
            "1",
            Some("0"),
            "1 sale with type return in all (typical: 0)",
        ),
        (
            "since_complaint",
            "3",
            Some("30"),
            "last sale with type complaint 3 days ago (typical: 30 days)",
        ),
        ("plan", "gold", Some("basic"), "plan gold (typical: basic)"),
        ("ratio", "0.5", None, "sum 30d by spend 0.5"),
        (
            "big",
            "7",
            None,
            "total amount with amount at least 5 and type one of sale, gift 7 in all",
        ),
    ] {
        assert_eq!(said(column, Some(value), typical), expected, "{column}");
    }
}

#[test]
fn quantity_by_unit_price_is_what_was_spent() {
    let said = |sentence: &str, value: &str| {
        let description = format!("{sentence} over the 30 days up to the as-of time, of sales");
        words("spend", &description, Some(value), Some("12"))
    };
    for (sentence, value, expected) in [
        (
            "Sum of Quantity x UnitPrice",
            "0",
            "spent 0 in the last 30 days (typical: 12)",
        ),
        (
            "Mean of Quantity x UnitPrice",
            "3.5",
            "mean amount 3.5 in the last 30 days (typical: 12)",
        ),
        (
            "Least-squares slope per day of Quantity x UnitPrice",
            "-2",
            "amount falls by 2 a day in the last 30 days (typical: 12)",
        ),
        // A column has a name of its own.
        (
            "Sum of Revenue",
            "7",
            "total revenue 7 in the last 30 days (typical: 12)",
        ),
    ] {
        assert_eq!(said(sentence, value), expected);
    }
    let all = "Sum of q x p over all time up to the as-of time, of sales, only events with q > 0";
    assert_eq!(
        words("s", all, Some("4"), None),
        "spent 4 with q above 0 in all"
    );
}

#[test]
fn no_value_is_said_too() {
    assert_eq!(said("recency", None, Some("3")), "never a sale");
    assert_eq!(
        said("since_complaint", None, None),
        "never a sale with type complaint"
    );
    assert_eq!(said("plan", None, None), "plan not known");
    assert_eq!(said("n_12h", None, None), "no sales in the last 12 hours");
}

#[test]
fn what_has_no_description_is_told_by_its_name() {
    for (name, value, expected) in [
        ("hotline_calls", Some("4"), "hotline calls: 4 (typical: 1)"),
        (
            "MonthlyCharges",
            Some("75.35"),
            "monthly charges: 75.35 (typical: 1)",
        ),
        ("customerID", None, "customer ID: not known"),
        (
            "SeniorCitizen",
            Some("true"),
            "senior citizen: yes (typical: 1)",
        ),
        ("tariff", Some("1"), "tariff: 1"),
        ("huge", Some("1e300"), "huge: 1e300 (typical: 1)"),
        ("", Some("NaN"), ": NaN (typical: 1)"),
    ] {
        assert_eq!(words(name, "", value, Some("1")), expected);
    }
    let strange = "A sentence over the moon, of cheese";
    assert_eq!(words("moon", strange, Some("2"), None), "moon: 2");
}
