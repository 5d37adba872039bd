//! A plugin of one's own, from `lode plugin new` through the conformance kit to a result over
//! gRPC, in Rust and in C.
//!
//! The Rust project is built offline with the versions of this workspace; its dependencies are
//! kept in `target/plugin-new`, so that only the first run takes a minute.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;
use lode_tests::Engine;
use lode_tests::Setup;
use lode_tests::cli;
use lode_tests::settings;
use serde_json::Value;
use tempfile::TempDir;

/// Where what is built stays from run to run.
fn target() -> PathBuf {
    let target = settings::root().join("target");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or(target, PathBuf::from);
    target.join("plugin-new")
}

/// Runs a program in a folder to its end; what it said when it fails.
fn run<S: AsRef<OsStr>>(folder: &Path, program: &str, args: &[S]) -> Result<String> {
    let mut command = Command::new(program);
    command.current_dir(folder).args(args);
    // Cargo tells the tests of the workspace about itself; the project is none of it.
    command.env_remove("CARGO_TARGET_DIR");
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CARGO_PKG_") {
            command.env_remove(name);
        }
    }
    let output = command.output().with_context(|| program.to_owned())?;
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if !output.status.success() {
        bail!(
            "{program} in {}: {}\n{}{}",
            folder.display(),
            output.status,
            said(&output.stdout),
            said(&output.stderr)
        );
    }
    Ok(said(&output.stdout))
}

/// The conformance kit finds nothing wrong with a library.
fn passes_the_kit(library: &Path) -> Result<()> {
    let file = library.to_str().context("the path is UTF-8")?;
    let report = cli::lode(["plugin", "check", file], None)?;
    let text = report.text().with_context(|| report.stdout.clone())?;
    assert!(text.contains(" 0 failed"), "{text}");
    Ok(())
}

/// An engine with this library and no other.
fn engine_with(library: &Path) -> Result<(Engine, TempDir)> {
    let folder = TempDir::new()?;
    let file = library.file_name().context("a library has a name")?;
    fs::copy(library, folder.path().join(file))?;
    let engine = Engine::with(Setup {
        plugins: Some(folder.path().to_owned()),
        ..Setup::default()
    })?;
    Ok((engine, folder))
}

fn json<const N: usize>(engine: &Engine, args: [&str; N]) -> Result<Value> {
    engine.lode(args.into_iter().chain(["-o", "json"]))?.json()
}

fn file(folder: &Path, name: &str, text: &str) -> Result<String> {
    let path = folder.join(name);
    fs::write(&path, text)?;
    Ok(path
        .to_str()
        .context("temporary paths are UTF-8")?
        .to_owned())
}

#[test]
fn a_rust_project_is_built_tested_and_run() -> Result<()> {
    let folder = TempDir::new()?;
    // Always at the same place, since cargo builds a package at another place anew.
    let project = target().join("project");
    if project.exists() {
        fs::remove_dir_all(&project)?;
    }
    fs::create_dir_all(target())?;
    let dir = project.to_str().context("the checkout's path is UTF-8")?;
    cli::lode(["plugin", "new", "shop-rhythm", "--dir", dir], None)?.text()?;
    let built = target().join("built");
    let built_arg = built.to_str().context("the checkout's path is UTF-8")?;
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    // As `cargo test` and `cargo build`, less debug information, which nobody reads here.
    let fixed = [
        "--offline",
        "--target-dir",
        built_arg,
        "--config",
        "profile.dev.debug=0",
    ];
    let tests = run(&project, &cargo, &[&["test", "--lib"][..], &fixed].concat())?;
    assert!(tests.contains("8 passed; 0 failed"), "{tests}");
    run(&project, &cargo, &[&["build"][..], &fixed].concat())?;

    let library = built.join("debug/libshop_rhythm.so");
    passes_the_kit(&library)?;
    let (engine, _plugins) = engine_with(&library)?;
    let events = "who,at\nada,2024-01-01\nada,2024-01-11\nada,2024-01-21\n\
                  bob,2024-01-01\nbob,2024-01-03\nbob,2024-01-05\n";
    let csv = file(folder.path(), "sales.csv", events)?;
    let roles = ["--role", "customer_id=who", "--role", "event_time=at"];
    engine
        .lode([&["ingest", "sales", &*csv][..], &roles].concat())?
        .text()?;
    let job = json(
        &engine,
        [
            "run",
            "shop-rhythm.overdue",
            "-i",
            "events=sales",
            "-p",
            "prior=0",
            "--write-back",
        ],
    )?;
    assert_eq!(job["written_back"], 2, "{job}");
    let name = job["job"].as_str().context("an id")?;
    let habits = json(&engine, ["output", name, "habits"])?;
    assert_eq!(habits[0]["customer_id"], "ada");
    assert_eq!(habits[0]["gap_days"], 10.0);
    assert_eq!(habits[1]["overdue"], 8.0);
    assert_eq!(habits[1]["label"], "overdue");
    let model = job["models"][0].as_str().context("a model")?;
    let scores = json(&engine, ["score", model, "--row", r#"{"who": "bob"}"#])?;
    assert_eq!(scores[0]["score"], 8.0, "{scores}");
    assert_eq!(scores[0]["label"], "overdue", "{scores}");
    let customer = json(&engine, ["customer", "bob"])?.to_string();
    assert!(customer.contains("shop-rhythm.overdue"), "{customer}");
    Ok(())
}

#[test]
fn a_c_project_is_built_tested_and_run() -> Result<()> {
    let folder = TempDir::new()?;
    let project = folder.path().join("odd");
    let dir = project.to_str().context("temporary paths are UTF-8")?;
    let new = ["plugin", "new", "odd-ones", "--language", "c", "--dir", dir];
    let said = cli::lode([&new[..], &["--algorithm", "shop.odd"]].concat(), None)?;
    // The line that it says is the line that builds it.
    let said = said.text()?;
    let line = said
        .lines()
        .find_map(|line| line.trim().strip_prefix("cc "));
    let mut args: Vec<&str> = line.context(said.to_owned())?.split(' ').collect();
    args.push("-Werror");
    run(&project, "cc", &args)?;
    let args = "-std=c11 -Wall -Wextra -Werror -g -fsanitize=address,undefined -o test test.c -lm";
    run(&project, "cc", &args.split(' ').collect::<Vec<_>>())?;
    let tests = run::<&str>(&project, "./test", &[])?;
    assert_eq!(tests, "all passed\n");

    let library = project.join("libodd_ones.so");
    passes_the_kit(&library)?;
    let (engine, _plugins) = engine_with(&library)?;
    let rows: String = (0..40)
        .map(|row| {
            format!(
                "c{row},{},{}\n",
                30 + row % 4,
                if row == 7 { 900 } else { 10 }
            )
        })
        .collect();
    let csv = file(
        folder.path(),
        "people.csv",
        &format!("id,age,spent\n{rows}new,,10\n"),
    )?;
    let people = ["ingest", "people", &csv, "--kind", "customers"];
    engine
        .lode([&people[..], &["--role", "customer_id=id"]].concat())?
        .text()?;
    let job = json(&engine, ["run", "shop.odd", "-i", "customers=people"])?;
    assert_eq!(job["metrics"]["features"], 2.0, "{job}");
    assert_eq!(job["metrics"]["values"], 81.0, "{job}");
    let model = job["models"][0].as_str().context("a model")?;
    let scores = json(&engine, ["score", model, "c7", "c8", "new", "--explain"])?;
    assert_eq!(scores[0]["label"], "outlier", "{scores}");
    assert_eq!(scores[1]["label"], "usual", "{scores}");
    let number = |value: &Value| value.as_f64().context("a number");
    for score in scores.as_array().context("scores")? {
        let mut sum = number(&score["base"])?;
        for reason in score["reasons"].as_array().context("reasons")? {
            sum += number(&reason["contribution"])?;
        }
        let margin = number(&score["margin"])?;
        assert!((sum - margin).abs() < 1e-9, "{score}");
        assert!(
            (number(&score["score"])?.powi(2) - margin).abs() < 1e-9,
            "{score}"
        );
    }
    assert_eq!(scores[0]["reasons"][0]["feature"], "spent", "{scores}");
    let by_age = scores[2]["reasons"].as_array().context("reasons")?;
    let by_age = by_age.iter().find(|reason| reason["feature"] == "age");
    assert_eq!(by_age.context("age")?["contribution"], 0.0, "{scores}");

    // What goes wrong says what is to blame.
    let gone = engine.lode(["score", model, "--row", r#"{"agee": 1}"#])?;
    assert!(gone.failure()?.contains("agee"), "{}", gone.stderr);
    let none = file(folder.path(), "none.csv", "id,word\na,b\n")?;
    let words = ["ingest", "words", &none, "--kind", "customers"];
    engine
        .lode([&words[..], &["--role", "customer_id=id"]].concat())?
        .text()?;
    let job = engine.lode(["run", "shop.odd", "-i", "customers=words"])?;
    assert!(job.failure()?.contains("without a role"), "{}", job.stderr);
    Ok(())
}

#[test]
fn a_project_is_whole_or_not_there() -> Result<()> {
    let folder = TempDir::new()?;
    let new = |name: &str, more: &[&str]| -> Result<cli::Finished> {
        let dir = folder.path().join(name);
        let dir = dir
            .to_str()
            .context("temporary paths are UTF-8")?
            .to_owned();
        cli::lode(
            [&["plugin", "new", name, "--dir", &*dir][..], more].concat(),
            None,
        )
    };
    let refused = |name: &str, more: &[&str]| -> Result<String> {
        let finished = new(name, more)?;
        assert_eq!(finished.code, Some(2), "{name}: {}", finished.stderr);
        Ok(finished.failure()?.to_owned())
    };
    assert!(refused("Shop", &[])?.contains("\"Shop\""));
    assert!(refused("shop", &["--algorithm", "shop"])?.contains("family.name"));
    assert!(refused("shop", &["--lode", "/nowhere"])?.contains("/nowhere"));
    assert_eq!(
        fs::read_dir(folder.path())?.count(),
        0,
        "nothing is left behind"
    );
    let checkout = settings::root().to_str().context("a path")?;
    new("shop", &["--lode", checkout])?.text()?;
    assert!(!folder.path().join("shop/lode").exists());
    assert!(refused("shop", &[])?.contains("is there already"));
    assert_eq!(fs::read_dir(folder.path())?.count(), 1);
    Ok(())
}
