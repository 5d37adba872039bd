//! Tables that no one should send, given to every algorithm: a result of finite numbers, or an
//! error that names the column.
//!
//! Boosting runs small: what is asked is whether it stands, not what it finds.

use std::sync::Arc;

use lode_plugin::Algorithm;
use lode_plugin::Error;
use lode_plugin::Role;
use lode_plugin::arrow_array::ArrayRef;
use lode_plugin::arrow_array::BooleanArray;
use lode_plugin::arrow_array::Date32Array;
use lode_plugin::arrow_array::Float64Array;
use lode_plugin::arrow_array::RecordBatch;
use lode_plugin::arrow_array::StringArray;
use lode_plugin::testing;

use crate::Predict;
use crate::families::Churn;
use crate::families::Credit;
use crate::families::Demand;
use crate::families::Response;
use crate::families::Value;
use crate::learners::Cox;
use crate::learners::Gbdt;
use crate::learners::GbdtAmount;
use crate::learners::Hazard;
use crate::learners::Linear;
use crate::learners::Logistic;
use crate::learners::Scorecard;
use crate::learners::Tree;
use crate::learners::TwoStage;
use crate::testdata::fit;
use crate::testdata::floats;
use crate::testdata::score;
use crate::testdata::with;

const QUICK: &str = r#"{"members": 1, "repeats": 1, "max_depth": 2, "max_rounds": 5}"#;

/// What a table must lead to.
#[derive(Clone, Copy, Debug)]
enum Must {
    /// A model whose scores are finite.
    Fit,
    /// An error that names this column.
    Refuse(&'static str),
    /// Either, by the kind of algorithm.
    Either(&'static str),
}

/// A kind of customers' table.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Label {
    YesNo,
    Amount,
}

/// `n` customers with numbers, words, durations, amounts and yes or no.
fn table(label: Label, n: usize) -> RecordBatch {
    let row = |f: &dyn Fn(usize) -> f64| -> ArrayRef {
        Arc::new(Float64Array::from_iter_values((0..n).map(f)))
    };
    let ids: ArrayRef = Arc::new(StringArray::from_iter_values(
        (0..n).map(|row| format!("c{row}")),
    ));
    let plans = (0..n).map(|row| ["a", "b", "c"][row % 3]);
    let plans: ArrayRef = Arc::new(StringArray::from_iter_values(plans));
    let (name, labels): (&str, ArrayRef) = match label {
        Label::YesNo => {
            let left = (0..n).map(|row| Some((row * 7 + row / 5) % 4 == 0));
            ("left", Arc::new(left.collect::<BooleanArray>()))
        }
        Label::Amount => (
            "left",
            row(&|row| if row % 3 == 0 { 0.0 } else { (row % 17) as f64 }),
        ),
    };
    testing::batch(&[
        ("id", Some(Role::CustomerId), ids),
        ("x", None, row(&|row| (row % 13) as f64)),
        ("z", None, row(&|row| (row % 7) as f64 - 2.0)),
        ("plan", None, plans),
        (
            "days",
            Some(Role::Duration),
            row(&|row| 1.0 + (row % 11) as f64),
        ),
        (name, Some(Role::Label), labels),
    ])
}

/// The rows with one number of a column changed.
fn planted(batch: &RecordBatch, column: &str, value: f64) -> RecordBatch {
    let mut values = floats(batch, column);
    values[5] = value;
    with(batch, column, Arc::new(Float64Array::from(values)))
}

/// Each bad table, and what it must lead to.
fn cases(label: Label, is_timed: bool) -> Vec<(&'static str, RecordBatch, Must)> {
    let n = 120;
    let whole = table(label, n);
    let number = |value: Option<f64>| -> ArrayRef { Arc::new(Float64Array::from(vec![value; n])) };
    let constant = with(&whole, "x", number(Some(3.0)));
    let constant = with(&constant, "z", number(Some(-1.0)));
    let same: ArrayRef = Arc::new(StringArray::from(vec!["a"; n]));
    let words = (0..n).map(|row| format!("w{row}"));
    let words: ArrayRef = Arc::new(StringArray::from_iter_values(words));
    let mut cases = vec![
        ("constant columns", with(&constant, "plan", same), Must::Fit),
        ("a null column", with(&whole, "z", number(None)), Must::Fit),
        ("a word a row", with(&whole, "plan", words), Must::Fit),
        ("one row", whole.slice(0, 1), Must::Either("left")),
        ("no row", whole.slice(0, 0), Must::Refuse("customers")),
        ("NaN", planted(&whole, "z", f64::NAN), Must::Fit),
        ("1e99", planted(&whole, "z", 1e99), Must::Fit),
        ("1e308", planted(&whole, "z", 1e308), Must::Refuse("z")),
        ("-1e308", planted(&whole, "x", -1e308), Must::Refuse("x")),
        (
            "infinity",
            planted(&whole, "z", f64::INFINITY),
            Must::Refuse("z"),
        ),
    ];
    match label {
        Label::YesNo => {
            let one: ArrayRef = Arc::new(BooleanArray::from(vec![true; n]));
            cases.push(("one class", with(&whole, "left", one), Must::Refuse("left")));
            let none: ArrayRef = Arc::new(BooleanArray::from(vec![None; n]));
            cases.push(("no label", with(&whole, "left", none), Must::Refuse("left")));
            let yes = |row: usize| if row.is_multiple_of(3) { 1.0 } else { 0.0 };
            let some = |row: usize| {
                if row.is_multiple_of(4) {
                    f64::NAN
                } else {
                    yes(row)
                }
            };
            let nans = Float64Array::from_iter_values((0..n).map(some));
            cases.push((
                "NaN labels",
                with(&whole, "left", Arc::new(nans)),
                Must::Fit,
            ));
        }
        Label::Amount => {
            cases.push((
                "one amount",
                with(&whole, "left", number(Some(4.0))),
                Must::Either("left"),
            ));
            cases.push((
                "no label",
                with(&whole, "left", number(None)),
                Must::Refuse("left"),
            ));
            cases.push(("a NaN label", planted(&whole, "left", f64::NAN), Must::Fit));
            cases.push((
                "a label of 1e308",
                planted(&whole, "left", 1e308),
                Must::Refuse("left"),
            ));
        }
    }
    if is_timed {
        let endless = planted(&whole, "days", f64::INFINITY);
        cases.push(("an endless duration", endless, Must::Refuse("days")));
        let long = planted(&whole, "days", 1e308);
        cases.push(("a duration of 1e308", long, Must::Refuse("days")));
        let negative = planted(&whole, "days", -1.0);
        cases.push(("a negative duration", negative, Must::Refuse("days")));
        let unknown = planted(&whole, "days", f64::NAN);
        cases.push(("an unknown duration", unknown, Must::Fit));
    }
    cases
}

/// The field or the words of an error that the sender can mend.
fn told(error: &Error) -> Option<String> {
    match error {
        Error::Invalid { field, message } => Some(format!("{field}: {message}")),
        _ => None,
    }
}

fn check<A: Algorithm>(params: &str, label: Label, is_timed: bool) {
    let whole = table(label, 120);
    let model = fit::<A>(params, &whole).unwrap();
    for (what, batch, must) in cases(label, is_timed) {
        let id = A::ID;
        match (fit::<A>(params, &batch), must) {
            (Ok(fit), Must::Fit | Must::Either(_)) => {
                for column in ["score", "margin", "base"] {
                    let numbers = floats(fit.table("scores"), column);
                    let odd = numbers.iter().find(|number| !number.is_finite());
                    assert_eq!(odd, None, "{id} of {what}: {column}");
                }
                // What it wrote can be read.
                let again = score::<A>(params, &fit, &whole).unwrap();
                assert!(
                    floats(&again, "score")
                        .iter()
                        .all(|score| score.is_finite()),
                    "{id} {what}"
                );
            }
            (Err(error), Must::Refuse(column) | Must::Either(column)) => {
                let words = told(&error);
                let words = words.unwrap_or_else(|| panic!("{id} of {what}: {error:?}"));
                assert!(words.contains(column), "{id} of {what}: {words}");
            }
            (Err(error), Must::Fit) => panic!("{id} of {what}: {error:?}"),
            (Ok(_), Must::Refuse(_)) => panic!("{id} of {what} was taken"),
        }
        // What a fit refuses of a feature a score refuses too, and takes what it takes.
        let is_feature = matches!(must, Must::Refuse("x" | "z"));
        match score::<A>(params, &model, &batch) {
            Ok(answer) => {
                assert!(!is_feature, "{id} scored {what}");
                let scores = floats(&answer, "score");
                assert!(
                    scores.iter().all(|score| score.is_finite()),
                    "{id} scored {what}"
                );
            }
            Err(error) => {
                let words = told(&error);
                assert!(words.is_some(), "{id} scores {what}: {error:?}");
            }
        }
    }
}

/// `n` customers, each with a word of its own.
fn check_many<A: Algorithm>(params: &str, label: Label, n: usize) {
    let words = (0..n).map(|row| format!("w{row}"));
    let words: ArrayRef = Arc::new(StringArray::from_iter_values(words));
    let fit = fit::<A>(params, &with(&table(label, n), "plan", words)).unwrap();
    let scores = floats(fit.table("scores"), "score");
    assert!(scores.iter().all(|score| score.is_finite()), "{}", A::ID);
    let mut log = fit.log.iter();
    let warned = log.any(|(_, words)| words.contains(&format!("\"plan\" has {n} values")));
    assert!(warned, "{}", A::ID);
}

#[test]
fn regressions_stand_bad_tables() {
    check::<Predict<Churn, Logistic>>("{}", Label::YesNo, false);
    check::<Predict<Response, Logistic>>("{}", Label::YesNo, false);
    check::<Predict<Demand, Logistic>>("{}", Label::YesNo, false);
    check::<Predict<Credit, Logistic>>("{}", Label::YesNo, false);
    check::<Predict<Value, Linear>>("{}", Label::Amount, false);
    check::<Predict<Credit, Scorecard>>("{}", Label::YesNo, false);
}

#[test]
fn trees_stand_bad_tables() {
    check::<Predict<Churn, Tree>>("{}", Label::YesNo, false);
    check::<Predict<Response, Tree>>("{}", Label::YesNo, false);
    check::<Predict<Churn, Gbdt>>(QUICK, Label::YesNo, false);
    check::<Predict<Response, Gbdt>>(QUICK, Label::YesNo, false);
    check::<Predict<Demand, Gbdt>>(QUICK, Label::YesNo, false);
    check::<Predict<Value, GbdtAmount>>(QUICK, Label::Amount, false);
    check::<Predict<Value, TwoStage>>(QUICK, Label::Amount, false);
}

#[test]
fn learners_of_times_stand_bad_tables() {
    check::<Predict<Churn, Cox>>("{}", Label::YesNo, true);
    check::<Predict<Churn, Hazard>>("{}", Label::YesNo, true);
}

#[test]
fn a_word_a_customer_is_no_trouble() {
    check_many::<Predict<Churn, Logistic>>("{}", Label::YesNo, 100_000);
    check_many::<Predict<Churn, Tree>>("{}", Label::YesNo, 20_000);
    check_many::<Predict<Churn, Gbdt>>(QUICK, Label::YesNo, 20_000);
    check_many::<Predict<Churn, Cox>>("{}", Label::YesNo, 20_000);
    check_many::<Predict<Churn, Hazard>>("{}", Label::YesNo, 20_000);
    check_many::<Predict<Credit, Scorecard>>("{}", Label::YesNo, 20_000);
    check_many::<Predict<Value, Linear>>("{}", Label::Amount, 100_000);
    check_many::<Predict<Value, GbdtAmount>>(QUICK, Label::Amount, 20_000);
    check_many::<Predict<Value, TwoStage>>(QUICK, Label::Amount, 20_000);
}

#[test]
fn columns_of_no_use_or_of_words_among_numbers_are_named() {
    let whole = table(Label::YesNo, 120);
    let words = (0..120).map(|row| match row {
        7 => "inf".to_owned(),
        row => row.to_string(),
    });
    let words: ArrayRef = Arc::new(StringArray::from_iter_values(words));
    let dates: ArrayRef = Arc::new(Date32Array::from_iter_values(0..120));
    let batch = with(&with(&whole, "plan", words), "z", dates);
    let found = fit::<Predict<Churn, Logistic>>("{}", &batch).unwrap();
    let said = |words: &str| found.log.iter().any(|(_, line)| line.contains(words));
    assert!(said("column \"z\" is not used: a date"), "{:?}", found.log);
    assert!(
        said("119 of its 120 values are numbers: \"inf\" is none"),
        "{:?}",
        found.log
    );
    // Words and numbers as they should be are not spoken of.
    let found = fit::<Predict<Churn, Logistic>>("{}", &whole).unwrap();
    assert!(found.log.is_empty(), "{:?}", found.log);
}
