//! `cargo xtask bench recommend`: recommenders beside `implicit`.
//!
//! Pairs are made by the example `recommend` of lode-numeric, and all sides learn from that file,
//! each case in a process of its own, one after the other, again and again. Measured are the fit,
//! the ten best items for everybody, memory, and how good the lists are by pairs that were held
//! out. CPU counts all threads; memory leaves out what was resident before: libraries and input.

mod cases;
mod report;
mod serve;

use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::ensure;

use crate::bench::peers::Peers;
use crate::workspace;
use cases::Cases;
use cases::Set;

/// What `--what` names: our cases, each with the solver or measure, and the peers beside them.
const WHATS: [(&str, &[&str], &[&str]); 1] = [(
    "als",
    &["auto", "cholesky"],
    &[
        "als_cg",
        "als_cholesky",
        "als_strong",
        "cosine",
        "bm25",
        "bpr",
    ],
)];

#[derive(clap::Args)]
pub(crate) struct Args {
    /// What to compare.
    #[arg(long, default_value = "als")]
    what: String,
    /// People.
    #[arg(long, default_value_t = 100_000)]
    people: u64,
    /// Items.
    #[arg(long, default_value_t = 20_000)]
    items: u64,
    /// Events; several of a person and an item are one pair.
    #[arg(long, default_value_t = 14_000_000)]
    events: u64,
    /// Factors.
    #[arg(long, default_value_t = 64)]
    width: u64,
    /// Rounds of alternating least squares.
    #[arg(long, default_value_t = 15)]
    rounds: u64,
    /// Threads of each side.
    #[arg(long, default_value_t = 2)]
    threads: u64,
    /// People whose lists are judged, the first of all.
    #[arg(long, default_value_t = 20_000)]
    judge: u64,
    /// Runs of each case, of which medians are told.
    #[arg(long, default_value_t = 3)]
    repeat: usize,
    /// Peers to run in place of all; `none` for none.
    #[arg(long)]
    peer: Vec<String>,
    /// How cost grows, in place of the comparison at one size: a hundredth of the people and
    /// events, a tenth, all of them.
    #[arg(long)]
    growth: bool,
    /// Ask for offers over gRPC, in place of the comparison.
    #[arg(long)]
    serve: bool,
    #[command(flatten)]
    serving: serve::ServeArgs,
    /// Measure what the last benchmark built.
    #[arg(long)]
    built: bool,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    if args.serve {
        return serve::run(&args.serving, args.items, args.built);
    }
    let names: Vec<&str> = WHATS.iter().map(|what| what.0).collect();
    let what = WHATS.iter().find(|what| what.0 == args.what);
    let (name, ours, peers) = what.with_context(|| {
        let names = names.join(", ");
        format!("--what: expected one of {names}, found {}", args.what)
    })?;
    for peer in args.peer.iter().filter(|peer| *peer != "none") {
        ensure!(
            peers.contains(&&**peer),
            "--peer: expected none or one of {}, found {peer}",
            peers.join(", ")
        );
    }
    let asked = |peer: &str| args.peer.is_empty() || args.peer.iter().any(|own| own == peer);
    let peers: Vec<&str> = peers.iter().copied().filter(|peer| asked(peer)).collect();
    let cases = Cases {
        program: program(args.built)?,
        peers: Peers::prepare_for("recommend")?,
        folder: folder()?,
        what: (*name).to_owned(),
        threads: args.threads,
        width: args.width,
        rounds: args.rounds,
        judge: args.judge,
        repeat: args.repeat.max(1),
    };
    let whole = Set {
        people: args.people,
        items: args.items,
        events: args.events,
    };
    if args.growth {
        for share in [100, 10, 1] {
            let set = Set {
                people: (args.people / share).max(1),
                items: args.items,
                events: (args.events / share).max(1),
            };
            report::comparison(&set, &cases.measure(&set, ours, &peers)?);
        }
        return Ok(());
    }
    report::comparison(&whole, &cases.measure(&whole, ours, &peers)?);
    Ok(())
}

/// The example that makes pairs and learns from them.
fn program(built: bool) -> Result<PathBuf> {
    if !built {
        let mut build = workspace::cargo();
        build.args(["build", "--release", "--package", "lode-numeric"]);
        build.args(["--example", "recommend"]);
        workspace::run(&mut build)?;
    }
    Ok(workspace::target().join("release/examples/recommend"))
}

fn folder() -> Result<PathBuf> {
    let folder = workspace::target().join("bench/recommend");
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())?;
    }
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    Ok(folder)
}
