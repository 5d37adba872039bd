//! `lode query`: a SELECT over datasets.

use std::process::ExitCode;

use crate::commands::Context;
use crate::failure::Result;
use crate::output::print_rows;

/// Arguments of `lode query`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// One SELECT; a dataset is a table of its own name
    sql: String,
    /// Stop after so many rows
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Result<ExitCode> {
    let rows = cx.lode.query(&args.sql, args.limit).await?;
    print_rows(rows, cx.format).await?;
    Ok(ExitCode::SUCCESS)
}
