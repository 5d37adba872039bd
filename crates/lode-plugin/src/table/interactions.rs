//! Who did what how much: rows of events as a sparse table of customers by items.
//!
//! Does not weigh by time or scale. Invariant: rows and columns are in the order of their
//! ids, and the values of a pair are taken in the order of the table, so that the result
//! depends on the rows alone and not on how they were cut into batches.

use lode_types::Role;

use crate::Error;
use crate::Ids;
use crate::Result;
use crate::Table;

/// What the value of a pair of customer and item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// How many rows it has.
    Count,
    /// The sum of a column of numbers over its rows, such as [`Role::Quantity`].
    Sum(Role),
    /// The value of a column of numbers in its last row by [`Role::EventTime`]; of rows with
    /// the same time the last of the table. Rows without a time are left out.
    Last(Role),
}

/// Customers by items.
#[derive(Clone, Debug, PartialEq)]
pub struct Interactions {
    /// Ids of the customers with a used row, sorted as text.
    pub customers: Vec<String>,
    /// Ids of the items with a used row, sorted as text.
    pub items: Vec<String>,
    /// A row a customer, a column an item.
    pub matrix: Csr,
    /// Rows of the table that were left out: no customer, no item, or no finite value.
    pub n_left_out: usize,
}

/// A sparse matrix by rows: the columns of each row rise.
#[derive(Clone, Debug, PartialEq)]
pub struct Csr {
    n_cols: usize,
    /// Where each row starts, and where the last one ends.
    offsets: Vec<usize>,
    columns: Vec<u32>,
    values: Vec<f64>,
}

impl Csr {
    /// How many rows.
    pub fn n_rows(&self) -> usize {
        self.offsets.len() - 1
    }

    /// How many columns.
    pub fn n_cols(&self) -> usize {
        self.n_cols
    }

    /// How many values it holds.
    pub fn n_values(&self) -> usize {
        self.values.len()
    }

    /// The columns of a row, rising, and the values there.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn row(&self, row: usize) -> (&[u32], &[f64]) {
        let range = self.offsets[row]..self.offsets[row + 1];
        (&self.columns[range.clone()], &self.values[range])
    }

    /// Rows and columns exchanged: who has each item. Takes time and memory of its size.
    #[must_use]
    pub fn transposed(&self) -> Self {
        let order = by_code(&self.columns, self.n_cols, 0..self.columns.len());
        let row_of: Vec<u32> = (0..self.n_rows())
            .flat_map(|row| {
                let n = self.offsets[row + 1] - self.offsets[row];
                std::iter::repeat_n(row as u32, n)
            })
            .collect();
        Self {
            n_cols: self.n_rows(),
            offsets: offsets(&self.columns, self.n_cols, 0..self.columns.len()),
            columns: order.iter().map(|at| row_of[*at]).collect(),
            values: order.iter().map(|at| self.values[*at]).collect(),
        }
    }
}

impl Interactions {
    /// Reads a table with columns of the roles `customer_id` and `item`, and those that the
    /// weight names. Takes time and memory in proportion to the rows.
    ///
    /// # Errors
    /// `INPUT_INVALID` when a column is missing or has no such type, or no row is left.
    pub fn read(table: &Table, weight: Weight) -> Result<Self> {
        let customers = table.ids(Role::CustomerId)?;
        let items = table.ids(Role::Item)?;
        let values = match weight {
            Weight::Count => None,
            Weight::Sum(role) | Weight::Last(role) => Some(table.numbers(role)?),
        };
        let times = match weight {
            Weight::Last(_) => Some(table.times(Role::EventTime)?),
            Weight::Count | Weight::Sum(_) => None,
        };
        let is_used = |row: &usize| {
            customers.codes[*row] != Ids::NONE
                && items.codes[*row] != Ids::NONE
                && values.as_ref().is_none_or(|v| v[*row].is_finite())
                && times.as_ref().is_none_or(|t| t[*row].is_some())
        };
        let used: Vec<usize> = (0..table.n_rows()).filter(is_used).collect();
        if used.is_empty() {
            return Err(Error::invalid(
                table.path(),
                format!(
                    "expected at least one row with a customer, an item and a value, found none in {} rows",
                    table.n_rows()
                ),
            ));
        }
        let n_used = used.len();
        // By item, then stably by customer: sorted by both, in the table's order within.
        let by_item = by_code(&items.codes, items.n(), used.iter().copied());
        let order = by_code(&customers.codes, customers.n(), by_item.into_iter());
        let (customer_names, customer_of) = renumbered(customers, &order);
        let (item_names, item_of) = renumbered(items, &order);
        let mut matrix = Csr {
            n_cols: item_names.len(),
            offsets: Vec::with_capacity(customer_names.len() + 1),
            columns: Vec::new(),
            values: Vec::new(),
        };
        let mut last: Option<(u32, u32, Option<i64>)> = None;
        for row in order {
            let pair = (customer_of(row), item_of(row));
            let value = values.as_ref().map_or(1.0, |v| v[row]);
            let time = times.as_ref().and_then(|t| t[row]);
            match (&mut last, matrix.values.last_mut()) {
                (Some((customer, item, at)), Some(sum)) if (*customer, *item) == pair => {
                    match weight {
                        Weight::Count | Weight::Sum(_) => *sum += value,
                        Weight::Last(_) if time >= *at => (*sum, *at) = (value, time),
                        Weight::Last(_) => {}
                    }
                    continue;
                }
                _ => {}
            }
            if last.is_none_or(|(customer, ..)| customer != pair.0) {
                matrix.offsets.push(matrix.values.len());
            }
            matrix.columns.push(pair.1);
            matrix.values.push(value);
            last = Some((pair.0, pair.1, time));
        }
        matrix.offsets.push(matrix.values.len());
        Ok(Self {
            customers: customer_names,
            items: item_names,
            matrix,
            n_left_out: table.n_rows() - n_used,
        })
    }
}

/// Rows in the order of their codes; those of one code stay in the order given.
pub(super) fn by_code(
    codes: &[u32],
    n_codes: usize,
    rows: impl Iterator<Item = usize> + Clone,
) -> Vec<usize> {
    let mut next = offsets(codes, n_codes, rows.clone());
    let mut order = vec![0; next[n_codes]];
    for row in rows {
        let place = &mut next[codes[row] as usize];
        order[*place] = row;
        *place += 1;
    }
    order
}

/// Where the rows of each code start in [`by_code`], and where they end.
pub(super) fn offsets(
    codes: &[u32],
    n_codes: usize,
    rows: impl Iterator<Item = usize>,
) -> Vec<usize> {
    let mut offsets = vec![0; n_codes + 1];
    for row in rows {
        offsets[codes[row] as usize + 1] += 1;
    }
    for code in 0..n_codes {
        offsets[code + 1] += offsets[code];
    }
    offsets
}

/// The ids that some row has, in order, and the new code of a row.
pub(super) fn renumbered(ids: Ids, rows: &[usize]) -> (Vec<String>, impl Fn(usize) -> u32 + use<>) {
    let mut new_codes = vec![Ids::NONE; ids.n()];
    for row in rows {
        new_codes[ids.codes[*row] as usize] = 0;
    }
    let mut names = Vec::new();
    for (name, code) in ids.names.into_iter().zip(&mut new_codes) {
        if *code != Ids::NONE {
            *code = names.len() as u32;
            names.push(name);
        }
    }
    let codes = ids.codes;
    (names, move |row: usize| new_codes[codes[row] as usize])
}

#[cfg(test)]
mod tests;
