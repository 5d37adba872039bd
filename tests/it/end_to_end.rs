//! A newcomer's path: sample, load, three jobs, a customer, an offer, all by the command.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use anyhow::Result;
use lode_tests::Engine;
use lode_tests::cli;
use serde_json::Value;
use tempfile::TempDir;

fn path(file: &Path) -> &str {
    file.to_str().expect("temporary paths are UTF-8")
}

#[test]
fn the_help_names_every_command() -> Result<()> {
    let help = cli::lode(["--help"], None)?;
    let help = help.text()?;
    for command in [
        "serve",
        "ingest",
        "datasets",
        "dataset",
        "query",
        "algorithms",
        "plugins",
        "run",
        "jobs",
        "job",
        "cancel",
        "output",
        "models",
        "score",
        "recommend",
        "sample",
        "demo",
    ] {
        assert!(help.contains(command), "no {command} in\n{help}");
        cli::lode([command, "--help"], None)?.text()?;
    }
    Ok(())
}

#[test]
fn a_sample_is_the_same_each_time() -> Result<()> {
    let folder = TempDir::new()?;
    let sample = |name: &str| -> Result<Vec<(String, Vec<u8>)>> {
        let into = folder.path().join(name);
        cli::lode(["sample", path(&into)], None)?.text()?;
        let mut files = Vec::new();
        for entry in fs::read_dir(&into)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            files.push((name, fs::read(entry.path())?));
        }
        files.sort();
        Ok(files)
    };
    let (one, two) = (sample("one")?, sample("two")?);
    assert!(one.len() >= 3, "files for both companies and the truth");
    assert!(one == two, "two samples of one seed differ");
    Ok(())
}
