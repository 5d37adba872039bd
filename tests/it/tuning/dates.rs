//! A search over rows with dates sees none of those that judge.

use anyhow::Result;
use arrow_array::cast::AsArray as _;
use lode_client::Client;
use lode_proto::v1;
use lode_tests::Columns;
use lode_tests::Engine;
use lode_tests::wire;
use lode_tests::work;

use super::leaderboard;
use super::model;

const DAY: i64 = 86_400_000_000;
/// 2024-01-01.
const START: i64 = 19_723 * DAY;

/// Purchases of customers who buy every few days or weeks until a third of them stop.
async fn load_sales(client: &Client) -> Result<()> {
    let (mut customers, mut times) = (Vec::new(), Vec::new());
    for n in 0..200_i64 {
        let pace = 3 + n * 7 % 30;
        let ends = if n % 3 == 0 { 60 + n } else { 330 };
        let mut day = n % 20;
        let mut step = n;
        while day < ends {
            customers.push(format!("c{n}"));
            times.push(START + day * DAY);
            step = (step * 31 + 17) % 101;
            day += 1 + step % (2 * pace);
        }
    }
    Columns::of_events(("customer", customers), ("time", times))
        .load(client, "sales", v1::DatasetKind::Events)
        .await
}

#[tokio::test]
async fn a_search_over_dates_sees_none_that_judges() -> Result<()> {
    let engine = Engine::start()?;
    let client = engine.client()?;
    load_sales(&client).await?;
    let train = |id: &str, more: &[&str]| {
        let args = [
            "train",
            "churn.logistic",
            "--events",
            "sales",
            "--horizon",
            "30d",
            "--id",
            id,
        ];
        let done = engine.lode(args.iter().chain(more))?;
        done.text().map(drop)
    };
    train("plain", &["--no-alias"])?;
    train("tuned", &["--trials", "6"])?;
    let (plain, _) = work::watch(&client, "plain").await?;
    let (tuned, events) = work::watch(&client, "tuned").await?;
    // What judges is the same, so the two can be put in one order and compared on all of it.
    let (of_plain, of_tuned) = (model(&client, &plain).await?, model(&client, &tuned).await?);
    assert_eq!(of_tuned.judged_sha256, of_plain.judged_sha256);
    assert_eq!(of_tuned.aliases, ["churn"]);
    let request = v1::CompareModelsRequest {
        champion: of_plain.name,
        challenger: format!("{}/models/@churn", wire::TENANT),
    };
    let compared = client.compare_models(request).await?;
    assert!((compared.rows as f64 - work::metric(&plain, "evaluated_rows")?).abs() < 0.5);
    // A customer has a row at each date: their rows are drawn together.
    let methods = compared.comparisons.iter().map(|c| c.method.as_str());
    assert!(methods.clone().count() == 5 && methods.clone().all(|m| m == "bootstrap by customer"));

    // The dates by which trials were judged come before the first that judges the model.
    let rows = work::output_of(&client, &tuned, "evaluation_scores").await?;
    let judging = rows.iter().flat_map(|batch| {
        let dates = batch.column_by_name("as_of").expect("it is there");
        let dates = dates.as_primitive::<arrow_array::types::TimestampMicrosecondType>();
        dates.values().to_vec()
    });
    let first = judging.min().expect("rows");
    let stages = events.iter().filter_map(|event| match &event.kind {
        Some(v1::watch_job_response::Kind::Progress(progress)) => progress
            .stage
            .strip_prefix("trial ")?
            .split_once(", ")
            .map(|(_, date)| date),
        _ => None,
    });
    let dates: Vec<String> = stages.map(|date| format!("{date}T00:00:00Z")).collect();
    assert!(!dates.is_empty());
    for date in dates {
        let time: prost_types::Timestamp = date.parse()?;
        assert!(time.seconds * 1_000_000 < first, "{date} and {first}");
    }
    assert_eq!(leaderboard(&client, &tuned).await?.len(), 6);
    Ok(())
}
