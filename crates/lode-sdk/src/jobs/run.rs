//! Starts jobs, waits for them, reads their results.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use lode_client::v1;
use lode_proto::names;
use lode_types::Clock;
use lode_types::JobId;
use lode_types::SystemClock;
use sha2::Digest;
use sha2::Sha256;

use crate::Error;
use crate::Job;
use crate::JobEvent;
use crate::JobSpec;
use crate::JobState;
use crate::JobWatch;
use crate::Lode;
use crate::Result;
use crate::Rows;
use crate::Table;
use crate::lode::tenant;
use crate::table::OutputMessages;

/// A job that was started.
#[derive(Clone, Debug)]
pub struct JobHandle {
    lode: Lode,
    /// The job as it was when it was started.
    pub job: Job,
}

/// A job that succeeded.
#[derive(Clone, Debug)]
pub struct JobResult {
    lode: Lode,
    /// The finished job.
    pub job: Job,
}

impl Lode {
    /// Starts a job under an id of its own; it goes on when this client goes away.
    ///
    /// # Errors
    /// What the checks of parameters and inputs say, or what the call met.
    pub async fn submit(&self, spec: impl Into<JobSpec>) -> Result<JobHandle> {
        let spec = spec.into();
        let id = new_job_id(spec.kind());
        self.submit_as(&id, spec).await
    }

    /// Starts a job under the id `id`, or finds it when it is there with the same spec.
    ///
    /// # Errors
    /// `JOB_EXISTS` when the id is another job's, or as [`Lode::submit`].
    pub async fn submit_as(&self, id: &str, spec: impl Into<JobSpec>) -> Result<JobHandle> {
        let request = v1::CreateJobRequest {
            parent: tenant(),
            job_id: JobId::parse(id)?.into(),
            spec: Some(spec.into().to_wire()?),
            validate_only: false,
        };
        let answer = self.client().create_job(request).await?;
        Ok(JobHandle {
            lode: self.clone(),
            job: answer.job.unwrap_or_default().into(),
        })
    }

    /// Runs a job to its end.
    ///
    /// # Errors
    /// [`Error::Job`] when it failed or was cancelled, or as [`Lode::submit`].
    pub async fn run(&self, spec: impl Into<JobSpec>) -> Result<JobResult> {
        self.submit(spec).await?.wait().await
    }

    /// Checks a job as starting it would, and starts nothing.
    ///
    /// # Errors
    /// What the checks say.
    pub async fn check_job(&self, spec: impl Into<JobSpec>) -> Result<()> {
        let spec = spec.into();
        let request = v1::CreateJobRequest {
            parent: tenant(),
            job_id: new_job_id(spec.kind()),
            spec: Some(spec.to_wire()?),
            validate_only: true,
        };
        self.client().create_job(request).await?;
        Ok(())
    }

    /// A job by its id.
    ///
    /// # Errors
    /// `JOB_NOT_FOUND`, or what the call met.
    pub async fn job(&self, id: &str) -> Result<Job> {
        let request = v1::GetJobRequest {
            name: job_name(id)?,
        };
        let answer = self.client().get_job(request).await?;
        Ok(answer.job.unwrap_or_default().into())
    }

    /// The newest jobs, newest first; at most `limit`.
    ///
    /// # Errors
    /// What the calls met.
    pub async fn jobs(&self, limit: usize) -> Result<Vec<Job>> {
        let request = v1::ListJobsRequest {
            parent: tenant(),
            page_size: i32::try_from(limit.min(500)).unwrap_or(0),
            ..Default::default()
        };
        let jobs = self.client().jobs(request).take(limit).await?;
        Ok(jobs.into_iter().map(Job::from).collect())
    }

    /// The events of a job after event number `after_event`; 0 for all of them.
    ///
    /// # Errors
    /// A text that is no job id; whether the job is there is seen by the first event.
    pub fn watch(&self, id: &str, after_event: u64) -> Result<JobWatch> {
        Ok(JobWatch::new(self.clone(), job_name(id)?, after_event))
    }

    /// Asks a job to stop.
    ///
    /// # Errors
    /// `JOB_NOT_FOUND`, or what the call met.
    pub async fn cancel(&self, id: &str) -> Result<Job> {
        let request = v1::CancelJobRequest {
            name: job_name(id)?,
        };
        let answer = self.client().cancel_job(request).await?;
        Ok(answer.job.unwrap_or_default().into())
    }

    /// Deletes a finished job, its outputs and its models.
    ///
    /// # Errors
    /// `JOB_NOT_FOUND`, `JOB_NOT_FINISHED`, or what the call met.
    pub async fn delete_job(&self, id: &str) -> Result<()> {
        let request = v1::DeleteJobRequest {
            name: job_name(id)?,
        };
        self.client().delete_job(request).await?;
        Ok(())
    }

    /// The rows of an output table of a job, after `row_offset` rows; at most `row_limit`
    /// when given.
    ///
    /// # Errors
    /// `JOB_NOT_FOUND`, `OUTPUT_NOT_FOUND`, or what the call met.
    pub async fn output_rows(
        &self,
        job: &str,
        output: &str,
        row_offset: u64,
        row_limit: Option<u64>,
    ) -> Result<Rows> {
        let request = v1::ReadOutputRequest {
            name: names::output(&JobId::parse(job)?, output),
            row_offset,
            row_limit: row_limit.unwrap_or(0),
        };
        let messages = OutputMessages::open(self.client().clone(), request).await?;
        Rows::open(Box::new(messages)).await
    }
}

impl JobHandle {
    /// The job's id.
    pub fn id(&self) -> &str {
        &self.job.job
    }

    /// The job's events from its start.
    ///
    /// # Errors
    /// An engine that gave a job without an id.
    pub fn watch(&self) -> Result<JobWatch> {
        self.lode.watch(self.id(), 0)
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// [`Error::Job`] when it failed or was cancelled, or an engine that stays away.
    pub async fn wait(self) -> Result<JobResult> {
        self.wait_with(|_| ()).await
    }

    /// Waits for the end and tells `on_event` what happens.
    ///
    /// # Errors
    /// As [`JobHandle::wait`].
    pub async fn wait_with(self, mut on_event: impl FnMut(&JobEvent)) -> Result<JobResult> {
        let mut watch = self.watch()?;
        let mut finished = None;
        while let Some(event) = watch.next().await? {
            on_event(&event);
            if let JobEvent::Job(job) = event {
                finished = Some(*job);
            }
        }
        let job = finished.unwrap_or(self.job);
        match job.state {
            JobState::Succeeded => Ok(JobResult {
                lode: self.lode,
                job,
            }),
            _ => Err(Error::Job(Box::new(job))),
        }
    }

    /// Asks the job to stop.
    ///
    /// # Errors
    /// What the call met.
    pub async fn cancel(&self) -> Result<Job> {
        self.lode.cancel(self.id()).await
    }
}

impl JobResult {
    /// The job's id.
    pub fn id(&self) -> &str {
        &self.job.job
    }

    /// A metric by name, e.g. `auc`.
    pub fn metric(&self, name: &str) -> Option<f64> {
        self.job.metrics.get(name).copied()
    }

    /// The model that the job made.
    pub fn model(&self) -> Option<&str> {
        self.job.models.first().map(String::as_str)
    }

    /// The rows of an output, as they arrive.
    ///
    /// # Errors
    /// `OUTPUT_NOT_FOUND`, or what the call met.
    pub async fn rows(&self, output: &str) -> Result<Rows> {
        self.lode.output_rows(self.id(), output, 0, None).await
    }

    /// A whole output.
    ///
    /// # Errors
    /// As [`JobResult::rows`].
    pub async fn output(&self, output: &str) -> Result<Table> {
        self.rows(output).await?.collect().await
    }
}

/// An id for a job that has not been used: algorithm, time, and four digits that differ
/// between processes and calls.
pub fn new_job_id(algorithm: &str) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let now = SystemClock.now();
    let mut hasher = Sha256::new();
    hasher.update(now.0.to_be_bytes());
    hasher.update(std::process::id().to_be_bytes());
    hasher.update(COUNT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    let hash = hasher.finalize();
    let time: String = now
        .to_rfc3339()
        .chars()
        .take(19)
        .filter_map(|c| match c {
            'T' => Some('-'),
            c => c.is_ascii_digit().then_some(c),
        })
        .collect();
    let algorithm: String = algorithm
        .trim_start_matches('.')
        .chars()
        .map(|c| if c == '@' { '-' } else { c })
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
        .take(64)
        .collect();
    format!("{algorithm}-{time}-{:02x}{:02x}", hash[0], hash[1])
}

pub(crate) fn job_name(id: &str) -> Result<String> {
    Ok(names::job(&JobId::parse(id)?))
}
