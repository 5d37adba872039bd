//! How much a customer will spend, where he stands by it, and who takes which group of products:
//! from lines of sales to scores of everybody, a list, tags and one customer's answer.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use anyhow::Context as _;
use anyhow::Result;
use lode_tests::Engine;
use serde_json::Value;

/// Customers; by their number each spends more and more, less and less, or always the same.
const CUSTOMERS: usize = 240;

/// Lines of sales: a purchase every ten days, and of the groups tea and coffee the one that the
/// customer likes; few ever take the third.
fn lines() -> String {
    let mut csv = String::from("customer_id,time,invoice,item,group,amount\n");
    for customer in 0..CUSTOMERS {
        for step in 0..33 {
            let day = step * 10 + customer % 10;
            let (month, of_month) = (day / 28 + 1, day % 28 + 1);
            let level = match customer % 3 {
                0 => 10.0 + 3.0 * step as f64,
                1 => 110.0 - 3.0 * step as f64,
                _ => 60.0,
            };
            let noise = (customer * 7 + step * 13) % 11;
            let group = match (customer * 31 + step * 17) % 23 {
                0 => "cake",
                1 | 2 => ["coffee", "tea"][customer % 2],
                _ => ["tea", "coffee"][customer % 2],
            };
            let item = format!("{group}-{}", (customer + step) % 9);
            let amount = level + noise as f64;
            let line = format!(
                "c{customer:03},2024-{month:02}-{of_month:02},o{customer}-{step},{item},{group}"
            );
            csv.push_str(&format!("{line},{amount:.2}\n"));
        }
    }
    csv
}

fn engine() -> Result<Engine> {
    let engine = Engine::start()?;
    let file = engine.data().join("sales.csv");
    std::fs::write(&file, lines())?;
    let file = file.to_str().context("a path")?;
    engine.lode(["ingest", "sales", file])?.text()?;
    Ok(engine)
}

fn rows(engine: &Engine, job: &str, name: &str) -> Result<Vec<Value>> {
    let rows = engine.lode(["output", job, name, "-o", "json"])?.json()?;
    Ok(rows.as_array().context("rows")?.clone())
}

#[tokio::test]
async fn the_stage_of_a_customer_is_told_wherever_the_score_is() -> Result<()> {
    let engine = engine()?;
    let args = [
        "train",
        "value",
        "--events",
        "sales",
        "--horizon",
        "60d",
        "--dates",
        "4",
        "--id",
        "worth",
    ];
    let quick = [
        "-p",
        "classifier=regression",
        "-p",
        "amount=regression",
        "-p",
        "rising=0.05",
        "-p",
        "losing=0.05",
    ];
    let done = engine.lode(args.into_iter().chain(quick))?;
    done.text()?;
    // The view has no window of 60 days; two thirds of what 90 days brought are as long.
    let told = "against spend_90d, 0.6667 x its 90d for the 60d of the label";
    assert!(done.stderr.contains(told), "{}", done.stderr);

    let list = engine.data().join("list.csv");
    let args = ["contacts", "value", "--budget", "20", "--write-back"];
    let rest = ["--id", "all", "--out", list.to_str().context("a path")?];
    engine.lode(args.into_iter().chain(rest))?.text()?;
    let scores = rows(&engine, "all", "scores")?;
    assert_eq!(scores.len(), CUSTOMERS);
    let mut stages: BTreeMap<&str, BTreeMap<usize, usize>> = BTreeMap::new();
    for row in &scores {
        let number = |name: &str| row[name].as_f64().context("a number");
        let product = number("probability")? * number("amount")?;
        assert!(
            (product - number("score")?).abs() < 1e-6 * (1.0 + product),
            "{row}"
        );
        let kind = row["customer_id"].as_str().context("an id")?[1..].parse::<usize>()? % 3;
        let stage = row["stage"].as_str().context("a stage")?;
        *stages.entry(stage).or_default().entry(kind).or_default() += 1;
    }
    let of = |stage: &str, kind: usize| {
        let kinds = stages.get(stage);
        kinds
            .and_then(|kinds| kinds.get(&kind))
            .copied()
            .unwrap_or(0)
    };
    // Those who spend more and more are not said to lose, nor the others to rise.
    assert!(of("rising", 0) > CUSTOMERS / 6, "{stages:?}");
    assert!(of("losing", 1) > CUSTOMERS / 6, "{stages:?}");
    assert!(of("losing", 0) < 8 && of("rising", 1) < 8, "{stages:?}");

    let saved = std::fs::read_to_string(&list)?;
    let header: Vec<&str> = saved
        .lines()
        .next()
        .context("a header")?
        .split(',')
        .collect();
    for column in ["probability", "amount", "stage"] {
        assert!(header.contains(&column), "{header:?}");
    }
    // One customer's answer and tags say the same.
    let row = scores.iter().find(|row| row["customer_id"] == "c003");
    let row = row.context("c003")?;
    let answer = engine
        .lode(["score", "value", "c003", "-o", "json"])?
        .json()?;
    assert_eq!(answer[0]["details"]["stage"], row["stage"], "{answer}");
    assert_eq!(answer[0]["details"]["amount"], row["amount"], "{answer}");
    let shown = engine.lode(["score", "value", "c003"])?;
    let shown = shown.text()?;
    assert!(
        shown.contains("stage") && shown.contains("rising"),
        "{shown}"
    );
    let customer = engine.lode(["customer", "c003", "-o", "json"])?.json()?;
    let tags = customer["tags"].as_array().context("tags")?;
    for column in ["score", "probability", "amount", "stage"] {
        let key = format!("value.two-stage/{column}");
        let tag = tags.iter().find(|tag| tag["key"] == key.as_str());
        let tag = tag.with_context(|| format!("{key} in {customer}"))?;
        assert_eq!(tag["value"], row[column], "{customer}");
        assert_eq!(tag["job"], "all", "{customer}");
    }
    Ok(())
}

#[tokio::test]
async fn a_group_of_products_is_told_in_place_of_an_item() -> Result<()> {
    let engine = engine()?;
    let args = [
        "train",
        "demand.logistic",
        "--events",
        "sales",
        "--horizon",
        "30d",
        "--group-by",
        "group",
        "--dates",
        "4",
        "--id",
        "groups",
    ];
    let done = engine.lode(args)?;
    done.text()?;
    for words in [
        "candidates: ",
        "cake",
        "sample: 5 rows without the event for each with it",
    ] {
        assert!(done.stderr.contains(words), "{words} in {}", done.stderr);
    }
    engine
        .lode(["contacts", "demand", "--budget", "50", "--id", "list"])?
        .text()?;
    let listed = rows(&engine, "list", "contacts")?;
    assert_eq!(listed.len(), 50);
    let likes = |row: &Value| -> Result<bool> {
        let customer = row["customer_id"].as_str().context("an id")?[1..].parse::<usize>()?;
        Ok(row["item"] == ["tea", "coffee"][customer % 2])
    };
    for row in &listed {
        assert!(likes(row)?, "who likes it is offered it: {row}");
    }
    let scores = rows(&engine, "list", "scores")?;
    assert_eq!(
        scores.len(),
        3 * CUSTOMERS,
        "a row for each customer and group"
    );
    let groups: BTreeSet<&str> = scores
        .iter()
        .filter_map(|row| row["item"].as_str())
        .collect();
    assert_eq!(groups, BTreeSet::from(["cake", "coffee", "tea"]));
    let refused = engine.lode(args.into_iter().chain(["--candidates", "item"]))?;
    assert!(
        refused.failure()?.contains("cannot be used with"),
        "{}",
        refused.stderr
    );
    Ok(())
}
