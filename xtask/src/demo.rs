//! `cargo xtask demo`: build, then `lode demo`.

use std::process::Command;

use anyhow::Result;

use crate::build;
use crate::build::Wanted;
use crate::workspace;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Passed on to `lode demo`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let dist = workspace::dist();
    let wanted = Wanted {
        sql: true,
        ..Wanted::default()
    };
    build::into(&dist, &wanted)?;
    workspace::run(Command::new(dist.join("lode")).arg("demo").args(&args.rest))
}
