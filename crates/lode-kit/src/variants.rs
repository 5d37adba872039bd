//! The same rows in other forms, and rows that no company has: what tables are made into.

use std::sync::Arc;

use arrow_array::Array;
use arrow_array::ArrayRef;
use arrow_array::BooleanArray;
use arrow_array::Float64Array;
use arrow_array::Int64Array;
use arrow_array::NullArray;
use arrow_array::RecordBatch;
use arrow_array::RecordBatchOptions;
use arrow_array::StringArray;
use arrow_array::StructArray;
use arrow_array::new_null_array;
use arrow_cast::cast;
use arrow_schema::DataType;
use arrow_schema::Field;
use arrow_schema::Schema;
use arrow_schema::TimeUnit;
use arrow_select::concat::concat_batches;
use lode_numeric::Rng;
use lode_types::role_of;

use crate::counted::End;
use crate::counted::Source;
use crate::verdict::Stop;
use crate::verdict::failed;

/// Tables under their names.
pub(crate) type Tables = Vec<(String, RecordBatch)>;

/// Each table changed by `change`.
pub(crate) fn each(
    tables: &Tables,
    change: impl Fn(&RecordBatch) -> Result<RecordBatch, Stop>,
) -> Result<Tables, Stop> {
    let tables = tables.iter();
    tables
        .map(|(name, batch)| Ok((name.clone(), change(batch)?)))
        .collect()
}

/// The rows in batches of random lengths, some of them empty.
pub(crate) fn rechunked(batch: &RecordBatch, rng: &mut Rng) -> Source {
    let mut batches = vec![batch.slice(0, 0)];
    let mut at = 0;
    while at < batch.num_rows() {
        let left = batch.num_rows() - at;
        let n = (rng.below(1 + (left as u64).min(97)) as usize).min(left);
        batches.push(batch.slice(at, n));
        at += n;
    }
    Source {
        schema: batch.schema(),
        batches,
        end: End::Well,
    }
}

/// The rows as slices of longer arrays, so that no buffer starts at its first row.
pub(crate) fn sliced(batch: &RecordBatch) -> Result<RecordBatch, Stop> {
    let n = batch.num_rows();
    if n == 0 {
        return Ok(batch.clone());
    }
    let some = batch.slice(0, n.min(11));
    let schema = batch.schema();
    let longer = concat_batches(&schema, [&some, batch, &some]).map_err(own)?;
    Ok(longer.slice(some.num_rows(), n))
}

/// Every column of type `from` as `to`.
pub(crate) fn retyped(
    batch: &RecordBatch,
    from: &DataType,
    to: &DataType,
) -> Result<RecordBatch, Stop> {
    changed(batch, |field, column| {
        if column.data_type() != from {
            return Ok((field, column));
        }
        let column = cast(&column, to).map_err(own)?;
        Ok((field.with_data_type(to.clone()), column))
    })
}

/// No value at all.
pub(crate) fn all_null(batch: &RecordBatch) -> Result<RecordBatch, Stop> {
    changed(batch, |field, column| {
        let nulls = new_null_array(column.data_type(), column.len());
        Ok((field.with_nullable(true), nulls))
    })
}

/// Numbers that are none, are infinite, or as large and as small as there are.
pub(crate) fn extreme(batch: &RecordBatch) -> Result<RecordBatch, Stop> {
    const FLOATS: [f64; 9] = [
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::MAX,
        f64::MIN,
        f64::MIN_POSITIVE,
        5e-324,
        -0.0,
        1.0,
    ];
    const INTEGERS: [i64; 5] = [i64::MAX, i64::MIN, -1, 0, 1];
    changed(batch, |field, column| {
        let n = column.len();
        let changed: ArrayRef = match column.data_type() {
            DataType::Float64 => Arc::new(Float64Array::from_iter_values(
                (0..n).map(|row| FLOATS[row % FLOATS.len()]),
            )),
            DataType::Int64 => Arc::new(Int64Array::from_iter_values(
                (0..n).map(|row| INTEGERS[row % INTEGERS.len()]),
            )),
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                let extremes = (0..n).map(|row| INTEGERS[row % INTEGERS.len()]);
                let extremes = Int64Array::from_iter_values(extremes);
                cast(&extremes, column.data_type()).map_err(own)?
            }
            _ => column,
        };
        Ok((field, changed))
    })
}

/// Text of every kind: empty, long, combining, right to left, and with a zero in it.
pub(crate) fn odd_text(batch: &RecordBatch) -> Result<RecordBatch, Stop> {
    let long = "long ".repeat(2_000);
    let texts = [
        "",
        " ",
        "é",
        "e\u{301}",
        "👩‍👩‍👧",
        "שלום",
        "a\0b",
        "\"quoted\"\n",
        &long,
    ];
    changed(batch, |field, column| {
        if *column.data_type() != DataType::Utf8 {
            return Ok((field, column));
        }
        let texts = (0..column.len()).map(|row| texts[row % texts.len()]);
        Ok((field, Arc::new(StringArray::from_iter_values(texts))))
    })
}

/// The table without its column at `index`.
pub(crate) fn without(batch: &RecordBatch, index: usize) -> Result<RecordBatch, Stop> {
    let kept: Vec<usize> = (0..batch.num_columns()).filter(|&at| at != index).collect();
    projected(batch, &kept)
}

/// The columns the other way round.
pub(crate) fn reordered(batch: &RecordBatch) -> Result<RecordBatch, Stop> {
    let order: Vec<usize> = (0..batch.num_columns()).rev().collect();
    projected(batch, &order)
}

/// Columns of types that no algorithm asks for, before and behind the others.
pub(crate) fn extra(batch: &RecordBatch) -> Result<RecordBatch, Stop> {
    let n = batch.num_rows();
    let inner: ArrayRef = Arc::new(Int64Array::from(vec![7; n]));
    let part = Arc::new(Field::new("part", DataType::Int64, true));
    let day = cast(&Int64Array::from(vec![0; n]), &DataType::Int32)
        .and_then(|days| cast(&days, &DataType::Date32))
        .map_err(own)?;
    let before: Vec<(Field, ArrayRef)> = vec![(
        Field::new("kit nothing", DataType::Null, true),
        Arc::new(NullArray::new(n)),
    )];
    let behind: Vec<(Field, ArrayRef)> = vec![
        (Field::new("kit day", DataType::Date32, true), day),
        (
            Field::new_struct("kit struct", vec![Arc::clone(&part)], true),
            Arc::new(StructArray::from(vec![(part, inner)])),
        ),
    ];
    let schema = batch.schema();
    let own = schema.fields().iter().zip(batch.columns());
    let own = own.map(|(field, column)| (field.as_ref().clone(), Arc::clone(column)));
    let columns = before.into_iter().chain(own).chain(behind).collect();
    assembled(batch, columns)
}

/// The table with its column at `index` of a type that has nothing to do with it.
pub(crate) fn wrong_type(
    batch: &RecordBatch,
    index: usize,
    which: usize,
) -> Result<RecordBatch, Stop> {
    let n = batch.num_rows();
    let part = Arc::new(Field::new("part", DataType::Int64, true));
    let wrong: ArrayRef = match which % 4 {
        0 => Arc::new(BooleanArray::from(vec![true; n])),
        1 => Arc::new(NullArray::new(n)),
        2 => Arc::new(StructArray::from(vec![(
            part,
            Arc::new(Int64Array::from(vec![1; n])) as ArrayRef,
        )])),
        _ => new_null_array(&DataType::Binary, n),
    };
    let mut at = 0;
    changed(batch, |field, column| {
        at += 1;
        if at - 1 != index {
            return Ok((field, column));
        }
        let field = field.with_data_type(wrong.data_type().clone());
        Ok((field.with_nullable(true), Arc::clone(&wrong)))
    })
}

/// Where the columns with a role are, each with the word for it.
pub(crate) fn with_roles(batch: &RecordBatch) -> Vec<(usize, String)> {
    let schema = batch.schema();
    let fields = schema.fields().iter().enumerate();
    fields
        .filter_map(|(index, field)| Some((index, role_of(field)?.as_str().to_owned())))
        .collect()
}

/// The rows in `order`.
pub(crate) fn taken(batch: &RecordBatch, rows: &[usize]) -> Result<RecordBatch, Stop> {
    let rows = rows.iter().map(|&row| row as u64);
    let rows = arrow_array::UInt64Array::from_iter_values(rows);
    arrow_select::take::take_record_batch(batch, &rows).map_err(own)
}

fn changed(
    batch: &RecordBatch,
    mut change: impl FnMut(Field, ArrayRef) -> Result<(Field, ArrayRef), Stop>,
) -> Result<RecordBatch, Stop> {
    let schema = batch.schema();
    let columns = schema.fields().iter().zip(batch.columns());
    let columns = columns
        .map(|(field, column)| change(field.as_ref().clone(), Arc::clone(column)))
        .collect::<Result<Vec<_>, _>>()?;
    assembled(batch, columns)
}

fn projected(batch: &RecordBatch, order: &[usize]) -> Result<RecordBatch, Stop> {
    let schema = batch.schema();
    let columns = order
        .iter()
        .map(|&at| (schema.field(at).clone(), Arc::clone(batch.column(at))));
    assembled(batch, columns.collect())
}

/// A table of these columns, with the metadata and the number of rows of `like`.
fn assembled(like: &RecordBatch, columns: Vec<(Field, ArrayRef)>) -> Result<RecordBatch, Stop> {
    let (fields, columns): (Vec<Field>, Vec<ArrayRef>) = columns.into_iter().unzip();
    let metadata = like.schema_ref().metadata().clone();
    let schema = Arc::new(Schema::new_with_metadata(fields, metadata));
    let options = RecordBatchOptions::new().with_row_count(Some(like.num_rows()));
    RecordBatch::try_new_with_options(schema, columns, &options).map_err(own)
}

/// The kit's own mistake: said as such, so that no author looks for it.
fn own(error: arrow_schema::ArrowError) -> Stop {
    failed(format!("the kit could not make a table: {error}"))
}

/// The rows of `batch` with the column at `index` from `other`, which has the same columns.
pub(crate) fn with_column_of(
    batch: &RecordBatch,
    other: &RecordBatch,
    index: usize,
) -> Result<RecordBatch, Stop> {
    let columns = (0..batch.num_columns()).map(|at| {
        let from = if at == index { other } else { batch };
        let field = from.schema_ref().field(at).clone();
        (field, Arc::clone(from.column(at)))
    });
    assembled(batch, columns.collect())
}
