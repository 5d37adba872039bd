//! Rows of features as Arrow columns.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::RecordBatch;
use arrow_array::builder::BooleanBuilder;
use arrow_array::builder::Date32Builder;
use arrow_array::builder::Decimal128Builder;
use arrow_array::builder::Float64Builder;
use arrow_array::builder::Int64Builder;
use arrow_array::builder::StringBuilder;
use arrow_array::builder::TimestampMicrosecondBuilder;
use arrow_schema::DataType;
use arrow_schema::SchemaRef;

use crate::Error;
use crate::Result;
use crate::cells::Cell;
use crate::cells::Key;
use crate::plan::Plan;

/// The rows of a task so far.
pub(crate) struct Output<'p> {
    plan: &'p Plan,
    schema: SchemaRef,
    ids: Builder,
    times: TimestampMicrosecondBuilder,
    columns: Vec<Builder>,
    rows: usize,
}

enum Builder {
    Int(Int64Builder),
    Float(Float64Builder),
    Decimal(Decimal128Builder),
    Text(StringBuilder),
    Bool(BooleanBuilder),
    Time(TimestampMicrosecondBuilder),
    Date(Date32Builder),
}

impl<'p> Output<'p> {
    pub(crate) fn new(plan: &'p Plan, schema: &SchemaRef) -> Self {
        let builder = |i: usize| Builder::new(schema.field(i).data_type());
        Self {
            plan,
            ids: builder(0),
            times: TimestampMicrosecondBuilder::new()
                .with_data_type(schema.field(1).data_type().clone()),
            columns: (0..plan.columns.len()).map(|i| builder(i + 2)).collect(),
            schema: Arc::clone(schema),
            rows: 0,
        }
    }

    /// Adds a row; `cells` are the plan's outs.
    pub(crate) fn push(&mut self, key: Key<'_>, time: i64, cells: &[Cell<'_>]) -> Result<()> {
        match (&mut self.ids, key) {
            (Builder::Int(ids), Key::Int(id)) => ids.append_value(id),
            (Builder::Text(ids), Key::Text(id)) => ids.append_value(id),
            (other, _) => other.push(&Cell::Null),
        }
        self.times.append_value(time);
        for (column, &out) in self.columns.iter_mut().zip(&self.plan.columns) {
            column.push(&cells[out]);
        }
        self.rows += 1;
        Ok(())
    }

    /// The rows, and none when there are none.
    pub(crate) fn finish(mut self) -> Result<Option<RecordBatch>> {
        if self.rows == 0 {
            return Ok(None);
        }
        let mut columns = vec![self.ids.finish(), Arc::new(self.times.finish()) as ArrayRef];
        for column in &mut self.columns {
            columns.push(column.finish());
        }
        Ok(Some(RecordBatch::try_new(self.schema, columns)?))
    }
}

impl Builder {
    fn new(data_type: &DataType) -> Self {
        match data_type {
            DataType::Int64 => Self::Int(Int64Builder::new()),
            DataType::Decimal128(_, _) => {
                Self::Decimal(Decimal128Builder::new().with_data_type(data_type.clone()))
            }
            DataType::Utf8 => Self::Text(StringBuilder::new()),
            DataType::Boolean => Self::Bool(BooleanBuilder::new()),
            DataType::Timestamp(_, _) => {
                let builder = TimestampMicrosecondBuilder::new();
                Self::Time(builder.with_data_type(data_type.clone()))
            }
            DataType::Date32 => Self::Date(Date32Builder::new()),
            _ => Self::Float(Float64Builder::new()),
        }
    }

    fn push(&mut self, cell: &Cell<'_>) {
        match (self, cell) {
            (Self::Float(to), Cell::Float(value)) => to.append_value(*value),
            (Self::Float(to), _) => to.append_null(),
            (Self::Int(to), Cell::Int(value)) => to.append_value(*value),
            (Self::Int(to), _) => to.append_null(),
            (Self::Decimal(to), Cell::Decimal(value)) => to.append_value(*value),
            (Self::Decimal(to), _) => to.append_null(),
            (Self::Text(to), Cell::Text(value)) => to.append_value(value),
            (Self::Text(to), Cell::Owned(value)) => to.append_value(value),
            (Self::Text(to), _) => to.append_null(),
            (Self::Bool(to), Cell::Bool(value)) => to.append_value(*value),
            (Self::Bool(to), _) => to.append_null(),
            (Self::Time(to), Cell::Int(value)) => to.append_value(*value),
            (Self::Time(to), _) => to.append_null(),
            (Self::Date(to), Cell::Int(value)) => to.append_option(i32::try_from(*value).ok()),
            (Self::Date(to), _) => to.append_null(),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Int(from) => Arc::new(from.finish()),
            Self::Float(from) => Arc::new(from.finish()),
            Self::Decimal(from) => Arc::new(from.finish()),
            Self::Text(from) => Arc::new(from.finish()),
            Self::Bool(from) => Arc::new(from.finish()),
            Self::Time(from) => Arc::new(from.finish()),
            Self::Date(from) => Arc::new(from.finish()),
        }
    }
}

/// A sum that its column cannot hold.
pub(crate) fn overflow(name: &str, data_type: &DataType) -> Error {
    Error::Overflow {
        feature: name.to_owned(),
        data_type: data_type.to_string(),
    }
}
