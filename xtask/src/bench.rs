//! `cargo xtask bench NAME`: measurements, one file each.
//!
//! A benchmark builds for release into a folder of its own, runs three times and prints medians.

mod first;

use anyhow::Result;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    benchmark: Benchmark,
}

#[derive(clap::Subcommand)]
enum Benchmark {
    /// The first profile: ingest over gRPC beside a raw write, and recommendations under load.
    First(first::Args),
}

pub(crate) fn run(args: &Args) -> Result<()> {
    match &args.benchmark {
        Benchmark::First(args) => first::run(args),
    }
}
