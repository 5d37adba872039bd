//! `lode plugin load`: loads a file of the engine's plugin directory.

use std::process::ExitCode;

use crate::commands::Context;
use crate::failure::Result;

/// Arguments of `lode plugin load`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Name of the file in the engine's plugin directory, without a path, e.g. libpredict.so
    #[arg(value_name = "FILE")]
    file_name: String,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Result<ExitCode> {
    let plugin = cx.lode.load_plugin(&args.file_name).await?;
    super::show(cx, plugin)
}
