//! Virtual environments for what runs in Python: a client's test, the peers of a benchmark.

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;
use anyhow::Result;

use crate::workspace;

const PYTHON: &str = "python3.11";

/// The virtual environment with the pinned packages; made once, and again when the pins change.
pub(crate) fn environment(folder: &Path, requirements: &Path) -> Result<PathBuf> {
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
            "this needs {PYTHON} with venv and ensurepip \
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
