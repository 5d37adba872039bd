//! `lode plugin release`: lifts a quarantine.

use std::process::ExitCode;

use crate::commands::Context;
use crate::failure::Result;

/// Arguments of `lode plugin release`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Checksum of the plugin's file, or its first digits, as `lode plugins` shows it
    #[arg(value_name = "SHA256")]
    sha256: String,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Result<ExitCode> {
    let plugin = cx.lode.release_plugin(&args.sha256).await?;
    super::show(cx, plugin)
}
