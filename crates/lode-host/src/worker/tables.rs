//! Tables on their way into a plugin, as readers behind Arrow C streams.
//!
//! Plugins count in floats: an exact decimal becomes the float64 nearest to it here, so that an
//! algorithm that wants a number takes money as it is stored.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use arrow_array::RecordBatch;
use arrow_array::RecordBatchOptions;
use arrow_array::RecordBatchReader;
use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_cast::cast;
use arrow_schema::ArrowError;
use arrow_schema::DataType;
use arrow_schema::FieldRef;
use arrow_schema::Schema;
use arrow_schema::SchemaRef;
use lode_parts::Table;
use lode_types::ROLE_KEY;

use super::call::Told;
use crate::Binding;
use crate::FailKind;
use crate::foreign::Input;

/// Where the worker's own failures are kept: the first counts.
pub(super) type Own = Arc<Mutex<Option<Told>>>;

/// Keeps a failure, unless there is one already.
pub(super) fn keep(own: &Own, told: Told) {
    let mut own = own.lock().unwrap_or_else(PoisonError::into_inner);
    own.get_or_insert(told);
}

/// Maps the files of an input; its batches are views of the map. With `columns` the plugin
/// gets just these, in their order, with the roles that they are bound to.
pub(super) fn of_files(
    name: &str,
    files: Vec<OwnedFd>,
    columns: Option<&[Binding]>,
    own: &Own,
) -> Result<Input, Told> {
    let files = files.into_iter().map(File::from).collect();
    let table = Table::open(files).map_err(|error| damaged(name, &error))?;
    let (schema, projection) = match columns {
        None => (table.schema(), None),
        Some(columns) => {
            let (schema, projection) =
                bound(&table.schema(), columns).map_err(|error| unfit(name, &error))?;
            (schema, Some(projection))
        }
    };
    let reader = Parts {
        name: name.to_owned(),
        table,
        schema: for_plugins(&schema),
        projection,
        next: 0,
        own: Arc::clone(own),
    };
    Ok(Input {
        name: name.to_owned(),
        stream: FFI_ArrowArrayStream::new(Box::new(reader)),
    })
}

/// Batches that are in memory already.
pub(super) fn of_batches(name: &str, schema: SchemaRef, batches: Vec<RecordBatch>) -> Input {
    let schema = for_plugins(&schema);
    let wanted = Arc::clone(&schema);
    let batches = batches
        .into_iter()
        .map(move |batch| as_schema(&batch, &wanted));
    let reader = arrow_array::RecordBatchIterator::new(batches, schema);
    Input {
        name: name.to_owned(),
        stream: FFI_ArrowArrayStream::new(Box::new(reader)),
    }
}

/// The schema of the bound columns, and where they are in the files.
fn bound(schema: &Schema, columns: &[Binding]) -> Result<(SchemaRef, Vec<usize>), ArrowError> {
    let mut fields = Vec::with_capacity(columns.len());
    let mut projection = Vec::with_capacity(columns.len());
    for Binding { column, role } in columns {
        let i = schema.index_of(column)?;
        let role = role.map(|role| (ROLE_KEY.to_owned(), role.as_str().to_owned()));
        let field = schema.field(i).clone();
        fields.push(field.with_metadata(role.into_iter().collect()));
        projection.push(i);
    }
    let metadata = schema.metadata().clone();
    let schema = Schema::new_with_metadata(fields, metadata);
    Ok((Arc::new(schema), projection))
}

/// The same columns with float64 in place of decimals.
fn for_plugins(schema: &SchemaRef) -> SchemaRef {
    let is_decimal = |field: &FieldRef| matches!(field.data_type(), DataType::Decimal128(_, _));
    if !schema.fields().iter().any(is_decimal) {
        return Arc::clone(schema);
    }
    let fields = schema.fields().iter().map(|field| match is_decimal(field) {
        true => Arc::new(field.as_ref().clone().with_data_type(DataType::Float64)),
        false => Arc::clone(field),
    });
    let fields: Vec<FieldRef> = fields.collect();
    let metadata = schema.metadata().clone();
    Arc::new(Schema::new_with_metadata(fields, metadata))
}

/// The rows under a schema that differs in roles, and in float64 where decimals are.
fn as_schema(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    let mut columns = batch.columns().to_vec();
    for (column, field) in columns.iter_mut().zip(schema.fields()) {
        if matches!(column.data_type(), DataType::Decimal128(_, _))
            && *field.data_type() == DataType::Float64
        {
            *column = cast(column, &DataType::Float64)?;
        }
    }
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
}

struct Parts {
    name: String,
    table: Table,
    schema: SchemaRef,
    projection: Option<Vec<usize>>,
    next: usize,
    own: Own,
}

impl Iterator for Parts {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next == self.table.n_batches() {
            return None;
        }
        let batch = self.table.batch(self.next, self.projection.as_deref());
        self.next += 1;
        let batch = match batch {
            Ok(batch) => batch,
            Err(error) => {
                let told = damaged(&self.name, &error);
                let text = told.message.replace('\0', " ");
                keep(&self.own, told);
                return Some(Err(ArrowError::ExternalError(text.into())));
            }
        };
        // A file's own roles are not those that its columns hold in this job.
        let batch = as_schema(&batch, &self.schema);
        if let Err(error) = &batch {
            keep(&self.own, unfit(&self.name, error));
        }
        Some(batch)
    }
}

impl RecordBatchReader for Parts {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

/// The files are whole but not what the call says that they are.
fn unfit(name: &str, error: &ArrowError) -> Told {
    Told {
        kind: FailKind::Table,
        field: format!("inputs.{name}"),
        message: error.to_string(),
    }
}

fn damaged(name: &str, error: &lode_parts::Error) -> Told {
    Told {
        kind: FailKind::Table,
        field: format!("inputs.{name}"),
        message: lode_types::chain(error),
    }
}
