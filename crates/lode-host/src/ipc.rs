//! Small tables as Arrow IPC stream bytes, for the body of a frame.

use std::io::Cursor;

use arrow_array::RecordBatch;
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::ArrowError;
use arrow_schema::SchemaRef;

/// Appends `batches` of `schema` to `bytes`; gives how many bytes that took.
pub(crate) fn encode<'a>(
    bytes: &mut Vec<u8>,
    schema: &SchemaRef,
    batches: impl IntoIterator<Item = &'a RecordBatch>,
) -> Result<usize, ArrowError> {
    let before = bytes.len();
    let mut writer = StreamWriter::try_new(&mut *bytes, schema)?;
    for batch in batches {
        writer.write(batch)?;
    }
    writer.finish()?;
    drop(writer);
    Ok(bytes.len() - before)
}

/// The schema and the batches of a stream.
pub(crate) fn decode(bytes: &[u8]) -> Result<(SchemaRef, Vec<RecordBatch>), ArrowError> {
    let reader = StreamReader::try_new(Cursor::new(bytes), None)?;
    let schema = reader.schema();
    let batches = reader.collect::<Result<Vec<_>, _>>()?;
    Ok((schema, batches))
}
