//! `cargo xtask fmt`: rustfmt over the workspace.

use anyhow::Context as _;
use anyhow::Result;

use crate::workspace;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Change nothing; fail when a file is not formatted.
    #[arg(long)]
    pub(crate) check: bool,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let mut command = workspace::cargo();
    command.args(["fmt", "--all"]);
    if args.check {
        command.arg("--check");
        return workspace::run(&mut command).context("run `cargo xtask fmt`");
    }
    workspace::run(&mut command)
}
