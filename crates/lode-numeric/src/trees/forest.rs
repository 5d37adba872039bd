//! A learned sum of trees, with what it needs to score rows it has never seen.
//!
//! Does not learn. Invariant: every node names a binned column and nodes after it, so that
//! each walk ends; scoring a row depends on that row alone.

use super::Column;
use super::Objective;
use super::Table;
use super::bins::Derived;
use super::grow::Node;
use super::walk::Compiled;
use super::walk::Lanes;
use crate::Error;
use crate::Result;
use crate::parallel;

/// A model of trees: what [`super::gbdt::fit`] and [`super::tree::fit`] give.
///
/// # Input
/// Tables with the columns of training, in its order and of its kinds. NaN and codes that
/// training did not see are missing values.
///
/// # Output
/// Margins in the unit of the link (log odds, the target's own unit, or its logarithm), means
/// in the unit of the target, contributions in the unit of the margin.
///
/// # Determinism and cost
/// No randomness; the bits do not depend on threads or on which rows are scored together.
/// Scoring costs O(columns + trees leaves / 32) a row for trees of up to 256 leaves, else
/// O(trees depth).
///
/// # Errors
/// [`Error::Length`] for another number of columns, [`Error::Columns`] for another kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Forest {
    pub(super) objective: Objective,
    /// Of each column: none for a number, else the number of levels.
    pub(super) kinds: Vec<Option<u32>>,
    pub(super) derived: Vec<Derived>,
    pub(super) trees: Vec<Vec<Node>>,
    /// Margin without any tree.
    pub(super) start: f64,
    /// What scoring reads in place of the trees, once it is asked for.
    pub(super) compiled: Compiled,
}

impl Forest {
    /// What the model was trained to predict.
    pub fn objective(&self) -> Objective {
        self.objective
    }

    /// Columns it needs.
    pub fn n_cols(&self) -> usize {
        self.kinds.len()
    }

    /// Trees it sums up.
    pub fn n_trees(&self) -> usize {
        self.trees.len()
    }

    /// Levels of a category column in training; none for a number column or no column.
    pub fn n_levels(&self, column: usize) -> Option<u32> {
        self.kinds.get(column).copied().flatten()
    }

    /// Margin of each row.
    ///
    /// # Errors
    /// As the type says.
    pub fn margins(&self, table: &Table<'_>, threads: usize) -> Result<Vec<f64>> {
        self.margins_with(table, threads, Lanes::best())
    }

    pub(super) fn margins_with(
        &self,
        table: &Table<'_>,
        threads: usize,
        lanes: Lanes,
    ) -> Result<Vec<f64>> {
        self.check(table)?;
        let walker = self.compiled.walker(self);
        let mut margins = vec![0.0; table.n_rows()];
        let chunk = parallel::chunk_rows(table.n_rows(), 0);
        let mut chunks: Vec<&mut [f64]> = margins.chunks_mut(chunk).collect();
        parallel::map_mut(&mut chunks, threads, |index, margins| {
            let first = index * chunk;
            walker.margins(table, first..first + margins.len(), lanes, margins);
        });
        Ok(margins)
    }

    /// Expected target of each row: [`Objective::mean`] of its margin.
    ///
    /// # Errors
    /// As the type says.
    pub fn means(&self, table: &Table<'_>, threads: usize) -> Result<Vec<f64>> {
        let mut margins = self.margins(table, threads)?;
        margins
            .iter_mut()
            .for_each(|margin| *margin = self.objective.mean(*margin));
        Ok(margins)
    }

    /// The bytes of one row.
    pub(super) fn bin_row(&self, table: &Table<'_>, row: usize, bins: &mut [u8]) {
        for (bin, derived) in bins.iter_mut().zip(&self.derived) {
            *bin = derived
                .binning
                .bin_of(&table.columns()[derived.source as usize], row);
        }
    }

    /// Whether a table has the columns of training.
    pub(super) fn check(&self, table: &Table<'_>) -> Result<()> {
        if table.n_cols() != self.kinds.len() {
            return Err(Error::Length {
                what: "columns",
                expected: self.kinds.len(),
                found: table.n_cols(),
            });
        }
        for (index, (kind, column)) in self.kinds.iter().zip(table.columns()).enumerate() {
            let (expected, found) = match (kind, column) {
                (None, Column::Category { .. }) => ("numbers", "categories"),
                (Some(_), Column::Number(_)) => ("categories", "numbers"),
                _ => continue,
            };
            return Err(Error::Columns {
                index,
                expected,
                found,
            });
        }
        Ok(())
    }
}

/// Kinds of the columns of a table, as a model remembers them.
pub(super) fn kinds(table: &Table<'_>) -> Vec<Option<u32>> {
    table
        .columns()
        .iter()
        .map(|column| match column {
            Column::Number(_) => None,
            Column::Category { n_levels, .. } => Some(*n_levels),
        })
        .collect()
}
