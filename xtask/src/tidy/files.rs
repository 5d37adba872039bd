//! The shape of source files: a module doc first, and no file too long to read.

use std::fs;
use std::path::Path;
use std::path::PathBuf;

use anyhow::Context as _;
use anyhow::Result;

use crate::workspace;

/// Lines of the longest file that is not generated.
const LONGEST: usize = 600;

pub(super) fn problems() -> Result<Vec<String>> {
    let mut paths = Vec::new();
    for folder in ["crates", "plugins", "tests", "xtask"] {
        workspace::rust_files(&workspace::root().join(folder), &mut paths)?;
    }
    let mut problems = Vec::new();
    for path in paths {
        if is_generated(&path) {
            continue;
        }
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        problems.extend(of_text(&path, &text));
    }
    Ok(problems)
}

/// What is wrong with one file.
pub(super) fn of_text(path: &Path, text: &str) -> Option<String> {
    let path = workspace::shown(path);
    if !text.starts_with("//!") {
        return Some(format!(
            "{path} does not open with a module doc (`//! ...`): what it is for, what it leaves to others"
        ));
    }
    let lines = text.lines().count();
    (lines > LONGEST).then(|| format!("{path} has {lines} lines; split it, {LONGEST} is the most"))
}

fn is_generated(path: &Path) -> bool {
    path.parent()
        .map(PathBuf::from)
        .is_some_and(|folder| folder.ends_with("src/generated"))
}
