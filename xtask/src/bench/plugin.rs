//! `cargo xtask bench plugin`: what it costs that algorithms are plugins in processes.
//!
//! Calls without an engine (`crates/lode-host/examples/costs.rs`), jobs and scores over gRPC,
//! and the memory of engine and worker with an input of gigabytes. The plugin of known cost is
//! `tests/src/cost.c`, which tells the time inside its `fit`; shipped ones run beside it.
//! The data is made once, below `target/bench-plugin-data`, and used again.
//! lode-sql takes long to build: its case runs where another benchmark has built it.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::ensure;
use serde_json::Value;

use crate::bench::median;
use crate::bench::memory;
use crate::bench::memory::Peaks;
use crate::bench::programs::Programs;
use crate::bench::programs::bytes_below;
use crate::build::Wanted;
use crate::process;
use crate::process::Engine;
use crate::workspace;

/// Datasets of jobs: name, rows, and how many runs for each one asked for.
const SIZES: [(&str, u64, usize); 3] = [
    ("one", 1, 10),
    ("many", 100_000, 4),
    ("most", 10_000_000, 1),
];
/// The large input as it was committed, and the same compacted.
const COMMITTED: &str = "committed";
const PACKED: &str = "packed";
/// As the algorithms of [`CASES`] want their columns, in a query.
const SELECT: &str =
    "sql:select customer as customer_id, item, at as event_time, amount from committed";
/// Memory of jobs with the large input, in MiB.
const MEMORY_MIB: &str = "12288";
/// What reads the large input: algorithm, its input, a flag, and how it reads.
const CASES: [(&str, &str, &str, &str); 3] = [
    ("cost.sum", "rows", "", "C, batch by batch"),
    ("cost.sum", "rows", "hold", "C, keeps all batches"),
    ("segment.rfm", "events", "", "Rust, whole table"),
];

#[derive(clap::Args)]
pub(crate) struct Args {
    /// How often each is measured: long ones once, short ones many times more.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,
    /// Rows of the large input; 61 million are 2 GiB as they are committed.
    #[arg(long, default_value_t = 61_000_000)]
    rows: u64,
    /// Scores asked for over gRPC in one run.
    #[arg(long, default_value_t = 5_000)]
    requests: u64,
    /// Measure what the last benchmark built.
    #[arg(long)]
    built: bool,
    /// Only one of the three parts.
    #[arg(long)]
    only: Option<What>,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum What {
    /// Calls without an engine.
    Calls,
    /// Jobs and scores over gRPC.
    Jobs,
    /// Memory with an input of gigabytes.
    Memory,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let bench = Bench::prepare(args)?;
    let wanted = |what: What| args.only.is_none_or(|only| only == what);
    if wanted(What::Calls) {
        bench.calls()?;
    }
    if wanted(What::Jobs) {
        let engine = bench.small()?;
        let model = bench.jobs(&engine)?;
        bench.scores(&engine, &model)?;
        engine.terminate()?;
    }
    if wanted(What::Memory) {
        bench.memory()?;
    }
    Ok(())
}

struct Bench {
    programs: Programs,
    data: PathBuf,
    runs: usize,
    rows: u64,
    requests: u64,
}

impl Bench {
    fn prepare(args: &Args) -> Result<Bench> {
        let wanted = Wanted {
            costs: true,
            ..Wanted::default()
        };
        let programs = match args.built {
            true => Programs::built("plugin")?,
            false => Programs::build_with("plugin", wanted)?,
        };
        let library = programs.dist.join("plugins/libcost.so");
        let root = workspace::root();
        let mut compiler = Command::new("cc");
        compiler
            .args(["-std=c11", "-D_POSIX_C_SOURCE=200809L", "-O2"])
            .args(["-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-I"])
            .arg(root.join("crates/lode-abi/include"))
            .arg(root.join("tests/src/cost.c"))
            .arg("-o")
            .arg(&library);
        workspace::run(&mut compiler)?;
        Ok(Bench {
            programs,
            data: workspace::target().join("bench-plugin-data"),
            runs: usize::from(args.runs),
            rows: args.rows,
            requests: args.requests,
        })
    }

    /// Calls without an engine.
    fn calls(&self) -> Result<()> {
        let runs = self.runs * 10;
        println!("\ncalls without an engine; {runs} runs, 20000 scores");
        for (file, algorithm) in [
            ("libcost.so", "cost.sum"),
            ("libsegment.so", "segment.kmeans"),
        ] {
            let mut costs = Command::new(self.programs.dist.join("costs"));
            costs.arg("--lode").arg(self.programs.dist.join("lode"));
            costs.args(["--runs", &runs.to_string()]);
            costs.arg(self.programs.dist.join("plugins").join(file));
            costs.arg(algorithm);
            let found: Value = serde_json::from_slice(&workspace::output(&mut costs)?)?;
            let bytes = number(&found["bytes"])?;
            println!("{algorithm} of {file}, {:.1} MB", bytes / 1e6);
            for (name, what) in [
                ("manifest", "read its manifest"),
                ("copy", "copy and hash its file"),
                (
                    "inspect",
                    "inspect it in a child, the child's start included",
                ),
                ("start", "start a worker, confine it, first answer"),
                ("open", "the same and open a model"),
                ("fit", "a fit of 100 rows in a worker of its own"),
            ] {
                let [p50, least] = ["p50", "least"].map(|share| number(&found[name][share]));
                let (p50, least) = (p50? / 1e3, least? / 1e3);
                println!("  {what:52} median {p50:8.3} ms, least {least:.3}");
            }
            for (name, what) in [
                ("score_1", "score 1 row, warm"),
                ("score_100", "score 100 rows, warm"),
            ] {
                let (p50, p99) = (number(&found[name]["p50"])?, number(&found[name]["p99"])?);
                println!("  {what:52} median {p50:8.1} us, p99 {p99:.1}");
            }
        }
        Ok(())
    }

    /// An engine over the datasets of jobs.
    fn small(&self) -> Result<Engine> {
        self.engine_over("small", "1", |engine| {
            for (name, rows, _) in SIZES {
                self.programs
                    .load(engine, &["fill", name, "--rows", &rows.to_string()])?;
            }
            Ok(())
        })
    }

    /// An engine over the large input, as committed or packed.
    fn large(&self, dataset: &str) -> Result<Engine> {
        let rows = self.rows.to_string();
        self.engine_over(dataset, &rows, |engine| {
            self.programs
                .load(engine, &["fill", dataset, "--rows", &rows])?;
            if dataset == PACKED {
                self.programs.load(engine, &["compact", dataset])?;
            }
            Ok(())
        })
    }

    /// An engine over data that are made when they are not there as they are called.
    fn engine_over(
        &self,
        folder: &str,
        called: &str,
        make: impl FnOnce(&Engine) -> Result<()>,
    ) -> Result<Engine> {
        let folder = self.data.join(folder);
        let ready = folder.join("ready");
        let is_ready = fs::read_to_string(&ready).is_ok_and(|found| found == called);
        if !is_ready && folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())?;
        }
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        // Compaction runs when the benchmark asks for it.
        let off = ["--compaction", "off", "--log", "warn"];
        let engine = Engine::start_with(&self.programs.dist, &folder.join("data"), &off)?;
        if !is_ready {
            println!("\nmaking the data in {}, once", workspace::shown(&folder));
            make(&engine)?;
            fs::write(&ready, called)?;
        }
        Ok(engine)
    }

    /// What jobs cost beside their algorithm; gives a model of `cost.sum`.
    fn jobs(&self, engine: &Engine) -> Result<String> {
        println!(
            "\njobs over gRPC, milliseconds; medians, CPU is that of engine and workers\n\
             {:12} {:>10} {:>5} {:>9} {:>9} {:>9} {:>10} {:>9} {:>9} {:>9}",
            "algorithm",
            "rows",
            "runs",
            "wall",
            "in fit",
            "reading",
            "wall over",
            "CPU",
            "in fit",
            "CPU over"
        );
        let mut model = String::new();
        for (name, rows, times) in SIZES {
            let runs = self.runs * times;
            let ran = self.job(engine, "cost.sum", "rows", name, runs)?;
            let (wall, fit) = (ran.wall()?, ran.metric("seconds")?);
            let (cpu, fit_cpu) = (ran.cpu, ran.metric("cpu")?);
            println!(
                "{:12} {rows:10} {runs:5} {:9.2} {:9.2} {:9.2} {:10.2} {:9.2} {:9.2} {:9.2}",
                "cost.sum",
                wall * 1e3,
                fit * 1e3,
                ran.metric("pull")? * 1e3,
                (wall - fit) * 1e3,
                cpu * 1e3,
                fit_cpu * 1e3,
                (cpu - fit_cpu) * 1e3
            );
            let read = ran.metric("rows")?;
            ensure!(
                (read - rows as f64).abs() < 0.5,
                "expected {rows} rows of {name}, found {read}"
            );
            let made = ran.runs[0]["model"].as_str().unwrap_or_default();
            made.clone_into(&mut model);
        }
        for (name, rows, times) in SIZES {
            let runs = self.runs * times;
            let ran = self.job(engine, "segment.rfm", "events", name, runs)?;
            println!(
                "{:12} {rows:10} {runs:5} {:9.2} {:>9} {:>9} {:>10} {:9.2}",
                "segment.rfm",
                ran.wall()? * 1e3,
                "",
                "",
                "",
                ran.cpu * 1e3
            );
        }
        Ok(model)
    }

    fn job(
        &self,
        engine: &Engine,
        algorithm: &str,
        input: &str,
        from: &str,
        runs: usize,
    ) -> Result<Ran> {
        let ask = |runs: usize| {
            let runs = runs.to_string();
            let asked = ["jobs", algorithm, "--input", input, "--from", from];
            self.programs
                .load(engine, &[&asked[..], &["--runs", &runs]].concat())
        };
        // The first finds its pages.
        ask(1)?;
        let before = process::cpu_seconds(engine.pid())?;
        let done = ask(runs)?;
        let cpu = process::cpu_seconds(engine.pid())? - before;
        Ok(Ran {
            runs: done.as_array().cloned().unwrap_or_default(),
            cpu: cpu / runs as f64,
        })
    }

    /// Scores of a warm model over gRPC.
    fn scores(&self, engine: &Engine, model: &str) -> Result<()> {
        println!(
            "\nscores of cost.sum over gRPC, one after the other; medians of {} runs of {}",
            self.runs, self.requests
        );
        for rows in ["1", "100"] {
            let (mut p50, mut p99) = (Vec::new(), Vec::new());
            for _ in 0..self.runs {
                let requests = self.requests.to_string();
                let asked = ["score", model, "--rows", rows, "--requests", &requests];
                let done = self.programs.load(engine, &asked)?;
                p50.push(number(&done["p50_micros"])?);
                p99.push(number(&done["p99_micros"])?);
            }
            println!(
                "  {rows:>3} rows: p50 {:.0} us, p99 {:.0} us",
                median(&p50),
                median(&p99)
            );
        }
        Ok(())
    }

    /// The memory of engine and worker with the large input.
    fn memory(&self) -> Result<()> {
        println!(
            "\nmemory with {} M rows, peaks in MB: own (anonymous) and of mapped files; medians \
             of {} runs\n{:10} {:22} {:>9} {:>15} {:>15} {:>15}",
            self.rows / 1_000_000,
            self.runs,
            "input",
            "read by",
            "seconds",
            "worker",
            "engine",
            "lode-sql"
        );
        let engine = self.large(COMMITTED)?;
        self.reads(&engine, COMMITTED, COMMITTED)?;
        match self.programs.dist.join("lode-sql").exists() {
            true => self.reads(&engine, "sql:", SELECT)?,
            false => println!("sql:       is left out, since lode-sql was not built"),
        }
        engine.terminate()?;
        let engine = self.large(PACKED)?;
        self.reads(&engine, PACKED, PACKED)?;
        engine.terminate()?;
        for dataset in [COMMITTED, PACKED] {
            let bytes = bytes_below(&self.data.join(dataset).join("data/parts"))?;
            println!(
                "the parts of {dataset}: {:.0} MB, those that compaction replaced included",
                bytes / 1e6
            );
        }
        Ok(())
    }

    fn reads(&self, engine: &Engine, source: &str, from: &str) -> Result<()> {
        for (algorithm, input, flag, how) in CASES {
            let mut asked = vec!["jobs", algorithm, "--input", input, "--from", from];
            asked.extend(["--memory-mib", MEMORY_MIB]);
            if !flag.is_empty() {
                asked.extend(["--flag", flag]);
            }
            let (mut seconds, mut peaks) = (Vec::new(), Vec::new());
            for _ in 0..self.runs {
                let (done, seen) =
                    memory::peaks_while(engine.pid(), || self.programs.load(engine, &asked))?;
                seconds.push(number(&done[0]["seconds"])?);
                peaks.push(seen);
            }
            let middle =
                |pick: fn(&Peaks) -> f64| median(&peaks.iter().map(pick).collect::<Vec<_>>()) / 1e6;
            let both = |own: fn(&Peaks) -> f64, file: fn(&Peaks) -> f64| {
                format!("{:.0} + {:.0}", middle(own), middle(file))
            };
            println!(
                "{source:10} {how:22} {:9.2} {:>15} {:>15} {:>15}",
                median(&seconds),
                both(|p| p.worker.own, |p| p.worker.file),
                both(|p| p.engine.own, |p| p.engine.file),
                both(|p| p.sql.own, |p| p.sql.file),
            );
        }
        Ok(())
    }
}

/// Runs of one job.
struct Ran {
    /// As `lode-load` tells each.
    runs: Vec<Value>,
    /// CPU seconds of one, engine and worker.
    cpu: f64,
}

impl Ran {
    fn wall(&self) -> Result<f64> {
        let seconds = self.runs.iter().map(|run| number(&run["seconds"]));
        Ok(median(&seconds.collect::<Result<Vec<_>>>()?))
    }

    fn metric(&self, name: &str) -> Result<f64> {
        let values = self.runs.iter().map(|run| number(&run["metrics"][name]));
        let values = values.collect::<Result<Vec<_>>>();
        Ok(median(&values.with_context(|| format!("metric {name}"))?))
    }
}

fn number(value: &Value) -> Result<f64> {
    value.as_f64().context("expected a number")
}
