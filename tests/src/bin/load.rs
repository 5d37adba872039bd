//! `lode-load`: puts load on an engine and prints what it measured as one JSON object.
#![expect(clippy::print_stdout, reason = "its result goes to standard output")]

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;
use clap::Subcommand;
use lode_client::Client;
use lode_client::Options;
use lode_tests::load;
use serde_json::json;

/// Puts load on an engine.
#[derive(Parser)]
struct Cli {
    /// The engine.
    #[arg(long, env = "LODE_ADDR")]
    addr: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Load events as Arrow, then write the same bytes to a file beside.
    Ingest {
        /// A new dataset.
        dataset: String,
        /// Generated ones, rounded up to whole chunks.
        #[arg(long, required_unless_present = "lines")]
        rows: Option<usize>,
        /// The invoice lines of an Arrow IPC stream in this file.
        #[arg(long, conflicts_with = "rows")]
        lines: Option<PathBuf>,
        /// Where the file is written: the file system of the engine's data.
        #[arg(long)]
        folder: PathBuf,
    },
    /// Ask for the events of one customer after the other.
    Timeline {
        /// A dataset whose customers are whole numbers.
        dataset: String,
        /// How many there are: 0 to one less.
        #[arg(long)]
        customers: u64,
        /// How many are asked for.
        #[arg(long)]
        requests: usize,
    },
    /// Run a query whose answer is one row of numbers.
    Query {
        /// The statement.
        sql: String,
        /// How often.
        #[arg(long, default_value_t = 1)]
        runs: usize,
    },
    /// Ask for recommendations at a fixed rate.
    Recommend {
        /// Full name of the model.
        model: String,
        /// A file with one customer id a line.
        #[arg(long)]
        customers: PathBuf,
        /// Requests a second.
        #[arg(long)]
        rate: u32,
        /// Length of the run.
        #[arg(long)]
        seconds: u32,
    },
}

#[tokio::main]
async fn main() -> Result<()> {
    let cli = Cli::parse();
    let client = Client::connect(&cli.addr, Options::default())?;
    let measured = match cli.command {
        Command::Ingest {
            dataset,
            rows,
            lines,
            folder,
        } => {
            let source = match lines {
                Some(path) => load::Source::invoice_lines(&path)?,
                None => load::Source::generated(rows.unwrap_or_default())?,
            };
            let done = load::ingest(&client, &dataset, &source, &folder).await?;
            json!({
                "rows": done.rows, "bytes": done.bytes,
                "seconds": done.seconds, "raw_seconds": done.raw_seconds,
            })
        }
        Command::Timeline {
            dataset,
            customers,
            requests,
        } => {
            let done = load::timeline(&client, &dataset, customers, requests).await?;
            json!({
                "requests": done.requests, "seconds": done.seconds,
                "p50_micros": done.p50_micros, "p99_micros": done.p99_micros,
            })
        }
        Command::Query { sql, runs } => {
            let done = load::query(&client, &sql, runs).await?;
            json!({ "seconds": done.seconds, "answer": done.answer })
        }
        Command::Recommend {
            model,
            customers,
            rate,
            seconds,
        } => {
            let text = std::fs::read_to_string(customers)?;
            let customers = text.lines().map(str::to_owned).collect::<Vec<_>>();
            let done = load::recommend(&client, &model, &customers, rate, seconds).await?;
            json!({
                "requests": done.requests, "seconds": done.seconds,
                "p50_micros": done.p50_micros, "p99_micros": done.p99_micros,
            })
        }
    };
    println!("{measured}");
    Ok(())
}
