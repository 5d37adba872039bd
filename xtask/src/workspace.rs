//! Where things are, and how other programs are run.
//!
//! Every command passes through [`run`], so that a failure names the command line that failed.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;
use serde_json::Value;

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask/ lies in the root of the repository")
}

/// Cargo's target folder.
pub(crate) fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => root().join(dir),
        None => root().join("target"),
    }
}

/// The folder that `cargo xtask build` fills: `lode`, `lode-sql` and `plugins/`.
pub(crate) fn dist() -> PathBuf {
    target().join("lode")
}

/// A cargo command in the root of the repository.
pub(crate) fn cargo() -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.current_dir(root());
    command
}

/// Runs a command to its end, with its output on the terminal.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let line = line(command);
    let status = command
        .status()
        .with_context(|| format!("`{line}` did not start"))?;
    if !status.success() {
        bail!("`{line}` failed: {status}");
    }
    Ok(())
}

/// Runs a command to its end and gives its standard output.
pub(crate) fn output(command: &mut Command) -> Result<Vec<u8>> {
    let line = line(command);
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("`{line}` did not start"))?;
    if !output.status.success() {
        bail!("`{line}` failed: {}", output.status);
    }
    Ok(output.stdout)
}

/// `cargo metadata` of the members, without their dependencies' own.
pub(crate) fn metadata() -> Result<Value> {
    let bytes = output(cargo().args(["metadata", "--format-version", "1", "--no-deps"]))?;
    serde_json::from_slice(&bytes).context("`cargo metadata` gave no JSON")
}

/// Copies a file beside its place and renames it there, unless it is there already.
///
/// A running engine may have the old file mapped: it keeps the old bytes.
pub(crate) fn install(from: &Path, to: &Path) -> Result<()> {
    let same_size = match (fs::metadata(from), fs::metadata(to)) {
        (Ok(from), Ok(to)) => from.len() == to.len(),
        _ => false,
    };
    if same_size && fs::read(from)? == fs::read(to)? {
        return Ok(());
    }
    let folder = to.parent().context("a file without a folder")?;
    let name = to.file_name().context("a file without a name")?;
    let mut temporary = OsStr::new(".").to_owned();
    temporary.push(name);
    temporary.push(format!(".{}", std::process::id()));
    let temporary = folder.join(temporary);
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    fs::copy(from, &temporary).with_context(|| format!("copy of {}", from.display()))?;
    fs::rename(&temporary, to).with_context(|| to.display().to_string())
}

/// The `.rs` files below a folder, in order of name.
pub(crate) fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    let mut entries = fs::read_dir(folder)
        .with_context(|| folder.display().to_string())?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<std::io::Result<Vec<_>>>()?;
    entries.sort();
    for path in entries {
        if path.is_dir() {
            if path.file_name() != Some(OsStr::new("target")) {
                rust_files(&path, found)?;
            }
        } else if path.extension() == Some(OsStr::new("rs")) {
            found.push(path);
        }
    }
    Ok(())
}

/// A path as a reader of the repository writes it.
pub(crate) fn shown(path: &Path) -> String {
    path.strip_prefix(root())
        .unwrap_or(path)
        .display()
        .to_string()
}

fn line(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let mut line = program
        .file_name()
        .unwrap_or(program.as_os_str())
        .to_string_lossy()
        .into_owned();
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&argument.to_string_lossy());
    }
    line
}
