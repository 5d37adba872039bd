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
    /// Load generated events as Arrow, then write the same bytes to a file beside.
    Ingest {
        /// A new dataset.
        dataset: String,
        /// Rounded up to whole chunks.
        #[arg(long)]
        rows: usize,
        /// Where the file is written: the file system of the engine's data.
        #[arg(long)]
        folder: PathBuf,
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
            folder,
        } => {
            let done = load::ingest(&client, &dataset, rows, &folder).await?;
            json!({
                "rows": done.rows, "bytes": done.bytes,
                "seconds": done.seconds, "raw_seconds": done.raw_seconds,
            })
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
