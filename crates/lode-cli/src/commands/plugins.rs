//! `lode plugins`: the libraries in the engine's plugin directory.

use std::process::ExitCode;

use lode_sdk::PluginInfo;

use crate::commands::Context;
use crate::failure::Result;
use crate::output::Format;
use crate::output::List;

pub(crate) async fn run(cx: &Context) -> Result<ExitCode> {
    print(cx.format, &cx.lode.plugins().await?)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints plugins.
pub(crate) fn print(format: Format, plugins: &[PluginInfo]) -> Result<()> {
    let mut list = List::new(&[
        "plugin",
        "version",
        "state",
        "abi",
        "file",
        "sha256",
        "algorithms",
        "crashes",
        "problems",
    ]);
    for plugin in plugins {
        list.push(vec![
            plugin.plugin.as_str().into(),
            plugin.version.as_str().into(),
            plugin.state.into(),
            plugin.abi_version.as_str().into(),
            plugin.file_name.as_str().into(),
            plugin.sha256.chars().take(12).collect::<String>().into(),
            plugin.algorithms.join(", ").into(),
            u64::from(plugin.crash_count).into(),
            plugin.problems.join("; ").into(),
        ]);
    }
    list.print(
        format,
        &plugins,
        "no plugins: put .so files into the directory that `lode serve --plugins` names",
    )
}
