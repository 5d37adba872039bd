//! The step of a plan that aggregates rows of one group after the other.

use std::fmt;
use std::sync::Arc;

use arrow_schema::SchemaRef;
use datafusion::common::internal_err;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::Result;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::TaskContext;
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::PhysicalSortExpr;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::DisplayAs;
use datafusion::physical_plan::DisplayFormatType;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::ExecutionPlanProperties;
use datafusion::physical_plan::Partitioning;
use datafusion::physical_plan::PlanProperties;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::execution_plan::EmissionType;
use datafusion::physical_plan::metrics::BaselineMetrics;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion::physical_plan::metrics::MetricsSet;

use super::groups::Groups;
use super::rules::names_customer;

/// Aggregates groups that lie side by side; each partition by itself, in order.
#[derive(Debug)]
pub(super) struct SortedAggregate {
    input: Arc<dyn ExecutionPlan>,
    group: Vec<(Arc<dyn PhysicalExpr>, String)>,
    aggregates: Vec<Aggregate>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

/// One function over a group.
#[derive(Clone, Debug)]
pub(super) struct Aggregate {
    pub(super) function: Arc<AggregateFunctionExpr>,
    pub(super) filter: Option<Arc<dyn PhysicalExpr>>,
}

impl SortedAggregate {
    /// In place of an aggregate over rows; `schema` is that of its answers, and `order` the
    /// order in which its groups lie.
    pub(super) fn new(
        first: &AggregateExec,
        schema: SchemaRef,
        order: &[PhysicalSortExpr],
    ) -> Result<Self> {
        let group = first.group_expr().expr().to_vec();
        let aggregates = std::iter::zip(first.aggr_expr(), first.filter_expr())
            .map(|(function, filter)| Aggregate {
                function: Arc::clone(function),
                filter: filter.clone(),
            })
            .collect();
        // The groups come out in the order in which they lie.
        let order = order.iter().map(|sorted| {
            let i = group
                .iter()
                .position(|(expr, _)| expr.as_ref() == sorted.expr.as_ref())?;
            let column = Column::new(schema.field(i).name(), i);
            Some(PhysicalSortExpr::new(Arc::new(column), sorted.options))
        });
        let order: Option<Vec<PhysicalSortExpr>> = order.collect();
        let Some(order) = order else {
            return internal_err!("an order of columns that are not grouped by");
        };
        let input = Arc::clone(first.input());
        let properties = PlanProperties::new(
            EquivalenceProperties::new_with_orderings(Arc::clone(&schema), [order]),
            partitioning(&input),
            EmissionType::Incremental,
            input.boundedness(),
        );
        Ok(Self {
            input,
            group,
            aggregates,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }
}

fn partitioning(input: &Arc<dyn ExecutionPlan>) -> Partitioning {
    Partitioning::UnknownPartitioning(input.output_partitioning().partition_count())
}

impl DisplayAs for SortedAggregate {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let group: Vec<&str> = self.group.iter().map(|(_, name)| name.as_str()).collect();
        let names = self.aggregates.iter().map(|a| a.function.name());
        let names: Vec<&str> = names.collect();
        write!(
            f,
            "SortedAggregate: by=[{}], aggr=[{}]",
            group.join(", "),
            names.join(", ")
        )
    }
}

impl ExecutionPlan for SortedAggregate {
    fn name(&self) -> &'static str {
        "SortedAggregate"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        // Else a sort of its groups would be tried on its rows, where it tears them apart.
        vec![false]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        // Its input's partitions share no customer; others would.
        vec![false]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        apply: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        let group = self.group.iter().map(|(expr, _)| Arc::clone(expr));
        let aggregates = self.aggregates.iter().flat_map(|aggregate| {
            let arguments = aggregate.function.expressions();
            arguments.into_iter().chain(aggregate.filter.clone())
        });
        let mut recursion = TreeNodeRecursion::Continue;
        for expr in group.chain(aggregates) {
            recursion = recursion.visit_sibling(|| apply(&expr))?;
        }
        Ok(recursion)
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let [input] = children.as_slice() else {
            return internal_err!("a sorted aggregate has one input");
        };
        // DataFusion tries out plans that it then drops, so what tears customers apart is
        // refused when the plan is run.
        let properties =
            PlanProperties::clone(&self.properties).with_partitioning(partitioning(input));
        Ok(Arc::new(Self {
            input: Arc::clone(input),
            group: self.group.clone(),
            aggregates: self.aggregates.clone(),
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        }))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let mut group = self.group.iter();
        if !group.any(|(expr, _)| names_customer(&self.input, expr)) {
            return internal_err!(
                "a sorted aggregate over {}, which may tear customers apart",
                self.input.name()
            );
        }
        let input = self.input.execute(partition, Arc::clone(&context))?;
        let group = self.group.iter().map(|(expr, _)| Arc::clone(expr));
        Ok(Box::pin(Groups::new(
            input,
            group.collect(),
            &self.aggregates,
            self.schema(),
            &context,
            BaselineMetrics::new(&self.metrics, partition),
        )?))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}
