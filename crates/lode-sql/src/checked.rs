//! Arithmetic that fails where a result does not fit its type, instead of a wrong number.
//!
//! DataFusion lets integers and sums wrap around. Once its types are coerced, and before
//! constants are folded, `+ - *` and unary minus over integers and `+ - * /` over decimals
//! become functions that check, and `sum` is one of our own. Floats stay as they are; which
//! of the numbers in a statement are floats is decided before (`literals`).
//! Invariant: whether a query overflows depends on its rows, not on threads or batches.

mod arithmetic;
mod literals;
mod sum;
mod totals;
mod window;

use std::sync::Arc;

use arrow_schema::DataType;
use datafusion::common::DFSchema;
use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::tree_node::TreeNode;
use datafusion::execution::SessionState;
use datafusion::logical_expr::BinaryExpr;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::ExprSchemable;
use datafusion::logical_expr::LogicalPlan;
use datafusion::logical_expr::registry::FunctionRegistry;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::optimizer::AnalyzerRule;
use datafusion::optimizer::utils::NamePreserver;

use self::arithmetic::Arithmetic;
use self::arithmetic::Operation;

/// The rules that give types to a statement, with ours before them.
pub(crate) fn analyzer_rules(
    rules: &[Arc<dyn AnalyzerRule + Send + Sync>],
) -> Vec<Arc<dyn AnalyzerRule + Send + Sync>> {
    let first: Arc<dyn AnalyzerRule + Send + Sync> = Arc::new(literals::Literals);
    std::iter::once(first)
        .chain(rules.iter().cloned())
        .collect()
}

/// Makes the arithmetic of a session's statements checked.
pub(crate) fn install(state: &mut SessionState) -> Result<()> {
    state.add_analyzer_rule(Arc::new(Checked));
    state.register_udaf(Arc::new(sum::Sum::default().into()))?;
    state.register_udaf(Arc::new(sum::Avg::default().into()))?;
    Ok(())
}

/// An expression whose types are coerced, with checked arithmetic.
pub(crate) fn checked(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    expr.transform_up(|expr| replaced(expr, schema))
}

#[derive(Debug)]
struct Checked;

impl AnalyzerRule for Checked {
    fn name(&self) -> &'static str {
        "checked_arithmetic"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        let plan = plan.transform_up_with_subqueries(checked_plan)?;
        Ok(plan.data)
    }
}

fn checked_plan(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let schema = columns_below(&plan)?;
    let names = NamePreserver::new(&plan);
    plan.map_expressions(|expr| {
        let name = names.save(&expr);
        let expr = checked(expr, &schema)?;
        Ok(expr.update_data(|expr| name.restore(expr)))
    })
}

/// The columns that a plan's expressions name. They are there for their types alone, so their
/// order does not matter.
fn columns_below(plan: &LogicalPlan) -> Result<DFSchema> {
    let mut schema = merge_schema(&plan.inputs());
    if let LogicalPlan::TableScan(scan) = plan {
        let (name, source) = (scan.table_name.clone(), scan.source.schema());
        schema.merge(&DFSchema::try_from_qualified_schema(name, &source)?);
    }
    Ok(schema)
}

fn replaced(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            if let Some(operation) = Operation::of(op) {
                let types = [type_of(&left, schema)?, type_of(&right, schema)?];
                if let Some(function) = Arithmetic::binary(operation, &types)? {
                    return Ok(Transformed::yes(function.call(vec![*left, *right])));
                }
            }
            let same = BinaryExpr { left, op, right };
            Ok(Transformed::no(Expr::BinaryExpr(same)))
        }
        Expr::Negative(inner) => {
            let data_type = type_of(&inner, schema)?;
            match Arithmetic::negation(&data_type) {
                Some(function) => Ok(Transformed::yes(function.call(vec![*inner]))),
                None => Ok(Transformed::no(Expr::Negative(inner))),
            }
        }
        other => Ok(Transformed::no(other)),
    }
}

/// The type of an expression, at once for what has been replaced.
fn type_of(expr: &Expr, schema: &DFSchema) -> Result<DataType> {
    match arithmetic::result_type(expr) {
        Some(known) => Ok(known.clone()),
        None => expr.get_type(schema),
    }
}

/// A type as Lode calls it.
fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => format!("decimal({precision},{scale})"),
        other => other.to_string().to_lowercase(),
    }
}
