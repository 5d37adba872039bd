//! Centers, and the distance of one row to all of them at once.
//!
//! Does not move anything. Invariant: both layouts of a [`Centers`] hold the same numbers.

/// k centers, kept row by row and column by column.
#[derive(Clone, Debug, PartialEq)]
pub struct Centers {
    values: Vec<f64>,
    /// `by_column[column * k + center]`: the inner loop runs over centers, which the
    /// compiler turns into vector instructions without changing the order of any sum.
    by_column: Vec<f64>,
    n_cols: usize,
}

impl Centers {
    /// Takes centers row by row; `values` holds whole rows of `n_cols` numbers.
    pub fn new(values: Vec<f64>, n_cols: usize) -> Self {
        let n_cols = n_cols.max(1);
        let k = values.len() / n_cols;
        let mut by_column = vec![0.0; k * n_cols];
        for center in 0..k {
            for column in 0..n_cols {
                by_column[column * k + center] = values[center * n_cols + column];
            }
        }
        Self {
            values,
            by_column,
            n_cols,
        }
    }

    /// How many.
    pub fn k(&self) -> usize {
        self.values.len() / self.n_cols
    }

    /// Numbers of each.
    pub fn n_cols(&self) -> usize {
        self.n_cols
    }

    /// One center.
    pub fn center(&self, index: usize) -> &[f64] {
        &self.values[index * self.n_cols..(index + 1) * self.n_cols]
    }

    /// All centers, row by row.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// The nearest center to `row` and the distance to it; the lower center on a tie.
    pub fn nearest(&self, row: &[f64]) -> (u32, f64) {
        let mut scratch = vec![0.0; self.k()];
        let nearest = self.two_nearest(row, &mut scratch);
        (nearest.label, nearest.squared.sqrt())
    }

    /// The nearest center and how far the second nearest is; `scratch` has k entries.
    pub(super) fn two_nearest(&self, row: &[f64], scratch: &mut [f64]) -> TwoNearest {
        let k = scratch.len();
        scratch.fill(0.0);
        for (value, column) in row.iter().zip(self.by_column.chunks_exact(k)) {
            for (sum, center) in scratch.iter_mut().zip(column) {
                let difference = value - center;
                *sum += difference * difference;
            }
        }
        let mut found = TwoNearest {
            label: 0,
            squared: f64::INFINITY,
            second_squared: f64::INFINITY,
        };
        for (center, squared) in scratch.iter().enumerate() {
            if *squared < found.squared {
                found.second_squared = found.squared;
                found.squared = *squared;
                found.label = center as u32;
            } else if *squared < found.second_squared {
                found.second_squared = *squared;
            }
        }
        found
    }
}

/// What [`Centers::two_nearest`] finds.
#[derive(Clone, Copy, Debug)]
pub(super) struct TwoNearest {
    pub(super) label: u32,
    pub(super) squared: f64,
    pub(super) second_squared: f64,
}

/// The squared distance of two rows of one length.
pub(super) fn squared_distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter()
        .zip(b)
        .map(|(a, b)| {
            let difference = a - b;
            difference * difference
        })
        .sum()
}
