//! Training sets through the engine: from events to a judged model that scores customers; the
//! rows are those that a plain count gives; what cannot be is refused with the field.

mod command;

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use anyhow::Context as _;
use anyhow::Result;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::types::TimestampMicrosecondType;
use lode_client::Client;
use lode_proto::v1;
use lode_tests::Columns;
use lode_tests::Engine;
use lode_tests::work;
use serde_json::Value;
use serde_json::json;

const DAY: i64 = 86_400_000_000;
/// 2024-01-01.
const START: i64 = 19_723 * DAY;
const CUSTOMERS: u64 = 300;
const DAYS: i64 = 330;

/// A purchase.
struct Sale {
    customer: u64,
    time: i64,
    item: u64,
}

/// Customers who buy every few days or weeks, each at their own pace, until they leave; most buy
/// the same two items again and again.
fn sales() -> Vec<Sale> {
    let mut state = 88_172_645_463_325_252_u64;
    let mut below = |n: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % n
    };
    let mut sales = Vec::new();
    for customer in 0..CUSTOMERS {
        let pace = 4 + below(40);
        let ends = match below(3) {
            0 => 60 + below(270),
            _ => 10_000,
        };
        let own = below(8);
        let mut day = below(60);
        while day < DAYS.unsigned_abs().min(ends) {
            let item = if below(4) == 0 {
                below(8)
            } else {
                (own + below(2)) % 8
            };
            let time = START + i64::try_from(day).unwrap_or(0) * DAY;
            sales.push(Sale {
                customer,
                time: time + i64::try_from(below(24)).unwrap_or(0) * (DAY / 24),
                item,
            });
            day += 1 + below(2 * pace);
        }
    }
    sales
}

/// An engine with these sales, in the order in which they are.
async fn shop(sales: &[Sale]) -> Result<(Engine, Client)> {
    let engine = Engine::start()?;
    let client = engine.client()?;
    let numbers = 0..sales.len();
    events(sales, "time", |sale| sale.time)
        .text("invoice", numbers.clone().map(|i| format!("o{i}")))
        .role(v1::Role::Order)
        .text(
            "item",
            sales.iter().map(|sale| format!("item {}", sale.item)),
        )
        .role(v1::Role::Item)
        .number("amount", numbers.map(|i| (i % 17) as f64 + 2.5))
        .role(v1::Role::Amount)
        .load(&client, "sales", v1::DatasetKind::Events)
        .await?;
    Ok((engine, client))
}

/// Who bought, at a time of each purchase.
fn events(sales: &[Sale], name: &str, time: impl Fn(&Sale) -> i64) -> Columns {
    let who = sales.iter().map(|sale| format!("c{:03}", sale.customer));
    Columns::of_events(("customer", who), (name, sales.iter().map(time)))
}

/// The rows of a job's output as the command prints them.
fn output(engine: &Engine, job: &str, name: &str) -> Result<Vec<Value>> {
    let rows = engine.lode(["output", job, name, "-o", "json"])?.json()?;
    Ok(rows.as_array().context("rows")?.clone())
}

/// An instant in microseconds.
fn micros_of(text: &str) -> Result<i64> {
    let time: prost_types::Timestamp = text.parse()?;
    Ok(time.seconds * 1_000_000 + i64::from(time.nanos) / 1000)
}

/// Customers at t with a purchase in the 30 days before it, and those of them without one in the
/// 30 days after it.
fn counted(sales: &[Sale], t: i64) -> (usize, usize) {
    let within = |from: i64, to: i64| -> BTreeSet<u64> {
        let sales = sales
            .iter()
            .filter(|sale| sale.time > from && sale.time <= to);
        sales.map(|sale| sale.customer).collect()
    };
    let before = within(t - 30 * DAY, t);
    let after = within(t, t + 30 * DAY);
    (before.len(), before.difference(&after).count())
}

#[tokio::test]
async fn from_events_to_a_model_that_scores_in_one_command() -> Result<()> {
    let sales = sales();
    let (engine, client) = shop(&sales).await?;

    let args = [
        "train",
        "churn.logistic",
        "--events",
        "sales",
        "--horizon",
        "30d",
        "--alias",
        "leavers",
    ];
    let done = engine.lode(args.into_iter().chain(["--id", "first"]))?;
    let told = done.text()?;
    assert!(told.contains("auc"), "{told}");
    for words in [
        "of view sales_standard",
        "population: customers with an event in the 30d before the date",
        "training set: ",
        "alias leavers points at model first",
    ] {
        assert!(done.stderr.contains(words), "{words} in {}", done.stderr);
    }

    // Each date has the rows that a plain count gives.
    let dates = output(&engine, "first", "training_set")?;
    assert!(dates.len() >= 6, "{dates:?}");
    let micros = |date: &Value, name: &str| -> Result<i64> {
        micros_of(date[name].as_str().context("a time")?)
    };
    for date in &dates {
        let t = micros(date, "as_of")?;
        assert_eq!(micros(date, "label_end")?, t + 30 * DAY);
        let (rows, left) = counted(&sales, t);
        assert_eq!(date["rows"], json!(rows), "{date}");
        assert_eq!(date["positives"], json!(left), "{date}");
    }
    // Each row that was learned from has its score, and the date that tells a customer's apart.
    let mut scored: BTreeMap<i64, BTreeSet<String>> = BTreeMap::new();
    for row in output(&engine, "first", "scores")? {
        let customer = row["customer_id"].as_str().context("a customer")?;
        let of_date = scored.entry(micros(&row, "as_of")?).or_default();
        assert!(of_date.insert(customer.to_owned()), "{row}");
    }
    for date in &dates {
        let of_date = scored.get(&micros(date, "as_of")?).map(BTreeSet::len);
        assert_eq!(json!(of_date), date["rows"], "{date}");
    }
    let job = work::get(&client, "first").await?;
    let rows: i64 = dates.iter().filter_map(|date| date["rows"].as_i64()).sum();
    assert_eq!(work::metric(&job, "training_rows")? as u64, rows as u64);
    // Who buys often stays: a model that learned that is far better than none.
    let auc = work::metric(&job, "auc")?;
    assert!(auc > 0.65, "{auc}");

    // The plugin had no dates, and nobody's future.
    let learned = Value::Array(output(&engine, "first", "coefficients")?).to_string();
    assert!(learned.contains("recency_by_gap"), "{learned}");
    for kept in ["as_of", "label_end", "is_new"] {
        assert!(!learned.contains(kept), "{learned}");
    }

    // The same again is the same to the last byte.
    engine
        .lode(args.into_iter().chain(["--id", "second"]))?
        .text()?;
    let again = work::get(&client, "second").await?;
    let sums = |job: &v1::Job| -> BTreeMap<String, String> {
        let outputs = job.outputs.iter();
        outputs
            .map(|output| {
                let name = output.name.rsplit('/').next().unwrap_or_default();
                (name.to_owned(), output.sha256.clone())
            })
            .collect()
    };
    assert_eq!(sums(&job), sums(&again));

    // Scored now, which for old data is the last event: the features are those of the view.
    let bought_late = sales.iter().max_by_key(|sale| sale.time).context("sales")?;
    let late = format!("c{:03}", bought_late.customer);
    let scores = engine.lode(["score", "@leavers", late.as_str(), "c9999", "-o", "json"])?;
    let scores: Value = serde_json::from_str(&scores.stdout)?;
    let score = scores[0]["score"].as_f64().context("a score")?;
    assert!((0.0..=1.0).contains(&score), "{scores}");
    assert_eq!(
        scores[1]["error"]["reason"], "CUSTOMER_NOT_IN_POPULATION",
        "{scores}"
    );
    Ok(())
}

#[tokio::test]
async fn a_job_that_was_interrupted_learns_from_the_same_rows() -> Result<()> {
    let (mut engine, client) = shop(&sales()).await?;
    engine
        .lode([
            "train",
            "churn.logistic",
            "--events",
            "sales",
            "--horizon",
            "30d",
            "--id",
            "whole",
        ])?
        .text()?;
    let whole = work::get(&client, "whole").await?;
    let mut spec = whole.spec.clone().context("a spec")?;
    spec.labels.insert("again".to_owned(), "yes".to_owned());
    work::create(&client, "broken", spec).await?;
    engine.kill9()?;
    let engine = engine.restart()?;
    let client = engine.client()?;
    let (broken, _) = work::watch(&client, "broken").await?;
    assert_eq!(broken.state(), v1::JobState::Succeeded, "{broken:?}");
    let set = |job: &v1::Job| {
        let inputs = job.provenance.as_ref().map(|provenance| &provenance.inputs);
        inputs.and_then(|inputs| inputs.first()).map(|input| {
            let mut set: Value = serde_json::from_str(&input.training_set_json).unwrap_or_default();
            // When the job was created; nothing of the data is between the two.
            set["bound"] = Value::Null;
            set
        })
    };
    assert_eq!(set(&whole), set(&broken));
    for (one, other) in whole.outputs.iter().zip(&broken.outputs) {
        assert_eq!(one.sha256, other.sha256, "{}", one.name);
    }
    Ok(())
}

#[tokio::test]
async fn what_was_recorded_later_teaches_nothing() -> Result<()> {
    let sales = sales();
    let (engine, client) = shop(&sales).await?;
    // Each purchase is noted 30 days back, but the note is written when it happens: who reads it
    // by its own date alone knows who will buy.
    for (name, role) in [
        ("honest", v1::Role::ArrivalTime),
        ("leaky", v1::Role::Unspecified),
    ] {
        events(&sales, "noted", |sale| sale.time - 30 * DAY)
            .time("written", sales.iter().map(|sale| sale.time))
            .role(role)
            .load(&client, name, v1::DatasetKind::Events)
            .await?;
    }
    let mut auc = BTreeMap::new();
    for name in ["plain", "honest", "leaky"] {
        let mut view = json!({
            "events": ["sales"],
            "features": [
                {"name": "recency", "kind": "recency"},
                {"name": "orders_90d", "kind": "frequency", "params": {"window": "90d"}}
            ]
        });
        if name != "plain" {
            view["events"] = json!(["sales", name]);
            let features = view["features"].as_array_mut().context("features")?;
            features.push(json!({
                "name": "notes", "kind": "frequency", "events": name, "params": {"window": "30d"}
            }));
        }
        let file = engine.data().join(format!("{name}.json"));
        std::fs::write(&file, view.to_string())?;
        let file = file.to_str().context("a path")?;
        engine
            .lode(["feature", "create", name, "--file", file])?
            .text()?;
        let job = format!("by-{name}");
        let args = [
            "train",
            "churn.logistic",
            "--events",
            "sales",
            "--features",
            name,
        ];
        let rest = ["--horizon", "30d", "--no-alias", "--id", job.as_str()];
        engine.lode(args.into_iter().chain(rest))?.text()?;
        let job = work::get(&client, &job).await?;
        auc.insert(name, work::metric(&job, "auc")?);
    }
    assert!(
        auc["leaky"] > 0.95,
        "the plant shows where it is let in: {auc:?}"
    );
    let difference = (auc["honest"] - auc["plain"]).abs();
    assert!(difference < 0.01, "{auc:?}");
    Ok(())
}

#[tokio::test]
async fn demand_is_a_row_for_each_customer_and_item() -> Result<()> {
    let sales = sales();
    let (engine, client) = shop(&sales).await?;
    let done = engine.lode([
        "train",
        "demand.logistic",
        "--events",
        "sales",
        "--horizon",
        "30d",
        "--top",
        "4",
        "--negatives",
        "1",
        "--date",
        "2024-05-01",
        "--date",
        "2024-07-01",
        "--date",
        "2024-09-01",
        "--test-dates",
        "1",
        "--id",
        "demand",
    ])?;
    done.text()?;
    assert!(done.stderr.contains("candidates: item "), "{}", done.stderr);
    let dates = output(&engine, "demand", "training_set")?;
    assert_eq!(dates.len(), 3);
    for (i, date) in dates.iter().enumerate() {
        let number = |name: &str| date[name].as_f64().context("a number");
        let (rows, weight, positives) = (number("rows")?, number("weight")?, number("positives")?);
        let text = date["as_of"].as_str().context("a date")?;
        let t = micros_of(text)?;
        let known: BTreeSet<u64> = sales
            .iter()
            .filter(|s| s.time <= t)
            .map(|s| s.customer)
            .collect();
        let all = 4.0 * known.len() as f64;
        if i == 2 {
            // It judges, so it is whole.
            assert_eq!(
                (rows, weight, date["judges"].as_bool()),
                (all, all, Some(true))
            );
        } else {
            assert!(rows < 0.8 * all, "{date}");
            let spread = (weight - all).abs() / all;
            assert!(spread < 0.15, "the weights give back {weight} of {all}");
            let left_out = rows - positives;
            assert!((left_out / positives - 1.0).abs() < 0.3, "{date}");
        }
    }
    let job = work::get(&client, "demand").await?;
    let auc = work::metric(&job, "auc")?;
    assert!(auc > 0.6, "{auc}");

    let scores = engine
        .lode(["score", "demand", "c007", "-o", "json"])?
        .json()?;
    let scores = scores.as_array().context("scores")?;
    assert_eq!(scores.len(), 4);
    let items: BTreeSet<&str> = scores
        .iter()
        .filter_map(|score| score["item"].as_str())
        .collect();
    assert_eq!(items.len(), 4, "{scores:?}");
    let falling = scores
        .windows(2)
        .all(|pair| pair[0]["score"].as_f64() >= pair[1]["score"].as_f64());
    assert!(falling, "{scores:?}");
    Ok(())
}

#[tokio::test]
async fn a_time_of_the_job_hides_all_that_came_later() -> Result<()> {
    let sales = sales();
    let (engine, client) = shop(&sales).await?;
    let args = [
        "train",
        "value.linear",
        "--events",
        "sales",
        "--horizon",
        "30d",
        "--as-of",
        "2024-08-01",
        "--no-alias",
        "--id",
        "then",
    ];
    engine.lode(args)?.text()?;
    let job = work::get(&client, "then").await?;
    let rows = work::output_of(&client, &job, "training_set").await?;
    let end = micros_of("2024-08-01T00:00:00Z")?;
    let mut n_dates = 0;
    for batch in &rows {
        let ends = batch.column_by_name("label_end").context("label_end")?;
        let ends = ends.as_primitive::<TimestampMicrosecondType>();
        assert!(ends.values().iter().all(|label_end| *label_end <= end));
        let counts = batch
            .column_by_name("rows")
            .context("rows")?
            .as_primitive::<Int64Type>();
        n_dates += counts.len();
    }
    assert!(n_dates > 2);
    Ok(())
}

/// A set in a file, as `lode run` takes it.
fn refused(engine: &Engine, name: &str, set: &Value) -> Result<String> {
    let file = engine.data().join(format!("{name}.json"));
    std::fs::write(&file, set.to_string())?;
    let input = format!("customers=training:{}", file.to_str().context("a path")?);
    let done = engine.lode(["run", "churn.logistic", "-i", input.as_str()])?;
    Ok(done.failure()?.to_owned())
}

#[tokio::test]
async fn what_cannot_be_is_refused_with_the_field() -> Result<()> {
    let (engine, _) = shop(&sales()).await?;
    let view = json!({"events": ["sales"], "features": [{"name": "recency", "kind": "recency"}]});
    let file = engine.data().join("view.json");
    std::fs::write(&file, view.to_string())?;
    let file = file.to_str().context("a path")?;
    engine
        .lode(["feature", "create", "v", "--file", file])?
        .text()?;

    let set = |change: Value| {
        let mut set = json!({"feature_view": "v", "horizon": "30d", "label": {"kind": "no_event"}});
        if let (Some(set), Some(change)) = (set.as_object_mut(), change.as_object()) {
            set.extend(change.clone());
        }
        set
    };
    let cases = [
        (
            "dates",
            json!({"as_of": ["2024-11-20"]}),
            "as_of[0]",
            "whose label window is not over",
        ),
        (
            "early",
            json!({"as_of": ["2023-01-01"]}),
            "as_of[0]",
            "before the first event",
        ),
        (
            "long",
            json!({"horizon": "400d"}),
            "horizon",
            "no label window is over when the data end",
        ),
        (
            "length",
            json!({"horizon": "30 days"}),
            "horizon",
            "a whole number and w, d or h",
        ),
        (
            "many",
            json!({"rolling": {"dates": 50}}),
            "rolling.dates",
            "expected at most",
        ),
        (
            "where",
            json!({"where": [{"column": "recent", "at_most": 3}]}),
            "where[0].column",
            "found \"recent\"",
        ),
        (
            "view",
            json!({"feature_view": "w"}),
            "customers",
            "no feature view \"w\"",
        ),
        (
            "filter",
            json!({"label": {"kind": "event", "filter": [{"column": "tpye", "equals": "sale"}]}}),
            "label.filter.column",
            "found \"tpye\"",
        ),
        (
            "sum",
            json!({"label": {"kind": "sum", "column": "item"}}),
            "label.column",
            "\"item\" of type string",
        ),
        (
            "column",
            json!({"label": {"kind": "column", "column": "left"}}),
            "feature_view",
            "a dataset of customers",
        ),
        (
            "negatives",
            json!({"negatives": -1}),
            "negatives",
            "found -1",
        ),
        (
            "exclude",
            json!({"exclude_customers": ["staff"]}),
            "exclude_customers[0]",
            "staff",
        ),
        (
            "nobody",
            json!({"where": [{"column": "recency", "above": 9000}]}),
            "where",
            "the training set would be empty",
        ),
    ];
    for (name, change, field, words) in cases {
        let told = refused(&engine, name, &set(change))?;
        assert!(told.contains(words), "{name}: {told}");
        assert!(told.contains(field), "{name}: {told}");
    }
    Ok(())
}
