//! The small languages of the command line.

use lode_sdk::Input;
use lode_types::ColumnType;
use lode_types::Role;
use lode_types::Value;

use super::column_type;
use super::delimiter;
use super::input;
use super::input_role;
use super::out;
use super::param;
use super::role;

#[test]
fn parameters_are_json_or_text() {
    let value = |text: &str| param(text).unwrap().1;
    assert_eq!(value("k=8"), Value::Int(8));
    assert_eq!(value("k=-9223372036854775808"), Value::Int(i64::MIN));
    assert_eq!(
        value("k=9007199254740993"),
        Value::Int(9_007_199_254_740_993)
    );
    assert_eq!(value("l2=0.5"), Value::Float(0.5));
    assert_eq!(value("l2=1e3"), Value::Float(1000.0));
    assert_eq!(value("alpha=.1"), Value::Float(0.1));
    assert_eq!(value("x=-.25"), Value::Float(-0.25));
    assert_eq!(value("v=.1.2"), Value::Text(".1.2".to_owned()));
    assert_eq!(value("on=true"), Value::Bool(true));
    assert_eq!(value("on=yes"), Value::Text("yes".to_owned()));
    assert_eq!(value("on=\"true\""), Value::Text("true".to_owned()));
    assert_eq!(value("none=null"), Value::Null);
    assert_eq!(value("sql=a=b"), Value::Text("a=b".to_owned()));
    assert_eq!(
        value("exclude=[\"a\",1]"),
        Value::List(vec![Value::Text("a".to_owned()), Value::Int(1)])
    );
    assert!(
        param("k=18446744073709551615")
            .unwrap_err()
            .contains("below 2^63")
    );
    for wrong in ["k", "=1", "k="] {
        assert!(param(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn inputs() {
    let named = |text: &str| {
        let arg = input(text).unwrap();
        (arg.name, arg.input)
    };
    let events = Some("events".to_owned());
    assert_eq!(
        named("events=retail"),
        (events.clone(), Input::dataset("retail"))
    );
    assert_eq!(named("retail"), (None, Input::dataset("retail")));
    assert_eq!(
        named("events=sql:select * from t where a = 1"),
        (events.clone(), Input::sql("select * from t where a = 1"))
    );
    assert_eq!(
        named("sql:select a from t where a=1"),
        (None, Input::sql("select a from t where a=1"))
    );
    assert_eq!(
        named("sql:\"select \"A\" from t\""),
        (None, Input::sql("select \"A\" from t"))
    );
    assert_eq!(
        named("events=output:job-1/rfm"),
        (events, Input::output("job-1", "rfm"))
    );
    for wrong in ["", "=retail", "events=", "output:job"] {
        assert!(input(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn roles() {
    assert_eq!(
        role("customer_id=Customer ID").unwrap(),
        (Role::CustomerId, "Customer ID".to_owned())
    );
    let error = role("customer=x").unwrap_err();
    assert!(
        error.starts_with("expected one of the roles customer_id,"),
        "{error}"
    );
    let arg = input_role("events.amount=Total").unwrap();
    assert_eq!(arg.input.as_deref(), Some("events"));
    assert_eq!((arg.role, arg.column.as_str()), (Role::Amount, "Total"));
    assert_eq!(input_role("label=Churn").unwrap().input, None);
}

#[test]
fn types_files_and_separators() {
    assert_eq!(
        column_type("a=b=string").unwrap(),
        ("a=b".to_owned(), ColumnType::String)
    );
    assert!(column_type("a=text").unwrap_err().contains("bool, int64"));
    assert_eq!(out("scores=a/b.csv").unwrap().0, "scores");
    assert!(
        out("scores=b.xlsx")
            .unwrap_err()
            .contains(".csv, .json or .arrow")
    );
    assert_eq!(delimiter("tab").unwrap(), b'\t');
    assert_eq!(delimiter(";").unwrap(), b';');
    assert!(delimiter(";;").is_err() && delimiter("\"").is_err());
}
