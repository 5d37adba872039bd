//! Jobs that start from an earlier model: what they keep of it, and what is refused.

use std::sync::Arc;

use anyhow::Result;
use arrow_array::Float64Array;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use lode_client::Client;
use lode_proto::v1;
use lode_tests::Answer;
use lode_tests::Engine;
use lode_tests::Setup;
use lode_tests::answer::has_compiler;
use lode_tests::wire;
use lode_tests::work;
use tempfile::TempDir;

/// Customers of three kinds, a half, a third and a sixth of all.
const KINDS: [(f64, f64); 6] = [
    (10.0, 1.0),
    (10.0, 1.0),
    (10.0, 1.0),
    (50.0, 9.0),
    (50.0, 9.0),
    (90.0, 2.0),
];

/// A dataset of these customers, who spend `factor` times as much.
async fn load(client: &Client, id: &str, customers: &[usize], factor: f64) -> Result<()> {
    let ids: StringArray = customers.iter().map(|n| Some(format!("c{n:03}"))).collect();
    let near = |n: &usize| (n * 7 % 10) as f64 / 10.0;
    let spend = customers
        .iter()
        .map(|n| factor * (KINDS[n % 6].0 + near(n)))
        .collect::<Float64Array>();
    let visits = customers
        .iter()
        .map(|n| KINDS[n % 6].1 + near(n) / 3.0)
        .collect::<Float64Array>();
    let columns = vec![
        wire::key("customer"),
        wire::column("spend", v1::Type::Float64, v1::Role::Unspecified),
        wire::column("visits", v1::Type::Float64, v1::Role::Unspecified),
    ];
    let batch = RecordBatch::try_from_iter_with_nullable([
        ("customer", Arc::new(ids) as _, true),
        ("spend", Arc::new(spend) as _, true),
        ("visits", Arc::new(visits) as _, true),
    ])?;
    wire::load(client, id, v1::DatasetKind::Customers, columns, &[batch]).await
}

fn kmeans(dataset: &str, base_model: &str) -> v1::JobSpec {
    let mut spec = work::spec("segment.kmeans", "customers", dataset);
    spec.params.insert("k".to_owned(), work::int(3));
    spec.base_model = base_model.to_owned();
    spec
}

/// Customer and segment of each row.
async fn segments(client: &Client, job: &v1::Job) -> Result<Vec<(String, String)>> {
    let rows = work::output_of(client, job, "segments").await?;
    let ids = wire::texts(&rows, "customer_id")?;
    Ok(ids
        .into_iter()
        .zip(wire::texts(&rows, "segment")?)
        .collect())
}

fn refusal(error: &lode_client::Error) -> (String, String) {
    let refusal = error.refusal().expect("the engine answers");
    (refusal.reason.clone(), refusal.field.clone())
}

#[tokio::test]
async fn segments_keep_their_numbers_from_month_to_month() -> Result<()> {
    let engine = Engine::start()?;
    let client = engine.client()?;
    let all: Vec<usize> = (0..300).collect();
    load(&client, "may", &all, 1.0).await?;
    // Most of the largest kind have left, and everyone spends more.
    let left = |n: &usize| n % 6 < 3 && !n.is_multiple_of(12);
    let stayed: Vec<usize> = (0..300).filter(|n| !left(n)).collect();
    load(&client, "june", &stayed, 1.2).await?;

    let may = work::run(&client, "may", kmeans("may", "")).await?;
    let model = may.models[0].clone();
    let again = work::run(&client, "again", kmeans("may", &model)).await?;
    assert!((work::metric(&again, "iterations")? - 1.0).abs() < f64::EPSILON);
    let inertia = work::metric(&may, "inertia")?;
    assert!((work::metric(&again, "inertia")? - inertia).abs() <= f64::EPSILON * inertia);
    assert_eq!(
        segments(&client, &again).await?,
        segments(&client, &may).await?
    );

    let june = work::run(&client, "june", kmeans("june", &model)).await?;
    let before: std::collections::BTreeMap<_, _> =
        segments(&client, &may).await?.into_iter().collect();
    for (customer, segment) in segments(&client, &june).await? {
        assert_eq!(segment, before[&customer], "{customer}");
    }
    // Without it the largest kind of June would be number 1.
    let anew = work::run(&client, "anew", kmeans("june", "")).await?;
    assert_ne!(
        segments(&client, &anew).await?,
        segments(&client, &june).await?
    );

    // What it started from is part of what made it.
    assert_eq!(june.spec.clone().unwrap_or_default().base_model, model);
    let request = v1::GetModelRequest {
        name: model.clone(),
    };
    let base = client.get_model(request).await?.model.unwrap_or_default();
    let sha256 = |job: &v1::Job| job.provenance.clone().unwrap_or_default().base_model_sha256;
    assert_eq!(sha256(&june), base.sha256);
    assert_eq!(sha256(&may), "");

    let mut other = kmeans("june", &model);
    other.params.insert("k".to_owned(), work::int(4));
    let failed = work::run_to_end(&client, "four", other).await?;
    let error = failed.error.unwrap_or_default();
    assert_eq!(
        (error.reason.as_str(), error.field.as_str()),
        ("PARAMS_INVALID", "params.k")
    );
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_a_start_is_refused_before_the_job_is_queued() -> Result<()> {
    let engine = Engine::start()?;
    let client = engine.client()?;
    load(&client, "people", &(0..60).collect::<Vec<_>>(), 1.0).await?;
    let made = work::run(&client, "made", kmeans("people", "")).await?;
    let model = made.models[0].clone();
    let mut rfm = work::spec("segment.rfm", "events", "people");
    rfm.base_model.clone_from(&model);
    let mut bad_name = kmeans("people", "");
    bad_name.base_model = "made".to_owned();
    let nobody = model.replace("made", "nobody");
    for (spec, reason) in [
        (rfm, "NO_WARM_START"),
        (bad_name, "INVALID_NAME"),
        (kmeans("people", &nobody), "MODEL_NOT_FOUND"),
    ] {
        let error = work::create(&client, "x", spec).await.expect_err(reason);
        let expected = (reason.to_owned(), "spec.base_model".to_owned());
        assert_eq!(refusal(&error), expected, "{error}");
    }
    // A model that was deleted is none.
    let request = v1::DeleteJobRequest {
        name: made.name.clone(),
    };
    client.delete_job(request).await?;
    let error = work::create(&client, "x", kmeans("people", &model)).await;
    assert_eq!(
        refusal(&error.expect_err("it is gone")).0,
        "MODEL_NOT_FOUND"
    );
    Ok(())
}

#[tokio::test]
async fn a_model_stays_while_a_job_starts_from_it() -> Result<()> {
    if !has_compiler("warm_start: a model in use") {
        return Ok(());
    }
    let folder = TempDir::new()?;
    let file = folder.path().join("answer.so");
    let plugin = Answer {
        spare: true,
        ..Answer::default()
    };
    plugin.build(&file)?;
    let engine = Engine::with(Setup {
        plugins: Some(folder.path().to_owned()),
        ..Setup::default()
    })?;
    let client = engine.client()?;
    let spec = |algorithm: &str, mode: &str, base: &str| {
        let mut spec = work::spec(algorithm, "rows", "none");
        spec.inputs.clear();
        spec.params.insert("mode".to_owned(), work::text(mode));
        spec.base_model = base.to_owned();
        spec
    };
    let base = work::run(&client, "base", spec("answer.one", "ok", "")).await?;
    let model = base.models[0].clone();
    let delete = || v1::DeleteJobRequest {
        name: base.name.clone(),
    };
    work::create(&client, "slow", spec("answer.one", "slow", &model)).await?;
    let error = client.delete_job(delete()).await.expect_err("it is needed");
    assert_eq!(refusal(&error).0, "JOB_IN_USE");
    assert!(error.to_string().contains("starts from a model"), "{error}");
    let (slow, _) = work::watch(&client, "slow").await?;
    // The plugin got the bytes of the model: its first one is the format.
    assert!((work::metric(&slow, "base")? - 1.0).abs() < f64::EPSILON);

    // So it does after a crash of the engine.
    work::create(&client, "again", spec("answer.one", "slow", &model)).await?;
    while !work::is_running(&work::get(&client, "again").await?) {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let engine = engine.restart()?;
    let client = engine.client()?;
    let error = client.delete_job(delete()).await.expect_err("still needed");
    assert_eq!(refusal(&error).0, "JOB_IN_USE");
    let (again, _) = work::watch(&client, "again").await?;
    assert!((work::metric(&again, "base")? - 1.0).abs() < f64::EPSILON);
    assert_eq!(again.provenance.unwrap_or_default().attempts, 2);

    // Of another algorithm, of no use as a start, or in a format that is not read.
    let beside = base.models[1].clone();
    for (spec, reason) in [
        (spec("answer.two", "ok", &model), "WRONG_ALGORITHM"),
        (spec("answer.one", "ok", &beside), "NOT_MAIN_MODEL"),
    ] {
        let error = work::create(&client, "x", spec).await.expect_err(reason);
        let expected = (reason.to_owned(), "spec.base_model".to_owned());
        assert_eq!(refusal(&error), expected, "{error}");
    }
    Answer {
        version: "2.0",
        format: 2,
        ..plugin
    }
    .build(&file)?;
    let request = v1::LoadPluginRequest {
        file_name: "answer.so".to_owned(),
    };
    client.load_plugin(request).await?;
    let error = work::create(&client, "x", spec("answer.one", "ok", &model)).await;
    let error = error.expect_err("of another format");
    assert_eq!(refusal(&error).0, "MODEL_INCOMPATIBLE");
    assert!(error.to_string().contains("of format 1"), "{error}");
    client.delete_job(delete()).await?;
    Ok(())
}
