//! Splits rows into folds for cross-validation; stratified, each has its share of both classes.
//!
//! Does not look at anything but labels. Invariant: folds differ by at most one row, and
//! stratified ones by at most one row of each class.

use std::collections::HashMap;

use crate::Error;
use crate::Result;
use crate::Rng;

/// The fold (`0..k`) of each row: seeded, stratified.
///
/// The rows of each class are shuffled (negatives first, then positives) and dealt to the
/// folds in turn; the second class goes on where the first stopped.
///
/// # Errors
/// [`Error::OutOfRange`] for `k` below 2; [`Error::TooFewRows`] when a class has fewer than
/// `k` rows, since then some fold would lack it.
pub fn stratified(labels: &[bool], k: usize, seed: u64) -> Result<Vec<u32>> {
    if k < 2 {
        return Err(Error::OutOfRange {
            what: "folds",
            expected: "of at least 2",
            found: k as f64,
        });
    }
    let mut rng = Rng::new(seed);
    let mut folds = vec![0; labels.len()];
    let mut next = 0;
    for class in [false, true] {
        let mut rows: Vec<usize> = (0..labels.len()).filter(|i| labels[*i] == class).collect();
        if rows.len() < k {
            return Err(Error::TooFewRows {
                needed: k,
                found: rows.len(),
            });
        }
        rng.shuffle(&mut rows);
        for row in rows {
            folds[row] = next;
            next = (next + 1) % k as u32;
        }
    }
    Ok(folds)
}

/// The fold (`0..k`) of each row: seeded, each with its share of every class, as far as a class
/// has rows.
///
/// Rows are shuffled, put together by class, and dealt to the folds in turn.
///
/// # Errors
/// As [`shuffled`].
pub fn by_class(classes: &[u32], k: usize, seed: u64) -> Result<Vec<u32>> {
    shuffled(classes.len(), k, seed)?;
    let mut rows: Vec<usize> = (0..classes.len()).collect();
    Rng::new(seed).shuffle(&mut rows);
    rows.sort_by_key(|row| classes[*row]);
    let mut folds = vec![0; classes.len()];
    for (place, row) in rows.into_iter().enumerate() {
        folds[row] = (place % k) as u32;
    }
    Ok(folds)
}

/// The fold (`0..k`) of each of `n_rows` rows: seeded, shuffled, dealt in turn.
///
/// # Errors
/// [`Error::OutOfRange`] for `k` below 2; [`Error::TooFewRows`] for fewer than `k` rows.
pub fn shuffled(n_rows: usize, k: usize, seed: u64) -> Result<Vec<u32>> {
    if k < 2 {
        return Err(Error::OutOfRange {
            what: "folds",
            expected: "of at least 2",
            found: k as f64,
        });
    }
    if n_rows < k {
        return Err(Error::TooFewRows {
            needed: k,
            found: n_rows,
        });
    }
    let mut rows: Vec<usize> = (0..n_rows).collect();
    Rng::new(seed).shuffle(&mut rows);
    let mut folds = vec![0; n_rows];
    for (place, row) in rows.into_iter().enumerate() {
        folds[row] = (place % k) as u32;
    }
    Ok(folds)
}

/// The fold (`0..k`) of each row, all rows of a group in the same: seeded, and stratified by
/// whether a group has any yes where there are `k` groups of both kinds.
///
/// Rows of one customer at several dates are alike, so that a fold judges nothing when its rows
/// have brothers among those that taught.
///
/// # Errors
/// [`Error::Length`] for labels of another length; as [`shuffled`] of the groups.
pub fn grouped(labels: Option<&[bool]>, groups: &[u32], k: usize, seed: u64) -> Result<Vec<u32>> {
    if let Some(labels) = labels
        && labels.len() != groups.len()
    {
        return Err(Error::Length {
            what: "labels, one a row",
            expected: groups.len(),
            found: labels.len(),
        });
    }
    let mut places: HashMap<u32, usize> = HashMap::new();
    let mut any: Vec<bool> = Vec::new();
    let mut place_of = Vec::with_capacity(groups.len());
    for (row, group) in groups.iter().enumerate() {
        let place = *places.entry(*group).or_insert_with(|| {
            any.push(false);
            any.len() - 1
        });
        any[place] |= labels.is_some_and(|labels| labels[row]);
        place_of.push(place);
    }
    let yes = any.iter().filter(|yes| **yes).count();
    let dealt = if k >= 2 && yes.min(any.len() - yes) >= k {
        stratified(&any, k, seed)?
    } else {
        shuffled(any.len(), k, seed)?
    };
    Ok(place_of.into_iter().map(|place| dealt[place]).collect())
}

#[cfg(test)]
mod tests;
