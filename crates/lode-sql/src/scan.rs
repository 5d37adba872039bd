//! Reads a table's batches: only the columns wanted, only the batches that can fit.
//!
//! Each batch is read from the map in one go, its conditions are applied to it, and it goes
//! on in slices of the session's batch size. A condition that the zones prove for all rows
//! of a batch is not evaluated there.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Context;
use std::task::Poll;

use arrow_array::BooleanArray;
use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_schema::SchemaRef;
use datafusion::arrow::compute::and;
use datafusion::arrow::compute::filter_record_batch;
use datafusion::common::Statistics;
use datafusion::common::internal_err;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::DataFusionError;
use datafusion::error::Result;
use datafusion::execution::RecordBatchStream;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::TaskContext;
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_expr::utils::reassign_expr_columns;
use datafusion::physical_plan::DisplayAs;
use datafusion::physical_plan::DisplayFormatType;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::Partitioning;
use datafusion::physical_plan::PlanProperties;
use datafusion::physical_plan::execution_plan::Boundedness;
use datafusion::physical_plan::execution_plan::EmissionType;
use datafusion::physical_plan::metrics::BaselineMetrics;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion::physical_plan::metrics::MetricsSet;
use futures_core::Stream;
use lode_parts::Table;
use lode_worker::sql::ExplainedFile;
use lode_worker::sql::ExplainedScan;

use crate::prune;
use crate::table::Provided;
use crate::table::STRINGS;

/// Reads some columns and rows of a table.
pub(crate) struct Scan {
    name: String,
    table: Table,
    n_files: usize,
    /// The columns that leave, then those that only conditions read.
    read: Vec<usize>,
    /// How many leave.
    n_out: usize,
    /// The table's schema with strings as they are read.
    schema: SchemaRef,
    conditions: Vec<Condition>,
    /// For each batch whether it is read.
    kept: Vec<bool>,
    limit: Option<usize>,
    /// The batches of each partition.
    partitions: Vec<Arc<[usize]>>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

/// What rows must satisfy.
#[derive(Clone)]
struct Condition {
    text: String,
    expr: Arc<dyn PhysicalExpr>,
    /// For each batch whether some of its rows may not.
    doubted: Arc<[bool]>,
}

impl Scan {
    /// A scan without conditions; `schema` is the table's own.
    pub(crate) fn new(
        provided: &Provided,
        schema: SchemaRef,
        projection: Option<&Vec<usize>>,
        limit: Option<usize>,
    ) -> Self {
        let table = provided.table.clone();
        let read = match projection {
            Some(projection) => projection.clone(),
            None => (0..schema.fields().len()).collect(),
        };
        Self {
            name: provided.name.clone(),
            n_files: provided.n_files,
            n_out: read.len(),
            read,
            conditions: Vec::new(),
            kept: vec![true; table.n_batches()],
            limit,
            partitions: Vec::new(),
            properties: properties(Arc::clone(&schema), 1),
            metrics: ExecutionPlanMetricsSet::new(),
            schema,
            table,
        }
    }

    /// Asks `expr` of every row; `opposite` is true of a row for which it is false.
    pub(crate) fn add(
        &mut self,
        text: String,
        expr: Arc<dyn PhysicalExpr>,
        opposite: &Arc<dyn PhysicalExpr>,
    ) -> Result<()> {
        let holds = prune::may_hold(&self.table, &self.schema, &expr)?;
        for (kept, holds) in self.kept.iter_mut().zip(holds) {
            *kept &= holds;
        }
        let columns: Vec<usize> = collect_columns(&expr)
            .iter()
            .map(|column| column.index())
            .collect();
        let full = prune::without_nulls(&self.table, &self.schema, &columns);
        let mut doubted = prune::may_hold(&self.table, &self.schema, opposite)?;
        for (doubted, full) in doubted.iter_mut().zip(full) {
            *doubted |= !full;
        }
        for column in columns {
            if !self.read.contains(&column) {
                self.read.push(column);
            }
        }
        self.conditions.push(Condition {
            text,
            expr,
            doubted: doubted.into(),
        });
        Ok(())
    }

    /// The scan in at most `partitions` parts.
    pub(crate) fn finish(mut self, partitions: usize) -> Result<Self> {
        let read = Arc::new(self.schema.project(&self.read)?);
        for condition in &mut self.conditions {
            condition.expr = reassign_expr_columns(Arc::clone(&condition.expr), &read)?;
        }
        let batches: Vec<usize> = (0..self.kept.len()).filter(|&i| self.kept[i]).collect();
        let n = partitions.clamp(1, batches.len().max(1));
        self.partitions = (0..n)
            .map(|i| batches[i * batches.len() / n..(i + 1) * batches.len() / n].into())
            .collect();
        let out = Arc::new(self.schema.project(&self.read[..self.n_out])?);
        self.properties = properties(out, n);
        Ok(self)
    }

    /// What is read, file by file.
    pub(crate) fn explained(&self) -> Result<ExplainedScan> {
        let mut files = vec![ExplainedFile::default(); self.n_files];
        for (i, kept) in self.kept.iter().enumerate() {
            let file = self.table.file_of(i).map_err(external)?;
            let Some(file) = files.get_mut(file) else {
                return internal_err!("a batch of no file");
            };
            file.batches += 1;
            match kept {
                true => {
                    let batch = self.table.batch(i, Some(&[])).map_err(external)?;
                    file.rows_read += batch.num_rows() as u64;
                }
                false => file.skipped += 1,
            }
        }
        let name = |&column: &usize| self.schema.field(column).name().clone();
        Ok(ExplainedScan {
            table: self.name.clone(),
            columns: self.read.iter().map(name).collect(),
            filters: self.conditions.iter().map(|c| c.text.clone()).collect(),
            files,
        })
    }
}

fn properties(schema: SchemaRef, partitions: usize) -> Arc<PlanProperties> {
    Arc::new(PlanProperties::new(
        EquivalenceProperties::new(schema),
        Partitioning::UnknownPartitioning(partitions),
        EmissionType::Incremental,
        Boundedness::Bounded,
    ))
}

fn external(error: lode_parts::Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

impl fmt::Debug for Scan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scan")
            .field("table", &self.table)
            .field("read", &self.read)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

impl DisplayAs for Scan {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let read = self.kept.iter().filter(|kept| **kept).count();
        write!(
            f,
            "Scan: {}, batches={read} of {}, partitions={}",
            self.name,
            self.kept.len(),
            self.partitions.len()
        )?;
        for condition in &self.conditions {
            write!(f, ", {}", condition.text)?;
        }
        if let Some(limit) = self.limit {
            write!(f, ", limit={limit}")?;
        }
        Ok(())
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

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let Some(batches) = self.partitions.get(partition) else {
            return internal_err!("no partition {partition}");
        };
        Ok(Box::pin(Batches {
            table: self.table.clone(),
            read: self.read.clone(),
            n_out: self.n_out,
            conditions: self.conditions.clone(),
            schema: self.schema(),
            batches: batches.iter().copied().collect(),
            slice_rows: context.session_config().batch_size(),
            current: None,
            left: self.limit.unwrap_or(usize::MAX),
            metrics: BaselineMetrics::new(&self.metrics, partition),
        }))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn partition_statistics(&self, partition: Option<usize>) -> Result<Arc<Statistics>> {
        let mut statistics = Statistics::new_unknown(&self.schema());
        if partition.is_none() && self.limit.is_none() {
            let rows = usize::try_from(self.table.rows()).unwrap_or(usize::MAX);
            let kept = self.kept.iter().filter(|kept| **kept).count();
            statistics.num_rows = match self.conditions.is_empty() {
                true => Precision::Exact(rows),
                false => Precision::Inexact(rows / self.kept.len().max(1) * kept),
            };
        }
        Ok(Arc::new(statistics))
    }
}

/// The batches of one partition.
struct Batches {
    table: Table,
    read: Vec<usize>,
    n_out: usize,
    conditions: Vec<Condition>,
    schema: SchemaRef,
    batches: VecDeque<usize>,
    slice_rows: usize,
    /// Rows that have been read, from the first that has not left.
    current: Option<RecordBatch>,
    /// Rows that are still wanted.
    left: usize,
    metrics: BaselineMetrics,
}

impl Batches {
    fn advance(&mut self) -> Result<Option<RecordBatch>> {
        while self.left > 0 {
            if let Some(current) = self.current.take() {
                let rows = current.num_rows().min(self.slice_rows).min(self.left);
                if rows < current.num_rows() {
                    self.current = Some(current.slice(rows, current.num_rows() - rows));
                }
                self.left -= rows;
                return Ok(Some(current.slice(0, rows)));
            }
            let Some(i) = self.batches.pop_front() else {
                return Ok(None);
            };
            self.current = Some(self.load(i)?).filter(|batch| batch.num_rows() > 0);
        }
        Ok(None)
    }

    fn load(&self, i: usize) -> Result<RecordBatch> {
        let asked: Vec<&Condition> = self
            .conditions
            .iter()
            .filter(|condition| condition.doubted[i])
            .collect();
        let read = match asked.is_empty() {
            true => &self.read[..self.n_out],
            false => &self.read[..],
        };
        let batch = self
            .table
            .batch_as(i, Some(read), STRINGS)
            .map_err(external)?;
        let mut fits: Option<BooleanArray> = None;
        for condition in asked {
            let value = condition.expr.evaluate(&batch)?;
            let value = value.into_array(batch.num_rows())?;
            let value = value.as_boolean();
            fits = Some(match fits {
                Some(fits) => and(&fits, value)?,
                None => value.clone(),
            });
        }
        let out: Vec<usize> = (0..self.n_out).collect();
        let out = batch.project(&out)?;
        Ok(match fits {
            Some(fits) => filter_record_batch(&out, &fits)?,
            None => out,
        })
    }
}

impl Stream for Batches {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let time = self.metrics.elapsed_compute().clone();
        let timer = time.timer();
        let next = self.advance().transpose();
        timer.done();
        self.metrics.record_poll(Poll::Ready(next))
    }
}

impl RecordBatchStream for Batches {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}
