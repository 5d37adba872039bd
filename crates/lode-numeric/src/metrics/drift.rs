//! How far a column or a score has moved: the population stability index and its bins.
//!
//! Does not say how far is too far; by custom below 0.1 is little and above 0.25 much.
//! Invariant: missing values are a bin of their own, the last.

use super::rank::check_length;
use super::rank::check_weights;
use super::rank::weight;
use crate::Error;
use crate::Result;

/// Least share of a bin: an empty one would make the index infinite.
const LEAST_SHARE: f64 = 1e-4;

/// `sum (a - e) ln(a / e)` over the shares of the bins, expected and actual, each taken as at
/// least 0.0001.
///
/// # Errors
/// [`Error::Length`]; [`Error::NotFinite`]; [`Error::OutOfRange`] for a share below 0.
pub fn psi(expected: &[f64], actual: &[f64]) -> Result<f64> {
    check_length("bins of the second", expected.len(), actual.len())?;
    for shares in [expected, actual] {
        super::rank::check_numbers("shares", shares)?;
        if let Some(found) = shares.iter().find(|share| **share < 0.0) {
            return Err(Error::OutOfRange {
                what: "shares",
                expected: "of at least 0",
                found: *found,
            });
        }
    }
    let bins = expected.iter().zip(actual);
    let terms = bins.map(|(e, a)| {
        let (e, a) = (e.max(LEAST_SHARE), a.max(LEAST_SHARE));
        (a - e) * (a / e).ln()
    });
    Ok(terms.sum())
}

/// The borders of `n_bins` bins with as equal weight as ties allow, for [`number_shares`]: border i
/// is the least value that i/n of the weight does not lie above. Equal borders are one, and none is
/// the largest value. NaN is a missing value and has no part.
///
/// # Errors
/// [`Error::OutOfRange`] for 0 bins or a weight below 0; [`Error::Length`].
pub fn number_edges(values: &[f64], weights: Option<&[f64]>, n_bins: usize) -> Result<Vec<f64>> {
    if n_bins == 0 {
        return Err(Error::OutOfRange {
            what: "bins",
            expected: "of at least 1",
            found: 0.0,
        });
    }
    if values.is_empty() {
        return Ok(Vec::new());
    }
    check_weights(values.len(), weights)?;
    let known = (0..values.len()).filter(|row| !values[*row].is_nan());
    let mut sorted: Vec<(f64, f64)> = known
        .map(|row| (values[row] + 0.0, weight(weights, row)))
        .filter(|(_, weight)| *weight > 0.0)
        .collect();
    sorted.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let total: f64 = sorted.iter().map(|(_, weight)| weight).sum();
    let mut edges: Vec<f64> = Vec::new();
    let mut passed = 0.0;
    for (value, weight) in &sorted {
        passed += weight;
        let next = edges.len() + 1;
        // Several borders may fall on one value; each is counted, one is kept at the end.
        for border in next..n_bins {
            if passed < total * border as f64 / n_bins as f64 {
                break;
            }
            edges.push(*value);
        }
    }
    edges.dedup_by(|a, b| a.total_cmp(b).is_eq());
    if let (Some(edge), Some((largest, _))) = (edges.last(), sorted.last())
        && edge.total_cmp(largest).is_eq()
    {
        edges.pop();
    }
    Ok(edges)
}

/// The share of the weight in each bin: up to the first border, above it and up to the second, and
/// so on, above the last; then the missing (NaN).
///
/// # Errors
/// [`Error::TooFewRows`] without rows; [`Error::Length`], [`Error::OutOfRange`] for a weight below 0.
pub fn number_shares(values: &[f64], weights: Option<&[f64]>, edges: &[f64]) -> Result<Vec<f64>> {
    let bin = |row: usize| match values[row] {
        value if value.is_nan() => edges.len() + 1,
        value => edges.partition_point(|edge| *edge < value),
    };
    shares(values.len(), weights, edges.len() + 2, bin)
}

/// The share of the weight in each of `n_levels` categories; then all other codes together.
///
/// # Errors
/// As [`number_shares`].
pub fn category_shares(
    codes: &[u32],
    weights: Option<&[f64]>,
    n_levels: usize,
) -> Result<Vec<f64>> {
    let bin = |row: usize| (codes[row] as usize).min(n_levels);
    shares(codes.len(), weights, n_levels + 1, bin)
}

fn shares(
    n_rows: usize,
    weights: Option<&[f64]>,
    n_bins: usize,
    bin: impl Fn(usize) -> usize,
) -> Result<Vec<f64>> {
    if n_rows == 0 {
        return Err(Error::TooFewRows {
            needed: 1,
            found: 0,
        });
    }
    check_weights(n_rows, weights)?;
    let mut sums = vec![0.0; n_bins];
    let mut total = 0.0;
    for row in 0..n_rows {
        let weight = weight(weights, row);
        sums[bin(row)] += weight;
        total += weight;
    }
    Ok(sums.into_iter().map(|sum| sum / total).collect())
}
