//! `lode rejected`: the rows that a load set aside, and why.

use std::process::ExitCode;

use crate::commands::Context;
use crate::failure::Result;
use crate::output::List;

/// Arguments of `lode rejected`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The dataset
    dataset: String,
    /// Id of the load, as `lode ingest` printed it
    ingest: String,
    /// Most rows to print
    #[arg(long, default_value_t = 100, value_name = "N")]
    limit: usize,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Result<ExitCode> {
    let rows = cx
        .lode
        .rejected_rows(&args.dataset, &args.ingest, args.limit)
        .await?;
    let mut list = List::new(&["chunk", "row", "column", "reason", "message", "text"]);
    for row in &rows {
        list.push(vec![
            row.seq.into(),
            u64::from(row.row).into(),
            row.column.as_str().into(),
            row.reason.as_str().into(),
            row.message.as_str().into(),
            row.row_json.as_str().into(),
        ]);
    }
    list.print(cx.format, &rows, "no row was set aside")?;
    Ok(ExitCode::SUCCESS)
}
