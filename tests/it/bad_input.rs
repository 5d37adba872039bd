//! What an error says: the code, the reason, the field, and a message a person can act on.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use anyhow::Result;
use arrow_array::ArrayRef;
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

/// All of a refusal in one line.
fn told(found: &Refusal) -> String {
    let code = found.code;
    format!(
        "{code:?} {} [{}] {}",
        found.reason, found.field, found.message
    )
}

#[tokio::test]
async fn a_job_is_checked_before_it_is_queued() -> Result<()> {
    let engine = Engine::start()?;
    let client = engine.client()?;
    load_people(&client).await?;
    let kmeans = || work::spec("segment.kmeans", "customers", "people");
    let with = |name: &str, value: v1::Value| {
        let mut spec = kmeans();
        spec.params.insert(name.to_owned(), value);
        spec
    };
    let mut no_input = kmeans();
    no_input.inputs = BTreeMap::new();
    let mut role_twice = work::spec("churn.logistic", "customers", "people");
    let input = role_twice.inputs.get_mut("customers").expect("it has one");
    input.roles = [v1::Role::CustomerId, v1::Role::Label]
        .map(|role| v1::RoleColumn {
            role: role.into(),
            column: "who".to_owned(),
        })
        .to_vec();
    let mut no_table = kmeans();
    let input = no_table.inputs.get_mut("customers").expect("it has one");
    let sql = "select who as customer_id from peple";
    input.source = Some(Source::Sql(sql.to_owned()));
    let listed = v1::ListAlgorithmsRequest::default();
    let listed = client.algorithms(listed).all().await?;
    let ids: Vec<&str> = listed
        .iter()
        .filter_map(|algorithm| algorithm.name.strip_prefix("algorithms/"))
        .collect();
    let no_algorithm = format!(
        r#"NotFound ALGORITHM_NOT_FOUND [spec.algorithm] no algorithm "segment.magic": expected one of {}"#,
        ids.join(", ")
    );
    let specs = [
        // unknown parameter
        (
            with("kay", work::int(3)),
            r#"InvalidArgument UNKNOWN_PARAM [spec.params.kay] segment.kmeans has no parameter "kay": expected one of columns, k, max_iterations, restarts, tolerance, transform"#,
        ),
        // parameter out of range
        (
            with("k", work::int(0)),
            r#"InvalidArgument PARAM_OUT_OF_RANGE [spec.params.k] parameter "k": expected a value of type integer at least 2 and at most 1000, found 0"#,
        ),
        // parameter of a wrong type
        (
            with("k", work::text("many")),
            r#"InvalidArgument PARAM_WRONG_TYPE [spec.params.k] parameter "k": expected a value of type integer, found "many""#,
        ),
        // missing role
        (
            work::spec("churn.logistic", "customers", "people"),
            r#"InvalidArgument MISSING_ROLE [spec.inputs.customers.roles] input "customers" of churn.logistic needs a column with role label (Whether the customer left: yes/no, true/false or 1/0; empty when not known, of type bool or int64 or string or float64), found none; give the role to one of who, calls"#,
        ),
        // one column in two roles
        (
            role_twice,
            r#"InvalidArgument ROLE_TWICE [spec.inputs.customers.roles] expected a column for each role, found "who" as customer_id and as label"#,
        ),
        // unknown dataset
        (
            work::spec("segment.kmeans", "customers", "nowhere"),
            r#"NotFound DATASET_NOT_FOUND [spec.inputs.customers] dataset "nowhere" does not exist"#,
        ),
        // unknown input
        (
            work::spec("segment.kmeans", "customer", "people"),
            r#"InvalidArgument UNKNOWN_INPUT [spec.inputs.customer] segment.kmeans has no input "customer": expected customers"#,
        ),
        // missing input
        (
            no_input,
            r#"InvalidArgument MISSING_INPUT [spec.inputs.customers] segment.kmeans needs an input "customers": One row a customer; number columns without a role are used"#,
        ),
        // unknown algorithm
        (
            work::spec("segment.magic", "customers", "people"),
            no_algorithm.as_str(),
        ),
        // unknown table of a query
        (
            no_table,
            r#"NotFound DATASET_NOT_FOUND [spec.inputs.customers] no dataset "peple": expected one of people"#,
        ),
    ];
    for (spec, expected) in specs {
        let found = refusal(work::create(&client, "refused", spec).await);
        assert_eq!(told(&found), expected);
    }
    let request = v1::GetJobRequest {
        name: wire::job("refused"),
    };
    let found = refusal(client.get_job(request).await);
    assert_eq!(
        told(&found),
        r#"NotFound JOB_NOT_FOUND [] no job "refused""#
    );
    Ok(())
}

#[tokio::test]
async fn a_query_that_cannot_run_says_why() -> Result<()> {
    let engine = Engine::start()?;
    let client = engine.client()?;
    load_people(&client).await?;
    let queries = [
        (
            "select 1 +",
            "InvalidArgument SQL_INVALID [sql] expected: an expression, found: EOF",
        ),
        (
            "select wo from people",
            r#"InvalidArgument SQL_INVALID [sql] no column "wo"; did you mean "who"?"#,
        ),
        (
            "select * from nowhere",
            r#"NotFound DATASET_NOT_FOUND [] no dataset "nowhere": expected one of people"#,
        ),
        (
            "drop table people",
            "InvalidArgument SQL_NOT_A_QUERY [sql] expected one SELECT, found DROP",
        ),
        (
            "copy (select 1) to 'file.csv'",
            "InvalidArgument SQL_NOT_A_QUERY [sql] expected one SELECT, found COPY",
        ),
        (
            "select 1 / (calls - calls) from people",
            "InvalidArgument SQL_FAILED [sql] expected a divisor other than zero, found zero; nullif(x, 0) gives null then",
        ),
    ];
    for (sql, expected) in queries {
        let error = wire::query(&client, sql).await.expect_err("it cannot run");
        let error: lode_client::Error = error.downcast().expect("an error of the client");
        assert_eq!(told(&refusal::<()>(Err(error))), expected, "{sql}");
    }
    Ok(())
}

#[tokio::test]
async fn a_chunk_that_does_not_fit_is_refused() -> Result<()> {
    let engine = Engine::start()?;
    let client = engine.client()?;
    load_people(&client).await?;
    let name = wire::open(&client, "people", "bad").await?.name;
    let chunk = |column: &str, values: ArrayRef| -> Result<v1::Chunk> {
        let who: ArrayRef = Arc::new(StringArray::from(vec!["c"]));
        wire::arrow_chunk(&RecordBatch::try_from_iter([
            ("who", who),
            (column, values),
        ])?)
    };
    let number = || -> ArrayRef { Arc::new(Int64Array::from(vec![1])) };
    let text = Arc::new(StringArray::from(vec!["often"]));
    let mut damaged = chunk("calls", number())?;
    damaged.crc32c = Some(1);
    let mut cut = chunk("calls", number())?;
    cut.data = cut.data.slice(..cut.data.len() / 2);
    cut.crc32c = None;
    let chunks = [
        // wrong type of a column
        (
            0,
            chunk("calls", text)?,
            r#"InvalidArgument WRONG_TYPE [calls] column "calls": expected int64, found Utf8"#,
        ),
        // unknown column
        (
            0,
            chunk("colour", number())?,
            r#"InvalidArgument UNKNOWN_COLUMN [colour] expected a column of the dataset ("who", "calls"), found "colour""#,
        ),
        // wrong checksum
        (
            0,
            damaged,
            "DataLoss CHECKSUM_MISMATCH [chunk.crc32c] chunk 0: expected CRC-32C 00000001, found ",
        ),
        // cut in the middle
        (
            0,
            cut,
            "InvalidArgument CHUNK_INVALID [] expected an Arrow IPC stream; found ",
        ),
        // out of order
        (
            5,
            chunk("calls", number())?,
            "FailedPrecondition CHUNK_OUT_OF_ORDER [seq] expected chunk 0, found chunk 5",
        ),
    ];
    for (seq, chunk, expected) in chunks {
        let answers = wire::append(&client, &name, [(seq, chunk)]).await?;
        let error = answers[0]
            .error
            .clone()
            .unwrap_or_else(|| panic!("{seq} was taken"));
        let error = lode_client::Error::from(error);
        let told = told(&refusal::<()>(Err(error)));
        // Sums and lengths at the end follow from how Arrow lays out the chunk.
        assert!(told.starts_with(expected), "{told}");
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
        sql: format!("select '{}'", "x".repeat(usize::try_from(limit)?)),
        ..Default::default()
    };
    let found = refusal(match client.query(request).await {
        Ok(mut stream) => stream.message().await,
        Err(error) => Err(error),
    });
    assert_eq!(
        (found.code, &*found.reason),
        (Code::ResourceExhausted, "MESSAGE_TOO_LARGE")
    );
    assert!(
        found.message.contains(&limit.to_string()),
        "{}",
        found.message
    );
    Ok(())
}

#[tokio::test]
async fn a_name_that_is_not_there_is_told() -> Result<()> {
    let engine = Engine::start()?;
    let client = engine.client()?;
    let request = v1::GetDatasetRequest {
        name: wire::dataset("nowhere"),
    };
    let found = refusal(client.get_dataset(request).await);
    assert_eq!(
        told(&found),
        r#"NotFound DATASET_NOT_FOUND [] dataset "nowhere" does not exist"#
    );
    let request = v1::GetModelRequest {
        name: format!("{}/models/none", wire::TENANT),
    };
    let found = refusal(client.get_model(request).await);
    assert_eq!(
        told(&found),
        r#"NotFound MODEL_NOT_FOUND [model] no model "none""#
    );
    let request = v1::GetDatasetRequest {
        name: "tenants/other/datasets/people".to_owned(),
    };
    let found = refusal(client.get_dataset(request).await);
    assert_eq!(
        told(&found),
        r#"InvalidArgument INVALID_NAME [name] expected a name of the form tenants/default/datasets/{dataset}, found "tenants/other/datasets/people""#
    );
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
