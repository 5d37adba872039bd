//! `lode plugin`: what a person does with one plugin.

mod new;

use std::process::ExitCode;

use crate::failure::Result;

/// Arguments of `lode plugin`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Write a project for a plugin of your own, in Rust or C, that builds and passes its tests
    New(new::Args),
}

pub(crate) async fn run(args: Args) -> Result<ExitCode> {
    match args.command {
        Command::New(args) => new::run(args).await,
    }
}
