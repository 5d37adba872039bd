//! `cargo xtask codegen`: the Rust code of `proto/`, committed and checked.
//!
//! The generator is a program of its own, `xtask-codegen`, so that xtask itself builds in seconds.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;

use crate::workspace;

const GENERATED: &str = "crates/lode-proto/src/generated";

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Change nothing; fail when the committed code is not what proto/ gives.
    #[arg(long)]
    pub(crate) check: bool,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let fresh = workspace::target().join("codegen");
    if fresh.exists() {
        fs::remove_dir_all(&fresh).with_context(|| fresh.display().to_string())?;
    }
    let mut command = workspace::cargo();
    command.args(["run", "--quiet", "--package", "xtask-codegen", "--"]);
    workspace::run(command.arg("proto").arg(&fresh))?;

    let committed = workspace::root().join(GENERATED);
    let names = files(&fresh)?
        .union(&files(&committed)?)
        .cloned()
        .collect::<Vec<_>>();
    for name in names {
        let (from, to) = (fresh.join(&name), committed.join(&name));
        let wanted = fs::read(&from).ok();
        if wanted == fs::read(&to).ok() {
            continue;
        }
        if args.check {
            bail!(
                "{} is not what proto/ gives; run `cargo xtask codegen` and commit the change",
                workspace::shown(&to)
            );
        }
        match wanted {
            Some(_) => workspace::install(&from, &to)?,
            None => fs::remove_file(&to).with_context(|| to.display().to_string())?,
        }
        println!("wrote {}", workspace::shown(&to));
    }
    Ok(())
}

fn files(folder: &Path) -> Result<BTreeSet<OsString>> {
    if !folder.exists() {
        return Ok(BTreeSet::new());
    }
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    entries
        .map(|entry| Ok(entry?.file_name()))
        .collect::<Result<_>>()
}
