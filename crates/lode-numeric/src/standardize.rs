//! Brings columns to mean 0 and standard deviation 1, and back.
//!
//! Does not fill gaps: every number is finite. Invariant: a column that does not vary has
//! scale 0 and becomes 0 everywhere, so it never moves a distance or a margin.

use crate::Error;
use crate::Result;
use crate::Rows;
use crate::parallel;

/// Mean and population standard deviation of each column.
///
/// # Method
/// Two passes, chunk by chunk in order: the mean, then `sqrt(sum((x - mean)^2) / n)`. A column
/// whose values are all equal, or whose variance is below what rounding of its mean makes,
/// counts as constant: its scale is 0.
///
/// # Source
/// The bound for "constant" is that of scikit-learn's `StandardScaler`
/// (`(n * mean * eps)^2`); T. Chan, G. Golub, R. LeVeque, "Algorithms for computing the sample
/// variance", The American Statistician 37(3), 1983. Deviation: scikit-learn divides constant
/// columns by 1, here they become 0.
#[derive(Clone, Debug, PartialEq)]
pub struct Standardizer {
    /// Mean of each column.
    pub mean: Vec<f64>,
    /// Population standard deviation of each column; 0 for a constant column.
    pub scale: Vec<f64>,
}

impl Standardizer {
    /// Measures `rows`.
    ///
    /// # Errors
    /// [`Error::TooFewRows`] without rows.
    pub fn fit(rows: Rows<'_>, threads: usize) -> Result<Self> {
        let n_rows = rows.n_rows();
        if n_rows == 0 {
            return Err(Error::TooFewRows {
                needed: 1,
                found: 0,
            });
        }
        let n = n_rows as f64;
        let sums = column_sums(rows, threads, |value, _| value);
        let mean: Vec<f64> = sums.iter().map(|sum| sum / n).collect();
        let squares = column_sums(rows, threads, |value, column| {
            let distance = value - mean[column];
            distance * distance
        });
        let scale = squares
            .iter()
            .zip(&mean)
            .map(|(square, mean)| {
                let variance = square / n;
                let rounding = (n * mean * f64::EPSILON).powi(2);
                if variance <= n * f64::EPSILON * variance + rounding {
                    0.0
                } else {
                    variance.sqrt()
                }
            })
            .collect();
        Ok(Self { mean, scale })
    }

    /// The standard score of one value of `column`.
    pub fn apply_one(&self, value: f64, column: usize) -> f64 {
        if self.scale[column] > 0.0 {
            (value - self.mean[column]) / self.scale[column]
        } else {
            0.0
        }
    }

    /// Replaces every value, row by row, by its standard score.
    pub fn apply(&self, values: &mut [f64]) {
        for row in values.chunks_mut(self.mean.len()) {
            for (column, value) in row.iter_mut().enumerate() {
                *value = self.apply_one(*value, column);
            }
        }
    }

    /// The value of `column` whose standard score is `z`.
    pub fn undo_one(&self, z: f64, column: usize) -> f64 {
        z * self.scale[column] + self.mean[column]
    }
}

/// The sum of `part(value, column)` over each column, in fixed order.
fn column_sums(
    rows: Rows<'_>,
    threads: usize,
    part: impl Fn(f64, usize) -> f64 + Sync,
) -> Vec<f64> {
    let n_cols = rows.n_cols();
    let chunk = parallel::chunk_rows(rows.n_rows(), n_cols);
    let partials = parallel::map_chunks(rows.n_rows(), chunk, threads, |range| {
        let mut sums = vec![0.0; n_cols];
        for row_idx in range {
            for (column, value) in rows.row(row_idx).iter().enumerate() {
                sums[column] += part(*value, column);
            }
        }
        sums
    });
    let mut total = vec![0.0; n_cols];
    for partial in partials {
        for (sum, more) in total.iter_mut().zip(partial) {
            *sum += more;
        }
    }
    total
}

#[cfg(test)]
mod tests;
