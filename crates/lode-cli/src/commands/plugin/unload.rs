//! `lode plugin unload`: no new call gets the plugin.

use std::process::ExitCode;

use lode_sdk::PluginTarget;

use crate::commands::Context;
use crate::failure::Result;

/// Arguments of `lode plugin unload`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Name of the plugin, or of its file
    #[arg(value_name = "PLUGIN|FILE.so")]
    plugin: String,
    /// Version of the plugin, where several are loaded
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Result<ExitCode> {
    let mut target = PluginTarget {
        version: args.version.unwrap_or_default(),
        ..PluginTarget::default()
    };
    if args.plugin.ends_with(".so") {
        target.file_name = args.plugin;
    } else {
        target.plugin = args.plugin;
    }
    let plugin = cx.lode.unload_plugin(&target).await?;
    super::show(cx, plugin)
}
