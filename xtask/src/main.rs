//! The build tool of the workspace: `cargo xtask COMMAND`.
//!
//! Only parses and dispatches; each command is a file of its own with `Args` and `run`.
//! Invariant: it depends on nothing from `crates/`, since it must run when they do not compile.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a build tool talks on the terminal"
)]

mod process;
mod python;
mod workspace;

mod build;
mod codegen;
mod demo;
mod fmt;
mod fuzz;
mod lint;
mod miri;
mod plugin;
mod polyglot;
mod test;
mod tidy;

mod ci;

mod bench;

use std::process::ExitCode;

use clap::Parser;
use clap::Subcommand;

/// Builds, checks, tests and measures Lode.
#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    disable_version_flag = true
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Put lode, lode-sql and the plugins into target/lode, a folder that can be copied and run.
    Build(build::Args),
    /// Build, then run every test.
    Test(test::Args),
    /// Build, then run `lode demo`.
    Demo(demo::Args),
    /// Everything that a change has to pass: fmt, tidy, codegen, lint, test.
    Ci(ci::Args),
    /// Format the Rust code, or check that it is formatted.
    Fmt(fmt::Args),
    /// Run clippy and rustdoc with every warning an error.
    Lint(lint::Args),
    /// Check the arrows between crates, the dependencies and the shape of the files.
    Tidy(tidy::Args),
    /// Write the Rust code of proto/ into crates/lode-proto/src/generated, or check it.
    Codegen(codegen::Args),
    /// Write a new plugin.
    Plugin(plugin::Args),
    /// Run the fuzz targets under libFuzzer; needs a nightly toolchain and cargo-fuzz.
    Fuzz(fuzz::Args),
    /// Run the tests of the plugin ABI in Miri; needs a nightly toolchain with it.
    Miri(miri::Args),
    /// Measure: build for release, run, print a table.
    Bench(bench::Args),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Build(args) => build::run(&args),
        Command::Test(args) => test::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Ci(args) => ci::run(&args),
        Command::Fmt(args) => fmt::run(&args),
        Command::Lint(args) => lint::run(&args),
        Command::Tidy(args) => tidy::run(&args),
        Command::Codegen(args) => codegen::run(&args),
        Command::Plugin(args) => plugin::run(&args),
        Command::Fuzz(args) => fuzz::run(&args),
        Command::Miri(args) => miri::run(&args),
        Command::Bench(args) => bench::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
