//! Numbers with a point, which are decimals beside decimals and floats everywhere else.
//!
//! A float cannot hold `9999999.99`, so what money is compared with or multiplied by stays as
//! exact as it was written; beside integers that holds for comparisons. Everywhere else such a
//! number is a float, as analysts expect of `price * 1.1`. Runs before types are coerced.

use arrow_schema::DataType;
use datafusion::common::DFSchema;
use datafusion::common::Result;
use datafusion::common::ScalarValue;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::tree_node::TreeNode;
use datafusion::logical_expr::Between;
use datafusion::logical_expr::BinaryExpr;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::ExprSchemable;
use datafusion::logical_expr::LogicalPlan;
use datafusion::logical_expr::expr::Cast;
use datafusion::logical_expr::expr::InList;
use datafusion::optimizer::AnalyzerRule;
use datafusion::optimizer::utils::NamePreserver;

use super::columns_below;

/// Decides of each number with a point what it is.
#[derive(Debug)]
pub(super) struct Literals;

impl AnalyzerRule for Literals {
    fn name(&self) -> &'static str {
        "literals"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        Ok(plan.transform_up_with_subqueries(settled_plan)?.data)
    }
}

fn settled_plan(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    // Rows that are written out have floats already.
    if matches!(plan, LogicalPlan::Values(_)) {
        return Ok(Transformed::no(plan));
    }
    let schema = columns_below(&plan)?;
    let names = NamePreserver::new(&plan);
    let settled = plan.map_expressions(|expr| {
        let name = names.save(&expr);
        let expr = settled(expr, &schema)?;
        Ok(expr.update_data(|expr| name.restore(expr)))
    })?;
    // A float where a decimal was changes the types of all above it.
    settled.map_data(LogicalPlan::recompute_schema)
}

/// An expression whose numbers with a point are decided.
fn settled(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    match expr {
        Expr::Literal(_, _) => Ok(Transformed::yes(as_float(expr))),
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let (left, right) = (inner(*left, schema)?, inner(*right, schema)?);
            let compares = op.supports_propagation();
            let partner = |other: &Expr| match other.get_type(schema) {
                Ok(data_type) => is_exact(&data_type, compares) && !is_literal(other),
                Err(_) => false,
            };
            let (keeps_left, keeps_right) = (partner(&right), partner(&left));
            let left = if keeps_left { left } else { as_float(left) };
            let right = if keeps_right { right } else { as_float(right) };
            let (left, right) = (Box::new(left), Box::new(right));
            let binary = BinaryExpr { left, op, right };
            Ok(Transformed::yes(Expr::BinaryExpr(binary)))
        }
        Expr::Between(between) => {
            let expr = as_float(inner(*between.expr, schema)?);
            let exact = expr.get_type(schema).is_ok_and(|t| is_exact(&t, true));
            let end = |end: Expr| match (inner(end, schema)?, exact) {
                (end, true) => Ok::<_, datafusion::error::DataFusionError>(end),
                (end, false) => Ok(as_float(end)),
            };
            Ok(Transformed::yes(Expr::Between(Between {
                expr: Box::new(expr),
                negated: between.negated,
                low: Box::new(end(*between.low)?),
                high: Box::new(end(*between.high)?),
            })))
        }
        Expr::InList(list) => {
            let expr = as_float(inner(*list.expr, schema)?);
            let exact = expr.get_type(schema).is_ok_and(|t| is_exact(&t, true));
            let items = list.list.into_iter().map(|item| {
                let item = inner(item, schema)?;
                Ok(if exact { item } else { as_float(item) })
            });
            Ok(Transformed::yes(Expr::InList(InList {
                expr: Box::new(expr),
                list: items.collect::<Result<_>>()?,
                negated: list.negated,
            })))
        }
        Expr::Cast(cast) if matches!(cast.field.data_type(), DataType::Decimal128(_, _)) => {
            let expr = Box::new(inner(*cast.expr, schema)?);
            Ok(Transformed::yes(Expr::Cast(Cast { expr, ..cast })))
        }
        other => other.map_children(|child| settled(child, schema)),
    }
}

/// An operand, decided but for a number that is the whole of it.
fn inner(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    match is_literal(&expr) {
        true => Ok(expr),
        false => Ok(settled(expr, schema)?.data),
    }
}

/// Whether values of that type are exact numbers beside which a decimal shall stay one.
fn is_exact(data_type: &DataType, compares: bool) -> bool {
    match data_type {
        DataType::Decimal128(_, _) | DataType::Decimal256(_, _) => true,
        other => compares && other.is_integer(),
    }
}

fn is_literal(expr: &Expr) -> bool {
    let number = match expr {
        Expr::Negative(number) => number,
        other => other,
    };
    matches!(
        number,
        Expr::Literal(
            ScalarValue::Decimal128(_, _, _) | ScalarValue::Decimal256(_, _, _),
            _
        )
    )
}

/// The same number as a float, if it is one with a point.
fn as_float(expr: Expr) -> Expr {
    match expr {
        Expr::Negative(number) => Expr::Negative(Box::new(as_float(*number))),
        Expr::Literal(
            value @ (ScalarValue::Decimal128(_, _, _) | ScalarValue::Decimal256(_, _, _)),
            metadata,
        ) => {
            // The nearest float to what was written, as from its text.
            match decimal_text(&value).and_then(|text| text.parse::<f64>().ok()) {
                Some(float) => Expr::Literal(ScalarValue::Float64(Some(float)), metadata),
                None => Expr::Literal(value, metadata),
            }
        }
        other => other,
    }
}

/// A decimal's digits with its exponent.
fn decimal_text(value: &ScalarValue) -> Option<String> {
    match value {
        ScalarValue::Decimal128(Some(digits), _, scale) => Some(format!("{digits}e{}", -scale)),
        ScalarValue::Decimal256(Some(digits), _, scale) => Some(format!("{digits}e{}", -scale)),
        _ => None,
    }
}
