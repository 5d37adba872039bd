//! Plans how a table is read: only the columns wanted, only the batches that can fit.
//!
//! A condition that the zones prove for all rows of a batch is not evaluated there. The rows of
//! a table that is sorted by customer are dealt to the partitions so that no two share one.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use arrow_schema::SchemaRef;
use datafusion::arrow::compute::partition;
use datafusion::common::Statistics;
use datafusion::common::internal_err;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::DataFusionError;
use datafusion::error::Result;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::TaskContext;
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::PhysicalSortExpr;
use datafusion::physical_expr::expressions::Column;
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
use lode_parts::Order;
use lode_parts::Table;
use lode_worker::sql::ExplainedFile;
use lode_worker::sql::ExplainedScan;

use crate::prune;
use crate::range::ColumnRange;
use crate::read::Reader;
use crate::sorted::ASCENDING;
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
    /// In which order the rows lie, when they are sorted by customer.
    order: Option<Order>,
    conditions: Vec<Condition>,
    /// For each batch whether it is read.
    kept: Vec<bool>,
    limit: Option<usize>,
    /// The rows of each partition.
    partitions: Vec<Arc<[Piece]>>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

/// Rows of a batch that are read in one partition.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    pub(crate) batch: usize,
    pub(crate) rows: Range<usize>,
}

/// What rows must satisfy.
#[derive(Clone)]
pub(crate) struct Condition {
    text: String,
    /// Over the columns that are read.
    pub(crate) expr: Arc<dyn PhysicalExpr>,
    /// The same, when a column of the table is asked to lie in a range.
    pub(crate) range: Option<ColumnRange>,
    /// For each batch whether some of its rows may not.
    pub(crate) doubted: Arc<[bool]>,
}

impl Scan {
    /// A scan without conditions; `schema` is the table's own.
    pub(crate) fn new(
        provided: &Provided,
        schema: SchemaRef,
        order: Option<Order>,
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
            order,
            conditions: Vec::new(),
            kept: vec![true; table.n_batches()],
            limit,
            partitions: Vec::new(),
            properties: properties(Arc::clone(&schema), Vec::new(), 1),
            metrics: ExecutionPlanMetricsSet::new(),
            schema,
            table,
        }
    }

    /// Asks `expr` of every row; `opposite` is true of a row for which it is false, and `range`
    /// says the same as `expr`.
    pub(crate) fn add(
        &mut self,
        text: String,
        expr: Arc<dyn PhysicalExpr>,
        opposite: &Arc<dyn PhysicalExpr>,
        range: Option<ColumnRange>,
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
            range,
            doubted: doubted.into(),
        });
        Ok(())
    }

    /// The scan in at most `partitions` parts; of a sorted table in just so many.
    pub(crate) fn finish(mut self, partitions: usize) -> Result<Self> {
        let read = Arc::new(self.schema.project(&self.read)?);
        for condition in &mut self.conditions {
            condition.expr = reassign_expr_columns(Arc::clone(&condition.expr), &read)?;
        }
        self.partitions = match self.order {
            Some(Order {
                customer: Some(customer),
                ..
            }) => self.by_customer(customer, partitions.max(1))?,
            _ => self.by_batch(partitions)?,
        };
        let out = Arc::new(self.schema.project(&self.read[..self.n_out])?);
        self.properties = properties(out, self.sorted_by(), self.partitions.len());
        Ok(self)
    }

    fn by_batch(&self, partitions: usize) -> Result<Vec<Arc<[Piece]>>> {
        let kept = (0..self.kept.len()).filter(|&i| self.kept[i]);
        let pieces: Vec<Piece> = kept.map(|i| self.piece(i)).collect::<Result<_>>()?;
        let n = partitions.clamp(1, pieces.len().max(1));
        let part = |i: usize| pieces[i * pieces.len() / n..(i + 1) * pieces.len() / n].into();
        Ok((0..n).map(part).collect())
    }

    /// Partitions of about equally many rows, cut where a customer ends.
    ///
    /// There are as many as asked for, if need be empty ones: were there fewer, DataFusion would
    /// deal the rows anew, and tear customers apart.
    fn by_customer(&self, customer: usize, partitions: usize) -> Result<Vec<Arc<[Piece]>>> {
        let kept: Vec<usize> = (0..self.kept.len()).filter(|&i| self.kept[i]).collect();
        let mut parts = vec![Vec::new(); partitions];
        let mut rows = 0;
        for &i in &kept {
            rows += self.table.batch_rows(i).map_err(external)?;
        }
        // Rows before the batch, and where the partition began that is being filled.
        let (mut before, mut part) = (0, 0);
        let mut begin = 0;
        for &i in &kept {
            let n = self.table.batch_rows(i).map_err(external)?;
            begin = begin.min(n);
            while part + 1 < partitions && begin < n {
                let wanted = rows * (part + 1) / partitions;
                if wanted >= before + n {
                    break;
                }
                let cut = wanted.saturating_sub(before).max(begin);
                let end = self.customer_end(customer, i, cut)?;
                if end > begin {
                    parts[part].push(Piece {
                        batch: i,
                        rows: begin..end,
                    });
                }
                begin = end;
                if end == n && !self.customer_ends(customer, i)? {
                    // It goes on in the next batch, where the cut is looked for again.
                    break;
                }
                part += 1;
            }
            if begin < n {
                parts[part].push(Piece {
                    batch: i,
                    rows: begin..n,
                });
            }
            before += n;
            begin = 0;
        }
        Ok(parts.into_iter().map(Into::into).collect())
    }

    /// The end of the customer whose rows begin before that row of a batch, within the batch.
    fn customer_end(&self, customer: usize, batch: usize, row: usize) -> Result<usize> {
        if row == 0 && (batch == 0 || self.customer_ends(customer, batch - 1)?) {
            return Ok(0);
        }
        let from = row.saturating_sub(1);
        let rows = from..self.table.batch_rows(batch).map_err(external)?;
        let column = self.table.rows_as(batch, rows, Some(&[customer]), STRINGS);
        let column = column.map_err(external)?;
        let first = partition(column.columns())?.ranges().into_iter().next();
        Ok(from + first.map_or(0, |first| first.end))
    }

    /// Whether a customer ends with a batch.
    fn customer_ends(&self, customer: usize, batch: usize) -> Result<bool> {
        let rows = |i: usize| self.table.batch_rows(i).map_err(external);
        let Some(next) =
            (batch + 1..self.table.n_batches()).find(|i| rows(*i).is_ok_and(|n| n > 0))
        else {
            return Ok(true);
        };
        let n = rows(batch)?;
        if n == 0 {
            return Ok(true);
        }
        let read = |i: usize, rows| {
            let row = self.table.rows_as(i, rows, Some(&[customer]), STRINGS);
            Ok::<_, DataFusionError>(Arc::clone(row.map_err(external)?.column(0)))
        };
        let (last, first) = (read(batch, n - 1..n)?, read(next, 0..1)?);
        let both = datafusion::arrow::compute::concat(&[&last, &first])?;
        Ok(partition(&[both])?.len() > 1)
    }

    fn piece(&self, batch: usize) -> Result<Piece> {
        let rows = 0..self.table.batch_rows(batch).map_err(external)?;
        Ok(Piece { batch, rows })
    }

    /// The place among the columns that leave of the customer by which the rows are sorted.
    pub(crate) fn customer(&self) -> Option<usize> {
        self.place(self.order?.customer?)
    }

    fn place(&self, column: usize) -> Option<usize> {
        let mut out = self.read[..self.n_out].iter();
        out.position(|out| *out == column)
    }

    /// The order of the rows of each partition, as far as its columns leave.
    fn sorted_by(&self) -> Vec<PhysicalSortExpr> {
        let columns = self.order.into_iter();
        let columns = columns.flat_map(|order| [order.customer, order.time]);
        let sorted = |column: Option<usize>| {
            let column = column?;
            let column = Column::new(self.schema.field(column).name(), self.place(column)?);
            Some(PhysicalSortExpr::new(Arc::new(column), ASCENDING))
        };
        columns.map_while(sorted).collect()
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

fn properties(
    schema: SchemaRef,
    order: Vec<PhysicalSortExpr>,
    partitions: usize,
) -> Arc<PlanProperties> {
    Arc::new(PlanProperties::new(
        EquivalenceProperties::new_with_orderings(schema, [order]),
        Partitioning::UnknownPartitioning(partitions),
        EmissionType::Incremental,
        Boundedness::Bounded,
    ))
}

pub(crate) fn external(error: lode_parts::Error) -> DataFusionError {
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
        let Some(pieces) = self.partitions.get(partition) else {
            return internal_err!("no partition {partition}");
        };
        Ok(Box::pin(Reader::new(
            self.table.clone(),
            (self.read.clone(), self.n_out),
            self.conditions.clone(),
            self.schema(),
            pieces,
            self.limit,
            context.session_config().batch_size(),
            BaselineMetrics::new(&self.metrics, partition),
        )))
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
