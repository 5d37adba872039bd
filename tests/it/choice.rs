//! One answer of several through the engine: learned, judged by numbers that the test works out
//! itself, scored with reasons, for everybody and onto customers, compared and refused.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::Context as _;
use anyhow::Result;
use lode_tests::Engine;
use serde_json::Value;
use tempfile::TempDir;

use super::honesty::load;
use super::judge::Draws;

const LINES: [&str; 3] = ["camping", "golf", "outdoor wear"];

/// Young ones camp, those who earn golf, the others take one of all.
fn shoppers(n: usize) -> Result<String> {
    let mut draws = Draws(23);
    let mut lines = "customer_id,age,income,city,label\n".to_owned();
    for row in 0..n {
        let (age, income) = (18.0 + (draws.next() * 60.0).floor(), draws.next() * 100.0);
        let city = ["york", "bath"][(draws.next() * 2.0) as usize];
        let line = match (age < 35.0, income > 60.0) {
            _ if draws.next() < 0.15 => LINES[(draws.next() * 3.0) as usize],
            (true, _) => LINES[0],
            (_, true) => LINES[1],
            _ => LINES[2],
        };
        // Of every twentieth nobody knows.
        let line = if row % 20 == 19 { "" } else { line };
        writeln!(lines, "c{row},{age},{income:.1},{city},{line}")?;
    }
    Ok(lines)
}

fn rows(engine: &Engine, job: &str, output: &str) -> Result<Vec<Value>> {
    let table = engine.lode(["output", job, output, "-o", "json"])?.json()?;
    Ok(table.as_array().context("rows")?.clone())
}

fn number(row: &Value, name: &str) -> Result<f64> {
    let found = row[name].as_f64();
    found.with_context(|| format!("no {name}: {row}"))
}

fn word<'a>(row: &'a Value, name: &str) -> Result<&'a str> {
    let found = row[name].as_str();
    found.with_context(|| format!("no {name}: {row}"))
}

#[test]
fn a_choice_is_judged_scored_and_explained() -> Result<()> {
    let folder = TempDir::new()?;
    let engine = Engine::start()?;
    load(&engine, &folder, "shoppers", &shoppers(900)?)?;
    let quick = "-p max_rounds=80 -p repeats=1 --folds 3 -o json --write-back";
    let quick: Vec<&str> = quick.split(' ').collect();
    let run = |id: &'static str, more: &[&'static str]| -> Result<Value> {
        let head = ["run", "choice.gbdt", "-i", "shoppers", "--id", id];
        let args: Vec<&str> = head.iter().chain(&quick).chain(more).copied().collect();
        engine.lode(args)?.json()
    };
    let job = run("line", &["-p", "interaction_rows=100"])?;
    let metrics = &job["metrics"];

    // The measures, from the rows that were kept: each fold for itself, and the mean.
    let held = rows(&engine, "line", "evaluation_scores")?;
    assert_eq!(held.len(), 855);
    let mut folds: BTreeMap<i64, [f64; 3]> = BTreeMap::new();
    let mut cells: BTreeMap<(String, String), f64> = BTreeMap::new();
    for row in &held {
        let fold = folds
            .entry(row["fold"].as_i64().context("fold")?)
            .or_default();
        let (label, chosen) = (word(row, "label")?, word(row, "chosen")?);
        fold[0] += 1.0;
        fold[1] -= number(row, "p_label")?.ln();
        fold[2] += f64::from(u8::from(label == chosen));
        *cells
            .entry((label.to_owned(), chosen.to_owned()))
            .or_default() += 1.0;
    }
    assert_eq!(folds.len(), 3);
    let mean = |at: usize| folds.values().map(|fold| fold[at] / fold[0]).sum::<f64>() / 3.0;
    assert!((number(metrics, "log_loss")? - mean(1)).abs() < 1e-9);
    assert!((number(metrics, "accuracy")? - mean(2)).abs() < 1e-9);
    assert!(number(metrics, "accuracy")? > 0.8, "{metrics}");
    assert!(number(metrics, "log_loss")? < 0.75 * number(metrics, "base_log_loss")?);
    assert!(number(metrics, "macro_f1")? > 0.75 && number(metrics, "log_loss_low")? > 0.0);
    for cell in rows(&engine, "line", "evaluation_confusion")? {
        let key = (
            word(&cell, "actual")?.to_owned(),
            word(&cell, "chosen")?.to_owned(),
        );
        let expected = cells.get(&key).copied().unwrap_or(0.0);
        assert!(
            (number(&cell, "customers")? - expected).abs() < 1e-9,
            "{cell}"
        );
    }
    let each = rows(&engine, "line", "evaluation")?;
    assert_eq!(each.len(), 3);
    let pairs = rows(&engine, "line", "interactions")?;
    assert_eq!(
        (word(&pairs[0], "first")?, word(&pairs[0], "second")?),
        ("age", "income")
    );

    // A young one, online: the named value, all probabilities, and reasons that add up.
    let row = r#"{"age": 22, "income": 20.0, "city": "york"}"#;
    let answer = engine
        .lode(["score", "line", "--row", row, "--explain", "-o", "json"])?
        .json()?;
    let answer = &answer[0];
    assert_eq!(answer["label"], "camping");
    let details = &answer["details"];
    let p: Vec<f64> = LINES
        .iter()
        .map(|line| number(details, &format!("p_{line}")))
        .collect::<Result<_>>()?;
    assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{details}");
    assert_eq!(p[0].to_bits(), number(answer, "score")?.to_bits());
    let reasons = answer["reasons"].as_array().context("reasons")?;
    let parts = reasons.iter().map(|reason| number(reason, "contribution"));
    let sum = number(answer, "base")? + parts.sum::<Result<f64>>()?;
    assert!((sum - number(answer, "margin")?).abs() < 1e-9);
    assert_eq!(reasons[0]["feature"], "age");

    // Everybody, as in the job's own table.
    engine.lode(["score-all", "line", "--id", "all"])?.text()?;
    let own: BTreeMap<String, Value> = rows(&engine, "line", "scores")?
        .into_iter()
        .map(|row| Ok((word(&row, "customer_id")?.to_owned(), row)))
        .collect::<Result<_>>()?;
    let all = rows(&engine, "all", "scores")?;
    assert_eq!(all.len(), 900);
    for row in &all {
        let own = &own[word(row, "customer_id")?];
        assert_eq!(row["label"], own["label"]);
        assert_eq!(
            number(row, "p_golf")?.to_bits(),
            number(own, "p_golf")?.to_bits()
        );
    }
    // A list of contacts has no meaning there.
    let refused = engine.lode(["contacts", "line", "--budget", "10"])?;
    let refused = refused.failure()?;
    assert!(refused.contains("one of several answers"), "{refused}");
    Ok(())
}

#[test]
fn choices_are_compared_and_searched() -> Result<()> {
    let folder = TempDir::new()?;
    let engine = Engine::start()?;
    load(&engine, &folder, "shoppers", &shoppers(600)?)?;
    let run = |id: &'static str, more: &'static str| -> Result<Value> {
        let args =
            format!("run choice.gbdt -i shoppers --folds 3 -p repeats=1 -o json --id {id} {more}");
        engine.lode(args.split(' '))?.json()
    };
    run("good", "-p max_rounds=80")?;
    run("bad", "-p max_rounds=2")?;
    let found = engine
        .lode(["compare", "bad", "good", "-o", "json"])?
        .json()?;
    assert_eq!(found["better"], "challenger", "{found}");
    let names: Vec<&str> = found["comparisons"]
        .as_array()
        .context("comparisons")?
        .iter()
        .filter_map(|one| one["measure"].as_str())
        .collect();
    assert_eq!(names, ["log_loss", "accuracy", "macro_f1"]);
    let searched = run("searched", "-p max_rounds=30 --trials 2 --tune-by macro_f1")?;
    assert!(number(&searched["metrics"], "macro_f1")? > 0.6);
    let board = rows(&engine, "searched", "leaderboard")?;
    assert_eq!(board.len(), 2, "{board:?}");

    // One value is no choice, and says so before anything is learned.
    let one = "customer_id,age,label\n".to_owned() + &"c,1,golf\n".repeat(40);
    load(&engine, &folder, "one", &one)?;
    let args = ["run", "choice.gbdt", "-i", "one"];
    let refused = engine.lode(args)?;
    let refused = refused.failure()?;
    assert!(
        refused.contains("expected 2 to 1000 different values, found 1"),
        "{refused}"
    );
    Ok(())
}

#[test]
fn a_quantile_is_judged_and_searched_as_one() -> Result<()> {
    let mut draws = Draws(5);
    let mut lines = "customer_id,visits,label\n".to_owned();
    for row in 0..800 {
        let visits = (draws.next() * 10.0).floor();
        let spent = -(visits + 1.0) * draws.next().max(1e-9).ln();
        writeln!(lines, "c{row},{visits},{spent:.3}")?;
    }
    let folder = TempDir::new()?;
    let engine = Engine::start()?;
    load(&engine, &folder, "spenders", &lines)?;
    let run = "run value.gbdt -i spenders --folds 3 -p loss=quantile -p alpha=.1 -p repeats=1 \
               -p max_rounds=100 -o json";
    let job = engine
        .lode(run.split(' ').chain(["--id", "tenth"]))?
        .json()?;
    let below = number(&job["metrics"], "share_below")?;
    assert!((below - 0.1).abs() < 0.05, "{below}");
    let held = rows(&engine, "tenth", "evaluation_scores")?;
    let mut folds: BTreeMap<i64, (f64, f64)> = BTreeMap::new();
    for row in &held {
        let (y, p) = (number(row, "label")?, number(row, "score")?);
        let fold = folds
            .entry(row["fold"].as_i64().context("fold")?)
            .or_default();
        fold.0 += 1.0;
        fold.1 += if y > p { 0.1 * (y - p) } else { 0.9 * (p - y) };
    }
    let pinball = folds.values().map(|(n, sum)| sum / n).sum::<f64>() / folds.len() as f64;
    assert!((number(&job["metrics"], "pinball")? - pinball).abs() < 1e-9);
    // No word of sums that are off: they are meant to be.
    let log = engine.lode(["job", "tenth", "--log"])?;
    let log = log.text()?;
    assert!(!log.contains("do not plan"), "{log}");
    let tuned = run.split(' ').chain(["--id", "tuned", "--trials", "2"]);
    let tuned = engine.lode(tuned)?.json()?;
    assert!(number(&tuned["metrics"], "pinball")? > 0.0);
    let log = engine.lode(["job", "tuned", "--log"])?;
    let log = log.text()?;
    assert!(log.contains("pinball"), "{log}");
    Ok(())
}
