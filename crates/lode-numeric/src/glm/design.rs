//! The columns of a regression, and their products with weights and residuals.
//!
//! Does not know the outcome. Invariant: a category is never spelled out as zeros and ones;
//! each product costs one addition a row and column.

use std::ops::Range;

use crate::Error;
use crate::Result;
use crate::parallel;

/// One column of a [`Design`].
#[derive(Clone, Copy, Debug)]
pub enum DesignColumn<'a> {
    /// A number a row; one weight.
    Number(&'a [f64]),
    /// A level a row; one weight a level. A code of `n_levels` or more is no level.
    Category {
        /// Level of each row.
        codes: &'a [u32],
        /// How many levels there are.
        n_levels: u32,
    },
}

/// Columns of one length, checked.
#[derive(Clone, Debug)]
pub struct Design<'a> {
    n_rows: usize,
    columns: Vec<(usize, DesignColumn<'a>)>,
    n_weights: usize,
}

impl<'a> Design<'a> {
    /// Checks `columns` of `n_rows` entries each.
    ///
    /// # Errors
    /// [`Error::Length`] for a column of another length; [`Error::NotFinite`] for a number
    /// that is NaN or infinite.
    pub fn new(n_rows: usize, columns: &[DesignColumn<'a>]) -> Result<Self> {
        let mut placed = Vec::with_capacity(columns.len());
        let mut n_weights = 0;
        for column in columns {
            let (len, width) = match column {
                DesignColumn::Number(values) => (values.len(), 1),
                DesignColumn::Category { codes, n_levels } => (codes.len(), *n_levels as usize),
            };
            if len != n_rows {
                return Err(Error::Length {
                    what: "entries in a column",
                    expected: n_rows,
                    found: len,
                });
            }
            if let DesignColumn::Number(values) = column
                && let Some(index) = values.iter().position(|value| !value.is_finite())
            {
                return Err(Error::NotFinite {
                    what: "numbers",
                    index,
                });
            }
            placed.push((n_weights, *column));
            n_weights += width;
        }
        Ok(Self {
            n_rows,
            columns: placed,
            n_weights,
        })
    }

    /// How many rows.
    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// How many weights: one for each number column and each level.
    pub fn n_weights(&self) -> usize {
        self.n_weights
    }

    /// The columns in order, each with the index of its first weight.
    pub(crate) fn columns(&self) -> &[(usize, DesignColumn<'a>)] {
        &self.columns
    }

    /// The columns, each with the place of its first weight.
    pub(crate) fn placed(&self) -> &[(usize, DesignColumn<'a>)] {
        &self.columns
    }

    /// Rows a chunk, for partial results of `state_len` numbers.
    pub(super) fn chunk_rows(&self, state_len: usize) -> usize {
        parallel::chunk_rows(self.n_rows, state_len)
    }

    /// Adds each row's sum of weights to `sums`, which has an entry for each row of `range`.
    pub(super) fn add_margins(&self, range: &Range<usize>, weights: &[f64], sums: &mut [f64]) {
        for (first, column) in &self.columns {
            match column {
                DesignColumn::Number(values) => {
                    let weight = weights[*first];
                    for (sum, value) in sums.iter_mut().zip(&values[range.clone()]) {
                        *sum += weight * value;
                    }
                }
                DesignColumn::Category { codes, n_levels } => {
                    let weights = &weights[*first..*first + *n_levels as usize];
                    for (sum, code) in sums.iter_mut().zip(&codes[range.clone()]) {
                        if let Some(weight) = weights.get(*code as usize) {
                            *sum += weight;
                        }
                    }
                }
            }
        }
    }

    /// Adds `sum(factor * column)` over the rows of `range` to each weight's entry of `sums`.
    pub(super) fn add_products(&self, range: &Range<usize>, factors: &[f64], sums: &mut [f64]) {
        for (first, column) in &self.columns {
            match column {
                DesignColumn::Number(values) => {
                    sums[*first] += dot(factors, &values[range.clone()]);
                }
                DesignColumn::Category { codes, n_levels } => {
                    let sums = &mut sums[*first..*first + *n_levels as usize];
                    for (factor, code) in factors.iter().zip(&codes[range.clone()]) {
                        if let Some(sum) = sums.get_mut(*code as usize) {
                            *sum += factor;
                        }
                    }
                }
            }
        }
    }

    /// Adds `sum(factor * column^2)` over the rows of `range` to each weight's entry of `sums`.
    pub(super) fn add_squares(&self, range: &Range<usize>, factors: &[f64], sums: &mut [f64]) {
        for (first, column) in &self.columns {
            match column {
                DesignColumn::Number(values) => {
                    let values = &values[range.clone()];
                    let weighted: Vec<f64> =
                        values.iter().zip(factors).map(|(v, f)| v * f).collect();
                    sums[*first] += dot(&weighted, values);
                }
                DesignColumn::Category { codes, n_levels } => {
                    let sums = &mut sums[*first..*first + *n_levels as usize];
                    for (factor, code) in factors.iter().zip(&codes[range.clone()]) {
                        if let Some(sum) = sums.get_mut(*code as usize) {
                            *sum += factor;
                        }
                    }
                }
            }
        }
    }

    /// Adds `sum(factor * column_a * column_b)` to the lower triangle of `sums`, a square of
    /// `size` columns.
    pub(super) fn add_cross_products(
        &self,
        range: &Range<usize>,
        factors: &[f64],
        sums: &mut [f64],
        size: usize,
    ) {
        let mut weighted = vec![0.0; range.len()];
        for (index, (first, column)) in self.columns.iter().enumerate() {
            match column {
                DesignColumn::Number(values) => {
                    for ((out, value), factor) in
                        weighted.iter_mut().zip(&values[range.clone()]).zip(factors)
                    {
                        *out = value * factor;
                    }
                    self.add_row(range, &weighted, index, &mut sums[*first * size..]);
                }
                DesignColumn::Category { codes, n_levels } => {
                    let codes = &codes[range.clone()];
                    for (other_first, other) in &self.columns[..=index] {
                        let n_levels = *n_levels as usize;
                        add_pair(
                            (codes, n_levels, *first),
                            (other, *other_first, range),
                            factors,
                            sums,
                            size,
                        );
                    }
                }
            }
        }
    }

    /// The products of one weighted number column with the columns up to and with `index`.
    fn add_row(&self, range: &Range<usize>, weighted: &[f64], index: usize, sums: &mut [f64]) {
        for (first, column) in &self.columns[..=index] {
            match column {
                DesignColumn::Number(values) => {
                    sums[*first] += dot(weighted, &values[range.clone()]);
                }
                DesignColumn::Category { codes, n_levels } => {
                    let sums = &mut sums[*first..*first + *n_levels as usize];
                    for (value, code) in weighted.iter().zip(&codes[range.clone()]) {
                        if let Some(sum) = sums.get_mut(*code as usize) {
                            *sum += value;
                        }
                    }
                }
            }
        }
    }
}

/// The products of a category (as codes, levels, first weight) with an earlier column.
fn add_pair(
    (codes, n_levels, first): (&[u32], usize, usize),
    (other, other_first, range): (&DesignColumn<'_>, usize, &Range<usize>),
    factors: &[f64],
    sums: &mut [f64],
    size: usize,
) {
    match other {
        DesignColumn::Number(values) => {
            for ((code, value), factor) in codes.iter().zip(&values[range.clone()]).zip(factors) {
                if (*code as usize) < n_levels {
                    sums[(first + *code as usize) * size + other_first] += value * factor;
                }
            }
        }
        DesignColumn::Category {
            codes: others,
            n_levels: n_others,
        } => {
            for ((code, other), factor) in codes.iter().zip(&others[range.clone()]).zip(factors) {
                if (*code as usize) < n_levels && other < n_others {
                    sums[(first + *code as usize) * size + other_first + *other as usize] += factor;
                }
            }
        }
    }
}

/// The sum of products, in eight running sums that are added in order at the end: as fast as
/// the machine's vectors allow, and the same bits everywhere.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0.0; 8];
    let (a_whole, a_rest) = a.as_chunks::<8>();
    let (b_whole, b_rest) = b.as_chunks::<8>();
    for (a, b) in a_whole.iter().zip(b_whole) {
        for lane in 0..8 {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    let mut sum: f64 = lanes.iter().sum();
    for (a, b) in a_rest.iter().zip(b_rest) {
        sum += a * b;
    }
    sum
}
