//! Runs learners on one file of rows and collects what they took.
//!
//! Does not print tables. Each run is a process of its own.

use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;
use anyhow::Result;
use serde_json::Value;

use super::OURS;
use crate::bench::median;
use crate::bench::peers::Peers;
use crate::workspace;

const LEARNING_RATE: &str = "0.1";
const MAX_BINS: &str = "255";
const OBJECTIVE: &str = "binary";

/// What a set of made rows is like.
#[derive(Clone, Debug)]
pub(super) struct Set {
    pub(super) rows: u64,
    pub(super) columns: u64,
    /// Share of missing values in all columns; 0 for a few in a few columns.
    pub(super) missing: f64,
    /// Share of zeros.
    pub(super) sparse: f64,
    /// Columns that are categories, of so many levels.
    pub(super) categories: u64,
    pub(super) levels: u64,
    pub(super) objective: String,
    /// Of the trees that are learned from it.
    pub(super) leaves: u64,
    /// Held-out rows to explain.
    pub(super) explain: u64,
}

impl Set {
    pub(super) fn plain(rows: u64, columns: u64, leaves: u64) -> Self {
        Self {
            rows,
            columns,
            missing: 0.0,
            sparse: 0.0,
            categories: 0,
            levels: 0,
            objective: OBJECTIVE.to_owned(),
            leaves,
            explain: 0,
        }
    }
}

/// What runs the learners.
pub(super) struct Learners {
    /// The example of lode-numeric.
    pub(super) program: PathBuf,
    pub(super) peers: Peers,
    pub(super) folder: PathBuf,
    pub(super) threads: u64,
    pub(super) rounds: u64,
    pub(super) repeat: usize,
}

/// A stage of a case, medians over its runs.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stage {
    pub(super) seconds: f64,
    pub(super) cpu_seconds: f64,
    /// Resident at most, less what was resident before binning.
    pub(super) bytes: f64,
}

/// What a case took, and how good it is.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) case: String,
    /// None where binning is a part of training.
    pub(super) bin: Option<Stage>,
    pub(super) train: Stage,
    /// Of all rows, learned from and held out.
    pub(super) score: Stage,
    /// None where there are no contributions or none were asked for.
    pub(super) explain: Option<Stage>,
    pub(super) scored: f64,
    pub(super) explained: f64,
    pub(super) model_bytes: f64,
    /// Largest difference of a margin and the sum of its contributions; ours alone.
    pub(super) off: Option<f64>,
    /// Of the held-out rows, by name.
    pub(super) measures: Value,
}

impl Measured {
    /// Binning and training together.
    pub(super) fn learn(&self) -> Stage {
        let bin = self.bin.unwrap_or_default();
        Stage {
            seconds: bin.seconds + self.train.seconds,
            cpu_seconds: bin.cpu_seconds + self.train.cpu_seconds,
            bytes: bin.bytes.max(self.train.bytes),
        }
    }

    pub(super) fn measure(&self, name: &str) -> f64 {
        self.measures[name].as_f64().unwrap_or(f64::NAN)
    }
}

/// What the cases took on one set, and the measures of the truth.
pub(super) struct Found {
    pub(super) cases: Vec<Measured>,
    pub(super) truth: Value,
}

impl Learners {
    /// Makes a set, runs the cases on it in turn, again and again, and removes it.
    ///
    /// A case that fails is said and left out.
    pub(super) fn measure(&self, set: &Set, cases: &[&str]) -> Result<Found> {
        let file = self.folder.join("rows");
        self.make(set, &file)?;
        let mut runs: Vec<(&str, Vec<Value>)> = cases.iter().map(|case| (*case, vec![])).collect();
        for _ in 0..self.repeat {
            for (case, done) in &mut runs {
                match self.learn(case, set, &file) {
                    Ok(found) => done.push(found),
                    Err(error) => println!("NOT MEASURED: {case}: {error:#}"),
                }
            }
        }
        runs.retain(|(_, done)| !done.is_empty());
        let measures = self.judge(set, &file, runs.iter().map(|(case, _)| *case))?;
        std::fs::remove_file(&file).with_context(|| file.display().to_string())?;
        let cases = runs.iter().map(|(case, done)| {
            let mut found = medians(case, done)?;
            found.measures = measures[*case].clone();
            Ok(found)
        });
        Ok(Found {
            cases: cases.collect::<Result<_>>()?,
            truth: measures["truth"].clone(),
        })
    }

    /// Objectives that Lode has.
    pub(super) fn objectives(&self) -> Result<Vec<String>> {
        let found = workspace::output(Command::new(&self.program).arg("objectives"))?;
        serde_json::from_slice(&found).context("the example gave no list of objectives")
    }

    pub(super) fn make(&self, set: &Set, file: &Path) -> Result<()> {
        let mut make = Command::new(&self.program);
        make.arg("make").arg("--file").arg(file);
        for (name, value) in [
            ("--rows", set.rows.to_string()),
            ("--columns", set.columns.to_string()),
            ("--missing", set.missing.to_string()),
            ("--sparse", set.sparse.to_string()),
            ("--categories", set.categories.to_string()),
            ("--levels", set.levels.to_string()),
            ("--objective", set.objective.clone()),
        ] {
            make.args([name, &value]);
        }
        workspace::run(&mut make)
    }

    /// A file of rows as text, for `lode ingest`.
    pub(super) fn write_csv(&self, file: &Path, out: &Path) -> Result<()> {
        let mut csv = Command::new(&self.program);
        csv.arg("csv").arg("--file").arg(file).arg("--out").arg(out);
        workspace::run(&mut csv)
    }

    fn learn(&self, case: &str, set: &Set, file: &Path) -> Result<Value> {
        let threads = self.threads.to_string();
        let mut command = match case == OURS {
            true => Command::new(&self.program),
            false => self.script(),
        };
        command.arg("learn").arg("--file").arg(file);
        command.arg("--scores").arg(self.scores(case));
        command.args(["--objective", &set.objective, "--threads", &threads]);
        command.args(["--rounds", &self.rounds.to_string()]);
        command.args(["--leaves", &set.leaves.to_string()]);
        command.args(["--rate", LEARNING_RATE, "--bins", MAX_BINS]);
        command.args(["--explain", &set.explain.to_string()]);
        if case != OURS {
            command.args(["--case", case]);
            command.env("OMP_NUM_THREADS", &threads);
        }
        serde_json::from_slice(&workspace::output(&mut command)?).context("no JSON came back")
    }

    fn judge<'a>(
        &self,
        set: &Set,
        file: &Path,
        cases: impl Iterator<Item = &'a str>,
    ) -> Result<Value> {
        let mut judge = self.script();
        judge.arg("judge").arg("--file").arg(file);
        judge.args(["--objective", &set.objective]);
        for case in cases {
            let scores = self.scores(case);
            judge.args(["--scored", &format!("{case}={}", scores.display())]);
        }
        serde_json::from_slice(&workspace::output(&mut judge)?).context("no JSON came back")
    }

    fn script(&self) -> Command {
        let mut command = self.peers.command();
        command.arg(self.peers.folder.join("gbdt.py"));
        command
    }

    fn scores(&self, case: &str) -> PathBuf {
        self.folder.join(format!("{case}.scores"))
    }
}

fn medians(case: &str, runs: &[Value]) -> Result<Measured> {
    let middle = |of: &dyn Fn(&Value) -> Option<f64>| {
        let values: Vec<f64> = runs.iter().filter_map(of).collect();
        (!values.is_empty()).then(|| median(&values))
    };
    let stage = |name: &str| {
        let bytes = |run: &Value| {
            // What binning holds is there while trees are grown.
            let first = ["bin", "train"].map(|stage| run[stage]["base_bytes"].as_f64());
            let base = match name {
                "bin" | "train" => first[0].or(first[1])?,
                _ => run[name]["base_bytes"].as_f64()?,
            };
            Some((run[name]["peak_bytes"].as_f64()? - base).max(0.0))
        };
        Some(Stage {
            seconds: middle(&|run| run[name]["seconds"].as_f64())?,
            cpu_seconds: middle(&|run| run[name]["cpu_seconds"].as_f64())?,
            bytes: middle(&bytes)?,
        })
    };
    let number = |name: &str| middle(&|run| run[name].as_f64());
    let missing = |name: &str| format!("{case} told nothing of {name}");
    let explained = number("explained").unwrap_or(0.0);
    Ok(Measured {
        case: case.to_owned(),
        bin: stage("bin"),
        train: stage("train").with_context(|| missing("train"))?,
        score: stage("score").with_context(|| missing("score"))?,
        explain: stage("explain").filter(|_| explained > 0.0),
        scored: number("scored").with_context(|| missing("scored"))?,
        explained,
        model_bytes: number("model_bytes").with_context(|| missing("model_bytes"))?,
        off: number("off"),
        measures: Value::Null,
    })
}
