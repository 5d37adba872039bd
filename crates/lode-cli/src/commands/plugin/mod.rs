//! `lode plugin`: what is done with one plugin; each command has its file.
//!
//! `new` and `check` need no engine; the others ask one.

pub(crate) mod check;
pub(crate) mod load;
pub(crate) mod new;
pub(crate) mod release;
pub(crate) mod unload;

use std::process::ExitCode;

use lode_sdk::PluginInfo;

use crate::commands::Context;
use crate::commands::plugins;
use crate::failure::Result;

/// Arguments of `lode plugin`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Write a project for a plugin of your own, in Rust or C, that builds and passes its tests
    New(new::Args),
    /// Find out what is wrong with a plugin's library, before an engine does
    Check(check::Args),
    /// Load a file of the engine's plugin directory, in the place of what it brought before
    Load(load::Args),
    /// Unload a plugin; what runs ends with it
    Unload(unload::Args),
    /// Let a quarantined plugin run again
    Release(release::Args),
}

pub(crate) async fn run(cx: &Context, args: Args) -> Result<ExitCode> {
    match args.action {
        Action::New(args) => new::run(args).await,
        Action::Check(args) => check::run(cx, args).await,
        Action::Load(args) => load::run(cx, args).await,
        Action::Unload(args) => unload::run(cx, args).await,
        Action::Release(args) => release::run(cx, args).await,
    }
}

/// Prints one plugin as `lode plugins` does.
fn show(cx: &Context, plugin: PluginInfo) -> Result<ExitCode> {
    plugins::print(cx.format, &[plugin])?;
    Ok(ExitCode::SUCCESS)
}
