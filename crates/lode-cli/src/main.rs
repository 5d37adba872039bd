//! The `lode` command: the engine (`lode serve`), and everything a person does with one.
//!
//! This file parses and dispatches; each command is a file under `commands`. Exit codes:
//! 0 done, 1 a failed job or an error, 2 wrong usage, 3 no engine at the address.

mod cli;
mod commands;
mod failure;
mod output;
mod parse;
mod progress;

use std::process::ExitCode;

use crate::cli::Cli;
use crate::cli::Command;

fn main() -> ExitCode {
    let cli = Cli::read();
    // A worker is started by the engine and has neither runtime nor output of its own.
    if matches!(cli.command, Command::Worker) {
        return lode_host::worker_main();
    }
    if matches!(cli.command, Command::KitChild) {
        return lode_kit::child_main();
    }
    match run(cli) {
        Ok(code) => code,
        Err(error) => failure::report(&error),
    }
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let result = runtime.block_on(commands::run(cli));
    // Blocking reads of a source that was given up must not hold the exit back.
    runtime.shutdown_background();
    Ok(result?)
}
