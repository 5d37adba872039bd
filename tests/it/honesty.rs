//! What a training or a score does without is said: columns that are left out, words that were
//! never seen, dates that are no feature, numbers that are too large, an index of too few rows.

use std::fmt::Write as _;

use anyhow::Context as _;
use anyhow::Result;
use lode_proto::v1;
use lode_tests::Engine;
use lode_tests::wire;
use lode_tests::work;
use serde_json::Value;
use tempfile::TempDir;

use super::judge::Draws;
use super::judge::warnings;

/// Customers with a number, a plan of three, a date of joining and one of cancelling.
fn people(n: usize) -> Result<String> {
    let mut draws = Draws(31);
    let mut lines = "customer_id,x,plan,joined,cancelled,label\n".to_owned();
    for at in 0..n {
        let x = 4.0 * draws.next() - 2.0;
        let plan = ["basic", "family", "gold"][(draws.next() * 3.0) as usize];
        let left = draws.next() < 1.0 / (1.0 + (-1.5 * x).exp());
        let (word, cancelled) = match left {
            true => ("yes", format!("2024-03-{:02}", 1 + at % 28)),
            false => ("no", String::new()),
        };
        writeln!(
            lines,
            "c{at},{x},{plan},2023-01-{:02},{cancelled},{word}",
            1 + at % 28
        )?;
    }
    Ok(lines)
}

/// Loads lines of CSV as customers.
pub(crate) fn load(engine: &Engine, folder: &TempDir, dataset: &str, lines: &str) -> Result<()> {
    let file = folder.path().join(format!("{dataset}.csv"));
    std::fs::write(&file, lines)?;
    let file = file.to_str().context("temporary paths are UTF-8")?;
    engine.lode(["ingest", dataset, file])?.text()?;
    Ok(())
}

#[tokio::test]
async fn what_a_score_does_without_is_said() -> Result<()> {
    let folder = TempDir::new()?;
    let engine = Engine::start()?;
    let client = engine.client()?;
    load(&engine, &folder, "people", &people(600)?)?;
    engine
        .lode(["run", "churn.logistic", "-i", "people", "--id", "m"])?
        .text()?;

    // Dates teach nothing, and that there is one gives the label away.
    let said = warnings(&client, "m").await?;
    let of = |column: &str, words: &str| {
        let mut lines = said.iter();
        lines.any(|line| line.contains(&format!("{column:?}")) && line.contains(words))
    };
    assert!(of("joined", "is not used: a date"), "{said:?}");
    assert!(of("cancelled", "gives the label away"), "{said:?}");
    assert!(!of("joined", "gives the label away"), "{said:?}");
    assert!(
        !said
            .iter()
            .any(|line| line.contains("most of what the model knows")),
        "{said:?}"
    );

    let score = |row: &str, format: &str| engine.lode(["score", "m", "--row", row, "-o", format]);
    let whole = score(r#"{"x": 0.5, "plan": "gold"}"#, "json")?;
    let whole = whole.json()?;
    assert_eq!(whole[0].get("missing_columns"), None, "{whole}");
    assert_eq!(whole[0].get("unseen_columns"), None, "{whole}");
    let part = score(r#"{"x": 0.5}"#, "json")?.json()?;
    assert_eq!(part[0]["missing_columns"], serde_json::json!(["plan"]));
    assert!(part[0]["score"].as_f64().is_some_and(|score| score > 0.0));
    let told = score(r#"{"x": 0.5}"#, "table")?;
    assert!(
        told.stderr.contains("row 1: left out, counted as missing"),
        "{}",
        told.stderr
    );
    let new = score(r#"{"x": 0.5, "plan": "zzz"}"#, "json")?.json()?;
    assert_eq!(new[0]["unseen_columns"], serde_json::json!(["plan"]));
    let told = score(r#"{"x": 0.5, "plan": "zzz"}"#, "table")?;
    assert!(told.stderr.contains("never saw: plan"), "{}", told.stderr);

    // Few rows: how many it takes, and no number.
    let drift = engine.lode(["drift", "m", "-o", "json"])?.json()?;
    assert_eq!(drift["least_rows"], 100);
    let drifts = drift["drifts"].as_array().context("drifts")?;
    assert!(drifts.iter().all(|drift| drift["psi"].is_null()), "{drift}");
    let of_plan = drifts.iter().find(|drift| drift["name"] == "plan");
    assert_eq!(of_plan.context("plan")?["unseen_now"], 2);
    let told = engine.lode(["drift", "m"])?;
    assert!(
        told.stderr.contains("it takes 100 to tell"),
        "{}",
        told.stderr
    );

    // A batch counts what it meets.
    let later = people(600)?.replace(",gold,", ",platinum,");
    load(&engine, &folder, "later", &later)?;
    let n_new = later.matches(",platinum,").count() as f64;
    let out = ["score-all", "m", "-i", "later", "--id", "batch"];
    engine.lode(out)?.text()?;
    let job = work::get(&client, "batch").await?;
    let table = work::output_of(&client, &job, "drift").await?;
    let names = wire::texts(&table, "name")?;
    let at = names
        .iter()
        .position(|name| name == "plan")
        .context("plan")?;
    let rows = engine
        .lode(["output", "batch", "drift", "-o", "json"])?
        .json()?;
    assert_eq!(rows[at]["unseen_now"].as_f64(), Some(n_new), "{rows}");
    let said = warnings(&client, "batch").await?;
    let counted = format!("\"plan\": {n_new} of 600 rows");
    assert!(said.iter().any(|line| line.contains(&counted)), "{said:?}");
    let ids = vec!["c0".to_owned()];
    let request = v1::ScoreRequest {
        model: job
            .models
            .first()
            .cloned()
            .unwrap_or_else(|| "tenants/default/models/m".to_owned()),
        customers: ids,
        ..v1::ScoreRequest::default()
    };
    let known = client.score(request).await?;
    assert_eq!(known.results[0].unseen_columns, Vec::<String>::new());
    Ok(())
}

#[test]
fn a_score_can_be_worked_out_from_what_the_command_prints() -> Result<()> {
    let folder = TempDir::new()?;
    let engine = Engine::start()?;
    load(&engine, &folder, "people", &people(900)?)?;
    for method in ["platt", "isotonic"] {
        let run = [
            "run",
            "churn.logistic",
            "-i",
            "people",
            "--id",
            method,
            "--calibration",
            method,
        ];
        engine.lode(run)?.text()?;
        let model = engine.lode(["model", method, "-o", "json"])?.json()?;
        let curve = &model["calibration"];
        assert_eq!(
            (&curve["method"], &curve["input"]),
            (&method.into(), &"margin".into())
        );
        let number = |of: &Value| of.as_f64().with_context(|| format!("a number: {of}"));
        let by_hand = |margin: f64| -> Result<f64> {
            if method == "platt" {
                let x = number(&curve["slope"])? * margin + number(&curve["intercept"])?;
                return Ok(1.0 / (1.0 + (-x).exp()));
            }
            let knots: Vec<(f64, f64)> = serde_json::from_value(curve["knots"].clone())?;
            Ok(match knots.iter().position(|knot| knot.0 >= margin) {
                Some(0) => knots[0].1,
                None => knots.last().context("knots")?.1,
                Some(at) => {
                    let ((x0, y0), (x1, y1)) = (knots[at - 1], knots[at]);
                    y0 + (y1 - y0) * (margin - x0) / (x1 - x0)
                }
            })
        };
        let ids = (0..30).map(|n| format!("c{n}"));
        let args = ["score", method, "-o", "json"].map(str::to_owned);
        let scores = engine.lode(args.into_iter().chain(ids))?.json()?;
        let scores = scores.as_array().context("scores")?;
        assert_eq!(scores.len(), 30);
        for score in scores {
            let expected = by_hand(number(&score["margin"])?)?;
            assert!(
                (number(&score["score"])? - expected).abs() < 1e-12,
                "{score} {expected}"
            );
        }
        // The table says it too, with all digits.
        let told = engine.lode(["model", method])?;
        let digits = match method {
            "platt" => curve["slope"].to_string(),
            _ => curve["knots"][0][1].to_string(),
        };
        assert!(told.text()?.contains(method), "{}", told.stdout);
        let whole: String = told.stdout.split_whitespace().collect();
        assert!(whole.contains(&digits), "{digits} {}", told.stdout);
    }
    Ok(())
}

#[test]
fn numbers_that_are_too_large_are_refused_by_name() -> Result<()> {
    let folder = TempDir::new()?;
    let engine = Engine::start()?;
    let mut lines = people(200)?;
    writeln!(lines, "big,1e308,gold,2023-01-01,,no")?;
    load(&engine, &folder, "people", &lines)?;
    for algorithm in [
        "churn.logistic",
        "churn.tree",
        "churn.gbdt",
        "credit.scorecard",
    ] {
        let told = engine.lode(["run", algorithm, "-i", "people"])?;
        let told = told.failure()?;
        let named = told.contains("inputs.customers.x") && told.contains("found 1e308");
        assert!(named, "{algorithm}: {told}");
    }
    Ok(())
}
