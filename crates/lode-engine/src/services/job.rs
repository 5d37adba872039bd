//! JobService: create, watch, cancel and read jobs.

mod batch;
mod evaluation;
mod offering;
mod spec;
mod training;
mod tuning;

pub(super) use spec::millis;

use std::sync::Arc;

use lode_jobs::Event;
use lode_jobs::EventKind;
use lode_jobs::Job;
use lode_jobs::JobState;
use lode_jobs::Metric;
use lode_jobs::Progress;
use lode_jobs::Provenance;
use lode_proto::convert;
use lode_proto::names;
use lode_proto::v1;
use lode_proto::v1::job_service_server::JobService;
use lode_types::Fault;
use lode_types::JobId;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Request;
use tonic::Response;
use tonic::Status;

use super::Shared;
use super::only_tenant;
use crate::chunks;
use crate::paging;
use crate::status::blocking;
use crate::status::status;

/// Messages that may wait for a slow reader.
const AHEAD: usize = 4;

/// The service.
pub(crate) struct Service {
    shared: Arc<Shared>,
}

impl Service {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        let shared = Arc::clone(shared);
        Self { shared }
    }
}

#[tonic::async_trait]
impl JobService for Service {
    async fn create_job(
        &self,
        request: Request<v1::CreateJobRequest>,
    ) -> Result<Response<v1::CreateJobResponse>, Status> {
        let shared = Arc::clone(&self.shared);
        blocking(move || {
            let request = request.into_inner();
            only_tenant(&request.parent)?;
            let id = JobId::parse(request.job_id).map_err(|error| Fault::of(&error))?;
            let spec = spec::from_wire(request.spec.unwrap_or_default())?;
            let (job, replayed) = shared.jobs.create(&id, spec, request.validate_only)?;
            Ok(Response::new(v1::CreateJobResponse {
                job: Some(to_wire(&shared, &job)),
                replayed,
            }))
        })
        .await
    }

    async fn get_job(
        &self,
        request: Request<v1::GetJobRequest>,
    ) -> Result<Response<v1::GetJobResponse>, Status> {
        let shared = Arc::clone(&self.shared);
        blocking(move || {
            let id = names::parse_job(&request.into_inner().name)?;
            let job = shared.jobs.job(&id)?;
            Ok(Response::new(v1::GetJobResponse {
                job: Some(to_wire(&shared, &job)),
            }))
        })
        .await
    }

    async fn list_jobs(
        &self,
        request: Request<v1::ListJobsRequest>,
    ) -> Result<Response<v1::ListJobsResponse>, Status> {
        let shared = Arc::clone(&self.shared);
        blocking(move || {
            let request = request.into_inner();
            only_tenant(&request.parent)?;
            let size = paging::size(request.page_size)?;
            let before = paging::number(&request.page_token)?;
            let jobs = shared.jobs.jobs(before, size)?;
            let next_page_token = match jobs.last() {
                Some(last) if jobs.len() == size => last.number.to_string(),
                _ => String::new(),
            };
            Ok(Response::new(v1::ListJobsResponse {
                jobs: jobs.iter().map(|job| to_wire(&shared, job)).collect(),
                next_page_token,
            }))
        })
        .await
    }

    type WatchJobStream = ReceiverStream<Result<v1::WatchJobResponse, Status>>;

    async fn watch_job(
        &self,
        request: Request<v1::WatchJobRequest>,
    ) -> Result<Response<Self::WatchJobStream>, Status> {
        let request = request.into_inner();
        let id = names::parse_job(&request.name).map_err(|error| status(&Fault::of(&error)))?;
        let shared = Arc::clone(&self.shared);
        let job = id.clone();
        blocking(move || Ok(shared.jobs.job(&job).map(drop)?)).await?;
        let (answers, stream) = mpsc::channel(AHEAD);
        tokio::spawn(watch(
            Arc::clone(&self.shared),
            id,
            request.after_event,
            answers,
        ));
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn cancel_job(
        &self,
        request: Request<v1::CancelJobRequest>,
    ) -> Result<Response<v1::CancelJobResponse>, Status> {
        let shared = Arc::clone(&self.shared);
        blocking(move || {
            let id = names::parse_job(&request.into_inner().name)?;
            let job = shared.jobs.cancel(&id)?;
            Ok(Response::new(v1::CancelJobResponse {
                job: Some(to_wire(&shared, &job)),
            }))
        })
        .await
    }

    async fn delete_job(
        &self,
        request: Request<v1::DeleteJobRequest>,
    ) -> Result<Response<v1::DeleteJobResponse>, Status> {
        let shared = Arc::clone(&self.shared);
        blocking(move || {
            let id = names::parse_job(&request.into_inner().name)?;
            shared.jobs.delete(&id)?;
            Ok(Response::new(v1::DeleteJobResponse {}))
        })
        .await
    }

    type ReadOutputStream = ReceiverStream<Result<v1::ReadOutputResponse, Status>>;

    async fn read_output(
        &self,
        request: Request<v1::ReadOutputRequest>,
    ) -> Result<Response<Self::ReadOutputStream>, Status> {
        let request = request.into_inner();
        let shared = Arc::clone(&self.shared);
        let (answers, stream) = mpsc::channel(AHEAD);
        tokio::task::spawn_blocking(move || {
            if let Err(fault) = read_output(&shared, &request, &answers) {
                // A reader that is gone has no use for the reason.
                drop(answers.blocking_send(Err(status(&fault))));
            }
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }
}

/// Sends events as they come until the job has ended or the client is gone.
async fn watch(
    shared: Arc<Shared>,
    id: JobId,
    mut after: u64,
    answers: mpsc::Sender<Result<v1::WatchJobResponse, Status>>,
) {
    let mut changes = shared.changed.subscribe();
    loop {
        changes.mark_unchanged();
        let (reading, job) = (Arc::clone(&shared), id.clone());
        let page = blocking(move || {
            let (events, ended) = reading.jobs.events(&job, after)?;
            let events: Vec<_> = events
                .into_iter()
                .map(|event| event_to_wire(&reading, event))
                .collect();
            Ok((events, ended))
        });
        let (events, ended) = match page.await {
            Ok(page) => page,
            Err(refusal) => {
                // A client that is gone has no use for the reason.
                drop(answers.send(Err(refusal)).await);
                return;
            }
        };
        let idle = events.is_empty();
        for event in events {
            after = event.event;
            if answers.send(Ok(event)).await.is_err() {
                return;
            }
        }
        if ended {
            return;
        }
        if idle {
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { return },
                () = answers.closed() => return,
            }
        }
    }
}

fn read_output(
    shared: &Shared,
    request: &v1::ReadOutputRequest,
    answers: &mpsc::Sender<Result<v1::ReadOutputResponse, Status>>,
) -> Result<(), Fault> {
    let (job, name) = names::parse_output(&request.name)?;
    let (_, table) = shared.jobs.output(&job, &name)?;
    let first = v1::ReadOutputResponse {
        arrow_schema: chunks::schema_bytes(&table.schema())?,
        chunk: None,
        row_offset: request.row_offset,
    };
    if answers.blocking_send(Ok(first)).is_err() {
        return Ok(());
    }
    let mut skip = request.row_offset;
    let mut left = match request.row_limit {
        0 => u64::MAX,
        limit => limit,
    };
    let mut offset = request.row_offset;
    for batch in table.batches() {
        let batch = batch?;
        let rows = batch.num_rows() as u64;
        if skip >= rows {
            skip -= rows;
            continue;
        }
        let length = (rows - skip).min(left);
        let (start, count) = (small(skip), small(length));
        skip = 0;
        left -= length;
        for chunk in chunks::chunks(&batch.slice(start, count))? {
            let rows = u64::from(chunk.row_count);
            let message = v1::ReadOutputResponse {
                arrow_schema: Vec::new(),
                chunk: Some(chunk),
                row_offset: offset,
            };
            offset += rows;
            if answers.blocking_send(Ok(message)).is_err() {
                return Ok(());
            }
        }
        if left == 0 {
            break;
        }
    }
    Ok(())
}

/// A count within a batch that is in memory.
fn small(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

fn to_wire(shared: &Shared, job: &Job) -> v1::Job {
    let outputs = job.outputs.iter().map(|output| {
        // A table that cannot be opened is shown without its schema; reading it says why.
        let arrow_schema = shared
            .jobs
            .output(&job.id, &output.name)
            .ok()
            .and_then(|(_, table)| chunks::schema_bytes(&table.schema()).ok());
        v1::OutputRef {
            name: names::output(&job.id, &output.name),
            row_count: output.rows,
            arrow_schema: arrow_schema.unwrap_or_default(),
            chart_hint: output.chart_hint.clone(),
            size_bytes: output.bytes,
            sha256: output.sha256.clone(),
        }
    });
    v1::Job {
        name: names::job(&job.id),
        spec: Some(spec::to_wire(&job.spec)),
        state: state_to_wire(job.state).into(),
        progress: Some(progress_to_wire(&job.progress)),
        error: job.error.as_ref().map(convert::fault_to_wire),
        outputs: outputs.collect(),
        models: job.models.iter().map(names::model).collect(),
        metrics: metrics_to_wire(&job.metrics),
        provenance: Some(provenance_to_wire(&job.provenance)),
        written_back: job.written_back,
        create_time: Some(convert::time_to_wire(job.create_time)),
        start_time: job.start_time.map(convert::time_to_wire),
        end_time: job.end_time.map(convert::time_to_wire),
    }
}

fn event_to_wire(shared: &Shared, event: Event) -> v1::WatchJobResponse {
    use v1::watch_job_response::Kind;
    let kind = match event.kind {
        EventKind::State(job) => Kind::Job(to_wire(shared, &job)),
        EventKind::Progress(progress) => Kind::Progress(progress_to_wire(&progress)),
        EventKind::Log { level, message } => Kind::Log(v1::LogLine { level, message }),
    };
    v1::WatchJobResponse {
        event: event.event,
        time: Some(convert::time_to_wire(event.time)),
        kind: Some(kind),
    }
}

fn state_to_wire(state: JobState) -> v1::JobState {
    match state {
        JobState::Queued => v1::JobState::Queued,
        JobState::Running => v1::JobState::Running,
        JobState::Cancelling => v1::JobState::Cancelling,
        JobState::Succeeded => v1::JobState::Succeeded,
        JobState::Failed => v1::JobState::Failed,
        JobState::Cancelled => v1::JobState::Cancelled,
    }
}

fn progress_to_wire(progress: &Progress) -> v1::Progress {
    v1::Progress {
        stage: progress.stage.clone(),
        fraction: progress.fraction,
    }
}

pub(super) fn metrics_to_wire(metrics: &[Metric]) -> Vec<v1::Metric> {
    let metrics = metrics.iter().map(|metric| v1::Metric {
        name: metric.name.clone(),
        value: metric.value,
    });
    metrics.collect()
}

pub(super) fn provenance_to_wire(provenance: &Provenance) -> v1::Provenance {
    let inputs = provenance.inputs.iter().map(|input| v1::PinnedInput {
        input: input.input.clone(),
        dataset: names::dataset(&input.dataset),
        version: input.version,
        as_of: input.as_of.map(convert::time_to_wire),
        feature_view_json: input.features.clone().unwrap_or_default(),
        training_set_json: input.training.clone().unwrap_or_default(),
    });
    let base_model = provenance.base_model.as_ref();
    v1::Provenance {
        plugin: provenance.plugin.clone(),
        plugin_version: provenance.plugin_version.clone(),
        plugin_sha256: provenance.plugin_sha256.clone(),
        algorithm_version: provenance.algorithm_version.clone(),
        engine_version: provenance.engine_version.clone(),
        inputs: inputs.collect(),
        params_json: provenance.params_json.clone(),
        attempts: provenance.attempts,
        base_model_sha256: provenance.base_model_sha256.clone().unwrap_or_default(),
        base_model: base_model.map(names::model).unwrap_or_default(),
        model: provenance
            .model
            .as_ref()
            .map(names::model)
            .unwrap_or_default(),
        algorithm: match provenance.algorithm.as_str() {
            "" => String::new(),
            id => names::algorithm(id),
        },
    }
}
