//! `lode query`: a SELECT over datasets, as they are or as they were.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use lode_client::v1;
use lode_sdk::Query;
use lode_types::Timestamp;
use lode_types::Value;

use crate::commands::Context;
use crate::failure::Result;
use crate::failure::say;
use crate::output::print;
use crate::output::print_rows;
use crate::parse;

/// Arguments of `lode query`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// One SELECT; a dataset is a table of its own name, as_of(DATASET, TIME) and
    /// version(DATASET, N) are datasets as they were
    sql: String,
    /// Value of $NAME, or of $1 as 1=VALUE; JSON is read as what it is, the rest as text
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = parse::param)]
    params: Vec<(String, Value)>,
    /// Read all datasets as they were known at this date or time (UTC)
    #[arg(long, value_name = "TIME", value_parser = parse::time)]
    as_of: Option<Timestamp>,
    /// Version to read of a dataset
    #[arg(long = "version-of", value_name = "DATASET=N", value_parser = parse::version)]
    versions: Vec<(String, u64)>,
    /// Stop after so many rows
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// Stop after so many bytes
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max_bytes: Option<u64>,
    /// Give up after so many seconds [default: 300]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86400))]
    timeout: Option<u64>,
    /// Threads to run with [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    threads: Option<u32>,
    /// Show the plan and which parts it reads instead of rows
    #[arg(long)]
    explain: bool,
    /// With the plan, run it and show what each step did
    #[arg(long, requires = "explain")]
    analyze: bool,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Result<ExitCode> {
    let query = Query {
        sql: args.sql,
        parameters: args.params.into_iter().collect(),
        as_of: args.as_of,
        versions: args.versions.into_iter().collect::<BTreeMap<_, _>>(),
        row_limit: args.limit,
        byte_limit: args.max_bytes,
        timeout: args.timeout.map(Duration::from_secs),
        threads: args.threads,
    };
    if args.explain {
        let explained = cx.lode.explain_query(&query, args.analyze).await?;
        print(&explanation(&explained))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut rows = cx.lode.run_query(&query).await?;
    print_rows(&mut rows, cx.format).await?;
    if let Some(summary) = rows.summary() {
        if summary.truncated {
            say("the answer was cut at the limit; there are more rows");
        }
        for table in summary
            .tables
            .iter()
            .filter(|table| table.lost_row_count > 0)
        {
            say(&format!(
                "the answer lacks {} of {} rows of {}: their parts are lost, and it is labelled \
                 damaged-parts=skip",
                table.lost_row_count, table.row_count, table.dataset
            ));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn explanation(explained: &v1::ExplainResponse) -> String {
    let mut text = explained.plan.trim_end().to_owned();
    for scan in &explained.scans {
        let table = scan.table.clone().unwrap_or_default();
        let parts = scan.parts.len();
        let is_skipped = |part: &&v1::PartScan| part.read_row_count == 0;
        let skipped = scan.parts.iter().filter(is_skipped).count();
        let rows: u64 = scan.parts.iter().map(|part| part.read_row_count).sum();
        // Writing into a string cannot fail.
        write!(
            text,
            "\n\n{} at version {}: reads {} of {parts} parts, {rows} of {} rows, columns {}",
            table.dataset,
            table.version,
            parts - skipped,
            table.row_count,
            scan.columns.join(", "),
        )
        .ok();
        for filter in &scan.filters {
            write!(text, "\n  where {filter}").ok();
        }
        for part in &scan.parts {
            let read = part.batch_count - part.skipped_batch_count;
            write!(
                text,
                "\n  {} {}: {read} of {} batches, {} of {} rows",
                if is_skipped(&part) { "skips" } else { "reads" },
                part.part,
                part.batch_count,
                part.read_row_count,
                part.row_count,
            )
            .ok();
        }
    }
    if let Some(summary) = &explained.summary {
        write!(text, "\n\n{} rows", summary.row_count).ok();
    }
    text
}
