//! `cargo xtask tidy`: what the compiler does not check.
//!
//! It also runs as a test of this package, so `cargo xtask test` fails on an untidy tree.

mod arrows;
mod files;
mod manifests;

use anyhow::Result;
use anyhow::bail;

use crate::workspace;

#[derive(clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_args: &Args) -> Result<()> {
    let problems = problems()?;
    for problem in &problems {
        println!("{problem}");
    }
    match problems.len() {
        0 => Ok(()),
        n => bail!("{n} to mend, then `cargo xtask tidy` again"),
    }
}

/// One line a problem, empty when the tree is tidy.
fn problems() -> Result<Vec<String>> {
    let metadata = workspace::metadata()?;
    let mut problems = arrows::problems(&metadata)?;
    problems.extend(manifests::problems(&metadata)?);
    problems.extend(files::problems()?);
    Ok(problems)
}

#[cfg(test)]
mod tests;
