//! Whether the reasons of a churn model are the causes that the sample's operator planted.
//!
//! A model learns from half of the customers; the other half, whose labels it never gets, is
//! what is measured. Invariant: what is planted comes from `truth.json` alone, what is found
//! from the job's output alone.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::ensure;
use serde_json::Value;
use serde_json::json;

use crate::cli;

/// What a cause must add to a customer's margin to be one of the customer's causes: it makes
/// the odds of leaving a third higher.
pub const MATTERS: f64 = 0.3;

/// Most reasons that are looked at.
pub const MOST: usize = 3;

/// A sample in an engine, half of its labels hidden.
#[derive(Debug)]
pub struct Sample {
    address: String,
    folder: PathBuf,
    dataset: String,
    /// Which cause a column shows.
    shown: BTreeMap<String, String>,
    /// The customers whose labels are hidden.
    held_out: BTreeMap<String, Planted>,
}

/// What was planted for a customer.
#[derive(Debug)]
struct Planted {
    probability: f64,
    has_left: bool,
    /// Those that matter, strongest first.
    causes: Vec<String>,
}

/// What a model says of a customer.
struct Found {
    score: f64,
    /// Columns that raise the score, strongest first.
    reasons: Vec<String>,
}

/// How well reasons and scores met what was planted.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Customers that were held out.
    pub customers: usize,
    /// Those of them who left.
    pub leavers: usize,
    /// AUC of the scores.
    pub auc: f64,
    /// AUC of the planted probabilities, which no model can pass but by luck.
    pub best_auc: f64,
    /// Of leavers' first, first two, first three reasons: the share that are causes of theirs.
    pub precision: [f64; MOST],
    /// Of leavers' causes, at most so many a leaver: the share that are among those reasons.
    pub recall: [f64; MOST],
    /// Share of leavers whose strongest cause is among those reasons.
    pub main: [f64; MOST],
    /// Tenths of the customers, those most at risk first.
    pub deciles: Vec<Decile>,
}

/// A tenth of the customers.
#[derive(Clone, Copy, Debug)]
pub struct Decile {
    /// Mean score.
    pub predicted: f64,
    /// Mean of the planted probabilities.
    pub planted: f64,
    /// Share that left.
    pub left: f64,
}

impl Sample {
    /// Makes a sample, hides the labels of every second customer, and loads it.
    ///
    /// # Errors
    /// When a command fails or a file has another form.
    pub fn load(address: &str, folder: &Path, seed: u64, customers: u64) -> Result<Self> {
        let folder = folder.join(format!("sample-{seed}"));
        let place = path(&folder)?;
        let (seed_text, n) = (seed.to_string(), customers.to_string());
        let make = ["sample", place, "--customers", &n, "--seed", &seed_text];
        cli::lode(make, None)?.text()?;
        let hidden = hide(&folder)?;
        let dataset = format!("telecom-{seed}");
        let file = path(&hidden)?;
        let load = [
            "ingest",
            &dataset,
            file,
            "--kind",
            "customers",
            "--role",
            "label=churn",
        ];
        cli::lode(load, Some(address))?.text()?;
        let truth = fs::read_to_string(folder.join("truth.json"))?;
        let truth: Value = serde_json::from_str(&truth)?;
        let (shown, all) = planted(&truth["telecom"])?;
        let held_out = all
            .into_iter()
            .enumerate()
            .filter(|(at, _)| is_held_out(*at))
            .map(|(_, customer)| customer);
        Ok(Self {
            address: address.to_owned(),
            held_out: held_out.collect(),
            folder,
            dataset,
            shown,
        })
    }

    /// The names of the planted causes.
    pub fn causes(&self) -> BTreeSet<&str> {
        self.shown.values().map(String::as_str).collect()
    }

    /// Learns from the customers with labels and compares what it says of the others.
    ///
    /// # Errors
    /// When the job fails, or does not score every customer.
    pub fn measure(&self, algorithm: &str) -> Result<Measured> {
        let scores = self.folder.join(format!("{algorithm}.json"));
        let out = format!("scores={}", path(&scores)?);
        let input = format!("customers={}", self.dataset);
        let run = ["run", algorithm, "-i", &input, "--out", &out, "-o", "json"];
        cli::lode(run, Some(&self.address))?.text()?;
        let found: Value = serde_json::from_str(&fs::read_to_string(&scores)?)?;
        let mut pairs = Vec::new();
        for row in list(&found, "scores")? {
            if let Some(planted) = self.held_out.get(text(row, "customer_id")?) {
                pairs.push((planted, read(row)?));
            }
        }
        ensure!(
            pairs.len() == self.held_out.len(),
            "expected scores of {} customers, found {}",
            self.held_out.len(),
            pairs.len()
        );
        Ok(self.compare(&pairs))
    }

    fn compare(&self, pairs: &[(&Planted, Found)]) -> Measured {
        let leavers: Vec<_> = pairs
            .iter()
            .filter(|(planted, _)| planted.has_left)
            .collect();
        let mut measured = Measured {
            customers: pairs.len(),
            leavers: leavers.len(),
            auc: auc(pairs.iter().map(|(p, f)| (f.score, p.has_left)).collect()),
            best_auc: auc(pairs
                .iter()
                .map(|(p, _)| (p.probability, p.has_left))
                .collect()),
            precision: [0.0; MOST],
            recall: [0.0; MOST],
            main: [0.0; MOST],
            deciles: deciles(pairs),
        };
        for at in 0..MOST {
            let (mut named, mut right) = (0.0, 0.0);
            let (mut wanted, mut met) = (0.0, 0.0);
            let (mut with_main, mut main_met) = (0.0, 0.0);
            for (planted, found) in &leavers {
                let first = found.reasons.iter().take(at + 1);
                let causes: Vec<Option<&String>> =
                    first.map(|column| self.shown.get(column)).collect();
                let is_right = |cause: &&Option<&String>| {
                    cause.is_some_and(|cause| planted.causes.contains(cause))
                };
                named += causes.len() as f64;
                right += causes.iter().filter(is_right).count() as f64;
                let is_met = |cause: &&String| causes.contains(&Some(*cause));
                wanted += planted.causes.len().min(at + 1) as f64;
                met += planted.causes.iter().filter(is_met).count() as f64;
                if let Some(main) = planted.causes.first() {
                    with_main += 1.0;
                    main_met += f64::from(u8::from(is_met(&main)));
                }
            }
            measured.precision[at] = right / named;
            measured.recall[at] = met / wanted;
            measured.main[at] = main_met / with_main;
        }
        measured
    }
}

impl Measured {
    /// Mean over the deciles of how far the mean score is from the share that left.
    pub fn decile_error(&self) -> f64 {
        let errors = self.deciles.iter().map(|d| (d.predicted - d.left).abs());
        errors.sum::<f64>() / self.deciles.len() as f64
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let deciles = self.deciles.iter().map(|decile| {
            json!({
                "predicted": decile.predicted, "planted": decile.planted, "left": decile.left,
            })
        });
        json!({
            "customers": self.customers, "leavers": self.leavers,
            "auc": self.auc, "best_auc": self.best_auc,
            "precision": self.precision, "recall": self.recall, "main": self.main,
            "decile_error": self.decile_error(), "deciles": deciles.collect::<Vec<_>>(),
        })
    }
}

/// Every second customer of the sample is held out.
fn is_held_out(at: usize) -> bool {
    at % 2 == 1
}

/// Writes the table without the labels of those held out, beside the sample's own.
fn hide(folder: &Path) -> Result<PathBuf> {
    let table = fs::read_to_string(folder.join("telecom_customers.csv"))?;
    let mut lines = table.lines();
    let header = lines.next().context("the table has a header")?;
    ensure!(
        header.ends_with(",churn"),
        "expected churn last, found {header}"
    );
    let mut hidden = format!("{header}\n");
    for (at, line) in lines.enumerate() {
        let (row, label) = line.rsplit_once(',').context("a row has commas")?;
        let label = if is_held_out(at) { "" } else { label };
        hidden.push_str(&format!("{row},{label}\n"));
    }
    let file = folder.join("half_labeled.csv");
    fs::write(&file, hidden)?;
    Ok(file)
}

/// Which cause a column shows, and the customers in the order of the table.
fn planted(telecom: &Value) -> Result<(BTreeMap<String, String>, Vec<(String, Planted)>)> {
    let mut shown = BTreeMap::new();
    let causes = telecom["causes"].as_object().context("no causes")?;
    for (name, cause) in causes {
        for column in list(&cause["columns"], "columns")? {
            let column = column.as_str().context("a column's name")?;
            shown.insert(column.to_owned(), name.clone());
        }
    }
    let mut customers = Vec::new();
    for customer in list(&telecom["customers"], "customers")? {
        let mut causes = Vec::new();
        for cause in list(&customer["causes"], "causes")? {
            if number(cause, "contribution")? >= MATTERS {
                causes.push(text(cause, "cause")?.to_owned());
            }
        }
        let planted = Planted {
            probability: number(customer, "probability")?,
            has_left: customer["churned"] == true,
            causes,
        };
        customers.push((text(customer, "customer_id")?.to_owned(), planted));
    }
    Ok((shown, customers))
}

fn read(row: &Value) -> Result<Found> {
    let mut reasons = Vec::new();
    for reason in list(&row["contributions"], "contributions")? {
        let contribution = number(reason, "contribution")?;
        if contribution > 0.0 {
            reasons.push((contribution, text(reason, "feature")?.to_owned()));
        }
    }
    reasons.sort_by(|a, b| b.0.total_cmp(&a.0));
    Ok(Found {
        score: number(row, "score")?,
        reasons: reasons.into_iter().map(|reason| reason.1).collect(),
    })
}

/// Area under the ROC curve: the share of pairs in the right order, ties counted half.
fn auc(mut outcomes: Vec<(f64, bool)>) -> f64 {
    outcomes.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut stayers, mut leavers, mut right) = (0.0, 0.0, 0.0);
    for tied in outcomes.chunk_by(|a, b| a.0.total_cmp(&b.0).is_eq()) {
        let left = tied.iter().filter(|outcome| outcome.1).count() as f64;
        let stayed = tied.len() as f64 - left;
        right += left * (stayers + stayed / 2.0);
        stayers += stayed;
        leavers += left;
    }
    right / (stayers * leavers)
}

fn deciles(pairs: &[(&Planted, Found)]) -> Vec<Decile> {
    let mut sorted: Vec<_> = pairs
        .iter()
        .map(|(planted, found)| (found.score, planted.probability, planted.has_left))
        .collect();
    sorted.sort_by(|a, b| b.0.total_cmp(&a.0).then(b.1.total_cmp(&a.1)));
    let n = sorted.len();
    (0..10)
        .map(|tenth| {
            let part = &sorted[n * tenth / 10..n * (tenth + 1) / 10];
            let mean = |of: &dyn Fn(&(f64, f64, bool)) -> f64| {
                part.iter().map(of).sum::<f64>() / part.len() as f64
            };
            Decile {
                predicted: mean(&|customer| customer.0),
                planted: mean(&|customer| customer.1),
                left: mean(&|customer| f64::from(u8::from(customer.2))),
            }
        })
        .collect()
}

fn path(path: &Path) -> Result<&str> {
    path.to_str().context("expected a path in UTF-8")
}

fn list<'v>(value: &'v Value, what: &str) -> Result<&'v Vec<Value>> {
    value
        .as_array()
        .with_context(|| format!("no list of {what}"))
}

fn text<'v>(object: &'v Value, name: &str) -> Result<&'v str> {
    let found = object[name].as_str();
    found.with_context(|| format!("no text {name} in {object}"))
}

fn number(object: &Value, name: &str) -> Result<f64> {
    let found = object[name].as_f64();
    found.with_context(|| format!("no number {name} in {object}"))
}
