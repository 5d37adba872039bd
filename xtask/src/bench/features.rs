//! `cargo xtask bench features`: a feature view at 12 monthly times beside DuckDB's SQL.
//!
//! The same invoice lines on both sides, 30 features each, all rows written to files. Lode goes
//! the way of its users: lines ingested over gRPC and compacted, a view declared, its rows
//! streamed to `lode feature compute --out`. A sample of customers is computed anew by plain
//! loops in Python: Lode must agree to the last bit, DuckDB up to rounding. CPU is the kernel's
//! count for the engine and its workers; the client, which writes the file, stands apart.

use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::ensure;
use serde_json::Value;

use crate::bench::median;
use crate::bench::peers::Peers;
use crate::bench::programs::Programs;
use crate::process;
use crate::process::Engine;
use crate::workspace;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Invoice lines to make up.
    #[arg(long, default_value_t = 10_000_000)]
    rows: u64,
    /// Customers who may buy.
    #[arg(long, default_value_t = 1_000_000)]
    customers: u64,
    /// Customers whose numbers are computed anew.
    #[arg(long, default_value_t = 2_000)]
    sample: u64,
    /// Runs to take medians of; DuckDB takes a minute or so each.
    #[arg(long, default_value_t = 1)]
    runs: usize,
    /// Memory that DuckDB may use before it spills.
    #[arg(long, default_value = "12GB")]
    duckdb_memory: String,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    ensure!(args.runs > 0, "--runs: expected 1 or more, found 0");
    let bench = Bench::prepare(args)?;
    let engine = bench.load()?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..args.runs {
        ours.push(bench.ours(&engine)?);
        theirs.push(bench.theirs(args)?);
    }
    bench.report(args, &ours, &theirs)?;
    bench.check(args)
}

struct Bench {
    programs: Programs,
    peers: Peers,
    /// Lines and customers that there are.
    about: Value,
}

/// What one computation took.
#[derive(Clone, Debug)]
struct Cost {
    seconds: f64,
    cpu_seconds: f64,
    peak_bytes: f64,
    /// CPU of the program that wrote the file; none when it is counted already.
    client_cpu_seconds: f64,
    rows: f64,
}

impl Bench {
    fn prepare(args: &Args) -> Result<Self> {
        let programs = Programs::build("features", true)?;
        let peers = Peers::prepare()?;
        let mut make = peers.command();
        make.arg(peers.folder.join("store.py")).arg("generate");
        make.args(["--rows", &args.rows.to_string()]);
        make.args(["--customers", &args.customers.to_string()]);
        workspace::run(make.arg("--out").arg(&programs.folder))?;
        let about = std::fs::read(programs.folder.join("about.json"))?;
        Ok(Self {
            programs,
            peers,
            about: serde_json::from_slice(&about)?,
        })
    }

    /// An engine with the lines, compacted, and the view.
    fn load(&self) -> Result<Engine> {
        let engine = self.programs.engine(&["--compaction", "off"])?;
        let folder = self.programs.folder.to_string_lossy();
        let lines = self.path("events.arrow");
        let ingest = ["ingest", "lines", "--lines", &lines, "--folder", &folder];
        self.programs.load(&engine, &ingest)?;
        self.programs
            .lode(&engine, &["dataset", "lines", "--compact"])?;
        let view = workspace::root().join("xtask/src/bench/features/view.json");
        let view = view.to_string_lossy();
        let create = ["feature", "create", "shoppers", "--file", &view];
        self.programs.lode(&engine, &create)?;
        Ok(engine)
    }

    fn ours(&self, engine: &Engine) -> Result<Cost> {
        let times = times();
        let out = self.path("features.arrow");
        let compute = [
            "feature", "compute", "shoppers", "--as-of", &times, "--out", &out,
        ];
        let before = process::cpu_seconds(engine.pid())?;
        let client_before = process::waited_cpu_seconds()?;
        let start = Instant::now();
        let (_, peak_bytes) =
            process::peak_while(engine.pid(), || self.programs.lode(engine, &compute))?;
        Ok(Cost {
            seconds: start.elapsed().as_secs_f64(),
            cpu_seconds: process::cpu_seconds(engine.pid())? - before,
            peak_bytes,
            client_cpu_seconds: process::waited_cpu_seconds()? - client_before,
            rows: 0.0,
        })
    }

    fn theirs(&self, args: &Args) -> Result<Cost> {
        let threads = std::thread::available_parallelism()?.to_string();
        let mut command = self.script("duckdb");
        command.arg("--out").arg(&self.programs.folder);
        command.args(["--threads", &threads, "--memory", &args.duckdb_memory]);
        let done: Value = serde_json::from_slice(&workspace::output(&mut command)?)?;
        Ok(Cost {
            seconds: number(&done, "seconds")?,
            cpu_seconds: number(&done, "cpu_seconds")?,
            peak_bytes: number(&done, "peak_bytes")?,
            client_cpu_seconds: 0.0,
            rows: number(&done, "rows")?,
        })
    }

    fn report(&self, args: &Args, ours: &[Cost], theirs: &[Cost]) -> Result<()> {
        let rows = theirs.first().context("no run")?.rows;
        println!(
            "\n30 features at 12 monthly times from {} invoice lines of {} customers: \
             {rows} rows; medians of {} runs",
            number(&self.about, "rows")?,
            number(&self.about, "customers")?,
            args.runs
        );
        let of = |costs: &[Cost], pick: fn(&Cost) -> f64| {
            median(&costs.iter().map(pick).collect::<Vec<_>>())
        };
        println!("{:28} {:>9} {:>9} {:>9}", "", "wall s", "CPU s", "peak MB");
        for (name, costs) in [("Lode, engine", ours), ("DuckDB", theirs)] {
            println!(
                "{name:28} {:9.2} {:9.2} {:9.0}",
                of(costs, |cost| cost.seconds),
                of(costs, |cost| cost.cpu_seconds),
                of(costs, |cost| cost.peak_bytes) / 1e6
            );
        }
        let client = of(ours, |cost| cost.client_cpu_seconds);
        println!("{:28} {:>9} {client:9.2}", "Lode, the client's file", "");
        let duckdb_cpu = of(theirs, |cost| cost.cpu_seconds);
        let engine_cpu = of(ours, |cost| cost.cpu_seconds);
        println!(
            "Lode over DuckDB: wall {:.2}, CPU {:.2}, with the client's {:.2}",
            of(ours, |cost| cost.seconds) / of(theirs, |cost| cost.seconds),
            engine_cpu / duckdb_cpu,
            (engine_cpu + client) / duckdb_cpu
        );
        Ok(())
    }

    /// Fails unless plain loops over a sample of customers give the same numbers.
    fn check(&self, args: &Args) -> Result<()> {
        let mut command = self.script("check");
        command.arg("--ours").arg(self.path("features.arrow"));
        command.arg("--theirs").arg(&self.programs.folder);
        command.args(["--sample", &args.sample.to_string()]);
        let done: Value = serde_json::from_slice(&workspace::output(&mut command)?)?;
        println!(
            "checked in plain Python: {} numbers of {} customers in {} rows, Lode's equal to the \
             last bit, DuckDB's up to rounding",
            done["values"], done["customers"], done["rows"]
        );
        Ok(())
    }

    /// The script of the peer and the check, with the lines and the times.
    fn script(&self, what: &str) -> Command {
        let mut command = self.peers.command();
        command.arg(self.peers.folder.join("features.py")).arg(what);
        command.arg("--events").arg(self.path("events.parquet"));
        command.args(["--times", &times()]);
        command
    }

    fn path(&self, name: &str) -> String {
        let path: PathBuf = self.programs.folder.join(name);
        path.to_string_lossy().into_owned()
    }
}

/// The first of each month of the lines' second year.
fn times() -> String {
    let months = (1..=12).map(|month| format!("2023-{month:02}-01"));
    months.collect::<Vec<_>>().join(",")
}

fn number(object: &Value, name: &str) -> Result<f64> {
    object[name]
        .as_f64()
        .with_context(|| format!("no number {name} in {object}"))
}
