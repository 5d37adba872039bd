//! A sparse table of people by items, row by row.
//!
//! Does not know names, only indexes. Invariant: columns of a row ascend, each once, inside the
//! table; weights are finite.

use crate::Error;
use crate::Result;

/// A sparse table of people by items, row by row.
#[derive(Clone, Debug, PartialEq)]
pub struct Sparse {
    /// Where each row's entries begin; one more than rows.
    starts: Vec<usize>,
    columns: Vec<u32>,
    weights: Vec<f64>,
    n_cols: usize,
}

impl Sparse {
    /// Builds the table from `(row, column, weight)` entries in any order.
    ///
    /// Several entries of one cell are added up in the order of their weights, so the order
    /// in which they come does not matter.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for an index past the shape; [`Error::NotFinite`] for a weight.
    pub fn from_entries(
        mut entries: Vec<(u32, u32, f64)>,
        n_rows: usize,
        n_cols: usize,
    ) -> Result<Self> {
        for (index, (row, column, weight)) in entries.iter().enumerate() {
            if *row as usize >= n_rows || *column as usize >= n_cols {
                return Err(Error::OutOfRange {
                    what: "row and column",
                    expected: "inside the table",
                    found: f64::from((*row).max(*column)),
                });
            }
            if !weight.is_finite() {
                return Err(Error::NotFinite {
                    what: "weights",
                    index,
                });
            }
        }
        entries.sort_unstable_by(|a, b| (a.0, a.1).cmp(&(b.0, b.1)).then(a.2.total_cmp(&b.2)));
        let mut table = Self {
            starts: vec![0; n_rows + 1],
            columns: Vec::with_capacity(entries.len()),
            weights: Vec::with_capacity(entries.len()),
            n_cols,
        };
        let mut last = None;
        for (row, column, weight) in entries {
            if last == Some((row, column)) {
                *table.weights.last_mut().expect("an entry came before") += weight;
            } else {
                table.columns.push(column);
                table.weights.push(weight);
                table.starts[row as usize + 1] += 1;
                last = Some((row, column));
            }
        }
        for row in 0..n_rows {
            table.starts[row + 1] += table.starts[row];
        }
        Ok(table)
    }

    /// Takes rows as they are: where each begins (one more than rows), the columns of its
    /// entries, ascending, and their weights.
    ///
    /// # Errors
    /// [`Error::Length`] for lists that do not fit together; [`Error::Entry`] for columns that
    /// do not ascend or lie past the shape; [`Error::NotFinite`] for a weight.
    pub fn from_rows(
        starts: Vec<usize>,
        columns: Vec<u32>,
        weights: Vec<f64>,
        n_cols: usize,
    ) -> Result<Self> {
        let whole = starts.first() == Some(&0) && starts.is_sorted();
        let end = starts.last().copied().unwrap_or(0);
        if !whole || end != columns.len() || columns.len() != weights.len() {
            return Err(Error::Length {
                what: "columns and weights, where the rows end,",
                expected: end,
                found: columns.len().min(weights.len()),
            });
        }
        if let Some(index) = weights.iter().position(|weight| !weight.is_finite()) {
            return Err(Error::NotFinite {
                what: "weights",
                index,
            });
        }
        for row in starts.windows(2) {
            for index in row[0]..row[1] {
                let rises = index == row[0] || columns[index - 1] < columns[index];
                if !rises || columns[index] as usize >= n_cols {
                    return Err(Error::Entry {
                        what: "columns of a row",
                        expected: "rising and inside the table",
                        index,
                        found: f64::from(columns[index]),
                    });
                }
            }
        }
        Ok(Self {
            starts,
            columns,
            weights,
            n_cols,
        })
    }

    /// The same cells, each of weight 1.
    #[must_use]
    pub fn binary(mut self) -> Self {
        self.weights.fill(1.0);
        self
    }

    /// How many rows.
    pub fn n_rows(&self) -> usize {
        self.starts.len() - 1
    }

    /// How many entries.
    pub fn n_entries(&self) -> usize {
        self.columns.len()
    }

    /// How many columns.
    pub fn n_cols(&self) -> usize {
        self.n_cols
    }

    /// The columns of one row's entries, ascending, and their weights.
    pub fn row(&self, row: usize) -> (&[u32], &[f64]) {
        let range = self.starts[row]..self.starts[row + 1];
        (&self.columns[range.clone()], &self.weights[range])
    }

    /// The table with rows and columns exchanged.
    #[must_use]
    pub fn transposed(&self) -> Self {
        let mut starts = vec![0; self.n_cols + 1];
        for column in &self.columns {
            starts[*column as usize + 1] += 1;
        }
        for column in 0..self.n_cols {
            starts[column + 1] += starts[column];
        }
        let mut next = starts.clone();
        let mut columns = vec![0; self.columns.len()];
        let mut weights = vec![0.0; self.columns.len()];
        for row in 0..self.n_rows() {
            let (own, own_weights) = self.row(row);
            for (column, weight) in own.iter().zip(own_weights) {
                let place = &mut next[*column as usize];
                columns[*place] = row as u32;
                weights[*place] = *weight;
                *place += 1;
            }
        }
        Self {
            starts,
            columns,
            weights,
            n_cols: self.n_rows(),
        }
    }
}
