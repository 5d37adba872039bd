//! Real workers, a real library: how every kind of misbehaviour ends, and that it ends there.
//!
//! Needs the faulty plugin: `cargo build -p lode-faulty-plugin` (or its path in
//! `LODE_FAULTY_PLUGIN`).

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::OnceLock;
use std::time::Duration;
use std::time::Instant;

use crate::Binding;
use crate::CancelFlag;
use crate::Error;
use crate::Event;
use crate::FitCall;
use crate::FitReport;
use crate::Host;
use crate::InputTable;
use crate::LogLevel;
use crate::PluginState;
use crate::ScoreInput;
use crate::Scorer;
use crate::ScorerCall;
use arrow_array::Int64Array;
use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_schema::DataType;
use arrow_schema::Field;
use arrow_schema::Schema;
use lode_types::Class;
use lode_types::Failure;
use tempfile::TempDir;

use super::harness::start;

const ID: &str = "faulty.fit";

fn library() -> PathBuf {
    if let Some(path) = std::env::var_os("LODE_FAULTY_PLUGIN") {
        return path.into();
    }
    let program = std::env::current_exe().unwrap();
    let target = program.ancestors().nth(2).unwrap();
    let path = target.join("libfaulty.so");
    assert!(
        path.exists(),
        "{} is missing; run: cargo build -p lode-faulty-plugin",
        path.display()
    );
    path
}

/// One host for all tests, so that every misdeed happens to a host that others use.
fn host() -> &'static Host {
    static HOST: OnceLock<(TempDir, Host)> = OnceLock::new();
    let (_, host) = HOST.get_or_init(|| {
        let dir = TempDir::new().unwrap();
        std::fs::copy(library(), dir.path().join("faulty.so")).unwrap();
        let host = start(dir.path());
        assert_eq!(host.plugins()[0].problems, Vec::<String>::new());
        (dir, host)
    });
    host
}

fn rows(n: i64) -> RecordBatch {
    let schema = Schema::new(vec![Field::new("x", DataType::Int64, false)]);
    let column = Int64Array::from_iter_values(0..n);
    RecordBatch::try_new(Arc::new(schema), vec![Arc::new(column)]).unwrap()
}

fn memfd(batch: RecordBatch) -> File {
    lode_parts::memfd("rows", &batch.schema(), [batch]).unwrap()
}

fn table(files: Vec<File>) -> InputTable {
    let column = "x".to_owned();
    InputTable {
        name: "rows".to_owned(),
        files,
        columns: vec![Binding { column, role: None }],
    }
}

struct Ran {
    result: Result<FitReport, Error>,
    events: Vec<Event>,
    output: File,
    model: File,
    took: Duration,
}

impl Ran {
    fn error(&self) -> &Error {
        self.result.as_ref().expect_err("the fit fails")
    }
}

fn call(params_json: &str) -> (FitCall, File, File) {
    let (output, model) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
    let call = FitCall {
        algorithm: ID.to_owned(),
        params_json: params_json.to_owned(),
        seed: 42,
        threads: 2,
        memory_bytes: 512 << 20,
        deadline: Instant::now() + Duration::from_secs(30),
        inputs: vec![table(vec![memfd(rows(3)), memfd(rows(4))])],
        outputs: vec![("count".to_owned(), output.try_clone().unwrap())],
        models: vec![(String::new(), model.try_clone().unwrap())],
        base_model: None,
    };
    (call, output, model)
}

fn run(params_json: &str, change: impl FnOnce(&mut FitCall), cancel: &CancelFlag) -> Ran {
    let (mut call, output, model) = call(params_json);
    change(&mut call);
    let mut events = Vec::new();
    let host = host();
    let start = Instant::now();
    let result = host.fit(call, &mut |event| events.push(event), cancel);
    Ran {
        result,
        events,
        output,
        model,
        took: start.elapsed(),
    }
}

fn fit(params_json: &str) -> Ran {
    run(params_json, |_| {}, &CancelFlag::new())
}

fn open(params_json: &str, model: File) -> Result<Scorer, Error> {
    host().open_scorer(ScorerCall {
        algorithm: ID.to_owned(),
        params_json: params_json.to_owned(),
        model,
        seed: 7,
        threads: 1,
        memory_bytes: 512 << 20,
    })
}

fn scored(scorer: &mut Scorer, n: i64) -> Result<i64, Error> {
    let inputs = vec![("rows".to_owned(), ScoreInput::Batch(rows(n)))];
    let batch = scorer.score(inputs, Instant::now() + Duration::from_secs(10))?;
    Ok(batch.column(0).as_primitive::<Int64Type>().value(0))
}

fn seven_rows() -> BTreeMap<String, f64> {
    BTreeMap::from([("rows".to_owned(), 7.0)])
}

/// A good fit still works: the host is unharmed.
fn unharmed() {
    assert_eq!(fit("{}").result.unwrap().metrics, seven_rows());
}

#[test]
fn a_good_fit_gives_outputs_model_metrics_and_events() {
    let ran = fit("{}");
    let report = ran.result.unwrap();
    assert_eq!(report.metrics, seven_rows());
    assert_eq!(
        (report.outputs[0].name.as_str(), report.outputs[0].rows),
        ("count", 1)
    );
    let length = ran.output.metadata().unwrap().len();
    assert_eq!(report.outputs[0].bytes, length);
    assert_eq!(report.models[""], ran.model.metadata().unwrap().len());
    let table = lode_parts::Table::open(vec![ran.output]).unwrap();
    let batch = table.batch(0, None).unwrap();
    let values: Vec<i64> = (0..3)
        .map(|i| batch.column(i).as_primitive::<Int64Type>().value(0))
        .collect();
    assert_eq!(values, [7, 42, 2]);
    assert!(ran.events.contains(&Event::Progress {
        fraction: 0.25,
        stage: "working".to_owned()
    }));
    assert!(ran.events.contains(&Event::Log {
        level: LogLevel::Info,
        text: "doing Ok".to_owned()
    }));
}

#[test]
fn a_fit_without_wanted_results_still_runs() {
    let ran = run(
        "{}",
        |call| {
            call.outputs.clear();
            call.models.clear();
        },
        &CancelFlag::new(),
    );
    let report = ran.result.unwrap();
    assert_eq!((report.outputs.len(), report.models.len()), (0, 0));
}

#[test]
fn panics_are_told_with_their_place() {
    for (mode, text) in [
        ("panic", "this plugin panics on request"),
        (
            "panic_in_stream",
            "the stream of this plugin panics on request",
        ),
        (
            "panic_in_thread",
            "a thread of this plugin panics on request",
        ),
    ] {
        let ran = fit(&format!(r#"{{"mode": "{mode}"}}"#));
        let error = ran.error();
        assert_eq!(
            (error.reason(), error.class()),
            ("PLUGIN_PANICKED", Class::Bug)
        );
        let message = error.to_string();
        assert!(message.starts_with("faulty.fit panicked at "), "{message}");
        assert!(message.contains("misdeeds.rs:"), "{message}");
        assert!(message.contains(text), "{message}");
    }
    unharmed();
}

#[test]
fn crashes_name_the_signal() {
    for (mode, signal) in [
        ("segfault", "killed by SIGSEGV"),
        ("abort", "killed by SIGABRT"),
        ("stack_overflow", "killed by SIGABRT"),
    ] {
        let ran = fit(&format!(r#"{{"mode": "{mode}"}}"#));
        let message = ran.error().to_string();
        assert_eq!(ran.error().reason(), "PLUGIN_CRASHED", "{message}");
        let expected = format!("faulty.fit was {signal} while fit ran");
        assert!(message.starts_with(&expected), "{message}");
        if mode == "stack_overflow" {
            assert!(message.contains("has overflowed its stack"), "{message}");
        }
    }
    unharmed();
}

#[test]
fn leaving_is_no_answer() {
    let ran = fit(r#"{"mode": "exit0"}"#);
    assert_eq!(ran.error().reason(), "PLUGIN_EXITED");
    assert_eq!(
        ran.error().to_string(),
        "faulty.fit exited with code 0 before it answered, while fit ran"
    );
    let ran = fit(r#"{"mode": "close_fds"}"#);
    assert!(
        matches!(ran.error().reason(), "PLUGIN_EXITED" | "PLUGIN_CRASHED"),
        "{}",
        ran.error()
    );
    unharmed();
}

#[test]
fn eating_memory_ends_at_the_limit() {
    let ran = fit(r#"{"mode": "eat_memory"}"#);
    let error = ran.error();
    assert_eq!(
        (error.reason(), error.class()),
        ("PLUGIN_OUT_OF_MEMORY", Class::Limit)
    );
    let message = error.to_string();
    assert!(
        message.contains("its limit of 512 MiB while fit ran"),
        "{message}"
    );
    unharmed();
}

#[test]
fn an_endless_loop_ends_at_the_deadline() {
    let soon = |call: &mut FitCall| call.deadline = Instant::now() + Duration::from_millis(300);
    let ran = run(r#"{"mode": "loop"}"#, soon, &CancelFlag::new());
    let error = ran.error();
    assert_eq!(
        (error.reason(), error.class()),
        ("JOB_DEADLINE_EXCEEDED", Class::Deadline)
    );
    assert!(ran.took < Duration::from_secs(15), "{:?}", ran.took);
    unharmed();
}

#[test]
fn cancel_stops_who_listens_at_once_and_who_does_not_after_a_grace() {
    for (mode, listens) in [("sleep", true), ("ignore_cancel", false)] {
        let cancel = CancelFlag::new();
        let (call, _, _) = call(&format!(r#"{{"mode": "{mode}", "ms": 25000}}"#));
        let mut stopped = false;
        let start = Instant::now();
        let mut on_event = |event| match event {
            Event::Progress { .. } => cancel.cancel(),
            Event::Log { text, .. } => stopped |= text == "stopping as asked",
        };
        let error = host()
            .fit(call, &mut on_event, &cancel)
            .expect_err("it is cancelled");
        let took = start.elapsed();
        assert_eq!(
            (error.reason(), error.class()),
            ("JOB_CANCELLED", Class::Cancelled)
        );
        assert_eq!(stopped, listens);
        assert!(listens || took > Duration::from_secs(2), "{took:?}");
        assert!(took < Duration::from_secs(20), "{mode}: {took:?}");
    }
    unharmed();
}

#[test]
fn what_the_algorithm_says_comes_through() {
    let ran = fit(r#"{"mode": "fail"}"#);
    assert_eq!(ran.error().reason(), "PLUGIN_FAILED");
    assert_eq!(
        ran.error().to_string(),
        "faulty.fit: this plugin fails on request"
    );
    let ran = fit(r#"{"mode": "fail_params"}"#);
    assert_eq!(
        (ran.error().reason(), ran.error().field()),
        ("PARAMS_INVALID", "params.mode")
    );
    let ran = fit(r#"{"mode": "wrong_output"}"#);
    assert_eq!(ran.error().reason(), "PLUGIN_FAILED");
    assert!(
        ran.error().to_string().contains("found \"surprise\""),
        "{}",
        ran.error()
    );
    let ran = fit(r#"{"mode": "print_stdout"}"#);
    assert!(ran.result.is_ok());
}

#[test]
fn a_damaged_input_is_not_the_plugins_fault() {
    let damage = |call: &mut FitCall| {
        let file = memfd(rows(100));
        let bytes = std::fs::read(format!("/proc/self/fd/{}", fd(&file))).unwrap();
        let cut = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(cut.path(), &bytes[..bytes.len() / 2]).unwrap();
        call.inputs = vec![table(vec![File::open(cut.path()).unwrap()])];
    };
    let ran = run("{}", damage, &CancelFlag::new());
    let error = ran.error();
    assert_eq!(
        (error.reason(), error.field()),
        ("TABLE_DAMAGED", "inputs.rows")
    );
}

#[test]
fn a_column_that_is_not_there_is_named() {
    let other = |call: &mut FitCall| call.inputs[0].columns[0].column = "y".to_owned();
    let ran = run("{}", other, &CancelFlag::new());
    assert_eq!(ran.error().field(), "inputs.rows");
    assert!(ran.error().to_string().contains("\"y\""), "{}", ran.error());
}

fn fd(file: &File) -> i32 {
    std::os::fd::AsRawFd::as_raw_fd(file)
}

#[test]
fn a_scorer_stays_warm_and_survives_errors_but_not_crashes() {
    let ran = fit("{}");
    let mut scorer = open("{}", ran.model.try_clone().unwrap()).unwrap();
    for n in [1, 5, 0, 1000] {
        assert_eq!(scored(&mut scorer, n).unwrap(), n);
    }
    let files = vec![("rows".to_owned(), ScoreInput::Files(vec![memfd(rows(9))]))];
    let batch = scorer
        .score(files, Instant::now() + Duration::from_secs(5))
        .unwrap();
    assert_eq!(batch.column(0).as_primitive::<Int64Type>().value(0), 9);
    let error = scorer
        .score(Vec::new(), Instant::now() + Duration::from_secs(5))
        .unwrap_err();
    assert_eq!(
        (error.reason(), error.field()),
        ("INPUT_INVALID", "inputs.rows")
    );
    assert_eq!(scored(&mut scorer, 2).unwrap(), 2);

    let mut scorer = open(
        r#"{"mode": "panic", "stage": "score"}"#,
        ran.model.try_clone().unwrap(),
    )
    .unwrap();
    assert_eq!(
        scored(&mut scorer, 1).unwrap_err().reason(),
        "PLUGIN_PANICKED"
    );
    assert!(scorer.is_open());
    let mut scorer = open(
        r#"{"mode": "segfault", "stage": "score"}"#,
        ran.model.try_clone().unwrap(),
    )
    .unwrap();
    let error = scored(&mut scorer, 1).unwrap_err();
    assert_eq!(error.reason(), "PLUGIN_CRASHED");
    assert!(error.to_string().contains("while score ran"), "{error}");
    assert!(!scorer.is_open());
    assert_eq!(scored(&mut scorer, 1).unwrap_err().reason(), "SCORER_GONE");

    let error = open(r#"{"mode": "exit0", "stage": "open"}"#, ran.model).unwrap_err();
    assert_eq!(error.reason(), "PLUGIN_EXITED");
    unharmed();
}

#[test]
fn a_score_has_a_deadline_too() {
    let ran = fit("{}");
    let mut scorer = open(r#"{"mode": "loop", "stage": "score"}"#, ran.model).unwrap();
    let inputs = vec![("rows".to_owned(), ScoreInput::from(rows(1)))];
    let error = scorer
        .score(inputs, Instant::now() + Duration::from_millis(100))
        .unwrap_err();
    assert_eq!(error.reason(), "JOB_DEADLINE_EXCEEDED");
    assert!(!scorer.is_open());
}

#[test]
fn bytes_that_are_no_model_are_refused() {
    let error = open("{}", tempfile::tempfile().unwrap()).unwrap_err();
    assert_eq!(
        (error.reason(), error.class()),
        ("MODEL_INVALID", Class::State)
    );
    assert!(
        error.to_string().contains("expected a model (LODEMODL)"),
        "{error}"
    );
}

#[test]
fn an_unknown_algorithm_is_named() {
    let unknown = |call: &mut FitCall| call.algorithm = "no.such".to_owned();
    let ran = run("{}", unknown, &CancelFlag::new());
    assert_eq!(ran.error().reason(), "ALGORITHM_NOT_FOUND");
}

#[test]
fn bad_libraries_are_refused_and_the_good_one_stays() {
    let dir = TempDir::new().unwrap();
    let whole = std::fs::read(library()).unwrap();
    std::fs::write(dir.path().join("a-good.so"), &whole).unwrap();
    std::fs::write(dir.path().join("b-text.so"), "hello, I am text\n").unwrap();
    std::fs::write(dir.path().join("c-cut.so"), &whole[..whole.len() / 2]).unwrap();
    std::fs::write(dir.path().join("d-empty.so"), "").unwrap();
    std::fs::write(dir.path().join("e-again.so"), &whole).unwrap();
    // Damage that only loading finds out: the head no longer says how long the file is.
    let mut headless = whole[..whole.len() / 64].to_vec();
    headless[40..48].fill(0);
    headless[58..62].fill(0);
    std::fs::write(dir.path().join("f-head.so"), &headless).unwrap();
    std::fs::write(dir.path().join("ignored.txt"), "text").unwrap();
    let host = start(dir.path());
    let plugins = host.plugins();
    let files: Vec<&str> = plugins.iter().map(|p| p.file_name.as_str()).collect();
    assert_eq!(
        files,
        [
            "a-good.so",
            "b-text.so",
            "c-cut.so",
            "d-empty.so",
            "e-again.so",
            "f-head.so"
        ]
    );
    assert_eq!(plugins[0].state, PluginState::Active);
    assert_eq!(
        (plugins[0].name.as_str(), plugins[0].abi.as_str()),
        ("lode-faulty-plugin", "0.2")
    );
    assert_eq!(plugins[0].algorithms, [ID]);
    assert_eq!(plugins[0].sha256.len(), 64);
    for plugin in &plugins[1..] {
        assert_eq!(plugin.state, PluginState::Refused, "{}", plugin.file_name);
        assert!(plugin.algorithms.is_empty());
    }
    let problem = |i: usize| plugins[i].problems.join("; ");
    assert_eq!(
        problem(1),
        "not a shared library: expected an ELF file, found 17 bytes that start with \"hello, I\""
    );
    assert!(
        problem(2).starts_with("the file is truncated or damaged"),
        "{}",
        problem(2)
    );
    assert!(
        problem(3).starts_with("not a shared library"),
        "{}",
        problem(3)
    );
    assert_eq!(
        problem(4),
        "the same library is already loaded from a-good.so"
    );
    assert_eq!(
        problem(5),
        "the file is truncated or damaged (SIGBUS while loading)"
    );
    assert_eq!(host.algorithms().len(), 1);
    assert_eq!(host.algorithm(ID).unwrap().sha256, plugins[0].sha256);
}

#[test]
fn a_foreign_library_has_no_entry() {
    let Some(libc) = ["/lib/x86_64-linux-gnu/libm.so.6", "/usr/lib/libm.so.6"]
        .into_iter()
        .find(|path| Path::new(path).exists())
    else {
        return;
    };
    let dir = TempDir::new().unwrap();
    std::fs::copy(libc, dir.path().join("libm.so")).unwrap();
    let host = start(dir.path());
    assert_eq!(
        host.plugins()[0].problems,
        ["expected the entry symbol lode_plugin_v1, found none"]
    );
}
