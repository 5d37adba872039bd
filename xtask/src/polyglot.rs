//! `cargo xtask test --polyglot`: a client in Python against the real engine.
//!
//! Makes the virtual environment and the stubs under `target/polyglot`, nothing outside it.
//! Invariant: the engine is stopped whatever the script does.

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;
use anyhow::Result;

use crate::process::Engine;
use crate::python;
use crate::workspace;

pub(crate) fn run() -> Result<()> {
    let folder = workspace::target().join("polyglot");
    let source = workspace::root().join("tests/polyglot");
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let python = python::environment(&folder, &source.join("requirements.txt"))?;
    let stubs = stubs(&folder, &python)?;

    let data = folder.join("data");
    if data.exists() {
        fs::remove_dir_all(&data).with_context(|| data.display().to_string())?;
    }
    let engine = Engine::start(&workspace::dist(), &data)?;
    let mut script = Command::new(&python);
    script.arg(source.join("churn.py")).arg(engine.address());
    workspace::run(
        script
            .env("PYTHONPATH", stubs)
            .env("PYTHONDONTWRITEBYTECODE", "1"),
    )
}

/// Stubs of `proto/`, made anew each time: it takes a second.
fn stubs(folder: &Path, python: &Path) -> Result<PathBuf> {
    let out = folder.join("stubs");
    if out.exists() {
        fs::remove_dir_all(&out).with_context(|| out.display().to_string())?;
    }
    fs::create_dir_all(&out).with_context(|| out.display().to_string())?;
    let proto = workspace::root().join("proto");
    let mut files = fs::read_dir(proto.join("lode/v1"))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<std::io::Result<Vec<_>>>()?;
    files.sort();
    let mut protoc = Command::new(python);
    protoc.args(["-m", "grpc_tools.protoc"]);
    protoc.arg(format!("--proto_path={}", proto.display()));
    protoc.arg(format!("--python_out={}", out.display()));
    protoc.arg(format!("--grpc_python_out={}", out.display()));
    workspace::run(protoc.args(files))?;
    Ok(out)
}
