//! Planted purchases and people, and questions about them.

use std::sync::Arc;

use anyhow::Context as _;
use anyhow::Result;
use arrow_array::Array;
use arrow_array::ArrayRef;
use arrow_array::Decimal128Array;
use arrow_array::Float64Array;
use arrow_array::Int64Array;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use arrow_array::TimestampMicrosecondArray;
use arrow_array::cast::AsArray as _;
use arrow_array::types::TimestampMicrosecondType;
use arrow_cast::display::array_value_to_string;
use lode_client::Client;
use lode_client::Refusal;
use lode_numeric::Rng;
use lode_proto::v1;
use lode_tests::Engine;
use lode_tests::wire;

pub(super) const SECOND: i64 = 1_000_000;
pub(super) const DAY: i64 = 86_400 * SECOND;
/// 2024-01-01, a Monday.
pub(super) const START: i64 = 1_704_067_200 * SECOND;
/// Relative error that sums of floats may have, as docs/sql.md says.
pub(super) const FLOAT_ERROR: f64 = 1e-9;

/// One purchase.
#[derive(Clone, Debug)]
pub(super) struct Buy {
    pub(super) customer: String,
    pub(super) item: String,
    pub(super) at: i64,
    pub(super) heard: i64,
    pub(super) note: Option<String>,
    pub(super) qty: Option<i64>,
    pub(super) price: f64,
    pub(super) cents: i128,
}

const NOTES: [&str; 6] = [
    "Gift wrap, please",
    "gift for Zoë",
    "  two blanks  ",
    "中文评论 100%",
    "a-b-c",
    "",
];

/// Purchases of forty customers in the year 2024; nobody buys twice in the same second.
pub(super) fn buys(seed: u64, n: usize) -> Vec<Buy> {
    let mut rng = Rng::new(seed);
    let mut below = |n: u64| i64::try_from(rng.below(n)).expect("small");
    (0..)
        .take(n)
        .map(|i: i64| {
            let at = START + (below(366 * 86_400) / 5_000 * 5_000 + i) * SECOND;
            Buy {
                customer: format!("c{:02}", below(40)),
                item: format!("i{}", below(12) * below(12)),
                at,
                heard: at + below(3 * 86_400) * SECOND,
                note: (below(5) > 0).then(|| NOTES[below(6) as usize].to_owned()),
                qty: (below(10) > 0).then(|| below(9) - 2),
                price: below(10_000) as f64 / 64.0,
                cents: i128::from(below(1_000_000_000)) * i128::from(below(1_000_000_000)),
            }
        })
        .collect()
}

fn batch_of(rows: &[Buy]) -> Result<RecordBatch> {
    let texts = |text: fn(&Buy) -> &str| StringArray::from_iter_values(rows.iter().map(text));
    let times = |time: fn(&Buy) -> i64| {
        TimestampMicrosecondArray::from_iter_values(rows.iter().map(time)).with_timezone("UTC")
    };
    let money = Decimal128Array::from_iter_values(rows.iter().map(|row| row.cents));
    let columns: [(&str, Arc<dyn Array>); 8] = [
        ("customer", Arc::new(texts(|row| &row.customer))),
        ("item", Arc::new(texts(|row| &row.item))),
        ("at", Arc::new(times(|row| row.at))),
        ("heard", Arc::new(times(|row| row.heard))),
        (
            "note",
            Arc::new(
                rows.iter()
                    .map(|r| r.note.as_deref())
                    .collect::<StringArray>(),
            ),
        ),
        (
            "qty",
            Arc::new(rows.iter().map(|row| row.qty).collect::<Int64Array>()),
        ),
        (
            "price",
            Arc::new(Float64Array::from_iter_values(rows.iter().map(|r| r.price))),
        ),
        ("money", Arc::new(money.with_precision_and_scale(20, 2)?)),
    ];
    Ok(RecordBatch::try_from_iter(columns)?)
}

/// Makes an empty dataset of purchases.
pub(super) async fn make_buys(client: &Client, id: &str) -> Result<()> {
    let columns = vec![
        wire::column("customer", v1::Type::String, v1::Role::CustomerId),
        wire::column("item", v1::Type::String, v1::Role::Item),
        wire::column("at", v1::Type::Timestamp, v1::Role::EventTime),
        wire::column("heard", v1::Type::Timestamp, v1::Role::ArrivalTime),
        wire::column("note", v1::Type::String, v1::Role::Unspecified),
        wire::column("qty", v1::Type::Int64, v1::Role::Quantity),
        wire::column("price", v1::Type::Float64, v1::Role::UnitPrice),
        v1::Column {
            decimal_precision: 20,
            decimal_scale: 2,
            ..wire::column("money", v1::Type::Decimal, v1::Role::Amount)
        },
    ];
    wire::create(client, id, v1::DatasetKind::Events, columns).await
}

/// Loads purchases in chunks of `chunk_rows`.
pub(super) async fn load_buys(
    client: &Client,
    dataset: &str,
    id: &str,
    rows: &[Buy],
    chunk_rows: usize,
) -> Result<()> {
    let name = wire::open(client, dataset, id).await?.name;
    let chunks = rows
        .chunks(chunk_rows)
        .map(|rows| wire::arrow_chunk(&batch_of(rows)?));
    let chunks = chunks.collect::<Result<Vec<_>>>()?;
    let n_chunks = u64::try_from(chunks.len())?;
    for answer in wire::append(client, &name, (0..).zip(chunks)).await? {
        anyhow::ensure!(answer.error.is_none(), "{:?}", answer.error);
    }
    wire::commit(client, &name, n_chunks).await?;
    Ok(())
}

/// A person: their city, and an age that is not always known.
pub(super) fn people() -> Vec<(String, &'static str, Option<i64>)> {
    let cities = ["Köln", "Paris", "北京"];
    (0..45)
        .map(|i: i64| {
            let age = (i % 7 != 0).then_some(20 + i);
            (format!("c{i:02}"), cities[i as usize % 3], age)
        })
        .collect()
}

/// Loads the people into a customers dataset, `people`.
pub(super) async fn load_people(client: &Client) -> Result<()> {
    let columns = vec![
        wire::key("customer"),
        wire::column("city", v1::Type::String, v1::Role::Unspecified),
        wire::column("age", v1::Type::Int64, v1::Role::Unspecified),
    ];
    let people = people();
    let keys = StringArray::from_iter_values(people.iter().map(|row| &row.0));
    let cities = StringArray::from_iter_values(people.iter().map(|row| row.1));
    let columns_of: [(&str, Arc<dyn Array>); 3] = [
        ("customer", Arc::new(keys)),
        ("city", Arc::new(cities)),
        (
            "age",
            Arc::new(people.iter().map(|row| row.2).collect::<Int64Array>()),
        ),
    ];
    let batch = RecordBatch::try_from_iter(columns_of)?;
    wire::load(
        client,
        "people",
        v1::DatasetKind::Customers,
        columns,
        &[batch],
    )
    .await
}

/// An engine with `n` purchases in `buys`, in two loads of odd chunks, and the people.
pub(super) async fn open_shop(n: usize) -> Result<(Engine, Client, Vec<Buy>)> {
    let engine = Engine::start()?;
    let client = engine.client()?;
    let rows = buys(5, n);
    make_buys(&client, "buys").await?;
    load_buys(&client, "buys", "one", &rows[..n / 3], 97).await?;
    load_buys(&client, "buys", "two", &rows[n / 3..], 1_013).await?;
    load_people(&client).await?;
    Ok((engine, client, rows))
}

/// A request that has a statement alone.
pub(super) fn request(sql: &str) -> v1::QueryRequest {
    v1::QueryRequest {
        parent: wire::TENANT.to_owned(),
        sql: sql.to_owned(),
        ..v1::QueryRequest::default()
    }
}

/// An answer: its rows as text, cells divided by bars, and its end.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) rows: Vec<String>,
    pub(super) summary: v1::QuerySummary,
}

/// Asks; the answer must be whole.
pub(super) async fn ask(client: &Client, request: v1::QueryRequest) -> lode_client::Result<Answer> {
    let mut stream = client.query(request).await?;
    let (mut batches, mut summary) = (Vec::new(), None);
    while let Some(message) = stream.message().await? {
        if let Some(chunk) = message.chunk {
            wire::read_chunk(&chunk, &mut batches).expect("chunks are whole");
        }
        summary = message.summary;
    }
    let mut rows = Vec::new();
    for batch in &batches {
        let columns: Vec<ArrayRef> = batch.columns().iter().map(readable).collect();
        for row in 0..batch.num_rows() {
            let cells = columns.iter();
            let cells = cells.map(|cells| array_value_to_string(cells, row).expect("it has text"));
            rows.push(cells.collect::<Vec<_>>().join("|"));
        }
    }
    let summary = summary.expect("an answer ends with its summary");
    Ok(Answer { rows, summary })
}

/// A column that is read without a table of time zones.
fn readable(column: &ArrayRef) -> ArrayRef {
    match column.as_primitive_opt::<TimestampMicrosecondType>() {
        Some(times) => Arc::new(times.clone().with_timezone_opt(Some("+00:00"))),
        None => Arc::clone(column),
    }
}

/// The rows of a statement alone.
pub(super) async fn rows(client: &Client, sql: &str) -> Result<Vec<String>> {
    let answer = ask(client, request(sql)).await;
    Ok(answer.with_context(|| sql.to_owned())?.rows)
}

/// Why a request is refused.
pub(super) async fn refusal(client: &Client, request: v1::QueryRequest) -> Refusal {
    let sql = request.sql.clone();
    match ask(client, request).await {
        Ok(answer) => panic!("{sql} has to be refused, gave {} rows", answer.rows.len()),
        Err(error) => match error.refusal() {
            Some(refusal) => refusal.clone(),
            None => panic!("{sql}: no refusal: {error}"),
        },
    }
}

/// Asks with 1, 2 and 8 threads. Cells that start with `~` are floats, which may differ by
/// [`FLOAT_ERROR`]; all others must be the same to the letter.
pub(super) async fn check(client: &Client, sql: &str, expected: &[impl AsRef<str>]) -> Result<()> {
    let expected: Vec<&str> = expected.iter().map(AsRef::as_ref).collect();
    for threads in [1, 2, 8] {
        let request = v1::QueryRequest {
            threads,
            ..request(sql)
        };
        let answer = ask(client, request).await;
        let found = answer.with_context(|| sql.to_owned())?.rows;
        let same = found.len() == expected.len()
            && found
                .iter()
                .zip(&expected)
                .all(|(found, expected)| is_same(found, expected));
        let first = found.iter().zip(&expected).find(|(a, b)| !is_same(a, b));
        assert!(
            same,
            "{sql}\n{threads} threads; expected {} rows, found {}; first different: {first:?}",
            expected.len(),
            found.len()
        );
    }
    Ok(())
}

fn is_same(found: &str, expected: &str) -> bool {
    let (found, expected): (Vec<_>, Vec<_>) =
        (found.split('|').collect(), expected.split('|').collect());
    found.len() == expected.len()
        && found.iter().zip(expected).all(|(found, expected)| {
            let Some(number) = expected.strip_prefix('~') else {
                return *found == expected;
            };
            let (Ok(a), Ok(b)) = (found.parse::<f64>(), number.parse::<f64>()) else {
                return *found == number;
            };
            (a - b).abs() <= FLOAT_ERROR * b.abs().max(1.0)
        })
}

/// A value, or the empty text for null.
pub(super) fn or_null(value: Option<impl std::fmt::Display>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

/// Cents as an amount.
pub(super) fn money(cents: i128) -> String {
    let sign = if cents < 0 { "-" } else { "" };
    let cents = cents.unsigned_abs();
    format!("{sign}{}.{:02}", cents / 100, cents % 100)
}

/// Year, month and day of days since 1970, by Howard Hinnant's `civil_from_days`.
pub(super) fn civil(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + i64::from(month <= 2), month, day)
}

/// A time as the engine writes it.
pub(super) fn iso(micros: i64) -> String {
    let (year, month, day) = civil(micros.div_euclid(DAY));
    let second = micros.rem_euclid(DAY) / SECOND;
    let (hour, minute) = (second / 3_600, second / 60 % 60);
    format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{:02}Z",
        second % 60
    )
}
