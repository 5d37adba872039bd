//! Turns margins into probabilities that mean what they say, from outcomes held back.
//!
//! Does not choose the rows: fitted on rows that the model learned from it would learn nothing.
//! Invariant: a calibrated score never falls where the margin rises.

mod isotonic;
mod platt;

pub use isotonic::Isotonic;
pub use isotonic::interpolate;
pub use platt::Platt;

use crate::Error;
use crate::Result;

/// Weights of no and of yes, both above 0.
fn classes(margins: &[f64], labels: &[bool], weights: Option<&[f64]>) -> Result<[f64; 2]> {
    let length = |what, found| match found == margins.len() {
        true => Ok(()),
        false => Err(Error::Length {
            what,
            expected: margins.len(),
            found,
        }),
    };
    length("labels, one a margin", labels.len())?;
    length(
        "weights, one a margin",
        weights.map_or(margins.len(), <[f64]>::len),
    )?;
    if let Some(index) = margins.iter().position(|margin| !margin.is_finite()) {
        return Err(Error::NotFinite {
            what: "margins",
            index,
        });
    }
    let mut sums = [0.0; 2];
    for (row, label) in labels.iter().enumerate() {
        let weight = weights.map_or(1.0, |weights| weights[row]);
        if !(weight >= 0.0 && weight.is_finite()) {
            return Err(Error::OutOfRange {
                what: "weights",
                expected: "finite and of at least 0",
                found: weight,
            });
        }
        sums[usize::from(*label)] += weight;
    }
    match sums {
        [no, yes] if no > 0.0 && yes > 0.0 => Ok(sums),
        [_, yes] => Err(Error::OneClass { class: yes > 0.0 }),
    }
}

#[cfg(test)]
mod tests;
