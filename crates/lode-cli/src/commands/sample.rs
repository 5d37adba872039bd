//! `lode sample`: writes made-up customer data, the truth about it beside it.

use std::path::PathBuf;
use std::process::ExitCode;

use lode_sample::SampleOptions;

use crate::failure::Failed;
use crate::failure::Result;
use crate::output::print;

/// Arguments of `lode sample`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Directory to write into; made when it is not there
    dir: PathBuf,
    /// Customers of the retailer and of the telecom operator
    #[arg(long, default_value_t = 2000, value_name = "N")]
    customers: usize,
    /// The same seed gives the same files
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[expect(clippy::unused_async, reason = "every command has the same form")]
pub(crate) async fn run(args: Args) -> Result<ExitCode> {
    write(&args.dir, args.customers, args.seed)?;
    let dir = args.dir.display();
    print(&format!(
        "wrote sample files into {dir}; next:\n  lode ingest retail {dir}/retail.csv\n  lode ingest telecom {dir}/telecom.csv"
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// Writes the sample.
pub(crate) fn write(dir: &std::path::Path, customers: usize, seed: u64) -> Result<()> {
    lode_sample::write(dir, &SampleOptions { customers, seed }).map_err(|error| {
        Failed::io(
            format!("cannot write into {}", dir.display()),
            std::io::Error::other(error),
        )
    })
}
