//! Values against chrono and against cases written out by hand.

use chrono::DateTime;
use chrono::Datelike;
use chrono::NaiveDate;
use lode_types::ColumnType;

use super::Problem;
use super::bool;
use super::cut;
use super::date;
use super::decimal;
use super::float;
use super::int;
use super::timestamp;

#[test]
fn whole_numbers() {
    let out_of_range = Err(Problem::OutOfRange(ColumnType::Int64));
    for (text, expected) in [
        ("0", Ok(0)),
        ("-17", Ok(-17)),
        ("+17", Ok(17)),
        ("007", Ok(7)),
        ("9223372036854775807", Ok(i64::MAX)),
        ("-9223372036854775808", Ok(i64::MIN)),
        ("9223372036854775808", out_of_range.clone()),
        ("99999999999999999999999", out_of_range.clone()),
        ("12346.0", Ok(12346)),
        ("12346.", Ok(12346)),
        ("9007199254740993.0", Ok(9_007_199_254_740_993)),
        ("1e3", Ok(1000)),
        ("1e300", out_of_range),
        ("12346.5", Err(Problem::NotAnInteger)),
        ("1,234", Err(Problem::NotAnInteger)),
        ("-", Err(Problem::NotAnInteger)),
        (".0", Ok(0)),
        ("inf", Err(Problem::NotAnInteger)),
        ("C536379", Err(Problem::NotAnInteger)),
    ] {
        assert_eq!(int(text.as_bytes()), expected, "{text}");
    }
}

#[test]
fn numbers() {
    assert_eq!(float(b"2.55"), Ok(Some(2.55)));
    assert_eq!(float(b"-1e-3"), Ok(Some(-0.001)));
    assert_eq!(float(b"12"), Ok(Some(12.0)));
    assert_eq!(float(b"NaN"), Ok(None));
    let out_of_range = Err(Problem::OutOfRange(ColumnType::Float64));
    assert_eq!(float(b"1e999"), out_of_range);
    assert_eq!(float(b"-inf"), out_of_range);
    assert_eq!(float(b"12 EUR"), Err(Problem::NotANumber));
    assert_eq!(float(b"\xff"), Err(Problem::NotUtf8));
}

#[test]
fn decimals_are_exact_or_refused() {
    let money = ColumnType::decimal(12, 2).unwrap();
    let too_large = Err(Problem::OutOfRange(money));
    let too_fine = Err(Problem::TooManyDecimals(money));
    for (text, expected) in [
        ("2.55", Ok(Some(255))),
        ("-2.5", Ok(Some(-250))),
        ("+7", Ok(Some(700))),
        (".5", Ok(Some(50))),
        ("5.", Ok(Some(500))),
        ("0.1000", Ok(Some(10))),
        ("0", Ok(Some(0))),
        ("-0.00", Ok(Some(0))),
        (
            "0000000000000000000000000000000000000000000000001.25",
            Ok(Some(125)),
        ),
        ("9999999999.99", Ok(Some(999_999_999_999))),
        ("-9999999999.99", Ok(Some(-999_999_999_999))),
        ("10000000000", too_large.clone()),
        (
            "99999999999999999999999999999999999999999999",
            too_large.clone(),
        ),
        ("0.001", too_fine.clone()),
        ("2.555", too_fine.clone()),
        ("1.5e1", Ok(Some(1500))),
        ("155E-2", Ok(Some(155))),
        ("1e-3", too_fine.clone()),
        ("0e-99999999999999999999", Ok(Some(0))),
        ("1e99999999999999999999", too_large),
        ("1e-99999999999999999999", too_fine),
        ("nan", Ok(None)),
        ("", Err(Problem::NotANumber)),
        (".", Err(Problem::NotANumber)),
        ("1e", Err(Problem::NotANumber)),
        ("1,5", Err(Problem::NotANumber)),
        ("12 EUR", Err(Problem::NotANumber)),
        ("--1", Err(Problem::NotANumber)),
        ("inf", Err(Problem::NotANumber)),
    ] {
        assert_eq!(decimal(text.as_bytes(), 12, 2), expected, "{text}");
    }
    let widest = "9".repeat(38);
    assert_eq!(
        decimal(widest.as_bytes(), 38, 0),
        Ok(Some(10_i128.pow(38) - 1))
    );
    let fraction = format!("-0.{widest}");
    assert_eq!(
        decimal(fraction.as_bytes(), 38, 38),
        Ok(Some(1 - 10_i128.pow(38)))
    );
}

#[test]
fn words_for_true_and_false() {
    for text in ["true", "TRUE", "True", "t", "1", "yes", "Y"] {
        assert_eq!(bool(text.as_bytes()), Ok(true), "{text}");
    }
    for text in ["false", "FALSE", "F", "0", "no", "n"] {
        assert_eq!(bool(text.as_bytes()), Ok(false), "{text}");
    }
    assert_eq!(bool(b"2"), Err(Problem::NotABool));
}

#[test]
fn every_day_of_two_centuries_agrees_with_chrono() {
    let mut day = NaiveDate::from_ymd_opt(1899, 12, 31).unwrap();
    while day.year() < 2101 {
        let days = i64::from(day.num_days_from_ce()) - 719_163;
        for text in [
            day.format("%Y-%m-%d").to_string(),
            day.format("%Y%m%d").to_string(),
        ] {
            assert_eq!(date(text.as_bytes()).map(i64::from), Ok(days), "{text}");
        }
        day = day.succ_opt().unwrap();
    }
}

#[test]
fn days_that_are_none() {
    for text in [
        "2011-02-29",
        "2100-02-29",
        "2011-13-01",
        "2011-00-01",
        "2011-04-31",
        "2011-1-01",
        "0000-01-01",
        "2011/01/01",
        "01-02-2011",
        "2011-01-01x",
        "201101",
        "",
        "2011-01-01 08:00:00",
    ] {
        assert_eq!(date(text.as_bytes()), Err(Problem::NotADate), "{text}");
    }
    assert_eq!(date(b"0001-01-01"), Ok(-719_162));
    assert_eq!(date(b"9999-12-31"), Ok(2_932_896));
    assert_eq!(date(b"2010-12-01 00:00:00"), date(b"2010-12-01"));
}

#[test]
fn times_agree_with_chrono() {
    for (text, rfc3339) in [
        ("2010-12-01 08:26:00", "2010-12-01T08:26:00Z"),
        ("2010-12-01 08:26", "2010-12-01T08:26:00Z"),
        ("2010-12-01T08:26:00.5", "2010-12-01T08:26:00.5Z"),
        ("2010-12-01 08:26:00.123456", "2010-12-01T08:26:00.123456Z"),
        (
            "2010-12-01 08:26:00.123456789",
            "2010-12-01T08:26:00.123456Z",
        ),
        ("2010-12-01T08:26:00Z", "2010-12-01T08:26:00Z"),
        ("2010-12-01T08:26:00+01:00", "2010-12-01T07:26:00Z"),
        ("2010-12-01T00:26:00+0530", "2010-11-30T18:56:00Z"),
        ("2010-12-01 23:26:00-08", "2010-12-02T07:26:00Z"),
        ("2010-12-01 08:26:00 UTC", "2010-12-01T08:26:00Z"),
        ("1969-12-31 23:59:59.999999", "1969-12-31T23:59:59.999999Z"),
        ("2010-12-01", "2010-12-01T00:00:00Z"),
    ] {
        let expected = DateTime::parse_from_rfc3339(rfc3339).unwrap();
        assert_eq!(
            timestamp(text.as_bytes()),
            Ok(expected.timestamp_micros()),
            "{text}"
        );
    }
    for text in [
        "12/1/2010 8:26",
        "2010-12-01 24:00:00",
        "2010-12-01 08:60:00",
        "2010-12-01 08:26:60",
        "2010-12-01 08",
        "2010-12-01 08:26:00.",
        "2010-12-01 08:26:00+25:00",
        "2010-12-01 08:26:00 CET",
        "2010-12-01  08:26",
        "noon",
        "9999-12-31T23:59:59-01:00",
    ] {
        assert_eq!(
            timestamp(text.as_bytes()),
            Err(Problem::NotATimestamp),
            "{text}"
        );
    }
}

#[test]
fn cutting_keeps_characters_whole() {
    assert_eq!(cut("grün", 3), "gr");
    assert_eq!(cut("grün", 4), "grü");
    assert_eq!(cut("grün", 40), "grün");
}
