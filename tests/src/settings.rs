//! What the environment says: where the programs, the plugins and the real data are.

use std::io::Write as _;
use std::path::Path;
use std::path::PathBuf;

/// The `lode` binary.
///
/// # Panics
/// When it is not there; the message names the command that makes it.
pub fn lode() -> PathBuf {
    existing("LODE_BIN", "target/lode/lode")
}

/// The folder of the shipped plugins.
///
/// # Panics
/// When it is not there; the message names the command that makes it.
pub fn plugins() -> PathBuf {
    existing("LODE_PLUGIN_DIR", "target/lode/plugins")
}

/// The folder of the plugins that misbehave on purpose.
///
/// # Panics
/// When it is not there; the message names the command that makes it.
pub fn faulty_plugins() -> PathBuf {
    existing("LODE_FAULTY_PLUGIN_DIR", "target/lode-test-plugins")
}

/// Whether the long form of a slow test is asked for.
pub fn slow() -> bool {
    std::env::var_os("LODE_SLOW_TESTS").is_some_and(|value| value == "1")
}

/// Where a furnished data folder is to be kept, as `LODE_KEEP_DIR` says; it must not be there.
pub fn keep_dir() -> Option<PathBuf> {
    std::env::var_os("LODE_KEEP_DIR").map(PathBuf::from)
}

/// A file of the real data sets, which are no part of the repository.
///
/// Without them the test that asks is skipped, and says so on the real standard error.
pub fn real_data(test: &str, path: &str) -> Option<PathBuf> {
    let folder = match std::env::var_os("LODE_DATA") {
        Some(folder) => PathBuf::from(folder),
        None => root().parent()?.join("shared/data"),
    };
    let file = folder.join(path);
    if file.exists() {
        return Some(file);
    }
    skipped(
        test,
        &format!(
            "{} is not there; LODE_DATA names the folder of the real data",
            file.display()
        ),
    );
    None
}

/// Says that a test did nothing.
pub fn skipped(test: &str, why: &str) {
    say(&format!("\nSKIPPED {test}: {why}"));
}

/// Writes a line that is seen: `cargo test` hides what a passing test prints, but not this.
pub fn say(line: &str) {
    // A closed standard error is no reason to fail.
    writeln!(std::io::stderr(), "{line}").ok();
}

/// The root of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("tests/ lies in the root of the repository")
}

fn existing(variable: &str, default: &str) -> PathBuf {
    let path = match std::env::var_os(variable) {
        Some(path) => PathBuf::from(path),
        None => root().join(default),
    };
    assert!(
        path.exists(),
        "{} is not there; run `cargo xtask test` (it builds it and sets {variable})",
        path.display()
    );
    path
}
