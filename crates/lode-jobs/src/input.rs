//! Opens a job's inputs at their pinned versions, as files that a worker maps.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use arrow_array::Array;
use arrow_array::ArrayRef;
use arrow_array::RecordBatch;
use arrow_array::new_empty_array;
use arrow_schema::Field;
use arrow_schema::Schema;
use arrow_schema::SchemaRef;
use lode_host::Binding;
use lode_host::CancelFlag;
use lode_host::InputTable;
use lode_parts::Table;
use lode_query::QueryOptions;
use lode_query::Rows;
use lode_query::Sql;
use lode_store::Snapshot;
use lode_store::Store;
use lode_types::Class;
use lode_types::ROLE_KEY;
use lode_types::Timestamp;

use crate::Error;
use crate::Result;
use crate::check::BoundColumn;
use crate::check::BoundInput;
use crate::check::BoundSource;
use crate::records;
use crate::training::SubjectsCall;

/// How often a running query is checked against its time.
const WATCH: Duration = Duration::from_millis(20);

/// How long the opening of an input may go on.
#[derive(Clone, Copy)]
pub(crate) struct Until<'a> {
    pub(crate) cancel: &'a CancelFlag,
    pub(crate) deadline: Instant,
}

impl Until<'_> {
    /// Why it has to end, if it has to.
    pub(crate) fn check(&self) -> Result<()> {
        if self.cancel.is_cancelled() {
            return Err(Error::new(
                Class::Cancelled,
                "JOB_CANCELLED",
                "the job was cancelled",
            ));
        }
        if Instant::now() >= self.deadline {
            return Err(Error::new(
                Class::Deadline,
                "JOB_DEADLINE_EXCEEDED",
                "the job's time ran out while its inputs were read",
            ));
        }
        Ok(())
    }
}

/// Opens one input. Plain datasets are the part files themselves; a query's answer is
/// written to a file without a name.
pub(crate) fn open(
    store: &Store,
    sql: &Sql,
    input: &BoundInput,
    until: Until<'_>,
) -> Result<InputTable> {
    let files = match &input.source {
        BoundSource::Dataset(snapshot) => files(snapshot, input.as_of)?,
        BoundSource::Sql {
            sql: text,
            now,
            tables,
        } => {
            let opened = sql.open(text, &QueryOptions::at(*now))?;
            let provided = tables.iter().map(|table| Ok(table.open()?.table));
            let provided = provided.collect::<Result<_>>()?;
            let planned = opened.plan(provided)?;
            let schema = planned.schema();
            let file = store.scratch_file()?;
            write_rows(&file, &schema, planned.execute(None), until)?;
            vec![file]
        }
        BoundSource::Output { job, output } => {
            let record = records::job(store, job)?.ok_or_else(|| {
                Error::new(
                    Class::NotFound,
                    "INPUT_GONE",
                    format!(
                        "job {:?}, whose output is an input, was deleted",
                        job.as_str()
                    ),
                )
            })?;
            vec![crate::jobs::output_file(store, &record, output)?.1]
        }
        BoundSource::Features { view, as_of, .. } => {
            let file = store.scratch_file()?;
            watched(until, |threads, stopped| {
                view.write(sql, *as_of, threads, stopped, &file)
            })?;
            vec![file]
        }
        BoundSource::Subjects {
            subjects,
            model,
            as_of,
        } => {
            let file = store.scratch_file()?;
            watched(until, |threads, stopped| {
                let call = SubjectsCall {
                    sql,
                    model,
                    at: *as_of,
                    customers: None,
                    threads,
                    stopped,
                };
                subjects.write(&call, &file)
            })?;
            vec![file]
        }
        BoundSource::TrainingSet(set) => {
            let made = |threads, stopped: &AtomicBool| set.file(store, sql, threads, stopped);
            vec![watched(until, made)?]
        }
    };
    Ok(table(&input.name, files, &input.columns))
}

/// The files of a dataset, of a time or as it is.
fn files(snapshot: &Snapshot, as_of: Option<Timestamp>) -> Result<Vec<File>> {
    let files = match as_of {
        Some(time) => snapshot.files_as_of(time)?,
        None => snapshot.files()?,
    };
    Ok(files.into_iter().map(|file| file.file).collect())
}

/// Has features computed with some threads; ends the computation when its time is over.
fn watched<T>(
    until: Until<'_>,
    compute: impl FnOnce(usize, &AtomicBool) -> Result<T>,
) -> Result<T> {
    let written = AtomicBool::new(false);
    let stopped = AtomicBool::new(false);
    let outcome = std::thread::scope(|scope| {
        std::thread::Builder::new()
            .name("features-watch".to_owned())
            .spawn_scoped(scope, || {
                while !written.load(Ordering::Acquire) {
                    if until.check().is_err() {
                        return stopped.store(true, Ordering::Release);
                    }
                    std::thread::sleep(WATCH);
                }
            })
            .map_err(|error| Error::new(Class::Unavailable, "THREAD_FAILED", error.to_string()))?;
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let outcome = compute(threads, &stopped);
        written.store(true, Ordering::Release);
        outcome
    });
    until.check()?;
    outcome
}

/// Writes a query's answer; ends the query when its time is over.
fn write_rows(file: &File, schema: &SchemaRef, rows: Rows, until: Until<'_>) -> Result<()> {
    let stop = rows.stop_handle();
    let written = AtomicBool::new(false);
    let mut failure = None;
    let outcome = std::thread::scope(|scope| {
        std::thread::Builder::new()
            .name("query-watch".to_owned())
            .spawn_scoped(scope, || {
                while !written.load(Ordering::Acquire) {
                    if until.check().is_err() {
                        return stop.stop();
                    }
                    std::thread::sleep(WATCH);
                }
            })
            .map_err(|error| Error::new(Class::Unavailable, "THREAD_FAILED", error.to_string()))?;
        let rows = rows.map_while(|batch| match batch {
            Ok(batch) => Some(Ok(batch)),
            Err(error) => {
                failure = Some(error);
                None
            }
        });
        let outcome = lode_parts::write_ipc(file, schema, rows);
        written.store(true, Ordering::Release);
        outcome.map_err(Error::from)
    });
    until.check()?;
    outcome?;
    match failure {
        Some(error) => Err(error.into()),
        None => Ok(()),
    }
}

/// Files and columns as the host takes them.
pub(crate) fn table(name: &str, files: Vec<File>, columns: &[BoundColumn]) -> InputTable {
    InputTable {
        name: name.to_owned(),
        files,
        columns: columns
            .iter()
            .map(|column| Binding {
                column: column.name.clone(),
                role: column.role,
            })
            .collect(),
    }
}

/// All rows of an input in one batch, its columns and roles as bound: for evaluation,
/// which deals rows out by number.
pub(crate) fn load(table: &Table, columns: &[BoundColumn]) -> Result<RecordBatch> {
    let schema = table.schema();
    let mut projection = Vec::new();
    for column in columns {
        projection.push(schema.index_of(&column.name)?);
    }
    let bound = bound_schema(&schema, &projection, columns);
    let mut batches = Vec::new();
    for i in 0..table.n_batches() {
        let batch = table.batch(i, Some(&projection))?;
        let columns = batch.columns().to_vec();
        batches.push(RecordBatch::try_new(Arc::clone(&bound), columns)?);
    }
    Ok(arrow_select::concat::concat_batches(&bound, &batches)?)
}

/// All rows of one column, which need not be bound.
pub(crate) fn load_column(table: &Table, name: &str) -> Result<ArrayRef> {
    let at = table.schema().index_of(name)?;
    let mut pieces = Vec::new();
    for i in 0..table.n_batches() {
        pieces.push(Arc::clone(table.batch(i, Some(&[at]))?.column(0)));
    }
    let pieces: Vec<&dyn Array> = pieces.iter().map(|piece| &**piece).collect();
    if pieces.is_empty() {
        return Ok(new_empty_array(table.schema().field(at).data_type()));
    }
    Ok(arrow_select::concat::concat(&pieces)?)
}

fn bound_schema(schema: &Schema, projection: &[usize], columns: &[BoundColumn]) -> SchemaRef {
    let fields: Vec<Field> = projection
        .iter()
        .zip(columns)
        .map(|(&i, column)| {
            let field = schema.field(i).clone();
            let metadata = column
                .role
                .map(|role| (ROLE_KEY.to_owned(), role.as_str().to_owned()));
            field.with_metadata(metadata.into_iter().collect())
        })
        .collect();
    Arc::new(Schema::new(fields))
}
