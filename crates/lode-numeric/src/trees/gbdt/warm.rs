//! A model with more trees behind its own.
//!
//! Does not learn. Invariant: the margin of a row is that of the first model plus what the new
//! trees add to it.

use super::super::Forest;
use super::super::Table;
use super::super::forest;
use super::super::grow::LEAF;
use crate::Error;
use crate::Result;

/// Refuses a model of other columns than those of `table`, levels included.
pub(super) fn check(base: &Forest, table: &Table<'_>) -> Result<()> {
    base.check(table)?;
    for (expected, found) in base.kinds.iter().zip(forest::kinds(table)) {
        if *expected != found {
            return Err(Error::Length {
                what: "levels of a category column, as the model to go on from has",
                expected: expected.unwrap_or(0) as usize,
                found: found.unwrap_or(0) as usize,
            });
        }
    }
    Ok(())
}

/// `base`, and the trees of `more` that were grown from its margins.
pub(super) fn joined(base: &Forest, mut more: Forest) -> Forest {
    // Stored forests have fewer than 2^32 binnings.
    let first = base.derived.len() as u32;
    let nodes = more.trees.iter_mut().flatten();
    for node in nodes.filter(|node| node.column != LEAF) {
        node.column += first;
    }
    let mut model = base.clone();
    // What was compiled has no new trees.
    model.compiled = Default::default();
    model.derived.append(&mut more.derived);
    model.trees.append(&mut more.trees);
    model
}

#[cfg(test)]
mod tests;
