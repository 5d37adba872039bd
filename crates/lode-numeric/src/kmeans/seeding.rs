//! Where a start of k-means begins: greedy k-means++.
//!
//! Does not assign rows. Invariant: no two seeds are the same point.

use super::assign::Centers;
use super::assign::squared_distance;
use crate::Error;
use crate::Result;
use crate::Rng;
use crate::Rows;
use crate::parallel;

/// k seeds among `rows`; needs k different rows.
pub(super) fn choose(
    rows: Rows<'_>,
    k: usize,
    threads: usize,
    rng: &mut Rng,
    tick: &dyn Fn() -> Result<()>,
) -> Result<Centers> {
    let n_trials = 2 + (k as f64).ln() as usize;
    let first = rng.index(rows.n_rows());
    let mut seeds = rows.row(first).to_vec();
    let mut closest = Closest::to(rows, first, threads);
    for found in 1..k {
        tick()?;
        if closest.potential <= 0.0 {
            return Err(Error::TooFewDistinctRows { needed: k, found });
        }
        let mut best: Option<(usize, Closest)> = None;
        for _ in 0..n_trials {
            let candidate = closest.draw(rng);
            let with = closest.with(rows, candidate, threads);
            if best
                .as_ref()
                .is_none_or(|(_, best)| with.potential < best.potential)
            {
                best = Some((candidate, with));
            }
        }
        let (row, with) = best.expect("at least two candidates were tried");
        seeds.extend_from_slice(rows.row(row));
        closest = with;
    }
    Ok(Centers::new(seeds, rows.n_cols()))
}

/// Each row's squared distance to the nearest seed so far, in chunks with their sums.
struct Closest {
    chunks: Vec<(Vec<f64>, f64)>,
    potential: f64,
    chunk: usize,
}

impl Closest {
    fn to(rows: Rows<'_>, seed: usize, threads: usize) -> Self {
        let chunk = parallel::chunk_rows(rows.n_rows(), 1);
        Self::measure(rows, seed, threads, chunk, |_, _| f64::INFINITY)
    }

    fn with(&self, rows: Rows<'_>, seed: usize, threads: usize) -> Self {
        Self::measure(rows, seed, threads, self.chunk, |chunk_idx, offset| {
            self.chunks[chunk_idx].0[offset]
        })
    }

    fn measure(
        rows: Rows<'_>,
        seed: usize,
        threads: usize,
        chunk: usize,
        before: impl Fn(usize, usize) -> f64 + Sync,
    ) -> Self {
        let seed = rows.row(seed);
        let chunks = parallel::map_chunks(rows.n_rows(), chunk, threads, |range| {
            let chunk_idx = range.start / chunk;
            let distances: Vec<f64> = range
                .enumerate()
                .map(|(offset, row)| {
                    squared_distance(rows.row(row), seed).min(before(chunk_idx, offset))
                })
                .collect();
            let sum = distances.iter().sum();
            (distances, sum)
        });
        let potential = chunks.iter().map(|(_, sum)| sum).sum();
        Self {
            chunks,
            potential,
            chunk,
        }
    }

    /// A row drawn in proportion to its squared distance; never one at distance 0.
    fn draw(&self, rng: &mut Rng) -> usize {
        let target = rng.uniform() * self.potential;
        let mut passed = 0.0;
        let mut last = 0;
        for (chunk_idx, (distances, sum)) in self.chunks.iter().enumerate() {
            let is_last = chunk_idx + 1 == self.chunks.len();
            if *sum <= 0.0 || (passed + sum <= target && !is_last) {
                passed += sum;
                continue;
            }
            let mut within = passed;
            for (offset, distance) in distances.iter().enumerate() {
                if *distance > 0.0 {
                    within += distance;
                    last = chunk_idx * self.chunk + offset;
                    if within > target {
                        return last;
                    }
                }
            }
            passed += sum;
        }
        last
    }
}
