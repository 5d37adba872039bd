//! Conditions that ask a number of a column to lie in a range.
//!
//! Packed parts answer them without decoding the column.

use std::ops::RangeInclusive;

use datafusion::common::DFSchema;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::BinaryExpr;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::Operator;

/// A column, by its place, and the values that it may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ColumnRange {
    pub(crate) column: usize,
    pub(crate) range: RangeInclusive<i64>,
}

impl ColumnRange {
    /// Asks for what the other asks for too.
    pub(crate) fn narrow(&mut self, other: &Self) {
        let start = *self.range.start().max(other.range.start());
        self.range = start..=*self.range.end().min(other.range.end());
    }
}

/// What a condition asks of an int64, timestamp or date column; none when it asks for anything
/// else. A condition that is never true has an empty range.
pub(crate) fn of(condition: &Expr, schema: &DFSchema) -> Option<ColumnRange> {
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = condition else {
        return None;
    };
    let (column, op, constant) = match (left.as_ref(), right.as_ref()) {
        (Expr::Column(column), Expr::Literal(constant, _)) => (column, *op, constant),
        (Expr::Literal(constant, _), Expr::Column(column)) => (column, op.swap()?, constant),
        _ => return None,
    };
    let column = schema.maybe_index_of_column(column)?;
    if *schema.field(column).data_type() != constant.data_type() {
        return None;
    }
    let value = match constant {
        ScalarValue::Int64(value) | ScalarValue::TimestampMicrosecond(value, _) => (*value)?,
        ScalarValue::Date32(value) => i64::from((*value)?),
        _ => return None,
    };
    let range = match op {
        Operator::Eq => value..=value,
        Operator::LtEq => i64::MIN..=value,
        Operator::GtEq => value..=i64::MAX,
        Operator::Lt => i64::MIN..=value.checked_sub(1)?,
        Operator::Gt => value.checked_add(1)?..=i64::MAX,
        _ => return None,
    };
    Some(ColumnRange { column, range })
}
