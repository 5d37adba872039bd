//! The load protocol: exactly once, in order, whole or not at all.

use std::sync::Arc;

use anyhow::Result;
use arrow_array::Int64Array;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use lode_client::Client;
use lode_proto::v1;
use lode_tests::Engine;
use lode_tests::wire;

/// Chunk `seq` of the tests: ten rows that no other chunk has.
fn chunk(seq: u64) -> Result<v1::Chunk> {
    let first = i64::try_from(seq)? * 10;
    let rows = Int64Array::from_iter_values(first..first + 10);
    let names = (first..first + 10).map(|n| Some(format!("c{n}")));
    let batch = RecordBatch::try_from_iter([
        ("customer", Arc::new(names.collect::<StringArray>()) as _),
        ("n", Arc::new(rows) as _),
    ])?;
    wire::arrow_chunk(&batch)
}

async fn create_events(client: &Client) -> Result<()> {
    let columns = vec![
        wire::column("customer", v1::Type::String, v1::Role::CustomerId),
        wire::column("n", v1::Type::Int64, v1::Role::Unspecified),
    ];
    wire::create(client, "events", v1::DatasetKind::Events, columns).await
}

async fn append_range(
    client: &Client,
    name: &str,
    seqs: std::ops::Range<u64>,
) -> Result<Vec<v1::AppendChunksResponse>> {
    let chunks = seqs
        .map(|seq| Ok((seq, chunk(seq)?)))
        .collect::<Result<Vec<_>>>()?;
    wire::append(client, name, chunks).await
}

fn reason(answer: &v1::AppendChunksResponse) -> &str {
    answer.error.as_ref().map_or("", |error| &error.reason)
}

#[tokio::test]
async fn a_load_resumes_after_a_kill_and_ends_exactly_once() -> Result<()> {
    let engine = Engine::start()?;
    let client = engine.client()?;
    create_events(&client).await?;
    let name = wire::open(&client, "events", "one").await?.name;
    let answers = append_range(&client, &name, 0..3).await?;
    assert_eq!(answers.len(), 3);

    let engine = engine.restart()?;
    let client = engine.client()?;
    let ingest = wire::open(&client, "events", "one").await?;
    assert_eq!(ingest.next_seq, 3);
    assert_eq!(ingest.source_position, b"2");
    assert_eq!(ingest.accepted_rows, 30);

    // A client that has lost its place sends everything again.
    let answers = append_range(&client, &name, 0..6).await?;
    let duplicates = answers
        .iter()
        .map(|answer| answer.duplicate)
        .collect::<Vec<_>>();
    assert_eq!(duplicates, [true, true, true, false, false, false]);
    let sql = "select count(*) from events";
    assert_eq!(
        wire::query_int(&client, sql).await?,
        0,
        "visible before the commit"
    );
    let committed = wire::commit(&client, &name, 6).await?;
    assert_eq!(committed.state(), v1::IngestState::Committed);
    assert_eq!(committed.accepted_rows, 60);

    let engine = engine.restart()?;
    let client = engine.client()?;
    assert_eq!(wire::query_int(&client, sql).await?, 60);
    let sql = "select count(distinct n) from events";
    assert_eq!(wire::query_int(&client, sql).await?, 60);
    Ok(())
}

#[tokio::test]
async fn a_gap_and_a_damaged_chunk_are_refused_and_the_stream_goes_on() -> Result<()> {
    let engine = Engine::start()?;
    let client = engine.client()?;
    create_events(&client).await?;
    let name = wire::open(&client, "events", "one").await?.name;
    let mut damaged = chunk(1)?;
    damaged.crc32c = damaged.crc32c.map(|sum| sum ^ 1);
    let chunks = [
        (0, chunk(0)?),
        (2, chunk(2)?),
        (1, damaged),
        (1, chunk(1)?),
        (2, chunk(2)?),
    ];
    let answers = wire::append(&client, &name, chunks).await?;
    let reasons = answers.iter().map(reason).collect::<Vec<_>>();
    assert_eq!(
        reasons,
        ["", "CHUNK_OUT_OF_ORDER", "CHECKSUM_MISMATCH", "", ""]
    );
    let gap = &answers[1].error.as_ref().expect("refused").message;
    assert!(gap.contains("expected") && gap.contains('1'), "{gap}");
    wire::commit(&client, &name, 3).await?;
    assert_eq!(
        wire::query_int(&client, "select sum(n) from events").await?,
        29 * 30 / 2
    );
    Ok(())
}

#[tokio::test]
async fn a_commit_counts_the_chunks_and_may_be_repeated() -> Result<()> {
    let engine = Engine::start()?;
    let client = engine.client()?;
    create_events(&client).await?;
    let name = wire::open(&client, "events", "one").await?.name;
    append_range(&client, &name, 0..2).await?;
    let request = v1::CommitIngestRequest {
        name: name.clone(),
        chunk_count: 3,
    };
    let error = client
        .commit_ingest(request)
        .await
        .expect_err("a chunk is missing");
    assert!(error.has_reason("CHUNKS_MISSING"), "{error}");
    let first = wire::commit(&client, &name, 2).await?;
    let second = wire::commit(&client, &name, 2).await?;
    assert_eq!(first, second);
    assert_eq!(first.version, 1);
    Ok(())
}

#[tokio::test]
async fn an_aborted_load_leaves_nothing() -> Result<()> {
    let engine = Engine::start()?;
    let client = engine.client()?;
    create_events(&client).await?;
    let name = wire::open(&client, "events", "one").await?.name;
    append_range(&client, &name, 0..2).await?;
    for _ in 0..2 {
        let request = v1::AbortIngestRequest { name: name.clone() };
        let ingest = client.abort_ingest(request).await?.ingest.expect("answers");
        assert_eq!(ingest.state(), v1::IngestState::Aborted);
    }
    let request = v1::CommitIngestRequest {
        name,
        chunk_count: 2,
    };
    client
        .commit_ingest(request)
        .await
        .expect_err("it was aborted");
    assert_eq!(
        wire::query_int(&client, "select count(*) from events").await?,
        0
    );
    Ok(())
}

#[tokio::test]
async fn the_same_id_with_other_options_is_another_load() -> Result<()> {
    let engine = Engine::start()?;
    let client = engine.client()?;
    create_events(&client).await?;
    wire::open(&client, "events", "one").await?;
    let options = v1::OpenIngestRequest {
        dataset: wire::dataset("events"),
        ingest_id: "one".to_owned(),
        max_rejected_rows: 7,
        ..v1::OpenIngestRequest::default()
    };
    let error = client
        .open_ingest(options)
        .await
        .expect_err("other options");
    assert!(error.has_reason("INGEST_EXISTS"), "{error}");
    Ok(())
}

fn csv_options(policy: v1::BadRowPolicy) -> v1::OpenIngestRequest {
    v1::OpenIngestRequest {
        bad_row_policy: policy.into(),
        csv: Some(v1::CsvOptions {
            header: vec!["customer".to_owned(), "n".to_owned()],
            delimiter: String::new(),
        }),
        ..v1::OpenIngestRequest::default()
    }
}

#[tokio::test]
async fn a_bad_row_is_kept_aside_and_an_empty_value_is_none() -> Result<()> {
    let engine = Engine::start()?;
    let client = engine.client()?;
    create_events(&client).await?;
    let options = csv_options(v1::BadRowPolicy::Quarantine);
    let name = wire::open_with(&client, "events", "one", options)
        .await?
        .name;
    let lines = "c1,1\n,2\nc3,three\nc4,4\nc4,4\n";
    let answers = wire::append(&client, &name, [(0, wire::csv_chunk(lines))]).await?;
    assert_eq!(answers[0].error, None);
    assert_eq!((answers[0].accepted_rows, answers[0].rejected_rows), (4, 1));
    let ingest = wire::commit(&client, &name, 1).await?;
    assert_eq!(
        (
            ingest.accepted_rows,
            ingest.rejected_rows,
            ingest.repeated_rows
        ),
        (4, 1, 1)
    );
    let request = v1::ListRejectedRowsRequest {
        parent: name,
        ..v1::ListRejectedRowsRequest::default()
    };
    let rejected = client.rejected_rows(request).all().await?;
    assert_eq!(rejected.len(), 1);
    assert_eq!((rejected[0].seq, rejected[0].row), (0, 2));
    assert_eq!(rejected[0].column, "n");
    assert_eq!(rejected[0].reason, "NOT_AN_INTEGER");
    assert!(
        rejected[0].row_json.contains("three"),
        "{}",
        rejected[0].row_json
    );
    let sql = "select count(*) from events where customer is null";
    assert_eq!(wire::query_int(&client, sql).await?, 1);
    Ok(())
}

#[tokio::test]
async fn a_bad_row_refuses_its_chunk_where_the_load_says_so() -> Result<()> {
    let engine = Engine::start()?;
    let client = engine.client()?;
    create_events(&client).await?;
    let options = csv_options(v1::BadRowPolicy::Fail);
    let name = wire::open_with(&client, "events", "one", options)
        .await?
        .name;
    let chunks = [
        (0, wire::csv_chunk("c1,1\nc2,two\n")),
        (0, wire::csv_chunk("c1,1\nc2,2\n")),
    ];
    let answers = wire::append(&client, &name, chunks).await?;
    let error = answers[0].error.as_ref().expect("refused");
    assert!(
        error.message.contains('n') && error.message.contains("two"),
        "{}",
        error.message
    );
    assert_eq!(answers[1].accepted_rows, 2);
    let ingest = wire::commit(&client, &name, 1).await?;
    assert_eq!((ingest.accepted_rows, ingest.rejected_rows), (2, 0));
    Ok(())
}

#[tokio::test]
async fn the_latest_row_of_a_customer_wins() -> Result<()> {
    let engine = Engine::start()?;
    let client = engine.client()?;
    let columns = || {
        vec![
            wire::key("customer"),
            wire::column("n", v1::Type::Int64, v1::Role::Unspecified),
        ]
    };
    wire::create(&client, "people", v1::DatasetKind::Customers, columns()).await?;
    for (load, lines) in [("a", "c1,1\nc2,2\n"), ("b", "c2,20\nc3,30\nc3,31\n")] {
        let options = csv_options(v1::BadRowPolicy::Quarantine);
        let name = wire::open_with(&client, "people", load, options)
            .await?
            .name;
        wire::append(&client, &name, [(0, wire::csv_chunk(lines))]).await?;
        let ingest = wire::commit(&client, &name, 1).await?;
        if load == "b" {
            assert_eq!(ingest.version, 2);
            assert!(ingest.replaced_rows >= 1, "{ingest:?}");
        }
    }
    let batches = wire::query(&client, "select customer, n from people order by customer").await?;
    assert_eq!(wire::texts(&batches, "customer")?, ["c1", "c2", "c3"]);
    assert_eq!(wire::numbers(&batches, "n")?, [1.0, 20.0, 31.0]);
    Ok(())
}
