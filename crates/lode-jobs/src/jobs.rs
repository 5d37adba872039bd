//! The front of this crate: create, read, list, cancel and delete jobs; read what they made.

use std::fs::File;
use std::sync::Arc;

use lode_host::Host;
use lode_parts::Table;
use lode_query::Sql;
use lode_store::Area;
use lode_store::Store;
use lode_types::Class;
use lode_types::Clock;
use lode_types::JobId;
use lode_types::ModelId;

use crate::Error;
use crate::Event;
use crate::Job;
use crate::JobSpec;
use crate::JobState;
use crate::Model;
use crate::Offers;
use crate::Output;
use crate::Progress;
use crate::Provenance;
use crate::RecommendCall;
use crate::Result;
use crate::ScoreCall;
use crate::Scored;
use crate::check::Checker;
use crate::records;
use crate::scheduler::Scheduler;
use crate::serving::Serving;

/// How jobs run when their spec does not say.
#[derive(Clone)]
pub struct Options {
    /// Jobs that run at the same time.
    pub jobs_at_once: usize,
    /// Wall time of one run, in milliseconds.
    pub timeout_millis: u64,
    /// Private memory of a worker, in bytes.
    pub memory_bytes: u64,
    /// Threads of an algorithm.
    pub threads: u32,
    /// Workers that one model in use may have.
    pub serving_workers: usize,
    /// Recorded with every job.
    pub engine_version: String,
    /// Called whenever an event was added to any job; must not block.
    pub on_change: Arc<dyn Fn() + Send + Sync>,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("jobs_at_once", &self.jobs_at_once)
            .field("timeout_millis", &self.timeout_millis)
            .field("memory_bytes", &self.memory_bytes)
            .field("threads", &self.threads)
            .finish_non_exhaustive()
    }
}

/// All jobs and models of an engine.
pub struct Jobs {
    store: Store,
    host: Arc<Host>,
    sql: Arc<Sql>,
    options: Options,
    scheduler: Scheduler,
    serving: Serving,
}

impl std::fmt::Debug for Jobs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Jobs").finish_non_exhaustive()
    }
}

impl Jobs {
    /// Takes up the jobs that the store has queued or that were running when the engine
    /// stopped, and starts to run them.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn start(store: Store, host: Arc<Host>, sql: Arc<Sql>, options: Options) -> Result<Self> {
        let scheduler = Scheduler::start(
            store.clone(),
            Arc::clone(&host),
            Arc::clone(&sql),
            options.clone(),
        )?;
        let serving = Serving::new(store.clone(), &host, Arc::clone(&sql), &options)?;
        Ok(Self {
            store,
            host,
            sql,
            options,
            scheduler,
            serving,
        })
    }

    /// Checks a spec, pins the versions of its inputs, and queues the job. True when the
    /// job was there already, with the same spec. With `validate_only` nothing is kept.
    ///
    /// # Errors
    /// What is wrong with the spec, naming the field; `JOB_EXISTS` when the id is taken by another spec.
    pub fn create(&self, id: &JobId, spec: JobSpec, validate_only: bool) -> Result<(Job, bool)> {
        if let Some(job) = self.existing(id, &spec)? {
            return Ok((job, true));
        }
        let checker = Checker {
            store: &self.store,
            host: &self.host,
            sql: &self.sql,
        };
        let checked = checker.check(&spec, None)?;
        let mut job = Job {
            id: id.clone(),
            number: 0,
            state: JobState::Queued,
            progress: Progress {
                stage: "queued".to_owned(),
                fraction: 0.0,
            },
            error: None,
            outputs: Vec::new(),
            models: Vec::new(),
            metrics: Vec::new(),
            provenance: Provenance {
                plugin: checked.algorithm.plugin.clone(),
                plugin_version: checked.algorithm.plugin_version.clone(),
                plugin_sha256: checked.algorithm.sha256.clone(),
                algorithm_version: checked.algorithm.spec.version.clone(),
                engine_version: self.options.engine_version.clone(),
                inputs: checked.pinned(),
                params_json: checked.params_json.clone(),
                attempts: 0,
            },
            written_back: 0,
            create_time: self.options.clock.now(),
            start_time: None,
            end_time: None,
            spec,
        };
        if validate_only {
            return Ok((job, false));
        }
        let turn = self.scheduler.creating();
        if let Some(job) = self.existing(id, &job.spec)? {
            return Ok((job, true));
        }
        job.number = *turn;
        let job = self.scheduler.submit(turn, job, checked)?;
        Ok((job, false))
    }

    /// A job as it stands now.
    ///
    /// # Errors
    /// `JOB_NOT_FOUND`.
    pub fn job(&self, id: &JobId) -> Result<Job> {
        if let Some(job) = self.scheduler.live(id) {
            return Ok(job);
        }
        records::job(&self.store, id)?.ok_or_else(|| not_found(id))
    }

    /// Jobs with a number below `before`, newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn jobs(&self, before: Option<u64>, limit: usize) -> Result<Vec<Job>> {
        let mut jobs = records::jobs(&self.store, before, limit)?;
        for job in &mut jobs {
            if let Some(live) = self.scheduler.live(&job.id) {
                *job = live;
            }
        }
        Ok(jobs)
    }

    /// A job's events after `after`, at most a page, and whether the job has ended with them.
    ///
    /// # Errors
    /// `JOB_NOT_FOUND`.
    pub fn events(&self, id: &JobId, after: u64) -> Result<(Vec<Event>, bool)> {
        // The state first: an end between the two reads shows as events with no end yet.
        let job = self.job(id)?;
        let events = self.scheduler.events().after(job.number, after)?;
        let ended = job.state.is_final() && events.len() < 1000;
        Ok((events, ended))
    }

    /// Asks a job to stop; a job that has ended stays as it is.
    ///
    /// # Errors
    /// `JOB_NOT_FOUND`.
    pub fn cancel(&self, id: &JobId) -> Result<Job> {
        self.scheduler.cancel(id)?;
        self.job(id)
    }

    /// Deletes a finished job, its outputs and its models.
    ///
    /// # Errors
    /// `JOB_NOT_FOUND`, `JOB_NOT_FINISHED`, `JOB_IN_USE` when a waiting or running job reads its output.
    pub fn delete(&self, id: &JobId) -> Result<()> {
        let job = self.job(id)?;
        if !job.state.is_final() {
            return Err(Error::new(
                Class::State,
                "JOB_NOT_FINISHED",
                format!(
                    "expected a finished job, found {:?}, which is {}: cancel it first",
                    id.as_str(),
                    job.state.as_str()
                ),
            ));
        }
        if let Some(reader) = self.scheduler.reader_of(id) {
            return Err(Error::new(
                Class::State,
                "JOB_IN_USE",
                format!(
                    "job {:?} reads an output of {:?}",
                    reader.as_str(),
                    id.as_str()
                ),
            ));
        }
        let mut writes = records::delete_job(&job);
        let mut files: Vec<(Area, String)> = job
            .outputs
            .iter()
            .map(|output| (Area::Outputs, output.file.clone()))
            .collect();
        for model in &job.models {
            if let Some(model) = records::model(&self.store, model)? {
                writes.extend(records::delete_model(&model));
                self.serving.forget(&model.id);
                files.push((Area::Models, model.file));
            }
        }
        let mut after = 0;
        loop {
            let page = records::events(&self.store, job.number, after, 1000)?;
            let Some(last) = page.last() else { break };
            after = last.event;
            writes.extend(
                page.iter()
                    .map(|e| records::delete_event(job.number, e.event)),
            );
        }
        self.store.write_docs(writes)?;
        for (area, file) in files {
            self.store.remove_file(area, &file)?;
        }
        Ok(())
    }

    /// An output table of a job.
    ///
    /// # Errors
    /// `JOB_NOT_FOUND`, `OUTPUT_NOT_FOUND`.
    pub fn output(&self, id: &JobId, name: &str) -> Result<(Output, Table)> {
        open_output(&self.store, &self.job(id)?, name)
    }

    /// A model.
    ///
    /// # Errors
    /// `MODEL_NOT_FOUND`.
    pub fn model(&self, id: &ModelId) -> Result<Model> {
        self.serving.model(id)
    }

    /// Models with a number below `before`, newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn models(&self, before: Option<u64>, limit: usize) -> Result<Vec<Model>> {
        records::models(&self.store, before, limit)
    }

    /// Scores customers or rows with a model.
    ///
    /// # Errors
    /// `MODEL_NOT_FOUND`; `WRONG_TASK` for a model that recommends; what the plugin says.
    pub fn score(&self, call: &ScoreCall) -> Result<Vec<Scored>> {
        self.serving.score(call)
    }

    /// The best items for a customer.
    ///
    /// # Errors
    /// `MODEL_NOT_FOUND`; `WRONG_TASK` for a model that does not recommend; what the plugin says.
    pub fn recommend(&self, call: &RecommendCall) -> Result<Offers> {
        self.serving.recommend(call)
    }

    /// Stops: takes no more jobs from the queue, ends the workers of those that run. They
    /// run again at the next start.
    pub fn shutdown(&self) {
        self.scheduler.shutdown();
        self.serving.clear();
    }

    fn existing(&self, id: &JobId, spec: &JobSpec) -> Result<Option<Job>> {
        match self.job(id) {
            Ok(job) if job.spec == *spec => Ok(Some(job)),
            Ok(_) => Err(Error::new(
                Class::Exists,
                "JOB_EXISTS",
                format!("job {:?} exists with another spec", id.as_str()),
            )
            .at("job_id")),
            Err(error) if lode_types::Failure::class(&error) == Class::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

pub(crate) fn not_found(id: &JobId) -> Error {
    Error::new(
        Class::NotFound,
        "JOB_NOT_FOUND",
        format!("no job {:?}", id.as_str()),
    )
}

/// The record and the file of a job's output.
pub(crate) fn output_file(store: &Store, job: &Job, name: &str) -> Result<(Output, File)> {
    let output = job.outputs.iter().find(|output| output.name == name);
    let output = output.ok_or_else(|| {
        let known: Vec<&str> = job.outputs.iter().map(|o| o.name.as_str()).collect();
        let known = if known.is_empty() {
            format!("it is {} and has none", job.state.as_str())
        } else {
            format!("expected one of {}", known.join(", "))
        };
        Error::new(
            Class::NotFound,
            "OUTPUT_NOT_FOUND",
            format!("job {:?} has no output {name:?}: {known}", job.id.as_str()),
        )
    })?;
    let file = store.open_file(Area::Outputs, &output.file)?;
    Ok((output.clone(), file))
}

/// A job's output, mapped.
pub(crate) fn open_output(store: &Store, job: &Job, name: &str) -> Result<(Output, Table)> {
    let (output, file) = output_file(store, job, name)?;
    Ok((output, Table::open(vec![file])?))
}
