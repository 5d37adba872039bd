//! `cargo xtask bench recommend`: recommenders under load.

mod serve;

use anyhow::Result;
use anyhow::ensure;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Ask for offers over gRPC.
    #[arg(long)]
    serve: bool,
    #[command(flatten)]
    serving: serve::ServeArgs,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    ensure!(args.serve, "expected --serve: what is measured");
    serve::run(&args.serving)
}
