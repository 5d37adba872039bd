//! Holds who has what, and how strongly: a sparse table of 32-bit numbers.
//!
//! Does not know names, only indexes. Invariant: the columns of a row ascend, each once, and
//! weights are finite.

use crate::Error;
use crate::Result;

/// A sparse table of people by items, row by row; 8 bytes an entry.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pairs {
    /// Where each row's entries begin; one more than rows.
    starts: Vec<usize>,
    columns: Vec<u32>,
    weights: Vec<f32>,
    n_cols: usize,
}

impl Pairs {
    /// Builds the table from `(row, column, weight)` entries in any order.
    ///
    /// Several entries of one cell are added up in the order of their weights, so the order in
    /// which they come does not matter.
    ///
    /// # Errors
    /// [`Error::Entry`] for an index past the shape; [`Error::NotFinite`] for a weight or a sum.
    pub fn from_entries(
        mut entries: Vec<(u32, u32, f32)>,
        n_rows: usize,
        n_cols: usize,
    ) -> Result<Self> {
        for (index, (row, column, weight)) in entries.iter().enumerate() {
            check_index("rows of entries", index, *row, n_rows)?;
            check_index("columns of entries", index, *column, n_cols)?;
            check_weight(index, *weight)?;
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
        for (index, weight) in table.weights.iter().enumerate() {
            check_weight(index, *weight)?;
        }
        Ok(table)
    }

    /// Takes a table that is already row by row: entries of row `r` are those from `starts[r]`
    /// up to `starts[r + 1]`.
    ///
    /// # Errors
    /// [`Error::Length`] for starts that do not cover the entries, or two lengths;
    /// [`Error::Entry`] for starts that fall, an index past the shape, or columns that do not
    /// ascend; [`Error::NotFinite`] for a weight.
    pub fn from_rows(
        starts: Vec<usize>,
        columns: Vec<u32>,
        weights: Vec<f32>,
        n_cols: usize,
    ) -> Result<Self> {
        let length = |what, expected, found| match expected == found {
            true => Ok(()),
            false => Err(Error::Length {
                what,
                expected,
                found,
            }),
        };
        length("weights of entries", columns.len(), weights.len())?;
        let ends = (starts.first().copied(), starts.last().copied());
        length("entries before the first row", 0, ends.0.unwrap_or(1))?;
        length("entries in rows", columns.len(), ends.1.unwrap_or(0))?;
        for (row, pair) in starts.windows(2).enumerate() {
            if pair[0] > pair[1] || pair[1] > columns.len() {
                return Err(Error::Entry {
                    what: "starts of rows",
                    expected: "not falling, and not past the entries",
                    index: row + 1,
                    found: pair[1] as f64,
                });
            }
            let own = &columns[pair[0]..pair[1]];
            if let Some(at) = own.windows(2).position(|two| two[0] >= two[1]) {
                return Err(Error::Entry {
                    what: "columns of a row",
                    expected: "ascending",
                    index: pair[0] + at + 1,
                    found: f64::from(own[at + 1]),
                });
            }
        }
        for (index, (column, weight)) in columns.iter().zip(&weights).enumerate() {
            check_index("columns of entries", index, *column, n_cols)?;
            check_weight(index, *weight)?;
        }
        Ok(Self {
            starts,
            columns,
            weights,
            n_cols,
        })
    }

    /// How many rows.
    pub fn n_rows(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    /// How many columns.
    pub fn n_cols(&self) -> usize {
        self.n_cols
    }

    /// How many entries.
    pub fn n_entries(&self) -> usize {
        self.columns.len()
    }

    /// The columns of one row's entries, ascending, and their weights.
    pub fn row(&self, row: usize) -> (&[u32], &[f32]) {
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

    /// Cuts the rows into runs of about so many entries; the cut depends on the table alone.
    pub(super) fn runs(&self, n_entries: usize, n_rows: usize) -> Vec<usize> {
        let mut lengths = Vec::new();
        let (mut first, mut row) = (0, 0);
        while first < self.n_rows() {
            while row < self.n_rows()
                && row - first < n_rows
                && self.starts[row] - self.starts[first] < n_entries
            {
                row += 1;
            }
            lengths.push(row - first);
            first = row;
        }
        lengths
    }
}

fn check_index(what: &'static str, index: usize, found: u32, below: usize) -> Result<()> {
    match (found as usize) < below {
        true => Ok(()),
        false => Err(Error::Entry {
            what,
            expected: "inside the table",
            index,
            found: f64::from(found),
        }),
    }
}

fn check_weight(index: usize, weight: f32) -> Result<()> {
    match weight.is_finite() {
        true => Ok(()),
        false => Err(Error::NotFinite {
            what: "weights",
            index,
        }),
    }
}
