//! Carries out one job: opens its inputs, has it judged, fits it, keeps what it made.
//!
//! Nothing of a job is visible before its final record says so: outputs and models are
//! files without a record until then, and are removed when the job does not get there.

mod keep;

use std::collections::BTreeMap;
use std::fs::File;
use std::time::Duration;
use std::time::Instant;

use lode_host::CancelFlag;
use lode_host::FitCall;
use lode_host::FitReport;
use lode_host::Host;
use lode_host::InputTable;
use lode_parts::Table;
use lode_query::Sql;
use lode_store::Area;
use lode_store::Store;
use lode_types::Class;
use lode_types::Clock;
use lode_types::ModelId;
use lode_types::Task;

use crate::Error;
use crate::EventKind;
use crate::Job;
use crate::Metric;
use crate::Model;
use crate::Options;
use crate::Output;
use crate::Progress;
use crate::Provenance;
use crate::Result;
use crate::SignatureColumn;
use crate::batch;
use crate::card;
use crate::card::Card;
use crate::check::BoundColumn;
use crate::check::BoundInput;
use crate::check::BoundSource;
use crate::check::Checked;
use crate::check::base_model;
use crate::input;
use crate::input::Until;
use crate::jobs::model_ids;
use crate::judge;
use crate::profile;
use crate::profile::Profile;
use crate::tags;
use crate::training;
use crate::tune;
use crate::tune::Found;
pub(crate) use keep::Keep;
use keep::digest;
use keep::unwritable;

/// Share of the progress bar that evaluation takes, when there is one.
pub(crate) const EVALUATION_SHARE: f64 = 0.7;
/// Share of the progress bar that a search takes, when there is one.
const SEARCH_SHARE: f64 = 0.6;
/// Share at which the fit ends and the results are kept.
const FIT_END: f64 = 0.95;

/// What carrying out a job needs of the engine.
pub(crate) struct Bench<'a> {
    pub(crate) store: &'a Store,
    pub(crate) host: &'a Host,
    pub(crate) sql: &'a Sql,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) options: &'a Options,
    pub(crate) cancel: &'a CancelFlag,
    pub(crate) report: &'a dyn Fn(EventKind),
}

/// What a job made; to be recorded in one transaction.
pub(crate) struct Made {
    pub(crate) outputs: Vec<Output>,
    /// The main one first.
    pub(crate) models: Vec<Model>,
    pub(crate) metrics: Vec<Metric>,
    pub(crate) written_back: u64,
    /// Of a tuned job, with what won; else what the job has stands.
    pub(crate) provenance: Option<Provenance>,
}

/// The bounds of one run, defaults filled in.
#[derive(Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) threads: u32,
    pub(crate) memory_bytes: u64,
    pub(crate) deadline: Instant,
}

impl Bench<'_> {
    /// Carries out `job`.
    pub(crate) fn carry_out(&self, job: &Job, checked: &Checked) -> Result<Made> {
        if let Some(batch) = &checked.batch {
            return batch::carry_out(self, job, checked, batch);
        }
        if let Some(offers) = &checked.for_all {
            return batch::offers::carry_out(self, job, checked, offers);
        }
        let bounds = self.bounds(job);
        let Some(plan) = &checked.tuning else {
            return self.judge_and_fit(job, checked, bounds, None);
        };
        let report = |kind| (self.report)(within(kind, 0.0..SEARCH_SHARE));
        let searching = Bench {
            report: &report,
            ..*self
        };
        let found = tune::search(&searching, job, checked, plan, bounds)?;
        // What won is what the job is from here on.
        let mut job = job.clone();
        job.provenance.runs(&found.checked);
        let report = |kind| (self.report)(within(kind, SEARCH_SHARE..1.0));
        let fitting = Bench {
            report: &report,
            ..*self
        };
        let mut made = fitting.judge_and_fit(&job, &found.checked, bounds, Some(&found))?;
        made.provenance = Some(job.provenance);
        Ok(made)
    }

    /// Judges `job` and fits it.
    fn judge_and_fit(
        &self,
        job: &Job,
        checked: &Checked,
        bounds: Bounds,
        found: Option<&Found>,
    ) -> Result<Made> {
        let spec = &checked.algorithm.spec;
        let mut metrics = BTreeMap::new();
        let mut keep = Keep::new(self.store, Area::Outputs);
        let stem = format!("{}-{}", job.number, job.provenance.attempts);

        let mut fit_start = 0.0;
        let mut judged = None;
        if checked.folds > 1 {
            judged = match spec.task {
                Task::Recommendation => judge::offers::judge(self, job, checked, bounds)?,
                task if task.is_supervised() => Some(judge::judge(self, job, checked, bounds)?),
                _ => None,
            };
            if judged.is_some() {
                fit_start = EVALUATION_SHARE;
            }
        }
        let calibration = judged
            .as_ref()
            .and_then(|judged| judged.calibration.clone());

        self.progress("fit", fit_start);
        let mut files = Vec::new();
        for output in &spec.outputs {
            let file = keep.create(&format!("{stem}-{}.arrow", output.name))?;
            files.push((output.name.clone(), file));
        }
        let mut keep_models = Keep::new(self.store, Area::Models);
        let mut model_files = Vec::new();
        let names = std::iter::once("").chain(spec.models.iter().map(|model| model.name.as_str()));
        for (id, name) in model_ids(&job.id, spec)?.into_iter().zip(names) {
            let file_name = match name {
                "" => format!("{stem}.model"),
                name => format!("{stem}-{name}.model"),
            };
            let file = keep_models.create(&file_name)?;
            model_files.push((id, name.to_owned(), file_name, file));
        }
        let mut inputs = Vec::new();
        let taken = |bound: &&BoundInput| checked.takes(&bound.name);
        for bound in checked.inputs.iter().filter(taken) {
            inputs.push(self.open_input(bound, bounds)?);
        }
        let rows = match inputs.first() {
            Some(first) if spec.outcome().is_some() => again(&first.files)?,
            _ => Vec::new(),
        };
        let dates = match checked.inputs.first() {
            Some(first) if !rows.is_empty() => judge::Dates::of(first, again(&rows)?)?,
            _ => None,
        };
        let is_rewritten = calibration.is_some() || dates.is_some();
        let mut written = copies(files.iter().map(|(name, file)| (name, file)))?;
        let mut raw = BTreeMap::new();
        for (output, (_, file)) in spec.outputs.iter().zip(&mut written) {
            if is_rewritten && judge::is_of_rows(output) {
                // The plugin writes its own scores elsewhere; what it cannot know is added on the way.
                let scratch = self.store.scratch_file()?;
                *file = scratch.try_clone().map_err(|error| unwritable(&error))?;
                raw.insert(output.name.clone(), scratch);
            }
        }
        let models = copies(model_files.iter().map(|(_, name, _, file)| (name, file)))?;
        let base_model = checked.base_model.as_ref();
        let base_model = base_model
            .map(|id| base_model::open(self.store, id, checked.base_model_sha256.as_deref()))
            .transpose()?;
        let fitted = self.fit(
            job,
            checked,
            bounds,
            Fit {
                inputs,
                base_model,
                outputs: written,
                models,
                stage: "fit",
                progress: fit_start..FIT_END,
            },
        )?;
        metrics.extend(fitted.metrics);
        if let Some(judged) = &judged {
            // What the engine measured stands before what a plugin says of itself.
            let own = judged.metrics.iter();
            metrics.extend(own.map(|(name, value)| (name.clone(), *value)));
        }

        self.progress("keep results", FIT_END);
        let mut outputs = Vec::new();
        for (output, (name, file)) in spec.outputs.iter().zip(files) {
            let Some(made) = fitted.outputs.iter().find(|made| made.name == name) else {
                return Err(Error::new(
                    Class::Bug,
                    "PLUGIN_FAILED",
                    format!("{} did not give its output {name:?}", spec.id),
                ));
            };
            // The worker had the file open to its end: what it holds now is what counts.
            let own = raw.get(&name).unwrap_or(&file);
            let whole = own.try_clone().map_err(|error| unwritable(&error))?;
            let Some(table) = Table::open(vec![whole])
                .ok()
                .filter(|table| table.rows() == made.rows)
            else {
                return Err(destroyed(&spec.id, &format!("output {name:?}")));
            };
            if raw.contains_key(&name) {
                judge::rewrite(&table, calibration.as_ref(), dates.as_ref(), &file)?;
            }
            outputs.push(keep.adopt(&stem, &name, &output.chart_hint, made.rows, file)?);
        }
        if let Some(found) = found {
            let own = found.metrics.iter();
            metrics.extend(own.map(|(name, value)| (name.clone(), *value)));
        }
        let reports = judged.iter().flat_map(|judged| &judged.reports);
        for report in reports.chain(found.map(|found| &found.leaderboard)) {
            let file = keep.create(&format!("{stem}-{}.arrow", report.name))?;
            let rows = report.rows.num_rows() as u64;
            let batch = [Ok(report.rows.clone())];
            lode_parts::write_ipc(&file, &report.rows.schema(), batch.into_iter())?;
            outputs.push(keep.adopt(&stem, report.name, report.chart_hint, rows, file)?);
        }
        if let Some(set) = checked.training() {
            let dates = set.summary();
            let rows: u64 = dates.iter().map(|date| date.rows).sum();
            metrics.insert("training_rows".to_owned(), rows as f64);
            metrics.insert("training_dates".to_owned(), dates.len() as f64);
            let table = training::summary_table(&dates)?;
            let file = keep.create(&format!("{stem}-training_set.arrow"))?;
            let rows = table.num_rows() as u64;
            lode_parts::write_ipc(&file, &table.schema(), [Ok(table)].into_iter())?;
            outputs.push(keep.adopt(&stem, "training_set", "line", rows, file)?);
        }
        let metrics: Vec<Metric> = metrics
            .into_iter()
            .map(|(name, value)| Metric { name, value })
            .collect();
        let mut models = Vec::new();
        for (id, name, file_name, file) in model_files {
            let Some(&given) = fitted.models.get(&name) else {
                let words = match name.as_str() {
                    "" => format!("{} did not give its model", spec.id),
                    name => format!("{} did not give its model {name:?}", spec.id),
                };
                return Err(Error::new(Class::Bug, "PLUGIN_FAILED", words));
            };
            let (bytes, sha256) = digest(file)?;
            if bytes != given {
                return Err(destroyed(&spec.id, "model"));
            }
            self.store.adopt_file(Area::Models, &file_name)?;
            if name.is_empty() && !rows.is_empty() {
                let card = Card {
                    profile: Some(self.profile(checked, &stem, again(&rows)?)?),
                    ..Card::default()
                };
                let card_name = card::file_name(&file_name);
                card::write(&mut keep_models.create(&card_name)?, card)?;
                self.store.adopt_file(Area::Models, &card_name)?;
            }
            let kept = Kept {
                id,
                name,
                file: file_name,
                bytes,
                sha256,
            };
            let mut model = self.model(job, checked, &metrics, kept);
            if let (Some(judged), true) = (&judged, model.name.is_empty()) {
                model.calibration.clone_from(&calibration);
                model.judged_sha256.clone_from(&judged.rows_sha256);
            }
            models.push(model);
        }

        self.check_cancelled()?;
        let mut written_back = 0;
        if job.spec.write_back {
            self.progress("write back", FIT_END);
            for output in spec.outputs.iter().filter(|o| !o.write_back.is_empty()) {
                let file = format!("{stem}-{}.arrow", output.name);
                let table = Table::open(vec![self.store.open_file(Area::Outputs, &file)?])?;
                let by = tags::By {
                    job: &job.id,
                    // What tuning chose, where it chose.
                    algorithm: &checked.algorithm.spec.id,
                    time: self.clock.now(),
                };
                let n = tags::write_back(self.store, by, output, &table, None)?;
                written_back = written_back.max(n.customers);
                if n.repeated > 0 {
                    (self.report)(EventKind::Log {
                        level: "warn".to_owned(),
                        message: format!(
                            "{} rows of {:?} are of a customer that has a row already; the last one stays",
                            n.repeated, output.name
                        ),
                    });
                }
            }
        }
        keep.release();
        keep_models.release();
        Ok(Made {
            outputs,
            models,
            metrics,
            written_back,
            provenance: None,
        })
    }

    /// Opens an input within the job's time.
    pub(crate) fn open_input(&self, bound: &BoundInput, bounds: Bounds) -> Result<InputTable> {
        let until = Until {
            cancel: self.cancel,
            deadline: bounds.deadline,
        };
        until.check()?;
        input::open(self.store, self.sql, bound, until)
    }

    /// Runs the plugin's fit in a worker.
    pub(crate) fn fit(
        &self,
        job: &Job,
        checked: &Checked,
        bounds: Bounds,
        fit: Fit<'_>,
    ) -> Result<FitReport> {
        let call = FitCall {
            algorithm: checked.algorithm.spec.id.clone(),
            params_json: checked.params_json.clone(),
            seed: job.spec.seed,
            threads: bounds.threads,
            memory_bytes: bounds.memory_bytes,
            deadline: bounds.deadline,
            inputs: fit.inputs,
            outputs: fit.outputs,
            models: fit.models,
            base_model: fit.base_model,
        };
        let (start, end) = (fit.progress.start, fit.progress.end);
        let mut last = Instant::now();
        let mut on_event = |event: lode_host::Event| match event {
            lode_host::Event::Progress { fraction, stage } => {
                if last.elapsed() >= Duration::from_millis(200) {
                    last = Instant::now();
                    let stage = if stage.is_empty() || fit.stage != "fit" {
                        fit.stage.to_owned()
                    } else {
                        stage
                    };
                    self.progress(&stage, start + (end - start) * fraction.clamp(0.0, 1.0));
                }
            }
            lode_host::Event::Log { level, text } => {
                // What a judging fit says is hidden; what a worker died of is not.
                if fit.stage == "fit" || level == lode_host::LogLevel::Error {
                    (self.report)(EventKind::Log {
                        level: level.as_str().to_owned(),
                        message: text,
                    });
                }
            }
        };
        let loaded = &checked.algorithm;
        Ok(self
            .host
            .fit_with(loaded, call, &mut on_event, self.cancel)?)
    }

    pub(crate) fn progress(&self, stage: &str, fraction: f64) {
        (self.report)(EventKind::Progress(Progress {
            stage: stage.to_owned(),
            fraction,
        }));
    }

    pub(crate) fn check_cancelled(&self) -> Result<()> {
        if self.cancel.is_cancelled() {
            return Err(Error::new(
                Class::Cancelled,
                "JOB_CANCELLED",
                "the job was cancelled",
            ));
        }
        Ok(())
    }

    pub(crate) fn bounds(&self, job: &Job) -> Bounds {
        let limits = job.spec.limits;
        let or = |value: u64, default: u64| if value == 0 { default } else { value };
        let timeout = or(limits.timeout_millis, self.options.timeout_millis);
        Bounds {
            threads: if limits.threads == 0 {
                self.options.threads
            } else {
                limits.threads
            },
            memory_bytes: or(limits.memory_bytes, self.options.memory_bytes),
            deadline: Instant::now() + Duration::from_millis(timeout),
        }
    }

    /// The distributions of what a model was made from; `rows` are the files of the first input.
    fn profile(&self, checked: &Checked, stem: &str, rows: Vec<File>) -> Result<Profile> {
        let input = checked.inputs.first();
        let input = input.ok_or_else(|| Error::bug("a model of no rows"))?;
        let table = Table::open(rows)?;
        let mut scores = None;
        let mut outputs = checked.algorithm.spec.outputs.iter();
        if outputs.any(|output| output.name == "scores") {
            let file = self
                .store
                .open_file(Area::Outputs, &format!("{stem}-scores.arrow"))?;
            scores = Some(Table::open(vec![file])?);
        }
        let scored = scores
            .as_ref()
            .filter(|t| t.schema().index_of("score").is_ok());
        profile::make(&profile::Rows {
            table: &table,
            columns: &signature(&input.columns),
            descriptions: &profile::descriptions(input),
            scores: scored.map(|table| (table, "score")),
        })
    }

    fn model(&self, job: &Job, checked: &Checked, metrics: &[Metric], kept: Kept) -> Model {
        let first = checked.inputs.first();
        let columns = first
            .map(|input| input.columns.as_slice())
            .unwrap_or_default();
        Model {
            id: kept.id,
            number: job.number,
            name: kept.name,
            algorithm: checked.algorithm.spec.id.clone(),
            model_format: checked.algorithm.spec.model_format,
            job: job.id.clone(),
            metrics: metrics.to_vec(),
            bytes: kept.bytes,
            sha256: kept.sha256,
            provenance: job.provenance.clone(),
            seed: job.spec.seed,
            signature: signature(columns),
            dataset: first.and_then(|input| match &input.source {
                BoundSource::Dataset(snapshot) => Some(snapshot.dataset().id.clone()),
                _ => None,
            }),
            file: kept.file,
            calibration: None,
            judged_sha256: String::new(),
            create_time: self.clock.now(),
        }
    }
}

/// The same event, its progress within a part of the job's.
fn within(kind: EventKind, part: std::ops::Range<f64>) -> EventKind {
    match kind {
        EventKind::Progress(progress) => EventKind::Progress(Progress {
            fraction: part.start + (part.end - part.start) * progress.fraction,
            ..progress
        }),
        kind => kind,
    }
}

/// One call of the plugin's fit.
pub(crate) struct Fit<'a> {
    pub(crate) inputs: Vec<InputTable>,
    pub(crate) outputs: Vec<(String, File)>,
    /// By name; the main one has none.
    pub(crate) models: Vec<(String, File)>,
    /// The model to start from.
    pub(crate) base_model: Option<File>,
    /// What the watcher sees; a stage other than "fit" hides the plugin's own words.
    pub(crate) stage: &'a str,
    /// The part of the job's progress that this call is.
    pub(crate) progress: std::ops::Range<f64>,
}

/// A model whose file has its final name.
struct Kept {
    id: ModelId,
    name: String,
    file: String,
    bytes: u64,
    sha256: String,
}

/// The same files once more, for a worker to write.
fn copies<'a>(files: impl Iterator<Item = (&'a String, &'a File)>) -> Result<Vec<(String, File)>> {
    files
        .map(|(name, file)| Ok((name.clone(), file.try_clone()?)))
        .collect::<std::io::Result<_>>()
        .map_err(|error| unwritable(&error))
}

/// The columns as the algorithm sees them.
fn signature(columns: &[BoundColumn]) -> Vec<SignatureColumn> {
    let columns = columns.iter().map(|column| SignatureColumn {
        name: column.name.clone(),
        column_type: column.column_type.for_algorithms(),
        role: column.role,
    });
    columns.collect()
}

/// The same files once more, to be read again.
fn again(files: &[File]) -> Result<Vec<File>> {
    let files = files.iter().map(File::try_clone);
    let files = files.collect::<std::io::Result<_>>();
    files.map_err(|error| unwritable(&error))
}

fn destroyed(algorithm: &str, what: &str) -> Error {
    Error::new(
        Class::Bug,
        "PLUGIN_FAILED",
        format!("{algorithm} changed its {what} after it had given it"),
    )
}
