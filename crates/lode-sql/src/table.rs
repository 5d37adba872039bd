//! A table of the query as DataFusion plans over it.
//!
//! Simple conditions are applied by the scan itself, which skips batches by their zones;
//! others stay with DataFusion. Row counts are exact, so `count(*)` reads nothing and joins
//! are put in the right order.

use std::pin::Pin;
use std::sync::Arc;

use arrow_schema::DataType;
use arrow_schema::Field;
use arrow_schema::SchemaRef;
use datafusion::catalog::Session;
use datafusion::catalog::TableProvider;
use datafusion::common::DFSchema;
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::TreeNode;
use datafusion::error::Result;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::Operator;
use datafusion::logical_expr::TableProviderFilterPushDown;
use datafusion::logical_expr::TableType;
use datafusion::logical_expr::ident;
use datafusion::logical_expr::lit;
use datafusion::physical_plan::ExecutionPlan;
use lode_parts::Order;
use lode_parts::Strings;
use lode_parts::Table;
use lode_worker::sql::Bound;

use crate::range;
use crate::scan::Scan;
use crate::scan::external;
use crate::session::simplified;

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// The form in which strings are read.
pub(crate) const STRINGS: Strings = Strings::View;

/// A table as the engine provides it.
#[derive(Clone, Debug)]
pub(crate) struct Provided {
    pub(crate) name: String,
    pub(crate) table: Table,
    pub(crate) n_files: usize,
    pub(crate) bound: Option<Bound>,
}

/// A table of the query.
#[derive(Debug)]
pub(crate) struct PartTable {
    provided: Provided,
    /// In which order the rows lie, when they are sorted by customer.
    order: Option<Order>,
    partitions: usize,
}

impl PartTable {
    /// The table, read by at most `partitions` threads.
    pub(crate) fn new(provided: Provided, partitions: usize) -> Result<Self> {
        Ok(Self {
            order: provided.table.order().map_err(external)?,
            provided,
            partitions,
        })
    }

    /// The column by which the rows are sorted before all others.
    pub(crate) fn customer(&self) -> Option<String> {
        let customer = self.order?.customer?;
        Some(self.provided.table.schema().field(customer).name().clone())
    }

    fn plan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Scan> {
        let schema = self.schema();
        let known = DFSchema::try_from(schema.as_ref().clone())?;
        let mut conditions = Vec::new();
        for filter in self.bounds().into_iter().chain(filters.iter().cloned()) {
            let filter = simplified(state, filter, &known)?;
            let opposite = simplified(state, Expr::Not(Box::new(filter.clone())), &known)?;
            conditions.push((filter, opposite));
        }
        let mut scan = Scan::new(&self.provided, schema, self.order, projection, limit);
        for (filter, opposite) in conditions {
            let text = filter.to_string();
            let range = range::of(&filter, &known);
            let filter = state.create_physical_expr(filter, &known)?;
            let opposite = state.create_physical_expr(opposite, &known)?;
            scan.add(text, filter, &opposite, range)?;
        }
        scan.finish(self.partitions)
    }

    /// What the bound asks of every row.
    fn bounds(&self) -> Vec<Expr> {
        let Some(bound) = &self.provided.bound else {
            return Vec::new();
        };
        let schema = self.provided.table.schema();
        let columns = bound.columns.iter();
        let at = |column: &String| match schema.field_with_name(column).map(Field::data_type) {
            // A date is its midnight.
            Ok(DataType::Date32) => {
                let day = bound.at_micros.div_euclid(MICROS_PER_DAY);
                ScalarValue::Date32(i32::try_from(day).ok())
            }
            _ => ScalarValue::TimestampMicrosecond(Some(bound.at_micros), Some("UTC".into())),
        };
        columns
            .map(|column| ident(column).lt_eq(lit(at(column))))
            .collect()
    }
}

type Scanned<'a> = Pin<Box<dyn Future<Output = Result<Arc<dyn ExecutionPlan>>> + Send + 'a>>;

impl TableProvider for PartTable {
    fn schema(&self) -> SchemaRef {
        self.provided.table.schema_as(STRINGS)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        let applied = |filter: &&Expr| match is_simple(filter) {
            true => TableProviderFilterPushDown::Exact,
            false => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(applied).collect())
    }

    // The trait is an async one, written out.
    fn scan<'life0, 'life1, 'life2, 'life3, 'a>(
        &'life0 self,
        state: &'life1 dyn Session,
        projection: Option<&'life2 Vec<usize>>,
        filters: &'life3 [Expr],
        limit: Option<usize>,
    ) -> Scanned<'a>
    where
        'life0: 'a,
        'life1: 'a,
        'life2: 'a,
        'life3: 'a,
        Self: 'a,
    {
        let scan = self.plan(state, projection, filters, limit);
        Box::pin(async move { Ok(Arc::new(scan?) as Arc<dyn ExecutionPlan>) })
    }
}

/// Whether a condition is cheap and cannot fail: comparisons of columns with constants.
fn is_simple(filter: &Expr) -> bool {
    let simple = |expr: &Expr| match expr {
        Expr::Column(_) | Expr::Literal(_, _) | Expr::IsNull(_) | Expr::IsNotNull(_) => true,
        Expr::Not(_) | Expr::Between(_) => true,
        Expr::InList(list) => list
            .list
            .iter()
            .all(|item| matches!(item, Expr::Literal(_, _))),
        Expr::BinaryExpr(binary) => matches!(
            binary.op,
            Operator::Eq
                | Operator::NotEq
                | Operator::Lt
                | Operator::LtEq
                | Operator::Gt
                | Operator::GtEq
                | Operator::And
                | Operator::Or
        ),
        _ => false,
    };
    let is_other = |expr: &Expr| Ok(!simple(expr));
    filter.exists(is_other).is_ok_and(|other| !other)
}
