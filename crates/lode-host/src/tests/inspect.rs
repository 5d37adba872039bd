//! A plugin in plain C runs, and each way of being wrong is refused with its own words.
//!
//! The C file is compiled here with `cc`; without a C compiler the tests say so and pass.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use crate::CancelFlag;
use crate::FitCall;
use crate::InputTable;
use crate::PluginState;
use arrow_array::Int64Array;
use arrow_array::RecordBatch;
use arrow_schema::DataType;
use arrow_schema::Field;
use arrow_schema::Schema;
use tempfile::TempDir;

use super::harness::start;

/// Compiles the C plugin as `variant`; false when there is no C compiler.
fn compile(variant: &str, library: &Path) -> bool {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let compiled = Command::new("cc")
        .args([
            "-std=c11", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC",
        ])
        .arg(format!("-DVARIANT={variant}"))
        .arg("-I")
        .arg(here.join("../lode-abi/include"))
        .arg(here.join("src/tests/variant.c"))
        .arg("-o")
        .arg(library)
        .output();
    let Ok(compiled) = compiled else {
        eprintln!("SKIPPED: no C compiler named cc, so no plugin in C");
        return false;
    };
    let errors = String::from_utf8_lossy(&compiled.stderr);
    assert!(compiled.status.success(), "{errors}");
    true
}

#[test]
fn a_plugin_in_c_runs() {
    let dir = TempDir::new().unwrap();
    if !compile("GOOD", &dir.path().join("plain.so")) {
        return;
    }
    let host = start(dir.path());
    let plugin = &host.plugins()[0];
    assert_eq!(plugin.problems, Vec::<String>::new());
    assert_eq!(
        (plugin.name.as_str(), plugin.version.as_str()),
        ("plain", "1.2.3")
    );
    assert_eq!((plugin.abi.as_str(), plugin.build.as_str()), ("0.2", "c11"));

    let schema = Schema::new(vec![Field::new("x", DataType::Int64, false)]);
    let column = Arc::new(Int64Array::from_iter_values(0..123));
    let batch = RecordBatch::try_new(Arc::new(schema), vec![column]).unwrap();
    let file = || lode_parts::memfd("rows", &batch.schema(), [batch.clone()]).unwrap();
    let call = FitCall {
        algorithm: "plain.count".to_owned(),
        params_json: "{}".to_owned(),
        seed: 1,
        threads: 1,
        memory_bytes: 256 << 20,
        deadline: Instant::now() + Duration::from_secs(20),
        inputs: vec![InputTable {
            name: "rows".to_owned(),
            files: vec![file(), file()],
            columns: Vec::new(),
        }],
        outputs: Vec::new(),
        models: Vec::new(),
        base_model: None,
    };
    let report = host.fit(call, &mut |_| {}, &CancelFlag::new()).unwrap();
    assert_eq!(report.metrics, BTreeMap::from([("rows".to_owned(), 246.0)]));
}

#[test]
fn every_way_of_being_wrong_has_its_words() {
    let expected = [
        ("MAGIC", "in the plugin's table, found"),
        ("MAJOR", "expected ABI major version 0, found 9.2"),
        (
            "NULL_TABLE",
            "lode_plugin_v1 gave no table; it may need a newer host",
        ),
        (
            "SHORT_TABLE",
            "expected a plugin table of at least 80 bytes, found 32",
        ),
        (
            "DUPLICATE",
            "plain.count: expected unique ids, found this one twice",
        ),
        ("DUMB", "plain.count: describe gave no description"),
        ("BAD_JSON", "plain.count: its description cannot be read"),
        ("EMPTY", "expected 1 to 1024 algorithms, found 0"),
        ("NULL_ENTRY", "algorithm 0: expected a table, found null"),
        (
            "SHORT_ALGORITHM",
            "algorithm 0: expected a table of at least 64 bytes, found 24",
        ),
        ("CRASH", "killed by SIGSEGV while describing plain.count"),
        (
            "UNEXPLAINED",
            "plain.count: describe failed: it gave no reason",
        ),
        (
            "FOREIGN_ID",
            "Plain Count: expected an id like family.name of a-z, 0-9 and -",
        ),
        (
            "HALF_MODEL",
            "plain.count: expected a function fit, found null",
        ),
    ];
    let dir = TempDir::new().unwrap();
    for (variant, _) in expected {
        if !compile(variant, &dir.path().join(format!("{variant}.so"))) {
            return;
        }
    }
    let host = start(dir.path());
    assert!(host.algorithms().is_empty());
    let plugins = host.plugins();
    assert_eq!(plugins.len(), expected.len());
    for (variant, words) in expected {
        let file = format!("{variant}.so");
        let plugin = plugins.iter().find(|p| p.file_name == file).unwrap();
        assert_eq!(plugin.state, PluginState::Refused, "{variant}");
        let problems = plugin.problems.join("\n");
        assert!(problems.contains(words), "{variant}: {problems}");
        match variant {
            // Four functions are missing, and its foreign id is in its description too.
            "HALF_MODEL" => assert_eq!(plugin.problems.len(), 4, "{problems}"),
            "FOREIGN_ID" => assert_eq!(plugin.problems.len(), 2, "{problems}"),
            _ => assert_eq!(plugin.problems.len(), 1, "{variant}: {problems}"),
        }
    }
}
