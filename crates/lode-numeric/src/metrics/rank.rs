//! Rows by falling score, in groups of one score: the one sort under every ranking measure.
//!
//! Also the checks that all measures share. Does not weigh anything.
//! Invariant: -0 and 0 are one score; a group is never empty.

use crate::Error;
use crate::Result;

/// Rows by falling score. Made once, it serves many measures and many weightings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ranking {
    order: Vec<u32>,
    /// Where each group ends in `order`.
    ends: Vec<u32>,
}

impl Ranking {
    /// Sorts the rows.
    ///
    /// # Errors
    /// [`Error::TooFewRows`] without rows, [`Error::NotFinite`], [`Error::OutOfRange`] for more than
    /// 2^32 - 1 rows.
    pub fn new(scores: &[f64]) -> Result<Self> {
        check_numbers("scores", scores)?;
        let n = u32::try_from(scores.len()).map_err(|_| Error::OutOfRange {
            what: "rows",
            expected: "below 2^32",
            found: scores.len() as f64,
        })?;
        let mut keyed: Vec<(f64, u32)> = scores.iter().map(|score| score + 0.0).zip(0..n).collect();
        keyed.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let mut ends = Vec::new();
        for (at, row) in keyed.iter().enumerate() {
            if at > 0 && keyed[at - 1].0.total_cmp(&row.0).is_ne() {
                ends.push(at as u32);
            }
        }
        ends.push(n);
        Ok(Self {
            order: keyed.into_iter().map(|(_, row)| row).collect(),
            ends,
        })
    }

    /// Rows.
    pub fn n_rows(&self) -> usize {
        self.order.len()
    }

    /// The rows of each score, highest score first.
    pub fn groups(&self) -> impl DoubleEndedIterator<Item = &[u32]> {
        (0..self.ends.len()).map(|group| {
            let start = group.checked_sub(1).map_or(0, |before| self.ends[before]);
            &self.order[start as usize..self.ends[group] as usize]
        })
    }
}

/// The weight of a row: 1 without weights.
pub(super) fn weight(weights: Option<&[f64]>, row: usize) -> f64 {
    weights.map_or(1.0, |weights| weights[row])
}

/// Numbers that are there and finite.
pub(super) fn check_numbers(what: &'static str, numbers: &[f64]) -> Result<()> {
    if numbers.is_empty() {
        return Err(Error::TooFewRows {
            needed: 1,
            found: 0,
        });
    }
    match numbers.iter().position(|number| !number.is_finite()) {
        Some(index) => Err(Error::NotFinite { what, index }),
        None => Ok(()),
    }
}

/// As many of something as there are rows.
pub(super) fn check_length(what: &'static str, expected: usize, found: usize) -> Result<()> {
    if expected == found {
        return Ok(());
    }
    Err(Error::Length {
        what,
        expected,
        found,
    })
}

/// Weights of at least 0, some above.
pub(super) fn check_weights(n_rows: usize, weights: Option<&[f64]>) -> Result<()> {
    let Some(weights) = weights else {
        return Ok(());
    };
    check_length("weights, one a row", n_rows, weights.len())?;
    check_numbers("weights", weights)?;
    if let Some(negative) = weights.iter().find(|weight| **weight < 0.0) {
        return Err(Error::OutOfRange {
            what: "weights",
            expected: "of at least 0",
            found: *negative,
        });
    }
    if weights.iter().all(|weight| *weight <= 0.0) {
        return Err(Error::TooFewRows {
            needed: 1,
            found: 0,
        });
    }
    Ok(())
}
