//! How good the answers are where a row is of one of several classes.
//!
//! Does not choose a class; the caller says which one was chosen. Invariant: a class that no row
//! is of and that none was taken for has no part in any mean.

use crate::Error;
use crate::Result;

/// Probabilities are kept this far from 0, so that one row cannot make a mean infinite.
const LEAST: f64 = 1e-15;

/// Rows by the class that they are of and the class that was chosen for them.
#[derive(Clone, Debug, PartialEq)]
pub struct Classified {
    n_classes: usize,
    /// Weights of shape `(actual, chosen)`.
    counts: Vec<f64>,
}

/// How one class fared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OfClass {
    /// Weight of the rows of the class.
    pub rows: f64,
    /// Weight of the rows that it was chosen for.
    pub chosen: f64,
    /// Weight of the rows of both.
    pub hits: f64,
}

impl OfClass {
    /// Share of its rows among those that it was chosen for; none where it was never chosen.
    pub fn precision(&self) -> Option<f64> {
        (self.chosen > 0.0).then(|| self.hits / self.chosen)
    }

    /// Share of its rows for which it was chosen; none where it has no rows.
    pub fn recall(&self) -> Option<f64> {
        (self.rows > 0.0).then(|| self.hits / self.rows)
    }

    /// `2 hits / (rows + chosen)`, the harmonic mean of precision and recall; none where it has
    /// no rows and was never chosen.
    pub fn f1(&self) -> Option<f64> {
        let all = self.rows + self.chosen;
        (all > 0.0).then(|| 2.0 * self.hits / all)
    }
}

impl Classified {
    /// Counts rows; no weights are all 1.
    ///
    /// # Errors
    /// [`Error::Length`] for lists of different lengths, [`Error::OutOfRange`] for no class of
    /// the `n_classes`, [`Error::TooFewRows`] without a row of weight.
    pub fn new(
        n_classes: usize,
        actual: &[u32],
        chosen: &[u32],
        weights: Option<&[f64]>,
    ) -> Result<Self> {
        same_length("chosen classes, one a row", actual.len(), chosen.len())?;
        if let Some(weights) = weights {
            same_length("weights, one a row", actual.len(), weights.len())?;
        }
        let mut counts = vec![0.0; n_classes * n_classes];
        for (row, (actual, chosen)) in actual.iter().zip(chosen).enumerate() {
            let [actual, chosen] = [checked(*actual, n_classes)?, checked(*chosen, n_classes)?];
            counts[actual * n_classes + chosen] += weights.map_or(1.0, |all| all[row]);
        }
        let found = Self { n_classes, counts };
        match found.rows() > 0.0 {
            true => Ok(found),
            false => Err(Error::TooFewRows {
                needed: 1,
                found: 0,
            }),
        }
    }

    /// Weight of all rows.
    pub fn rows(&self) -> f64 {
        self.counts.iter().sum()
    }

    /// Weight of the rows of one class that another (or the same) was chosen for.
    pub fn count(&self, actual: usize, chosen: usize) -> f64 {
        self.counts[actual * self.n_classes + chosen]
    }

    /// Share of the rows whose own class was chosen.
    pub fn accuracy(&self) -> f64 {
        let hits: f64 = (0..self.n_classes)
            .map(|class| self.count(class, class))
            .sum();
        hits / self.rows()
    }

    /// How one class fared.
    pub fn of_class(&self, class: usize) -> OfClass {
        let all = 0..self.n_classes;
        OfClass {
            rows: all.clone().map(|chosen| self.count(class, chosen)).sum(),
            chosen: all.map(|actual| self.count(actual, class)).sum(),
            hits: self.count(class, class),
        }
    }

    /// The mean of F1 over the classes that have rows or were chosen, each counting alike.
    pub fn macro_f1(&self) -> f64 {
        let scores: Vec<f64> = (0..self.n_classes)
            .filter_map(|class| self.of_class(class).f1())
            .collect();
        scores.iter().sum::<f64>() / scores.len().max(1) as f64
    }
}

/// `-log p` of each row's own class. Probabilities are of shape `(rows, n_classes)`, row by row.
///
/// # Errors
/// [`Error::Length`] for another number of them, [`Error::OutOfRange`] for no class.
pub fn class_losses(n_classes: usize, probabilities: &[f64], actual: &[u32]) -> Result<Vec<f64>> {
    let expected = actual.len() * n_classes;
    same_length(
        "probabilities, one a row and class",
        expected,
        probabilities.len(),
    )?;
    let rows = actual.iter().enumerate();
    rows.map(|(row, class)| {
        let p = probabilities[row * n_classes + checked(*class, n_classes)?];
        Ok(-p.clamp(LEAST, 1.0).ln())
    })
    .collect()
}

fn checked(class: u32, n_classes: usize) -> Result<usize> {
    match (class as usize) < n_classes {
        true => Ok(class as usize),
        false => Err(Error::OutOfRange {
            what: "class",
            expected: "below the number of classes",
            found: f64::from(class),
        }),
    }
}

fn same_length(what: &'static str, expected: usize, found: usize) -> Result<()> {
    match expected == found {
        true => Ok(()),
        false => Err(Error::Length {
            what,
            expected,
            found,
        }),
    }
}

#[cfg(test)]
mod tests;
