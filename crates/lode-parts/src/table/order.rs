//! In which order the rows of a table lie, all files together.
//!
//! Sorted parts say by which columns they are sorted; that one begins where another ends is
//! read off their first and last rows, so an order that is given here holds.

use std::cmp::Ordering;

use arrow_array::Array;
use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;

use super::Form;
use super::Table;
use crate::Order;
use crate::Result;
use crate::Strings;

impl Table {
    /// By which columns all rows are sorted, ascending and nulls last; none by no customer.
    ///
    /// # Errors
    /// `TABLE_DAMAGED`.
    pub fn order(&self) -> Result<Option<Order>> {
        let mut order: Option<Order> = None;
        let mut last: Option<ArrayRef> = None;
        let mut batch = 0;
        for (i, file) in self.inner.files.iter().enumerate() {
            let first = batch;
            while self.inner.batches.get(batch).is_some_and(|at| at.0 == i) {
                batch += 1;
            }
            let rows = &self.inner.batch_rows[first..batch];
            if rows.iter().all(|rows| *rows == 0) {
                continue;
            }
            let Form::Packed(packed) = &file.form else {
                return Ok(None);
            };
            let Some(note) = packed.customers() else {
                return Ok(None);
            };
            let own = Order {
                customer: Some(note.column),
                time: note.time,
            };
            match &mut order {
                None => order = Some(own),
                Some(order) if order.customer != own.customer => return Ok(None),
                Some(order) if order.time != own.time => order.time = None,
                Some(_) => {}
            }
            let column = [note.column];
            let end = |batch: usize, row: usize| {
                let rows = self.rows_as(batch, row..row + 1, Some(&column), Strings::Plain)?;
                Ok::<_, crate::Error>(rows.column(0).clone())
            };
            let begins = end(first, 0)?;
            if last.is_some_and(|last| compare(&last, &begins) != Ordering::Less) {
                return Ok(None);
            }
            last = Some(end(batch - 1, self.inner.batch_rows[batch - 1] - 1)?);
        }
        Ok(order)
    }
}

/// Compares the first values of two columns of one type, nulls last.
fn compare(a: &ArrayRef, b: &ArrayRef) -> Ordering {
    match (a.is_null(0), b.is_null(0)) {
        // Rows without a customer are sorted by time, which goes on in the next file.
        (true, true) => Ordering::Less,
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) => match a.as_primitive_opt::<Int64Type>() {
            Some(ints) => ints.value(0).cmp(&b.as_primitive::<Int64Type>().value(0)),
            None => a
                .as_string::<i32>()
                .value(0)
                .cmp(b.as_string::<i32>().value(0)),
        },
    }
}
