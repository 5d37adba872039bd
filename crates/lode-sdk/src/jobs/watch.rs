//! Watches a job to its end, through lost connections and engine restarts.
//!
//! Invariant: each event comes once, in order; after a loss the watch goes on behind the
//! last event that was seen.

use std::time::Duration;

use lode_client::Stream;
use lode_client::v1;
use lode_proto::convert;
use lode_types::Timestamp;
use tokio::time::Instant;

use crate::Job;
use crate::Lode;
use crate::Progress;
use crate::Result;

/// How long the engine may be away before a watch gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// Something that happened to a job.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum JobEvent {
    /// Its state changed; the last event has the finished job.
    Job(Box<Job>),
    /// It got on.
    Progress(Progress),
    /// Its algorithm said something.
    Log {
        /// info, warn or error.
        level: String,
        /// What.
        message: String,
        /// When.
        time: Option<Timestamp>,
    },
}

/// The events of one job.
#[derive(Debug)]
pub struct JobWatch {
    lode: Lode,
    name: String,
    after_event: u64,
    stream: Option<Stream<v1::WatchJobResponse>>,
    ended: bool,
}

impl JobWatch {
    pub(crate) fn new(lode: Lode, name: String, after_event: u64) -> Self {
        Self {
            lode,
            name,
            after_event,
            stream: None,
            ended: false,
        }
    }

    /// Number of the last event seen; a later watch can go on after it.
    pub fn last_event(&self) -> u64 {
        self.after_event
    }

    /// The next event; none after the one with the finished job.
    ///
    /// # Errors
    /// `JOB_NOT_FOUND`, or an engine that stays away for a minute.
    pub async fn next(&mut self) -> Result<Option<JobEvent>> {
        let give_up = Instant::now() + PATIENCE;
        let mut pause = Duration::from_millis(100);
        while !self.ended {
            match self.try_next().await {
                Ok(Some(event)) => return Ok(Some(event)),
                // The engine ended the stream before the job's end: it stops or restarts.
                Ok(None) => {}
                Err(error) if error.is_passing() && Instant::now() < give_up => {}
                Err(error) => return Err(error),
            }
            if self.ended {
                break;
            }
            self.stream = None;
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(2));
        }
        Ok(None)
    }

    async fn try_next(&mut self) -> Result<Option<JobEvent>> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            None => {
                let request = v1::WatchJobRequest {
                    name: self.name.clone(),
                    after_event: self.after_event,
                };
                let stream = self.lode.client().watch_job(request).await?;
                self.stream.insert(stream)
            }
        };
        while let Some(response) = stream.message().await? {
            self.after_event = self.after_event.max(response.event);
            let Some(kind) = response.kind else { continue };
            return Ok(Some(match kind {
                v1::watch_job_response::Kind::Job(job) => {
                    let job = Job::from(job);
                    self.ended = job.state.is_final();
                    JobEvent::Job(Box::new(job))
                }
                v1::watch_job_response::Kind::Progress(progress) => {
                    JobEvent::Progress(progress.into())
                }
                v1::watch_job_response::Kind::Log(log) => JobEvent::Log {
                    level: log.level,
                    message: log.message,
                    time: response.time.as_ref().map(convert::time_from_wire),
                },
            }));
        }
        Ok(None)
    }
}
