//! Short forms of jobs: a spec, a run to its end, its outputs.

use std::collections::BTreeMap;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;
use arrow_array::RecordBatch;
use lode_client::Client;
use lode_proto::v1;
use lode_proto::v1::input_ref::Source;
use lode_proto::v1::value::Kind;
use lode_proto::v1::watch_job_response::Kind as Event;

use crate::wire;

/// A spec with one input, which is a dataset.
pub fn spec(algorithm: &str, input: &str, dataset_id: &str) -> v1::JobSpec {
    let input_ref = v1::InputRef {
        source: Some(Source::Dataset(wire::dataset(dataset_id))),
        ..v1::InputRef::default()
    };
    v1::JobSpec {
        algorithm: format!("algorithms/{algorithm}"),
        inputs: BTreeMap::from([(input.to_owned(), input_ref)]),
        seed: 1,
        ..v1::JobSpec::default()
    }
}

/// An integer parameter.
pub fn int(value: i64) -> v1::Value {
    v1::Value {
        kind: Some(Kind::IntValue(value)),
    }
}

/// A text parameter.
pub fn text(value: &str) -> v1::Value {
    v1::Value {
        kind: Some(Kind::StringValue(value.to_owned())),
    }
}

/// Queues a job.
///
/// # Errors
/// What the engine says.
pub async fn create(
    client: &Client,
    id: &str,
    spec: v1::JobSpec,
) -> lode_client::Result<v1::CreateJobResponse> {
    let request = v1::CreateJobRequest {
        parent: wire::TENANT.to_owned(),
        job_id: id.to_owned(),
        spec: Some(spec),
        validate_only: false,
    };
    client.create_job(request).await
}

/// Reads a job.
///
/// # Errors
/// What the engine says.
pub async fn get(client: &Client, id: &str) -> Result<v1::Job> {
    let request = v1::GetJobRequest {
        name: wire::job(id),
    };
    client
        .get_job(request)
        .await?
        .job
        .context("GetJob answers with the job")
}

/// Watches a job from the start to its end; gives the finished job and all events.
///
/// # Errors
/// What the engine says, or what is wrong with the events.
pub async fn watch(client: &Client, id: &str) -> Result<(v1::Job, Vec<v1::WatchJobResponse>)> {
    let request = v1::WatchJobRequest {
        name: wire::job(id),
        after_event: 0,
    };
    let mut stream = client.watch_job(request).await?;
    let mut events = Vec::new();
    let mut job = None;
    while let Some(event) = stream.message().await? {
        if let Some(Event::Job(seen)) = &event.kind {
            job = Some(seen.clone());
        }
        events.push(event);
    }
    let job = job.context("a watch ends with the finished job")?;
    if !is_finished(&job) {
        bail!("the watch ended with a job that is {:?}", job.state());
    }
    Ok((job, events))
}

/// Queues a job and waits for its end, however it ends.
///
/// # Errors
/// What the engine says.
pub async fn run_to_end(client: &Client, id: &str, spec: v1::JobSpec) -> Result<v1::Job> {
    create(client, id, spec).await?;
    Ok(watch(client, id).await?.0)
}

/// Queues a job and waits for it to succeed.
///
/// # Errors
/// What the engine says, or why the job failed.
pub async fn run(client: &Client, id: &str, spec: v1::JobSpec) -> Result<v1::Job> {
    let job = run_to_end(client, id, spec).await?;
    if job.state() != v1::JobState::Succeeded {
        let error = job.error.unwrap_or_default();
        bail!("{id} ended: {} {}", error.reason, error.message);
    }
    Ok(job)
}

/// Whether a job has ended.
pub fn is_finished(job: &v1::Job) -> bool {
    matches!(
        job.state(),
        v1::JobState::Succeeded | v1::JobState::Failed | v1::JobState::Cancelled
    )
}

/// Whether a job is running.
pub fn is_running(job: &v1::Job) -> bool {
    job.state() == v1::JobState::Running
}

/// The batches of an output, and its bytes as they came.
///
/// # Errors
/// What the engine says, or what is wrong with its answer.
pub async fn output(client: &Client, name: &str) -> Result<(Vec<RecordBatch>, Vec<u8>)> {
    let request = v1::ReadOutputRequest {
        name: name.to_owned(),
        ..v1::ReadOutputRequest::default()
    };
    let mut stream = client.read_output(request).await?;
    let (mut batches, mut bytes) = (Vec::new(), Vec::new());
    while let Some(message) = stream.message().await? {
        bytes.extend_from_slice(&message.arrow_schema);
        if let Some(chunk) = message.chunk {
            bytes.extend_from_slice(&chunk.data);
            wire::read_chunk(&chunk, &mut batches)?;
        }
    }
    Ok((batches, bytes))
}

/// The output of a job by its short name.
///
/// # Errors
/// When the job has no such output.
pub async fn output_of(client: &Client, job: &v1::Job, name: &str) -> Result<Vec<RecordBatch>> {
    Ok(output(client, &format!("{}/outputs/{name}", job.name))
        .await?
        .0)
}

/// A metric of a job.
///
/// # Errors
/// When the job has no such metric.
pub fn metric(job: &v1::Job, name: &str) -> Result<f64> {
    let found = job.metrics.iter().find(|metric| metric.name == name);
    found.map(|metric| metric.value).with_context(|| {
        let names = job
            .metrics
            .iter()
            .map(|metric| &metric.name)
            .collect::<Vec<_>>();
        format!("expected a metric {name:?}, found {names:?}")
    })
}
