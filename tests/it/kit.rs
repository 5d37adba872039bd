//! The conformance kit: every shipped plugin passes it, and each deliberately bad one fails the
//! checks that it says it fails, with the words that it says.
//!
//! Bad plugins are C files of `tests/bad-plugins`, each the example plugin with one thing wrong.

use std::collections::BTreeSet;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;
use std::sync::PoisonError;

use anyhow::Context as _;
use anyhow::Result;
use lode_tests::settings;
use serde_json::Value;
use tempfile::TempDir;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("tests lies in the root")
}

/// The kit's report on a library, and whether it says that all is well.
fn check(library: &Path, args: &[&str]) -> Result<(Value, bool)> {
    let output = Command::new(settings::lode())
        .args(["plugin", "check", "-o", "json"])
        .arg(library)
        .args(args)
        .output()?;
    let text = String::from_utf8(output.stdout)?;
    let report = serde_json::from_str(&text)
        .with_context(|| format!("{text}{}", String::from_utf8_lossy(&output.stderr)))?;
    Ok((report, output.status.success()))
}

/// Checks that failed, with their words.
fn failures(report: &Value) -> Vec<(String, String)> {
    let results = report["results"].as_array().into_iter().flatten();
    results
        .filter(|result| result["outcome"] == "failed")
        .map(|result| {
            let word = |key: &str| result[key].as_str().unwrap_or_default().to_owned();
            (word("check"), format!("{}: {}", word("subject"), word("detail")))
        })
        .collect()
}

/// Builds a C file; without a C compiler the test is skipped, and says so.
fn compile(source: &Path, library: &Path) -> Result<()> {
    let compiled = Command::new("cc")
        .args(["-std=c11", "-O1", "-Wall", "-Wextra", "-Werror"])
        .args(["-Wno-unused-function", "-Wno-unused-const-variable"])
        .args(["-shared", "-fPIC", "-pthread"])
        .arg("-I")
        .arg(root().join("crates/lode-abi/include"))
        .arg("-I")
        .arg(root().join("plugins/examples/outlier-c"))
        .arg(source)
        .arg("-o")
        .arg(library)
        .arg("-lm")
        .output()
        .context("cc, which Rust links with too")?;
    let errors = String::from_utf8_lossy(&compiled.stderr);
    anyhow::ensure!(compiled.status.success(), "{}: {errors}", source.display());
    Ok(())
}

#[test]
fn every_shipped_plugin_passes() -> Result<()> {
    let golden = root().join("tests/golden");
    let golden = golden.to_str().context("a path of text")?;
    let mut table = String::new();
    let mut libraries: Vec<PathBuf> = std::fs::read_dir(settings::plugins())?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<std::io::Result<_>>()?;
    libraries.sort();
    assert!(libraries.len() >= 3, "{libraries:?}");
    for library in libraries {
        let (report, passed) = check(&library, &["--golden", golden])?;
        assert!(passed, "{}: {:?}", library.display(), failures(&report));
        let results = report["results"].as_array().context("results")?;
        let skipped = results.iter().filter(|r| r["outcome"] == "skipped").count();
        table.push_str(&format!(
            "\n  {} {}: {} passed, {skipped} skipped",
            report["plugin"],
            report["version"],
            results.len() - skipped
        ));
        // A golden model of each algorithm that makes models is kept.
        for result in results {
            let kept = result["check"] != "golden-models" || result["outcome"] == "passed";
            let makes_none = result["detail"] == "it makes no model";
            assert!(kept || makes_none, "{result}");
        }
    }
    settings::say(&format!("the kit on the shipped plugins:{table}"));
    Ok(())
}

#[test]
fn the_example_in_c_passes() -> Result<()> {
    let folder = TempDir::new()?;
    let library = folder.path().join("outlier.so");
    compile(&root().join("plugins/examples/outlier-c/outlier.c"), &library)?;
    for args in [&["--seed", "1"][..], &["--seed", "7"], &["--in-process"]] {
        let (report, passed) = check(&library, args)?;
        assert!(passed, "{args:?}: {:?}", failures(&report));
    }
    Ok(())
}

#[test]
fn every_bad_plugin_fails_for_its_own_reason() -> Result<()> {
    let folder = TempDir::new()?;
    let mut sources: Vec<PathBuf> = std::fs::read_dir(root().join("tests/bad-plugins"))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<std::io::Result<_>>()?;
    sources.retain(|path| path.extension().is_some_and(|extension| extension == "c"));
    sources.sort();
    assert!(sources.len() >= 20, "{} bad plugins", sources.len());
    let lines = Mutex::new(Vec::new());
    let left = Mutex::new(sources.iter());
    // Two at a time: most of a check is waiting for its process.
    std::thread::scope(|scope| -> Result<()> {
        let workers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| -> Result<()> {
                    loop {
                        let next = left.lock().unwrap_or_else(PoisonError::into_inner).next();
                        let Some(source) = next else { return Ok(()) };
                        let line = one_bad(source, folder.path())?;
                        let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
                        lines.push(line);
                    }
                })
            })
            .collect();
        for worker in workers {
            worker.join().expect("a thread that gives its error")?;
        }
        Ok(())
    })?;
    let mut lines = lines.into_inner()?;
    lines.sort();
    settings::say(&format!("the kit on bad plugins:{}", lines.concat()));
    Ok(())
}

/// Holds the kit to the first line of a bad plugin: `fails CHECK, CHECK: WORDS`.
fn one_bad(source: &Path, folder: &Path) -> Result<String> {
    let name = source.file_stem().context("a name")?.to_string_lossy();
    let text = std::fs::read_to_string(source)?;
    let line = text
        .lines()
        .next()
        .and_then(|line| line.strip_prefix("/* fails ")?.strip_suffix(" */"))
        .with_context(|| format!("{name}: expected a first line of what it fails"))?;
    let (checks, words) = line.split_once(": ").context("checks and words")?;
    let expected: BTreeSet<String> = checks.split(", ").map(str::to_owned).collect();
    let library = folder.join(format!("{name}.so"));
    compile(source, &library)?;
    let (report, passed) = check(&library, &[])?;
    assert!(!passed, "{name} passed");
    let failures = failures(&report);
    let found: BTreeSet<String> = failures.iter().map(|(check, _)| check.clone()).collect();
    assert_eq!(found, expected, "{name}: {failures:#?}");
    let told = failures.iter().find(|(_, detail)| detail.contains(words));
    let (check, detail) = told.with_context(|| format!("{name}: {words:?} in {failures:#?}"))?;
    let detail: String = detail.chars().take(150).collect();
    Ok(format!("\n  {name:28} {check:16} {detail}"))
}
