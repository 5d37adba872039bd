//! Finds the aggregates whose groups lie side by side, before and after physical planning.
//!
//! DataFusion turns `count(distinct x)` into two aggregates, which pays with hash tables and
//! costs without, so that rule leaves aggregates by customer alone.

use std::sync::Arc;

use arrow_schema::SortOptions;
use datafusion::common::Column;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::tree_node::TransformedResult;
use datafusion::common::tree_node::TreeNode;
use datafusion::datasource::source_as_provider;
use datafusion::error::Result;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::LogicalPlan;
use datafusion::optimizer::ApplyOrder;
use datafusion::optimizer::OptimizerConfig;
use datafusion::optimizer::OptimizerRule;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::PhysicalSortExpr;
use datafusion::physical_expr::expressions;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::ExecutionPlanProperties;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::aggregates::AggregateInputMode;
use datafusion::physical_plan::aggregates::AggregateMode;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::projection::ProjectionExec;

use super::exec::SortedAggregate;
use crate::scan::Scan;
use crate::table::PartTable;

/// The name of the rule of DataFusion that is held back.
const DISTINCT_RULE: &str = "single_distinct_aggregation_to_group_by";
/// The rule of DataFusion before which aggregates are replaced: it adds exchanges and sorts.
const EXCHANGE_RULE: &str = "EnsureRequirements";
/// Rows are sorted so; see [`lode_parts::Table::order`].
pub(crate) const ASCENDING: SortOptions = SortOptions {
    descending: false,
    nulls_first: false,
};

type LogicalRules = Vec<Arc<dyn OptimizerRule + Send + Sync>>;
type PhysicalRules = Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>>;

/// DataFusion's logical rules, of which one is held back.
pub(crate) fn logical_rules(rules: &[Arc<dyn OptimizerRule + Send + Sync>]) -> LogicalRules {
    let held = |rule: &Arc<dyn OptimizerRule + Send + Sync>| match rule.name() {
        DISTINCT_RULE => Arc::new(HeldBack(Arc::clone(rule))),
        _ => Arc::clone(rule),
    };
    rules.iter().map(held).collect()
}

/// DataFusion's physical rules with ours among them.
pub(crate) fn physical_rules(
    rules: &[Arc<dyn PhysicalOptimizerRule + Send + Sync>],
) -> PhysicalRules {
    let mut rules = rules.to_vec();
    let exchange = rules.iter().position(|rule| rule.name() == EXCHANGE_RULE);
    rules.insert(exchange.unwrap_or(0), Arc::new(Replace));
    rules
}

/// A rule that does not touch aggregates by customer.
#[derive(Debug)]
struct HeldBack(Arc<dyn OptimizerRule + Send + Sync>);

impl OptimizerRule for HeldBack {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        self.0.apply_order()
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        config: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        if let LogicalPlan::Aggregate(aggregate) = &plan {
            let by_customer = |expr: &Expr| match expr {
                Expr::Column(column) => is_customer(&aggregate.input, column),
                _ => false,
            };
            if aggregate.group_expr.iter().any(by_customer) {
                return Ok(Transformed::no(plan));
            }
        }
        self.0.rewrite(plan, config)
    }
}

/// Whether a column of a plan is the customer of a table that is sorted by it.
fn is_customer(plan: &LogicalPlan, column: &Column) -> bool {
    match plan {
        LogicalPlan::Filter(filter) => is_customer(&filter.input, column),
        LogicalPlan::SubqueryAlias(alias) => {
            let Some(i) = alias.schema.maybe_index_of_column(column) else {
                return false;
            };
            let (qualifier, field) = alias.input.schema().qualified_field(i);
            is_customer(&alias.input, &Column::from((qualifier, field)))
        }
        LogicalPlan::Projection(projection) => {
            let Some(i) = projection.schema.maybe_index_of_column(column) else {
                return false;
            };
            match projection.expr[i].clone().unalias() {
                Expr::Column(column) => is_customer(&projection.input, &column),
                _ => false,
            }
        }
        LogicalPlan::TableScan(scan) => {
            let Ok(provider) = source_as_provider(&scan.source) else {
                return false;
            };
            let table = (provider.as_ref() as &dyn std::any::Any).downcast_ref::<PartTable>();
            table.is_some_and(|table| table.customer().as_deref() == Some(column.name.as_str()))
        }
        _ => false,
    }
}

/// Puts [`SortedAggregate`] where groups lie side by side.
#[derive(Debug)]
struct Replace;

impl PhysicalOptimizerRule for Replace {
    fn name(&self) -> &'static str {
        "sorted_aggregates"
    }

    fn schema_check(&self) -> bool {
        true
    }

    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| match replaced(&node)? {
            Some(new) => Ok(Transformed::yes(new)),
            None => Ok(Transformed::no(node)),
        })
        .data()
    }
}

fn replaced(node: &Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let Some(last) = node.downcast_ref::<AggregateExec>() else {
        return Ok(None);
    };
    // One that takes rows, and gives answers itself or through the one above it.
    let first = match last.mode().input_mode() {
        AggregateInputMode::Raw => last,
        AggregateInputMode::Partial => match last.input().downcast_ref::<AggregateExec>() {
            Some(first) if *first.mode() == AggregateMode::Partial => first,
            _ => return Ok(None),
        },
    };
    if *last.mode() == AggregateMode::Partial {
        return Ok(None);
    }
    let group = first.group_expr();
    let ordered = first.aggr_expr().iter().any(|a| !a.order_bys().is_empty());
    if ordered || !group.is_single() || group.expr().is_empty() {
        return Ok(None);
    }
    let exprs: Vec<_> = group.expr().iter().map(|(expr, _)| expr).collect();
    let Some(order) = side_by_side(first.input(), &exprs)? else {
        return Ok(None);
    };
    Ok(Some(Arc::new(SortedAggregate::new(
        first,
        last.schema(),
        &order,
    )?)))
}

/// The order in which rows that agree in `exprs` lie side by side within one partition.
fn side_by_side(
    input: &Arc<dyn ExecutionPlan>,
    exprs: &[&Arc<dyn PhysicalExpr>],
) -> Result<Option<Vec<PhysicalSortExpr>>> {
    let properties = input.equivalence_properties();
    let sorted = |expr: &Arc<dyn PhysicalExpr>| PhysicalSortExpr::new(Arc::clone(expr), ASCENDING);
    let Some(customer) = exprs.iter().position(|expr| names_customer(input, expr)) else {
        return Ok(None);
    };
    let mut order = vec![sorted(exprs[customer])];
    let mut left: Vec<usize> = (0..exprs.len()).filter(|i| *i != customer).collect();
    while !left.is_empty() {
        let mut next = None;
        for (place, &i) in left.iter().enumerate() {
            let mut longer = order.clone();
            longer.push(sorted(exprs[i]));
            if properties.ordering_satisfy(longer.clone())? {
                next = Some((place, longer));
                break;
            }
        }
        let Some((place, longer)) = next else {
            return Ok(None);
        };
        left.remove(place);
        order = longer;
    }
    Ok(properties.ordering_satisfy(order.clone())?.then_some(order))
}

/// Whether an expression over a plan's columns is the customer of a scan whose partitions
/// share none, with only filters and projections between (and DataFusion's pauses).
pub(super) fn names_customer(plan: &Arc<dyn ExecutionPlan>, expr: &Arc<dyn PhysicalExpr>) -> bool {
    let Some(column) = expr.downcast_ref::<expressions::Column>() else {
        return false;
    };
    if let Some(projection) = plan.downcast_ref::<ProjectionExec>() {
        let inner = projection.expr().get(column.index());
        return inner.is_some_and(|inner| names_customer(projection.input(), &inner.expr));
    }
    if let Some(filter) = plan.downcast_ref::<FilterExec>() {
        let index = match filter.projection() {
            Some(kept) => kept.get(column.index()).copied(),
            None => Some(column.index()),
        };
        return index.is_some_and(|index| {
            let inner = expressions::Column::new(column.name(), index);
            names_customer(filter.input(), &(Arc::new(inner) as Arc<dyn PhysicalExpr>))
        });
    }
    if let Some(polite) = plan.downcast_ref::<CooperativeExec>() {
        return names_customer(polite.input(), expr);
    }
    plan.downcast_ref::<Scan>()
        .is_some_and(|scan| scan.customer() == Some(column.index()))
}
