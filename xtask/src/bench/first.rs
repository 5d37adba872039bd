//! `cargo xtask bench first`: the first profile of the engine.
//!
//! Ingest of generated events as Arrow over gRPC, beside a write and fsync of the same bytes in
//! the same run; then recommendations at a fixed rate from a model of the sample retailer. CPU
//! and memory are the kernel's counts for the engine and its workers, not the client's.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;
use anyhow::Result;
use serde_json::Value;

use crate::bench::median;
use crate::bench::programs::Programs;
use crate::process;
use crate::process::Engine;
use crate::workspace;

const RUNS: usize = 3;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Rows of the ingest.
    #[arg(long, default_value_t = 2_000_000)]
    rows: u64,
    /// Customers of the sample retailer that the model is made from.
    #[arg(long, default_value_t = 20_000)]
    customers: u64,
    /// Recommendations asked for a second.
    #[arg(long, default_value_t = 2_000)]
    rate: u64,
    /// Seconds of recommendations.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let bench = Bench::prepare(args)?;
    let mut measured: Vec<Vec<(&str, f64)>> = Vec::new();
    for number in 1..=RUNS {
        println!("run {number} of {RUNS}");
        measured.push(bench.once(args)?);
    }
    println!(
        "\nmedians of {RUNS} runs, {} rows, {} requests/s",
        args.rows, args.rate
    );
    for (at, (name, _)) in measured[0].iter().enumerate() {
        let values = measured.iter().map(|run| run[at].1).collect::<Vec<_>>();
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        println!(
            "{name:44} {:12.2}   ({low:.2} to {high:.2})",
            median(&values)
        );
    }
    Ok(())
}

/// The programs and the sample, made once.
struct Bench {
    programs: Programs,
    events: PathBuf,
    customers: PathBuf,
}

impl Bench {
    fn prepare(args: &Args) -> Result<Bench> {
        let programs = Programs::build("first", false)?;
        let folder = &programs.folder;
        let sample = folder.join("sample");
        fs::create_dir_all(&sample).with_context(|| sample.display().to_string())?;
        let mut make = Command::new(programs.dist.join("lode"));
        make.arg("sample").arg(&sample);
        make.args(["--customers", &args.customers.to_string()]);
        workspace::output(&mut make)?;
        let bench = Bench {
            events: sample.join("retail_events.csv"),
            customers: folder.join("customers.txt"),
            programs,
        };
        bench.write_customers()?;
        Ok(bench)
    }

    /// The distinct customers of the sample's events, one a line.
    fn write_customers(&self) -> Result<()> {
        let text = fs::read_to_string(&self.events)
            .with_context(|| format!("{}; `lode sample` makes it", self.events.display()))?;
        let mut lines = text.lines();
        let header = lines.next().unwrap_or_default();
        let at = header
            .split(',')
            .position(|column| column == "customer_id")
            .with_context(|| format!("no column customer_id in {header}"))?;
        let mut ids = lines
            .filter_map(|line| line.split(',').nth(at))
            .filter(|id| !id.is_empty())
            .collect::<Vec<_>>();
        ids.sort_unstable();
        ids.dedup();
        fs::write(&self.customers, ids.join("\n"))?;
        Ok(())
    }

    fn once(&self, args: &Args) -> Result<Vec<(&'static str, f64)>> {
        let engine = self.programs.engine(&[])?;
        let mut measured = self.ingest(&engine, args)?;
        measured.extend(self.recommend(&engine, args)?);
        Ok(measured)
    }

    fn ingest(&self, engine: &Engine, args: &Args) -> Result<Vec<(&'static str, f64)>> {
        let before = process::cpu_seconds(engine.pid())?;
        let rows = args.rows.to_string();
        let folder = self.programs.folder.to_string_lossy();
        let done = self.programs.load(
            engine,
            &["ingest", "events", "--rows", &rows, "--folder", &folder],
        )?;
        let cpu = process::cpu_seconds(engine.pid())? - before;
        let number = |name: &str| {
            done[name]
                .as_f64()
                .with_context(|| format!("no {name} in {done}"))
        };
        let (rows, bytes) = (number("rows")?, number("bytes")?);
        let (seconds, raw_seconds) = (number("seconds")?, number("raw_seconds")?);
        Ok(vec![
            ("ingest, rows/s", rows / seconds),
            ("ingest, MB/s", bytes / seconds / 1e6),
            (
                "raw write and fsync of the same bytes, MB/s",
                bytes / raw_seconds / 1e6,
            ),
            ("ingest time over raw time", seconds / raw_seconds),
            ("engine CPU s per million rows", cpu / rows * 1e6),
            (
                "engine peak memory after the ingest, MB",
                process::peak_bytes(engine.pid())? / 1e6,
            ),
        ])
    }

    fn recommend(&self, engine: &Engine, args: &Args) -> Result<Vec<(&'static str, f64)>> {
        self.programs.lode(
            engine,
            &["ingest", "retail", &self.events.to_string_lossy()],
        )?;
        let run = [
            "run",
            "recommend.item-knn",
            "-i",
            "events=retail",
            "-o",
            "json",
        ];
        let job = self.programs.lode(engine, &run)?;
        let job: Value = serde_json::from_slice(&job).context("`lode run -o json` gave no JSON")?;
        let model = job["models"][0].as_str().context("the job made no model")?;
        let model = match model.contains('/') {
            true => model.to_owned(),
            false => format!("tenants/default/models/{model}"),
        };
        let customers = self.customers.to_string_lossy();
        let recommend = |rate: u64, seconds: u64| {
            let (rate, seconds) = (rate.to_string(), seconds.to_string());
            let args = ["recommend", &model, "--customers", &customers];
            let pace = ["--rate", &rate, "--seconds", &seconds];
            self.programs.load(engine, &[&args[..], &pace[..]].concat())
        };
        // The first request opens the model; that is not what is measured.
        recommend(100, 1)?;
        let before = process::cpu_seconds(engine.pid())?;
        let done = recommend(args.rate, args.seconds)?;
        let cpu = process::cpu_seconds(engine.pid())? - before;
        let number = |name: &str| {
            done[name]
                .as_f64()
                .with_context(|| format!("no {name} in {done}"))
        };
        let requests = number("requests")?;
        Ok(vec![
            (
                "recommend, CPU us a request, with workers",
                cpu / requests * 1e6,
            ),
            ("recommend, requests/s", requests / number("seconds")?),
            ("recommend, p50 us", number("p50_micros")?),
            ("recommend, p99 us", number("p99_micros")?),
        ])
    }
}
