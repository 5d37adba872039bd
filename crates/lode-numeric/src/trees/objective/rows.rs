//! What a fit asks of the losses of many rows at once: sums to judge by, the margins it starts
//! from, and the values of leaves that no Newton step gives.
//!
//! Does not grow. Invariant: rows are added in the order they are given.

use super::Objective;
use super::Ranking;
use super::Targets;
use super::pinball;
use crate::Error;
use crate::Result;
use crate::trees::Forest;
use crate::trees::Table;
use crate::trees::grow::Grown;
use crate::trees::grow::LEAF;

impl Targets {
    /// Reads the groups of the table, for the objective that orders within them.
    pub(in super::super) fn grouped(mut self, table: &Table<'_>) -> Result<Self> {
        if let Objective::LambdaRank { truncation } = self.objective {
            let known = (self.targets.as_slice(), self.weights.as_slice());
            self.ranking = Some(Ranking::new(table.groups(), &self.rows, known, truncation)?);
        }
        Ok(self)
    }

    /// Starts from the margins of a model of the same columns and objective.
    pub(in super::super) fn going_on(
        mut self,
        table: &Table<'_>,
        base: &Forest,
        threads: usize,
    ) -> Result<Self> {
        let (expected, found) = (base.objective().code(), self.objective.code());
        if expected.0 != found.0 || expected.1.to_bits() != found.1.to_bits() {
            return Err(Error::Objective {
                expected: base.objective(),
                found: self.objective,
            });
        }
        let mut margins = base.margins(table, threads)?;
        for margin in &mut margins {
            *margin = (*margin - self.offset) / self.scale;
        }
        self.starts = Some(margins);
        Ok(self)
    }

    /// Inside margins before any tree.
    pub(in super::super) fn start_margins(&self) -> Vec<f64> {
        match &self.starts {
            Some(starts) => starts.clone(),
            None => vec![self.start; self.targets.len()],
        }
    }

    /// Sum of the weighted losses of rows; of a ranking, of the groups that they are all of.
    pub(in super::super) fn loss_of(&self, rows: &[u32], margins: &[f64]) -> f64 {
        if let Some(ranking) = &self.ranking {
            return ranking.loss(rows, margins);
        }
        let rows = rows.iter().map(|row| *row as usize);
        rows.map(|row| self.weight(row) * self.inner.loss(margins[row], self.targets[row]))
            .sum()
    }

    /// The weight that [`Targets::loss_of`] is a sum over.
    pub(in super::super) fn weight_of(&self, rows: &[u32]) -> f64 {
        if let Some(ranking) = &self.ranking {
            return ranking.weight(rows);
        }
        rows.iter().map(|row| self.weight(*row as usize)).sum()
    }

    /// Slopes of rows whose loss hangs on other rows; others are left as they are.
    pub(in super::super) fn group_slopes(
        &self,
        margins: &[f64],
        threads: usize,
        slopes: &mut [[f64; 2]],
    ) {
        if let Some(ranking) = &self.ranking {
            ranking.slopes(margins, &self.weights, threads, slopes);
        }
    }

    /// Gives each leaf, and with `all` each other node, the constant that its rows lack most,
    /// where the objective asks for it.
    pub(in super::super) fn renew(&self, grown: &mut Grown, margins: &[f64], all: bool) {
        let Objective::Quantile { alpha } = self.inner else {
            return;
        };
        let mut entries: Vec<(f64, f64)> = Vec::with_capacity(grown.rows.len());
        let mut lacks = |rows: &[u32]| {
            entries.clear();
            entries.extend(rows.iter().map(|row| {
                let row = *row as usize;
                (self.targets[row] - margins[row], self.weight(row))
            }));
            pinball::quantile(&mut entries, alpha)
        };
        let mut ranges = vec![0..0; grown.nodes.len()];
        for leaf in &grown.leaves {
            ranges[leaf.node_idx] = leaf.rows.clone();
        }
        // Children come after their parent, and their rows beside each other.
        for at in (0..grown.nodes.len()).rev() {
            let node = grown.nodes[at];
            if node.column != LEAF {
                if !all {
                    continue;
                }
                ranges[at] = ranges[at + 1].start..ranges[node.right as usize].end;
            }
            grown.nodes[at].value = lacks(&grown.rows[ranges[at].clone()]);
        }
    }
}
