//! The rows that a model scores: the features of all customers, or of some, at a time.
//!
//! For a model of a training set they are made as its rows were, by the same view, conditions,
//! exclusions and candidates, without a label. Models of a feature view or of a dataset have
//! their rows from here too, so that whoever scores knows one way.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arrow_array::RecordBatch;
use arrow_schema::DataType;
use arrow_schema::Field;
use arrow_schema::Schema;
use arrow_schema::SchemaRef;
use lode_features::Input;
use lode_features::time_range;
use lode_parts::Table;
use lode_query::Sql;
use lode_store::Snapshot;
use lode_store::Store;
use lode_types::Class;
use lode_types::Clock;
use lode_types::CustomerId;
use lode_types::DatasetId;
use lode_types::ROLE_KEY;
use lode_types::Role;
use lode_types::SystemClock;
use lode_types::Timestamp;

use super::Resolved;
use super::build;
use super::popular;
use super::resolve;
use super::resolved;
use crate::Error;
use crate::Model;
use crate::PinnedView;
use crate::Result;
use crate::SignatureColumn;
use crate::features;

/// Rows of customers for a model.
pub(crate) struct SubjectsCall<'a> {
    pub(crate) sql: &'a Sql,
    pub(crate) model: &'a Model,
    /// Nothing later is seen.
    pub(crate) at: Timestamp,
    /// None means everybody.
    pub(crate) customers: Option<&'a [CustomerId]>,
    pub(crate) threads: usize,
    pub(crate) stopped: &'a AtomicBool,
}

/// What a model's rows are made from, held at a version.
pub(crate) struct Subjects {
    source: Source,
}

enum Source {
    Dataset(Arc<Snapshot>),
    View(Box<PinnedView>),
    Training {
        view: Box<PinnedView>,
        resolved: Box<Resolved>,
        excluded: Vec<Arc<Snapshot>>,
    },
}

impl Subjects {
    /// Holds the latest versions of what a model's rows are made from.
    ///
    /// # Errors
    /// `MODEL_HAS_NO_DATASET`; those of the view and the datasets.
    pub(crate) fn latest(store: &Store, sql: &Sql, model: &Model) -> Result<Self> {
        Self::pin(store, sql, model, &mut |id| {
            Ok(Arc::new(store.pin(id, None)?))
        })
    }

    /// Holds what a model's rows are made from, at the versions that `pin` gives.
    ///
    /// # Errors
    /// As [`Subjects::latest`].
    pub(crate) fn pin(
        store: &Store,
        sql: &Sql,
        model: &Model,
        mut pin: &mut dyn FnMut(&DatasetId) -> Result<Arc<Snapshot>>,
    ) -> Result<Self> {
        if let Some(dataset) = &model.dataset {
            let source = Source::Dataset(pin(dataset)?);
            return Ok(Self { source });
        }
        let mut inputs = model.provenance.inputs.iter();
        let Some(declaration) = inputs.find_map(|input| input.features.as_deref()) else {
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
        let declaration = serde_json::from_str(declaration)?;
        let source = match resolved(&model.provenance)? {
            None => {
                let view = PinnedView::pin(store, sql, &declaration, &mut pin)?;
                Source::View(Box::new(view))
            }
            Some(resolved) => {
                let view = resolved.pin(store, sql, &declaration, false, &mut pin)?;
                let excluded = resolve::excluded(&view, &resolved.exclude_customers, &mut pin)?;
                Source::Training {
                    view: Box::new(view),
                    resolved: Box::new(resolved),
                    excluded,
                }
            }
        };
        Ok(Self { source })
    }

    /// All that is held, each dataset once.
    pub(crate) fn snapshots(&self) -> Vec<Arc<Snapshot>> {
        match &self.source {
            Source::Dataset(snapshot) => vec![Arc::clone(snapshot)],
            Source::View(view) => view.snapshots(),
            Source::Training { view, excluded, .. } => {
                let mut all = view.snapshots();
                for snapshot in excluded {
                    let id = &snapshot.dataset().id;
                    if !all.iter().any(|held| held.dataset().id == *id) {
                        all.push(Arc::clone(snapshot));
                    }
                }
                all
            }
        }
    }

    /// The time at which customers are scored when none is said: of a training set the newest
    /// event that has happened, so that old data are not a year without one; else now.
    pub(crate) fn now(&self) -> Result<Timestamp> {
        let now = SystemClock.now();
        let Source::Training { view, resolved, .. } = &self.source else {
            return Ok(now);
        };
        let mut newest: Option<Timestamp> = None;
        for (i, name) in view.view().events().enumerate() {
            let counts = resolved.label.events.is_empty() || name == resolved.label.events;
            if !counts {
                continue;
            }
            if let Some((_, last)) = time_range(view.view(), i, &view.rows_of(i)?, now)? {
                newest = Some(newest.map_or(last, |newest| newest.max(last)));
            }
        }
        Ok(newest.unwrap_or(now))
    }

    /// Gives the rows to `sink`, batch by batch; `call` says of whom and when.
    ///
    /// Columns are those of the model's signature, in its order, without label and weight.
    pub(crate) fn rows(
        &self,
        call: &SubjectsCall<'_>,
        sink: &mut dyn FnMut(RecordBatch) -> Result<()>,
    ) -> Result<()> {
        let signature = &call.model.signature;
        let mut sink = |batch: RecordBatch| sink(as_model(signature, &batch)?);
        if let Source::Dataset(snapshot) = &self.source {
            return dataset_rows(snapshot, call, &mut sink);
        }
        let (view, input) = self.input(call)?;
        view.compute(&input, call.stopped, &mut sink)
    }

    /// The columns of what is computed; none of a dataset, which has its own.
    pub(crate) fn schema(&self) -> Option<SchemaRef> {
        match &self.source {
            Source::Dataset(_) => None,
            Source::View(view) | Source::Training { view, .. } => Some(view.view().schema()),
        }
    }

    /// Writes the rows to a file as they are computed, with all columns of the view.
    pub(crate) fn write(&self, call: &SubjectsCall<'_>, file: &File) -> Result<()> {
        let (view, input) = self.input(call)?;
        lode_features::write(view.view(), &input, call.stopped, file, &mut |_| ())?;
        Ok(())
    }

    /// What is computed, and from which rows.
    fn input(&self, call: &SubjectsCall<'_>) -> Result<(&PinnedView, Input)> {
        Ok(match &self.source {
            Source::Dataset(_) => return Err(Error::bug("a dataset's rows are not computed")),
            Source::View(view) => {
                let input = view.input(call.sql, &[call.at], call.customers, call.threads)?;
                (view, input)
            }
            Source::Training {
                view,
                resolved,
                excluded,
            } => {
                let (sql, at) = (call.sql, call.at);
                let mut input = view.input(sql, &[at], call.customers, call.threads)?;
                let training = &mut input.training;
                training.excluded = build::excluded(excluded, None)?;
                training.buyers =
                    popular::shares(view, resolved, sql, at, call.threads, call.stopped)?;
                (view, input)
            }
        })
    }
}

fn dataset_rows(
    snapshot: &Snapshot,
    call: &SubjectsCall<'_>,
    sink: &mut dyn FnMut(RecordBatch) -> Result<()>,
) -> Result<()> {
    if let Some(ids) = call.customers {
        return sink(features::rows_now(snapshot, ids)?);
    }
    // What is stored is what is known now; an earlier time needs the dataset to say when.
    let files = match call.at >= snapshot.dataset().update_time {
        true => snapshot.files()?,
        false => snapshot.files_as_of(call.at)?,
    };
    let table = Table::open(files.into_iter().map(|file| file.file).collect())?;
    for batch in table.batches() {
        if call.stopped.load(std::sync::atomic::Ordering::Acquire) {
            return Err(Error::new(
                Class::Cancelled,
                "CANCELLED",
                "the reading was stopped",
            ));
        }
        sink(batch?)?;
    }
    Ok(())
}

/// The columns that a model takes when it scores.
pub(crate) fn scored_columns(
    signature: &[SignatureColumn],
) -> impl Iterator<Item = &SignatureColumn> {
    let is_known =
        |column: &&SignatureColumn| !matches!(column.role, Some(Role::Label | Role::Weight));
    signature.iter().filter(is_known)
}

/// A batch with the columns of a model's signature.
fn as_model(signature: &[SignatureColumn], batch: &RecordBatch) -> Result<RecordBatch> {
    let mut fields = Vec::new();
    let mut columns = Vec::new();
    for column in scored_columns(signature) {
        let array = batch.column_by_name(&column.name).ok_or_else(|| {
            let message = format!("expected the model's column {:?}, found none", column.name);
            Error::new(Class::State, "COLUMN_NOT_FOUND", message)
        })?;
        // Exact decimals are what the model learned as floats.
        let array = match array.data_type() {
            DataType::Decimal128(_, _) => arrow_cast::cast(array, &DataType::Float64)?,
            _ => Arc::clone(array),
        };
        let role = column
            .role
            .map(|role| (ROLE_KEY.to_owned(), role.as_str().to_owned()));
        let field = Field::new(&column.name, array.data_type().clone(), true);
        fields.push(field.with_metadata(role.into_iter().collect()));
        columns.push(array);
    }
    let schema: SchemaRef = Arc::new(Schema::new(fields));
    Ok(RecordBatch::try_new(schema, columns)?)
}
