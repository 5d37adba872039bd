//! The columns of a design row by row, in an order of the caller's choice.
//!
//! Does not spell out categories: a row holds its numbers and the places of its levels.
//! Invariant: a row's products come in the same order each time.

use crate::glm::Design;
use crate::glm::DesignColumn;

/// "No level": contributes nothing.
const NONE: u32 = u32::MAX;

/// A design, gathered by rows.
#[derive(Debug)]
pub(super) struct DesignRows {
    /// Place of each number column's weight.
    number_places: Vec<u32>,
    numbers: Vec<f64>,
    n_categories: usize,
    /// Places of the weights of each row's levels, `NONE` for none.
    levels: Vec<u32>,
    n_weights: usize,
    n_rows: usize,
}

impl DesignRows {
    /// Row `i` is row `order[i]` of the design.
    pub(super) fn new(design: &Design<'_>, order: &[u32]) -> Self {
        let columns = design.placed();
        let mut number_places = Vec::new();
        let mut n_categories = 0;
        for (first, column) in columns {
            match column {
                DesignColumn::Number(_) => number_places.push(*first as u32),
                DesignColumn::Category { .. } => n_categories += 1,
            }
        }
        let n_numbers = number_places.len();
        let mut numbers = vec![0.0; n_numbers * order.len()];
        let mut levels = vec![NONE; n_categories * order.len()];
        let (mut number_idx, mut category_idx) = (0, 0);
        for (first, column) in columns {
            match column {
                DesignColumn::Number(values) => {
                    let places = numbers[number_idx..].iter_mut().step_by(n_numbers.max(1));
                    for (place, row) in places.zip(order) {
                        *place = values[*row as usize];
                    }
                    number_idx += 1;
                }
                DesignColumn::Category { codes, n_levels } => {
                    let places = levels[category_idx..]
                        .iter_mut()
                        .step_by(n_categories.max(1));
                    for (place, row) in places.zip(order) {
                        let code = codes[*row as usize];
                        if code < *n_levels {
                            *place = *first as u32 + code;
                        }
                    }
                    category_idx += 1;
                }
            }
        }
        Self {
            number_places,
            numbers,
            n_categories,
            levels,
            n_weights: design.n_weights(),
            n_rows: order.len(),
        }
    }

    pub(super) fn n_rows(&self) -> usize {
        self.n_rows
    }

    pub(super) fn n_weights(&self) -> usize {
        self.n_weights
    }

    fn numbers(&self, row: usize) -> impl Iterator<Item = (usize, f64)> + Clone {
        let n = self.number_places.len();
        let values = &self.numbers[row * n..(row + 1) * n];
        let places = self.number_places.iter().map(|place| *place as usize);
        places.zip(values.iter().copied())
    }

    fn levels(&self, row: usize) -> impl Iterator<Item = usize> + Clone {
        let levels = &self.levels[row * self.n_categories..(row + 1) * self.n_categories];
        let known = levels.iter().filter(|place| **place != NONE);
        known.map(|place| *place as usize)
    }

    /// The sum of a row's weights.
    pub(super) fn margin(&self, row: usize, weights: &[f64]) -> f64 {
        let of_numbers: f64 = self.numbers(row).map(|(p, value)| weights[p] * value).sum();
        self.levels(row)
            .fold(of_numbers, |sum, place| sum + weights[place])
    }

    /// Adds `factor` times the row to `sums`.
    pub(super) fn add(&self, row: usize, factor: f64, sums: &mut [f64]) {
        for (place, value) in self.numbers(row) {
            sums[place] += factor * value;
        }
        for place in self.levels(row) {
            sums[place] += factor;
        }
    }

    /// Adds `factor` times the row's products with itself to the lower triangle of `sums`, a
    /// square of `size` columns.
    pub(super) fn add_square(&self, row: usize, factor: f64, sums: &mut [f64], size: usize) {
        for (idx, (place, value)) in self.numbers(row).enumerate() {
            let scaled = factor * value;
            let line = &mut sums[place * size..(place + 1) * size];
            for (other, other_value) in self.numbers(row).take(idx + 1) {
                line[other] += scaled * other_value;
            }
        }
        for (idx, place) in self.levels(row).enumerate() {
            for (other, value) in self.numbers(row) {
                let (high, low) = (place.max(other), place.min(other));
                sums[high * size + low] += factor * value;
            }
            for other in self.levels(row).take(idx + 1) {
                sums[place * size + other] += factor;
            }
        }
    }
}
