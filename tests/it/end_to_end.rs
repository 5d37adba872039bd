//! A newcomer's path, all by the command: sample, load, three jobs, a customer, an offer.
//!
//! What the jobs find is compared with what the sample planted, which lies beside it.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use anyhow::Result;
use lode_tests::Engine;
use lode_tests::cli;
use lode_tests::settings;
use serde_json::Value;
use tempfile::TempDir;

fn path(file: &Path) -> &str {
    file.to_str().expect("temporary paths are UTF-8")
}

fn text<'a>(value: &'a Value, what: &str) -> Result<&'a str> {
    value
        .as_str()
        .with_context(|| format!("no {what}: {value}"))
}

fn list<'a>(value: &'a Value, what: &str) -> Result<&'a Vec<Value>> {
    value
        .as_array()
        .with_context(|| format!("no {what}: {value}"))
}

#[test]
fn the_help_names_every_command() -> Result<()> {
    let help = cli::lode(["--help"], None)?;
    let help = help.text()?;
    for command in [
        "serve",
        "ingest",
        "put",
        "datasets",
        "dataset",
        "query",
        "algorithms",
        "plugins",
        "plugin",
        "run",
        "jobs",
        "job",
        "cancel",
        "output",
        "models",
        "score",
        "recommend",
        "sample",
        "demo",
    ] {
        assert!(help.contains(command), "no {command} in\n{help}");
        cli::lode([command, "--help"], None)?.text()?;
    }
    Ok(())
}

#[test]
fn a_sample_is_the_same_each_time() -> Result<()> {
    let folder = TempDir::new()?;
    let sample = |name: &str| -> Result<Vec<(String, Vec<u8>)>> {
        let into = folder.path().join(name);
        cli::lode(["sample", path(&into), "--customers", "300"], None)?.text()?;
        let mut files = Vec::new();
        for entry in fs::read_dir(&into)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            files.push((name, fs::read(entry.path())?));
        }
        files.sort();
        Ok(files)
    };
    let (one, two) = (sample("one")?, sample("two")?);
    assert!(one.len() >= 3, "files for both companies and the truth");
    assert!(one == two, "two samples of one seed differ");
    Ok(())
}

#[test]
fn the_demo_tells_a_story_and_leaves_nothing() -> Result<()> {
    let demo = cli::lode(["demo"], None)?;
    let story = demo.text()?;
    assert!(story.lines().count() >= 10, "{story}");
    for word in ["segment", "churn"] {
        assert!(story.to_lowercase().contains(word), "no {word} in\n{story}");
    }
    Ok(())
}

/// An engine with both companies of the sample, and the truth about them.
struct World {
    engine: Engine,
    truth: Value,
    _folder: TempDir,
}

impl World {
    fn make() -> Result<Self> {
        let folder = TempDir::new()?;
        let sample = path(folder.path());
        cli::lode(
            ["sample", sample, "--customers", "1500", "--seed", "5"],
            None,
        )?
        .text()?;
        let engine = Engine::start()?;
        for (dataset, file) in [
            ("retail", "retail_events.csv"),
            ("telecom", "telecom_customers.csv"),
        ] {
            let file = folder.path().join(file);
            engine.lode(["ingest", dataset, path(&file)])?.text()?;
        }
        let truth = serde_json::from_str(&fs::read_to_string(folder.path().join("truth.json"))?)?;
        Ok(Self {
            engine,
            truth,
            _folder: folder,
        })
    }

    fn json<const N: usize>(&self, args: [&str; N]) -> Result<Value> {
        self.engine
            .lode(args.into_iter().chain(["-o", "json"]))?
            .json()
    }
}

#[test]
fn segments_are_written_onto_the_customers() -> Result<()> {
    let world = World::make()?;
    let datasets = world.json(["datasets"])?;
    let names = list(&datasets, "datasets")?
        .iter()
        .map(|dataset| &dataset["dataset"]);
    assert_eq!(names.collect::<Vec<_>>(), ["retail", "telecom"]);

    let job = world.json(["run", "segment.rfm", "-i", "events=retail", "--write-back"])?;
    let sql = "select count(distinct customer_id) as n from retail where customer_id is not null";
    let known = world.json(["query", sql])?[0]["n"]
        .as_u64()
        .context("a count")?;
    let written = job["written_back"].as_u64().context("a count")?;
    // Those whose every line is a return have bought nothing and may have no segment.
    assert!(
        written <= known && written * 100 >= known * 95,
        "{written} of {known}"
    );

    let id = text(
        &world.truth["retail"]["customers"][0]["customer_id"],
        "customer",
    )?;
    let customer = world.json(["customer", id])?;
    let tags = list(&customer["tags"], "tags")?;
    assert!(!tags.is_empty(), "{customer}");
    for tag in tags {
        assert_eq!(tag["job"], job["job"], "{tag}");
        assert!(
            text(&tag["key"], "key")?.starts_with("segment.rfm/"),
            "{tag}"
        );
    }
    Ok(())
}

#[test]
fn offers_find_what_was_planted() -> Result<()> {
    let world = World::make()?;
    let mut rates = Vec::new();
    for algorithm in ["recommend.item-knn", "recommend.popular"] {
        let job = world.json(["run", algorithm, "-i", "events=retail"])?;
        let model = text(&job["models"][0], "model")?;
        let (mut asked, mut hits) = (0, 0);
        for customer in list(&world.truth["retail"]["customers"], "customers")? {
            let next = list(&customer["next_items"], "next items")?;
            if next.is_empty() || asked == 60 {
                continue;
            }
            asked += 1;
            let id = text(&customer["customer_id"], "customer")?;
            let offers = world.json(["recommend", model, id, "--limit", "5"])?;
            let items = list(&offers["items"], "items")?;
            hits += usize::from(items.iter().any(|item| next.contains(&item["item"])));
        }
        assert!(
            asked >= 30,
            "only {asked} customers have a planted next item"
        );
        rates.push(hits as f64 / f64::from(asked));
    }
    settings::say(&format!(
        "end_to_end: a planted next item among five offers: item-knn {:.2}, popular {:.2}",
        rates[0], rates[1]
    ));
    assert!(rates[0] > rates[1] && rates[0] >= 0.6, "{rates:?}");
    Ok(())
}

#[test]
fn churn_is_found_with_the_planted_causes() -> Result<()> {
    let world = World::make()?;
    let job = world.json([
        "run",
        "churn.logistic",
        "-i",
        "customers=telecom",
        "--write-back",
    ])?;
    let planted = list(&world.truth["telecom"]["customers"], "customers")?;
    let mut outcomes = Vec::new();
    for customer in planted {
        let probability = customer["probability"].as_f64().context("a probability")?;
        outcomes.push((probability, customer["churned"] == true));
    }
    let best = auc(&outcomes);
    let found = job["metrics"]["auc"].as_f64().context("a metric auc")?;
    // Five of 42 fields matter, and 1,200 customers tell which.
    assert!(
        found > best - 0.06 && found < best + 0.02,
        "AUC {found}, of the truth {best}"
    );

    // Of those most at risk, the first reason is the cause that was planted, mostly.
    let model = text(&job["models"][0], "model")?;
    let mut risky = planted.iter().collect::<Vec<_>>();
    let risk = |customer: &Value| customer["probability"].as_f64().unwrap_or_default();
    risky.sort_by(|a, b| risk(b).total_cmp(&risk(a)));
    let ids = risky
        .iter()
        .take(100)
        .map(|customer| text(&customer["customer_id"], "id"));
    let ids = ids.collect::<Result<Vec<_>>>()?;
    let fixed = ["score", model, "--explain", "-o", "json"];
    let scores = world.engine.lode(fixed.into_iter().chain(ids))?.json()?;
    let mut agree = 0;
    for (score, customer) in list(&scores, "scores")?.iter().zip(&risky) {
        let reasons = list(&score["reasons"], "reasons")?;
        let raises = |reason: &&Value| reason["contribution"].as_f64().unwrap_or_default() > 0.0;
        let first = reasons
            .iter()
            .find(raises)
            .context("a reason that raises the risk")?;
        let cause = text(&customer["main_cause"], "cause")?;
        let shown = &world.truth["telecom"]["causes"][cause]["columns"];
        agree += usize::from(list(shown, "columns")?.contains(&first["feature"]));
    }
    settings::say(&format!(
        "end_to_end: churn AUC {found:.4}, of the planted probabilities {best:.4}; \
         first reason is the planted main cause for {agree} of the 100 most at risk"
    ));
    assert!(agree >= 80, "{agree} of 100");
    Ok(())
}

/// Area under the ROC curve: the share of pairs in the right order, ties counted half.
fn auc(outcomes: &[(f64, bool)]) -> f64 {
    let of = |wanted: bool| outcomes.iter().filter(move |(_, left)| *left == wanted);
    let (mut right, mut pairs) = (0.0, 0.0);
    for (high, _) in of(true) {
        for (low, _) in of(false) {
            pairs += 1.0;
            right += match high.total_cmp(low) {
                std::cmp::Ordering::Greater => 1.0,
                std::cmp::Ordering::Equal => 0.5,
                std::cmp::Ordering::Less => 0.0,
            };
        }
    }
    right / pairs
}
