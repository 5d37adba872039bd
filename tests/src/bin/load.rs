//! `lode-load`: puts load on an engine and prints what it measured as one JSON object.
#![expect(clippy::print_stdout, reason = "its result goes to standard output")]

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use clap::Subcommand;
use lode_client::Client;
use lode_client::Options;
use lode_proto::v1::RecommendRequest;
use lode_tests::costs;
use lode_tests::load;
use lode_tests::reasons;
use lode_tests::shop;
use serde_json::Value;
use serde_json::json;

/// How long a call may take: compaction of gigabytes takes minutes.
const PATIENCE: Duration = Duration::from_secs(3600);

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
    /// Load exactly so many generated events, made while they are sent.
    Fill {
        /// A new dataset.
        dataset: String,
        /// How many.
        #[arg(long)]
        rows: u64,
    },
    /// Compact a dataset, however long it takes.
    Compact {
        /// The dataset.
        dataset: String,
    },
    /// Run a job again and again, one after the other.
    Jobs {
        /// Id of the algorithm.
        algorithm: String,
        /// Its input.
        #[arg(long)]
        input: String,
        /// A dataset, sql:STATEMENT, or output:JOB/NAME.
        #[arg(long)]
        from: String,
        /// How often.
        #[arg(long, default_value_t = 1)]
        runs: usize,
        /// A parameter that is set to true.
        #[arg(long)]
        flag: Option<String>,
        /// Memory of the job.
        #[arg(long, default_value_t = 0)]
        memory_mib: u64,
    },
    /// Ask a model of generated events for scores, one request after the other.
    Score {
        /// Full name of the model.
        model: String,
        /// Rows of a request.
        #[arg(long)]
        rows: usize,
        /// How many requests.
        #[arg(long)]
        requests: usize,
    },
    /// Ask a model for scores of a file's rows at a fixed rate.
    ScoreAt {
        /// Full name of the model.
        model: String,
        /// Text with a heading: a name, numbers, a label.
        #[arg(long)]
        file: PathBuf,
        /// How they are asked for.
        #[arg(long, value_enum, default_value = "rows")]
        asking: load::Asking,
        /// Rows of a request.
        #[arg(long)]
        rows: usize,
        /// Requests a second.
        #[arg(long)]
        rate: u32,
        /// Length of the run.
        #[arg(long)]
        seconds: u32,
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
    /// Compare the reasons of churn models with the causes planted in a sample of the operator.
    Reasons {
        /// Ids of the algorithms.
        #[arg(required = true)]
        algorithms: Vec<String>,
        /// Where the sample is made.
        #[arg(long)]
        folder: PathBuf,
        /// Seed of the sample, which draws the causes.
        #[arg(long)]
        seed: u64,
        /// How many there are; every second one is held out.
        #[arg(long)]
        customers: u64,
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
        /// A condition on the items.
        #[arg(long, default_value = "")]
        filter: String,
        /// Ask for reasons.
        #[arg(long)]
        explain: bool,
        /// Record what is offered.
        #[arg(long)]
        record: bool,
    },
    /// Load the purchases and the items of a made shop.
    Shop {
        /// A new dataset of purchases.
        events: String,
        /// A new dataset of items.
        goods: String,
        /// Customers, c0 and so on.
        #[arg(long)]
        customers: u64,
        /// Items, i0 and so on.
        #[arg(long)]
        items: u64,
        /// Purchases of each customer.
        #[arg(long)]
        each: u64,
    },
}

#[tokio::main]
async fn main() -> Result<()> {
    let cli = Cli::parse();
    let options = Options {
        deadline: PATIENCE,
        ..Options::default()
    };
    let client = Client::connect(&cli.addr, options)?;
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
        Command::Fill { dataset, rows } => {
            json!({ "seconds": costs::fill(&client, &dataset, rows).await? })
        }
        Command::Compact { dataset } => {
            json!({ "seconds": costs::compact(&client, &dataset).await? })
        }
        Command::Jobs {
            algorithm,
            input,
            from,
            runs,
            flag,
            memory_mib,
        } => {
            let asked = costs::Asked {
                algorithm,
                input,
                from,
                flag,
                memory_bytes: memory_mib << 20,
            };
            let runs = costs::jobs(&client, &asked, runs).await?;
            let runs = runs.into_iter().map(|run| {
                json!({
                    "seconds": run.seconds, "model": run.model, "metrics": run.metrics,
                })
            });
            json!(runs.collect::<Vec<_>>())
        }
        Command::Score {
            model,
            rows,
            requests,
        } => {
            let done = costs::score(&client, &model, rows, requests).await?;
            json!({
                "requests": done.requests, "seconds": done.seconds,
                "p50_micros": done.p50_micros, "p99_micros": done.p99_micros,
            })
        }
        Command::ScoreAt {
            model,
            file,
            asking,
            rows,
            rate,
            seconds,
        } => {
            let pace = load::Pace { rate, seconds };
            let scored = load::Scored::read(&file, asking)?;
            let done = load::score_at(&client, &model, &scored, rows, pace).await?;
            json!({
                "requests": done.requests, "seconds": done.seconds,
                "p50_micros": done.p50_micros, "p99_micros": done.p99_micros,
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
        Command::Reasons {
            algorithms,
            folder,
            seed,
            customers,
        } => {
            let sample = reasons::Sample::make(&cli.addr, &folder, seed, customers)?;
            sample.load_table()?;
            sample.load_events()?;
            let mut found = serde_json::Map::new();
            found.insert("causes".to_owned(), json!(sample.causes()));
            for algorithm in algorithms {
                let table = sample.from_table(&algorithm)?.json();
                let events = sample.from_events(&algorithm)?.json();
                found.insert(algorithm, json!({ "table": table, "events": events }));
            }
            Value::Object(found)
        }
        Command::Recommend {
            model,
            customers,
            rate,
            seconds,
            filter,
            explain,
            record,
        } => {
            let text = std::fs::read_to_string(customers)?;
            let customers = text.lines().map(str::to_owned).collect::<Vec<_>>();
            let asked = RecommendRequest {
                model,
                limit: 10,
                filter,
                explain,
                record,
                ..RecommendRequest::default()
            };
            let pace = load::Pace { rate, seconds };
            let done = load::recommend(&client, &asked, &customers, pace).await?;
            json!({
                "requests": done.requests, "seconds": done.seconds,
                "p50_micros": done.p50_micros, "p99_micros": done.p99_micros,
            })
        }
        Command::Shop {
            events,
            goods,
            customers,
            items,
            each,
        } => {
            let size = shop::Size {
                customers,
                items,
                each,
            };
            json!({ "seconds": shop::fill(&client, &events, &goods, size).await? })
        }
    };
    println!("{measured}");
    Ok(())
}
