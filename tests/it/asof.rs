//! What was known at a time: nothing later changes a byte of a job; money stays exact.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Result;
use arrow_array::Array;
use arrow_array::Float64Array;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use arrow_array::TimestampMicrosecondArray;
use lode_client::Client;
use lode_numeric::Rng;
use lode_proto::v1;
use lode_proto::v1::input_ref::Source;
use lode_tests::Engine;
use lode_tests::wire;
use lode_tests::work;

const DAY: i64 = 86_400_000_000;
/// 2024-01-01.
const START: i64 = 1_704_067_200_000_000;
/// The jobs look back from here.
const THEN: i64 = START + 100 * DAY;

/// One purchase: who, what, when, when it was heard of, how much.
type Purchase = (String, String, i64, i64, f64);

fn purchases(rng: &mut Rng, n: usize) -> Vec<Purchase> {
    let below = |rng: &mut Rng, n| i64::try_from(rng.below(n)).expect("small");
    (0..n)
        .map(|_| {
            let at = START + below(rng, 100 * 24) * DAY / 24;
            // What happened is heard of within an hour, but by the end of the hundred days.
            let heard = (at + below(rng, 60) * 60_000_000).min(THEN);
            let customer = format!("c{}", rng.below(300));
            let item = format!("i{}", rng.below(20) * rng.below(20));
            (customer, item, at, heard, rng.below(10_000) as f64 / 100.0)
        })
        .collect()
}

fn batch_of(rows: &[Purchase]) -> Result<RecordBatch> {
    let times = |time: fn(&Purchase) -> i64| {
        TimestampMicrosecondArray::from_iter_values(rows.iter().map(time)).with_timezone("UTC")
    };
    let texts = |text: fn(&Purchase) -> &str| StringArray::from_iter_values(rows.iter().map(text));
    let columns: [(&str, Arc<dyn Array>); 5] = [
        ("customer", Arc::new(texts(|row| &row.0))),
        ("item", Arc::new(texts(|row| &row.1))),
        ("at", Arc::new(times(|row| row.2))),
        ("heard", Arc::new(times(|row| row.3))),
        (
            "amount",
            Arc::new(Float64Array::from_iter_values(rows.iter().map(|r| r.4))),
        ),
    ];
    Ok(RecordBatch::try_from_iter(columns)?)
}

async fn make_purchases(client: &Client, id: &str) -> Result<()> {
    let columns = vec![
        wire::column("customer", v1::Type::String, v1::Role::CustomerId),
        wire::column("item", v1::Type::String, v1::Role::Item),
        wire::column("at", v1::Type::Timestamp, v1::Role::EventTime),
        wire::column("heard", v1::Type::Timestamp, v1::Role::ArrivalTime),
        wire::column("amount", v1::Type::Float64, v1::Role::Amount),
    ];
    wire::create(client, id, v1::DatasetKind::Events, columns).await
}

async fn load(client: &Client, dataset: &str, id: &str, batches: &[RecordBatch]) -> Result<()> {
    let name = wire::open(client, dataset, id).await?.name;
    let chunks = batches.iter().map(wire::arrow_chunk);
    let chunks = chunks.collect::<Result<Vec<_>>>()?;
    let n_chunks = u64::try_from(chunks.len())?;
    wire::append(client, &name, (0..).zip(chunks)).await?;
    wire::commit(client, &name, n_chunks).await?;
    Ok(())
}

fn wire_time(micros: i64) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: micros.div_euclid(1_000_000),
        nanos: i32::try_from(micros.rem_euclid(1_000_000) * 1_000).expect("below a second"),
    }
}

/// Reason and field of what the engine refused.
fn refused<T>(answer: lode_client::Result<T>) -> (String, String) {
    match answer {
        Err(lode_client::Error::Refused(refusal)) => (refusal.reason, refusal.field),
        Err(other) => (other.to_string(), String::new()),
        Ok(_) => ("nothing".to_owned(), String::new()),
    }
}

fn then(mut spec: v1::JobSpec, time: i64) -> v1::JobSpec {
    spec.as_of = Some(wire_time(time));
    spec
}

/// k-means over numbers that a query makes of the purchases.
fn kmeans(dataset: &str) -> v1::JobSpec {
    let mut spec = work::spec("segment.kmeans", "customers", dataset);
    let sql = format!(
        "select customer as customer_id, count(*) as n, ln(sum(amount) + 1) as spent \
         from {dataset} group by customer order by customer"
    );
    let input = spec.inputs.get_mut("customers").expect("it has one");
    input.source = Some(Source::Sql(sql));
    spec.params.insert("k".to_owned(), work::int(4));
    spec
}

/// What a job gave: hashes of its outputs, and its metrics.
#[derive(Debug, PartialEq)]
struct Gave {
    outputs: BTreeMap<String, String>,
    metrics: BTreeMap<String, u64>,
}

async fn gave(client: &Client, id: &str, spec: v1::JobSpec) -> Result<Gave> {
    let job = work::run(client, id, spec).await?;
    let outputs = job.outputs.into_iter().map(|output| {
        let name = output.name.rsplit('/').next().unwrap_or_default();
        (name.to_owned(), output.sha256)
    });
    let metrics = job.metrics.into_iter();
    Ok(Gave {
        outputs: outputs.collect(),
        metrics: metrics.map(|m| (m.name, m.value.to_bits())).collect(),
    })
}

#[tokio::test]
async fn what_came_later_changes_nothing_of_a_job() -> Result<()> {
    nothing_changes(|dataset| {
        vec![
            work::spec("segment.rfm", "events", dataset),
            work::spec("recommend.popular", "events", dataset),
            work::spec("recommend.item-knn", "events", dataset),
        ]
    })
    .await
}

#[tokio::test]
async fn what_came_later_changes_nothing_of_a_query() -> Result<()> {
    nothing_changes(|dataset| vec![kmeans(dataset)]).await
}

/// Runs jobs over a past alone, and as of its end over the same past among a future.
async fn nothing_changes(specs: fn(&str) -> Vec<v1::JobSpec>) -> Result<()> {
    let engine = Engine::start()?;
    let client = engine.client()?;
    let mut rng = Rng::new(17);
    let past = purchases(&mut rng, 4_000);
    // Of the same customers: purchases after the time, and earlier ones that arrived after it.
    let mut future = Vec::new();
    for (i, mut row) in (1..).zip(purchases(&mut rng, 4_000)) {
        row.4 = 1e6;
        row.3 = THEN + i;
        if i % 2 == 0 {
            row.2 = THEN + i;
        }
        future.push(row);
    }
    make_purchases(&client, "clean").await?;
    load(&client, "clean", "all", &[batch_of(&past)?]).await?;
    make_purchases(&client, "dirty").await?;
    // The past comes among the future and in two loads; a third load is late as a whole.
    let among: Vec<Purchase> = std::iter::zip(&past[..2_000], &future)
        .flat_map(|(a, b)| [b.clone(), a.clone()])
        .collect();
    load(
        &client,
        "dirty",
        "a",
        &[batch_of(&among[..1_000])?, batch_of(&among[1_000..])?],
    )
    .await?;
    load(
        &client,
        "dirty",
        "b",
        &[batch_of(&past[2_000..])?, batch_of(&future[2_000..3_000])?],
    )
    .await?;

    let mut expected = Vec::new();
    for (i, spec) in specs("clean").into_iter().enumerate() {
        expected.push(gave(&client, &format!("clean-{i}"), spec).await?);
    }
    for (i, spec) in specs("dirty").into_iter().enumerate() {
        let found = gave(&client, &format!("dirty-{i}"), then(spec.clone(), THEN)).await?;
        assert_eq!(found, expected[i], "{}", spec.algorithm);
        // Without the time it is another job: the plants are there.
        let now = gave(&client, &format!("now-{i}"), spec.clone()).await?;
        assert_ne!(now, expected[i], "{}", spec.algorithm);
    }
    load(&client, "dirty", "c", &[batch_of(&future[3_000..])?]).await?;
    for (i, spec) in specs("dirty").into_iter().enumerate() {
        let found = gave(&client, &format!("again-{i}"), then(spec.clone(), THEN)).await?;
        assert_eq!(found, expected[i], "{} after a late load", spec.algorithm);
    }
    let job = work::get(&client, "again-0").await?;
    let inputs = job.provenance.unwrap_or_default().inputs;
    let then = wire_time(THEN);
    assert_eq!((inputs[0].version, inputs[0].as_of), (3, Some(then)));
    assert_eq!(job.spec.unwrap_or_default().as_of, Some(then));
    Ok(())
}

/// People with a column that is filled in after they left: it tells who did.
async fn load_people(client: &Client, id: &str, with_future: bool) -> Result<()> {
    let columns = vec![
        wire::key("customer"),
        wire::column("calls", v1::Type::Float64, v1::Role::Unspecified),
        wire::column("closing_code", v1::Type::Float64, v1::Role::Unspecified),
        wire::column("since", v1::Type::Timestamp, v1::Role::EventTime),
        wire::column("left", v1::Type::String, v1::Role::Label),
    ];
    wire::create(client, id, v1::DatasetKind::Customers, columns).await?;
    let people = |later: bool| -> Result<RecordBatch> {
        let mut rng = Rng::new(23);
        let n = 600;
        let calls: Vec<f64> = (0..n).map(|_| rng.below(10) as f64).collect();
        let left: Vec<bool> = calls
            .iter()
            .map(|calls| rng.below(14) as f64 * 0.9 < *calls)
            .collect();
        let since = if later { THEN + 1 } else { START };
        let codes = left.iter().map(|left| f64::from(u8::from(later && *left)));
        let columns: [(&str, Arc<dyn Array>); 5] = [
            (
                "customer",
                Arc::new(StringArray::from_iter_values(
                    (0..n).map(|i| format!("p{i}")),
                )),
            ),
            ("calls", Arc::new(Float64Array::from(calls))),
            (
                "closing_code",
                Arc::new(Float64Array::from_iter_values(codes)),
            ),
            (
                "since",
                Arc::new(
                    TimestampMicrosecondArray::from_iter_values((0..n).map(|_| since))
                        .with_timezone("UTC"),
                ),
            ),
            (
                "left",
                Arc::new(StringArray::from_iter_values(
                    left.iter().map(|left| if *left { "yes" } else { "no" }),
                )),
            ),
        ];
        Ok(RecordBatch::try_from_iter(columns)?)
    };
    if with_future {
        // Out of order: what holds later was loaded first.
        load(client, id, "late", &[people(true)?]).await?;
    }
    load(client, id, "early", &[people(false)?]).await
}

/// A column that is filled in after the outcome gives itself away by its score; as of before
/// that, learning and judging are what they would have been.
#[tokio::test]
async fn a_planted_column_does_not_reach_learning_or_judging() -> Result<()> {
    let engine = Engine::start()?;
    let client = engine.client()?;
    load_people(&client, "clean", false).await?;
    load_people(&client, "dirty", true).await?;
    let spec = |dataset: &str| work::spec("churn.logistic", "customers", dataset);
    let clean = gave(&client, "clean", spec("clean")).await?;
    let honest = gave(&client, "honest", then(spec("dirty"), THEN)).await?;
    assert_eq!(honest, clean);
    let auc = |gave: &Gave| f64::from_bits(gave.metrics["auc"]);
    assert!((0.6..0.95).contains(&auc(&clean)), "{}", auc(&clean));
    let leaking = gave(&client, "leaking", then(spec("dirty"), THEN + 1)).await?;
    assert!(auc(&leaking) > 0.999, "{}", auc(&leaking));
    Ok(())
}

/// A query over the customers sees no more than the customers themselves.
#[tokio::test]
async fn a_planted_column_does_not_reach_a_query() -> Result<()> {
    let engine = Engine::start()?;
    let client = engine.client()?;
    load_people(&client, "dirty", true).await?;
    let mut spec = work::spec("churn.logistic", "customers", "dirty");
    let input = spec.inputs.get_mut("customers").expect("it has one");
    let sql = "select customer as customer_id, calls, closing_code, \"left\" as label from dirty";
    input.source = Some(Source::Sql(sql.to_owned()));
    let auc = |gave: &Gave| f64::from_bits(gave.metrics["auc"]);
    let honest = gave(&client, "honest", then(spec.clone(), THEN)).await?;
    assert!(auc(&honest) < 0.95, "{}", auc(&honest));
    let leaking = gave(&client, "leaking", then(spec, THEN + 1)).await?;
    assert!(auc(&leaking) > 0.999, "{}", auc(&leaking));
    Ok(())
}

#[tokio::test]
async fn an_input_that_cannot_be_seen_as_of_a_time_is_named() -> Result<()> {
    let engine = Engine::start()?;
    let client = engine.client()?;
    let columns = vec![
        wire::column("customer", v1::Type::String, v1::Role::CustomerId),
        wire::column("item", v1::Type::String, v1::Role::Item),
    ];
    wire::create(&client, "views", v1::DatasetKind::Events, columns).await?;
    let spec = then(work::spec("recommend.popular", "events", "views"), THEN);
    let answer = work::create(&client, "no", spec).await;
    let field = "spec.inputs.events".to_owned();
    assert_eq!(refused(answer), ("AS_OF_NO_TIME".to_owned(), field));
    // Nor may the result of a job that saw everything be seen as if it had been there.
    make_purchases(&client, "buys").await?;
    load(
        &client,
        "buys",
        "a",
        &[batch_of(&purchases(&mut Rng::new(3), 300))?],
    )
    .await?;
    work::run(&client, "all", work::spec("segment.rfm", "events", "buys")).await?;
    let of = |job: &str| {
        let mut spec = work::spec("segment.kmeans", "customers", "buys");
        let input = spec.inputs.get_mut("customers").expect("it has one");
        input.source = Some(Source::Output(format!("{}/outputs/rfm", wire::job(job))));
        spec.params.insert("k".to_owned(), work::int(2));
        then(spec, THEN)
    };
    let answer = work::create(&client, "no", of("all")).await;
    assert_eq!(refused(answer).0, "AS_OF_LATER_OUTPUT");
    let earlier = then(work::spec("segment.rfm", "events", "buys"), THEN - DAY);
    work::run(&client, "earlier", earlier).await?;
    work::run(&client, "yes", of("earlier")).await?;
    Ok(())
}

/// Loads amounts of a thousand purchases, and one beyond 2^53 cents and one too fine for cents.
async fn load_money(client: &Client, id: &str, kind: v1::Type, more: &str) -> Result<v1::Ingest> {
    let is_decimal = kind == v1::Type::Decimal;
    let money = v1::Column {
        decimal_precision: if is_decimal { 20 } else { 0 },
        decimal_scale: if is_decimal { 2 } else { 0 },
        ..wire::column("amount", kind, v1::Role::Amount)
    };
    let columns = vec![
        wire::column("customer", v1::Type::String, v1::Role::CustomerId),
        wire::column("at", v1::Type::Timestamp, v1::Role::EventTime),
        money,
    ];
    wire::create(client, id, v1::DatasetKind::Events, columns).await?;
    let options = v1::OpenIngestRequest {
        csv: Some(v1::CsvOptions {
            header: ["customer", "at", "amount"].map(str::to_owned).to_vec(),
            ..v1::CsvOptions::default()
        }),
        ..v1::OpenIngestRequest::default()
    };
    let name = wire::open_with(client, id, "a", options).await?.name;
    let mut lines = String::new();
    for i in 0..1_000 {
        let (customer, day, cents) = (i % 50, 1 + i % 7, i % 10);
        lines.push_str(&format!("c{customer},2024-01-0{day},{i}.1{cents}\n"));
    }
    lines.push_str(more);
    wire::append(client, &name, [(0, wire::csv_chunk(&lines))]).await?;
    wire::commit(client, &name, 1).await
}

#[tokio::test]
async fn algorithms_take_exact_money() -> Result<()> {
    let engine = Engine::start()?;
    let client = engine.client()?;
    load_money(&client, "exact", v1::Type::Decimal, "").await?;
    load_money(&client, "floats", v1::Type::Float64, "").await?;
    let rfm = |dataset: &str| work::spec("segment.rfm", "events", dataset);
    let exact = gave(&client, "exact", rfm("exact")).await?;
    assert_eq!(exact, gave(&client, "floats", rfm("floats")).await?);
    Ok(())
}

/// Cents that a float would lose are there in the answer.
#[tokio::test]
async fn money_is_exact_from_load_to_answer() -> Result<()> {
    let engine = Engine::start()?;
    let client = engine.client()?;
    let more = "big,2024-01-01,123456789012345678.91\nfine,2024-01-01,0.001\n";
    let ingest = load_money(&client, "orders", v1::Type::Decimal, more).await?;
    assert_eq!((ingest.accepted_rows, ingest.rejected_rows), (1_001, 1));
    // 0 + 1 + ... + 999, a tenth and so many hundredths each, and the big one.
    let cents = 100 * 499_500 + 10 * 1_000 + 100 * 45 + 12_345_678_901_234_567_891_i128;
    let sql = "select sum(amount) as total, max(amount) as most from orders";
    let sum = wire::query(&client, sql).await?;
    let total = format!("{}.{:02}", cents / 100, cents % 100);
    assert_eq!(wire::texts(&sum, "total")?, [total]);
    assert_eq!(wire::texts(&sum, "most")?, ["123456789012345678.91"]);
    Ok(())
}
