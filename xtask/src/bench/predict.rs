//! `cargo xtask bench predict`: who leaves and who buys, beside the field's libraries.
//!
//! Each set is cut into five folds, the same for all (`xtask/peers/predict.py`). Lode goes the way
//! of its users with default parameters: a fold's rows to learn from are loaded over gRPC, a job
//! learns, the held-out rows are loaded without labels and scored by their ids. Peers are fitted
//! in Python in the same run; scikit-learn computes everybody's measures. Then the reasons: samples
//! of the operator with causes drawn by seeds, see `reasons`. CPU is the kernel's count for the
//! engine and its workers, and for the peer's process.

mod reasons;
mod report;

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;
use anyhow::ensure;
use serde_json::Value;

use crate::bench::peers::Peers;
use crate::bench::programs::Programs;
use crate::process;
use crate::process::Engine;
use crate::workspace;

/// What Lode learns with, of the family of the set.
const LEARNERS: [&str; 2] = ["gbdt", "logistic"];
/// Most customers that one call may ask scores of.
const SCORED_AT_ONCE: usize = 1_000;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Folder of the data; a file sets.json in it names tables other than the three public ones.
    /// Default: LODE_DATA, else ../shared/data beside the repository.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Only these sets.
    #[arg(long)]
    set: Vec<String>,
    /// Algorithms of Lode in place of FAMILY.gbdt and FAMILY.logistic.
    #[arg(long)]
    algorithm: Vec<String>,
    /// Peers to run in place of all; `none` for none.
    #[arg(long)]
    peer: Vec<String>,
    /// Folds by which Lode judges and calibrates its own model; 1 for neither.
    #[arg(long, default_value_t = 1)]
    judge_folds: u32,
    /// Seeds of the operator whose reasons are compared with what was planted; 0 for none.
    #[arg(long, value_delimiter = ',', default_value = "101,102,103,104,105")]
    seeds: Vec<u64>,
    /// Customers of each of those.
    #[arg(long, default_value_t = 6_000)]
    customers: u64,
    /// Measure what the last benchmark built.
    #[arg(long)]
    built: bool,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let bench = Bench::prepare(args)?;
    let engine = bench.programs.engine(&["--log", "warn"])?;
    let algorithms = bench.algorithms(&engine)?;
    for set in bench.sets(args)? {
        let ours = wanted(args, text(&set, "family")?, &algorithms);
        bench.set(&engine, args, &set, &ours)?;
    }
    if args.seeds != [0] {
        let ours = wanted(args, "churn", &algorithms);
        reasons::run(&bench.programs, &engine, &args.seeds, args.customers, &ours)?;
    }
    engine.terminate()
}

/// The algorithms for a family; what the engine has none of is said and left out.
fn wanted(args: &Args, family: &str, there: &[String]) -> Vec<String> {
    let asked: Vec<String> = match args.algorithm.is_empty() {
        true => LEARNERS.iter().map(|l| format!("{family}.{l}")).collect(),
        false => args.algorithm.clone(),
    };
    let (found, missing): (Vec<_>, Vec<_>) = asked.into_iter().partition(|a| there.contains(a));
    for algorithm in missing {
        println!("NOT MEASURED: the engine has no {algorithm}");
    }
    found
}

struct Bench {
    programs: Programs,
    peers: Peers,
    data: PathBuf,
    /// What the peers' script fits.
    models: Vec<String>,
}

/// What a model of a set took, all folds together.
struct Cost {
    model: String,
    seconds: f64,
    cpu_seconds: f64,
}

impl Bench {
    fn prepare(args: &Args) -> Result<Self> {
        let programs = match args.built {
            true => Programs::built("predict")?,
            false => Programs::build("predict", false)?,
        };
        let data = match (&args.data, std::env::var_os("LODE_DATA")) {
            (Some(data), _) => data.clone(),
            (None, Some(data)) => PathBuf::from(data),
            (None, None) => workspace::root().join("../shared/data"),
        };
        let mut bench = Self {
            programs,
            peers: Peers::prepare_for("predict")?,
            data,
            models: Vec::new(),
        };
        let models = workspace::output(&mut bench.script("models", None))?;
        bench.models = serde_json::from_slice(&models)?;
        for peer in args.peer.iter().filter(|peer| *peer != "none") {
            ensure!(
                bench.models.contains(peer),
                "--peer: expected none or one of {}, found {peer}",
                bench.models.join(", ")
            );
        }
        Ok(bench)
    }

    fn algorithms(&self, engine: &Engine) -> Result<Vec<String>> {
        let list = self.json(engine, &["algorithms"])?;
        let list = list.as_array().context("`lode algorithms` gave no list")?;
        let ids = list.iter().map(|algorithm| text(algorithm, "algorithm"));
        ids.map(|id| Ok(id?.to_owned())).collect()
    }

    /// The sets that are there; the others are said.
    fn sets(&self, args: &Args) -> Result<Vec<Value>> {
        let mut script = self.script("sets", None);
        for set in &args.set {
            script.args(["--set", set]);
        }
        let found: Vec<Value> = serde_json::from_slice(&workspace::output(&mut script)?)?;
        for name in &args.set {
            if !found.iter().any(|set| set["name"] == **name) {
                bail!(
                    "--set: expected a set of {}, found {name}",
                    self.data.display()
                );
            }
        }
        let (there, missing): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|set| set["is_there"] == true);
        for set in missing {
            println!(
                "\nSKIPPED {}: {} is not there; --data or LODE_DATA names the folder of the data",
                text(&set, "name")?,
                text(&set, "path")?
            );
        }
        Ok(there)
    }

    /// One set: its folds, everybody's predictions, the table.
    fn set(&self, engine: &Engine, args: &Args, set: &Value, ours: &[String]) -> Result<()> {
        let name = text(set, "name")?;
        let work = self.programs.folder.join(name);
        fs::create_dir_all(&work).with_context(|| work.display().to_string())?;
        let about = self.answer("split", name, &work, &[])?;
        println!(
            "\n{name}: {} rows of {} columns, {} positives",
            about["rows"], about["columns"], about["positives"]
        );
        let mut costs = Vec::new();
        for algorithm in ours {
            costs.push(self.ours(engine, args, name, &work, &about, algorithm)?);
        }
        let threads = std::thread::available_parallelism()?.to_string();
        for model in &self.models {
            if !args.peer.is_empty() && !args.peer.contains(model) {
                continue;
            }
            let options = ["--model", model, "--threads", &threads];
            let took = self.answer("peer", name, &work, &options)?;
            costs.push(Cost {
                model: model.clone(),
                seconds: number(&took, "seconds")?,
                cpu_seconds: number(&took, "cpu_seconds")?,
            });
        }
        let measures = self.answer("judge", name, &work, &[])?;
        report::table(&costs, &measures, ours)
    }

    /// Learns from each fold's rows and scores the others by their ids.
    fn ours(
        &self,
        engine: &Engine,
        args: &Args,
        set: &str,
        work: &Path,
        about: &Value,
        algorithm: &str,
    ) -> Result<Cost> {
        let mut cost = Cost {
            model: algorithm.to_owned(),
            seconds: 0.0,
            cpu_seconds: 0.0,
        };
        let folds = about["folds"].as_u64().context("no folds")?;
        for fold in 0..folds {
            let dataset = format!("{set}-{}-{fold}", algorithm.replace('.', "-"));
            let input = format!("customers={dataset}");
            let judge_folds = args.judge_folds.to_string();
            self.ingest(
                engine,
                &dataset,
                &work.join(format!("train_{fold}.csv")),
                about,
            )?;
            let (cpu, start) = (process::cpu_seconds(engine.pid())?, Instant::now());
            let run = ["run", algorithm, "-i", &input, "--folds", &judge_folds];
            let job = self.json(engine, &run)?;
            cost.seconds += start.elapsed().as_secs_f64();
            cost.cpu_seconds += process::cpu_seconds(engine.pid())? - cpu;

            let held_out = work.join(format!("test_{fold}.csv"));
            self.ingest(engine, &dataset, &held_out, about)?;
            let model = job["models"][0].as_str().context("the job made no model")?;
            let rows = fs::read_to_string(&held_out)?;
            let names = rows.lines().skip(1).filter_map(|row| row.split(',').next());
            let names: Vec<&str> = names.collect();
            let (cpu, start) = (process::cpu_seconds(engine.pid())?, Instant::now());
            for (part, names) in names.chunks(SCORED_AT_ONCE).enumerate() {
                let score = [&["score", model, "-o", "json"], names].concat();
                let scores = self.programs.lode(engine, &score)?;
                let file = work.join(format!("{algorithm}.{fold}.{part}.lode.json"));
                fs::write(&file, scores).with_context(|| file.display().to_string())?;
            }
            cost.seconds += start.elapsed().as_secs_f64();
            cost.cpu_seconds += process::cpu_seconds(engine.pid())? - cpu;
        }
        Ok(cost)
    }

    fn ingest(&self, engine: &Engine, dataset: &str, file: &Path, about: &Value) -> Result<()> {
        let file = file.to_string_lossy();
        let mut words = ["ingest", dataset, &file, "--kind", "customers"]
            .map(str::to_owned)
            .to_vec();
        for role in ["customer_id=row_name", "label=lode_label"] {
            words.extend(["--role".to_owned(), role.to_owned()]);
        }
        let types = about["types"].as_object().context("no types")?;
        for (column, kind) in types {
            let kind = kind.as_str().context("a type is text")?;
            words.extend(["--type".to_owned(), format!("{column}={kind}")]);
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        self.programs.lode(engine, &words)?;
        Ok(())
    }

    fn json(&self, engine: &Engine, words: &[&str]) -> Result<Value> {
        let words = [words, &["-o", "json"]].concat();
        let answer = self.programs.lode(engine, &words)?;
        serde_json::from_slice(&answer).with_context(|| format!("`lode {}` gave no JSON", words[0]))
    }

    fn script(&self, what: &str, work: Option<&Path>) -> Command {
        let mut command = self.peers.command();
        command.arg(self.peers.folder.join("predict.py")).arg(what);
        command.arg("--data").arg(&self.data);
        if let Some(work) = work {
            command.arg("--out").arg(work);
        }
        command
    }

    fn answer(&self, what: &str, set: &str, work: &Path, options: &[&str]) -> Result<Value> {
        let mut script = self.script(what, Some(work));
        script.args(["--set", set]).args(options);
        Ok(serde_json::from_slice(&workspace::output(&mut script)?)?)
    }
}

fn text<'v>(object: &'v Value, name: &str) -> Result<&'v str> {
    let found = object[name].as_str();
    found.with_context(|| format!("no text {name} in {object}"))
}

fn number(object: &Value, name: &str) -> Result<f64> {
    let found = object[name].as_f64();
    found.with_context(|| format!("no number {name} in {object}"))
}
