//! Jobs: cancel, deadline, memory, watching again, restart, pinned inputs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use arrow_array::Int64Array;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use lode_client::Client;
use lode_proto::v1;
use lode_tests::Engine;
use lode_tests::Setup;
use lode_tests::settings;
use lode_tests::wire;
use lode_tests::work;

fn with_faulty() -> Setup {
    Setup {
        plugins: Some(settings::faulty_plugins()),
        ..Setup::default()
    }
}

/// A job of the plugin that misbehaves, over the dataset `rows`.
fn faulty(mode: &str, ms: i64) -> v1::JobSpec {
    v1::JobSpec {
        params: BTreeMap::from([
            ("mode".to_owned(), work::text(mode)),
            ("ms".to_owned(), work::int(ms)),
        ]),
        ..work::spec("faulty.fit", "rows", "rows")
    }
}

async fn load_rows(client: &Client, load: &str, n_rows: i64) -> Result<()> {
    let columns = vec![
        wire::column("customer", v1::Type::String, v1::Role::CustomerId),
        wire::column("n", v1::Type::Int64, v1::Role::Unspecified),
    ];
    wire::create(client, "rows", v1::DatasetKind::Events, columns).await?;
    let names = (0..n_rows)
        .map(|n| Some(format!("c{n}")))
        .collect::<StringArray>();
    let batch = RecordBatch::try_from_iter([
        ("customer", Arc::new(names) as _),
        ("n", Arc::new(Int64Array::from_iter_values(0..n_rows)) as _),
    ])?;
    let name = wire::open(client, "rows", load).await?.name;
    wire::append(client, &name, [(0, wire::arrow_chunk(&batch)?)]).await?;
    wire::commit(client, &name, 1).await?;
    Ok(())
}

/// Waits until a job runs.
async fn await_running(client: &Client, id: &str) -> Result<()> {
    while !work::is_running(&work::get(client, id).await?) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

fn reason(job: &v1::Job) -> &str {
    job.error.as_ref().map_or("", |error| &error.reason)
}

#[tokio::test]
async fn a_job_is_cancelled_whether_it_listens_or_not() -> Result<()> {
    let engine = Engine::with(with_faulty())?;
    let client = engine.client()?;
    load_rows(&client, "a", 10).await?;
    for mode in ["sleep", "ignore_cancel", "loop"] {
        work::create(&client, mode, faulty(mode, 60_000)).await?;
        await_running(&client, mode).await?;
        let request = v1::CancelJobRequest {
            name: wire::job(mode),
        };
        client.cancel_job(request.clone()).await?;
        let (job, _) = work::watch(&client, mode).await?;
        assert_eq!(job.state(), v1::JobState::Cancelled, "{mode}");
        assert_eq!(reason(&job), "JOB_CANCELLED", "{mode}");
        client.cancel_job(request).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_job_is_cancelled_while_it_waits() -> Result<()> {
    let engine = Engine::with(with_faulty())?;
    let client = engine.client()?;
    load_rows(&client, "a", 10).await?;
    // More jobs than any engine runs at once: the last one waits.
    for number in 0..32 {
        work::create(&client, &format!("long-{number}"), faulty("sleep", 60_000)).await?;
    }
    let last = work::get(&client, "long-31").await?;
    assert_eq!(last.state(), v1::JobState::Queued);
    for number in (0..32).rev() {
        let name = wire::job(&format!("long-{number}"));
        client.cancel_job(v1::CancelJobRequest { name }).await?;
    }
    for number in 0..32 {
        let (job, _) = work::watch(&client, &format!("long-{number}")).await?;
        assert_eq!(job.state(), v1::JobState::Cancelled);
    }
    Ok(())
}

#[tokio::test]
async fn a_deadline_ends_a_job() -> Result<()> {
    let engine = Engine::with(with_faulty())?;
    let client = engine.client()?;
    load_rows(&client, "a", 10).await?;
    for mode in ["sleep", "loop"] {
        let mut spec = faulty(mode, 60_000);
        spec.limits = Some(v1::JobLimits {
            timeout: Some(prost_types::Duration {
                seconds: 0,
                nanos: 300_000_000,
            }),
            ..v1::JobLimits::default()
        });
        let job = work::run_to_end(&client, mode, spec).await?;
        assert_eq!(job.state(), v1::JobState::Failed, "{mode}");
        assert_eq!(reason(&job), "JOB_DEADLINE_EXCEEDED", "{mode}");
    }
    Ok(())
}

#[tokio::test]
async fn a_watch_goes_on_where_it_stopped() -> Result<()> {
    let engine = Engine::with(with_faulty())?;
    let client = engine.client()?;
    load_rows(&client, "a", 10).await?;
    work::run(&client, "short", faulty("sleep", 50)).await?;
    let (_, events) = work::watch(&client, "short").await?;
    let numbers = events.iter().map(|event| event.event).collect::<Vec<_>>();
    let expected = (1..).take(numbers.len()).collect::<Vec<u64>>();
    assert_eq!(numbers, expected);
    assert!(numbers.len() >= 4, "{events:?}");
    let request = v1::WatchJobRequest {
        name: wire::job("short"),
        after_event: 2,
    };
    let mut stream = client.watch_job(request).await?;
    let mut again = Vec::new();
    while let Some(event) = stream.message().await? {
        again.push(event);
    }
    assert_eq!(again, events[2..]);
    Ok(())
}

#[tokio::test]
async fn a_job_outlives_its_client_and_its_engine() -> Result<()> {
    let engine = Engine::with(with_faulty())?;
    {
        let client = engine.client()?;
        load_rows(&client, "a", 10).await?;
        work::create(&client, "kept", faulty("sleep", 1_500)).await?;
        await_running(&client, "kept").await?;
    }
    let engine = engine.restart()?;
    let client = engine.client()?;
    let (job, _) = work::watch(&client, "kept").await?;
    assert_eq!(job.state(), v1::JobState::Succeeded, "{:?}", job.error);
    let provenance = job.provenance.expect("a finished job has it");
    assert_eq!(provenance.attempts, 2);
    Ok(())
}

#[tokio::test]
async fn a_commit_does_not_change_the_inputs_of_a_job_that_waits_or_runs() -> Result<()> {
    let engine = Engine::with(with_faulty())?;
    let client = engine.client()?;
    load_rows(&client, "a", 10).await?;
    let ids = (0..6)
        .map(|number| format!("pinned-{number}"))
        .collect::<Vec<_>>();
    for id in &ids {
        work::create(&client, id, faulty("sleep", 300)).await?;
    }
    load_rows(&client, "b", 7).await?;
    for id in &ids {
        let (job, _) = work::watch(&client, id).await?;
        assert_eq!(job.state(), v1::JobState::Succeeded, "{:?}", job.error);
        assert!(
            (work::metric(&job, "rows")? - 10.0).abs() < 0.5,
            "{:?}",
            job.metrics
        );
        let provenance = job.provenance.expect("a finished job has it");
        assert_eq!(provenance.inputs[0].version, 1);
    }
    let job = work::run(&client, "later", faulty("ok", 0)).await?;
    assert!(
        (work::metric(&job, "rows")? - 17.0).abs() < 0.5,
        "{:?}",
        job.metrics
    );
    Ok(())
}

#[tokio::test]
async fn the_same_id_with_the_same_spec_is_the_same_job() -> Result<()> {
    let engine = Engine::with(with_faulty())?;
    let client = engine.client()?;
    load_rows(&client, "a", 10).await?;
    let first = work::create(&client, "one", faulty("ok", 1)).await?;
    let second = work::create(&client, "one", faulty("ok", 1)).await?;
    assert!(!first.replayed && second.replayed);
    let error = work::create(&client, "one", faulty("ok", 2))
        .await
        .expect_err("another spec");
    assert!(error.has_reason("JOB_EXISTS"), "{error}");
    work::watch(&client, "one").await?;
    Ok(())
}

#[tokio::test]
async fn a_dataset_in_use_stays_and_a_finished_job_goes() -> Result<()> {
    let engine = Engine::with(with_faulty())?;
    let client = engine.client()?;
    load_rows(&client, "a", 10).await?;
    work::create(&client, "reader", faulty("sleep", 60_000)).await?;
    await_running(&client, "reader").await?;
    let delete = || v1::DeleteDatasetRequest {
        name: wire::dataset("rows"),
        allow_missing: false,
    };
    let error = client
        .delete_dataset(delete())
        .await
        .expect_err("a job reads it");
    assert!(error.has_reason("DATASET_IN_USE"), "{error}");
    let request = || v1::DeleteJobRequest {
        name: wire::job("reader"),
    };
    let error = client.delete_job(request()).await.expect_err("it runs");
    assert!(error.has_reason("JOB_NOT_FINISHED"), "{error}");
    let name = wire::job("reader");
    client.cancel_job(v1::CancelJobRequest { name }).await?;
    work::watch(&client, "reader").await?;
    client.delete_job(request()).await?;
    client.delete_dataset(delete()).await?;
    Ok(())
}
