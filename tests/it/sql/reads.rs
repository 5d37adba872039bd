//! What a statement reads: now, as of a time, at a version, after small writes and compaction.

use anyhow::Result;
use lode_client::Client;
use lode_proto::v1;
use lode_tests::Engine;
use lode_tests::Setup;
use lode_tests::settings;
use lode_tests::wire;
use tonic::Code;

use super::shop::Buy;
use super::shop::DAY;
use super::shop::START;
use super::shop::ask;
use super::shop::buys;
use super::shop::check;
use super::shop::iso;
use super::shop::load_buys;
use super::shop::make_buys;
use super::shop::money;
use super::shop::open_shop;
use super::shop::refusal;
use super::shop::request;
use super::shop::rows;

const TOTALS: &str = "select count(*), sum(qty), sum(money), max(money) from";

fn totals<'a>(rows: impl IntoIterator<Item = &'a Buy>) -> String {
    let rows: Vec<&Buy> = rows.into_iter().collect();
    if rows.is_empty() {
        return "0|||".to_owned();
    }
    let qty: i64 = rows.iter().filter_map(|row| row.qty).sum();
    let cents: i128 = rows.iter().map(|row| row.cents).sum();
    let most = rows.iter().map(|row| row.cents).max().unwrap_or_default();
    format!("{}|{qty}|{}|{}", rows.len(), money(cents), money(most))
}

fn known(rows: &[Buy], at: i64) -> String {
    totals(rows.iter().filter(|row| row.at <= at && row.heard <= at))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn datasets_are_read_as_they_were() -> Result<()> {
    let (_engine, client, buys) = open_shop(2_000).await?;
    let early = &buys[..666];
    for days in [0, 1, 40, 200, 400] {
        let at = START + days * DAY + 12 * 3_600_000_000;
        let when = iso(at);
        let expected = known(&buys, at);
        for source in [
            format!("as_of(buys, '{when}')"),
            format!("as_of('buys', timestamp '{when}')"),
            format!(
                "as_of(BUYS, timestamp '{}' + interval '12 hours')",
                iso(at - at % DAY)
            ),
        ] {
            check(&client, &format!("{TOTALS} {source}"), &[&expected]).await?;
        }
        let mut asked = request(&format!("{TOTALS} buys"));
        asked.as_of = Some(wire_time(at));
        let answer = ask(&client, asked).await?;
        assert_eq!(answer.rows, [expected.as_str()]);
        assert_eq!(answer.summary.tables[0].as_of, Some(wire_time(at)));
    }
    check(
        &client,
        &format!("{TOTALS} version(buys, 1)"),
        &[totals(early)],
    )
    .await?;
    check(
        &client,
        &format!("{TOTALS} version(buys, 2)"),
        &[totals(&buys)],
    )
    .await?;
    let mut asked = request(&format!("{TOTALS} buys"));
    asked.versions.insert("buys".to_owned(), 1);
    let answer = ask(&client, asked).await?;
    assert_eq!(answer.rows, [totals(early)]);
    assert_eq!(answer.summary.tables[0].version, 1);
    // Both sides of a join at times of their own.
    let (then, later) = (START + 50 * DAY, START + 100 * DAY);
    let count = |at| {
        known(&buys, at)
            .split('|')
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    let sql = format!(
        "select (select count(*) from as_of(buys, '{}')) as earlier, count(*) from as_of(buys, '{}') b \
         where b.at > '1970-01-01'",
        iso(then),
        iso(later)
    );
    check(
        &client,
        &sql,
        &[format!("{}|{}", count(then), count(later))],
    )
    .await?;
    for (sql, reason) in [
        ("select * from version(buys, 9)", "VERSION_NOT_FOUND"),
        ("select * from nothing", "DATASET_NOT_FOUND"),
    ] {
        let refusal = refusal(&client, request(sql)).await;
        assert_eq!(
            (refusal.code, &*refusal.reason),
            (Code::NotFound, reason),
            "{refusal:?}"
        );
    }
    Ok(())
}

fn wire_time(micros: i64) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: micros.div_euclid(1_000_000),
        nanos: 0,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parameters_stand_for_values() -> Result<()> {
    let (engine, client, buys) = open_shop(1_000).await?;
    let sql = "select count(*) from buys where customer = $who and qty >= $least and at >= $since \
               and item in ($items) and price < $1";
    let since = START + 30 * DAY;
    let expected = buys.iter().filter(|row| {
        row.customer == "c07"
            && row.qty >= Some(1)
            && row.at >= since
            && ["i0", "i4", "i6", "i12"].contains(&row.item.as_str())
            && row.price < 120.5
    });
    let expected = expected.count();
    assert!(expected > 0);
    let mut asked = request(sql);
    asked.parameters.insert("who".to_owned(), text("c07"));
    asked.parameters.insert("least".to_owned(), number(1));
    asked.parameters.insert("since".to_owned(), time(since));
    let items = ["i0", "i4", "i6", "i12"].map(text).to_vec();
    asked.parameters.insert("items".to_owned(), list(items));
    asked.parameters.insert("1".to_owned(), float(120.5));
    assert_eq!(ask(&client, asked).await?.rows, [expected.to_string()]);
    let args = [
        "query", "-o", "csv", sql, "--param", "who=c07", "--param", "least=1",
    ];
    let since = format!("since={}", iso(since));
    let rest = [
        "--param",
        "items=[\"i0\",\"i4\",\"i6\",\"i12\"]",
        "--param",
        "1=120.5",
        "--param",
        since.as_str(),
    ];
    let finished = engine.lode(args.iter().chain(&rest))?;
    assert_eq!(
        finished.text()?.lines().last(),
        Some(expected.to_string().as_str())
    );
    // A value is never read as SQL.
    let mut asked = request("select count(*) from buys where customer = $who");
    asked
        .parameters
        .insert("who".to_owned(), text("x' or 'a' = 'a"));
    assert_eq!(ask(&client, asked).await?.rows, ["0"]);
    let mut asked = request("select 1");
    asked.parameters.insert("who".to_owned(), text("c07"));
    let refusal = refusal(&client, asked).await;
    assert!(refusal.message.contains("$who"), "{refusal:?}");
    Ok(())
}

fn text(value: &str) -> v1::Value {
    v1::Value {
        kind: Some(v1::value::Kind::StringValue(value.to_owned())),
    }
}

fn number(value: i64) -> v1::Value {
    v1::Value {
        kind: Some(v1::value::Kind::IntValue(value)),
    }
}

fn float(value: f64) -> v1::Value {
    v1::Value {
        kind: Some(v1::value::Kind::DoubleValue(value)),
    }
}

fn time(micros: i64) -> v1::Value {
    v1::Value {
        kind: Some(v1::value::Kind::TimestampValue(wire_time(micros))),
    }
}

fn list(values: Vec<v1::Value>) -> v1::Value {
    v1::Value {
        kind: Some(v1::value::Kind::ListValue(v1::ListValue { values })),
    }
}

/// Rows as CSV lines of the dataset's columns.
fn lines(rows: &[Buy]) -> String {
    let line = |row: &Buy| {
        let qty = row.qty.map(|qty| qty.to_string()).unwrap_or_default();
        let (at, heard) = (iso(row.at), iso(row.heard));
        format!(
            "{},{},{at},{heard},,{qty},{},{}\n",
            row.customer,
            row.item,
            row.price,
            money(row.cents)
        )
    };
    rows.iter().map(line).collect()
}

async fn put(client: &Client, dataset: &str, header: &[&str], lines: &str) -> Result<()> {
    let request = v1::PutRowsRequest {
        dataset: wire::dataset(dataset),
        request_id: format!("put-{:08x}", crc32c::crc32c(lines.as_bytes())),
        rows: Some(wire::csv_chunk(lines)),
        csv: Some(v1::CsvOptions {
            header: header.iter().map(|name| (*name).to_owned()).collect(),
            ..v1::CsvOptions::default()
        }),
        ..v1::PutRowsRequest::default()
    };
    let answer = client.put_rows(request).await?;
    anyhow::ensure!(answer.rejected_rows == 0, "{:?}", answer.rejected);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn small_writes_and_compaction_change_no_answer() -> Result<()> {
    let (engine, client, mut all) = open_shop(1_500).await?;
    let header = [
        "customer", "item", "at", "heard", "note", "qty", "price", "money",
    ];
    let mut more = buys(77, 120);
    for row in &mut more {
        row.at += 2_000_000;
        row.note = None;
    }
    for rows in more.chunks(30) {
        put(&client, "buys", &header, &lines(rows)).await?;
        all.extend_from_slice(rows);
        check(&client, &format!("{TOTALS} buys"), &[totals(&all)]).await?;
    }
    put(
        &client,
        "people",
        &["customer", "city", "age"],
        "c07,Rom,99\nc99,Rom,1\n",
    )
    .await?;
    let rome = "select customer, age from people where city = 'Rom' order by 1";
    check(&client, rome, &["c07|99", "c99|1"]).await?;
    let before = (totals(&all[..1_500]), known(&all, START + 100 * DAY));
    let mut by_customer: Vec<String> = all.iter().map(|row| row.customer.clone()).collect();
    by_customer.sort();
    by_customer.dedup();
    let by_customer: Vec<String> = by_customer
        .into_iter()
        .map(|customer| {
            let rows = all.iter().filter(|row| row.customer == customer);
            format!("{customer}|{}", totals(rows))
        })
        .collect();
    for round in ["written", "compacted", "started again"] {
        check(&client, &format!("{TOTALS} buys"), &[totals(&all)]).await?;
        let sql = "select customer, count(*), sum(qty), sum(money), max(money) from buys group by customer order by 1";
        check(&client, sql, &by_customer).await?;
        check(&client, &format!("{TOTALS} version(buys, 2)"), &[&before.0]).await?;
        let sql = format!("{TOTALS} as_of(buys, '{}')", iso(START + 100 * DAY));
        check(&client, &sql, &[&before.1]).await?;
        check(&client, rome, &["c07|99", "c99|1"]).await?;
        if round == "written" {
            engine.lode(["dataset", "buys", "--compact"])?.text()?;
            engine.lode(["dataset", "people", "--compact"])?;
        }
        if round == "compacted" {
            break;
        }
    }
    let engine = engine.restart()?;
    let client = engine.client()?;
    check(&client, &format!("{TOTALS} buys"), &[totals(&all)]).await
}

/// Purchases of one customer at a time, so that each load has a time and an id of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn explain_names_the_parts_read_and_skipped() -> Result<()> {
    let engine = Engine::with(Setup {
        args: ["--compaction", "off"].map(str::to_owned).to_vec(),
        ..Setup::default()
    })?;
    let client = engine.client()?;
    make_buys(&client, "buys").await?;
    let mut all = buys(8, 900);
    all.sort_by_key(|row| row.at);
    for (i, rows) in all.chunks(300).enumerate() {
        load_buys(&client, "buys", &format!("l{i}"), rows, 300).await?;
    }
    let until = iso(all[100].at);
    let sql = format!("select item, money from buys where at < '{until}' and qty > 0");
    let explain = |analyze| {
        let request = v1::ExplainRequest {
            query: Some(request(&sql)),
            analyze,
        };
        let client = client.clone();
        async move { client.explain(request).await }
    };
    let plain = explain(false).await?;
    let scan = &plain.scans[0];
    assert_eq!(scan.parts.len(), 3, "{plain:?}");
    let read: Vec<u64> = scan.parts.iter().map(|part| part.read_row_count).collect();
    assert_eq!((read[0] > 0, read[1], read[2]), (true, 0, 0), "{plain:?}");
    assert!(
        scan.parts
            .iter()
            .all(|part| part.row_count == 300 && !part.part.is_empty())
    );
    assert!(
        scan.filters.iter().any(|filter| filter.contains("at")),
        "{plain:?}"
    );
    assert!(!scan.columns.contains(&"customer".to_owned()), "{plain:?}");
    assert!(plain.summary.is_none());
    let analyzed = explain(true).await?;
    let expected = all[..100].iter().filter(|row| row.qty > Some(0)).count();
    let summary = analyzed.summary.unwrap_or_default();
    assert_eq!(summary.row_count, expected as u64);
    let finished = engine.lode(["query", "--explain", &sql])?;
    let text = finished.text()?;
    settings::say(&format!("sql: explain: {text}"));
    assert!(text.contains("reads 1 of 3 parts"), "{text}");
    assert_eq!(text.matches("\n  skips ").count(), 2, "{text}");
    for part in &scan.parts {
        assert!(text.contains(&part.part), "{text}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_are_cut_at_limits_and_say_so() -> Result<()> {
    let (engine, client, buys) = open_shop(3_000).await?;
    let sql = "select customer, item, note, money from buys order by at";
    let whole = ask(&client, request(sql)).await?;
    assert_eq!(
        (whole.rows.len(), whole.summary.truncated),
        (buys.len(), false)
    );
    for (limit, rows, truncated) in [(10, 10, true), (2_999, 2_999, true), (3_000, 3_000, false)] {
        let mut asked = request(sql);
        asked.row_limit = limit;
        let answer = ask(&client, asked).await?;
        assert_eq!(
            (answer.rows.len(), answer.summary.truncated),
            (rows, truncated),
            "{limit}"
        );
        assert_eq!(answer.rows, whole.rows[..rows]);
    }
    // Bytes are cut at whole chunks, of which there is always one.
    let long = "select value, repeat('x', 1000) from generate_series(1, 20000)";
    let mut asked = request(long);
    asked.byte_limit = 3_000_000;
    let answer = ask(&client, asked).await?;
    assert!(answer.summary.truncated && answer.summary.byte_count <= 3_000_000);
    assert!(
        (1_000..3_000).contains(&answer.rows.len()),
        "{}",
        answer.rows.len()
    );
    let finished = engine.lode(["query", "-o", "csv", "--limit", "5", sql])?;
    assert_eq!(finished.text()?.lines().count(), 6);
    assert!(
        finished.stderr.contains("there are more rows"),
        "{}",
        finished.stderr
    );
    Ok(())
}

const ENDLESS: &str =
    "with recursive n as (select 1 as i union all select i % 7 from n) select sum(i) from n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_ends_at_its_deadline_or_with_its_reader() -> Result<()> {
    let engine = Engine::with(Setup {
        args: ["--queries-at-once", "1"].map(str::to_owned).to_vec(),
        ..Setup::default()
    })?;
    let client = engine.client()?;
    let second = Some(prost_types::Duration {
        seconds: 1,
        nanos: 0,
    });
    let mut asked = request(ENDLESS);
    asked.timeout = second;
    let out_of_time = refusal(&client, asked).await;
    assert_eq!(
        (out_of_time.code, &*out_of_time.reason),
        (Code::DeadlineExceeded, "SQL_DEADLINE_EXCEEDED")
    );
    let finished = engine.lode(["query", "--timeout", "1", ENDLESS])?;
    assert!(
        finished.failure()?.contains("--timeout"),
        "{}",
        finished.stderr
    );
    // One that waits for its turn behind another is told so.
    let running = {
        let client = client.clone();
        tokio::spawn(async move { ask(&client, request(ENDLESS)).await })
    };
    let mut waits = request("select 1");
    waits.timeout = second;
    let answer = loop {
        match ask(&client, waits.clone()).await {
            // The other has not begun.
            Ok(_) => tokio::task::yield_now().await,
            Err(error) => break error,
        }
    };
    assert!(answer.has_reason("SQL_DEADLINE_EXCEEDED"), "{answer}");
    // The turn comes back as soon as nobody reads the endless one any more.
    running.abort();
    let mut next = request("select 2");
    next.timeout = Some(prost_types::Duration {
        seconds: 60,
        nanos: 0,
    });
    assert_eq!(ask(&client, next).await?.rows, ["2"]);
    assert_eq!(rows(&client, "select 3").await?, ["3"]);
    let wrong = refusal(
        &client,
        v1::QueryRequest {
            timeout: Some(prost_types::Duration {
                seconds: 90_000,
                nanos: 0,
            }),
            ..request("select 1")
        },
    )
    .await;
    assert_eq!(
        (wrong.code, &*wrong.field),
        (Code::InvalidArgument, "timeout")
    );
    Ok(())
}
