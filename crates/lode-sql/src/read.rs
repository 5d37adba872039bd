//! Reads the rows of a partition: finds those that fit, and decodes no others.
//!
//! A packed batch is asked for the rows whose numbers lie in range, and only those are decoded,
//! a slice of the session's batch size at a time; a batch as it was loaded stands in its map
//! and is read whole. Conditions that are no ranges are applied to what was read.

use std::collections::VecDeque;
use std::ops::Range;
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
use datafusion::error::Result;
use datafusion::execution::RecordBatchStream;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::metrics::BaselineMetrics;
use futures_core::Stream;
use lode_parts::Table;

use crate::range::ColumnRange;
use crate::scan::Condition;
use crate::scan::Piece;
use crate::scan::external;
use crate::table::STRINGS;

/// The rows of one partition, as a stream of batches.
pub(crate) struct Reader {
    table: Table,
    /// The columns that are read; the first `n_out` leave, conditions alone need the others.
    read: Vec<usize>,
    n_out: usize,
    conditions: Vec<Condition>,
    schema: SchemaRef,
    pieces: VecDeque<Piece>,
    current: Option<Current>,
    slice_rows: usize,
    /// Rows that are still wanted.
    left: usize,
    metrics: BaselineMetrics,
}

/// What is left of a piece.
struct Current {
    batch: usize,
    rows: Rows,
    /// Conditions that are still to be asked.
    asked: Vec<Arc<dyn PhysicalExpr>>,
}

enum Rows {
    /// Rows that are read.
    Read(RecordBatch),
    /// A stretch that is not.
    Range(Range<usize>),
    /// Rows that fit, of which those before the second field are done.
    Picked(Vec<u32>, usize),
}

impl Reader {
    #[expect(
        clippy::too_many_arguments,
        reason = "a scan hands over what it is made of"
    )]
    pub(crate) fn new(
        table: Table,
        (read, n_out): (Vec<usize>, usize),
        conditions: Vec<Condition>,
        schema: SchemaRef,
        pieces: &[Piece],
        limit: Option<usize>,
        slice_rows: usize,
        metrics: BaselineMetrics,
    ) -> Self {
        Self {
            table,
            read,
            n_out,
            conditions,
            schema,
            pieces: pieces.iter().cloned().collect(),
            current: None,
            slice_rows,
            left: limit.unwrap_or(usize::MAX),
            metrics,
        }
    }

    fn advance(&mut self) -> Result<Option<RecordBatch>> {
        while self.left > 0 {
            if self.current.is_none() {
                let Some(piece) = self.pieces.pop_front() else {
                    return Ok(None);
                };
                self.current = Some(self.begin(piece)?);
            }
            let Some(batch) = self.slice()? else {
                self.current = None;
                continue;
            };
            if batch.num_rows() > 0 {
                let rows = batch.num_rows().min(self.left);
                self.left -= rows;
                return Ok(Some(batch.slice(0, rows)));
            }
        }
        Ok(None)
    }

    /// Finds the rows of a piece that are worth reading.
    fn begin(&self, piece: Piece) -> Result<Current> {
        let Piece { batch, rows } = piece;
        let doubted = self.conditions.iter().filter(|c| c.doubted[batch]);
        let mut asked = Vec::new();
        // What all conditions together ask of a column, and the conditions.
        let mut ranges: Vec<(ColumnRange, Vec<&Condition>)> = Vec::new();
        for condition in doubted {
            let Some(range) = &condition.range else {
                asked.push(Arc::clone(&condition.expr));
                continue;
            };
            match ranges.iter_mut().find(|(r, _)| r.column == range.column) {
                Some((known, conditions)) => {
                    known.narrow(range);
                    conditions.push(condition);
                }
                None => ranges.push((range.clone(), vec![condition])),
            }
        }
        let mut picked: Option<Vec<u32>> = None;
        for (range, conditions) in ranges {
            let (column, range) = (range.column, &range.range);
            let among = picked.as_deref();
            let found = self.table.within(batch, rows.clone(), among, column, range);
            match found.map_err(external)? {
                Some(found) => picked = Some(found),
                None => asked.extend(conditions.iter().map(|c| Arc::clone(&c.expr))),
            }
        }
        let rows = match picked {
            Some(picked) if picked.len() < rows.len() => Rows::Picked(picked, 0),
            _ if self.table.is_packed(batch) => Rows::Range(rows),
            _ => {
                let read = self.columns(&asked);
                let whole = self.table.rows_as(batch, rows, Some(read), STRINGS);
                Rows::Read(whole.map_err(external)?)
            }
        };
        Ok(Current { batch, rows, asked })
    }

    /// The next rows of the current piece that fit; none at its end.
    fn slice(&mut self) -> Result<Option<RecordBatch>> {
        let Some(mut current) = self.current.take() else {
            return Ok(None);
        };
        let read = self.columns(&current.asked);
        // Without conditions no more are read than are wanted.
        let most = match current.asked.is_empty() {
            true => self.slice_rows.min(self.left),
            false => self.slice_rows,
        };
        let batch = match &mut current.rows {
            Rows::Read(batch) => {
                let n = batch.num_rows().min(most);
                let slice = batch.slice(0, n);
                *batch = batch.slice(n, batch.num_rows() - n);
                slice
            }
            Rows::Range(rows) => {
                let end = rows.end.min(rows.start + most);
                let slice = rows.start..end;
                rows.start = end;
                let slice = self
                    .table
                    .rows_as(current.batch, slice, Some(read), STRINGS);
                slice.map_err(external)?
            }
            Rows::Picked(rows, done) => {
                let end = rows.len().min(*done + most);
                let slice = &rows[*done..end];
                *done = end;
                let slice = self
                    .table
                    .pick_as(current.batch, slice, Some(read), STRINGS);
                slice.map_err(external)?
            }
        };
        if batch.num_rows() == 0 {
            return Ok(None);
        }
        let batch = self.fitting(batch, &current.asked)?;
        self.current = Some(current);
        Ok(Some(batch))
    }

    fn columns(&self, asked: &[Arc<dyn PhysicalExpr>]) -> &[usize] {
        match asked.is_empty() {
            true => &self.read[..self.n_out],
            false => &self.read,
        }
    }

    /// The rows for which all conditions hold, without the columns that only they need.
    fn fitting(&self, batch: RecordBatch, asked: &[Arc<dyn PhysicalExpr>]) -> Result<RecordBatch> {
        let mut fits: Option<BooleanArray> = None;
        for expr in asked {
            let value = expr.evaluate(&batch)?.into_array(batch.num_rows())?;
            let value = value.as_boolean();
            fits = Some(match fits {
                Some(fits) => and(&fits, value)?,
                None => value.clone(),
            });
        }
        let Some(fits) = fits else {
            return Ok(batch);
        };
        let out: Vec<usize> = (0..self.n_out).collect();
        Ok(filter_record_batch(&batch.project(&out)?, &fits)?)
    }
}

impl Stream for Reader {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let time = self.metrics.elapsed_compute().clone();
        let timer = time.timer();
        let next = self.advance().transpose();
        timer.done();
        self.metrics.record_poll(Poll::Ready(next))
    }
}

impl RecordBatchStream for Reader {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}
