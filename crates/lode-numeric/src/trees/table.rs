//! The columns that trees learn from and score.
//!
//! Does not own its numbers and does not know names. Invariant: all columns have one length.

use std::collections::HashSet;

use crate::Error;
use crate::Result;

/// Most columns of a [`Table`].
pub const MAX_COLUMNS: usize = 65_535;

/// One column of a [`Table`].
#[derive(Clone, Copy, Debug)]
pub enum Column<'a> {
    /// A number a row. NaN means missing; infinities are the lowest and the highest number.
    Number(&'a [f64]),
    /// A level a row. A code of `n_levels` or more means missing or never seen.
    Category {
        /// Level of each row.
        codes: &'a [u32],
        /// How many levels there are.
        n_levels: u32,
    },
}

impl Column<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Number(values) => values.len(),
            Self::Category { codes, .. } => codes.len(),
        }
    }
}

/// Columns of one length, checked.
#[derive(Clone, Debug)]
pub struct Table<'a> {
    n_rows: usize,
    columns: Vec<Column<'a>>,
    groups: Option<&'a [u32]>,
}

impl<'a> Table<'a> {
    /// Checks `columns` of `n_rows` entries each. No rows are legal (there is nothing to score).
    ///
    /// # Errors
    /// [`Error::Length`] for a column of another length; [`Error::OutOfRange`] for no columns
    /// or more than [`MAX_COLUMNS`], and for more than `u32::MAX` rows.
    pub fn new(n_rows: usize, columns: Vec<Column<'a>>) -> Result<Self> {
        if columns.is_empty() || columns.len() > MAX_COLUMNS {
            return Err(Error::OutOfRange {
                what: "columns",
                expected: "1 to 65535 in number",
                found: columns.len() as f64,
            });
        }
        if u32::try_from(n_rows).is_err() {
            return Err(Error::OutOfRange {
                what: "rows",
                expected: "fewer than 2^32 in number",
                found: n_rows as f64,
            });
        }
        for column in &columns {
            if column.len() != n_rows {
                return Err(Error::Length {
                    what: "entries in a column",
                    expected: n_rows,
                    found: column.len(),
                });
            }
        }
        Ok(Self {
            n_rows,
            columns,
            groups: None,
        })
    }

    /// The same table, whose rows of one number stay together when a fit holds rows out to judge
    /// itself: those of one customer at several dates.
    ///
    /// # Errors
    /// [`Error::Length`] for a number of groups other than that of the rows.
    pub fn with_groups(self, groups: &'a [u32]) -> Result<Self> {
        if groups.len() != self.n_rows {
            return Err(Error::Length {
                what: "groups, one a row",
                expected: self.n_rows,
                found: groups.len(),
            });
        }
        Ok(Self {
            groups: Some(groups),
            ..self
        })
    }

    /// The group of each row, if there are groups.
    pub(super) fn groups(&self) -> Option<&'a [u32]> {
        self.groups
    }

    /// The groups of these rows, if some of them share one.
    pub(super) fn groups_of(&self, rows: &[u32]) -> Option<Vec<u32>> {
        let all = self.groups?;
        let groups: Vec<u32> = rows.iter().map(|row| all[*row as usize]).collect();
        let different: HashSet<u32> = groups.iter().copied().collect();
        (different.len() < groups.len()).then_some(groups)
    }

    /// How many rows.
    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// How many columns.
    pub fn n_cols(&self) -> usize {
        self.columns.len()
    }

    /// All columns, in order.
    pub fn columns(&self) -> &[Column<'a>] {
        &self.columns
    }
}
