//! The rows of several calls as one table, and the answer dealt out to them again.
//!
//! A model answers each row for itself, as the conformance kit checks, so a call's answer does
//! not depend on whose rows it shares the table with.

use arrow_array::Array as _;
use arrow_array::Int64Array;
use arrow_array::RecordBatch;
use arrow_array::cast::AsArray as _;
use arrow_array::types::Int64Type;
use arrow_select::concat::concat_batches;

use crate::Result;

/// The column of an answer that says which row asked, where a row has several answers or none.
const REQUEST: &str = "request";

/// One table of all rows; the tables have one schema.
pub(super) fn join(tables: &[&RecordBatch]) -> Result<RecordBatch> {
    match tables {
        [one] => Ok((*one).clone()),
        many => Ok(concat_batches(many[0].schema_ref(), many.iter().copied())?),
    }
}

/// The part of the answer that belongs to each of the tables that were joined; none when the
/// answer does not fit the question.
pub(super) fn deal(answer: &RecordBatch, n_rows: &[usize]) -> Result<Option<Vec<RecordBatch>>> {
    let asked: usize = n_rows.iter().sum();
    let requests = answer.column_by_name(REQUEST);
    let Some(requests) = requests.and_then(|column| column.as_primitive_opt::<Int64Type>()) else {
        if answer.num_rows() != asked {
            return Ok(None);
        }
        let mut start = 0;
        let parts = n_rows.iter().map(|n| {
            start += n;
            answer.slice(start - n, *n)
        });
        return Ok(Some(parts.collect()));
    };
    let numbers = requests.values();
    let is_dealable = requests.null_count() == 0 && numbers.is_sorted();
    if !is_dealable || numbers.last().is_some_and(|last| *last >= asked as i64) {
        return Ok(None);
    }
    let at = answer.schema_ref().index_of(REQUEST)?;
    let mut parts = Vec::with_capacity(n_rows.len());
    let (mut first, mut start) = (0_i64, 0);
    for n in n_rows {
        let next = first + *n as i64;
        let end = numbers.partition_point(|number| *number < next);
        let part = answer.slice(start, end - start);
        let own = numbers[start..end].iter().map(|number| number - first);
        let mut columns = part.columns().to_vec();
        columns[at] = std::sync::Arc::new(Int64Array::from_iter_values(own));
        parts.push(RecordBatch::try_new(part.schema(), columns)?);
        (first, start) = (next, end);
    }
    Ok(Some(parts))
}

#[cfg(test)]
mod tests;
