//! A made shop for benchmarks: customers of a few tastes each, items of very different popularity,
//! and what is known of the items.
//!
//! Invariant: the same numbers give the same rows.

use std::sync::Arc;

use anyhow::Result;
use arrow_array::Float64Array;
use arrow_array::Int64Array;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use arrow_array::TimestampMicrosecondArray;
use lode_client::Client;
use lode_numeric::Rng;
use lode_proto::v1;

use crate::load;
use crate::wire;

/// Groups of items that are bought together.
const TASTES: u64 = 32;

/// How large it is.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Customers, c0 and so on.
    pub customers: u64,
    /// Items, i0 and so on.
    pub items: u64,
    /// Purchases of each customer.
    pub each: u64,
}

/// Loads purchases into a new dataset and the items into another; gives the seconds of the first.
///
/// # Errors
/// What the engine says.
pub async fn fill(client: &Client, events: &str, goods: &str, size: Size) -> Result<f64> {
    let columns = vec![
        wire::column("customer", v1::Type::String, v1::Role::CustomerId),
        wire::column("item", v1::Type::String, v1::Role::Item),
        wire::column("at", v1::Type::Timestamp, v1::Role::EventTime),
    ];
    let rows = size.customers * size.each;
    let chunk_rows = u64::try_from(load::CHUNK_ROWS)?;
    let n_chunks = rows.div_ceil(chunk_rows);
    let mut chunk = |at: u64| {
        let rows = at * chunk_rows..((at + 1) * chunk_rows).min(rows);
        wire::arrow_chunk(&purchases(rows, size)?)
    };
    let seconds = load::send(client, events, columns, n_chunks, &mut chunk).await?;
    let columns = vec![
        wire::column("item", v1::Type::String, v1::Role::Item),
        wire::column("price", v1::Type::Float64, v1::Role::Unspecified),
        wire::column("stock", v1::Type::Int64, v1::Role::Unspecified),
    ];
    let mut rng = Rng::new(3);
    let ids = (0..size.items).map(|item| Some(format!("i{item}")));
    let prices = (0..size.items).map(|_| rng.below(10_000) as f64 / 100.0);
    let prices = prices.collect::<Float64Array>();
    let stock = (0..size.items).map(|_| i64::try_from(rng.below(20)).unwrap_or(0));
    let batch = RecordBatch::try_from_iter([
        ("item", Arc::new(ids.collect::<StringArray>()) as _),
        ("price", Arc::new(prices) as _),
        ("stock", Arc::new(stock.collect::<Int64Array>()) as _),
    ])?;
    wire::load(client, goods, v1::DatasetKind::Items, columns, &[batch]).await?;
    Ok(seconds)
}

/// Some rows of the purchases.
fn purchases(rows: std::ops::Range<u64>, size: Size) -> Result<RecordBatch> {
    let mut rng = Rng::new(rows.start + 7);
    let customers = rows
        .clone()
        .map(|row| Some(format!("c{}", row / size.each)));
    let customers = customers.collect::<StringArray>();
    let of_taste = size.items / TASTES;
    let items = rows.clone().map(|row| {
        let customer = row / size.each;
        // Two tastes each, and one purchase in five of any.
        let taste = match rng.below(5) {
            0 => rng.below(TASTES),
            1 | 2 => customer * 7 % TASTES,
            _ => customer * 13 / 5 % TASTES,
        };
        // Few items sell much.
        let rank = rng.below(1 << 20) as f64 / f64::from(1 << 20);
        let place = (rank.powi(3) * of_taste as f64).floor();
        Some(format!("i{}", taste * of_taste + place as u64))
    });
    let items = items.collect::<StringArray>();
    let times = rows.map(|row| 1_704_067_200_000_000 + i64::try_from(row).unwrap_or(0) * 1000);
    let times = TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC");
    Ok(RecordBatch::try_from_iter([
        ("customer", Arc::new(customers) as _),
        ("item", Arc::new(items) as _),
        ("at", Arc::new(times) as _),
    ])?)
}
