//! What people write is what the wire gets; the standard view follows the roles.

use lode_client::v1;
use lode_types::Column;
use lode_types::ColumnType;
use lode_types::DatasetKind;
use lode_types::Role;
use lode_types::Schema;
use lode_types::Value;

use super::*;
use crate::Dataset;
use crate::FeatureView;

#[test]
fn the_json_of_the_docs_is_read() {
    let text = r#"{
      "feature_view": "sales_standard",
      "rolling": {"last": "2011-09-01", "every": "1mo", "dates": 6},
      "horizon": "90d",
      "label": {"kind": "event", "filter": [{"column": "type", "in": ["sale", "gift"]}]},
      "where": [{"column": "recency", "at_most": 180}],
      "exclude_customers": ["staff"],
      "negatives": 3,
      "candidates": {"column": "group", "top": 5, "exclude_owned": true}
    }"#;
    let set = TrainingSet::from_json(text).unwrap();
    let wire = set.to_wire().unwrap();
    assert_eq!(
        wire.feature_view,
        "tenants/default/featureViews/sales_standard"
    );
    assert_eq!(wire.rolling.as_ref().unwrap().dates, 6);
    let label = wire.label.unwrap();
    assert_eq!(label.kind(), v1::LabelKind::Event);
    assert_eq!(label.filter[0].op(), v1::FeatureOp::In);
    assert_eq!(label.filter[0].values.len(), 2);
    assert_eq!(wire.r#where[0].op(), v1::FeatureOp::AtMost);
    assert_eq!(wire.exclude_customers, ["tenants/default/datasets/staff"]);
    assert_eq!(wire.candidates.unwrap().top, 5);
    // And it is written as it is read.
    let again = serde_json::to_string(&set).unwrap();
    assert_eq!(TrainingSet::from_json(&again).unwrap(), set);

    let refused = |text: &str| TrainingSet::from_json(text).unwrap_err().to_string();
    assert!(refused(r#"{"horizons": "9d"}"#).contains("unknown field `horizons`"));
    assert!(refused(r#"{"as_of": ["soon"]}"#).contains("expected a date or an instant"));
    let none = refused(r#"{"where": [{"column": "recency", "less": 3}]}"#);
    assert!(none.contains("expected one of at_least"), "{none}");
}

#[test]
fn conditions_are_read_as_people_type_them() {
    let read = |text: &str| Condition::parse(text).unwrap();
    let one = |column: &str, op: ConditionOp, value: Value| Condition {
        column: column.to_owned(),
        op,
        values: vec![value],
    };
    let text = |text: &str| Value::Text(text.to_owned());
    assert_eq!(
        read("recency<=180"),
        one("recency", ConditionOp::AtMost, Value::Int(180))
    );
    assert_eq!(
        read("spend > 2.5"),
        one("spend", ConditionOp::Above, Value::Float(2.5))
    );
    assert_eq!(
        read("plan!=a=b"),
        one("plan", ConditionOp::NotEquals, text("a=b"))
    );
    assert_eq!(
        read("open=true"),
        one("open", ConditionOp::Equals, Value::Bool(true))
    );
    assert_eq!(
        read("plan in gold|silver").values,
        [text("gold"), text("silver")]
    );
    let code = read("code=22423");
    assert_eq!(
        code.clone().of_type(ColumnType::String).values,
        [text("22423")]
    );
    assert_eq!(code.of_type(ColumnType::Int64).values, [Value::Int(22423)]);
    assert_eq!(read("recency<=180").to_string(), "recency<=180");
    for wrong in ["recency", "=3", "plan="] {
        assert!(
            Condition::parse(wrong)
                .unwrap_err()
                .contains("expected COLUMN=VALUE")
        );
    }
}

fn dataset(name: &str, kind: DatasetKind, columns: &[(&str, ColumnType, Option<Role>)]) -> Dataset {
    let columns = columns.iter().map(|(name, column_type, role)| Column {
        role: *role,
        ..Column::new(*name, *column_type)
    });
    Dataset {
        dataset: name.to_owned(),
        display_name: String::new(),
        kind,
        schema: Schema::new(columns.collect()).unwrap(),
        rows: 0,
        bytes: 0,
        version: 1,
        labels: Default::default(),
        create_time: None,
        update_time: None,
        lost_parts: Vec::new(),
    }
}

#[test]
fn the_standard_view_follows_the_roles() {
    let id = ("customer", ColumnType::String, Some(Role::CustomerId));
    let when = ("when", ColumnType::Timestamp, Some(Role::EventTime));
    let names = |spec: &FeatureViewSpec| -> Vec<String> {
        let features = spec.declaration["features"].as_array().unwrap();
        features
            .iter()
            .map(|f| f["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let plain = dataset("visits", DatasetKind::Events, &[id, when]);
    let spec = FeatureViewSpec::standard(&plain, None).unwrap();
    assert_eq!(spec.name, "visits_standard");
    let found = names(&spec);
    assert!(
        found.contains(&"events_90d".to_owned()) && found.contains(&"recency_by_gap".to_owned())
    );
    assert!(
        !found
            .iter()
            .any(|name| name.starts_with("spend") || name == "items")
    );

    let lines = dataset(
        "sales",
        DatasetKind::Events,
        &[
            id,
            when,
            ("invoice", ColumnType::String, Some(Role::Order)),
            ("code", ColumnType::String, Some(Role::Item)),
            ("n", ColumnType::Int64, Some(Role::Quantity)),
            ("price", ColumnType::Float64, Some(Role::UnitPrice)),
        ],
    );
    let people = [
        id,
        ("plan", ColumnType::String, None),
        ("left", ColumnType::Bool, Some(Role::Label)),
        ("recency", ColumnType::Int64, None),
    ];
    let undated = dataset("people", DatasetKind::Customers, &people);
    let spec = FeatureViewSpec::standard(&lines, Some(&undated)).unwrap();
    let found = names(&spec);
    for name in [
        "orders_30d",
        "spend_180d",
        "items_90d",
        "returns",
        "orders_90d_of_180d",
    ] {
        assert!(found.contains(&name.to_owned()), "{name} in {found:?}");
    }
    assert!(
        spec.left_out
            .unwrap()
            .contains("no column of role event_time")
    );
    assert!(spec.declaration.get("customers").is_none());

    let mut dated = people.to_vec();
    dated.push(("since", ColumnType::Date, Some(Role::EventTime)));
    let dated = dataset("people", DatasetKind::Customers, &dated);
    let spec = FeatureViewSpec::standard(&lines, Some(&dated)).unwrap();
    assert_eq!(names(&spec)[found.len()..], ["plan", "customer_recency"]);
    assert_eq!(spec.declaration["customers"], "people");
    assert!(spec.name.ends_with("_people_standard"), "{}", spec.name);
    assert_eq!(
        spec,
        FeatureViewSpec::standard(&lines, Some(&dated)).unwrap()
    );

    let nobody = dataset("clicks", DatasetKind::Events, &[when]);
    let error = FeatureViewSpec::standard(&nobody, None)
        .unwrap_err()
        .to_string();
    assert!(error.contains("expected a dataset of events with a column of role customer_id"));
}

#[test]
fn what_a_customer_spends_now_is_found_by_the_length_of_the_window() {
    let columns = [
        ("id", ColumnType::String, Some(Role::CustomerId)),
        ("at", ColumnType::Timestamp, Some(Role::EventTime)),
        ("amount", ColumnType::Float64, Some(Role::Amount)),
    ];
    let lines = dataset("lines", DatasetKind::Events, &columns);
    let view = |declaration: String| FeatureView {
        feature_view: "lines_standard".to_owned(),
        description: String::new(),
        events: vec!["lines".to_owned()],
        customers: String::new(),
        online: false,
        features: Vec::new(),
        declaration,
        create_time: None,
    };
    let standard = FeatureViewSpec::standard(&lines, None).unwrap();
    let standard = view(standard.declaration.to_string());
    let found = |horizon: &str| {
        let spend = standard.spend("lines", horizon).unwrap();
        (spend.feature, (spend.scale * 1e6).round() as i64)
    };
    assert_eq!(found("30d"), ("spend_30d".to_owned(), 1_000_000));
    assert_eq!(found("720h"), ("spend_30d".to_owned(), 1_000_000));
    assert_eq!(found("90d"), ("spend_90d".to_owned(), 1_000_000));
    // Nearest in proportion: 60 days are 2/3 of 90, 40 days 4/3 of 30.
    assert_eq!(found("60d"), ("spend_90d".to_owned(), 666_667));
    assert_eq!(found("40d"), ("spend_30d".to_owned(), 1_333_333));
    assert_eq!(found("1w"), ("spend_30d".to_owned(), 233_333));
    assert!(standard.spend("others", "30d").is_none());
    assert!(standard.spend("lines", "soon").is_none());
    // Neither a mean nor a part of the events is what a customer spends.
    let other = r#"{"events": ["lines"], "features": [
        {"name": "mean", "kind": "monetary", "params": {"stat": "mean", "window": "30d"}},
        {"name": "big", "kind": "monetary", "params": {"window": "30d"}, "filter": {"column": "amount", "above": 9}},
        {"name": "ever", "kind": "monetary"}, {"name": "recency", "kind": "recency"}]}"#;
    assert!(view(other.to_owned()).spend("lines", "30d").is_none());
}
