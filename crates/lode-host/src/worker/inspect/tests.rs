//! What the check of a description accepts and how it complains.

use lode_types::AlgorithmSpec;
use lode_types::ColumnType;
use lode_types::Features;
use lode_types::InputColumn;
use lode_types::InputSpec;
use lode_types::MemorySpec;
use lode_types::OutputSpec;
use lode_types::Role;
use lode_types::Task;

use super::check;
use super::is_id;

fn good() -> AlgorithmSpec {
    let column = InputColumn {
        role: Role::Amount,
        optional: false,
        types: vec![ColumnType::Float64],
        description: String::new(),
    };
    AlgorithmSpec {
        id: "a.b".to_owned(),
        version: "1.0".to_owned(),
        title: "t".to_owned(),
        description: "d".to_owned(),
        task: Task::Churn,
        params_schema: r#"{"type": "object"}"#.to_owned(),
        inputs: vec![InputSpec {
            name: "events".to_owned(),
            optional: false,
            description: String::new(),
            columns: vec![column],
            features: Features::Ignored,
        }],
        outputs: vec![OutputSpec {
            name: "scores".to_owned(),
            description: String::new(),
            chart_hint: "table".to_owned(),
            write_back: Vec::new(),
        }],
        model_format: None,
        reads_formats: Vec::new(),
        models: Vec::new(),
        warm_start: false,
        merge: None,
        memory: MemorySpec::default(),
    }
}

#[test]
fn a_good_description_has_no_problems() {
    assert_eq!(check("a.b", &good()), Vec::<String>::new());
}

#[test]
fn every_problem_is_told_at_once() {
    let mut spec = good();
    spec.params_schema = "{".to_owned();
    let input = spec.inputs[0].clone();
    spec.inputs[0].columns.push(input.columns[0].clone());
    spec.inputs.push(input);
    spec.outputs[0].name.clear();
    let problems = check("x.y", &spec).join("\n");
    for expected in [
        "expected its description to have the same id, found \"a.b\"",
        "its parameters schema is not JSON",
        "expected unique input names, found \"events\" twice",
        "expected each role once, found amount twice",
        "expected a name for every output, found none",
    ] {
        assert!(problems.contains(expected), "{expected} not in {problems}");
    }
    spec.params_schema = "[]".to_owned();
    assert!(
        check("a.b", &spec)
            .join("\n")
            .contains("schema of type object")
    );
}

#[test]
fn ids_are_two_lower_case_words() {
    for id in ["segment.rfm", "recommend.item-knn", "a.b2"] {
        assert!(is_id(id), "{id}");
    }
    for id in [
        "", "rfm", "a.", ".b", "A.b", "a.b.c", "a b.c", "a.2b", "../x.y", "ä.b",
    ] {
        assert!(!is_id(id), "{id}");
    }
}
