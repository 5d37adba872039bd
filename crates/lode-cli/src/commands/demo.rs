//! placeholder

use crate::failure::Result;
use std::process::ExitCode;

/// Arguments of `lode demo`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

#[expect(clippy::unused_async, reason = "x")]
pub(crate) async fn run(_args: Args) -> Result<ExitCode> {
    Ok(ExitCode::SUCCESS)
}
