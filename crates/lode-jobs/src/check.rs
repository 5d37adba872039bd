//! Refuses what cannot run, and pins what will: the gate between a spec and the queue.
//!
//! After this, a job fails only for what its data or its plugin do. The same check runs
//! again after a restart, on the versions that were pinned the first time.

pub(crate) mod base_model;
mod batch;
mod bind;
mod columns;
mod evaluation;
mod library;
mod offers;
mod pins;
mod tuning;

use std::collections::BTreeMap;
use std::sync::Arc;

use lode_host::Host;
use lode_host::Loaded;
use lode_parts::empty_file;
use lode_query::QueryOptions;
use lode_query::Sql;
use lode_query::SqlTable;
use lode_store::Snapshot;
use lode_store::Store;
use lode_types::AlgorithmSpec;
use lode_types::Class;
use lode_types::Clock;
use lode_types::ColumnType;
use lode_types::DatasetId;
use lode_types::JobId;
use lode_types::ModelId;
use lode_types::Role;
use lode_types::SystemClock;
use lode_types::Task;
use lode_types::Timestamp;

use crate::Error;
use crate::InputRef;
use crate::InputSource;
use crate::JobSpec;
use crate::JobState;
use crate::Model;
use crate::PinnedInput;
use crate::PinnedView;
use crate::Provenance;
use crate::ReadTable;
use crate::Result;
use crate::alias::resolve_model;
pub(crate) use crate::check::batch::Blocked;
pub(crate) use crate::check::batch::CheckedBatch;
pub(crate) use crate::check::batch::CheckedForAll;
pub(crate) use crate::check::batch::ScoredColumn;
use crate::check::bind::bind;
use crate::check::columns::arrow_columns;
pub(crate) use crate::check::offers::CheckedOffers;
use crate::check::pins::Pins;
use crate::features;
use crate::job::base_model_of;
use crate::offering::Catalogue;
use crate::params;
use crate::records;
use crate::tables::not_after;
use crate::training;
use crate::training::TrainingSource;
use crate::tune;

/// Most inputs, labels and excluded columns of one spec.
const MAX_ENTRIES: usize = 1000;

/// Least memory of a worker: less cannot even load a plugin.
const MIN_MEMORY_BYTES: u64 = 64 << 20;
/// Most memory of a worker.
const MAX_MEMORY_BYTES: u64 = 1 << 40;
/// Most threads of an algorithm.
const MAX_THREADS: u32 = 256;

/// A job that can run: everything resolved, its inputs pinned.
pub(crate) struct Checked {
    pub(crate) algorithm: Arc<Loaded>,
    pub(crate) params_json: String,
    pub(crate) inputs: Arc<Vec<BoundInput>>,
    pub(crate) folds: u32,
    /// The model to start from, if there is one.
    pub(crate) base_model: Option<ModelId>,
    /// Of its bytes.
    pub(crate) base_model_sha256: Option<String>,
    /// Scores everybody instead of fitting.
    pub(crate) batch: Option<CheckedBatch>,
    /// Makes offers for everybody instead of fitting.
    pub(crate) for_all: Option<CheckedForAll>,
    /// What is searched before the fit.
    pub(crate) tuning: Option<Arc<tune::Plan>>,
    /// What a recommender is judged by beside its inputs.
    pub(crate) offers: Arc<CheckedOffers>,
}

/// An input with its rows' source held and its columns chosen.
pub(crate) struct BoundInput {
    pub(crate) name: String,
    pub(crate) source: BoundSource,
    /// Nothing that was known later is seen.
    pub(crate) as_of: Option<Timestamp>,
    pub(crate) columns: Vec<BoundColumn>,
    pub(crate) kept: KeptColumns,
}

/// Columns of an input's files that the engine keeps for itself; no plugin gets them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct KeptColumns {
    /// The time as of which the row was made.
    pub(crate) as_of: Option<String>,
    /// The time at which its label was known.
    pub(crate) label_end: Option<String>,
    /// Whether its customer was new then.
    pub(crate) is_new: Option<String>,
}

/// Where an input's rows come from; the snapshots hold the versions.
pub(crate) enum BoundSource {
    Dataset(Arc<Snapshot>),
    Sql {
        sql: String,
        /// What `now()` gives.
        now: Timestamp,
        tables: Vec<ReadTable>,
    },
    Output {
        job: JobId,
        output: String,
    },
    Features {
        view: Box<PinnedView>,
        /// As it was when the job was created.
        declaration: String,
        as_of: Timestamp,
    },
    TrainingSet(Box<TrainingSource>),
    /// Everybody whom a model of a training set scores.
    Subjects {
        subjects: Box<training::Subjects>,
        model: Box<Model>,
        as_of: Timestamp,
    },
}

/// A column that the algorithm gets.
#[derive(Clone)]
pub(crate) struct BoundColumn {
    pub(crate) name: String,
    pub(crate) column_type: ColumnType,
    pub(crate) role: Option<Role>,
}

/// What checking needs of the engine.
#[derive(Clone, Copy)]
pub(crate) struct Checker<'a> {
    pub(crate) store: &'a Store,
    pub(crate) host: &'a Host,
    pub(crate) sql: &'a Sql,
}

impl Checker<'_> {
    /// Checks a spec; `again` is what an earlier check fixed.
    pub(crate) fn check(&self, spec: &JobSpec, again: Option<&Provenance>) -> Result<Checked> {
        if let Some(batch) = &spec.batch_score {
            return self.batch(spec, batch, again);
        }
        let pinned = again.map(|provenance| provenance.inputs.as_slice());
        let algorithm = self.algorithm(spec, again)?;
        let params_json =
            params::resolve(&spec.algorithm, &algorithm.spec.params_schema, &spec.params)?;
        if spec.folds > 20 {
            return Err(Error::invalid(
                "OUT_OF_RANGE",
                "spec.evaluation.folds",
                format!("expected 0 to 20 folds, found {}", spec.folds),
            ));
        }
        evaluation::check(&spec.evaluation)?;
        if spec.labels.len() > MAX_ENTRIES || spec.inputs.len() > MAX_ENTRIES {
            return Err(Error::invalid(
                "OUT_OF_RANGE",
                "spec",
                format!("expected at most {MAX_ENTRIES} labels and inputs"),
            ));
        }
        if spec.write_back
            && !algorithm
                .spec
                .outputs
                .iter()
                .any(|o| !o.write_back.is_empty())
        {
            return Err(Error::invalid(
                "NOTHING_TO_WRITE_BACK",
                "spec.write_back",
                format!(
                    "{} has no output that can be written back onto customers",
                    spec.algorithm
                ),
            ));
        }
        limits(spec)?;
        if spec.offering.is_some() {
            if algorithm.spec.task != Task::Recommendation {
                return Err(Error::invalid(
                    "NOT_A_RECOMMENDER",
                    "spec.offering",
                    format!(
                        "expected an algorithm that recommends, found {}",
                        spec.algorithm
                    ),
                ));
            }
            if again.is_none() {
                Catalogue::read(self.store, spec)?;
            }
        }
        let before = again.and_then(|provenance| provenance.base_model_sha256.as_deref());
        let base_model = match again {
            Some(provenance) => base_model_of(spec, provenance).cloned(),
            None => self.base_model(spec)?,
        };
        let base_model_sha256 = base_model
            .as_ref()
            .map(|id| base_model::check(self.store, &algorithm.spec, id, before))
            .transpose()?;
        let (inputs, offers) = self.inputs(&algorithm.spec, spec, pinned)?;
        if again.is_none() {
            evaluation::check_dates(spec, &inputs)?;
        }
        let tuning = spec.tuning.as_ref();
        let tuning = tuning
            .map(|tuning| self.tuning(&algorithm, spec, tuning, &inputs))
            .transpose()?;
        let knows_customers = inputs.iter().any(|input| {
            let mut roles = input.columns.iter().filter_map(|column| column.role);
            roles.any(|role| role == Role::CustomerId)
        });
        if spec.write_back && !knows_customers {
            return Err(Error::invalid(
                "MISSING_ROLE",
                "spec.write_back",
                "expected an input with a column of role customer_id to write back onto, found none",
            ));
        }
        Ok(Checked {
            algorithm,
            params_json,
            inputs: Arc::new(inputs),
            tuning: tuning.map(Arc::new),
            offers: Arc::new(offers),
            folds: if spec.folds == 0 { 5 } else { spec.folds },
            base_model,
            base_model_sha256,
            batch: None,
            for_all: None,
        })
    }

    /// The model to start from, an alias followed.
    fn base_model(&self, spec: &JobSpec) -> Result<Option<ModelId>> {
        let model = spec.base_model.as_ref();
        let id = model.map(|model| resolve_model(self.store, model));
        id.transpose().map_err(|error| error.at("spec.base_model"))
    }

    fn inputs(
        &self,
        algorithm: &AlgorithmSpec,
        spec: &JobSpec,
        pinned: Option<&[PinnedInput]>,
    ) -> Result<(Vec<BoundInput>, CheckedOffers)> {
        for name in spec.inputs.keys() {
            if !algorithm.inputs.iter().any(|input| input.name == *name) {
                let known: Vec<&str> = algorithm.inputs.iter().map(|i| i.name.as_str()).collect();
                return Err(Error::invalid(
                    "UNKNOWN_INPUT",
                    format!("spec.inputs.{name}"),
                    format!(
                        "{} has no input {name:?}: expected {}",
                        algorithm.id,
                        known.join(", ")
                    ),
                ));
            }
        }
        let mut pins = Pins {
            store: self.store,
            pinned,
            held: BTreeMap::new(),
        };
        let mut inputs = Vec::new();
        for wanted in &algorithm.inputs {
            let Some(given) = spec.inputs.get(&wanted.name) else {
                if wanted.optional {
                    continue;
                }
                return Err(Error::invalid(
                    "MISSING_INPUT",
                    format!("spec.inputs.{}", wanted.name),
                    format!(
                        "{} needs an input {:?}: {}",
                        algorithm.id, wanted.name, wanted.description
                    ),
                ));
            };
            let field = format!("spec.inputs.{}", wanted.name);
            let name = &wanted.name;
            let (source, columns) = self.source(name, given, spec, &mut pins).map_err(|error| {
                if error.to_string().is_empty() {
                    error
                } else {
                    training::below(error, &field)
                }
            })?;
            let columns = bind(&algorithm.id, wanted, given, columns)?;
            let as_of = match &source {
                BoundSource::Features { as_of, .. } => Some(*as_of),
                BoundSource::TrainingSet(set) => Some(set.resolved.bound),
                _ => spec.as_of,
            };
            let mut kept = KeptColumns::default();
            if let BoundSource::TrainingSet(_) = &source {
                let [as_of, label_end, is_new] = lode_features::KEPT.map(str::to_owned);
                kept = KeptColumns {
                    as_of: Some(as_of),
                    label_end: Some(label_end),
                    is_new: Some(is_new),
                };
            }
            inputs.push(BoundInput {
                name: wanted.name.clone(),
                source,
                as_of,
                columns,
                kept,
            });
        }
        let offers = self.offers(algorithm, spec, &inputs, &mut pins)?;
        Ok((inputs, offers))
    }

    fn source(
        &self,
        name: &str,
        given: &InputRef,
        spec: &JobSpec,
        pins: &mut Pins<'_>,
    ) -> Result<(BoundSource, Vec<BoundColumn>)> {
        let as_of = spec.as_of;
        match &given.source {
            InputSource::Dataset(id) => {
                let snapshot = pins.pin(id)?;
                if as_of.is_some() {
                    snapshot.check_as_of()?;
                }
                let columns = snapshot.dataset().schema.columns().iter();
                let columns = columns
                    .map(|column| BoundColumn {
                        name: column.name.clone(),
                        column_type: column.column_type,
                        role: column.role,
                    })
                    .collect();
                Ok((BoundSource::Dataset(snapshot), columns))
            }
            InputSource::Sql(sql) => {
                let now = as_of.unwrap_or_else(|| self.store.now());
                let opened = self.sql.open(sql, &QueryOptions::at(now))?;
                let mut tables = Vec::new();
                let mut files = Vec::new();
                for named in opened.tables().to_vec() {
                    // A version that the statement names is its own; others are the job's.
                    let mut version = named.version;
                    if version.is_none() {
                        let id = resolve_dataset(self.store, &named.dataset)?;
                        version = Some(pins.pin(&id)?.version());
                    }
                    not_after(&named, as_of)?;
                    let read = ReadTable::resolve(self.store, &named, as_of, &|_| version)?;
                    let schema = Arc::new(read.snapshot.dataset().schema.to_arrow());
                    files.push(SqlTable::new(&named.name, vec![empty_file(&schema)?]));
                    tables.push(read);
                }
                let planned = opened.plan(files)?;
                let columns = arrow_columns(&planned.schema())?;
                let sql = sql.clone();
                Ok((BoundSource::Sql { sql, now, tables }, columns))
            }
            InputSource::Output { job, output } => {
                let columns = self.output_columns(job, output, as_of)?;
                let (job, output) = (job.clone(), output.clone());
                Ok((BoundSource::Output { job, output }, columns))
            }
            InputSource::Features(view) => {
                let (declaration, time) = match pins.features(name) {
                    Some(pinned) => pinned,
                    None => (
                        features::declaration(self.store, view)?.to_string(),
                        as_of.unwrap_or_else(|| SystemClock.now()),
                    ),
                };
                self.features(declaration, time, pins)
            }
            InputSource::TrainingSet(set) => {
                let (store, sql) = (self.store, self.sql);
                let source = match pins.training(name) {
                    Some((view, resolved)) => {
                        TrainingSource::again(store, sql, &view, &resolved, &mut |id| pins.pin(id))?
                    }
                    None => {
                        let asked = training::Asked {
                            store,
                            sql,
                            as_of,
                            seed: spec.seed,
                            test_dates: spec.evaluation.test_dates,
                            judges: spec.folds != 1,
                        };
                        TrainingSource::resolve(&asked, set, &mut |id| pins.pin(id))?
                    }
                };
                let mut columns = arrow_columns(&source.schema())?;
                columns.retain(|column| !lode_features::KEPT.contains(&column.name.as_str()));
                Ok((BoundSource::TrainingSet(Box::new(source)), columns))
            }
        }
    }

    /// A feature view by its declaration.
    fn features(
        &self,
        declaration: String,
        as_of: Timestamp,
        pins: &mut Pins<'_>,
    ) -> Result<(BoundSource, Vec<BoundColumn>)> {
        let json = serde_json::from_str(&declaration)?;
        let view = PinnedView::pin(self.store, self.sql, &json, &mut |id| pins.pin(id))?;
        let mut columns = arrow_columns(&view.view().schema())?;
        // It is the same in all rows, and no feature.
        columns.retain(|column| column.name != "as_of");
        let source = BoundSource::Features {
            view: Box::new(view),
            declaration,
            as_of,
        };
        Ok((source, columns))
    }

    fn output_columns(
        &self,
        id: &JobId,
        output: &str,
        as_of: Option<Timestamp>,
    ) -> Result<Vec<BoundColumn>> {
        let job = records::job(self.store, id)?.ok_or_else(|| {
            Error::new(
                Class::NotFound,
                "JOB_NOT_FOUND",
                format!("no job {:?}", id.as_str()),
            )
        })?;
        if job.state != JobState::Succeeded {
            return Err(Error::new(
                Class::State,
                "JOB_NOT_SUCCEEDED",
                format!(
                    "expected a job that succeeded, found {:?}, which is {}",
                    id.as_str(),
                    job.state.as_str()
                ),
            ));
        }
        if let Some(as_of) = as_of
            && job.spec.as_of.is_none_or(|seen| seen > as_of)
        {
            let seen = match job.spec.as_of {
                Some(seen) => format!("was known at {}", seen.to_rfc3339()),
                None => "is known now".to_owned(),
            };
            return Err(Error::new(
                Class::State,
                "AS_OF_LATER_OUTPUT",
                format!(
                    "expected an output made as of {} or earlier, found one of job {:?}, which saw what {seen}",
                    as_of.to_rfc3339(),
                    id.as_str()
                ),
            ));
        }
        let (_, table) = crate::jobs::open_output(self.store, &job, output)?;
        arrow_columns(&table.schema())
    }
}

/// Bounds that no worker could run within, or that no machine has.
fn limits(spec: &JobSpec) -> Result<()> {
    let memory = spec.limits.memory_bytes;
    if memory != 0 && !(MIN_MEMORY_BYTES..=MAX_MEMORY_BYTES).contains(&memory) {
        return Err(Error::invalid(
            "OUT_OF_RANGE",
            "spec.limits.memory_bytes",
            format!(
                "expected {MIN_MEMORY_BYTES} (64 MiB) to {MAX_MEMORY_BYTES} (1 TiB) bytes, found {memory}"
            ),
        ));
    }
    if spec.limits.threads > MAX_THREADS {
        return Err(Error::invalid(
            "OUT_OF_RANGE",
            "spec.limits.threads",
            format!(
                "expected at most {MAX_THREADS} threads, found {}",
                spec.limits.threads
            ),
        ));
    }
    Ok(())
}

/// The dataset that a name in SQL means: the exact id, or the only one that differs in
/// case alone.
///
/// # Errors
/// `DATASET_NOT_FOUND`, with the datasets there are.
pub fn resolve_dataset(store: &Store, name: &str) -> Result<DatasetId> {
    let datasets = store.datasets()?;
    if let Some(exact) = datasets.iter().find(|dataset| dataset.id.as_str() == name) {
        return Ok(exact.id.clone());
    }
    let mut like = datasets
        .iter()
        .filter(|dataset| dataset.id.as_str().eq_ignore_ascii_case(name));
    if let (Some(only), None) = (like.next(), like.next()) {
        return Ok(only.id.clone());
    }
    let known: Vec<&str> = datasets.iter().map(|d| d.id.as_str()).take(20).collect();
    let known = if known.is_empty() {
        "there is none yet".to_owned()
    } else {
        format!("expected one of {}", known.join(", "))
    };
    Err(Error::new(
        Class::NotFound,
        "DATASET_NOT_FOUND",
        format!("no dataset {name:?}: {known}"),
    ))
}

impl Checked {
    /// The model that is asked about everybody, of a job that fits none.
    pub(crate) fn asks(&self) -> Option<&ModelId> {
        let batch = self.batch.as_ref().map(|batch| &batch.model.id);
        batch.or(self.for_all.as_ref().map(|all| &all.model.id))
    }

    /// The same job with another algorithm of the same inputs, and its parameters.
    pub(crate) fn with(&self, algorithm: Arc<Loaded>, params_json: String) -> Self {
        Self {
            algorithm,
            params_json,
            inputs: Arc::clone(&self.inputs),
            folds: self.folds,
            base_model: self.base_model.clone(),
            base_model_sha256: self.base_model_sha256.clone(),
            batch: None,
            for_all: None,
            tuning: self.tuning.clone(),
            offers: Arc::clone(&self.offers),
        }
    }

    /// Whether the algorithm knows an input of that name: one that was found by a search may know
    /// less than the one that was asked for.
    pub(crate) fn takes(&self, input: &str) -> bool {
        let mut known = self.algorithm.spec.inputs.iter();
        known.any(|known| known.name == input)
    }

    /// Versions read, in the order of the inputs.
    pub(crate) fn pinned(&self) -> Result<Vec<PinnedInput>> {
        let mut pinned = Vec::new();
        let judging = self.offers.order.iter().chain(&self.offers.holdout);
        for input in self.inputs.iter().chain(judging) {
            let mut features = None;
            let mut training = None;
            let snapshots: Vec<Arc<Snapshot>> = match &input.source {
                BoundSource::Dataset(snapshot) => vec![Arc::clone(snapshot)],
                BoundSource::Sql { tables, .. } => {
                    let latest = tables.iter().filter(|table| !table.has_own_version);
                    let snapshots = latest.map(|table| table.snapshot.clone());
                    snapshots.map(Arc::new).collect()
                }
                BoundSource::Output { .. } => Vec::new(),
                BoundSource::Features {
                    view, declaration, ..
                } => {
                    features = Some(declaration.clone());
                    view.snapshots()
                }
                BoundSource::Subjects { subjects, .. } => subjects.snapshots(),
                BoundSource::TrainingSet(set) => {
                    features = Some(set.declaration.clone());
                    training = Some(serde_json::to_string(&set.resolved)?);
                    set.snapshots()
                }
            };
            for snapshot in snapshots {
                pinned.push(PinnedInput {
                    input: input.name.clone(),
                    dataset: snapshot.dataset().id.clone(),
                    version: snapshot.version(),
                    as_of: input.as_of,
                    features: features.clone(),
                    // Once is enough: it may name many values.
                    training: training.take(),
                });
            }
        }
        Ok(pinned)
    }

    /// The training set that the job learns from, if it is one.
    pub(crate) fn training(&self) -> Option<&TrainingSource> {
        self.inputs.iter().find_map(|input| match &input.source {
            BoundSource::TrainingSet(set) => Some(&**set),
            _ => None,
        })
    }
}
