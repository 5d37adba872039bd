//! Runs the cases on one file of pairs and collects what they took.
//!
//! Does not print tables. Each run is a process of its own.

use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;
use anyhow::Result;
use serde_json::Value;

use crate::bench::median;
use crate::bench::peers::Peers;
use crate::workspace;

/// A set of made pairs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Set {
    pub(super) people: u64,
    pub(super) items: u64,
    pub(super) events: u64,
}

/// What runs the cases.
pub(super) struct Cases {
    /// The example of lode-numeric.
    pub(super) program: PathBuf,
    pub(super) peers: Peers,
    pub(super) folder: PathBuf,
    pub(super) what: String,
    pub(super) threads: u64,
    pub(super) width: u64,
    pub(super) rounds: u64,
    pub(super) judge: u64,
    pub(super) repeat: usize,
}

/// A stage of a case, medians over its runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stage {
    pub(super) seconds: f64,
    pub(super) cpu_seconds: f64,
    /// Resident at most, less what was resident before.
    pub(super) bytes: f64,
}

/// What a case took, and how good it is.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) case: String,
    pub(super) is_ours: bool,
    pub(super) fit: Stage,
    /// The ten best items for everybody.
    pub(super) top: Stage,
    /// CPU seconds of one person alone, factors found from the history; ours.
    pub(super) one: Option<f64>,
    pub(super) ndcg: f64,
    pub(super) hits: f64,
}

impl Cases {
    /// Makes a set, runs the cases on it in turn, again and again, and removes it.
    ///
    /// A case that fails is said and left out.
    pub(super) fn measure(
        &self,
        set: &Set,
        ours: &[&str],
        peers: &[&str],
    ) -> Result<Vec<Measured>> {
        let file = self.folder.join("pairs");
        self.make(set, &file)?;
        let cases = ours.iter().map(|case| (*case, true));
        let cases = cases.chain(peers.iter().map(|case| (*case, false)));
        let mut runs: Vec<(&str, bool, Vec<Value>)> = cases
            .map(|(case, is_ours)| (case, is_ours, Vec::new()))
            .collect();
        for _ in 0..self.repeat {
            for (case, is_ours, done) in &mut runs {
                match self.run(case, *is_ours, &file) {
                    Ok(found) => done.push(found),
                    Err(error) => println!("NOT MEASURED: {case}: {error:#}"),
                }
            }
        }
        std::fs::remove_file(&file).with_context(|| file.display().to_string())?;
        let done = runs.iter().filter(|(_, _, done)| !done.is_empty());
        done.map(|(case, is_ours, done)| self.medians(case, *is_ours, done))
            .collect()
    }

    fn make(&self, set: &Set, file: &Path) -> Result<()> {
        let mut make = Command::new(&self.program);
        make.arg("make").arg("--file").arg(file);
        for (name, value) in [
            ("--people", set.people),
            ("--items", set.items),
            ("--events", set.events),
        ] {
            make.args([name, &value.to_string()]);
        }
        workspace::run(&mut make)
    }

    fn run(&self, case: &str, is_ours: bool, file: &Path) -> Result<Value> {
        let mut command = match is_ours {
            true => {
                let mut own = Command::new(&self.program);
                own.args(["fit", "--what", &self.what, "--solver", case]);
                own
            }
            false => {
                let mut script = self.peers.command();
                script.arg(self.peers.folder.join("recommend.py"));
                script.args(["--case", case]);
                script
            }
        };
        command.arg("--file").arg(file);
        for (name, value) in [
            ("--width", self.width),
            ("--rounds", self.rounds),
            ("--threads", self.threads),
            ("--judge", self.judge),
        ] {
            command.args([name, &value.to_string()]);
        }
        serde_json::from_slice(&workspace::output(&mut command)?).context("no JSON came back")
    }

    fn medians(&self, case: &str, is_ours: bool, runs: &[Value]) -> Result<Measured> {
        let middle = |of: &dyn Fn(&Value) -> Option<f64>| {
            let values: Vec<f64> = runs.iter().filter_map(of).collect();
            (!values.is_empty()).then(|| median(&values))
        };
        let missing = |name: &str| format!("{case} told nothing of {name}");
        let stage = |name: &str| {
            let number = |run: &Value, of: &str| run[name][of].as_f64();
            let bytes = |run: &Value| Some(number(run, "peak_bytes")? - number(run, "base_bytes")?);
            let stage = || {
                Some(Stage {
                    seconds: middle(&|run| number(run, "seconds"))?,
                    cpu_seconds: middle(&|run| number(run, "cpu_seconds"))?,
                    bytes: middle(&bytes)?,
                })
            };
            stage().with_context(|| missing(name))
        };
        let number = |name: &str| middle(&|run| run[name].as_f64());
        let one = |run: &Value| Some(run["ask"]["cpu_seconds"].as_f64()? / run["asked"].as_f64()?);
        let name = match is_ours {
            true => format!("lode {} {case}", self.what),
            false => format!("implicit {case}"),
        };
        Ok(Measured {
            case: name,
            is_ours,
            fit: stage("fit")?,
            top: stage("top")?,
            one: middle(&one),
            ndcg: number("ndcg_10").with_context(|| missing("ndcg_10"))?,
            hits: number("hits_10").with_context(|| missing("hits_10"))?,
        })
    }
}
