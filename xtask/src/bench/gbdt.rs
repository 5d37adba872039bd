//! `cargo xtask bench gbdt`: the gradient boosting beside LightGBM, XGBoost, CatBoost and
//! scikit-learn.
//!
//! Rows are made by the example `gbdt` of lode-numeric, and all sides learn from that file, each
//! case in a process of its own, one after the other, again and again. Measured are binning,
//! training, scoring of all rows, contributions of some, memory, bytes of the model, and how good
//! the scores of held-out rows are. CPU counts all threads; memory leaves out what was resident
//! before: libraries and input.

mod learners;
mod report;
mod serve;
mod tables;

use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::ensure;

use crate::bench::peers::Peers;
use crate::workspace;
use learners::Learners;

/// What the peers' script can fit; the first is the one that the goals name most.
const PEERS: [&str; 5] = [LIGHTGBM, FASTEST, "xgboost", "catboost", "sklearn"];
const LIGHTGBM: &str = "lightgbm";
/// LightGBM with what makes it fastest on tables like these.
const FASTEST: &str = "lightgbm_fastest";
const OURS: &str = "lode";

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Rows to learn from; a fifth as many are held out.
    #[arg(long, default_value_t = 1_000_000)]
    rows: u64,
    /// Columns of them.
    #[arg(long, default_value_t = 50)]
    columns: u64,
    /// Trees.
    #[arg(long, default_value_t = 100)]
    rounds: u64,
    /// Leaves of a tree.
    #[arg(long, default_value_t = 31)]
    leaves: u64,
    /// Threads of each side.
    #[arg(long, default_value_t = 2)]
    threads: u64,
    /// Held-out rows whose contributions are computed.
    #[arg(long, default_value_t = 20_000)]
    explain: u64,
    /// Runs of each case, of which medians are told.
    #[arg(long, default_value_t = 3)]
    repeat: usize,
    /// Peers to run in place of all; `none` for none.
    #[arg(long)]
    peer: Vec<String>,
    /// How cost grows beside LightGBM, in place of the comparison at one size: rows (a hundredth
    /// of --rows, a tenth, all), columns, leaves, missing values, categories, sparse columns.
    #[arg(long)]
    growth: bool,
    /// With --growth: ten times --rows, of 20 columns, too.
    #[arg(long, requires = "growth")]
    huge: bool,
    /// Objectives other than yes or no, beside LightGBM, at a tenth of --rows.
    #[arg(long)]
    objectives: bool,
    /// Scores over gRPC at a fixed rate, from a model of --serve-rows rows.
    #[arg(long)]
    serve: bool,
    /// Rows that the model of --serve learns from.
    #[arg(long, default_value_t = 20_000)]
    serve_rows: u64,
    /// Requests a second of --serve.
    #[arg(long, default_value_t = 2_000)]
    rate: u64,
    /// Seconds of each run of --serve.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Measure what the last benchmark built.
    #[arg(long)]
    built: bool,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    for peer in args.peer.iter().filter(|peer| *peer != "none") {
        ensure!(
            PEERS.contains(&&**peer),
            "--peer: expected none or one of {}, found {peer}",
            PEERS.join(", ")
        );
    }
    let folder = folder()?;
    let learners = Learners {
        program: program(args.built)?,
        peers: Peers::prepare_for("gbdt")?,
        folder,
        threads: args.threads,
        rounds: args.rounds,
        repeat: args.repeat.max(1),
    };
    println!("{}", load_average()?);
    if args.growth {
        tables::growth(&learners, args)?;
    }
    if args.objectives {
        tables::objectives(&learners, args)?;
    }
    if args.serve {
        serve::run(&learners, args)?;
    }
    if !(args.growth || args.objectives || args.serve) {
        tables::compare(&learners, args)?;
    }
    println!("\n{}", load_average()?);
    Ok(())
}

/// The example that makes rows and learns from them.
fn program(built: bool) -> Result<PathBuf> {
    if !built {
        let mut build = workspace::cargo();
        build.args(["build", "--release", "--package", "lode-numeric"]);
        build.args(["--example", "gbdt"]);
        workspace::run(&mut build)?;
    }
    Ok(workspace::target().join("release/examples/gbdt"))
}

fn folder() -> Result<PathBuf> {
    let folder = workspace::target().join("bench/gbdt");
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())?;
    }
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    Ok(folder)
}

/// How busy the machine is; on a busy one CPU seconds tell more than wall time.
fn load_average() -> Result<String> {
    let path = "/proc/loadavg";
    let text = fs::read_to_string(path).with_context(|| path.to_owned())?;
    let load: Vec<&str> = text.split(' ').take(2).collect();
    let processors = std::thread::available_parallelism()?;
    Ok(format!(
        "load of the machine over 1 and 5 minutes: {}, on {processors} processors",
        load.join(" and ")
    ))
}
