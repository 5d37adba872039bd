//! A table file as DataFusion reads it.
//!
//! Batches come straight from the map, only the columns that the query needs, split into one
//! run of batches for each thread. Row counts are exact, so `count(*)` reads nothing and joins
//! are put in the right order. Filters stay with DataFusion.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Context;
use std::task::Poll;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use datafusion::catalog::Session;
use datafusion::catalog::TableProvider;
use datafusion::common::Statistics;
use datafusion::common::internal_err;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::DataFusionError;
use datafusion::error::Result;
use datafusion::execution::RecordBatchStream;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::TaskContext;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::TableType;
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::DisplayAs;
use datafusion::physical_plan::DisplayFormatType;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::Partitioning;
use datafusion::physical_plan::PlanProperties;
use datafusion::physical_plan::execution_plan::Boundedness;
use datafusion::physical_plan::execution_plan::EmissionType;
use futures_core::Stream;
use lode_parts::Table;

/// A table of the query.
#[derive(Debug)]
pub(crate) struct PartTable {
    table: Table,
    partitions: usize,
}

impl PartTable {
    /// The table, read by at most `partitions` threads.
    pub(crate) fn new(table: Table, partitions: usize) -> Self {
        Self { table, partitions }
    }
}

type Scanned<'a> = Pin<Box<dyn Future<Output = Result<Arc<dyn ExecutionPlan>>> + Send + 'a>>;

impl TableProvider for PartTable {
    fn schema(&self) -> SchemaRef {
        self.table.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    // The trait is an async one, written out.
    fn scan<'life0, 'life1, 'life2, 'life3, 'a>(
        &'life0 self,
        _state: &'life1 dyn Session,
        projection: Option<&'life2 Vec<usize>>,
        _filters: &'life3 [Expr],
        limit: Option<usize>,
    ) -> Scanned<'a>
    where
        'life0: 'a,
        'life1: 'a,
        'life2: 'a,
        'life3: 'a,
        Self: 'a,
    {
        let scan = Scan::new(&self.table, projection, limit, self.partitions);
        Box::pin(async move { Ok(Arc::new(scan?) as Arc<dyn ExecutionPlan>) })
    }
}

/// Reads some columns of a table.
struct Scan {
    table: Table,
    projection: Option<Vec<usize>>,
    limit: Option<usize>,
    /// The batches of each partition.
    runs: Vec<std::ops::Range<usize>>,
    properties: Arc<PlanProperties>,
}

impl Scan {
    fn new(
        table: &Table,
        projection: Option<&Vec<usize>>,
        limit: Option<usize>,
        partitions: usize,
    ) -> Result<Self> {
        let schema = match projection {
            Some(projection) => Arc::new(table.schema().project(projection)?),
            None => table.schema(),
        };
        let n_batches = table.n_batches();
        let partitions = partitions.clamp(1, n_batches.max(1));
        let runs: Vec<_> = (0..partitions)
            .map(|i| i * n_batches / partitions..(i + 1) * n_batches / partitions)
            .collect();
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(runs.len()),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Ok(Self {
            table: table.clone(),
            projection: projection.cloned(),
            limit,
            runs,
            properties: Arc::new(properties),
        })
    }
}

impl fmt::Debug for Scan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scan")
            .field("table", &self.table)
            .field("projection", &self.projection)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

impl DisplayAs for Scan {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scan: rows={}", self.table.rows())
    }
}

impl ExecutionPlan for Scan {
    fn name(&self) -> &'static str {
        "Scan"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match children.as_slice() {
            [] => Ok(self),
            _ => internal_err!("a scan has no children"),
        }
    }

    fn execute(&self, partition: usize, _: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let Some(run) = self.runs.get(partition) else {
            return internal_err!("no partition {partition}");
        };
        Ok(Box::pin(Batches {
            table: self.table.clone(),
            projection: self.projection.clone(),
            schema: self.schema(),
            run: run.clone(),
            left: self.limit.unwrap_or(usize::MAX),
        }))
    }

    fn partition_statistics(&self, partition: Option<usize>) -> Result<Arc<Statistics>> {
        let mut statistics = Statistics::new_unknown(&self.schema());
        if partition.is_none() && self.limit.is_none() {
            let rows = usize::try_from(self.table.rows()).unwrap_or(usize::MAX);
            statistics.num_rows = Precision::Exact(rows);
        }
        Ok(Arc::new(statistics))
    }
}

/// The batches of one partition.
struct Batches {
    table: Table,
    projection: Option<Vec<usize>>,
    schema: SchemaRef,
    run: std::ops::Range<usize>,
    /// Rows that are still wanted.
    left: usize,
}

impl Stream for Batches {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let Some(i) = self.run.next() else {
            return Poll::Ready(None);
        };
        let batch = self
            .table
            .batch(i, self.projection.as_deref())
            .map_err(|error| DataFusionError::External(Box::new(error)));
        Poll::Ready(Some(batch.map(|batch| {
            let rows = batch.num_rows().min(self.left);
            self.left -= rows;
            batch.slice(0, rows)
        })))
    }
}

impl RecordBatchStream for Batches {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}
