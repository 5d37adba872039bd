//! A data folder with one of everything that a store keeps.
//!
//! For tests of damage, and for the kept folder of the format of today: what it holds follows
//! from the numbers here, and `crates/lode-store/tests/fixtures/README.md` has them as a table.

use std::sync::Arc;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;
use arrow_array::Array;
use arrow_array::Float64Array;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use arrow_array::TimestampMicrosecondArray;
use lode_client::Client;
use lode_proto::v1;

use crate::Engine;
use crate::wire;
use crate::work;

/// Rows of `visits` in the sorted run that its first two loads and five small writes became.
pub const PACKED: i64 = 505;
/// Rows of `visits` in the part of its third load.
pub const PLAIN: i64 = 100;
/// Rows of `visits` that wait in sled, each of a version of its own.
pub const WAITING: i64 = 3;
/// Rows of `people`; the last three were written again by small writes that wait.
pub const PEOPLE: i64 = 180;
/// Rows of `goods`.
pub const GOODS: i64 = 17;

/// Numbers of the rows of each load into `visits`, by its chunks.
const LOADS: [(&str, &[(i64, i64)]); 3] = [
    ("one", &[(0, 200), (200, 400)]),
    ("two", &[(400, 500)]),
    ("three", &[(500, 600)]),
];

const VIEW: &str = r#"{
  "description": "kept with the folder",
  "events": ["visits"], "customers": "people",
  "features": [
    {"name": "n", "kind": "frequency"},
    {"name": "spend", "kind": "monetary"}
  ]
}"#;

/// Fills an empty engine.
///
/// # Errors
/// What the engine says.
pub async fn furnish(engine: &Engine) -> Result<()> {
    let client = engine.client()?;
    let visits = || {
        vec![
            wire::column("customer", v1::Type::String, v1::Role::CustomerId),
            wire::column("at", v1::Type::Timestamp, v1::Role::EventTime),
            wire::column("item", v1::Type::String, v1::Role::Item),
            wire::column("amount", v1::Type::Float64, v1::Role::Amount),
        ]
    };
    wire::create(&client, "visits", v1::DatasetKind::Events, visits()).await?;
    for (load, chunks) in &LOADS[..2] {
        load_visits(&client, load, chunks).await?;
    }
    for number in 0..5 {
        put(
            &client,
            "visits",
            number,
            visit_rows(600 + number, 601 + number)?,
        )
        .await?;
    }
    compact(&client, "visits").await?;
    let (load, chunks) = LOADS[2];
    load_visits(&client, load, chunks).await?;

    let people = vec![
        wire::key("customer"),
        wire::column("plan", v1::Type::String, v1::Role::Unspecified),
        wire::column("wave", v1::Type::Float64, v1::Role::Unspecified),
    ];
    wire::create(&client, "people", v1::DatasetKind::Customers, people).await?;
    for (wave, from) in [(1.0, 0), (2.0, 60)] {
        let rows = people_rows(from, from + 120, wave)?;
        load_chunks(&client, "people", &format!("wave-{wave}"), &[rows]).await?;
    }
    let goods = vec![
        wire::column("item", v1::Type::String, v1::Role::Item),
        wire::column("price", v1::Type::Float64, v1::Role::Unspecified),
    ];
    wire::load(
        &client,
        "goods",
        v1::DatasetKind::Items,
        goods,
        &[goods_rows()?],
    )
    .await?;
    wire::load(
        &client,
        "gone",
        v1::DatasetKind::Events,
        visits(),
        &[visit_rows(0, 50)?],
    )
    .await?;
    let request = v1::DeleteDatasetRequest {
        name: wire::dataset("gone"),
        allow_missing: false,
    };
    client.delete_dataset(request).await?;

    let mut rfm = work::spec("segment.rfm", "events", "visits");
    rfm.write_back = true;
    work::run(&client, "kept-rfm", rfm).await?;
    work::run(
        &client,
        "kept-items",
        work::spec("recommend.item-knn", "events", "visits"),
    )
    .await?;
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), VIEW)?;
    let path = file.path().display().to_string();
    engine
        .lode(["feature", "create", "kept-view", "--file", &path])?
        .text()?;

    // Last, so that it stays in sled.
    for number in 5..8 {
        put(
            &client,
            "visits",
            number,
            visit_rows(600 + number, 601 + number)?,
        )
        .await?;
        let customer = PEOPLE - 8 + number;
        put(
            &client,
            "people",
            number,
            people_rows(customer, customer + 1, 3.0)?,
        )
        .await?;
    }
    Ok(())
}

/// Sends a chunk of a load into `visits` again.
///
/// # Errors
/// What the engine says.
pub async fn send_again(client: &Client, load: &str, seq: usize) -> Result<()> {
    let chunks = LOADS.iter().find(|(id, _)| *id == load);
    let (from, to) = chunks.context("a load of visits")?.1[seq];
    let chunk = wire::arrow_chunk(&visit_rows(from, to)?)?;
    let name = wire::ingest("visits", load);
    for answer in wire::append(client, &name, [(u64::try_from(seq)?, chunk)]).await? {
        if let Some(error) = answer.error {
            bail!("chunk {seq} of {name}: {}", error.message);
        }
    }
    Ok(())
}

async fn compact(client: &Client, dataset: &str) -> Result<()> {
    let name = wire::dataset(dataset);
    client
        .compact_dataset(v1::CompactDatasetRequest { name })
        .await?;
    Ok(())
}

async fn put(client: &Client, dataset: &str, number: i64, rows: RecordBatch) -> Result<()> {
    let request = v1::PutRowsRequest {
        dataset: wire::dataset(dataset),
        request_id: format!("put-{number}"),
        rows: Some(wire::arrow_chunk(&rows)?),
        ..v1::PutRowsRequest::default()
    };
    client.put_rows(request).await?;
    Ok(())
}

async fn load_visits(client: &Client, load: &str, chunks: &[(i64, i64)]) -> Result<()> {
    let rows = chunks.iter().map(|(from, to)| visit_rows(*from, *to));
    load_chunks(client, "visits", load, &rows.collect::<Result<Vec<_>>>()?).await
}

async fn load_chunks(
    client: &Client,
    dataset: &str,
    load: &str,
    chunks: &[RecordBatch],
) -> Result<()> {
    let name = wire::open(client, dataset, load).await?.name;
    let mut wired = Vec::new();
    for (seq, chunk) in (0..).zip(chunks) {
        wired.push((seq, wire::arrow_chunk(chunk)?));
    }
    for answer in wire::append(client, &name, wired).await? {
        if let Some(error) = answer.error {
            bail!("chunk {} of {name}: {}", answer.seq, error.message);
        }
    }
    wire::commit(client, &name, chunks.len() as u64).await?;
    Ok(())
}

/// What a visit bought; of those that wait in sled a text that is found there.
fn item(i: i64) -> String {
    match i {
        605.. => format!("waits-in-sled-{i}"),
        _ => format!("item-{}", i % 17),
    }
}

/// Visit i is of customer i mod 150, i hours after 2024-01-01, and spent i mod 40 + 0.25.
fn visit_rows(from: i64, to: i64) -> Result<RecordBatch> {
    let range = || from..to;
    let times = range().map(|i| 1_704_067_200_000_000 + i * 3_600_000_000);
    let columns: [(&str, Arc<dyn Array>); 4] = [
        (
            "customer",
            texts(range().map(|i| format!("c{:03}", i % 150))),
        ),
        (
            "at",
            Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC")),
        ),
        ("item", texts(range().map(item))),
        (
            "amount",
            Arc::new(Float64Array::from_iter_values(
                range().map(|i| (i % 40) as f64 + 0.25),
            )),
        ),
    ];
    Ok(RecordBatch::try_from_iter(columns)?)
}

fn people_rows(from: i64, to: i64, wave: f64) -> Result<RecordBatch> {
    let range = || from..to;
    let columns: [(&str, Arc<dyn Array>); 3] = [
        ("customer", texts(range().map(|i| format!("c{i:03}")))),
        ("plan", texts(range().map(|i| format!("plan-{}", i % 3)))),
        (
            "wave",
            Arc::new(Float64Array::from_iter_values(range().map(|_| wave))),
        ),
    ];
    Ok(RecordBatch::try_from_iter(columns)?)
}

fn goods_rows() -> Result<RecordBatch> {
    let columns: [(&str, Arc<dyn Array>); 2] = [
        ("item", texts((0..GOODS).map(|i| format!("item-{i}")))),
        (
            "price",
            Arc::new(Float64Array::from_iter_values(
                (0..GOODS).map(|i| i as f64 * 1.25),
            )),
        ),
    ];
    Ok(RecordBatch::try_from_iter(columns)?)
}

fn texts(values: impl Iterator<Item = String>) -> Arc<dyn Array> {
    Arc::new(StringArray::from_iter_values(values))
}
