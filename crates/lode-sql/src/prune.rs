//! Says which batches of a table a condition can be true in, by their zones.
//!
//! Zones bound values from both sides; NaN is outside of every zone and greater than all
//! numbers here, so the largest value of a float column counts as unknown.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::BooleanArray;
use arrow_array::UInt64Array;
use arrow_schema::DataType;
use arrow_schema::SchemaRef;
use arrow_schema::TimeUnit;
use datafusion::common::Column;
use datafusion::common::ScalarValue;
use datafusion::common::pruning::PruningStatistics;
use datafusion::error::Result;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;
use lode_parts::Bound;
use lode_parts::Table;
use lode_parts::Zone;

/// For each batch whether the condition may be true for some row of it.
pub(crate) fn may_hold(
    table: &Table,
    schema: &SchemaRef,
    condition: &Arc<dyn PhysicalExpr>,
) -> Result<Vec<bool>> {
    let predicate = PruningPredicateBuilder::new()
        .with_file_schema(Arc::clone(schema))
        .try_build(Arc::clone(condition))?;
    predicate.prune(&Zones { table, schema })
}

/// For each batch whether the columns hold a value in every row.
pub(crate) fn without_nulls(table: &Table, schema: &SchemaRef, columns: &[usize]) -> Vec<bool> {
    let zones = Zones { table, schema };
    (0..table.n_batches())
        .map(|batch| {
            columns.iter().all(|&column| {
                let field = schema.field(column);
                !field.is_nullable()
                    || zones
                        .zone(batch, field.name())
                        .is_some_and(|zone| zone.nulls == 0)
            })
        })
        .collect()
}

struct Zones<'a> {
    table: &'a Table,
    schema: &'a SchemaRef,
}

impl Zones<'_> {
    fn zone(&self, batch: usize, column: &str) -> Option<&Zone> {
        self.table
            .zones(batch)?
            .iter()
            .find(|zone| zone.column == column)
    }

    fn ends(
        &self,
        column: &Column,
        end: impl Fn(&Zone, &DataType) -> Option<ScalarValue>,
    ) -> Option<ArrayRef> {
        let data_type = self.schema.field_with_name(&column.name).ok()?.data_type();
        let unknown = ScalarValue::try_from(data_type).ok()?;
        let ends = (0..self.table.n_batches()).map(|batch| {
            self.zone(batch, &column.name)
                .and_then(|zone| end(zone, data_type))
                .unwrap_or_else(|| unknown.clone())
        });
        ScalarValue::iter_to_array(ends).ok()
    }
}

impl PruningStatistics for Zones<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.ends(column, |zone, data_type| match (zone.min, data_type) {
            // Minus zero may be among the rows, and counts as smaller here.
            (Some(Bound::Float(min)), DataType::Float64) => {
                Some(ScalarValue::from(if min == 0.0 { -0.0 } else { min }))
            }
            (end, _) => end.and_then(|end| integer(end, data_type)),
        })
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.ends(column, |zone, data_type| {
            zone.max.and_then(|end| integer(end, data_type))
        })
    }

    fn num_containers(&self) -> usize {
        self.table.n_batches()
    }

    fn null_counts(&self, column: &Column) -> Option<ArrayRef> {
        let nulls = (0..self.table.n_batches()).map(|batch| {
            // A zone may be that of the whole file, so only the count of none is the batch's own.
            self.zone(batch, &column.name)
                .and_then(|zone| (zone.nulls == 0).then_some(0))
        });
        Some(Arc::new(UInt64Array::from_iter(nulls)))
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        None
    }

    fn contained(
        &self,
        _: &Column,
        _: &std::collections::HashSet<ScalarValue>,
    ) -> Option<BooleanArray> {
        None
    }
}

fn integer(end: Bound, data_type: &DataType) -> Option<ScalarValue> {
    let Bound::Int(value) = end else {
        return None;
    };
    match data_type {
        DataType::Int64 => Some(ScalarValue::Int64(Some(value))),
        DataType::Date32 => i32::try_from(value)
            .ok()
            .map(|days| ScalarValue::Date32(Some(days))),
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            Some(ScalarValue::TimestampMicrosecond(Some(value), zone.clone()))
        }
        _ => None,
    }
}
