//! Feature views through the engine: the same numbers for all customers and for one, in a job
//! and after more is loaded; and what a customer did.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context as _;
use anyhow::Result;
use arrow_array::Array;
use arrow_array::Float64Array;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use arrow_array::TimestampMicrosecondArray;
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::types::Int64Type;
use arrow_schema::DataType;
use lode_client::Client;
use lode_proto::v1;
use lode_proto::v1::value::Kind;
use lode_tests::Engine;
use lode_tests::wire;
use lode_tests::work;

const DAY: i64 = 86_400_000_000;
/// 2024-01-01.
const START: i64 = 19_723 * DAY;
const AS_OF: i64 = START + 60 * DAY;

const VIEW: &str = r#"{
  "description": "what a campaign looks at",
  "events": ["sales"], "customers": "people", "online": true,
  "features": [
    {"name": "recency", "kind": "recency"},
    {"name": "n", "kind": "frequency"},
    {"name": "spend", "kind": "monetary"},
    {"name": "spend_30d", "kind": "window", "params": {"window": "30d", "stat": "sum"}},
    {"name": "std_30d", "kind": "window", "params": {"window": "30d", "stat": "std"}},
    {"name": "trend", "kind": "window", "params": {"window": "60d", "stat": "trend"}},
    {"name": "late_share", "kind": "ratio", "params": {"numerator": "spend_30d", "denominator": "spend"}},
    {"name": "gap_cv", "kind": "inter_purchase_gap", "params": {"stat": "cv"}},
    {"name": "returns", "kind": "count_of", "params": {"column": "type", "value": "return"}},
    {"name": "last_item", "kind": "last_item"},
    {"name": "plan", "kind": "attribute", "params": {"column": "plan"}}
  ]
}"#;

fn time(micros: i64) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: micros / 1_000_000,
        nanos: 0,
    }
}

fn view_name() -> String {
    format!("{}/featureViews/campaign", wire::TENANT)
}

/// Sales of 200 customers from a day on; some become known ten days later.
fn sales(from: i64, days: i64, amount: f64) -> Result<RecordBatch> {
    let n = 4000_i64;
    let at = |i: i64| from + (i * 7919 % (days * 24)) * (DAY / 24);
    let known = |i: i64| at(i) + if i % 11 == 0 { 10 * DAY } else { 0 };
    let text =
        |of: &dyn Fn(i64) -> String| Arc::new((0..n).map(|i| Some(of(i))).collect::<StringArray>());
    let times = |of: &dyn Fn(i64) -> i64| {
        Arc::new(TimestampMicrosecondArray::from_iter_values((0..n).map(of)).with_timezone("UTC"))
    };
    let amounts = (0..n).map(|i| (i % 13 != 0).then_some((i * 37 % 1000) as f64 / 7.0 + amount));
    Ok(RecordBatch::try_from_iter_with_nullable([
        (
            "customer",
            text(&|i| format!("c{}", i * i % 197)) as _,
            true,
        ),
        ("time", times(&at) as _, true),
        ("known", times(&known) as _, true),
        ("item", text(&|i| format!("item {}", i % 40)) as _, true),
        (
            "amount",
            Arc::new(amounts.collect::<Float64Array>()) as _,
            true,
        ),
        (
            "type",
            text(&|i| if i % 5 == 0 { "return" } else { "sale" }.to_owned()) as _,
            true,
        ),
    ])?)
}

fn people(plan: &str) -> Result<RecordBatch> {
    let ids: StringArray = (0..150).map(|i| Some(format!("c{i}"))).collect();
    let plans: StringArray = (0..150).map(|i| Some(format!("{plan}{}", i % 3))).collect();
    let since =
        TimestampMicrosecondArray::from_iter_values((0..150).map(|_| START)).with_timezone("UTC");
    Ok(RecordBatch::try_from_iter_with_nullable([
        ("customer", Arc::new(ids) as _, false),
        ("plan", Arc::new(plans) as _, true),
        ("since", Arc::new(since) as _, true),
    ])?)
}

async fn load(client: &Client) -> Result<()> {
    let sales_columns = vec![
        wire::column("customer", v1::Type::String, v1::Role::CustomerId),
        wire::column("time", v1::Type::Timestamp, v1::Role::EventTime),
        wire::column("known", v1::Type::Timestamp, v1::Role::ArrivalTime),
        wire::column("item", v1::Type::String, v1::Role::Item),
        wire::column("amount", v1::Type::Float64, v1::Role::Amount),
        wire::column("type", v1::Type::String, v1::Role::Unspecified),
    ];
    let events = v1::DatasetKind::Events;
    wire::load(
        client,
        "sales",
        events,
        sales_columns,
        &[sales(START, 50, 0.0)?, sales(START, 70, 1.0)?],
    )
    .await?;
    let people_columns = vec![
        wire::key("customer"),
        wire::column("plan", v1::Type::String, v1::Role::Unspecified),
        wire::column("since", v1::Type::Timestamp, v1::Role::EventTime),
    ];
    wire::load(
        client,
        "people",
        v1::DatasetKind::Customers,
        people_columns,
        &[people("plan ")?],
    )
    .await
}

async fn append(client: &Client, dataset: &str, load: &str, batch: &RecordBatch) -> Result<()> {
    let name = wire::open(client, dataset, load).await?.name;
    wire::append(client, &name, vec![(0, wire::arrow_chunk(batch)?)]).await?;
    wire::commit(client, &name, 1).await?;
    Ok(())
}

async fn compute(client: &Client, times: &[i64], customers: &[&str]) -> Result<Vec<RecordBatch>> {
    let request = v1::ComputeFeaturesRequest {
        name: view_name(),
        as_of: times.iter().map(|&t| time(t)).collect(),
        customers: customers
            .iter()
            .map(|id| format!("{}/customers/{id}", wire::TENANT))
            .collect(),
    };
    let mut stream = client.compute_features(request).await?;
    let mut batches = Vec::new();
    while let Some(message) = stream.message().await? {
        if let Some(chunk) = message.chunk {
            wire::read_chunk(&chunk, &mut batches)?;
        }
    }
    Ok(batches)
}

/// The values of each customer by column; nulls left out.
fn by_customer(batches: &[RecordBatch]) -> BTreeMap<String, BTreeMap<String, Kind>> {
    let mut all = BTreeMap::new();
    for batch in batches {
        let schema = batch.schema();
        for row in 0..batch.num_rows() {
            let id = batch.column(0).as_string::<i32>().value(row).to_owned();
            let mut values = BTreeMap::new();
            for (field, column) in schema.fields().iter().zip(batch.columns()).skip(2) {
                if column.is_valid(row) {
                    values.insert(field.name().clone(), cell(column, row));
                }
            }
            all.insert(id, values);
        }
    }
    all
}

fn cell(column: &dyn Array, row: usize) -> Kind {
    match column.data_type() {
        DataType::Float64 => Kind::DoubleValue(column.as_primitive::<Float64Type>().value(row)),
        DataType::Int64 => Kind::IntValue(column.as_primitive::<Int64Type>().value(row)),
        _ => Kind::StringValue(column.as_string::<i32>().value(row).to_owned()),
    }
}

fn create(engine: &Engine) -> Result<()> {
    let file = engine.data().join("view.json");
    std::fs::write(&file, VIEW)?;
    let file = file.to_str().context("a path")?;
    engine
        .lode(["feature", "create", "campaign", "--file", file])?
        .text()?;
    Ok(())
}

#[tokio::test]
async fn one_customer_has_the_batchs_numbers_and_the_future_changes_none() -> Result<()> {
    let engine = Engine::start()?;
    let client = engine.client()?;
    load(&client).await?;
    create(&engine)?;
    let shown = engine.lode(["feature", "show", "campaign"])?;
    let shown = shown.text()?;
    assert!(
        shown.contains("Sum of amount over the 30 days up to the as-of time, of sales"),
        "{shown}"
    );

    let rows = compute(&client, &[AS_OF], &[]).await?;
    let batch = by_customer(&rows);
    assert!(batch.len() > 90, "{}", batch.len());
    for (id, values) in &batch {
        let request = v1::GetCustomerRequest {
            name: format!("{}/customers/{id}", wire::TENANT),
            feature_views: Vec::new(),
            as_of: Some(time(AS_OF)),
        };
        let customer = client
            .get_customer(request)
            .await?
            .customer
            .context("a customer")?;
        let one = customer.features.first().context("the view is online")?;
        let found: BTreeMap<String, Kind> = one
            .values
            .clone()
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.kind?)))
            .collect();
        assert_eq!(&found, values, "{id}");
    }
    // Asked for twice, a customer is the same.
    let some = compute(&client, &[AS_OF], &["c1", "c0", "c1"]).await?;
    assert_eq!(by_customer(&some)["c1"], batch["c1"]);

    // By hand for one customer: what was known at the time, in the order of time.
    let mut known: Vec<(i64, f64)> = Vec::new();
    for sales in [sales(START, 50, 0.0)?, sales(START, 70, 1.0)?] {
        for row in 0..sales.num_rows() {
            let at = |column: usize| {
                sales
                    .column(column)
                    .as_primitive::<arrow_array::types::TimestampMicrosecondType>()
                    .value(row)
            };
            let amounts = sales.column(4);
            if sales.column(0).as_string::<i32>().value(row) == "c1"
                && at(1) <= AS_OF
                && at(2) <= AS_OF
                && amounts.is_valid(row)
            {
                known.push((at(1), amounts.as_primitive::<Float64Type>().value(row)));
            }
        }
    }
    known.sort_by_key(|(at, _)| *at);
    let spend = known.iter().fold(0.0, |sum, (_, amount)| sum + amount);
    assert_eq!(batch["c1"]["spend"], Kind::DoubleValue(spend));

    // Rows of later, rows that become known later, attributes that are valid later.
    append(&client, "sales", "more", &sales(AS_OF + DAY, 30, 1e9)?).await?;
    let mut later = people("later ")?;
    let since = TimestampMicrosecondArray::from_iter_values((0..150).map(|_| AS_OF + 1))
        .with_timezone("UTC");
    let mut columns = later.columns().to_vec();
    columns[2] = Arc::new(since);
    later = RecordBatch::try_new(later.schema(), columns)?;
    append(&client, "people", "more", &later).await?;
    assert_eq!(by_customer(&compute(&client, &[AS_OF], &[]).await?), batch);
    let after = by_customer(&compute(&client, &[AS_OF, AS_OF + 20 * DAY], &[]).await?);
    assert_ne!(after["c1"], batch["c1"]);
    assert_eq!(after["c1"]["plan"], Kind::StringValue("later 1".to_owned()));
    Ok(())
}

#[tokio::test]
async fn a_job_reads_a_view_as_it_was_and_repeats_to_the_byte() -> Result<()> {
    let engine = Engine::start()?;
    let client = engine.client()?;
    load(&client).await?;
    create(&engine)?;
    let mut spec = work::spec("segment.kmeans", "customers", "people");
    let input = spec.inputs.get_mut("customers").context("the input")?;
    input.source = Some(v1::input_ref::Source::FeatureView(view_name()));
    spec.params.insert("k".to_owned(), work::int(3));
    spec.as_of = Some(time(AS_OF));
    let first = work::run(&client, "first", spec.clone()).await?;
    let pinned = &first.provenance.as_ref().context("provenance")?.inputs;
    assert!(
        pinned
            .iter()
            .all(|input| input.feature_view_json.contains("spend_30d")),
        "{pinned:?}"
    );
    assert!(pinned.iter().all(|input| input.as_of == Some(time(AS_OF))));

    append(&client, "sales", "more", &sales(AS_OF + DAY, 30, 1e9)?).await?;
    let second = work::run(&client, "second", spec.clone()).await?;
    let sums = |job: &v1::Job| -> Vec<String> {
        job.outputs
            .iter()
            .map(|output| output.sha256.clone())
            .collect()
    };
    assert_eq!(sums(&first), sums(&second));

    engine.lode(["feature", "delete", "campaign"])?.text()?;
    let error = work::create(&client, "third", spec)
        .await
        .expect_err("the view is gone");
    assert!(error.has_reason("FEATURE_VIEW_NOT_FOUND"), "{error}");

    // The model knows the view that it was made from, and a customer's features are made at
    // the call: what came since counts.
    let score = v1::ScoreRequest {
        model: first.models[0].clone(),
        customers: vec!["c1".to_owned(), "nobody".to_owned()],
        ..v1::ScoreRequest::default()
    };
    let before = client.score(score.clone()).await?.results;
    assert_eq!(before[0].error, None);
    let unknown = before[1].error.as_ref().context("nobody is not there")?;
    assert_eq!(unknown.reason, "CUSTOMER_NOT_FOUND");
    append(
        &client,
        "sales",
        "last",
        &sales(AS_OF + 40 * DAY, 30, -1e9)?,
    )
    .await?;
    let after = client.score(score).await?.results;
    assert_ne!(before[0].score.to_bits(), after[0].score.to_bits());
    Ok(())
}

#[tokio::test]
async fn a_timeline_is_what_the_customer_did_newest_first() -> Result<()> {
    let engine = Engine::start()?;
    let client = engine.client()?;
    load(&client).await?;
    let mut expected = Vec::new();
    for batch in [sales(START, 50, 0.0)?, sales(START, 70, 1.0)?] {
        for row in 0..batch.num_rows() {
            if batch.column(0).as_string::<i32>().value(row) == "c1" {
                let times = batch
                    .column(1)
                    .as_primitive::<arrow_array::types::TimestampMicrosecondType>();
                expected.push((
                    times.value(row),
                    batch.column(3).as_string::<i32>().value(row).to_owned(),
                ));
            }
        }
    }
    // Newest first, and of one time the last stored first.
    expected.sort_by_key(|(at, _)| *at);
    expected.reverse();
    let mut request = v1::ListCustomerEventsRequest {
        name: format!("{}/customers/c1", wire::TENANT),
        page_size: 7,
        ..v1::ListCustomerEventsRequest::default()
    };
    let mut found = Vec::new();
    loop {
        let page = client.list_customer_events(request.clone()).await?;
        for event in page.events {
            let item = event.values["item"].kind.clone();
            let Some(Kind::StringValue(item)) = item else {
                panic!("expected an item, found {item:?}");
            };
            found.push((event.time.context("a time")?.seconds * 1_000_000, item));
        }
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    assert!(found.len() > 20);
    assert_eq!(found, expected);

    let until = (START + 20 * DAY) / DAY;
    let shown = engine
        .lode([
            "customer",
            "timeline",
            "c1",
            "--until",
            "2024-01-21",
            "-o",
            "json",
        ])?
        .json()?;
    let n = expected.iter().filter(|(at, _)| *at < until * DAY).count();
    assert_eq!(shown.as_array().context("a list")?.len(), n.min(100));
    Ok(())
}
