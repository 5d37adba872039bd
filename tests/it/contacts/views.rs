//! Batches of a model of a feature view: everybody as of a time, reasons by the features' meaning.

use anyhow::Context as _;
use anyhow::Result;
use arrow_array::RecordBatch;
use lode_client::Client;
use lode_proto::v1;
use lode_proto::v1::create_feature_view_request::Declaration;
use lode_proto::v1::input_ref::Source;
use lode_proto::v1::value::Kind;
use lode_tests::Columns;
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
            who.push(format!("p{n}"));
            when.push(START + day * DAY);
            let hot = shows && n % 2 == 1 && day > 60;
            kind.push(if hot { "hotline" } else { "call" });
        }
    }
    Columns::of_events(("who", who), ("at", when))
        .text("kind", kind)
        .load(client, "calls", v1::DatasetKind::Events)
        .await?;
    let all = || 0..N_CUSTOMERS;
    Columns::of_customers("who", all().map(|n| format!("p{n}")))
        .time("since", all().map(|_| START - 400 * DAY))
        .role(v1::Role::EventTime)
        .text(
            "plan",
            all().map(|n| if n % 3 == 0 { "basic" } else { "gold" }),
        )
        .text("left", all().map(|n| if leaves(n) { "yes" } else { "no" }))
        .load(client, "people", v1::DatasetKind::Customers)
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

/// Customers who buy each tenth day for up to a year; each second stops at a day of its own.
/// Who is about to stop buys apples no more.
async fn load_orders(client: &Client) -> Result<()> {
    let (mut who, mut when, mut what) = (Vec::new(), Vec::new(), Vec::new());
    for n in 0..N_CUSTOMERS {
        let stops = if n % 2 == 0 { 60 + n * 7 % 300 } else { 400 };
        for day in (n % 10..360).step_by(10).filter(|day| *day < stops) {
            who.push(format!("p{n}"));
            when.push(START + day * DAY);
            let late = stops - day < 60;
            what.push(match (late, (n + day / 10) % 3) {
                (false, 0) => "apple",
                (_, 1) => "bread",
                _ => "cake",
            });
        }
    }
    Columns::of_events(("who", who), ("at", when))
        .text("what", what)
        .role(v1::Role::Item)
        .load(client, "orders", v1::DatasetKind::Events)
        .await
}

const ORDERS: &str = r#"{
  "description": "who buys what",
  "events": ["orders"],
  "features": [
    {"name": "quiet", "kind": "recency"},
    {"name": "apples", "kind": "count_of", "params": {"column": "what", "value": "apple", "window": "60d"}}
  ]
}"#;

/// A model of a training set over the orders.
async fn learn(client: &Client, id: &str, algorithm: &str, set: v1::TrainingSet) -> Result<String> {
    let mut spec = work::spec(algorithm, "customers", "orders");
    let input = spec.inputs.get_mut("customers").context("an input")?;
    input.source = Some(Source::TrainingSet(v1::TrainingSet {
        feature_view: format!("{}/featureViews/orders", wire::TENANT),
        ..set
    }));
    let fit = work::run(client, id, spec).await?;
    Ok(fit.models[0].clone())
}

#[tokio::test]
async fn who_is_scored_is_who_would_be_learned_from() -> Result<()> {
    let engine = Engine::start()?;
    let client = engine.client()?;
    load_orders(&client).await?;
    let request = v1::CreateFeatureViewRequest {
        parent: wire::TENANT.to_owned(),
        feature_view_id: "orders".to_owned(),
        declaration: Some(Declaration::Json(ORDERS.to_owned())),
        ..v1::CreateFeatureViewRequest::default()
    };
    client.create_feature_view(request).await?;
    let active = v1::FeatureCondition {
        column: "quiet".to_owned(),
        op: v1::FeatureOp::AtMost.into(),
        values: vec![v1::Value {
            kind: Some(Kind::DoubleValue(30.0)),
        }],
    };
    let churn = v1::TrainingSet {
        horizon: "60d".to_owned(),
        label: Some(v1::Label {
            kind: v1::LabelKind::NoEvent.into(),
            ..v1::Label::default()
        }),
        r#where: vec![active.clone()],
        ..v1::TrainingSet::default()
    };
    let leavers = learn(&client, "leavers", "churn.logistic", churn).await?;
    let batch = |model: &str| v1::JobSpec {
        batch_score: Some(v1::BatchScore {
            model: model.to_owned(),
            contacts: Some(v1::ContactList::default()),
            ..v1::BatchScore::default()
        }),
        ..v1::JobSpec::default()
    };
    // Without a time it is the end of the data: who bought in the last month is asked.
    let mut now = batch(&leavers);
    now.write_back = true;
    let job = work::run(&client, "now", now).await?;
    let scores = work::output_of(&client, &job, "scores").await?;
    let ids = wire::texts(&scores, "customer_id")?;
    let n_active = (0..N_CUSTOMERS)
        .filter(|n| n % 2 == 1 || 60 + n * 7 % 300 > 335)
        .count();
    assert!(
        ids.len().abs_diff(n_active) < 12,
        "{} of {n_active}",
        ids.len()
    );
    assert_eq!(job.written_back, ids.len() as u64);
    let words = wire::texts(&scores, "reason_1")?;
    let apples = |r: &String| r.contains("orders with what apple in the last 60 days (typical: ");
    assert!(words.iter().any(apples), "{words:?}");
    // Whoever is online asked for one of them says the same.
    let request = v1::ScoreRequest {
        model: leavers,
        customers: vec![ids[3].clone()],
        ..v1::ScoreRequest::default()
    };
    let online = client.score(request).await?.results;
    assert_eq!(online[0].score, wire::numbers(&scores, "score")?[3]);

    let demand = v1::TrainingSet {
        horizon: "30d".to_owned(),
        label: Some(v1::Label {
            kind: v1::LabelKind::Event.into(),
            ..v1::Label::default()
        }),
        candidates: Some(v1::Candidates::default()),
        r#where: vec![active],
        ..v1::TrainingSet::default()
    };
    let buyers = learn(&client, "buyers", "demand.logistic", demand).await?;
    let job = work::run(&client, "items", batch(&buyers)).await?;
    let scores = work::output_of(&client, &job, "scores").await?;
    assert_eq!(wire::texts(&scores, "item")?.len(), 3 * ids.len());
    let contacts = work::output_of(&client, &job, "contacts").await?;
    let listed = wire::texts(&contacts, "customer_id")?;
    assert_eq!(listed.len(), ids.len(), "each once, with the best item");
    let items = wire::texts(&contacts, "item")?;
    let all = wire::texts(&scores, "customer_id")?;
    let values = wire::numbers(&scores, "score")?;
    let chosen = wire::numbers(&contacts, "score")?;
    for (row, id) in listed.iter().enumerate() {
        let own = all.iter().zip(&values).filter(|(other, _)| *other == id);
        let best = own.map(|(_, score)| *score).fold(0.0, f64::max);
        assert_eq!(chosen[row], best, "{id} with {}", items[row]);
    }
    // What one of several items is worth says nothing of the customer.
    let mut onto = batch(&buyers);
    onto.write_back = true;
    let refused = work::create(&client, "onto", onto).await;
    let error = refused.err().context("a refusal")?;
    assert!(error.has_reason("NOTHING_TO_WRITE_BACK"), "{error}");
    Ok(())
}
