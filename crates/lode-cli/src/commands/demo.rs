//! `lode demo`: everything on made-up data, in a minute: load, segment, recommend, churn.
//!
//! The engine runs in this process on a free port, its workers are real processes, and all
//! goes over gRPC through the SDK, as in any application. What was planted in the data is
//! known, so the report can say how much of it was found.

mod columns;
mod leavers;
mod load;
mod offers;
mod segments;
mod truth;

use std::path::PathBuf;
use std::process::ExitCode;

use lode_engine::Engine;
use lode_sdk::Lode;
use lode_types::Clock;
use lode_types::SystemClock;
use lode_types::Timestamp;

use crate::commands::customer;
use crate::commands::demo::truth::Truth;
use crate::commands::sample;
use crate::commands::serve;
use crate::failure::Failed;
use crate::failure::Result;
use crate::failure::say;
use crate::output::duration;
use crate::output::print;
use crate::progress;

/// Arguments of `lode demo`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Customers of the made-up shop, and as many of the made-up phone company
    #[arg(long, default_value_t = 3000, value_name = "N")]
    customers: u64,
    /// The same seed gives the same report
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Directory of plugin libraries [default: plugins beside the lode program]
    #[arg(long, value_name = "DIR")]
    plugins: Option<PathBuf>,
}

pub(crate) async fn run(args: Args) -> Result<ExitCode> {
    if args.customers < 100 {
        return Err(Failed::usage(
            "--customers: expected at least 100, so that there is something to find",
        ));
    }
    serve::start_log(tracing::Level::WARN);
    let dir = tempfile::tempdir()
        .map_err(|error| Failed::io("cannot make a temporary directory", error))?;
    let address = ([127, 0, 0, 1], 0).into();
    let config = serve::config(dir.path().join("data"), args.plugins.clone(), address)?;
    let engine = Engine::start(config)
        .await
        .map_err(|error| Failed::of(&error))?;
    let ended = tokio::select! {
        ended = show(&args, &engine, dir.path().join("sample")) => ended,
        _ = tokio::signal::ctrl_c() => {
            say("stopped");
            Ok(ExitCode::from(130))
        }
    };
    let stopped = engine.shutdown().await;
    let code = ended?;
    stopped.map_err(|error| Failed::of(&error))?;
    Ok(code)
}

async fn show(args: &Args, engine: &Engine, sample_dir: PathBuf) -> Result<ExitCode> {
    let start = SystemClock.now();
    let step = progress::steps();
    step.set_message("making up customers");
    sample::write(&sample_dir, args.customers, args.seed)?;
    let truth = Truth::read(&sample_dir.join("truth.json"))?;
    let lode = Lode::connect(&format!("http://{}", engine.addr())).await?;
    let shown = Shown { step, lode, truth };

    shown.print(&format!(
        "LODE DEMO: a made-up shop and a made-up phone company (seed {}).\n\
         What was planted in the data is known, so each finding is checked against it.",
        args.seed
    ))?;
    shown.step.set_message("loading");
    let text = load::run(&shown.lode, &sample_dir).await?;
    shown.print(&text)?;

    shown.step.set_message("segmenting customers");
    shown.print(&segments::tiers(&shown.lode, &shown.truth).await?)?;
    shown.print(&segments::habits(&shown.lode).await?)?;

    shown.step.set_message("looking for offers");
    shown.print(&offers::run(&shown.lode, &shown.truth).await?)?;

    shown.step.set_message("looking for leavers");
    let (text, riskiest) = leavers::run(&shown.lode, &shown.truth).await?;
    shown.print(&text)?;

    let card = customer::card(&shown.lode.customer(&riskiest).await?);
    shown.print(&format!(
        "{}\n{card}",
        heading(
            "5. One of them, as the engine knows them now",
            "GetCustomer"
        )
    ))?;
    shown.step.finish_and_clear();
    print(&next(start))?;
    Ok(ExitCode::SUCCESS)
}

/// What the parts of the report are made with.
struct Shown {
    step: indicatif::ProgressBar,
    lode: Lode,
    truth: Truth,
}

impl Shown {
    /// Prints a part of the report above the spinner.
    fn print(&self, text: &str) -> Result<()> {
        self.step.suspend(|| print(&format!("{text}\n\n")))
    }
}

/// The title of a part, what made it on the right.
fn heading(title: &str, made_by: &str) -> String {
    let gap = 76_usize.saturating_sub(title.chars().count() + made_by.chars().count());
    format!("{title} {} {made_by}", "-".repeat(gap.max(3)))
}

fn next(start: Timestamp) -> String {
    let took = duration(Some(start), Some(SystemClock.now()));
    format!(
        "That took {took}. The engine and its data are gone again; with your own it goes like this:\n  \
         lode serve                                       an engine, data in ./lode-data\n  \
         lode ingest retail my_orders.csv                 load a file; columns and roles are inferred\n  \
         lode query \"select count(*) from retail\"         look at it\n  \
         lode algorithms                                  see what can be run\n  \
         lode run segment.rfm -i retail --write-back      run it\n  \
         lode sample DIR                                  the made-up files of this demo"
    )
}
