//! Measures of predicted amounts: how near they are, and whether the large ones come first.
//!
//! Deviances are in [`super::poisson_deviance`] and its like. Invariant: ties of the prediction
//! share what they hold; a measure that divides by nothing is none, not NaN.

use std::sync::Arc;

use super::rank::Ranking;
use super::rank::check_length;
use super::rank::check_numbers;
use super::rank::check_weights;
use super::rank::weight;
use crate::Result;

/// Predicted and actual amounts of the same rows.
#[derive(Clone, Debug)]
pub struct Amount<'a> {
    predicted: &'a [f64],
    actual: &'a [f64],
    weights: Option<&'a [f64]>,
    order: AmountOrder,
    rows: f64,
}

/// The rows by their prediction and by their amount. Made once, it serves many weightings.
#[derive(Clone, Debug)]
pub struct AmountOrder {
    by_predicted: Arc<Ranking>,
    by_actual: Arc<Ranking>,
}

impl AmountOrder {
    /// Sorts the rows.
    ///
    /// # Errors
    /// As [`Ranking::new`].
    pub fn new(predicted: &[f64], actual: &[f64]) -> Result<Self> {
        Ok(Self {
            by_predicted: Arc::new(Ranking::new(predicted)?),
            by_actual: Arc::new(Ranking::new(actual)?),
        })
    }
}

/// A tenth of the rows, by falling prediction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AmountDecile {
    /// 1 has the largest predictions.
    pub decile: u32,
    /// Rows in it: a tenth of all, not rounded.
    pub rows: f64,
    /// Sum of the predictions.
    pub predicted: f64,
    /// Sum of the actual amounts.
    pub actual: f64,
    /// Share of the sum of all actual amounts in this decile or a better one; none when that sum
    /// is not above 0.
    pub cumulative_share: Option<f64>,
}

impl<'a> Amount<'a> {
    /// Takes the rows; a weight counts a row so often.
    ///
    /// # Errors
    /// [`Error::Length`](crate::Error::Length), [`Error::NotFinite`](crate::Error::NotFinite),
    /// [`Error::TooFewRows`](crate::Error::TooFewRows) without rows of weight,
    /// [`Error::OutOfRange`](crate::Error::OutOfRange) for a weight below 0.
    pub fn new(
        predicted: &'a [f64],
        actual: &'a [f64],
        weights: Option<&'a [f64]>,
    ) -> Result<Self> {
        let order = AmountOrder::new(predicted, actual)?;
        Self::ordered(predicted, actual, weights, &order)
    }

    /// The same over an order of these rows that is there already.
    ///
    /// # Errors
    /// As [`Amount::new`].
    pub fn ordered(
        predicted: &'a [f64],
        actual: &'a [f64],
        weights: Option<&'a [f64]>,
        order: &AmountOrder,
    ) -> Result<Self> {
        check_length(
            "actual amounts, one a prediction",
            predicted.len(),
            actual.len(),
        )?;
        let n_rows = order.by_predicted.n_rows();
        check_length("predictions, one a row", n_rows, predicted.len())?;
        check_length(
            "actual amounts, one a row",
            order.by_actual.n_rows(),
            n_rows,
        )?;
        check_numbers("predictions", predicted)?;
        check_numbers("actual amounts", actual)?;
        check_weights(actual.len(), weights)?;
        let rows = (0..actual.len()).map(|row| weight(weights, row)).sum();
        Ok(Self {
            predicted,
            actual,
            weights,
            order: order.clone(),
            rows,
        })
    }

    /// Root of the mean squared error.
    pub fn rmse(&self) -> f64 {
        (self.sum(|p, y| (p - y).powi(2)) / self.rows).sqrt()
    }

    /// Mean absolute error.
    pub fn mae(&self) -> f64 {
        self.sum(|p, y| (p - y).abs()) / self.rows
    }

    /// `1 - sum (y - p)^2 / sum (y - mean)^2`; none when all amounts are equal.
    pub fn r2(&self) -> Option<f64> {
        let mean = self.sum(|_, y| y) / self.rows;
        let spread = self.sum(|_, y| (y - mean).powi(2));
        let wrong = self.sum(|p, y| (p - y).powi(2));
        (spread > 0.0).then(|| 1.0 - wrong / spread)
    }

    /// `sum |y - p| / sum |y|`; none when all amounts are 0.
    pub fn wape(&self) -> Option<f64> {
        let size = self.sum(|_, y| y.abs());
        (size > 0.0).then(|| self.sum(|p, y| (p - y).abs()) / size)
    }

    /// Sum of the predictions against the sum of the actual amounts; none when that is 0.
    pub fn total_ratio(&self) -> Option<f64> {
        let actual = self.sum(|_, y| y);
        (actual.abs() > 0.0).then(|| self.sum(|p, _| p) / actual)
    }

    /// Spearman's rank correlation, midranks for ties; none when either is constant.
    ///
    /// A row's rank is the weight below it plus half the weight of its ties.
    pub fn spearman(&self) -> Option<f64> {
        let a = self.midranks(&self.order.by_predicted);
        let b = self.midranks(&self.order.by_actual);
        let mean = self.rows / 2.0;
        let mut sums = [0.0; 3];
        for (row, (a, b)) in a.iter().zip(&b).enumerate() {
            let (a, b) = (a - mean, b - mean);
            let weight = weight(self.weights, row);
            sums[0] += weight * a * a;
            sums[1] += weight * b * b;
            sums[2] += weight * a * b;
        }
        let spread = (sums[0] * sums[1]).sqrt();
        (spread > 0.0).then(|| sums[2] / spread)
    }

    /// The Gini index of the actual amounts along the falling prediction, against the best there
    /// can be (along the falling amounts themselves): 1 is perfect, 0 is random. None when an
    /// amount is negative or all are equal.
    ///
    /// `G = 2 area - 1` with the area under the share of the amounts against the share of rows.
    pub fn normalized_gini(&self) -> Option<f64> {
        if self.actual.iter().any(|amount| *amount < 0.0) {
            return None;
        }
        let best = self.gini(&self.order.by_actual);
        (best > 0.0).then(|| self.gini(&self.order.by_predicted) / best)
    }

    /// Share of the sum of all amounts that the best `contacted` (0 to 1) of the rows hold; none
    /// when that sum is not above 0.
    pub fn value_reached(&self, contacted: f64) -> Option<f64> {
        let ends = self.ends();
        let total = ends.last().map_or(0.0, |end| end.2);
        (total > 0.0).then(|| at(&ends, contacted * self.rows).2 / total)
    }

    /// Predicted against actual sums by tenths of the rows; a border that cuts through rows of one
    /// prediction gives each side its part of them.
    pub fn deciles(&self) -> Vec<AmountDecile> {
        let ends = self.ends();
        let total = ends.last().map_or(0.0, |end| end.2);
        let mut before = (0.0, 0.0, 0.0);
        let mut found = Vec::with_capacity(10);
        for decile in 1..=10_u32 {
            let here = at(&ends, f64::from(decile) / 10.0 * self.rows);
            found.push(AmountDecile {
                decile,
                rows: self.rows / 10.0,
                predicted: here.1 - before.1,
                actual: here.2 - before.2,
                cumulative_share: (total > 0.0).then(|| here.2 / total),
            });
            before = here;
        }
        found
    }

    /// Running rows, predictions and amounts at the end of each prediction, largest first.
    fn ends(&self) -> Vec<(f64, f64, f64)> {
        let mut ends = vec![(0.0, 0.0, 0.0)];
        let mut total = (0.0, 0.0, 0.0);
        for rows in self.order.by_predicted.groups() {
            for &row in rows {
                let weight = weight(self.weights, row as usize);
                total.0 += weight;
                total.1 += weight * self.predicted[row as usize];
                total.2 += weight * self.actual[row as usize];
            }
            ends.push(total);
        }
        ends
    }

    fn midranks(&self, ranking: &Ranking) -> Vec<f64> {
        let mut ranks = vec![0.0; self.actual.len()];
        let mut below = 0.0;
        for rows in ranking.groups().rev() {
            let here: f64 = rows
                .iter()
                .map(|row| weight(self.weights, *row as usize))
                .sum();
            for &row in rows {
                ranks[row as usize] = below + here / 2.0;
            }
            below += here;
        }
        ranks
    }

    fn gini(&self, ranking: &Ranking) -> f64 {
        let mut area = 0.0;
        let mut passed = 0.0;
        let mut total_rows = 0.0;
        for rows in ranking.groups() {
            let mut here = 0.0;
            let mut n_rows = 0.0;
            for &row in rows {
                let weight = weight(self.weights, row as usize);
                n_rows += weight;
                here += weight * self.actual[row as usize];
            }
            area += n_rows * (passed + here / 2.0);
            passed += here;
            total_rows += n_rows;
        }
        if passed > 0.0 {
            2.0 * area / (passed * total_rows) - 1.0
        } else {
            0.0
        }
    }

    fn sum(&self, of: impl Fn(f64, f64) -> f64) -> f64 {
        let rows = self.predicted.iter().zip(self.actual).enumerate();
        rows.map(|(row, (p, y))| weight(self.weights, row) * of(*p, *y))
            .sum()
    }
}

/// Totals of the best `rows` rows; straight lines between the ends.
fn at(ends: &[(f64, f64, f64)], rows: f64) -> (f64, f64, f64) {
    let after = ends.partition_point(|end| end.0 < rows);
    let Some(end) = ends.get(after) else {
        return ends.last().copied().unwrap_or_default();
    };
    let Some(start) = after.checked_sub(1).map(|before| ends[before]) else {
        return *end;
    };
    let part = (rows - start.0) / (end.0 - start.0);
    if part >= 1.0 {
        return *end;
    }
    (
        rows,
        start.1 + part * (end.1 - start.1),
        start.2 + part * (end.2 - start.2),
    )
}
