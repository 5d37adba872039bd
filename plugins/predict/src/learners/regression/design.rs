//! Features as columns of a design: numbers standardized, one weight a level, one more for
//! "missing" where a learned row lacks the value.
//!
//! Does not fit. Invariant: weights are taken off the fit in the order of the columns.

use lode_numeric::Rows as Numbers;
use lode_numeric::glm::Design;
use lode_numeric::glm::DesignColumn;
use lode_numeric::standardize::Standardizer;
use lode_plugin::Context;
use lode_plugin::Error;
use lode_plugin::Result;

use super::Weights;
use crate::frame::MISSING;
use crate::frame::OTHER;
use crate::frame::View;
use crate::learner::Training;
use crate::learner::numeric;

/// One feature's columns of the design.
pub(in crate::learners) enum Prepared {
    Number {
        mean: f64,
        std: f64,
        scores: Vec<f64>,
        /// 1 where the value is missing; none when it never is.
        missing: Option<Vec<f64>>,
    },
    Category {
        n_levels: usize,
        has_missing: bool,
        codes: Vec<u32>,
    },
}

impl Prepared {
    pub(in crate::learners) fn new(
        name: &str,
        view: View<'_>,
        rows: &Training<'_>,
        cx: &Context<'_>,
    ) -> Result<Self> {
        match view {
            View::Number(values) => number(name, values, rows, cx),
            View::Category { codes, n_levels } => {
                let place = |code: &u32| match *code {
                    MISSING => n_levels,
                    code => code,
                };
                Ok(Self::Category {
                    n_levels: n_levels as usize,
                    has_missing: codes.contains(&MISSING),
                    codes: codes.iter().map(place).collect(),
                })
            }
        }
    }

    fn columns(&self) -> Vec<DesignColumn<'_>> {
        match self {
            Self::Number {
                scores, missing, ..
            } => {
                let missing = missing.iter().map(|m| DesignColumn::Number(m));
                std::iter::once(DesignColumn::Number(scores))
                    .chain(missing)
                    .collect()
            }
            Self::Category {
                n_levels,
                has_missing,
                codes,
            } => vec![DesignColumn::Category {
                codes,
                n_levels: u32::try_from(n_levels + usize::from(*has_missing)).unwrap_or(OTHER),
            }],
        }
    }

    /// Takes the feature's weights; with the sum over the rows of what they make of them.
    pub(super) fn weighed(
        &self,
        weights: &mut impl Iterator<Item = f64>,
        rows: &Training<'_>,
    ) -> (Weights, f64) {
        let mut take = |n: usize| -> Vec<f64> { weights.by_ref().take(n).collect() };
        match self {
            Self::Number {
                mean,
                std,
                scores,
                missing,
            } => {
                let weight = take(1)[0];
                let missing_weight = missing.as_ref().map(|_| take(1)[0]);
                let sum = |values: &[f64]| -> f64 {
                    let values = values.iter().enumerate();
                    values.map(|(row, value)| rows.weight(row) * value).sum()
                };
                let of_scores: f64 = scores
                    .iter()
                    .enumerate()
                    .map(|(row, score)| rows.weight(row) * (weight * score))
                    .sum();
                let n_missing = missing.as_deref().map_or(0.0, sum);
                let found = Weights::Number {
                    mean: *mean,
                    std: *std,
                    weight,
                    missing: missing_weight,
                };
                (found, of_scores + n_missing * missing_weight.unwrap_or(0.0))
            }
            Self::Category {
                n_levels,
                has_missing,
                codes,
            } => {
                let levels = take(*n_levels);
                let missing = has_missing.then(|| take(1)[0]);
                let of_code = |code: &u32| match levels.get(*code as usize) {
                    Some(weight) => *weight,
                    None if *code as usize == *n_levels => missing.unwrap_or(0.0),
                    None => 0.0,
                };
                let codes = codes.iter().enumerate();
                let sum = codes.map(|(row, code)| rows.weight(row) * of_code(code));
                let sum = sum.sum();
                (Weights::Category { levels, missing }, sum)
            }
        }
    }
}

/// All features' columns.
pub(in crate::learners) fn design(prepared: &[Prepared], n_rows: usize) -> Result<Design<'_>> {
    let columns: Vec<DesignColumn<'_>> = prepared.iter().flat_map(Prepared::columns).collect();
    Design::new(n_rows, &columns).map_err(|error| numeric("the regression", error))
}

fn number(name: &str, values: &[f64], rows: &Training<'_>, cx: &Context<'_>) -> Result<Prepared> {
    let present = || {
        let values = values.iter().copied().enumerate();
        values.filter(|(_, value)| !value.is_nan())
    };
    let n_present = present().count();
    let (mean, std) = if n_present == 0 {
        (0.0, 0.0)
    } else if rows.weights.is_some() {
        moments(present(), rows)
    } else {
        let present: Vec<f64> = present().map(|(_, value)| value).collect();
        let found = Numbers::new(&present, 1)
            .and_then(|present| Standardizer::fit(present, cx.threads()))
            .map_err(|error| numeric("the regression", error))?;
        (found.mean[0], found.scale[0])
    };
    if !(mean.is_finite() && std.is_finite()) {
        let largest = present().fold(0.0_f64, |largest, (_, value)| largest.max(value.abs()));
        return Err(Error::invalid(
            format!("inputs.customers.{name}"),
            format!(
                "expected numbers with a finite mean and deviation, found values up to {largest:e}"
            ),
        ));
    }
    let score = |value: &f64| {
        if value.is_nan() || std <= 0.0 {
            0.0
        } else {
            (value - mean) / std
        }
    };
    let is_missing = |value: &f64| f64::from(u8::from(value.is_nan()));
    Ok(Prepared::Number {
        mean,
        std,
        scores: values.iter().map(score).collect(),
        missing: (n_present < values.len()).then(|| values.iter().map(is_missing).collect()),
    })
}

/// Mean and population deviation by the weights of the rows; a deviation that rounding alone
/// could make is 0, by the bound of [`Standardizer`].
pub(super) fn moments(
    values: impl Iterator<Item = (usize, f64)> + Clone,
    rows: &Training<'_>,
) -> (f64, f64) {
    let (mut n, mut total, mut sum) = (0.0, 0.0, 0.0);
    for (row, value) in values.clone() {
        n += 1.0;
        total += rows.weight(row);
        sum += rows.weight(row) * value;
    }
    if total <= 0.0 {
        return (0.0, 0.0);
    }
    let mean = sum / total;
    let squares = values.map(|(row, value)| rows.weight(row) * (value - mean) * (value - mean));
    let variance = squares.sum::<f64>() / total;
    let rounding = (n * mean * f64::EPSILON).powi(2);
    if variance <= n * f64::EPSILON * variance + rounding {
        (mean, 0.0)
    } else {
        (mean, variance.sqrt())
    }
}
