//! The shop of these tests: who bought what, what there is to buy, who the customers are.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Result;
use arrow_array::BooleanArray;
use arrow_array::Date32Array;
use arrow_array::Float64Array;
use arrow_array::Int64Array;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use arrow_array::TimestampMicrosecondArray;
use lode_client::Client;
use lode_proto::v1;
use lode_proto::v1::value::Kind;
use lode_tests::wire;
use lode_tests::work;

/// Rules that a shop would have.
pub(super) const RULES: &[&str] = &[
    "stock > 0",
    "customer.age >= 18 or not adult",
    "not customer.do_not_contact",
];
pub(super) const N_CUSTOMERS: usize = 200;
/// 2025-07-01.
const START: i64 = 1_751_328_000_000_000;

/// Loads purchases, goods and people.
pub(super) async fn load(client: &Client) -> Result<()> {
    purchases(client).await?;
    goods(client).await?;
    people(client).await
}

async fn purchases(client: &Client) -> Result<()> {
    let (mut buyers, mut things, mut times) = (Vec::new(), Vec::new(), Vec::new());
    for n in 0..N_CUSTOMERS {
        let group = if n % 3 == 0 { "b" } else { "a" };
        for item in (0..5).filter(|item| *item != n % 5) {
            buyers.push(Some(format!("p{n}")));
            things.push(Some(format!("{group}{item}")));
            times.push(START + i64::try_from(n * 7 + item)? * 1_000_000);
        }
    }
    let n = buyers.len();
    let columns = vec![
        wire::column("customer", v1::Type::String, v1::Role::CustomerId),
        wire::column("item", v1::Type::String, v1::Role::Item),
        wire::column("at", v1::Type::Timestamp, v1::Role::EventTime),
        wire::column("pieces", v1::Type::Int64, v1::Role::Quantity),
        wire::column("kind", v1::Type::String, v1::Role::EventKind),
    ];
    let times = TimestampMicrosecondArray::from(times).with_timezone("UTC");
    let batch = RecordBatch::try_from_iter([
        (
            "customer",
            Arc::new(buyers.into_iter().collect::<StringArray>()) as _,
        ),
        (
            "item",
            Arc::new(things.into_iter().collect::<StringArray>()) as _,
        ),
        ("at", Arc::new(times) as _),
        ("pieces", Arc::new(Int64Array::from(vec![1; n])) as _),
        ("kind", Arc::new(StringArray::from(vec!["buy"; n])) as _),
    ])?;
    wire::load(client, "bought", v1::DatasetKind::Events, columns, &[batch]).await
}

/// Ten things; b1 is not in stock, b2 is for adults, of b3 it is not known.
async fn goods(client: &Client) -> Result<()> {
    let ids = ["a0", "a1", "a2", "a3", "a4", "b0", "b1", "b2", "b3", "b4"];
    let prices = [1.0, 2.0, 3.0, 4.0, 5.0, 10.0, 11.0, 12.0, 13.0, 14.0];
    let stock = [5, 5, 5, 5, 5, 5, 0, 5, 5, 5];
    let adult = (0..10).map(|i| (i != 8).then_some(i == 7));
    let categories = (0..10).map(|i| Some(["books", "games", "lamps"][usize::from(i > 5) + i / 9]));
    // Days of 2024, and of 2025 for b0, b2 and b4.
    let days = (0..10).map(|i| {
        if [5, 7, 9].contains(&i) {
            20_100
        } else {
            19_800
        }
    });
    let columns = vec![
        wire::column("sku", v1::Type::String, v1::Role::Item),
        wire::column("price", v1::Type::Float64, v1::Role::Unspecified),
        wire::column("stock", v1::Type::Int64, v1::Role::Unspecified),
        wire::column("adult", v1::Type::Bool, v1::Role::Unspecified),
        wire::column("category", v1::Type::String, v1::Role::Unspecified),
        wire::column("since", v1::Type::Date, v1::Role::Unspecified),
    ];
    let batch = RecordBatch::try_from_iter_with_nullable([
        ("sku", Arc::new(StringArray::from(ids.to_vec())) as _, true),
        (
            "price",
            Arc::new(Float64Array::from(prices.to_vec())) as _,
            true,
        ),
        (
            "stock",
            Arc::new(Int64Array::from(stock.to_vec())) as _,
            true,
        ),
        (
            "adult",
            Arc::new(adult.collect::<BooleanArray>()) as _,
            true,
        ),
        (
            "category",
            Arc::new(categories.collect::<StringArray>()) as _,
            true,
        ),
        (
            "since",
            Arc::new(days.map(Some).collect::<Date32Array>()) as _,
            true,
        ),
    ])?;
    wire::load(client, "goods", v1::DatasetKind::Items, columns, &[batch]).await
}

/// Everybody but p8; p4 is 12, p5 is not to be contacted.
async fn people(client: &Client) -> Result<()> {
    let all = || (0..N_CUSTOMERS).filter(|n| *n != 8);
    let ids = all().map(|n| Some(format!("p{n}")));
    let ages = all().map(|n| Some(if n == 4 { 12 } else { 40 }));
    let never = all().map(|n| Some(if n == 5 { "yes" } else { "no" }));
    let columns = vec![
        wire::key("customer_id"),
        wire::column("age", v1::Type::Int64, v1::Role::Unspecified),
        wire::column("do_not_contact", v1::Type::String, v1::Role::Unspecified),
    ];
    let batch = RecordBatch::try_from_iter_with_nullable([
        (
            "customer_id",
            Arc::new(ids.collect::<StringArray>()) as _,
            false,
        ),
        ("age", Arc::new(ages.collect::<Int64Array>()) as _, true),
        (
            "do_not_contact",
            Arc::new(never.collect::<StringArray>()) as _,
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

/// The job of a model with rules.
pub(super) fn spec(rules: &[&str], control_share: f64) -> v1::JobSpec {
    v1::JobSpec {
        offering: Some(v1::Offering {
            rules: rules.iter().map(|rule| (*rule).to_owned()).collect(),
            items: wire::dataset("goods"),
            customers: wire::dataset("people"),
            control_share,
        }),
        ..work::spec("recommend.item-knn", "events", "bought")
    }
}

/// A model with rules.
pub(super) async fn model(
    client: &Client,
    id: &str,
    rules: &[&str],
    control_share: f64,
) -> Result<String> {
    let job = work::run(client, id, spec(rules, control_share)).await?;
    Ok(job.models[0].clone())
}

/// A question for ten offers.
pub(super) fn request(model: &str, customer: &str) -> v1::RecommendRequest {
    v1::RecommendRequest {
        model: model.to_owned(),
        customer: customer.to_owned(),
        limit: 10,
        ..v1::RecommendRequest::default()
    }
}

/// The items of an answer.
pub(super) fn items(items: &[v1::ScoredItem]) -> Vec<&str> {
    items.iter().map(|item| &*item.item).collect()
}

/// The reasons of notes.
pub(super) fn reasons(notes: &[v1::Note]) -> Vec<&str> {
    notes.iter().map(|note| &*note.reason).collect()
}

/// A parameter that weighs one kind of event.
pub(super) fn weights(kind: &str, weight: f64) -> v1::Value {
    let weight = v1::Value {
        kind: Some(Kind::DoubleValue(weight)),
    };
    let fields = BTreeMap::from([(kind.to_owned(), weight)]);
    v1::Value {
        kind: Some(Kind::MapValue(v1::MapValue { fields })),
    }
}

/// Writes purchases of a customer.
pub(super) async fn buy(client: &Client, id: &str, who: &str, what: &[&str]) -> Result<()> {
    let lines = what.iter().enumerate();
    let lines: String = lines
        .map(|(i, item)| format!("{who},{item},2025-07-02T10:00:{i:02}Z,1,buy\n"))
        .collect();
    put(client, "bought", id, &lines).await
}

/// Writes a few rows.
pub(super) async fn put(client: &Client, dataset: &str, id: &str, lines: &str) -> Result<()> {
    let header: &[&str] = match dataset {
        "goods" => &["sku", "price", "stock", "adult", "category", "since"],
        "people" => &["customer_id", "age", "do_not_contact"],
        _ => &["customer", "item", "at", "pieces", "kind"],
    };
    let request = v1::PutRowsRequest {
        dataset: wire::dataset(dataset),
        request_id: id.to_owned(),
        rows: Some(wire::csv_chunk(lines)),
        csv: Some(v1::CsvOptions {
            header: header.iter().map(|name| (*name).to_owned()).collect(),
            delimiter: String::new(),
        }),
        ..v1::PutRowsRequest::default()
    };
    let answer = client.put_rows(request).await?;
    assert_eq!(answer.rejected_rows, 0, "{answer:?}");
    Ok(())
}
