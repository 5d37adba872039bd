//! Means of several measures over many lists, with intervals by drawing lists again.

use super::super::Bootstrap;
use super::super::Interval;

/// Several numbers of each row: one row a list, one column a measure.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MeanRows {
    width: usize,
    values: Vec<f64>,
}

impl MeanRows {
    /// No row yet, of so many numbers.
    pub fn new(width: usize) -> Self {
        Self {
            width,
            values: Vec::new(),
        }
    }

    /// Adds a row; numbers that are missing count as 0, more are not read.
    pub fn push(&mut self, row: impl IntoIterator<Item = f64>) {
        let end = self.values.len() + self.width;
        self.values.extend(row.into_iter().take(self.width));
        self.values.resize(end, 0.0);
    }

    /// Rows.
    pub fn n_rows(&self) -> usize {
        self.values.len().checked_div(self.width).unwrap_or(0)
    }

    /// One row.
    pub fn row(&self, row: usize) -> &[f64] {
        &self.values[row * self.width..][..self.width]
    }

    /// The mean of each column over some rows; none of no row.
    pub fn means(&self, rows: &[usize]) -> Option<Vec<f64>> {
        let mut sums = vec![0.0; self.width];
        for row in rows {
            for (sum, value) in sums.iter_mut().zip(self.row(*row)) {
                *sum += value;
            }
        }
        (!rows.is_empty()).then(|| {
            let n = rows.len() as f64;
            sums.into_iter().map(|sum| sum / n).collect()
        })
    }

    /// The interval of the mean of each column over some rows, which `bootstrap` draws by its
    /// clusters (one number for each of `rows`).
    pub fn intervals(&self, rows: &[usize], bootstrap: &Bootstrap<'_>) -> Vec<Option<Interval>> {
        bootstrap.intervals(rows.len(), None, &|drawn| {
            let mut sums = vec![0.0; self.width];
            let mut weight = 0.0;
            for (row, times) in rows.iter().zip(drawn) {
                if *times > 0.0 {
                    weight += times;
                    for (sum, value) in sums.iter_mut().zip(self.row(*row)) {
                        *sum += times * value;
                    }
                }
            }
            sums.into_iter()
                .map(|sum| (weight > 0.0).then(|| sum / weight))
                .collect()
        })
    }
}
