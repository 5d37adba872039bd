//! Every role on every type that can carry it, the same for a seed, with what was promised.

use std::collections::BTreeSet;

use arrow_array::Array as _;
use arrow_array::cast::AsArray as _;
use lode_types::AlgorithmSpec;
use lode_types::Features;
use lode_types::InputColumn;
use lode_types::InputSpec;
use lode_types::Role;
use lode_types::Task;
use lode_types::role_of;

use super::inputs;
use super::question;

/// An algorithm that asks for all roles, with the n-th type of each.
fn spec(nth: usize, features: Features) -> AlgorithmSpec {
    let columns = Role::ALL.iter().map(|&role| InputColumn {
        role,
        optional: false,
        types: vec![role.types()[nth % role.types().len()]],
        description: String::new(),
    });
    AlgorithmSpec {
        id: "test.all".to_owned(),
        version: "1".to_owned(),
        title: String::new(),
        description: String::new(),
        task: Task::Churn,
        params_schema: "{}".to_owned(),
        inputs: vec![InputSpec {
            name: "rows".to_owned(),
            optional: false,
            description: String::new(),
            columns: columns.collect(),
            features,
        }],
        outputs: Vec::new(),
        model_format: Some(1),
        reads_formats: Vec::new(),
        models: Vec::new(),
        warm_start: false,
        merge: None,
        memory: lode_types::MemorySpec::default(),
    }
}

#[test]
fn every_role_is_there_in_the_declared_type_without_nulls() {
    for nth in 0..4 {
        let spec = spec(nth, Features::All);
        let made = inputs(&spec, 50, 7);
        let (name, batch) = &made[0];
        assert_eq!((name.as_str(), batch.num_rows()), ("rows", 50));
        let schema = batch.schema();
        for wanted in &spec.inputs[0].columns {
            let at = schema
                .fields()
                .iter()
                .position(|field| role_of(field) == Some(wanted.role));
            let at = at.unwrap_or_else(|| panic!("no column of role {}", wanted.role));
            assert_eq!(*schema.field(at).data_type(), wanted.types[0].to_arrow());
            assert_eq!(batch.column(at).null_count(), 0, "{}", wanted.role);
        }
        let features: Vec<_> = schema
            .fields()
            .iter()
            .filter(|field| role_of(field).is_none())
            .collect();
        assert_eq!(features.len(), 6);
        let missing = |name: &str| batch.column_by_name(name).unwrap().null_count();
        let missing: usize = features.iter().map(|field| missing(field.name())).sum();
        assert!((1..100).contains(&missing), "{missing} values are missing");
    }
}

#[test]
fn customers_come_back_and_labels_have_two_values() {
    for rows in [2, 3, 64, 500] {
        let made = inputs(&spec(0, Features::Numeric), rows, 1);
        let batch = &made[0].1;
        let ids = batch.column_by_name("customer_id").unwrap();
        let distinct: BTreeSet<_> = ids.as_string::<i32>().iter().flatten().collect();
        assert!(distinct.len() < rows, "{} of {rows}", distinct.len());
        let labels = batch.column_by_name("label").unwrap().as_boolean();
        assert!(
            labels.true_count() > 0 && labels.false_count() > 0,
            "{rows}"
        );
    }
}

#[test]
fn a_seed_decides_everything() {
    let spec = spec(1, Features::All);
    assert_eq!(inputs(&spec, 40, 3), inputs(&spec, 40, 3));
    assert_ne!(inputs(&spec, 40, 3), inputs(&spec, 40, 4));
    assert_eq!(inputs(&spec, 0, 3)[0].1.num_rows(), 0);
}

#[test]
fn a_question_has_no_label() {
    let mut spec = spec(0, Features::All);
    let made = inputs(&spec, 10, 3);
    let (name, asked) = question(&spec, &made);
    assert_eq!(name, "customers");
    assert!(asked.column_by_name("label").is_none());
    assert_eq!(asked.num_columns(), made[0].1.num_columns() - 1);
    spec.task = Task::Recommendation;
    let (name, asked) = question(&spec, &made);
    assert_eq!((name.as_str(), asked.num_rows()), ("requests", 4));
}
