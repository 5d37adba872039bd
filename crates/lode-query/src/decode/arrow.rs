//! Reads an Arrow IPC stream into a dataset's columns.
//!
//! Columns are matched by name, and a type is either taken without loss or refused for the
//! whole chunk before a batch is read. Invariant: nothing here runs before [`guard::outline`]
//! has bounded the stream.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Cursor;
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::BooleanArray;
use arrow_array::RecordBatch;
use arrow_cast::display::ArrayFormatter;
use arrow_cast::display::FormatOptions;
use arrow_ipc::reader::StreamReader;
use arrow_schema::ArrowError;
use arrow_schema::Schema;
use arrow_select::concat::concat;
use arrow_select::filter::filter;

use crate::Error;
use crate::Result;
use crate::decode::Decoded;
use crate::decode::Decoder;
use crate::decode::MAX_BYTES;
use crate::decode::cast;
use crate::decode::guard;
use crate::decode::guard::guarded;
use crate::decode::guard::invalid;
use crate::decode::reject::Rejects;
use crate::decode::repeat;
use crate::parse::Problem;

/// What a panic of Arrow's reader is called.
const SOUND: &str = "expected sound Arrow batches";

/// Decodes a chunk that is one stream.
pub(super) fn decode(decoder: &Decoder, data: &[u8]) -> Result<Decoded> {
    let outline = guard::outline(data, |schema| accept(decoder, schema))?;
    decoder.check_rows(outline.rows)?;
    guarded(SOUND, || read(decoder, &outline.columns, data))
}

/// The batches of a stream in its own types, for a sample.
pub(crate) fn sample(data: &[u8]) -> Result<Vec<RecordBatch>> {
    let outline = guard::outline(data, |schema| {
        for field in schema.fields() {
            cast::column_type(field.data_type()).ok_or_else(|| Error::TypeUnsupported {
                column: field.name().clone(),
                found: field.data_type().to_string().into(),
            })?;
        }
        Ok(schema.fields().len())
    })?;
    let found = outline.rows.saturating_mul(8 * outline.columns as u64);
    if found > MAX_BYTES {
        return Err(Error::ChunkTooLarge {
            unit: "bytes",
            limit: MAX_BYTES,
            found,
        });
    }
    guarded(SOUND, || {
        let reader = StreamReader::try_new(Cursor::new(data), None).map_err(unreadable)?;
        let schema = reader.schema();
        let mut batches = vec![RecordBatch::new_empty(schema)];
        for batch in reader {
            batches.push(batch.map_err(unreadable)?);
        }
        Ok(batches)
    })
}

/// The target of each of the chunk's columns.
fn accept(decoder: &Decoder, schema: &Schema) -> Result<Vec<usize>> {
    let names: Vec<String> = schema.fields().iter().map(|f| f.name().clone()).collect();
    let targets = decoder.resolve(&names)?;
    for (&target, field) in targets.iter().zip(schema.fields()) {
        let target = &decoder.targets[target];
        if !cast::is_lossless(field.data_type(), target.column_type) {
            return Err(Error::WrongType {
                column: target.name.clone(),
                expected: target.column_type,
                found: field.data_type().to_string().into(),
            });
        }
    }
    Ok(targets)
}

fn read(decoder: &Decoder, targets: &[usize], data: &[u8]) -> Result<Decoded> {
    let reader = StreamReader::try_new(Cursor::new(data), None).map_err(unreadable)?;
    let mut pieces: Vec<Vec<ArrayRef>> = vec![Vec::new(); decoder.targets.len()];
    let mut rejects = Rejects::default();
    let mut text_bytes = 0;
    let mut first_row = 0_u32;
    let mut rows = 0;
    for batch in reader {
        let batch = batch.map_err(unreadable)?;
        let mut bad: BTreeMap<usize, (usize, Problem)> = BTreeMap::new();
        let mut columns = Vec::with_capacity(targets.len());
        for (source, (&target, column)) in targets.iter().zip(batch.columns()).enumerate() {
            let mut refuse = |row, problem| {
                bad.entry(row).or_insert((source, problem));
            };
            let target = &decoder.targets[target];
            columns.push(cast::convert(column, target, &mut text_bytes, &mut refuse)?);
        }
        set_aside(&mut rejects, decoder, targets, &batch, first_row, &bad)?;
        let good: Option<BooleanArray> = (!bad.is_empty()).then(|| {
            let is_good = (0..batch.num_rows()).map(|row| !bad.contains_key(&row));
            is_good.collect::<Vec<bool>>().into()
        });
        for (&target, column) in targets.iter().zip(columns) {
            let column = match &good {
                Some(good) => filter(&column, good).map_err(unreadable)?,
                None => column,
            };
            pieces[target].push(column);
        }
        rows += batch.num_rows() - bad.len();
        first_row += u32::try_from(batch.num_rows()).expect("rows of a chunk are bounded");
    }
    let mut columns = Vec::with_capacity(pieces.len());
    for pieces in pieces {
        columns.push(match pieces.as_slice() {
            [] => None,
            [one] => Some(Arc::clone(one)),
            many => {
                let many: Vec<_> = many.iter().map(AsRef::as_ref).collect();
                Some(concat(&many).map_err(unreadable)?)
            }
        });
    }
    let lacking = decoder.lacking(&columns);
    let batch = decoder.assemble(columns, rows)?;
    Ok(Decoded {
        lacking,
        repeated_rows: repeat::count(&batch),
        rejected: rejects.into_rows(),
        batch,
    })
}

/// Keeps the bad rows of one batch with the text of their source columns.
fn set_aside(
    rejects: &mut Rejects,
    decoder: &Decoder,
    targets: &[usize],
    batch: &RecordBatch,
    first_row: u32,
    bad: &BTreeMap<usize, (usize, Problem)>,
) -> Result<()> {
    if bad.is_empty() {
        return Ok(());
    }
    let options = FormatOptions::default().with_display_error(true);
    let printed: Vec<ArrayRef> = batch.columns().iter().map(cast::without_zone).collect();
    let mut formatters = Vec::with_capacity(printed.len());
    for column in &printed {
        formatters.push(ArrayFormatter::try_new(column, &options).map_err(unreadable)?);
    }
    let schema = batch.schema_ref();
    for (&row, (source, problem)) in bad {
        let text = |column: usize| {
            let null = batch.column(column).is_null(row);
            (!null).then(|| Cow::from(formatters[column].value(row).to_string()))
        };
        let found = text(*source).unwrap_or_default();
        let fields = schema.fields().iter().enumerate();
        let fields = fields.map(|(i, field)| (Cow::from(field.name().as_str()), text(i)));
        let row = first_row + u32::try_from(row).expect("rows of a chunk are bounded");
        let column = &decoder.targets[targets[*source]].name;
        rejects.add(row, column, problem, &found, fields)?;
    }
    Ok(())
}

fn unreadable(error: ArrowError) -> Error {
    invalid(SOUND, error)
}
