//! Whether the reasons of a churn model are the causes that the sample's operator planted.
//!
//! Two ways: from the table a model learns from half of the customers, and the other half, whose
//! labels it never gets, is what is measured; from events it learns at earlier dates, and all
//! customers are measured, of whose departures it never gets an event. Invariant: what is planted
//! comes from `truth.json` alone, what is found from the engine alone.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::ensure;
use serde_json::Value;
use serde_json::json;

use crate::Finished;
use crate::cli;

/// What a cause must add to a customer's margin to be one of the customer's causes: it makes
/// the odds of leaving a third higher.
pub const MATTERS: f64 = 0.3;

/// Most reasons that are looked at.
pub const MOST: usize = 3;

/// When the table of a sample is drawn; what comes later is what has to be foretold.
const DRAWN: &str = "2025-10-01";

/// Earlier dates at which customers made up their minds.
const DATES: [&str; 3] = ["2025-01-01", "2025-04-01", "2025-07-01"];

/// Most customers that one call may ask scores of.
const SCORED_AT_ONCE: usize = 1_000;

/// A sample of the operator beside an engine.
#[derive(Debug)]
pub struct Sample {
    address: String,
    folder: PathBuf,
    /// Of the dataset of customers; others have more behind it.
    name: String,
    columns: Shown,
    features: Shown,
    /// In the order of the table.
    customers: Vec<(String, Planted)>,
}

/// Which cause a column or a feature shows.
type Shown = BTreeMap<String, String>;

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
    /// Makes a sample; nothing is loaded yet.
    ///
    /// # Errors
    /// When the command fails or a file has another form.
    pub fn make(address: &str, folder: &Path, seed: u64, customers: u64) -> Result<Self> {
        let folder = folder.join(format!("sample-{seed}"));
        let (seed_text, n) = (seed.to_string(), customers.to_string());
        let make = [
            "sample",
            path(&folder)?,
            "--customers",
            &n,
            "--seed",
            &seed_text,
        ];
        cli::lode(make, None)?.text()?;
        let truth = fs::read_to_string(folder.join("truth.json"))?;
        let truth: Value = serde_json::from_str(&truth)?;
        let telecom = &truth["telecom"];
        Ok(Self {
            address: address.to_owned(),
            columns: shown(telecom, "columns")?,
            features: shown(telecom, "features")?,
            customers: planted(telecom)?,
            folder,
            name: format!("telecom-{seed}"),
        })
    }

    /// The names of the planted causes.
    pub fn causes(&self) -> BTreeSet<&str> {
        self.columns.values().map(String::as_str).collect()
    }

    /// Loads the table, the labels of every second customer hidden.
    ///
    /// # Errors
    /// When the load fails.
    pub fn load_table(&self) -> Result<()> {
        let file = self.hide()?;
        let load = ["ingest", &self.name, path(&file)?, "--kind", "customers"];
        let role = ["--role", "label=churn"];
        self.lode(load.into_iter().chain(role))?.text()?;
        Ok(())
    }

    /// Learns from the customers of the table with labels; compares what it says of the others.
    ///
    /// # Errors
    /// When the job fails, or does not score every customer.
    pub fn from_table(&self, algorithm: &str) -> Result<Measured> {
        let scores = self.folder.join(format!("{algorithm}.json"));
        let out = format!("scores={}", path(&scores)?);
        let input = format!("customers={}", self.name);
        let run = ["run", algorithm, "-i", &input, "--out", &out, "-o", "json"];
        self.lode(run)?.text()?;
        let found: Value = serde_json::from_str(&fs::read_to_string(&scores)?)?;
        let mut all = BTreeMap::new();
        for row in list(&found, "scores")? {
            let customer = text(row, "customer_id")?;
            all.insert(customer.to_owned(), read(row, "contributions")?);
        }
        let customers = self.customers.iter().enumerate();
        let held_out = customers
            .filter(|(at, _)| is_held_out(*at))
            .map(|(_, one)| one);
        Ok(compare(&pairs(held_out, all)?, &self.columns))
    }

    /// Loads the events up to the day on which the table is drawn, and declares their features.
    ///
    /// # Errors
    /// When the load or the declaration fails.
    pub fn load_events(&self) -> Result<()> {
        let events = self.events();
        let file = self.cut()?;
        self.lode(["ingest", &events, path(&file)?])?.text()?;
        let view = fs::read_to_string(self.folder.join("telecom_features.json"))?;
        let file = self.folder.join("view.json");
        fs::write(&file, view.replace("telecom_events", &events))?;
        let create = ["feature", "create", &self.view(), "--file", path(&file)?];
        self.lode(create)?.text()?;
        Ok(())
    }

    /// Learns from the events at earlier dates; compares what it says of everybody at their end.
    ///
    /// # Errors
    /// When the job fails, or a customer has no score.
    pub fn from_events(&self, algorithm: &str) -> Result<Measured> {
        let (events, view) = (self.events(), self.view());
        let job = format!("{}-{}", self.name, algorithm.replace('.', "-"));
        let dates = DATES.map(|date| format!("--date {date}")).join(" ");
        let train = format!(
            "train {algorithm} --events {events} --features {view} --horizon 90d --label event \
             --filter kind=departure --where departures<=0 {dates} --no-alias --id {job}"
        );
        self.lode(train.split(' '))?.text()?;
        let ids: Vec<&str> = self.customers.iter().map(|one| one.0.as_str()).collect();
        let mut all = BTreeMap::new();
        for ids in ids.chunks(SCORED_AT_ONCE) {
            let score = ["score", &job, "--explain", "-o", "json"];
            let scores = self.lode(score.iter().chain(ids))?.json()?;
            for row in list(&scores, "scores")? {
                ensure!(row["error"].is_null() || row["error"] == "", "{row}");
                let customer = text(row, "customer")?;
                all.insert(customer.to_owned(), read(row, "reasons")?);
            }
        }
        Ok(compare(&pairs(self.customers.iter(), all)?, &self.features))
    }

    fn lode<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Result<Finished> {
        cli::lode(args, Some(&self.address))
    }

    fn events(&self) -> String {
        format!("{}-events", self.name)
    }

    fn view(&self) -> String {
        format!("{}-features", self.name)
    }

    /// Writes the table without the labels of those held out, beside the sample's own.
    fn hide(&self) -> Result<PathBuf> {
        let table = fs::read_to_string(self.folder.join("telecom_customers.csv"))?;
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
        let file = self.folder.join("half_labeled.csv");
        fs::write(&file, hidden)?;
        Ok(file)
    }

    /// Writes the events of before the day on which the table is drawn.
    fn cut(&self) -> Result<PathBuf> {
        let events = fs::read_to_string(self.folder.join("telecom_events.csv"))?;
        let mut lines = events.lines();
        let mut known = format!("{}\n", lines.next().context("events have a header")?);
        for line in lines {
            let time = line.split(',').nth(1).context("an event has a time")?;
            if time < DRAWN {
                known.push_str(line);
                known.push('\n');
            }
        }
        let file = self.folder.join("known_events.csv");
        fs::write(&file, known)?;
        Ok(file)
    }
}

/// What was planted for customers, with what was found of them.
fn pairs<'s>(
    customers: impl Iterator<Item = &'s (String, Planted)>,
    mut found: BTreeMap<String, Found>,
) -> Result<Vec<(&'s Planted, Found)>> {
    customers
        .map(|(id, planted)| {
            let found = found.remove(id);
            Ok((planted, found.with_context(|| format!("no score of {id}"))?))
        })
        .collect()
}

fn compare(pairs: &[(&Planted, Found)], shown: &Shown) -> Measured {
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
            let causes: Vec<Option<&String>> = first.map(|column| shown.get(column)).collect();
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

/// Which cause a column, or a feature, shows.
fn shown(telecom: &Value, what: &str) -> Result<Shown> {
    let mut shown = Shown::new();
    let causes = telecom["causes"].as_object().context("no causes")?;
    for (name, cause) in causes {
        for column in list(&cause[what], what)? {
            let column = column.as_str().context("a column's name")?;
            shown.insert(column.to_owned(), name.clone());
        }
    }
    Ok(shown)
}

/// The customers in the order of the table.
fn planted(telecom: &Value) -> Result<Vec<(String, Planted)>> {
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
    Ok(customers)
}

fn read(row: &Value, reasons_name: &str) -> Result<Found> {
    let mut reasons = Vec::new();
    for reason in list(&row[reasons_name], reasons_name)? {
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
