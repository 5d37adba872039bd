//! The loop of a sorted aggregate: a batch of rows in, the groups that ended in it out.
//!
//! Groups are numbered as they come; the last one may go on in the next batch, so it stays
//! open, with its key. The functions are DataFusion's own, but for `count(distinct)`.

use std::pin::Pin;
use std::sync::Arc;
use std::task::Context;
use std::task::Poll;
use std::task::ready;

use arrow_array::Array;
use arrow_array::ArrayRef;
use arrow_array::BooleanArray;
use arrow_array::RecordBatch;
use arrow_array::RecordBatchOptions;
use arrow_array::UInt32Array;
use arrow_array::cast::AsArray;
use arrow_schema::SchemaRef;
use datafusion::arrow::compute::concat;
use datafusion::arrow::compute::partition;
use datafusion::arrow::compute::take;
use datafusion::error::Result;
use datafusion::execution::RecordBatchStream;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::logical_expr::EmitTo;
use datafusion::logical_expr::GroupsAccumulator;
use datafusion::physical_expr::GroupsAccumulatorAdapter;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::metrics::BaselineMetrics;
use futures_core::Stream;

use super::distinct::Distinct;
use super::exec::Aggregate;

/// The aggregates of one partition.
pub(super) struct Groups {
    input: SendableRecordBatchStream,
    group: Vec<Arc<dyn PhysicalExpr>>,
    functions: Vec<Function>,
    schema: SchemaRef,
    /// Keys of the groups that have not left, in pieces; the last group of the last is open.
    keys: Vec<Vec<ArrayRef>>,
    /// How many have not left.
    n_groups: usize,
    /// Of each row of a batch, the number of its group.
    numbers: Vec<usize>,
    /// Groups that leave at a time, about.
    batch_groups: usize,
    memory: MemoryReservation,
    metrics: BaselineMetrics,
    is_done: bool,
}

/// A function and what it holds of the groups.
struct Function {
    arguments: Vec<Arc<dyn PhysicalExpr>>,
    filter: Option<Arc<dyn PhysicalExpr>>,
    state: State,
}

enum State {
    Distinct(Distinct),
    Other(Box<dyn GroupsAccumulator>),
}

impl Groups {
    pub(super) fn new(
        input: SendableRecordBatchStream,
        group: Vec<Arc<dyn PhysicalExpr>>,
        aggregates: &[Aggregate],
        schema: SchemaRef,
        context: &TaskContext,
        metrics: BaselineMetrics,
    ) -> Result<Self> {
        let input_schema = input.schema();
        let functions = aggregates.iter().map(|aggregate| {
            let arguments = aggregate.function.expressions();
            let distinct = match arguments.as_slice() {
                [argument] if is_count_distinct(aggregate) => {
                    Distinct::of(&argument.data_type(&input_schema)?)
                }
                _ => None,
            };
            let state = match distinct {
                Some(distinct) => State::Distinct(distinct),
                None => State::Other(accumulator(aggregate)?),
            };
            Ok(Function {
                arguments,
                filter: aggregate.filter.clone(),
                state,
            })
        });
        Ok(Self {
            functions: functions.collect::<Result<_>>()?,
            input,
            group,
            schema,
            keys: Vec::new(),
            n_groups: 0,
            numbers: Vec::new(),
            batch_groups: context.session_config().batch_size(),
            memory: MemoryConsumer::new("SortedAggregate").register(context.memory_pool()),
            metrics,
            is_done: false,
        })
    }

    /// Takes a batch in; gives the groups that have ended when there are enough.
    fn take(&mut self, batch: &RecordBatch) -> Result<Option<RecordBatch>> {
        if batch.num_rows() == 0 {
            return Ok(None);
        }
        let keys = self.group.iter();
        let keys: Vec<ArrayRef> = keys
            .map(|expr| expr.evaluate(batch)?.into_array(batch.num_rows()))
            .collect::<Result<_>>()?;
        let ranges = partition(&keys)?.ranges();
        let goes_on = self.goes_on(&keys)?;
        // The number of the batch's first group.
        let first = self.n_groups - usize::from(goes_on);
        self.numbers.clear();
        for (i, range) in ranges.iter().enumerate() {
            self.numbers.resize(range.end, first + i);
        }
        self.n_groups = first + ranges.len();
        for function in &mut self.functions {
            function.update(batch, &ranges, &self.numbers, self.n_groups)?;
        }
        let starts = ranges.iter().skip(usize::from(goes_on));
        let starts = UInt32Array::from_iter_values(starts.map(|range| range.start as u32));
        if !starts.is_empty() {
            let keys = keys.iter().map(|key| take(key, &starts, None));
            self.keys.push(keys.collect::<Result<_, _>>()?);
        }
        self.account()?;
        match self.n_groups > self.batch_groups {
            true => self.emit(self.n_groups - 1).map(Some),
            false => Ok(None),
        }
    }

    /// Whether the first row belongs to the group that is open.
    fn goes_on(&self, keys: &[ArrayRef]) -> Result<bool> {
        let Some(open) = self.keys.last() else {
            return Ok(false);
        };
        let pairs = std::iter::zip(open, keys).map(|(open, key)| {
            let last = open.slice(open.len() - 1, 1);
            concat(&[last.as_ref(), key.slice(0, 1).as_ref()])
        });
        let pairs: Vec<ArrayRef> = pairs.collect::<Result<_, _>>()?;
        Ok(partition(&pairs)?.len() == 1)
    }

    /// The first `n` groups, which have ended.
    fn emit(&mut self, n: usize) -> Result<RecordBatch> {
        let mut columns = Vec::with_capacity(self.schema.fields().len());
        let mut left = Vec::new();
        for column in 0..self.group.len() {
            let pieces: Vec<&dyn Array> = self.keys.iter().map(|k| k[column].as_ref()).collect();
            let all = concat(&pieces)?;
            columns.push(all.slice(0, n));
            if n < self.n_groups {
                // A copy, so that it does not keep the others' memory.
                let open = UInt32Array::from_iter_values([n as u32]);
                left.push(take(&all, &open, None)?);
            }
        }
        for function in &mut self.functions {
            columns.push(function.evaluate(n, n == self.n_groups)?);
        }
        self.keys.clear();
        if !left.is_empty() {
            self.keys.push(left);
        }
        self.n_groups -= n;
        let options = RecordBatchOptions::new().with_row_count(Some(n));
        let schema = Arc::clone(&self.schema);
        Ok(RecordBatch::try_new_with_options(
            schema, columns, &options,
        )?)
    }

    fn account(&mut self) -> Result<()> {
        let functions = self.functions.iter().map(|function| match &function.state {
            State::Distinct(distinct) => distinct.size(),
            State::Other(accumulator) => accumulator.size(),
        });
        let keys = self.keys.iter().flatten();
        let keys = keys.map(|key| key.get_array_memory_size());
        self.memory
            .try_resize(functions.sum::<usize>() + keys.sum::<usize>())
    }

    fn next(&mut self, batch: Option<Result<RecordBatch>>) -> Result<Option<RecordBatch>> {
        match batch.transpose()? {
            Some(batch) => self.take(&batch),
            None => {
                self.is_done = true;
                match self.n_groups {
                    0 => Ok(None),
                    n => self.emit(n).map(Some),
                }
            }
        }
    }
}

impl Function {
    fn update(
        &mut self,
        batch: &RecordBatch,
        ranges: &[std::ops::Range<usize>],
        numbers: &[usize],
        n_groups: usize,
    ) -> Result<()> {
        let evaluate =
            |expr: &Arc<dyn PhysicalExpr>| expr.evaluate(batch)?.into_array(batch.num_rows());
        let values: Vec<ArrayRef> = self.arguments.iter().map(evaluate).collect::<Result<_>>()?;
        let filter = self.filter.as_ref().map(evaluate).transpose()?;
        let filter: Option<&BooleanArray> = filter.as_ref().map(|filter| filter.as_boolean());
        match &mut self.state {
            State::Distinct(distinct) => distinct.update(&values[0], ranges, filter, n_groups),
            State::Other(accumulator) => {
                accumulator.update_batch(&values, numbers, filter, n_groups)
            }
        }
    }

    fn evaluate(&mut self, n: usize, all: bool) -> Result<ArrayRef> {
        match &mut self.state {
            State::Distinct(distinct) => Ok(distinct.evaluate(n)),
            State::Other(accumulator) => accumulator.evaluate(match all {
                true => EmitTo::All,
                false => EmitTo::First(n),
            }),
        }
    }
}

fn is_count_distinct(aggregate: &Aggregate) -> bool {
    aggregate.function.is_distinct() && aggregate.function.fun().name() == "count"
}

fn accumulator(aggregate: &Aggregate) -> Result<Box<dyn GroupsAccumulator>> {
    let function = &aggregate.function;
    if function.groups_accumulator_supported() {
        return function.create_groups_accumulator();
    }
    let function = Arc::clone(function);
    Ok(Box::new(GroupsAccumulatorAdapter::new(move || {
        function.create_accumulator()
    })))
}

impl Stream for Groups {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if self.is_done {
                return self.metrics.record_poll(Poll::Ready(None));
            }
            let batch = ready!(self.input.as_mut().poll_next(context));
            let time = self.metrics.elapsed_compute().clone();
            let timer = time.timer();
            let next = self.next(batch);
            timer.done();
            if let Some(next) = next.transpose() {
                self.is_done |= next.is_err();
                return self.metrics.record_poll(Poll::Ready(Some(next)));
            }
        }
    }
}

impl RecordBatchStream for Groups {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}
