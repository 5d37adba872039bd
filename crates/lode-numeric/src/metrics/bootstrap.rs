//! Intervals of any measure by drawing rows again and again.
//!
//! Does not refit anything: it says how much a number hangs on which rows were judged, not on
//! which were learned from. Invariant: each draw has its own stream of the seed, so that threads
//! make no difference.

use crate::Rng;
use crate::parallel;

/// How rows are drawn: as many as there are, with replacement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bootstrap<'a> {
    /// Draws.
    pub replicates: usize,
    /// Of the draws.
    pub seed: u64,
    /// Threads that may be used.
    pub threads: usize,
    /// Rows of one number are drawn together (a customer's rows of several dates); numbers from
    /// 0 on, without gaps.
    pub clusters: Option<&'a [u32]>,
}

/// Where 95% of the draws lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// 2.5% lie below.
    pub low: f64,
    /// 2.5% lie above.
    pub high: f64,
}

impl Bootstrap<'_> {
    /// Percentile intervals of several measures at once.
    ///
    /// `measure` gets the weight of each row in a draw (how often it was drawn, times its own
    /// weight) and gives as many numbers each time; one that a draw does not have (no yes row was
    /// drawn) is left out of its interval. None where half of the draws have none.
    ///
    /// B. Efron, R. Tibshirani, "An Introduction to the Bootstrap", 1993, section 13.3.
    pub fn intervals(
        &self,
        n_rows: usize,
        weights: Option<&[f64]>,
        measure: &(dyn Fn(&[f64]) -> Vec<Option<f64>> + Sync),
    ) -> Vec<Option<Interval>> {
        let draws = self.draws(n_rows, weights, measure);
        let n_measures = draws.iter().map(Vec::len).max().unwrap_or(0);
        (0..n_measures)
            .map(|index| {
                let values = draws.iter().filter_map(|draw| *draw.get(index)?);
                let mut values: Vec<f64> = values.collect();
                if values.is_empty() || values.len() * 2 < self.replicates {
                    return None;
                }
                values.sort_unstable_by(f64::total_cmp);
                Some(Interval {
                    low: quantile(&values, 0.025),
                    high: quantile(&values, 0.975),
                })
            })
            .collect()
    }

    /// What `measure` gives for each draw, as [`Bootstrap::intervals`] asks it.
    pub fn draws(
        &self,
        n_rows: usize,
        weights: Option<&[f64]>,
        measure: &(dyn Fn(&[f64]) -> Vec<Option<f64>> + Sync),
    ) -> Vec<Vec<Option<f64>>> {
        let n_clusters = match self.clusters {
            Some(clusters) => clusters.iter().max().map_or(0, |last| *last as usize + 1),
            None => n_rows,
        };
        parallel::map_chunks(self.replicates, 1, self.threads, |range| {
            let mut rng = Rng::stream(self.seed, range.start as u64);
            let mut drawn = vec![0.0; n_clusters];
            for _ in 0..n_clusters {
                drawn[rng.index(n_clusters)] += 1.0;
            }
            let mut of_row: Vec<f64> = match self.clusters {
                Some(clusters) => clusters
                    .iter()
                    .map(|cluster| drawn[*cluster as usize])
                    .collect(),
                None => drawn,
            };
            for (drawn, weight) in of_row.iter_mut().zip(weights.into_iter().flatten()) {
                *drawn *= weight;
            }
            measure(&of_row)
        })
    }
}

/// Linear between the order statistics, as numpy does it.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let at = share * (sorted.len() - 1) as f64;
    let low = at.floor() as usize;
    let high = (low + 1).min(sorted.len() - 1);
    sorted[low] + (at - at.floor()) * (sorted[high] - sorted[low])
}
