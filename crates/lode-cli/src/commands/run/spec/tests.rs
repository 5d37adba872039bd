//! What is typed after `lode run` becomes the job that was meant.

use std::time::Duration;

use clap::Parser;
use lode_sdk::AlgorithmInfo;
use lode_sdk::Calibration;
use lode_sdk::Evaluation;
use lode_sdk::Input;
use lode_sdk::InputInfo;
use lode_sdk::JobSpec;
use lode_types::Role;
use lode_types::Timestamp;
use lode_types::Value;

use super::build;
use crate::cli::Cli;
use crate::cli::Command;
use crate::failure::Result;

fn algorithm(inputs: &[(&str, bool)]) -> AlgorithmInfo {
    AlgorithmInfo {
        algorithm: "a.b".to_owned(),
        version: "1".to_owned(),
        task: "churn".to_owned(),
        title: String::new(),
        description: String::new(),
        params_schema: serde_json::Value::Null,
        inputs: inputs
            .iter()
            .map(|(name, optional)| InputInfo {
                name: (*name).to_owned(),
                optional: *optional,
                description: String::new(),
                columns: Vec::new(),
                features: "all",
            })
            .collect(),
        outputs: Vec::new(),
        makes_model: true,
        warm_start: false,
        mergeable: false,
        merge_tolerance: 0.0,
        models: std::collections::BTreeMap::new(),
        plugin: "p".to_owned(),
        plugin_version: "1.0".to_owned(),
    }
}

fn spec(words: &[&str], inputs: &[(&str, bool)]) -> Result<JobSpec> {
    let line = ["lode", "run", "a.b"].iter().chain(words);
    let cli = Cli::try_parse_from(line).unwrap();
    let Command::Run(args) = cli.command else {
        panic!("the line says run");
    };
    build(&args, Some(&algorithm(inputs)))
}

#[test]
fn everything_that_can_be_said() {
    let words = [
        "-i",
        "customers=people",
        "-i",
        "events=sql:select 1",
        "--as-of",
        "2011-09-01",
        "--base-model",
        "last-month",
        "-p",
        "k=3",
        "-p",
        "name=x",
        "--seed",
        "18446744073709551615",
        "--threads",
        "2",
        "--timeout",
        "90",
        "--memory-mib",
        "512",
        "--folds",
        "3",
        "--calibration",
        "platt",
        "--budget",
        "500",
        "--cost-per-contact",
        "2.5",
        "--write-back",
        "--role",
        "customers.label=left",
        "--exclude",
        "customers.age",
        "--exclude",
        "events.a.b",
    ];
    let found = spec(&words, &[]).unwrap();
    let expected_input = Input::dataset("people")
        .role(Role::Label, "left")
        .exclude("age");
    assert_eq!(found.inputs["customers"], expected_input);
    assert_eq!(
        found.inputs["events"],
        Input::sql("select 1").exclude("a.b")
    );
    assert_eq!(found.params["k"], Value::Int(3));
    assert_eq!(found.params["name"], Value::Text("x".to_owned()));
    assert_eq!(found.seed, u64::MAX);
    assert_eq!(found.limits.threads, 2);
    assert_eq!(found.limits.timeout, Some(Duration::from_secs(90)));
    assert_eq!(found.limits.memory_bytes, 512 << 20);
    assert_eq!((found.folds, found.write_back), (3, true));
    let judged = Evaluation {
        calibration: Calibration::Platt,
        budget: Some(500.0),
        cost_per_contact: 2.5,
        ..Evaluation::default()
    };
    assert_eq!(found.evaluation, judged);
    assert_eq!(found.as_of, Some(Timestamp(1_314_835_200_000_000)));
    assert_eq!(found.base_model.as_deref(), Some("last-month"));
}

#[test]
fn the_only_input_needs_no_name() {
    let words = ["-i", "people", "--role", "label=left", "--exclude", "a.b"];
    let found = spec(&words, &[("customers", false)]).unwrap();
    let expected = Input::dataset("people")
        .role(Role::Label, "left")
        .exclude("a.b");
    assert_eq!(found.inputs["customers"], expected);
    // The only one that must be there counts as the only one.
    let inputs = [("customers", false), ("items", true)];
    assert!(
        spec(&["-i", "people"], &inputs)
            .unwrap()
            .inputs
            .contains_key("customers")
    );
}

#[test]
fn what_is_not_clear_is_refused() {
    let two = [("customers", false), ("items", false)];
    let cases: [(&[&str], &str); 5] = [
        (&["-i", "people"], "one of the inputs customers, items"),
        (&["-i", "x=a", "-i", "x=b"], "input x is given twice"),
        (
            &["-i", "x=a", "-p", "k=1", "-p", "k=2"],
            "parameter k is given twice",
        ),
        (
            &["-i", "x=a", "--role", "y.label=c"],
            "one of the inputs x, found y",
        ),
        (
            &["-i", "x=a", "-i", "y=b", "--exclude", "c"],
            "the job has the inputs x, y",
        ),
    ];
    for (words, found) in cases {
        let error = spec(words, &two).unwrap_err().to_string();
        assert!(error.contains(found), "{error}");
    }
}

#[test]
fn the_command_line_is_sound() {
    crate::cli::command().debug_assert();
}
