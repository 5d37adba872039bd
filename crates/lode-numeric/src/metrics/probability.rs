//! Measures of a score as a probability: how far it is from what happened.
//!
//! Does not calibrate; [`crate::calibration`] does. Invariant: a probability outside 0 to 1 is
//! refused.

use super::rank::Ranking;
use super::rank::check_length;
use super::rank::check_numbers;
use super::rank::check_weights;
use super::rank::weight;
use crate::Error;
use crate::Result;

/// The mean of `-ln(probability of what happened)`, probabilities clipped to
/// `1e-15 ..= 1 - 1e-15`.
///
/// # Errors
/// [`Error::TooFewRows`] without rows; [`Error::OutOfRange`] for a probability outside 0 to 1;
/// [`Error::Length`], [`Error::NotFinite`].
pub fn log_loss(probabilities: &[f64], labels: &[bool]) -> Result<f64> {
    weighted_log_loss(probabilities, labels, None)
}

/// [`log_loss`] with weights: `sum(w loss) / sum(w)`.
///
/// # Errors
/// As [`log_loss`]; [`Error::OutOfRange`] for a weight below 0.
pub fn weighted_log_loss(
    probabilities: &[f64],
    labels: &[bool],
    weights: Option<&[f64]>,
) -> Result<f64> {
    mean(probabilities, labels, weights, |p, label| {
        let p = p.clamp(1e-15, 1.0 - 1e-15);
        if label { -p.ln() } else { -(1.0 - p).ln() }
    })
}

/// The mean squared distance of probability and outcome (Brier score).
///
/// # Errors
/// As [`log_loss`].
pub fn brier(probabilities: &[f64], labels: &[bool]) -> Result<f64> {
    weighted_brier(probabilities, labels, None)
}

/// [`brier`] with weights: `sum(w (p - y)^2) / sum(w)`.
///
/// # Errors
/// As [`weighted_log_loss`].
pub fn weighted_brier(
    probabilities: &[f64],
    labels: &[bool],
    weights: Option<&[f64]>,
) -> Result<f64> {
    mean(probabilities, labels, weights, |p, label| {
        (p - f64::from(u8::from(label))).powi(2)
    })
}

/// `sum(w x) / sum(w)`; none without weight. Checks nothing.
pub fn weighted_mean(values: &[f64], weights: Option<&[f64]>) -> Option<f64> {
    let mut sum = 0.0;
    let mut total = 0.0;
    for (row, value) in values.iter().enumerate() {
        let weight = weight(weights, row);
        sum += weight * value;
        total += weight;
    }
    (total > 0.0).then(|| sum / total)
}

/// How probabilities are put into bins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binning {
    /// Each bin holds the same weight of rows, by rising probability; a border that cuts through
    /// rows of one probability gives each side its part of them.
    EqualCount,
    /// Bin i of n holds the probabilities above i/n and up to (i+1)/n, the first also 0; bins
    /// without rows are left out.
    EqualWidth,
}

/// Rows whose probabilities are near each other.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bin {
    /// Least probability in it.
    pub low: f64,
    /// Largest probability in it.
    pub high: f64,
    /// Weight of its rows.
    pub rows: f64,
    /// Mean probability.
    pub predicted: f64,
    /// Share of yes.
    pub observed: f64,
}

/// How far bins are from what they promise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CalibrationError {
    /// Mean of `|predicted - observed|` by the rows of the bins (ECE).
    pub expected: f64,
    /// The largest of them (MCE).
    pub maximum: f64,
}

/// The calibration curve: what was promised and what happened, by bins of probability.
///
/// # Errors
/// As [`weighted_log_loss`]; [`Error::OutOfRange`] for 0 bins.
pub fn calibration_bins(
    probabilities: &[f64],
    labels: &[bool],
    weights: Option<&[f64]>,
    n_bins: usize,
    binning: Binning,
) -> Result<Vec<Bin>> {
    check(probabilities, labels, weights)?;
    if n_bins == 0 {
        return Err(Error::OutOfRange {
            what: "bins",
            expected: "of at least 1",
            found: 0.0,
        });
    }
    let mut bins: Vec<Bin> = vec![Bin::default(); n_bins];
    let total: f64 = (0..labels.len()).map(|row| weight(weights, row)).sum();
    let share = total / n_bins as f64;
    let mut passed = 0.0;
    let mut at = 0;
    for rows in Ranking::new(probabilities)?.groups().rev() {
        let probability = probabilities[rows[0] as usize];
        let mut group = 0.0;
        let mut yes = 0.0;
        for &row in rows {
            let weight = weight(weights, row as usize);
            group += weight;
            if labels[row as usize] {
                yes += weight;
            }
        }
        if group <= 0.0 {
            continue;
        }
        match binning {
            Binning::EqualWidth => {
                let edge = |i: usize| i as f64 * (1.0 / n_bins as f64);
                while at + 1 < n_bins && probability > edge(at + 1) {
                    at += 1;
                }
                bins[at].add(probability, group, yes);
            }
            Binning::EqualCount => {
                let mut left = group;
                loop {
                    let room = share * (at + 1) as f64 - passed;
                    let last = at + 1 == n_bins;
                    let taken = if last { left } else { left.min(room.max(0.0)) };
                    if taken > 0.0 {
                        bins[at].add(probability, taken, yes * taken / group);
                    }
                    passed += taken;
                    left -= taken;
                    if last || left <= 0.0 {
                        break;
                    }
                    at += 1;
                }
            }
        }
    }
    bins.retain(|bin| bin.rows > 0.0);
    for bin in &mut bins {
        bin.predicted /= bin.rows;
        bin.observed /= bin.rows;
    }
    Ok(bins)
}

/// Expected and maximum calibration error of bins.
pub fn calibration_error(bins: &[Bin]) -> CalibrationError {
    let rows: f64 = bins.iter().map(|bin| bin.rows).sum();
    let gap = |bin: &Bin| (bin.predicted - bin.observed).abs();
    let sum: f64 = bins.iter().map(|bin| bin.rows * gap(bin)).sum();
    CalibrationError {
        expected: if rows > 0.0 { sum / rows } else { 0.0 },
        maximum: bins.iter().map(gap).fold(0.0, f64::max),
    }
}

impl Bin {
    fn add(&mut self, probability: f64, rows: f64, yes: f64) {
        if self.rows <= 0.0 {
            self.low = probability;
        }
        self.high = probability;
        self.rows += rows;
        self.predicted += probability * rows;
        self.observed += yes;
    }
}

fn mean(
    probabilities: &[f64],
    labels: &[bool],
    weights: Option<&[f64]>,
    loss: impl Fn(f64, bool) -> f64,
) -> Result<f64> {
    check(probabilities, labels, weights)?;
    let mut sum = 0.0;
    let mut total = 0.0;
    for (row, (p, label)) in probabilities.iter().zip(labels).enumerate() {
        let weight = weight(weights, row);
        sum += weight * loss(*p, *label);
        total += weight;
    }
    Ok(sum / total)
}

fn check(probabilities: &[f64], labels: &[bool], weights: Option<&[f64]>) -> Result<()> {
    check_length("labels, one a score", probabilities.len(), labels.len())?;
    check_numbers("scores", probabilities)?;
    check_weights(probabilities.len(), weights)?;
    match probabilities.iter().find(|p| !(0.0..=1.0).contains(*p)) {
        Some(p) => Err(Error::OutOfRange {
            what: "probabilities",
            expected: "from 0 to 1",
            found: *p,
        }),
        None => Ok(()),
    }
}
