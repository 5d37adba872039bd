//! `cargo xtask test`: builds what the tests run, then runs them.
//!
//! `cargo test` alone does not build a plugin's library, and the tests need the binaries:
//! they find both through the environment that is set here.

use anyhow::Context as _;
use anyhow::Result;

use crate::build;
use crate::build::Wanted;
use crate::polyglot;
use crate::workspace;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The long form of the crash tests: tens of minutes.
    #[arg(long)]
    slow: bool,
    /// The client in another language, instead of the Rust tests.
    #[arg(long, conflicts_with_all = ["slow", "rest"])]
    polyglot: bool,
    /// Passed on to `cargo test`, e.g. `-- --package lode-tests ingest`.
    #[arg(last = true)]
    rest: Vec<String>,
}

impl Args {
    pub(crate) const RUST: Args = Args {
        slow: false,
        polyglot: false,
        rest: Vec::new(),
    };
    pub(crate) const POLYGLOT: Args = Args {
        slow: false,
        polyglot: true,
        rest: Vec::new(),
    };
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let dist = workspace::dist();
    let faulty = workspace::target().join("lode-test-plugins");
    let wanted = Wanted {
        sql: true,
        faulty: Some(faulty.clone()),
        ..Wanted::default()
    };
    build::into(&dist, &wanted)?;
    if args.polyglot {
        return polyglot::run();
    }

    let mut command = workspace::cargo();
    command.arg("test");
    let one_package = args.rest.iter().any(|argument| {
        argument.starts_with("-p") || argument.starts_with("--package") || argument == "--workspace"
    });
    if !one_package {
        // The generator has no tests, and its features of shared dependencies are others: with
        // it everything, DataFusion too, would be compiled a second time.
        command.args(["--workspace", "--exclude", "xtask-codegen"]);
    }
    command.args(&args.rest);
    command.env("LODE_BIN", dist.join("lode"));
    command.env("LODE_PLUGIN_DIR", dist.join("plugins"));
    command.env("LODE_FAULTY_PLUGIN_DIR", faulty);
    if args.slow {
        command.env("LODE_SLOW_TESTS", "1");
    }
    workspace::run(&mut command)
        .context("one test again: `cargo xtask test -- --package PACKAGE NAME`")
}
