//! A view of a dense table of numbers, row by row.
//!
//! Does not own its numbers. Invariant: the length is a whole number of rows.

use crate::Error;
use crate::Result;

/// Numbers of shape `(n_rows, n_cols)`, one row after the other.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    values: &'a [f64],
    n_cols: usize,
}

impl<'a> Rows<'a> {
    /// Looks at `values` as rows of `n_cols` numbers.
    ///
    /// # Errors
    /// [`Error::Length`] when the last row is not whole or rows have no columns;
    /// [`Error::NotFinite`] when a number is NaN or infinite.
    pub fn new(values: &'a [f64], n_cols: usize) -> Result<Self> {
        if n_cols == 0 || !values.len().is_multiple_of(n_cols) {
            return Err(Error::Length {
                what: "numbers in whole rows",
                expected: values.len().next_multiple_of(n_cols.max(1)).max(n_cols),
                found: values.len(),
            });
        }
        if let Some(index) = values.iter().position(|value| !value.is_finite()) {
            return Err(Error::NotFinite {
                what: "numbers",
                index,
            });
        }
        Ok(Self { values, n_cols })
    }

    /// How many rows.
    pub fn n_rows(&self) -> usize {
        self.values.len() / self.n_cols
    }

    /// How many columns.
    pub fn n_cols(&self) -> usize {
        self.n_cols
    }

    /// One row.
    pub fn row(&self, row_idx: usize) -> &'a [f64] {
        &self.values[row_idx * self.n_cols..(row_idx + 1) * self.n_cols]
    }

    /// All numbers, row by row.
    pub fn values(&self) -> &'a [f64] {
        self.values
    }
}
