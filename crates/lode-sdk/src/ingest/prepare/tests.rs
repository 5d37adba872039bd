//! Roles and types that the caller says go over those that were guessed.

use std::collections::BTreeMap;

use lode_types::Column;
use lode_types::ColumnType;
use lode_types::DatasetKind;
use lode_types::Role;
use lode_types::Schema;

use super::check_existing;
use super::with_roles;
use super::with_settings;
use crate::Dataset;
use crate::Lode;
use crate::Options;

fn guessed() -> Schema {
    Schema::new(vec![
        Column::new("CustomerID", ColumnType::Int64),
        Column::new("user", ColumnType::String).with_role(Role::CustomerId),
        Column::new("when", ColumnType::Timestamp).with_role(Role::EventTime),
        Column::new("sum", ColumnType::Float64),
    ])
    .unwrap()
}

fn roles(schema: &Schema) -> Vec<Option<Role>> {
    schema.columns().iter().map(|column| column.role).collect()
}

#[test]
fn a_role_moves_to_its_column() {
    let said = [
        (Role::CustomerId, "CustomerID".to_owned()),
        (Role::Amount, "sum".to_owned()),
    ];
    let schema = with_roles(&guessed(), &said).unwrap();
    assert_eq!(
        roles(&schema),
        [
            Some(Role::CustomerId),
            None,
            Some(Role::EventTime),
            Some(Role::Amount)
        ]
    );
    assert_eq!(with_roles(&schema, &said).unwrap(), schema);
}

#[test]
fn an_unknown_column_is_named_with_those_there_are() {
    let error = with_roles(&guessed(), &[(Role::Item, "sku".to_owned())]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "expected one of the columns CustomerID, user, when, sum, found \"sku\""
    );
}

#[test]
fn a_role_that_does_not_fit_the_type_is_refused() {
    let error = with_roles(&guessed(), &[(Role::EventTime, "sum".to_owned())]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "role event_time on column \"sum\": expected type timestamp or date, found float64"
    );
}

#[tokio::test]
async fn types_names_and_keys_of_a_new_dataset() {
    let lode = Lode::lazy("127.0.0.1:1", Options::default()).unwrap();
    let ingest = lode
        .ingest("people")
        .map_column("CustomerID", "id")
        .column_type("id", ColumnType::String)
        .column_type("when", ColumnType::String)
        .role(Role::CustomerId, "id");
    let schema = with_settings(guessed(), DatasetKind::Customers, &ingest.settings).unwrap();
    let id = schema.column("id").unwrap();
    assert_eq!(id.column_type, ColumnType::String);
    assert!(!id.nullable);
    assert_eq!(schema.column("when").unwrap().role, None);
}

#[tokio::test]
async fn what_is_fixed_cannot_be_said_otherwise() {
    let found = Dataset {
        dataset: "d".to_owned(),
        display_name: String::new(),
        kind: DatasetKind::Events,
        schema: guessed(),
        rows: 0,
        bytes: 0,
        version: 0,
        labels: BTreeMap::new(),
        lost_parts: Vec::new(),
        create_time: None,
        update_time: None,
    };
    let lode = Lode::lazy("127.0.0.1:1", Options::default()).unwrap();
    let load = || lode.ingest("d");
    let check = |load: crate::Ingest| check_existing(&found, &load.settings);
    check(
        load()
            .kind(DatasetKind::Events)
            .column_type("sum", ColumnType::Float64),
    )
    .unwrap();
    let error = |load| check(load).unwrap_err().to_string();
    assert_eq!(
        error(load().kind(DatasetKind::Customers)),
        "expected events, which dataset d has, found customers"
    );
    assert_eq!(
        error(load().column_type("sum", ColumnType::Int64)),
        "expected float64, which column sum has, found sum=int64"
    );
    assert_eq!(
        error(load().column_type("x", ColumnType::Int64)),
        "expected a column of dataset d, found x=int64"
    );
}
