//! What was offered is kept, and what came of it is what one counts by hand.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use anyhow::Context as _;
use anyhow::Result;
use arrow_array::TimestampSecondArray;
use arrow_array::cast::AsArray as _;
use arrow_schema::DataType;
use lode_client::Client;
use lode_proto::v1;
use lode_proto::v1::value::Kind;
use lode_tests::Engine;
use lode_tests::wire;

use super::shop;
use super::shop::items;
use super::shop::request;

/// Customers that are asked for.
const N: usize = 60;
const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// What was offered to one customer.
struct Shown {
    customer: String,
    impression: String,
    arm: v1::Arm,
    items: Vec<String>,
}

fn text(values: &BTreeMap<String, v1::Value>, name: &str) -> String {
    match values.get(name).and_then(|value| value.kind.clone()) {
        Some(Kind::StringValue(text)) => text,
        Some(Kind::IntValue(number)) => number.to_string(),
        other => panic!("{name}: {other:?}"),
    }
}

/// The rows of impressions of a customer, by impression: place to item and arm; and their time.
async fn kept(
    client: &Client,
    customer: &str,
) -> Result<BTreeMap<String, (i64, BTreeMap<String, (String, String)>)>> {
    let events = v1::ListCustomerEventsRequest {
        name: format!("{}/customers/{customer}", wire::TENANT),
        datasets: vec![wire::dataset("impressions")],
        page_size: 1000,
        ..v1::ListCustomerEventsRequest::default()
    };
    let mut found = BTreeMap::new();
    for event in client.list_customer_events(events).await?.events {
        let time = event.time.context("a time")?;
        let values = event.values;
        let row = found.entry(text(&values, "impression_id"));
        let (_, rows) = row.or_insert((time.seconds, BTreeMap::new()));
        let row = (text(&values, "item"), text(&values, "arm"));
        rows.insert(text(&values, "position"), row);
    }
    Ok(found)
}

async fn show(client: &Client, model: &str) -> Result<Vec<Shown>> {
    let mut shown = Vec::new();
    for n in 0..N {
        let asked = v1::RecommendRequest {
            record: true,
            limit: 2,
            ..request(model, &format!("p{n}"))
        };
        let answer = client.recommend(asked).await?;
        shown.push(Shown {
            customer: format!("p{n}"),
            impression: answer.impression_id.clone(),
            arm: answer.arm(),
            items: items(&answer.items)
                .into_iter()
                .map(str::to_owned)
                .collect(),
        });
    }
    Ok(shown)
}

/// Share, and the variance of it over customers, of (impressions, followed) by customer.
fn share(counts: &BTreeMap<&str, (f64, f64)>) -> (f64, f64) {
    let all: f64 = counts.values().map(|(n, _)| n).sum();
    let share = counts.values().map(|(_, followed)| followed).sum::<f64>() / all;
    let customers = counts.len() as f64;
    let squares = counts
        .values()
        .map(|(n, followed)| (followed - share * n).powi(2));
    let variance = customers / (customers - 1.0) * squares.sum::<f64>() / (all * all);
    (share, variance)
}

/// A time as people write it.
fn at(seconds: i64) -> Result<String> {
    let time = TimestampSecondArray::from(vec![seconds]).with_timezone("UTC");
    let text = arrow_cast::cast(&time, &DataType::Utf8)?;
    Ok(text.as_string::<i32>().value(0).to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lift_is_what_one_counts_by_hand() -> Result<()> {
    let engine = Engine::start()?;
    let client = engine.client()?;
    shop::load(&client).await?;
    let model = shop::model(&client, "tested", &[], 0.4).await?;
    let alias = v1::SetAliasRequest {
        parent: wire::TENANT.to_owned(),
        alias: "offers".to_owned(),
        model: model.clone(),
        ..v1::SetAliasRequest::default()
    };
    client.set_alias(alias).await?;
    let called = format!("{}/models/@offers", wire::TENANT);
    let lift = |until: Option<i64>| v1::MeasureLiftRequest {
        model: called.clone(),
        window: Some(prost_types::Duration {
            seconds: DAY,
            nanos: 0,
        }),
        until: until.map(|seconds| prost_types::Timestamp { seconds, nanos: 0 }),
        ..v1::MeasureLiftRequest::default()
    };
    let error = client.measure_lift(lift(None)).await.unwrap_err();
    assert!(error.has_reason("NO_IMPRESSIONS"), "{error}");

    let shown = show(&client, &called).await?;
    let again = show(&client, &called).await?;
    let ids: BTreeSet<&str> = shown.iter().chain(&again).map(|s| &*s.impression).collect();
    assert_eq!(ids.len(), 2 * N, "each answer is an impression of its own");
    for (first, second) in shown.iter().zip(&again) {
        assert_eq!(first.arm, second.arm, "an arm stays what it is");
    }
    let control = shown.iter().filter(|s| s.arm == v1::Arm::Control).count();
    assert!((10..40).contains(&control), "{control} of {N}");
    // A control gets what is most popular of what they do not have: taste a has twice the buyers.
    for control in shown.iter().filter(|s| s.arm == v1::Arm::Control) {
        let n: usize = control.customer[1..].parse()?;
        let taste = if n.is_multiple_of(3) { "b" } else { "a" };
        let owned = |item: &str| item.starts_with(taste) && !item.ends_with(&(n % 5).to_string());
        assert!(control.items.iter().all(|item| !owned(item)), "{n}");
        assert!(
            control.items[0].starts_with('a'),
            "{n}: {:?}",
            control.items
        );
    }
    for one in shown.iter().filter(|s| s.arm == v1::Arm::Model) {
        let n: usize = one.customer[1..].parse()?;
        assert!(one.items[0].ends_with(&(n % 5).to_string()), "{n}");
    }

    // What follows: every second one of the model takes the first offer within the day, and one of
    // the control; others come too late, too early, or for something else.
    let mut counts: [BTreeMap<&str, (f64, f64)>; 2] = [BTreeMap::new(), BTreeMap::new()];
    let mut lines = String::new();
    let mut end = 0;
    for (n, one) in shown.iter().enumerate() {
        let rows = kept(&client, &one.customer).await?;
        assert_eq!(rows.len(), 2, "{}", one.customer);
        let (time, places) = &rows[&one.impression];
        let offered: Vec<&str> = places.values().map(|(item, _)| &**item).collect();
        assert_eq!(offered, one.items);
        let is_control = one.arm == v1::Arm::Control;
        let arm = if is_control { "control" } else { "model" };
        assert!(places.values().all(|(_, kept)| kept == arm));
        end = end.max(*time);
        let (item, moment) = match (is_control, n % 4) {
            (false, 0 | 2) | (true, 0) => (one.items[0].as_str(), time + HOUR),
            (_, 1) => (one.items[0].as_str(), time + DAY + HOUR),
            (_, 2) => (one.items[0].as_str(), time - HOUR),
            _ => ("a9", time + HOUR),
        };
        lines.push_str(&format!("{},{item},{},1,buy\n", one.customer, at(moment)?));
        let followed = |shown: &Shown, time: i64| {
            let offered = shown.items.iter().any(|offered| offered == item);
            offered && time < moment && moment <= time + DAY
        };
        let times = [time, &rows[&again[n].impression].0];
        let hits = [one, &again[n]].into_iter().zip(times);
        let hits = hits.filter(|(shown, time)| followed(shown, **time)).count();
        counts[usize::from(is_control)].insert(&one.customer, (2.0, hits as f64));
    }
    shop::put(&client, "bought", "later", &lines).await?;

    let open = client.measure_lift(lift(None)).await?;
    assert_eq!(open.open_impressions, 2 * N as u64);
    assert_eq!(open.difference, None);
    let (model_share, model_variance) = share(&counts[0]);
    let (control_share, control_variance) = share(&counts[1]);
    assert!(
        model_share > 0.4 && control_share > 0.1,
        "the test must tell them apart"
    );
    let found = client.measure_lift(lift(Some(end + 2 * DAY))).await?;
    let near = |found: f64, expected: f64| {
        assert!((found - expected).abs() < 1e-12, "{found} for {expected}");
    };
    let model_arm = found.model_arm.context("the arm")?;
    let control_arm = found.control_arm.context("the arm")?;
    assert_eq!(model_arm.customers as usize, counts[0].len());
    assert_eq!(model_arm.impressions as usize, 2 * counts[0].len());
    near(model_arm.share, model_share);
    near(control_arm.share, control_share);
    near(
        found.difference.context("both arms")?,
        model_share - control_share,
    );
    let reach = 1.959_963_984_540_054 * (model_variance + control_variance).sqrt();
    near(
        found.low.context("many")?,
        model_share - control_share - reach,
    );
    near(
        found.high.context("many")?,
        model_share - control_share + reach,
    );
    assert_eq!(found.open_impressions, 0);

    // By the model's own name: the same, since it answered all of them.
    let mut own = lift(Some(end + 2 * DAY));
    own.model = model;
    assert_eq!(client.measure_lift(own).await?.difference, found.difference);

    let mut engine = engine;
    engine.kill9()?;
    let engine = engine.restart()?;
    let client = engine.client()?;
    let after = client.measure_lift(lift(Some(end + 2 * DAY))).await?;
    assert_eq!(
        after.difference, found.difference,
        "what was answered is durable"
    );
    let until = at(end + 2 * DAY)?;
    let told = engine.lode(["lift", "@offers", "--window", "1", "--until", &until])?;
    assert!(told.text()?.contains("control"), "{told:?}");
    assert!(told.stderr.contains("difference"), "{told:?}");
    Ok(())
}
