//! A few rows at a time: exactly once, visible at once, by the wire and by the command.

use anyhow::Result;
use lode_client::Client;
use lode_proto::v1;
use lode_tests::Engine;
use lode_tests::wire;
use serde_json::Value;

async fn put(
    client: &Client,
    dataset: &str,
    request: &str,
    lines: &str,
) -> Result<v1::PutRowsResponse> {
    let request = v1::PutRowsRequest {
        dataset: wire::dataset(dataset),
        request_id: request.to_owned(),
        rows: Some(wire::csv_chunk(lines)),
        csv: Some(v1::CsvOptions {
            header: ["customer_id", "amount"].map(str::to_owned).into(),
            delimiter: String::new(),
        }),
        ..v1::PutRowsRequest::default()
    };
    Ok(client.put_rows(request).await?)
}

async fn make(client: &Client, id: &str, kind: v1::DatasetKind) -> Result<()> {
    let columns = vec![
        wire::key("customer_id"),
        wire::column("amount", v1::Type::Int64, v1::Role::Amount),
    ];
    wire::create(client, id, kind, columns).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_are_put_once_also_over_a_crash() -> Result<()> {
    let mut engine = Engine::start()?;
    let client = engine.client()?;
    make(&client, "orders", v1::DatasetKind::Events).await?;
    make(&client, "people", v1::DatasetKind::Customers).await?;
    for dataset in ["orders", "people"] {
        for i in 0..20 {
            let line = format!("c{},{i}\n", i % 10);
            let first = put(&client, dataset, &format!("r{i}"), &line).await?;
            assert_eq!(
                (first.version, first.accepted_rows, first.duplicate),
                (i + 1, 1, false)
            );
            let replaced = u32::from(dataset == "people" && i >= 10);
            assert_eq!(first.replaced_rows, replaced, "{dataset} {i}");
        }
    }
    engine.kill9()?;
    let engine = engine.restart()?;
    let client = engine.client()?;
    for dataset in ["orders", "people"] {
        for i in 0..20 {
            let line = format!("c{},{i}\n", i % 10);
            let again = put(&client, dataset, &format!("r{i}"), &line).await?;
            assert_eq!(
                (again.version, again.accepted_rows, again.duplicate),
                (i + 1, 1, true)
            );
        }
        let refused = put(&client, dataset, "r3", "c3,77\n").await.unwrap_err();
        assert!(format!("{refused:#}").contains("other rows"), "{refused:#}");
        let sql = format!("select count(*), sum(amount) from {dataset}");
        let rows = wire::int_rows(&wire::query(&client, &sql).await?)?;
        let expected = if dataset == "orders" {
            (20, 190)
        } else {
            (10, 145)
        };
        assert_eq!(rows, [[Some(expected.0), Some(expected.1)]], "{dataset}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_rows_are_told_or_refuse_all() -> Result<()> {
    let engine = Engine::start()?;
    let client = engine.client()?;
    make(&client, "orders", v1::DatasetKind::Events).await?;
    let answer = put(&client, "orders", "one", "c1,5\nc2,many\nc3,7\n").await?;
    assert_eq!((answer.accepted_rows, answer.rejected_rows), (2, 1));
    let bad = &answer.rejected[0];
    assert_eq!(
        (bad.row, bad.column.as_str(), bad.reason.as_str()),
        (1, "amount", "NOT_AN_INTEGER")
    );
    let mut request = v1::PutRowsRequest {
        dataset: wire::dataset("orders"),
        request_id: "two".to_owned(),
        rows: Some(wire::csv_chunk("c1,5\nc2,many\n")),
        bad_row_policy: v1::BadRowPolicy::Fail.into(),
        csv: Some(v1::CsvOptions {
            header: ["customer_id", "amount"].map(str::to_owned).into(),
            delimiter: String::new(),
        }),
        ..v1::PutRowsRequest::default()
    };
    let error = client.put_rows(request.clone()).await.unwrap_err();
    assert!(error.has_reason("BAD_ROWS"), "{error}");
    request.rows = Some(wire::csv_chunk(&"c1,5\n".repeat(10_001)));
    let error = client.put_rows(request.clone()).await.unwrap_err();
    assert!(error.has_reason("TOO_MANY_ROWS"), "{error}");
    request.rows = Some(wire::csv_chunk(&"c1,5\n".repeat(300_000)));
    let error = client.put_rows(request).await.unwrap_err();
    assert!(error.has_reason("CHUNK_TOO_LARGE"), "{error}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_puts_json() -> Result<()> {
    let engine = Engine::start()?;
    make(&engine.client()?, "orders", v1::DatasetKind::Events).await?;
    let row = r#"{"customer_id": "c1", "amount": 5}"#;
    let put = |request: &str| -> Result<Value> {
        let args = [
            "put",
            "orders",
            "--row",
            row,
            "--row",
            row,
            "--request-id",
            request,
        ];
        engine.lode(args.into_iter().chain(["-o", "json"]))?.json()
    };
    let first = put("a")?;
    assert_eq!(
        (&first["accepted_rows"], &first["version"]),
        (&2.into(), &1.into())
    );
    assert_eq!(put("a")?["duplicate"], true);
    assert_eq!(put("b")?["version"], 2);
    let answer = engine.lode(["put", "orders", "--row", row])?;
    let text = answer.text()?;
    assert!(
        text.contains("wrote 1 row to orders, now at version 3"),
        "{text}"
    );
    Ok(())
}
