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
use crate::workspace;

const PYTHON: &str = "python3.11";

pub(crate) fn run() -> Result<()> {
    let folder = workspace::target().join("polyglot");
    let source = workspace::root().join("tests/polyglot");
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let python = environment(&folder, &source.join("requirements.txt"))?;
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

/// The virtual environment with the pinned packages; made once, and again when the pins change.
fn environment(folder: &Path, requirements: &Path) -> Result<PathBuf> {
    let venv = folder.join("venv");
    let python = venv.join("bin/python");
    let stamp = folder.join("requirements.txt");
    let pins = fs::read(requirements).with_context(|| requirements.display().to_string())?;
    if python.exists() && fs::read(&stamp).is_ok_and(|done| done == pins) {
        return Ok(python);
    }
    let mut make = Command::new(PYTHON);
    make.args(["-m", "venv", "--clear"]).arg(&venv);
    workspace::run(&mut make).with_context(|| {
        format!(
            "the polyglot test needs {PYTHON} with venv and ensurepip \
             (Debian: apt-get install python3.11 python3.11-venv)"
        )
    })?;
    let mut install = Command::new(&python);
    install.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ]);
    install.arg("--requirement").arg(requirements);
    workspace::run(&mut install).context("the packages come from PyPI; is it reachable?")?;
    fs::write(&stamp, pins).with_context(|| stamp.display().to_string())?;
    Ok(python)
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
