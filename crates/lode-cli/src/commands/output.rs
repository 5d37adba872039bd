//! `lode output`: prints or saves a table that a job made.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::commands::Context;
use crate::failure::Result;
use crate::failure::say;
use crate::output::check_file;
use crate::output::of;
use crate::output::print_rows;
use crate::output::write_file;

/// Arguments of `lode output`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Id of the job
    job: String,
    /// Name of the output
    name: String,
    /// Rows to pass over
    #[arg(long, default_value_t = 0, value_name = "N")]
    offset: u64,
    /// Stop after so many rows
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Save to a .csv, .json or .arrow file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Result<ExitCode> {
    if let Some(file) = &args.out {
        check_file(file)?;
    }
    let mut rows = cx
        .lode
        .output_rows(&args.job, &args.name, args.offset, args.limit)
        .await?;
    match &args.out {
        None => {
            print_rows(&mut rows, cx.format).await?;
        }
        Some(file) => {
            let n_rows = write_file(&mut rows, file).await?;
            say(&format!(
                "wrote {} to {}",
                of(n_rows, "row"),
                file.display()
            ));
        }
    }
    Ok(ExitCode::SUCCESS)
}
