//! What each customer did, in the order of time.
//!
//! Does not cut into sessions. Invariant: customers and items are in the order of their ids;
//! events of one time stay in the order of the table, whatever its batches.

use lode_types::Role;

use crate::Error;
use crate::Ids;
use crate::Result;
use crate::Table;
use crate::table::interactions::by_code;
use crate::table::interactions::renumbered;

/// The items of each customer by rising time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sequences {
    /// Ids of the customers with a used row, sorted as text.
    pub customers: Vec<String>,
    /// Ids of the items with a used row, sorted as text.
    pub items: Vec<String>,
    /// Rows of the table that were left out: no customer, no item or no time.
    pub n_left_out: usize,
    offsets: Vec<usize>,
    codes: Vec<u32>,
    times: Vec<i64>,
    rows: Vec<usize>,
}

/// The sequence of one customer; the three lists have the same length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sequence<'a> {
    /// Indices into [`Sequences::items`].
    pub items: &'a [u32],
    /// Microseconds since the Unix epoch, UTC; never falling.
    pub times: &'a [i64],
    /// The rows of the table, to look up amounts and the like.
    pub rows: &'a [usize],
}

impl Sequences {
    /// Reads a table with columns of the roles `customer_id`, `item` and `event_time`.
    ///
    /// Takes time in proportion to the rows when each customer's come in order of time, and
    /// a sort of each customer's rows when they do not.
    ///
    /// # Errors
    /// `INPUT_INVALID` when a column is missing or has no such type, or no row is left.
    pub fn read(table: &Table) -> Result<Self> {
        let customers = table.ids(Role::CustomerId)?;
        let items = table.ids(Role::Item)?;
        let times = table.times(Role::EventTime)?;
        let is_used = |row: &usize| {
            customers.codes[*row] != Ids::NONE
                && items.codes[*row] != Ids::NONE
                && times[*row].is_some()
        };
        let used: Vec<usize> = (0..table.n_rows()).filter(is_used).collect();
        if used.is_empty() {
            return Err(Error::invalid(
                table.path(),
                format!(
                    "expected at least one row with a customer, an item and a time, found none in {} rows",
                    table.n_rows()
                ),
            ));
        }
        let n_left_out = table.n_rows() - used.len();
        let mut rows = by_code(&customers.codes, customers.n(), used.iter().copied());
        let (customers, customer_of) = renumbered(customers, &rows);
        let mut offsets = Vec::with_capacity(customers.len() + 1);
        let mut start = 0;
        for run in rows.chunk_by_mut(|a, b| customer_of(*a) == customer_of(*b)) {
            // Stable: equal times stay in the order of the table.
            run.sort_by_key(|row| times[*row]);
            offsets.push(start);
            start += run.len();
        }
        offsets.push(start);
        let (items, item_of) = renumbered(items, &rows);
        Ok(Self {
            customers,
            items,
            n_left_out,
            offsets,
            codes: rows.iter().map(|row| item_of(*row)).collect(),
            times: rows.iter().filter_map(|row| times[*row]).collect(),
            rows,
        })
    }

    /// The sequence of a customer, by index into [`Sequences::customers`].
    ///
    /// # Panics
    /// When there is no such customer.
    pub fn of(&self, customer: usize) -> Sequence<'_> {
        let range = self.offsets[customer]..self.offsets[customer + 1];
        Sequence {
            items: &self.codes[range.clone()],
            times: &self.times[range.clone()],
            rows: &self.rows[range],
        }
    }

    /// The sequences, a customer after the other.
    pub fn iter(&self) -> impl Iterator<Item = Sequence<'_>> {
        (0..self.customers.len()).map(|customer| self.of(customer))
    }
}

#[cfg(test)]
mod tests;
