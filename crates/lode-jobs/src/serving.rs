//! Answers online: scores and recommendations from models that stay open in warm workers.
//!
//! Each model in use has a few workers that have read it ([`pool`]), of the library that
//! answers for it ([`library`]). A worker that died answers this call with an error and is
//! replaced by the next call.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Weak;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use std::time::Instant;

use arrow_array::Array;
use arrow_array::Float64Array;
use arrow_array::RecordBatch;
use lode_host::FailKind;
use lode_host::Host;
use lode_query::Sql;
use lode_store::Store;
use lode_types::Class;
use lode_types::CustomerId;
use lode_types::Failure;
use lode_types::Fault;
use lode_types::ModelId;
use lode_types::ModelRef;
use lode_types::Task;
use lode_types::Value;

use crate::Error;
use crate::Model;
use crate::Options;
use crate::Result;
use crate::card;
use crate::features;
use crate::offering::impressions::Impressions;
use crate::offering::table::Tables;
use crate::profile::Drift;
use crate::profile::unseen;
use crate::reasons::Contributions;
use crate::training;

pub(crate) mod answer;
mod drift;
mod library;
mod models;
mod pool;
mod recommend;
pub(crate) mod rows;
mod sweeper;
mod together;

use drift::Watch;
pub(crate) use library::library_of;
use models::OpenModel;
use models::OpenModels;
use pool::Asked;
use pool::Entered;
pub use recommend::Offer;
pub use recommend::Offers;
pub use recommend::RecommendCall;
pub use recommend::SimilarCall;
use sweeper::Sweeper;

/// Longest that one call may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(20);

/// A request for scores.
#[derive(Clone, Debug)]
pub struct ScoreCall {
    /// The model.
    pub model: ModelRef,
    /// What to score, in order.
    pub subject: ScoreSubject,
    /// Whether to give reasons.
    pub explain: bool,
}

/// What to score.
#[derive(Clone, Debug)]
pub enum ScoreSubject {
    /// Customers of the dataset that the model was made from, at its latest version; or of the
    /// feature view, computed now.
    Customers(Vec<CustomerId>),
    /// Rows by column name.
    Rows(Vec<BTreeMap<String, Value>>),
    /// An Arrow IPC stream of rows, and how many there may be.
    Table(Vec<u8>, usize),
}

/// One score, or why there is none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scored {
    /// The customer, when known.
    pub customer: String,
    /// The item, of a model that scores candidates of a customer.
    pub item: String,
    /// The score.
    pub score: f64,
    /// The label, when the model gives one.
    pub label: String,
    /// Base plus the contributions, when the model gives one.
    pub margin: f64,
    /// What every row starts from.
    pub base: f64,
    /// With `explain`: largest contribution first.
    pub reasons: Vec<Reason>,
    /// What else the model says, by name; nothing of what it does not know of the row.
    pub details: BTreeMap<String, Value>,
    /// Columns of the model that a row leaves out; they count as null.
    pub missing_columns: Vec<String>,
    /// Columns with a word that is none of those that taught, where that is known.
    pub unseen_columns: Vec<String>,
    /// Set instead of a score.
    pub error: Option<Fault>,
}

/// One part of an explanation.
#[derive(Clone, Debug, PartialEq)]
pub struct Reason {
    /// The feature.
    pub feature: String,
    /// Its value for this row, in words.
    pub value: Option<String>,
    /// What it adds to the margin.
    pub contribution: f64,
    /// The value in words, through the feature's description where it has one.
    pub text: String,
}

pub(crate) struct Serving {
    store: Store,
    sql: Arc<Sql>,
    models: Arc<OpenModels>,
    /// What was asked since the start.
    drift: Watch,
    /// Items that may be offered, as they are now.
    tables: Tables,
    /// Keeps what was offered.
    impressions: Impressions,
    /// Closes idle workers; ends when this is dropped.
    _sweeper: Sweeper,
}

impl Serving {
    pub(crate) fn new(
        store: Store,
        host: &Arc<Host>,
        sql: Arc<Sql>,
        options: &Options,
    ) -> Result<Self> {
        let models = Arc::new(OpenModels::new(store.clone(), Arc::clone(host), options));
        let switching: Weak<OpenModels> = Arc::downgrade(&models);
        host.set_switching(switching);
        let _sweeper = Sweeper::start(&models)?;
        Ok(Self {
            impressions: Impressions::new(&store, options),
            store,
            sql,
            models,
            drift: Watch::default(),
            tables: Tables::default(),
            _sweeper,
        })
    }

    pub(crate) fn model(&self, id: &ModelId) -> Result<Model> {
        self.models.model(id)
    }

    /// Opens workers for a model that takes the place of one in use.
    pub(crate) fn follow(&self, from: &ModelId, to: &ModelId) -> Result<()> {
        self.models.follow(from, to)
    }

    /// Closes a model that was deleted.
    pub(crate) fn forget(&self, id: &ModelId) {
        self.models.forget(id);
        self.drift.forget(id);
    }

    /// Closes all models.
    pub(crate) fn clear(&self) {
        self.impressions.stop();
        self.models.clear();
    }

    pub(crate) fn score(&self, model: &ModelId, call: &ScoreCall) -> Result<Vec<Scored>> {
        let open = self.models.get(model)?;
        if open.pool.loaded.spec.task == Task::Recommendation {
            return Err(wrong_task(&open.model, "scores", "Recommend"));
        }
        let (present, mut results, batch) = match &call.subject {
            ScoreSubject::Customers(ids) => self.customers(&open.model, ids)?,
            ScoreSubject::Rows(rows) => rows::from_values(&open.model.signature, rows)?,
            ScoreSubject::Table(stream, most_rows) => {
                rows::from_table(&open.model.signature, stream, *most_rows)?
            }
        };
        if present.is_empty() {
            return Ok(results);
        }
        let asked = batch.clone();
        let batch = rows::with_option(batch, "explain", call.explain)?;
        let scored = self.call(&open, "customers", batch)?;
        if scored.num_rows() != present.len() {
            return Err(answer::failed(format!(
                "expected {} scores, found {}",
                present.len(),
                scored.num_rows()
            )));
        }
        let scores = answer::given(&scored)?.final_scores(&open.model);
        self.drift
            .count(&open.model.id, &open.card, &asked, &scores)?;
        fill(&scored, &scores, &open, &present, &mut results)?;
        if let Some(profile) = &open.card.profile {
            for (column, rows) in unseen(profile, &asked)? {
                for row in rows {
                    let result = &mut results[present[row]];
                    result.unseen_columns.push(column.to_owned());
                }
            }
        }
        if results.iter().any(|result| !result.item.is_empty()) {
            rows::best_first(&mut results);
        }
        Ok(results)
    }

    /// How far what a model was asked is from what it was made from, and of how many rows.
    pub(crate) fn drift(&self, id: &ModelId) -> Result<(u64, Vec<Drift>)> {
        let model = self.model(id)?;
        let card = card::read(&self.store, &model.file)?;
        let Some(profile) = &card.profile else {
            return Err(Error::new(
                Class::State,
                "NO_PROFILE",
                format!(
                    "model {:?} was made before distributions were kept: make it anew to watch its drift",
                    id.as_str()
                ),
            )
            .at("model"));
        };
        Ok(self.drift.of(id, profile))
    }

    /// The rows of customers, where they are, and results that say where one is missing.
    fn customers(&self, model: &Model, ids: &[CustomerId]) -> Result<rows::Subjects> {
        if let Some(dataset) = &model.dataset {
            let snapshot = self.store.pin(dataset, None)?;
            let found = snapshot.customers(ids)?;
            let of = format!("dataset {dataset}");
            return rows::from_customers(&model.signature, &of, ids, &found);
        }
        if training::resolved(&model.provenance)?.is_some() {
            return self.population(model, ids);
        }
        let first = model.provenance.inputs.first();
        let Some(declaration) = first.and_then(|input| input.features.as_deref()) else {
            return Err(Error::new(
                Class::State,
                "MODEL_HAS_NO_DATASET",
                format!(
                    "model {:?} was made neither from a dataset nor from a feature view: give rows instead of customers",
                    model.id.as_str()
                ),
            )
            .at("customers"));
        };
        let found = features::of_customers(&self.store, &self.sql, declaration, ids)?;
        rows::from_customers(&model.signature, "the model's feature view", ids, &found)
    }

    /// The rows of customers as a model's training set gives them now.
    fn population(&self, model: &Model, ids: &[CustomerId]) -> Result<rows::Subjects> {
        let subjects = training::Subjects::latest(&self.store, &self.sql, model)?;
        let call = training::SubjectsCall {
            sql: &self.sql,
            model,
            at: subjects.now()?,
            customers: Some(ids),
            threads: 1,
            stopped: &AtomicBool::new(false),
        };
        let mut found = Vec::new();
        subjects.rows(&call, &mut |batch| {
            found.push(batch);
            Ok(())
        })?;
        rows::from_population(ids, &found)
    }

    /// Asks a worker, together with what waits for the same model.
    fn call(&self, open: &OpenModel, input: &str, batch: RecordBatch) -> Result<RecordBatch> {
        let deadline = Instant::now() + CALL_TIMEOUT;
        let told = |error: Error| match error.class() {
            Class::Deadline => late(&open.model),
            _ => error,
        };
        let pool = &open.pool;
        let mut asked = Asked::new(input, batch, false);
        loop {
            let (mut turn, along) = match pool.enter(&asked, deadline) {
                Entered::Turn(turn, along) => (turn, along),
                Entered::Answered(answer) => return Ok(answer),
                Entered::Again => {
                    asked = Asked::new(input, asked.rows.clone(), true);
                    continue;
                }
                Entered::Late => return Err(late(&open.model)),
            };
            let scorer = turn
                .scorer(|| self.models.scorer(&open.model, &pool.loaded))
                .map_err(told)?;
            let mut tables = vec![&asked.rows];
            tables.extend(along.calls().iter().map(|other| &other.rows));
            let n_rows: Vec<usize> = tables.iter().map(|table| table.num_rows()).collect();
            let joined = together::join(&tables)?;
            let answer = scorer.score(vec![(input.to_owned(), joined.into())], deadline);
            let error = match answer {
                Ok(answer) => {
                    drop(turn);
                    if along.calls().is_empty() {
                        return Ok(answer);
                    }
                    if let Some(mut parts) = together::deal(&answer, &n_rows)? {
                        let others = parts.split_off(1);
                        along.answer(others);
                        return parts
                            .pop()
                            .ok_or_else(|| Error::bug("no part of an answer"));
                    }
                    asked = Asked::new(input, asked.rows.clone(), true);
                    continue;
                }
                Err(error) => error,
            };
            // A refused row leaves the worker well; anything else may not.
            let well = matches!(
                &error,
                lode_host::Error::Failed {
                    kind: FailKind::Input | FailKind::Params,
                    ..
                }
            );
            if !well {
                turn.end();
            }
            if along.calls().is_empty() {
                return Err(told(error.into()));
            }
            // Whose row it was is not known: each asks by itself.
            asked = Asked::new(input, asked.rows.clone(), true);
        }
    }
}

fn fill(
    scored: &RecordBatch,
    scores: &[f64],
    open: &OpenModel,
    present: &[usize],
    results: &mut [Scored],
) -> Result<()> {
    let given = answer::given(scored)?;
    let labels = answer::text(scored, "label")?;
    let contributions = Contributions::of(scored)?;
    let details = answer::Details::of(scored)?;
    let or_zero = |column: &Float64Array, row: usize| match column.is_valid(row) {
        true => column.value(row),
        false => 0.0,
    };
    for (row, &i) in present.iter().enumerate() {
        let result = &mut results[i];
        result.score = scores[row];
        result.margin = or_zero(&given.margins, row);
        result.base = or_zero(&given.bases, row);
        if let Some(labels) = labels.as_ref().filter(|labels| labels.is_valid(row)) {
            labels.value(row).clone_into(&mut result.label);
        }
        result.details = details.row(row);
        let parts = contributions.iter().flat_map(|all| all.row(row));
        result.reasons = parts
            .map(|part| Reason {
                feature: part.feature.to_owned(),
                value: part.value.map(str::to_owned),
                contribution: part.contribution,
                text: open.glossary.words(&part),
            })
            .collect();
    }
    Ok(())
}

fn wrong_task(model: &Model, gives: &str, call: &str) -> Error {
    Error::new(
        Class::Invalid,
        "WRONG_TASK",
        format!(
            "model {:?} of {} gives no {gives}: call {call}",
            model.id.as_str(),
            model.algorithm
        ),
    )
    .at("model")
}

fn late(model: &Model) -> Error {
    Error::new(
        Class::Deadline,
        "MODEL_TOO_SLOW",
        format!(
            "model {:?} of {} did not answer within {CALL_TIMEOUT:?}",
            model.id.as_str(),
            model.algorithm
        ),
    )
}
