//! The front of this crate: create, read, list, cancel and delete jobs; read what they made.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;

use lode_host::Host;
use lode_parts::Table;
use lode_query::Sql;
use lode_store::Area;
use lode_store::Store;
use lode_types::AlgorithmSpec;
use lode_types::AliasId;
use lode_types::Class;
use lode_types::Clock;
use lode_types::Failure;
use lode_types::JobId;
use lode_types::ModelId;
use lode_types::ModelRef;

use crate::Compared;
use crate::Error;
use crate::Event;
use crate::Expected;
use crate::Job;
use crate::JobSpec;
use crate::JobState;
use crate::Lift;
use crate::LiftCall;
use crate::Model;
use crate::Offers;
use crate::Output;
use crate::Progress;
use crate::Provenance;
use crate::Ranking;
use crate::RecommendCall;
use crate::Result;
use crate::ScoreCall;
use crate::Scored;
use crate::SimilarCall;
use crate::alias;
use crate::alias::resolve_model;
use crate::card;
use crate::check::Checker;
use crate::judge;
use crate::offering::lift;
use crate::profile::Drift;
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
    /// Held while an alias is moved or a model deleted.
    aliases: alias::Turn,
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
            aliases: alias::Turn::default(),
        })
    }

    /// Checks a spec, pins the versions of its inputs, and queues the job. True when the
    /// job was there already, with the same spec. With `validate_only` nothing is kept.
    ///
    /// # Errors
    /// What is wrong with the spec, naming the field; `JOB_EXISTS` when the id is taken by another
    /// spec, `MODEL_EXISTS` and `ALIAS_EXISTS` when the id of a model would be.
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
        let algorithm = Arc::clone(&checked.algorithm);
        let makes_models = checked.asks().is_none();
        if makes_models {
            model_ids(id, &algorithm.spec)?;
        }
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
                algorithm: checked.algorithm.spec.id.clone(),
                algorithm_version: checked.algorithm.spec.version.clone(),
                engine_version: self.options.engine_version.clone(),
                inputs: checked.pinned()?,
                params_json: checked.params_json.clone(),
                attempts: 0,
                base_model: checked.base_model.clone(),
                base_model_sha256: checked.base_model_sha256.clone(),
                model: checked.asks().cloned(),
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
        // Under the turn: of two that would have one id, models or alias, the second is refused.
        if makes_models {
            self.check_model_ids(id, &algorithm.spec)?;
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
    /// `JOB_NOT_FOUND`, `JOB_NOT_FINISHED`, `JOB_IN_USE` when a waiting or running job reads its output
    /// or starts from its model, `MODEL_HAS_ALIAS`.
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
        if let Some((user, how)) = self.scheduler.user_of(&job) {
            return Err(Error::new(
                Class::State,
                "JOB_IN_USE",
                format!("job {:?} {how} of {:?}", user.as_str(), id.as_str()),
            ));
        }
        let turn = self.aliases.take();
        alias::check_none(&self.store, &job.models)?;
        let mut writes = records::delete_job(&job);
        let mut files: Vec<(Area, String)> = job
            .outputs
            .iter()
            .map(|output| (Area::Outputs, output.file.clone()))
            .collect();
        for model in &job.models {
            if let Some(model) = records::model(&self.store, model)? {
                writes.extend(records::delete_model(&model));
                files.push((Area::Models, card::file_name(&model.file)));
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
        drop(turn);
        // After the records are gone nobody opens them again.
        for model in &job.models {
            self.serving.forget(model);
        }
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
    pub fn model(&self, model: &ModelRef) -> Result<Model> {
        Ok(self.answer(model, |id| self.serving.model(id))?.1)
    }

    /// All aliases with the models that they point at.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn aliases(&self) -> Result<BTreeMap<AliasId, ModelId>> {
        alias::aliases(&self.store)
    }

    /// Points an alias at a model, or removes it; gives the model, and what it pointed at before.
    /// Workers for the model are opened first when those of the other are in use, so that no call
    /// has to wait for them.
    ///
    /// # Errors
    /// `MODEL_NOT_FOUND`; `ALIAS_MOVED` when it does not point at what is expected; `MODEL_EXISTS`
    /// for a new alias that is the id of a model; what opening the model met.
    pub fn set_alias(
        &self,
        alias: &AliasId,
        model: Option<&ModelRef>,
        expected: &Expected,
    ) -> Result<(Option<Model>, Option<ModelId>)> {
        let to = model.map(|model| resolve_model(&self.store, model));
        let to = to.transpose()?;
        if let (Some(to), Some(from)) = (&to, alias::target(&self.store, alias)?) {
            self.serving.follow(&from, to)?;
        }
        // Meanwhile no job is created whose model would have the alias as its id.
        let creating = self.scheduler.creating();
        let turn = self.aliases.take();
        let to = to.map(|id| self.serving.model(&id)).transpose()?;
        let before = alias::target(&self.store, alias)?;
        if to.is_some() && before.is_none() {
            self.check_no_model(alias)?;
        }
        let id = to.as_ref().map(|model| &model.id);
        if let Some(write) = alias::change(&self.store, alias, id, expected)? {
            self.store.write_docs(vec![write])?;
            let (from, to) = (
                before.as_ref().map(ModelId::as_str),
                id.map(ModelId::as_str),
            );
            tracing::info!(alias = alias.as_str(), from, to, "alias moved");
        }
        drop(turn);
        drop(creating);
        Ok((to, before))
    }

    /// Models with a number and name below `before`, newest first; those of one job by falling
    /// name, the main one last.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn models(&self, before: Option<(u64, &str)>, limit: usize) -> Result<Vec<Model>> {
        records::models(&self.store, before, limit)
    }

    /// The models that a ranking takes, the best first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn ranked(&self, ranking: &Ranking) -> Result<Vec<Model>> {
        ranking.of(&self.store)
    }

    /// Compares two models on the rows that both were judged on.
    ///
    /// # Errors
    /// `MODEL_NOT_FOUND`; `NOT_COMPARABLE` when they share too few rows with equal labels.
    pub fn compare(&self, champion: &ModelRef, challenger: &ModelRef) -> Result<Compared> {
        let champion = self.model(champion).map_err(|error| error.at("champion"))?;
        let challenger = self.model(challenger);
        let challenger = challenger.map_err(|error| error.at("challenger"))?;
        let threads = self.options.threads as usize;
        judge::compare(&self.store, &champion, &challenger, threads)
    }

    /// Scores customers or rows with a model; says which model answered.
    ///
    /// # Errors
    /// `MODEL_NOT_FOUND`; `WRONG_TASK` for a model that recommends; what the plugin says.
    pub fn score(&self, call: &ScoreCall) -> Result<(ModelId, Vec<Scored>)> {
        self.answer(&call.model, |id| self.serving.score(id, call))
    }

    /// How far what a model was asked online since the start is from what it was made from: the
    /// rows, the score first, then the features, the farthest first.
    ///
    /// # Errors
    /// `MODEL_NOT_FOUND`; `NO_PROFILE` for a model that was made before distributions were kept.
    pub fn drift(&self, model: &ModelRef) -> Result<(ModelId, (u64, Vec<Drift>))> {
        self.answer(model, |id| self.serving.drift(id))
    }

    /// The best items for a customer; says which model answered.
    ///
    /// # Errors
    /// `MODEL_NOT_FOUND`; `WRONG_TASK` for a model that does not recommend; what the plugin says.
    pub fn recommend(&self, call: &RecommendCall) -> Result<(ModelId, Offers)> {
        self.answer(&call.model, |id| self.serving.recommend(id, call))
    }

    /// The items most like one; says which model answered.
    ///
    /// # Errors
    /// `MODEL_NOT_FOUND`; `WRONG_TASK` for a model that does not recommend; `NO_SIMILAR_ITEMS`; what the
    /// plugin says.
    pub fn similar(&self, call: &SimilarCall) -> Result<(ModelId, Offers)> {
        self.answer(&call.model, |id| self.serving.similar(id, call))
    }

    /// What came of the impressions of a model.
    ///
    /// # Errors
    /// `MODEL_NOT_FOUND`; `NO_IMPRESSIONS`; `NO_EVENTS` when no events are named and the model was not
    /// made from a dataset; `MISSING_ROLE` when they do not say who, what and when.
    pub fn lift(&self, call: &LiftCall) -> Result<Lift> {
        let model = self.model(&call.model)?;
        let events = call.events.as_ref().or(model.dataset.as_ref());
        let events = events.ok_or_else(|| {
            Error::invalid(
                "NO_EVENTS",
                "events",
                format!(
                    "expected a dataset of events, since model {:?} was not made from one",
                    model.id.as_str()
                ),
            )
        })?;
        lift::measure(&self.store, call, events, self.options.clock.now())
    }

    /// Asks the model that is meant. An alias is followed when the call comes, and once more when
    /// it has moved and what it pointed at was deleted since.
    fn answer<T>(
        &self,
        model: &ModelRef,
        ask: impl Fn(&ModelId) -> Result<T>,
    ) -> Result<(ModelId, T)> {
        let id = resolve_model(&self.store, model)?;
        match ask(&id) {
            Ok(answer) => Ok((id, answer)),
            Err(error) if error.class() == Class::NotFound => {
                let now = resolve_model(&self.store, model)?;
                if now == id {
                    return Err(error);
                }
                let answer = ask(&now)?;
                Ok((now, answer))
            }
            Err(error) => Err(error),
        }
    }

    /// Stops: takes no more jobs from the queue, ends the workers of those that run. They
    /// run again at the next start.
    pub fn shutdown(&self) {
        self.scheduler.shutdown();
        self.serving.clear();
    }

    /// Refuses a job whose models would take the ids of those of another, job "a" with a model "b"
    /// beside its main one and job "a.b", or would be called as an alias is.
    fn check_model_ids(&self, id: &JobId, algorithm: &AlgorithmSpec) -> Result<()> {
        for model in model_ids(id, algorithm)? {
            if let Some(other) = self.maker(&model)? {
                let words = format!(
                    "expected an id whose models are not those of another job, found {:?}: \
                     model {:?} is of job {:?}",
                    id.as_str(),
                    model.as_str(),
                    other.as_str()
                );
                return Err(Error::new(Class::Exists, "MODEL_EXISTS", words).at("job_id"));
            }
            alias::check_free(&self.store, &model).map_err(|error| error.at("job_id"))?;
        }
        Ok(())
    }

    /// Refuses an alias that is the id of a model: one word would mean two models.
    fn check_no_model(&self, alias: &AliasId) -> Result<()> {
        let Ok(model) = ModelId::parse(alias.as_str()) else {
            return Ok(());
        };
        match self.maker(&model)? {
            None => Ok(()),
            Some(job) => Err(Error::new(
                Class::Exists,
                "MODEL_EXISTS",
                format!(
                    "expected an alias that is no model's id, found {:?}, the model of job {:?}",
                    alias.as_str(),
                    job.as_str()
                ),
            )
            .at("alias")),
        }
    }

    /// The job that has made a model, or will when it succeeds.
    fn maker(&self, model: &ModelId) -> Result<Option<JobId>> {
        let as_main = model.as_str();
        let as_named = as_main.rsplit_once('.').map_or("", |(job, _)| job);
        for job in [as_main, as_named] {
            let Ok(job) = JobId::parse(job) else {
                continue;
            };
            if self.makes(&job, model)? {
                return Ok(Some(job));
            }
        }
        Ok(None)
    }

    /// Whether a job has made a model, or will when it succeeds.
    fn makes(&self, job: &JobId, model: &ModelId) -> Result<bool> {
        if let Some(algorithm) = self.scheduler.live_algorithm(job) {
            return Ok(model_ids(job, &algorithm.spec)?.contains(model));
        }
        let job = records::job(&self.store, job)?;
        Ok(job.is_some_and(|job| job.models.contains(model)))
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
            Err(error) if error.class() == Class::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The ids of the models that a job makes, the main one first: that of the job, and behind a
/// dot the name of each model beside it.
///
/// # Errors
/// `INVALID_ID` when the job's id leaves no room for a name.
pub(crate) fn model_ids(id: &JobId, algorithm: &AlgorithmSpec) -> Result<Vec<ModelId>> {
    if algorithm.model_format.is_none() {
        return Ok(Vec::new());
    }
    let names = algorithm
        .models
        .iter()
        .map(|model| format!("{id}.{}", model.name));
    std::iter::once(id.to_string())
        .chain(names)
        .map(|id| ModelId::parse(id).map_err(|error| Error::of(&error).at("job_id")))
        .collect()
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
