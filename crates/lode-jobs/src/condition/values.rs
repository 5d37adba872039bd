//! The columns of a table as filters read them: numbers, words, yes or no, and times.

use std::sync::Arc;

use arrow_array::Array;
use arrow_array::ArrayRef;
use arrow_array::BooleanArray;
use arrow_array::Float64Array;
use arrow_array::Int64Array;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::types::Int64Type;
use arrow_schema::DataType;
use arrow_schema::TimeUnit;
use lode_types::ColumnType;

use crate::Result;

/// One value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Cell<'a> {
    Missing,
    Number(f64),
    Words(&'a str),
    Flag(bool),
    /// Microseconds.
    Time(i64),
}

/// What a column holds, as filters see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    Number,
    Words,
    Flag,
    Time,
}

impl Sort {
    pub(super) fn of(column_type: ColumnType) -> Self {
        match column_type {
            ColumnType::Bool => Self::Flag,
            ColumnType::Int64 | ColumnType::Float64 | ColumnType::Decimal { .. } => Self::Number,
            ColumnType::String => Self::Words,
            ColumnType::Timestamp | ColumnType::Date => Self::Time,
        }
    }
}

/// Columns of one table, read by number and row.
#[derive(Clone, Debug, Default)]
pub(crate) struct Columns {
    columns: Vec<Column>,
    rows: usize,
}

#[derive(Clone, Debug)]
enum Column {
    Number(Float64Array),
    Words(StringArray),
    Flag(BooleanArray),
    Time(Int64Array),
}

impl Columns {
    /// All columns of a batch that filters can read; a column of another kind cannot be there.
    pub(crate) fn of(batch: &RecordBatch) -> Result<Self> {
        let columns = batch.columns().iter().map(read);
        Ok(Self {
            columns: columns.collect::<Result<_>>()?,
            rows: batch.num_rows(),
        })
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    pub(super) fn cell(&self, column: usize, row: usize) -> Cell<'_> {
        let Some(column) = self.columns.get(column) else {
            return Cell::Missing;
        };
        match column {
            Column::Number(all) if all.is_valid(row) => Cell::Number(all.value(row)),
            Column::Words(all) if all.is_valid(row) => Cell::Words(all.value(row)),
            Column::Flag(all) if all.is_valid(row) => Cell::Flag(all.value(row)),
            Column::Time(all) if all.is_valid(row) => Cell::Time(all.value(row)),
            _ => Cell::Missing,
        }
    }
}

fn read(column: &ArrayRef) -> Result<Column> {
    let cast = |wanted: &DataType| -> Result<ArrayRef> {
        if column.data_type() == wanted {
            return Ok(Arc::clone(column));
        }
        Ok(arrow_cast::cast(column, wanted)?)
    };
    Ok(match column.data_type() {
        DataType::Boolean => Column::Flag(column.as_boolean().clone()),
        DataType::Date32 | DataType::Timestamp(..) => {
            let micros =
                arrow_cast::cast(column, &DataType::Timestamp(TimeUnit::Microsecond, None))?;
            let micros = arrow_cast::cast(&micros, &DataType::Int64)?;
            Column::Time(micros.as_primitive::<Int64Type>().clone())
        }
        found if found.is_numeric() => Column::Number(
            cast(&DataType::Float64)?
                .as_primitive::<Float64Type>()
                .clone(),
        ),
        _ => Column::Words(cast(&DataType::Utf8)?.as_string::<i32>().clone()),
    })
}
