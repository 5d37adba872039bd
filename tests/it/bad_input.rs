//! What an error says: the code, the reason, the field, and a message a person can act on.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use anyhow::Result;
use arrow_array::Int64Array;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use lode_client::Client;
use lode_client::Refusal;
use lode_proto::v1;
use lode_proto::v1::input_ref::Source;
use lode_tests::Engine;
use lode_tests::Setup;
use lode_tests::cli;
use lode_tests::settings;
use lode_tests::wire;
use lode_tests::work;
use tempfile::TempDir;
use tonic::Code;

async fn load_people(client: &Client) -> Result<()> {
    let columns = vec![
        wire::key("who"),
        wire::column("calls", v1::Type::Int64, v1::Role::Unspecified),
    ];
    let batch = RecordBatch::try_from_iter([
        ("who", Arc::new(StringArray::from(vec!["a", "b"])) as _),
        ("calls", Arc::new(Int64Array::from(vec![1, 2])) as _),
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

fn refusal<T: std::fmt::Debug>(answer: lode_client::Result<T>) -> Refusal {
    let error = answer.expect_err("the engine has to refuse");
    error
        .refusal()
        .unwrap_or_else(|| panic!("no refusal: {error}"))
        .clone()
}

/// Checks a refusal and says it, so that a reader of the output can judge the wording.
fn check(what: &str, found: &Refusal, code: Code, reason: &str, field: &str, words: &[&str]) {
    settings::say(&format!(
        "bad_input: {what}: {} [{}] {}",
        found.reason, found.field, found.message
    ));
    assert_eq!(
        (found.code, &*found.reason),
        (code, reason),
        "{what}: {}",
        found.message
    );
    assert!(
        found.field.contains(field),
        "{what}: field {:?}, message {}",
        found.field,
        found.message
    );
    for word in words {
        assert!(
            found.message.contains(word),
            "{what}: no {word:?} in {}",
            found.message
        );
    }
}

#[tokio::test]
async fn a_job_is_checked_before_it_is_queued() -> Result<()> {
    let engine = Engine::start()?;
    let client = engine.client()?;
    load_people(&client).await?;
    let kmeans = || work::spec("segment.kmeans", "customers", "people");
    let refused = async |spec| refusal(work::create(&client, "refused", spec).await);

    let mut spec = kmeans();
    spec.params.insert("kay".to_owned(), work::int(3));
    let found = refused(spec).await;
    check(
        "unknown parameter",
        &found,
        Code::InvalidArgument,
        "UNKNOWN_PARAM",
        "params",
        &["kay"],
    );

    let mut spec = kmeans();
    spec.params.insert("k".to_owned(), work::int(0));
    let found = refused(spec).await;
    check(
        "parameter out of range",
        &found,
        Code::InvalidArgument,
        "PARAM_OUT_OF_RANGE",
        "params.k",
        &["0"],
    );

    let mut spec = kmeans();
    spec.params.insert("k".to_owned(), work::text("many"));
    let found = refused(spec).await;
    check(
        "parameter of a wrong type",
        &found,
        Code::InvalidArgument,
        "PARAM_WRONG_TYPE",
        "params.k",
        &["many"],
    );

    let spec = work::spec("churn.logistic", "customers", "people");
    let found = refused(spec).await;
    check(
        "missing role",
        &found,
        Code::InvalidArgument,
        "MISSING_ROLE",
        "inputs",
        &["label"],
    );

    let spec = work::spec("segment.kmeans", "customers", "nowhere");
    let found = refused(spec).await;
    check(
        "unknown dataset",
        &found,
        Code::NotFound,
        "DATASET_NOT_FOUND",
        "inputs",
        &["nowhere"],
    );

    let spec = work::spec("segment.kmeans", "customer", "people");
    let found = refused(spec).await;
    check(
        "unknown input",
        &found,
        Code::InvalidArgument,
        "UNKNOWN_INPUT",
        "inputs",
        &["customer"],
    );

    let mut spec = kmeans();
    spec.inputs = BTreeMap::new();
    let found = refused(spec).await;
    check(
        "missing input",
        &found,
        Code::InvalidArgument,
        "MISSING_INPUT",
        "inputs",
        &["customers"],
    );

    let found = refused(work::spec("segment.magic", "customers", "people")).await;
    check(
        "unknown algorithm",
        &found,
        Code::NotFound,
        "ALGORITHM_NOT_FOUND",
        "algorithm",
        &["magic"],
    );

    let mut spec = kmeans();
    let input = spec.inputs.get_mut("customers").expect("it has one");
    input.source = Some(Source::Sql(
        "select who as customer_id from peple".to_owned(),
    ));
    let found = refused(spec).await;
    check(
        "unknown table of an input",
        &found,
        Code::NotFound,
        "DATASET_NOT_FOUND",
        "inputs",
        &["peple"],
    );

    let error = work::get(&client, "refused")
        .await
        .expect_err("nothing was queued");
    assert!(error.to_string().contains("refused"), "{error}");
    Ok(())
}

#[tokio::test]
async fn a_query_that_cannot_run_says_why() -> Result<()> {
    let engine = Engine::start()?;
    let client = engine.client()?;
    load_people(&client).await?;
    let refused = async |sql: &str| -> Refusal {
        let error = wire::query(&client, sql).await.expect_err("it cannot run");
        let error: lode_client::Error = error.downcast().expect("an error of the client");
        refusal::<()>(Err(error))
    };
    let found = refused("select 1 +").await;
    check(
        "SQL syntax",
        &found,
        Code::InvalidArgument,
        "SQL_INVALID",
        "sql",
        &["selec"],
    );
    let found = refused("select wo from people").await;
    check(
        "SQL column",
        &found,
        Code::InvalidArgument,
        "SQL_INVALID",
        "sql",
        &["wo"],
    );
    let found = refused("select * from nowhere").await;
    check(
        "SQL table",
        &found,
        Code::NotFound,
        "DATASET_NOT_FOUND",
        "",
        &["nowhere"],
    );
    let found = refused("drop table people").await;
    check(
        "SQL that writes",
        &found,
        Code::InvalidArgument,
        "SQL_NOT_A_QUERY",
        "sql",
        &[],
    );
    let found = refused("copy (select 1) to '/tmp/x.csv'").await;
    check(
        "SQL that writes a file",
        &found,
        Code::InvalidArgument,
        "SQL_NOT_A_QUERY",
        "sql",
        &[],
    );
    let found = refused("select 1 / calls - 1 / (calls - calls) from people").await;
    check(
        "SQL at run time",
        &found,
        Code::InvalidArgument,
        "SQL_FAILED",
        "sql",
        &[],
    );
    Ok(())
}

#[tokio::test]
async fn a_chunk_that_does_not_fit_is_refused() -> Result<()> {
    let engine = Engine::start()?;
    let client = engine.client()?;
    load_people(&client).await?;
    let name = wire::open(&client, "people", "bad").await?.name;
    let batch = RecordBatch::try_from_iter([
        ("who", Arc::new(StringArray::from(vec!["c"])) as _),
        ("calls", Arc::new(StringArray::from(vec!["often"])) as _),
    ])?;
    let good = RecordBatch::try_from_iter([
        ("who", Arc::new(StringArray::from(vec!["c"])) as _),
        ("calls", Arc::new(Int64Array::from(vec![1])) as _),
    ])?;
    let extra = RecordBatch::try_from_iter([
        ("who", Arc::new(StringArray::from(vec!["c"])) as _),
        ("colour", Arc::new(Int64Array::from(vec![1])) as _),
    ])?;
    let mut damaged = wire::arrow_chunk(&good)?;
    damaged.crc32c = Some(1);
    let mut cut = wire::arrow_chunk(&good)?;
    cut.data = cut.data.slice(..cut.data.len() / 2);
    cut.crc32c = None;
    let chunks = [
        (
            "wrong type of a column",
            0,
            wire::arrow_chunk(&batch)?,
            "",
            "calls",
        ),
        (
            "unknown column",
            0,
            wire::arrow_chunk(&extra)?,
            "UNKNOWN_COLUMN",
            "colour",
        ),
        ("checksum", 0, damaged, "CHECKSUM_MISMATCH", "expected"),
        ("cut Arrow stream", 0, cut, "", ""),
        (
            "out of order",
            5,
            wire::arrow_chunk(&good)?,
            "CHUNK_OUT_OF_ORDER",
            "expected",
        ),
    ];
    for (what, seq, chunk, reason, word) in chunks {
        let answers = wire::append(&client, &name, [(seq, chunk)]).await?;
        let error = answers[0]
            .error
            .clone()
            .unwrap_or_else(|| panic!("{what} was taken"));
        settings::say(&format!(
            "bad_input: {what}: {} [{}] {}",
            error.reason, error.field, error.message
        ));
        assert!(!error.reason.is_empty(), "{what}");
        assert!(
            reason.is_empty() || error.reason == reason,
            "{what}: {error:?}"
        );
        assert!(error.message.contains(word), "{what}: {error:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_message_that_is_too_large_is_refused() -> Result<()> {
    let engine = Engine::start()?;
    let client = engine.client()?;
    let info = client.get_server_info(v1::GetServerInfoRequest {}).await?;
    let limit = info
        .limits
        .expect("the server has limits")
        .max_message_bytes;
    let request = v1::QueryRequest {
        parent: wire::TENANT.to_owned(),
        sql: format!("select '{}'", "x".repeat(usize::try_from(limit)? + 1)),
        row_limit: 0,
    };
    let found = refusal(match client.query(request).await {
        Ok(mut stream) => stream.message().await,
        Err(error) => Err(error),
    });
    check(
        "message too large",
        &found,
        Code::ResourceExhausted,
        "MESSAGE_TOO_LARGE",
        "",
        &[],
    );
    Ok(())
}

#[tokio::test]
async fn names_that_are_not_there() -> Result<()> {
    let engine = Engine::start()?;
    let client = engine.client()?;
    let request = v1::GetDatasetRequest {
        name: wire::dataset("nowhere"),
    };
    let found = refusal(client.get_dataset(request).await);
    check(
        "unknown dataset",
        &found,
        Code::NotFound,
        "DATASET_NOT_FOUND",
        "",
        &["nowhere"],
    );
    let request = v1::GetJobRequest {
        name: wire::job("nothing"),
    };
    let found = refusal(client.get_job(request).await);
    check(
        "unknown job",
        &found,
        Code::NotFound,
        "JOB_NOT_FOUND",
        "",
        &["nothing"],
    );
    let request = v1::GetModelRequest {
        name: format!("{}/models/none", wire::TENANT),
    };
    let found = refusal(client.get_model(request).await);
    check(
        "unknown model",
        &found,
        Code::NotFound,
        "MODEL_NOT_FOUND",
        "",
        &["none"],
    );
    let request = v1::GetDatasetRequest {
        name: "tenants/other/datasets/people".to_owned(),
    };
    let found = refusal(client.get_dataset(request).await);
    settings::say(&format!(
        "bad_input: another tenant: {} {}",
        found.reason, found.message
    ));
    Ok(())
}

#[test]
fn the_command_fails_with_what_to_do_next() -> Result<()> {
    let engine = Engine::start()?;
    let folder = TempDir::new()?;
    let file = folder.path().join("people.csv");
    fs::write(&file, "who,calls\na,1\nb,two\n")?;
    let attempts: [&[&str]; 6] = [
        &["dataset", "nowhere"],
        &["query", "select * from nowhere"],
        &["run", "segment.kmeans", "-i", "customers=nowhere"],
        &["job", "nothing"],
        &["output", "nothing", "scores"],
        &["ingest", "people", "no-such-file.csv"],
    ];
    for args in attempts {
        let finished = engine.lode(args)?;
        let stderr = finished.failure()?;
        settings::say(&format!(
            "bad_input: {} -> {:?}: {}",
            finished.line,
            finished.code,
            stderr.trim()
        ));
        assert!(!stderr.trim().is_empty(), "{} said nothing", finished.line);
        assert!(
            !stderr.contains("Error {") && !stderr.contains("Refused("),
            "debug text: {stderr}"
        );
        assert!(
            matches!(finished.code, Some(1..=127)),
            "{:?}",
            finished.code
        );
    }
    let away = cli::lode(["datasets"], Some("http://127.0.0.1:9"))?;
    let stderr = away.failure()?;
    settings::say(&format!("bad_input: no engine: {}", stderr.trim()));
    assert!(
        stderr.contains("lode serve"),
        "it names the next command: {stderr}"
    );
    Ok(())
}

#[test]
fn an_engine_that_cannot_start_says_why() -> Result<()> {
    let folder = TempDir::new()?;
    let data = folder.path().join("data");
    let data = data.to_str().expect("UTF-8");
    let plugins = settings::plugins();
    let plugins = plugins.to_str().expect("UTF-8");
    let args = [
        "serve",
        "--data",
        data,
        "--plugins",
        plugins,
        "--listen",
        "0.0.0.0:0",
    ];
    let finished = cli::lode(args, None)?;
    let stderr = finished.failure()?;
    settings::say(&format!("bad_input: not loopback: {}", stderr.trim()));
    assert!(stderr.contains("loopback"), "{stderr}");

    let engine = Engine::with(Setup {
        data: Some(data.into()),
        ..Setup::default()
    })?;
    let args = [
        "serve",
        "--data",
        data,
        "--plugins",
        plugins,
        "--listen",
        "127.0.0.1:0",
    ];
    let second = cli::lode(args, None)?;
    let stderr = second.failure()?;
    settings::say(&format!("bad_input: data in use: {}", stderr.trim()));
    assert!(stderr.contains(data), "{stderr}");
    drop(engine);
    Ok(())
}
