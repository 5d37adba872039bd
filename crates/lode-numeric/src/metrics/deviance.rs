//! Mean deviances of predicted amounts: the losses of Poisson, Gamma and Tweedie models.
//!
//! Does not fit. Invariant: predictions must be above 0, and amounts where the family has them.

use super::rank::check_length;
use super::rank::check_numbers;
use super::rank::check_weights;
use super::rank::weight;
use crate::Error;
use crate::Result;

/// `2 sum w (y ln(y/p) - y + p) / sum w`, for amounts of at least 0; `0 ln 0` is 0.
///
/// P. McCullagh, J. Nelder, "Generalized Linear Models", 2nd ed., 1989, section 2.3.
///
/// # Errors
/// [`Error::OutOfRange`] for an amount or a prediction outside the family; [`Error::Length`],
/// [`Error::NotFinite`].
pub fn poisson_deviance(predicted: &[f64], actual: &[f64], weights: Option<&[f64]>) -> Result<f64> {
    mean(predicted, actual, weights, false, |p, y| {
        let log = if y > 0.0 { y * (y / p).ln() } else { 0.0 };
        log - y + p
    })
}

/// `2 sum w (ln(p/y) + y/p - 1) / sum w`, for amounts above 0.
///
/// # Errors
/// As [`poisson_deviance`].
pub fn gamma_deviance(predicted: &[f64], actual: &[f64], weights: Option<&[f64]>) -> Result<f64> {
    mean(predicted, actual, weights, true, |p, y| {
        (p / y).ln() + y / p - 1.0
    })
}

/// The deviance of a compound Poisson-gamma of `power` between 1 and 2, for amounts of at least 0:
/// `2 sum w (y^(2-k) / ((1-k)(2-k)) - y p^(1-k) / (1-k) + p^(2-k) / (2-k)) / sum w`.
///
/// B. Jorgensen, "The Theory of Dispersion Models", 1997, chapter 4.
///
/// # Errors
/// As [`poisson_deviance`]; [`Error::OutOfRange`] for the power.
pub fn tweedie_deviance(
    predicted: &[f64],
    actual: &[f64],
    weights: Option<&[f64]>,
    power: f64,
) -> Result<f64> {
    if !(power > 1.0 && power < 2.0) {
        return Err(Error::OutOfRange {
            what: "power",
            expected: "between 1 and 2",
            found: power,
        });
    }
    let (one, two) = (1.0 - power, 2.0 - power);
    mean(predicted, actual, weights, false, |p, y| {
        y.powf(two) / (one * two) - y * p.powf(one) / one + p.powf(two) / two
    })
}

fn mean(
    predicted: &[f64],
    actual: &[f64],
    weights: Option<&[f64]>,
    above_zero: bool,
    half: impl Fn(f64, f64) -> f64,
) -> Result<f64> {
    check_length(
        "actual amounts, one a prediction",
        predicted.len(),
        actual.len(),
    )?;
    check_numbers("predictions", predicted)?;
    check_numbers("actual amounts", actual)?;
    check_weights(actual.len(), weights)?;
    if let Some(found) = predicted.iter().find(|p| **p <= 0.0) {
        return Err(Error::OutOfRange {
            what: "predictions",
            expected: "above 0",
            found: *found,
        });
    }
    if let Some(found) = actual
        .iter()
        .find(|y| **y < 0.0 || (above_zero && **y <= 0.0))
    {
        return Err(Error::OutOfRange {
            what: "actual amounts",
            expected: if above_zero {
                "above 0"
            } else {
                "of at least 0"
            },
            found: *found,
        });
    }
    let mut sum = 0.0;
    let mut total = 0.0;
    for (row, (p, y)) in predicted.iter().zip(actual).enumerate() {
        let weight = weight(weights, row);
        sum += weight * half(*p, *y);
        total += weight;
    }
    Ok(2.0 * sum / total)
}
