//! Scores over gRPC at a fixed rate, each request sent when it is due, whether or not the ones
//! before are answered: latency counts from that moment.
//!
//! The model is what a user gets: `churn.gbdt` with default parameters on made rows. CPU is the
//! kernel's count for the engine and its workers.

use std::path::PathBuf;

use anyhow::Context as _;
use anyhow::Result;
use serde_json::Value;

use super::Args;
use super::learners::Learners;
use super::learners::Set;
use crate::bench::median;
use crate::bench::programs::Programs;
use crate::process;
use crate::process::Engine;

const DATASET: &str = "made";
/// Rows of a request.
const SIZES: [u64; 2] = [1, 100];
/// How rows are asked for: what `lode-load` calls it, and in words.
const ASKING: [(&str, &str); 3] = [
    ("rows", "rows"),
    ("table", "rows of a table"),
    ("names", "customers"),
];
/// What is measured of each size: name, unit.
const MEASURES: [&str; 4] = ["CPU us a request", "requests/s", "p50 us", "p99 us"];

pub(super) fn run(learners: &Learners, args: &Args) -> Result<()> {
    let programs = match args.built {
        true => Programs::built("gbdt-serve")?,
        false => Programs::build("gbdt-serve", false)?,
    };
    let bench = Bench {
        programs,
        rows: learners.folder.join("rows.csv"),
    };
    let set = Set::plain(args.serve_rows, args.columns, args.leaves);
    let file = learners.folder.join("rows");
    learners.make(&set, &file)?;
    learners.write_csv(&file, &bench.rows)?;
    let engine = bench.programs.engine(&["--log", "warn"])?;
    let model = bench.model(&engine, args.columns)?;
    println!(
        "\nscores of churn.gbdt over gRPC, {} columns, {} requests/s for {} s; medians of {}",
        args.columns, args.rate, args.seconds, learners.repeat
    );
    for (size, (asking, words)) in SIZES
        .into_iter()
        .flat_map(|size| ASKING.map(|asking| (size, asking)))
    {
        let asked = Asked {
            model: &model,
            size,
            asking,
        };
        let mut runs = Vec::new();
        // The first requests open the model; that is not what is measured.
        bench.load(&engine, &asked, 100, 1)?;
        for _ in 0..learners.repeat {
            runs.push(bench.once(&engine, &asked, args)?);
        }
        let mut line = format!("{size:>4} {words:15} a request:");
        for (at, name) in MEASURES.iter().enumerate() {
            let values: Vec<f64> = runs.iter().map(|run| run[at]).collect();
            line.push_str(&format!("  {name} {:.0}", median(&values)));
        }
        println!("{line}");
    }
    engine.terminate()
}

/// What is asked for again and again.
struct Asked<'a> {
    model: &'a str,
    /// Rows of a request.
    size: u64,
    /// By the ids of customers whose rows the engine has, or with the rows.
    asking: &'a str,
}

struct Bench {
    programs: Programs,
    /// The rows as text.
    rows: PathBuf,
}

impl Bench {
    /// Loads the rows and learns from them.
    fn model(&self, engine: &Engine, columns: u64) -> Result<String> {
        let file = self.rows.to_string_lossy();
        let mut ingest = ["ingest", DATASET, &file, "--kind", "customers"]
            .map(str::to_owned)
            .to_vec();
        for role in ["customer_id=row_name", "label=lode_label"] {
            ingest.extend(["--role".to_owned(), role.to_owned()]);
        }
        for column in 0..columns {
            ingest.extend(["--type".to_owned(), format!("x{column}=float64")]);
        }
        let ingest: Vec<&str> = ingest.iter().map(String::as_str).collect();
        self.programs.lode(engine, &ingest)?;
        let input = format!("customers={DATASET}");
        let run = [
            "run",
            "churn.gbdt",
            "-i",
            &input,
            "--folds",
            "1",
            "-o",
            "json",
        ];
        let job: Value = serde_json::from_slice(&self.programs.lode(engine, &run)?)
            .context("`lode run -o json` gave no JSON")?;
        let model = job["models"][0].as_str().context("the job made no model")?;
        Ok(match model.contains('/') {
            true => model.to_owned(),
            false => format!("tenants/default/models/{model}"),
        })
    }

    fn once(&self, engine: &Engine, asked: &Asked<'_>, args: &Args) -> Result<[f64; 4]> {
        let before = process::cpu_seconds(engine.pid())?;
        let done = self.load(engine, asked, args.rate, args.seconds)?;
        let cpu = process::cpu_seconds(engine.pid())? - before;
        let number = |name: &str| {
            let found = done[name].as_f64();
            found.with_context(|| format!("no {name} in {done}"))
        };
        let requests = number("requests")?;
        Ok([
            cpu / requests * 1e6,
            requests / number("seconds")?,
            number("p50_micros")?,
            number("p99_micros")?,
        ])
    }

    fn load(&self, engine: &Engine, asked: &Asked<'_>, rate: u64, seconds: u64) -> Result<Value> {
        let (size, rate, seconds) = (
            asked.size.to_string(),
            rate.to_string(),
            seconds.to_string(),
        );
        let file = self.rows.to_string_lossy();
        let what = ["score-at", asked.model, "--file", &file, "--rows", &size];
        let pace = ["--rate", &rate, "--seconds", &seconds];
        let by = ["--asking", asked.asking];
        self.programs
            .load(engine, &[&what[..], &pace[..], &by[..]].concat())
    }
}
