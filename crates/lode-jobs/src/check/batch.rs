//! Checks a batch score: the model, whom it is asked about, the tables of actions and of those
//! who are never contacted.
//!
//! The rows are those of the dataset or the feature view that the model was made from, or of the
//! input `customers`. Invariant: every column that the model was made from, but for label and
//! weight, is there with a type that it takes.

mod bounds;
mod offers;

use std::collections::BTreeMap;
use std::sync::Arc;

use lode_parts::Table;
use lode_store::Snapshot;
use lode_types::Class;
use lode_types::Clock;
use lode_types::ColumnType;
use lode_types::Outcome;
use lode_types::Role;
use lode_types::SystemClock;
use lode_types::Task;

use super::BoundColumn;
use super::BoundInput;
use super::BoundSource;
use super::Checked;
use super::Checker;
use super::KeptColumns;
use super::Pins;
use super::columns::arrow_columns;
use super::limits;
use crate::BatchScore;
use crate::DoNotContact;
use crate::Error;
use crate::Evaluation;
use crate::InputRef;
use crate::InputSource;
use crate::JobSpec;
use crate::Model;
use crate::Provenance;
use crate::Result;
use crate::SignatureColumn;
use crate::alias::resolve_model;
use crate::batch::Actions;
use crate::records;
use crate::serving::library_of;
use crate::training;
use crate::training::Subjects;
pub(crate) use offers::CheckedForAll;

const MODEL: &str = "spec.batch_score.model";
const CUSTOMERS: &str = "spec.inputs.customers";
/// The only input.
const INPUT: &str = "customers";

/// A batch score that can run.
pub(crate) struct CheckedBatch {
    pub(crate) model: Model,
    pub(crate) outcome: Outcome,
    /// What the model gets, in its order, and where it comes from.
    pub(crate) columns: Vec<ScoredColumn>,
    /// Where the customers' ids are.
    pub(crate) customer: String,
    pub(crate) actions: Actions,
    pub(crate) do_not_contact: Vec<Blocked>,
}

/// A column of the model and the source's column that fills it.
#[derive(Clone, Debug)]
pub(crate) struct ScoredColumn {
    pub(crate) of_model: SignatureColumn,
    pub(crate) source: String,
}

/// Customers who are never contacted.
pub(crate) struct Blocked {
    pub(crate) snapshot: Arc<Snapshot>,
    /// Column of their ids.
    pub(crate) id: String,
    /// Only those of whom this is true, yes or 1.
    pub(crate) flag: Option<String>,
}

impl Checker<'_> {
    /// Checks a batch score; `again` is what an earlier check fixed.
    pub(super) fn batch(
        &self,
        spec: &JobSpec,
        batch: &BatchScore,
        again: Option<&Provenance>,
    ) -> Result<Checked> {
        alone(spec)?;
        limits(spec)?;
        let model = self.scoring_model(batch, again)?;
        let loaded = library_of(&self.host.picture(), &model).map_err(|error| error.at(MODEL))?;
        if again.is_none() {
            self.host
                .check_quarantine(&loaded)
                .map_err(|error| Error::of(&error).at(MODEL))?;
        }
        if loaded.spec.task == Task::Recommendation {
            return self.offers_for_all(spec, batch, model, loaded, again);
        }
        if batch.offers.is_some() {
            return Err(Error::invalid(
                "WRONG_TASK",
                "spec.batch_score.offers",
                format!(
                    "expected a model that recommends, found {:?} of {}",
                    model.id.as_str(),
                    model.algorithm
                ),
            ));
        }
        let Some(outcome) = loaded.spec.outcome() else {
            return Err(Error::invalid(
                "WRONG_TASK",
                MODEL,
                format!(
                    "expected a model of churn, response, demand, value or credit, found {:?} of {}",
                    model.id.as_str(),
                    model.algorithm
                ),
            ));
        };
        bounds::check(batch, outcome)?;
        let writes = loaded.spec.outputs.iter().any(|output| {
            let mut columns = output.write_back.iter();
            columns.any(|written| written.column == "score")
        });
        if spec.write_back && !writes {
            return Err(Error::invalid(
                "NOTHING_TO_WRITE_BACK",
                "spec.write_back",
                format!("{} writes no scores onto customers", model.algorithm),
            ));
        }
        let mut pins = Pins {
            store: self.store,
            pinned: again.map(|provenance| provenance.inputs.as_slice()),
            held: BTreeMap::new(),
        };
        let given = spec.inputs.get(INPUT);
        let (source, offered) = match given {
            Some(given) => {
                let source = self.source(INPUT, given, spec, &mut pins);
                source.map_err(|error| error.at(CUSTOMERS))?
            }
            None => self.subjects(&model, spec, &mut pins)?,
        };
        let columns = columns_of_model(&model, given, &offered)?;
        let customer = customer_column(&model, &columns, &offered)?;
        let mut inputs = vec![BoundInput {
            name: INPUT.to_owned(),
            as_of: match &source {
                BoundSource::Features { as_of, .. } | BoundSource::Subjects { as_of, .. } => {
                    Some(*as_of)
                }
                _ => spec.as_of,
            },
            source,
            columns: offered,
            kept: KeptColumns::default(),
        }];
        let mut actions = Actions::default();
        if let Some(dataset) = &batch.actions {
            let snapshot = pins.pin(dataset);
            let snapshot = snapshot.map_err(|error| error.at("spec.batch_score.actions"))?;
            actions = Actions::read(&snapshot, &model.signature)?;
            inputs.push(table("actions", snapshot));
        }
        let mut do_not_contact = Vec::new();
        let lists = batch.contacts.iter().flat_map(|list| &list.do_not_contact);
        for (i, wanted) in lists.enumerate() {
            let field = format!("spec.batch_score.contacts.do_not_contact[{i}]");
            let blocked = blocked(&mut pins, wanted).map_err(|error| error.at(field))?;
            inputs.push(table("do_not_contact", Arc::clone(&blocked.snapshot)));
            do_not_contact.push(blocked);
        }
        Ok(Checked {
            algorithm: loaded,
            params_json: "{}".to_owned(),
            inputs: Arc::new(inputs),
            folds: 1,
            base_model: None,
            base_model_sha256: Some(model.sha256.clone()),
            tuning: None,
            for_all: None,
            offers: Arc::default(),
            batch: Some(CheckedBatch {
                model,
                outcome,
                columns,
                customer,
                actions,
                do_not_contact,
            }),
        })
    }

    /// The model that a batch names, or the one that it named when it was created.
    fn scoring_model(&self, batch: &BatchScore, again: Option<&Provenance>) -> Result<Model> {
        let Some(again) = again else {
            let id = resolve_model(self.store, &batch.model).map_err(|error| error.at(MODEL))?;
            return records::model(self.store, &id)?.ok_or_else(|| {
                Error::new(
                    Class::NotFound,
                    "MODEL_NOT_FOUND",
                    format!("no model {:?}", id.as_str()),
                )
                .at(MODEL)
            });
        };
        let before = again.model.as_ref();
        let model = match before {
            Some(id) => records::model(self.store, id)?,
            None => None,
        };
        match model {
            Some(model) if again.base_model_sha256.as_ref() == Some(&model.sha256) => Ok(model),
            _ => Err(Error::new(
                Class::State,
                "MODEL_CHANGED",
                format!(
                    "the model {:?}, which was there when the job was created, is gone",
                    before.map_or_else(|| batch.model.to_string(), ToString::to_string)
                ),
            )
            .at(MODEL)),
        }
    }

    /// The rows of what the model was made from.
    fn subjects(
        &self,
        model: &Model,
        spec: &JobSpec,
        pins: &mut Pins<'_>,
    ) -> Result<(BoundSource, Vec<BoundColumn>)> {
        if let Some(dataset) = &model.dataset {
            let given = InputRef {
                source: InputSource::Dataset(dataset.clone()),
                roles: BTreeMap::new(),
                exclude: Vec::new(),
            };
            let source = self.source(INPUT, &given, spec, pins);
            return source.map_err(|error| error.at(MODEL));
        }
        if training::resolved(&model.provenance)?.is_some() {
            let blame = |error: Error| error.at(MODEL);
            let (store, sql) = (self.store, self.sql);
            let subjects = Subjects::pin(store, sql, model, &mut |id| pins.pin(id));
            let subjects = subjects.map_err(blame)?;
            let mut pinned = pins.pinned.into_iter().flatten();
            let pinned = pinned.find(|pinned| pinned.input == INPUT);
            let as_of = match pinned.and_then(|pinned| pinned.as_of).or(spec.as_of) {
                Some(time) => time,
                None => subjects.now().map_err(blame)?,
            };
            let schema = subjects.schema();
            let schema = schema.ok_or_else(|| Error::bug("a training set without a view"))?;
            let mut columns = arrow_columns(&schema)?;
            columns.retain(|column| !lode_features::KEPT.contains(&column.name.as_str()));
            let source = BoundSource::Subjects {
                subjects: Box::new(subjects),
                model: Box::new(model.clone()),
                as_of,
            };
            return Ok((source, columns));
        }
        let first = model.provenance.inputs.first();
        let Some(declaration) = first.and_then(|input| input.features.clone()) else {
            return Err(Error::new(
                Class::State,
                "MODEL_HAS_NO_DATASET",
                format!(
                    "model {:?} was made neither from a dataset nor from a feature view: give the \
                     rows to score as the input \"customers\"",
                    model.id.as_str()
                ),
            )
            .at(CUSTOMERS));
        };
        let (declaration, time) = match pins.features(INPUT) {
            Some(pinned) => pinned,
            None => {
                let now = || SystemClock.now();
                (declaration, spec.as_of.unwrap_or_else(now))
            }
        };
        let source = self.features(declaration, time, pins);
        source.map_err(|error| error.at(MODEL))
    }
}

/// Refuses what a batch score has no use for.
fn alone(spec: &JobSpec) -> Result<()> {
    let refused = |field: &str, expected: &str, found: String| {
        Err(Error::invalid(
            "NOT_WITH_BATCH_SCORE",
            field,
            format!("expected {expected} beside a batch_score, found {found}"),
        ))
    };
    if !spec.algorithm.is_empty() {
        let found = format!("{:?}", spec.algorithm);
        return refused("spec.algorithm", "no algorithm", found);
    }
    if let Some(name) = spec.params.keys().next() {
        return refused("spec.params", "no parameters", format!("{name:?}"));
    }
    if let Some(model) = &spec.base_model {
        let found = format!("{:?}", model.to_string());
        return refused("spec.base_model", "no base model", found);
    }
    if spec.folds != 0 || spec.evaluation != Evaluation::default() {
        let found = "one".to_owned();
        return refused("spec.evaluation", "no evaluation", found);
    }
    if spec.tuning.is_some() {
        return refused("spec.tuning", "no tuning", "one".to_owned());
    }
    if let Some(name) = spec.inputs.keys().find(|name| *name != INPUT) {
        let field = format!("spec.inputs.{name}");
        return refused(
            &field,
            "the input \"customers\" or none",
            format!("{name:?}"),
        );
    }
    Ok(())
}

/// Finds each column of the model among those offered.
fn columns_of_model(
    model: &Model,
    given: Option<&InputRef>,
    offered: &[BoundColumn],
) -> Result<Vec<ScoredColumn>> {
    let mut columns = Vec::new();
    let mut missing = Vec::new();
    for column in &model.signature {
        if matches!(column.role, Some(Role::Label | Role::Weight)) {
            continue;
        }
        let renamed = column
            .role
            .and_then(|role| given?.roles.get(&role))
            .map(String::as_str);
        let name = renamed.unwrap_or(&column.name);
        let by_name = offered.iter().find(|found| found.name == name);
        let found = by_name.or_else(|| {
            let role = column.role.filter(|_| renamed.is_none())?;
            offered.iter().find(|found| found.role == Some(role))
        });
        match found {
            Some(found) => {
                if let Some(column_type) = taken(column, found.column_type) {
                    columns.push(ScoredColumn {
                        of_model: SignatureColumn {
                            column_type,
                            ..column.clone()
                        },
                        source: found.name.clone(),
                    });
                    continue;
                }
                return Err(Error::invalid(
                    "WRONG_TYPE",
                    CUSTOMERS,
                    format!(
                        "column {:?}: expected type {} as in the model, found {}",
                        found.name, column.column_type, found.column_type
                    ),
                ));
            }
            // Who was watched for how long is not known of everybody.
            None if column.role == Some(Role::Duration) => {}
            None => missing.push(format!("{name:?}")),
        }
    }
    if missing.is_empty() {
        return Ok(columns);
    }
    let known: Vec<&str> = offered.iter().map(|c| c.name.as_str()).take(30).collect();
    Err(Error::invalid(
        "COLUMN_NOT_FOUND",
        CUSTOMERS,
        format!(
            "expected the columns that model {:?} was made from, found none named {} among {}",
            model.id.as_str(),
            missing.join(", "),
            known.join(", ")
        ),
    ))
}

/// The column that says who.
fn customer_column(
    model: &Model,
    columns: &[ScoredColumn],
    offered: &[BoundColumn],
) -> Result<String> {
    let mut of_model = columns.iter();
    if let Some(column) = of_model.find(|c| c.of_model.role == Some(Role::CustomerId)) {
        return Ok(column.source.clone());
    }
    let mut by_role = offered.iter();
    let by_role = by_role.find(|column| column.role == Some(Role::CustomerId));
    by_role.map(|column| column.name.clone()).ok_or_else(|| {
        Error::invalid(
            "MISSING_ROLE",
            CUSTOMERS,
            format!(
                "expected a column of role customer_id to say whose the scores of model {:?} are, found none",
                model.id.as_str()
            ),
        )
    })
}

/// The type in which the model gets a column, if it can be had from one of this type. Features are
/// numbers to an algorithm, whole or not; what holds a role is of the type that was learned.
fn taken(column: &SignatureColumn, found: ColumnType) -> Option<ColumnType> {
    let (wanted, found) = (column.column_type.for_algorithms(), found.for_algorithms());
    match (wanted, found) {
        _ if wanted == found => Some(wanted),
        (ColumnType::Float64, ColumnType::Int64) => Some(wanted),
        (ColumnType::Int64, ColumnType::Float64) if column.role.is_none() => Some(found),
        _ => None,
    }
}

/// A table that is read whole.
fn table(name: &str, snapshot: Arc<Snapshot>) -> BoundInput {
    BoundInput {
        name: name.to_owned(),
        source: BoundSource::Dataset(snapshot),
        as_of: None,
        columns: Vec::new(),
        kept: KeptColumns::default(),
    }
}

fn blocked(pins: &mut Pins<'_>, wanted: &DoNotContact) -> Result<Blocked> {
    let snapshot = pins.pin(&wanted.dataset)?;
    let schema = &snapshot.dataset().schema;
    let id = schema.with_role(Role::CustomerId).ok_or_else(|| {
        Error::invalid(
            "MISSING_ROLE",
            "",
            format!(
                "expected a column of role customer_id in dataset {}, found none",
                wanted.dataset
            ),
        )
    })?;
    let id = id.name.clone();
    if let Some(name) = &wanted.column {
        let column = schema.columns().iter().find(|c| c.name == *name);
        match column.map(|column| column.column_type) {
            Some(
                ColumnType::Bool | ColumnType::Int64 | ColumnType::String | ColumnType::Float64,
            ) => {}
            Some(found) => {
                return Err(Error::invalid(
                    "WRONG_TYPE",
                    "",
                    format!(
                        "column {name:?} of dataset {}: expected type bool, int64, float64 or string, found {found}",
                        wanted.dataset
                    ),
                ));
            }
            None => {
                let known: Vec<&str> = schema.columns().iter().map(|c| c.name.as_str()).collect();
                return Err(Error::invalid(
                    "COLUMN_NOT_FOUND",
                    "",
                    format!(
                        "no column {name:?} in dataset {}: expected one of {}",
                        wanted.dataset,
                        known.join(", ")
                    ),
                ));
            }
        }
    }
    Ok(Blocked {
        snapshot,
        id,
        flag: wanted.column.clone(),
    })
}

impl Blocked {
    /// Its rows.
    pub(crate) fn open(&self) -> Result<Table> {
        let files = self.snapshot.files()?.into_iter().map(|file| file.file);
        Ok(Table::open(files.collect())?)
    }
}
