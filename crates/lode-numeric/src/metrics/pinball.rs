//! How good a predicted quantile is: the loss that the quantile alone makes least, and how many
//! amounts lie below.
//!
//! Does not fit. Invariant: an amount that is met lies below.

use super::rank::check_length;
use super::rank::check_numbers;
use super::rank::check_weights;
use super::rank::weight;
use crate::Error;
use crate::Result;

/// The mean of `alpha (y - p)` over rows whose amount y is above the prediction p and of
/// `(1 - alpha) (p - y)` over the others, in the unit of the amounts.
///
/// R. Koenker, G. Bassett, "Regression Quantiles", Econometrica 46(1), 1978,
/// doi:10.2307/1913643.
///
/// # Errors
/// [`Error::OutOfRange`] for an alpha outside 0 to 1 or a weight below 0, [`Error::TooFewRows`]
/// without rows of weight, [`Error::Length`], [`Error::NotFinite`].
pub fn pinball_loss(
    predicted: &[f64],
    actual: &[f64],
    weights: Option<&[f64]>,
    alpha: f64,
) -> Result<f64> {
    if !(alpha > 0.0 && alpha < 1.0) {
        return Err(Error::OutOfRange {
            what: "alpha",
            expected: "above 0 and below 1",
            found: alpha,
        });
    }
    mean(predicted, actual, weights, |p, y| match y > p {
        true => alpha * (y - p),
        false => (1.0 - alpha) * (p - y),
    })
}

/// The share of the amounts that are at or below their prediction.
///
/// # Errors
/// As [`pinball_loss`].
pub fn share_below(predicted: &[f64], actual: &[f64], weights: Option<&[f64]>) -> Result<f64> {
    mean(predicted, actual, weights, |p, y| {
        f64::from(u8::from(y <= p))
    })
}

fn mean(
    predicted: &[f64],
    actual: &[f64],
    weights: Option<&[f64]>,
    of: impl Fn(f64, f64) -> f64,
) -> Result<f64> {
    check_length(
        "actual amounts, one a prediction",
        predicted.len(),
        actual.len(),
    )?;
    check_numbers("predictions", predicted)?;
    check_numbers("actual amounts", actual)?;
    check_weights(actual.len(), weights)?;
    let (mut sum, mut total) = (0.0, 0.0);
    for (row, (p, y)) in predicted.iter().zip(actual).enumerate() {
        let own = weight(weights, row);
        sum += own * of(*p, *y);
        total += own;
    }
    Ok(sum / total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_another_program_measures() {
        // scikit-learn's mean_pinball_loss.
        let (actual, predicted) = ([1.0, 2.0, 3.0, 0.0], [0.5, 2.5, 3.0, 4.0]);
        let near = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-12, "{found}");
        near(pinball_loss(&predicted, &actual, None, 0.9).unwrap(), 0.225);
        near(pinball_loss(&predicted, &actual, None, 0.1).unwrap(), 1.025);
        let weights = [1.0, 3.0, 1.0, 0.5];
        let found = pinball_loss(&predicted, &actual, Some(&weights), 0.3).unwrap();
        near(found, (0.15 + 3.0 * 0.35 + 0.5 * 2.8) / 5.5);
        near(share_below(&predicted, &actual, None).unwrap(), 0.75);
        near(
            share_below(&predicted, &actual, Some(&weights)).unwrap(),
            4.5 / 5.5,
        );
        assert!(pinball_loss(&predicted, &actual, None, 1.0).is_err());
        assert!(pinball_loss(&predicted, &actual[1..], None, 0.5).is_err());
        assert!(share_below(&[], &[], None).is_err());
    }
}
