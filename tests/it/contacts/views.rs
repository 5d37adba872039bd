//! Batches of a model of a feature view: everybody as of a time, reasons by the features' meaning.

use std::sync::Arc;

use anyhow::Context as _;
use anyhow::Result;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use arrow_array::TimestampMicrosecondArray;
use lode_client::Client;
use lode_proto::v1;
use lode_proto::v1::create_feature_view_request::Declaration;
use lode_proto::v1::input_ref::Source;
use lode_tests::Engine;
use lode_tests::wire;
use lode_tests::work;

const DAY: i64 = 86_400_000_000;
/// 2024-01-01.
const START: i64 = 19_723 * DAY;
const N_CUSTOMERS: i64 = 400;

const VIEW: &str = r#"{
  "description": "who calls whom",
  "events": ["calls"], "customers": "people",
  "features": [
    {"name": "quiet", "kind": "recency"},
    {"name": "hotline", "kind": "count_of", "params": {"column": "kind", "value": "hotline", "window": "60d"}},
    {"name": "plan", "kind": "attribute", "params": {"column": "plan"}},
    {"name": "left", "kind": "attribute", "params": {"column": "left"}}
  ]
}"#;

/// Customers who call each tenth day; those who leave have called the hot line, or were quiet.
async fn load(client: &Client) -> Result<()> {
    let leaves = |n: i64| n % 5 == 0;
    let (mut who, mut when, mut kind) = (Vec::new(), Vec::new(), Vec::new());
    for n in 0..N_CUSTOMERS {
        // Of ten who leave one does not show it, and of those who stay some do.
        let shows = leaves(n) != (n % 50 == 0 || n % 37 == 1);
        let last = if shows && n % 2 == 0 { 40 } else { 100 };
        for day in (n % 10..last).step_by(10) {
            who.push(Some(format!("p{n}")));
            when.push(START + day * DAY);
            let hot = shows && n % 2 == 1 && day > 60;
            kind.push(Some(if hot { "hotline" } else { "call" }));
        }
    }
    let columns = vec![
        wire::column("who", v1::Type::String, v1::Role::CustomerId),
        wire::column("at", v1::Type::Timestamp, v1::Role::EventTime),
        wire::column("kind", v1::Type::String, v1::Role::Unspecified),
    ];
    let batch = RecordBatch::try_from_iter([
        (
            "who",
            Arc::new(who.into_iter().collect::<StringArray>()) as _,
        ),
        (
            "at",
            Arc::new(TimestampMicrosecondArray::from(when).with_timezone("UTC")) as _,
        ),
        (
            "kind",
            Arc::new(kind.into_iter().collect::<StringArray>()) as _,
        ),
    ])?;
    wire::load(client, "calls", v1::DatasetKind::Events, columns, &[batch]).await?;
    let columns = vec![
        wire::key("who"),
        wire::column("since", v1::Type::Timestamp, v1::Role::EventTime),
        wire::column("plan", v1::Type::String, v1::Role::Unspecified),
        wire::column("left", v1::Type::String, v1::Role::Unspecified),
    ];
    let text = |of: &dyn Fn(i64) -> String| -> Arc<dyn arrow_array::Array> {
        Arc::new(
            (0..N_CUSTOMERS)
                .map(|n| Some(of(n)))
                .collect::<StringArray>(),
        )
    };
    let since = (0..N_CUSTOMERS).map(|_| START - 400 * DAY);
    let since = TimestampMicrosecondArray::from_iter_values(since);
    let batch = RecordBatch::try_from_iter_with_nullable([
        ("who", text(&|n| format!("p{n}")), true),
        ("since", Arc::new(since.with_timezone("UTC")) as _, true),
        (
            "plan",
            text(&|n| (if n % 3 == 0 { "basic" } else { "gold" }).to_owned()),
            true,
        ),
        (
            "left",
            text(&|n| (if leaves(n) { "yes" } else { "no" }).to_owned()),
            true,
        ),
    ])?;
    wire::load(
        client,
        "people",
        v1::DatasetKind::Customers,
        columns,
        &[batch],
    )
    .await
}

fn time(day: i64) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: (START + day * DAY) / 1_000_000,
        nanos: 0,
    }
}

#[tokio::test]
async fn reasons_say_what_a_feature_means() -> Result<()> {
    let engine = Engine::start()?;
    let client = engine.client()?;
    load(&client).await?;
    let request = v1::CreateFeatureViewRequest {
        parent: wire::TENANT.to_owned(),
        feature_view_id: "calling".to_owned(),
        declaration: Some(Declaration::Json(VIEW.to_owned())),
        ..v1::CreateFeatureViewRequest::default()
    };
    client.create_feature_view(request).await?;
    let mut spec = work::spec("churn.logistic", "customers", "people");
    let input = spec.inputs.get_mut("customers").context("an input")?;
    input.source = Some(Source::FeatureView(format!(
        "{}/featureViews/calling",
        wire::TENANT
    )));
    input.roles = vec![v1::RoleColumn {
        role: v1::Role::Label.into(),
        column: "left".to_owned(),
    }];
    spec.as_of = Some(time(105));
    let fit = work::run(&client, "calling", spec).await?;
    let batch = v1::JobSpec {
        batch_score: Some(v1::BatchScore {
            model: fit.models[0].clone(),
            contacts: Some(v1::ContactList {
                max_customers: 40,
                ..v1::ContactList::default()
            }),
            ..v1::BatchScore::default()
        }),
        as_of: Some(time(105)),
        ..v1::JobSpec::default()
    };
    let job = work::run(&client, "everybody", batch.clone()).await?;
    assert_eq!(work::metric(&job, "customers")?, N_CUSTOMERS as f64);
    let contacts = work::output_of(&client, &job, "contacts").await?;
    let first = wire::texts(&contacts, "reason_1")?;
    let quiet = first
        .iter()
        .filter(|r| r.starts_with("no call for ") && r.contains(" days (typical: "));
    assert!(quiet.count() > 5, "{first:?}");
    // The words of a window are those of its description.
    let all: Vec<String> = (1..=3)
        .map(|n| wire::texts(&contacts, &format!("reason_{n}")))
        .collect::<Result<Vec<_>>>()?
        .concat();
    let named = all
        .iter()
        .any(|r| r.contains("call") && r.contains("with kind hotline in the last 60 days"));
    assert!(named, "{all:?}");

    // A year earlier nobody had called yet, so there is nobody to score.
    let mut early = batch;
    early.as_of = Some(time(-365));
    let none = work::run(&client, "early", early).await?;
    assert_eq!(work::metric(&none, "rows")?, 0.0);
    assert_eq!(work::metric(&none, "contacts")?, 0.0);
    let scores = work::output_of(&client, &none, "scores").await?;
    assert_eq!(scores.iter().map(RecordBatch::num_rows).sum::<usize>(), 0);
    Ok(())
}
