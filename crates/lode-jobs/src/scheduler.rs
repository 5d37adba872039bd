//! The queue: jobs in the order of their creation, a few at a time, across restarts.
//!
//! Invariant: a job that the store has as queued, running or cancelling is live here, and
//! its inputs are pinned; its end is recorded in one transaction with all it made.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::thread::JoinHandle;

use lode_host::CancelFlag;
use lode_host::Host;
use lode_host::Loaded;
use lode_query::Sql;
use lode_store::Store;
use lode_types::Class;
use lode_types::Fault;
use lode_types::JobId;
use lode_types::chain;

use crate::Error;
use crate::EventKind;
use crate::InputSource;
use crate::Job;
use crate::JobState;
use crate::Options;
use crate::Progress;
use crate::Result;
use crate::check::Checked;
use crate::check::Checker;
use crate::events::EventLog;
use crate::jobs::not_found;
use crate::records;
use crate::run::Bench;
use crate::run::Made;

/// A job that was running this often when the engine stopped is failed, not run again.
const MAX_ATTEMPTS: u32 = 5;

struct LiveJob {
    job: Mutex<Job>,
    checked: Checked,
    cancel: CancelFlag,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Arc<LiveJob>>,
    live: HashMap<JobId, Arc<LiveJob>>,
    stopping: bool,
}

struct Shared {
    store: Store,
    host: Arc<Host>,
    sql: Arc<Sql>,
    options: Options,
    events: EventLog,
    queue: Mutex<Queue>,
    wake: Condvar,
}

/// Runs jobs on threads of its own.
pub(crate) struct Scheduler {
    shared: Arc<Shared>,
    next_number: Mutex<u64>,
    runners: Mutex<Vec<JoinHandle<()>>>,
}

impl Scheduler {
    /// Takes up unfinished jobs and starts the runners.
    pub(crate) fn start(
        store: Store,
        host: Arc<Host>,
        sql: Arc<Sql>,
        options: Options,
    ) -> Result<Self> {
        let newest = records::jobs(&store, None, 1)?;
        let next_number = newest.first().map_or(1, |job| job.number + 1);
        let shared = Arc::new(Shared {
            events: EventLog::new(store.clone(), Arc::clone(&options.on_change)),
            store,
            host,
            sql,
            options,
            queue: Mutex::default(),
            wake: Condvar::new(),
        });
        shared.take_up()?;
        let mut runners = Vec::new();
        for i in 0..shared.options.jobs_at_once.max(1) {
            let shared = Arc::clone(&shared);
            let runner = std::thread::Builder::new()
                .name(format!("job-runner-{i}"))
                .spawn(move || shared.run_jobs())
                .map_err(|error| {
                    Error::new(Class::Unavailable, "THREAD_FAILED", error.to_string())
                })?;
            runners.push(runner);
        }
        Ok(Self {
            shared,
            next_number: Mutex::new(next_number),
            runners: Mutex::new(runners),
        })
    }

    /// The turn to create a job: its number, held so that numbers follow the order of creation.
    pub(crate) fn creating(&self) -> MutexGuard<'_, u64> {
        lock(&self.next_number)
    }

    /// Records a new job and queues it.
    pub(crate) fn submit(
        &self,
        mut turn: MutexGuard<'_, u64>,
        job: Job,
        checked: Checked,
    ) -> Result<Job> {
        let shared = &self.shared;
        let mut writes = vec![records::put_job(&job)?, records::put_job_id(&job)];
        let state = EventKind::State(Box::new(job.clone()));
        writes.extend(shared.events.append(job.number, job.create_time, state)?);
        *turn += 1;
        if let Err(error) = shared.store.write_docs(writes) {
            shared.events.end(job.number);
            return Err(error.into());
        }
        shared.enqueue(job.clone(), checked);
        drop(turn);
        shared.events.changed();
        tracing::info!(
            job = job.id.as_str(),
            algorithm = job.spec.algorithm,
            "job queued"
        );
        Ok(job)
    }

    /// A job that has not ended, as it stands now.
    pub(crate) fn live(&self, id: &JobId) -> Option<Job> {
        let live = lock(&self.shared.queue).live.get(id).cloned();
        live.map(|live| lock(&live.job).clone())
    }

    /// What a job that has not ended makes models with.
    pub(crate) fn live_algorithm(&self, id: &JobId) -> Option<Arc<Loaded>> {
        let live = lock(&self.shared.queue).live.get(id).cloned();
        let live = live.filter(|live| live.checked.asks().is_none());
        live.map(|live| Arc::clone(&live.checked.algorithm))
    }

    pub(crate) fn events(&self) -> &EventLog {
        &self.shared.events
    }

    /// A live job that needs what `used` made, and how: "reads an output", "starts from a model",
    /// "scores with a model".
    pub(crate) fn user_of(&self, used: &Job) -> Option<(JobId, &'static str)> {
        let queue = lock(&self.shared.queue);
        let mut uses = queue.live.iter().filter_map(|(id, live)| {
            let job = lock(&live.job);
            let reads = job.spec.inputs.values().any(
                |input| matches!(&input.source, InputSource::Output { job, .. } if *job == used.id),
            );
            let starts = job.base_model();
            if reads {
                Some((id.clone(), "reads an output"))
            } else if starts.is_some_and(|model| used.models.contains(model)) {
                Some((id.clone(), "starts from a model"))
            } else if job
                .provenance
                .model
                .as_ref()
                .is_some_and(|model| used.models.contains(model))
            {
                Some((id.clone(), "scores with a model"))
            } else {
                None
            }
        });
        uses.next()
    }

    /// Asks a live job to stop. One that waits ends at once.
    pub(crate) fn cancel(&self, id: &JobId) -> Result<()> {
        let shared = &self.shared;
        let mut queue = lock(&shared.queue);
        let Some(live) = queue.live.get(id).cloned() else {
            drop(queue);
            return match records::job(&shared.store, id)? {
                Some(_) => Ok(()),
                None => Err(not_found(id)),
            };
        };
        let waiting = queue.waiting.len();
        queue.waiting.retain(|other| !Arc::ptr_eq(other, &live));
        let was_waiting = queue.waiting.len() < waiting;
        drop(queue);
        live.cancel.cancel();
        if was_waiting {
            shared.finish(&live, Err(cancelled()));
            return Ok(());
        }
        let mut job = lock(&live.job);
        if job.state == JobState::Running {
            job.state = JobState::Cancelling;
            let job = job.clone();
            shared.record(&job)?;
        }
        Ok(())
    }

    pub(crate) fn shutdown(&self) {
        let mut queue = lock(&self.shared.queue);
        queue.stopping = true;
        for live in queue.live.values() {
            live.cancel.cancel();
        }
        drop(queue);
        self.shared.wake.notify_all();
        for runner in lock(&self.runners).drain(..) {
            if runner.join().is_err() {
                tracing::error!("a job runner panicked");
            }
        }
    }
}

impl Shared {
    /// Queues what the store has unfinished, on the versions that were pinned, or fails it
    /// with the reason why it cannot run.
    fn take_up(&self) -> Result<()> {
        let mut unfinished = Vec::new();
        let mut before = None;
        loop {
            let page = records::jobs(&self.store, before, 1000)?;
            let Some(last) = page.last() else { break };
            before = Some(last.number);
            unfinished.extend(page.into_iter().filter(|job| !job.state.is_final()));
        }
        unfinished.sort_by_key(|job| job.number);
        for mut job in unfinished {
            self.events.begin(job.number)?;
            if job.state == JobState::Cancelling {
                self.end(&mut job, Err(cancelled()))?;
                continue;
            }
            if job.provenance.attempts >= MAX_ATTEMPTS {
                let fault = Error::new(
                    Class::State,
                    "TOO_MANY_RESTARTS",
                    format!(
                        "the engine stopped {MAX_ATTEMPTS} times while the job ran; it is not tried again"
                    ),
                );
                self.end(&mut job, Err(fault))?;
                continue;
            }
            let checker = Checker {
                store: &self.store,
                host: &self.host,
                sql: &self.sql,
            };
            match checker.check(&job.spec, Some(&job.provenance)) {
                Ok(checked) => {
                    let was = job.state;
                    self.other_build(&mut job, &checked)?;
                    job.state = JobState::Queued;
                    self.record(&job)?;
                    tracing::info!(job = job.id.as_str(), ?was, "job taken up after a restart");
                    self.enqueue(job, checked);
                }
                Err(error) => {
                    let fault = Error::new(
                        Class::State,
                        "CANNOT_RUN_AGAIN",
                        format!("after a restart of the engine: {}", chain(&error)),
                    );
                    self.end(&mut job, Err(fault))?;
                }
            }
        }
        Ok(())
    }

    /// Says so when the library is another build of the version that the job was created for.
    fn other_build(&self, job: &mut Job, checked: &Checked) -> Result<()> {
        let sha256 = &checked.algorithm.sha256;
        if job.provenance.plugin_sha256 == *sha256 {
            return Ok(());
        }
        let message = format!(
            "the library that the job was created for is gone; it runs with {}",
            checked.algorithm.library()
        );
        job.provenance.plugin_sha256.clone_from(sha256);
        let level = "warn".to_owned();
        let event = EventKind::Log { level, message };
        self.events.add(job.number, self.options.clock.now(), event)
    }

    fn enqueue(&self, job: Job, checked: Checked) {
        let id = job.id.clone();
        let live = Arc::new(LiveJob {
            job: Mutex::new(job),
            checked,
            cancel: CancelFlag::default(),
        });
        let mut queue = lock(&self.queue);
        queue.live.insert(id, Arc::clone(&live));
        queue.waiting.push_back(live);
        drop(queue);
        self.wake.notify_one();
    }

    fn run_jobs(&self) {
        while let Some(live) = self.next() {
            if let Err(error) = self.start(&live) {
                self.finish(&live, Err(error));
                continue;
            }
            let made = self.carry_out(&live);
            if lock(&self.queue).stopping && made.is_err() {
                // The store has it as running: the next start takes it up.
                continue;
            }
            self.finish(&live, made);
        }
    }

    fn next(&self) -> Option<Arc<LiveJob>> {
        let mut queue = lock(&self.queue);
        loop {
            if queue.stopping {
                return None;
            }
            if let Some(live) = queue.waiting.pop_front() {
                return Some(live);
            }
            queue = self
                .wake
                .wait(queue)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn start(&self, live: &LiveJob) -> Result<()> {
        let mut job = lock(&live.job);
        job.state = JobState::Running;
        job.start_time = Some(self.options.clock.now());
        job.provenance.attempts += 1;
        let job = job.clone();
        tracing::info!(
            job = job.id.as_str(),
            algorithm = job.spec.algorithm,
            "job started"
        );
        self.record(&job)
    }

    fn carry_out(&self, live: &LiveJob) -> Result<Made> {
        let job = lock(&live.job).clone();
        let report = |kind: EventKind| {
            if let EventKind::Progress(progress) = &kind {
                lock(&live.job).progress = progress.clone();
            }
            if let Err(error) = self.events.add(job.number, self.options.clock.now(), kind) {
                tracing::warn!(job = job.id.as_str(), error = %chain(&error), "cannot keep an event");
            }
        };
        let bench = Bench {
            store: &self.store,
            host: &self.host,
            sql: &self.sql,
            clock: &*self.options.clock,
            options: &self.options,
            cancel: &live.cancel,
            report: &report,
        };
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            bench.carry_out(&job, &live.checked)
        }));
        caught.unwrap_or_else(|_| Err(Error::bug("the engine panicked while it ran the job")))
    }

    fn finish(&self, live: &LiveJob, made: Result<Made>) {
        let mut job = lock(&live.job).clone();
        if let Err(error) = self.end(&mut job, made) {
            tracing::error!(job = job.id.as_str(), error = %chain(&error), "cannot record the end of a job");
            // Readers see the failure; the store still has the job, and the next start takes it up.
            *lock(&live.job) = Job {
                state: JobState::Failed,
                error: Some(error.into_fault()),
                ..job
            };
            return;
        }
        lock(&self.queue).live.remove(&job.id);
        self.events.end(job.number);
    }

    /// Records a job's end, with all it made, in one transaction.
    fn end(&self, job: &mut Job, made: Result<Made>) -> Result<()> {
        let now = self.options.clock.now();
        job.end_time = Some(now);
        let mut writes = Vec::new();
        match made {
            Ok(made) => {
                job.state = JobState::Succeeded;
                job.progress = Progress {
                    stage: "done".to_owned(),
                    fraction: 1.0,
                };
                job.outputs = made.outputs;
                job.metrics = made.metrics;
                job.written_back = made.written_back;
                if let Some(provenance) = made.provenance {
                    job.provenance = provenance;
                }
                for model in made.models {
                    writes.extend(records::put_model(&model)?);
                    job.models.push(model.id);
                }
            }
            Err(error) => {
                let fault = error.into_fault();
                job.state = if fault.class == Class::Cancelled {
                    JobState::Cancelled
                } else {
                    JobState::Failed
                };
                job.error = Some(fault);
            }
        }
        writes.push(records::put_job(job)?);
        let state = EventKind::State(Box::new(job.clone()));
        writes.extend(self.events.append(job.number, now, state)?);
        self.store.write_docs(writes)?;
        let fault = job.error.as_ref().map(Fault::to_string);
        tracing::info!(job = job.id.as_str(), state = ?job.state, error = fault, "job ended");
        Ok(())
    }

    /// Records a change of state that is not the end.
    fn record(&self, job: &Job) -> Result<()> {
        let state = EventKind::State(Box::new(job.clone()));
        let mut writes = vec![records::put_job(job)?];
        writes.extend(
            self.events
                .append(job.number, self.options.clock.now(), state)?,
        );
        self.store.write_docs(writes)?;
        self.events.changed();
        Ok(())
    }
}

fn cancelled() -> Error {
    Error::new(Class::Cancelled, "JOB_CANCELLED", "the job was cancelled")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
