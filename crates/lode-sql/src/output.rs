//! Makes the rows that leave: plain types that every client reads, in batches of bounded size.
//!
//! Text is Utf8 (no views, no dictionaries), integers are 64 bits wide, floats are doubles,
//! times are microseconds UTC: the types of datasets. What has no such type (decimals, lists,
//! structs, intervals) is left as it is.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::RecordBatch;
use arrow_array::RecordBatchOptions;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::ArrowError;
use arrow_schema::DataType;
use arrow_schema::Field;
use arrow_schema::Schema;
use arrow_schema::SchemaRef;
use arrow_schema::TimeUnit;
use datafusion::arrow::compute::CastOptions;
use datafusion::arrow::compute::cast_with_options;

/// The columns of a result in the types that leave, those without a name of their own called
/// by the text that selects them.
pub(crate) fn plain_schema(schema: &Schema, titles: Option<&[Option<String>]>) -> SchemaRef {
    let titles = titles.filter(|titles| titles.len() == schema.fields().len());
    let title = |i: usize| titles.and_then(|titles| titles[i].as_deref());
    let fields: Vec<Field> = schema
        .fields()
        .iter()
        .enumerate()
        .map(|(i, field)| {
            let plain = plain_type(field.data_type());
            let field = field.as_ref().clone().with_data_type(plain);
            match title(i) {
                Some(title) => field.with_name(title),
                None => field,
            }
        })
        .collect();
    Arc::new(Schema::new(fields))
}

/// The batch under such a schema.
pub(crate) fn plain_batch(
    schema: &SchemaRef,
    batch: &RecordBatch,
) -> Result<RecordBatch, ArrowError> {
    let options = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(batch.num_columns());
    for (column, field) in batch.columns().iter().zip(schema.fields()) {
        columns.push(match column.data_type() == field.data_type() {
            true => Arc::clone(column),
            false => cast_with_options(column, field.data_type(), &options)?,
        });
    }
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
}

/// A schema as an IPC stream without batches.
pub(crate) fn encode_schema(schema: &Schema) -> Result<Vec<u8>, ArrowError> {
    let mut writer = StreamWriter::try_new(Vec::new(), schema)?;
    writer.finish()?;
    writer.into_inner()
}

/// Hands out the rows as IPC streams of one batch each, at most `bytes` long unless a single
/// row is longer.
pub(crate) fn encode_pieces<E: From<ArrowError>>(
    batch: &RecordBatch,
    bytes: u64,
    hand_out: &mut dyn FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let rows = batch.num_rows();
    let size = batch.get_array_memory_size() as u64;
    let guess = match size > bytes {
        // The arrays may be slices of something larger, so this is only where halving starts.
        true => (rows as u64 * bytes / size).max(1024),
        false => rows as u64,
    };
    let step = usize::try_from(guess).unwrap_or(rows).clamp(1, rows.max(1));
    for start in (0..rows).step_by(step) {
        let piece = batch.slice(start, step.min(rows - start));
        encode_piece(&piece, bytes, hand_out)?;
    }
    Ok(())
}

fn encode_piece<E: From<ArrowError>>(
    batch: &RecordBatch,
    bytes: u64,
    hand_out: &mut dyn FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let mut writer = StreamWriter::try_new(Vec::new(), batch.schema_ref())?;
    writer.write(batch)?;
    writer.finish()?;
    let body = writer.into_inner()?;
    let rows = batch.num_rows();
    if body.len() as u64 > bytes && rows > 1 {
        let half = rows / 2;
        encode_piece(&batch.slice(0, half), bytes, hand_out)?;
        return encode_piece(&batch.slice(half, rows - half), bytes, hand_out);
    }
    hand_out(&body)
}

fn plain_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32
        | DataType::UInt64 => DataType::Int64,
        DataType::Float16 | DataType::Float32 => DataType::Float64,
        DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::LargeBinary | DataType::BinaryView => DataType::Binary,
        DataType::Date64 => DataType::Date32,
        DataType::Timestamp(_, _) => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        DataType::Dictionary(_, values) => plain_type(values),
        DataType::List(item) | DataType::LargeList(item) | DataType::ListView(item) => {
            let plain = plain_type(item.data_type());
            DataType::List(Arc::new(item.as_ref().clone().with_data_type(plain)))
        }
        other => other.clone(),
    }
}
