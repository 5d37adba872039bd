//! The same spec and seed give the same bytes, with one thread, two and eight.

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

const N_EVENTS: usize = 20_000;
const N_CUSTOMERS: usize = 3_000;

/// What one run gave: the bytes of each output, the hash of each model, the metrics.
#[derive(Debug, PartialEq)]
struct Gave {
    outputs: BTreeMap<String, Vec<u8>>,
    models: Vec<String>,
    metrics: BTreeMap<String, u64>,
}

#[tokio::test]
async fn threads_do_not_change_a_byte() -> Result<()> {
    let engine = Engine::start()?;
    let client = engine.client()?;
    load_events(&client).await?;
    load_customers(&client).await?;
    let specs = [
        work::spec("segment.rfm", "events", "events"),
        kmeans(),
        work::spec("recommend.popular", "events", "events"),
        work::spec("recommend.item-knn", "events", "events"),
        work::spec("churn.logistic", "customers", "people"),
    ];
    for spec in specs {
        let algorithm = spec.algorithm.clone();
        let one = gave(&client, &spec, 1).await?;
        assert!(
            !one.outputs.is_empty() || !one.models.is_empty(),
            "{algorithm} gave nothing"
        );
        for threads in [2, 8] {
            let other = gave(&client, &spec, threads).await?;
            let same_tables = one.outputs == other.outputs;
            assert!(
                same_tables,
                "{algorithm}: outputs differ with {threads} threads"
            );
            assert_eq!(
                one.models, other.models,
                "{algorithm} with {threads} threads"
            );
            assert_eq!(
                one.metrics, other.metrics,
                "{algorithm} with {threads} threads"
            );
        }
    }
    Ok(())
}

/// k-means over numbers that a query makes: its rows have to come in one order, too.
fn kmeans() -> v1::JobSpec {
    let mut spec = work::spec("segment.kmeans", "customers", "people");
    let sql = "select customer as customer_id, count(*) as n, ln(sum(amount)) as spent \
               from events group by customer";
    let input = spec.inputs.get_mut("customers").expect("it has one");
    input.source = Some(Source::Sql(sql.to_owned()));
    spec.params.insert("k".to_owned(), work::int(5));
    spec
}

async fn gave(client: &Client, spec: &v1::JobSpec, threads: u32) -> Result<Gave> {
    let mut spec = spec.clone();
    spec.limits = Some(v1::JobLimits {
        threads,
        ..v1::JobLimits::default()
    });
    let id = format!("{}-{threads}", spec.algorithm.replace('/', "-"));
    let job = work::run(client, &id, spec).await?;
    let mut outputs = BTreeMap::new();
    for output in &job.outputs {
        let (_, bytes) = work::output(client, &output.name).await?;
        let name = output.name.rsplit('/').next().unwrap_or_default();
        outputs.insert(name.to_owned(), bytes);
    }
    let mut models = Vec::new();
    for name in &job.models {
        let request = v1::GetModelRequest { name: name.clone() };
        let model = client.get_model(request).await?.model.expect("answers");
        models.push(model.sha256);
    }
    let metrics = job.metrics.iter();
    let metrics = metrics
        .map(|metric| (metric.name.clone(), metric.value.to_bits()))
        .collect();
    Ok(Gave {
        outputs,
        models,
        metrics,
    })
}

async fn load_events(client: &Client) -> Result<()> {
    let mut rng = Rng::new(3);
    let customers = (0..N_EVENTS).map(|_| Some(format!("c{}", rng.below(2_000))));
    let customers = customers.collect::<StringArray>();
    let items = (0..N_EVENTS).map(|_| Some(format!("i{}", rng.below(20) * rng.below(20))));
    let items = items.collect::<StringArray>();
    let times = (0..N_EVENTS).map(|_| {
        let hour = i64::try_from(rng.below(8_000)).expect("small");
        (1_704_067_200 + hour * 3_600) * 1_000_000
    });
    let times = TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC");
    let amounts = (0..N_EVENTS).map(|_| rng.below(10_000) as f64 / 100.0 + 0.01);
    let amounts = Float64Array::from_iter_values(amounts);
    let columns = vec![
        wire::column("customer", v1::Type::String, v1::Role::CustomerId),
        wire::column("item", v1::Type::String, v1::Role::Item),
        wire::column("at", v1::Type::Timestamp, v1::Role::EventTime),
        wire::column("amount", v1::Type::Float64, v1::Role::Amount),
    ];
    let batch = batch([
        ("customer", Arc::new(customers)),
        ("item", Arc::new(items)),
        ("at", Arc::new(times)),
        ("amount", Arc::new(amounts)),
    ])?;
    let batches = [batch.slice(0, 7_001), batch.slice(7_001, N_EVENTS - 7_001)];
    wire::load(client, "events", v1::DatasetKind::Events, columns, &batches).await
}

async fn load_customers(client: &Client) -> Result<()> {
    let mut rng = Rng::new(4);
    let ids = (0..N_CUSTOMERS)
        .map(|n| Some(format!("p{n}")))
        .collect::<StringArray>();
    let calls = (0..N_CUSTOMERS)
        .map(|_| rng.below(10) as f64)
        .collect::<Vec<_>>();
    let tariffs = (0..N_CUSTOMERS).map(|_| Some(["a", "b", "c"][usize::from(rng.below(3) as u8)]));
    let tariffs = tariffs.collect::<StringArray>();
    let left = calls.iter().map(|calls| {
        Some(if rng.below(10) as f64 * 0.9 < *calls {
            "yes"
        } else {
            "no"
        })
    });
    let left = left.collect::<StringArray>();
    let columns = vec![
        wire::key("customer"),
        wire::column("calls", v1::Type::Float64, v1::Role::Unspecified),
        wire::column("tariff", v1::Type::String, v1::Role::Unspecified),
        wire::column("left", v1::Type::String, v1::Role::Label),
    ];
    let batch = batch([
        ("customer", Arc::new(ids)),
        ("calls", Arc::new(Float64Array::from(calls))),
        ("tariff", Arc::new(tariffs)),
        ("left", Arc::new(left)),
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

fn batch<const N: usize>(columns: [(&str, Arc<dyn Array>); N]) -> Result<RecordBatch> {
    Ok(RecordBatch::try_from_iter(columns)?)
}
