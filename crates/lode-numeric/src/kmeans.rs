//! Splits rows into k groups by distance to a center (k-means).
//!
//! Does not scale columns, fill gaps or name groups. Invariant: groups that [`fit`] finds are
//! ordered by size, largest first, equal sizes by their centers' numbers; those of [`fit_from`]
//! keep the order of the centers that they started from.

mod assign;
mod lloyd;
mod seeding;
mod silhouette;

pub use assign::Centers;
pub use silhouette::silhouette;

use crate::Error;
use crate::Progress;
use crate::Result;
use crate::Rng;
use crate::Rows;

/// What [`fit`] may be told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KMeansParams {
    /// Groups, at least 1.
    pub k: usize,
    /// Starts from different seeds, at least 1; the best is kept.
    pub restarts: usize,
    /// Rounds a start may take, at least 1.
    pub max_iterations: usize,
    /// A start ends when its centers' squared moves add up to this times the mean variance
    /// of the columns, or less; 0 goes on until nothing changes.
    pub tolerance: f64,
    /// Seed of the starts.
    pub seed: u64,
    /// Threads that may be used; no effect on the result.
    pub threads: usize,
}

/// What [`fit`] or [`fit_from`] found.
#[derive(Clone, Debug, PartialEq)]
pub struct KMeansFit {
    /// The centers; those of [`fit`] largest group first.
    pub centers: Centers,
    /// Group of each row.
    pub labels: Vec<u32>,
    /// Distance of each row to its center.
    pub distances: Vec<f64>,
    /// Rows of each group.
    pub sizes: Vec<u64>,
    /// Sum of squared distances.
    pub inertia: f64,
    /// Rounds of the best start.
    pub iterations: usize,
    /// Whether the best start ended by itself, within its rounds.
    pub converged: bool,
}

/// Finds k centers that make the sum of squared distances small.
///
/// For round groups of like spread on columns of like scale; not for long or nested shapes,
/// and not for categories.
///
/// # Input
/// `rows`, shape `(n_rows, n_cols)`: finite numbers, best standardized first. No nulls.
///
/// # Output
/// [`KMeansFit`]. A group can end without rows only where the rounds ran out.
///
/// # Parameters
/// [`KMeansParams`].
///
/// # Method
/// Per start: greedy k-means++ (each next center is the best of `2 + floor(ln k)` candidates,
/// drawn in proportion to the squared distance to the nearest center so far); then rounds of
/// "assign each row to its nearest center, move each center to the mean of its rows". Ties go
/// to the lower center. Hamerly's bounds skip rows that cannot change; distances are sums of
/// squared differences, never the expanded form. A center that loses all its rows takes the
/// row that lies farthest from its own center. The start of least inertia is kept, the
/// earliest on a tie.
///
/// # Determinism and cost
/// Start r draws from stream r of the seed; chunks are reduced in order, so the bits do not
/// depend on threads. O(restarts * iterations * n * k * d) at worst, much less once bounds
/// bite; O(n + k * d) numbers of memory beside the input.
///
/// # Errors
/// [`Error::OutOfRange`] for a parameter; [`Error::TooFewRows`] or
/// [`Error::TooFewDistinctRows`] when there are fewer (different) rows than groups: ask for
/// fewer groups; [`Error::Cancelled`].
///
/// # Source
/// D. Arthur, S. Vassilvitskii, "k-means++: the advantages of careful seeding", SODA 2007;
/// its greedy form as in scikit-learn's `kmeans_plusplus`; S. Lloyd, 1982,
/// doi:10.1109/TIT.1982.1056489; G. Hamerly, "Making k-means even faster", SDM 2010,
/// doi:10.1137/1.9781611972801.12. Deviations: bounds are widened by 1e-9 of each move
/// against rounding; the tolerance is scikit-learn's.
///
/// # Example
/// ```
/// use lode_numeric::{Rows, kmeans};
/// let rows = Rows::new(&[0.0, 0.2, 5.0, 5.2, 5.1], 1)?;
/// let params = kmeans::KMeansParams {
///     k: 2, restarts: 3, max_iterations: 100, tolerance: 0.0, seed: 1, threads: 1,
/// };
/// let fit = kmeans::fit(rows, &params, &lode_numeric::go_on)?;
/// assert_eq!(fit.labels, [1, 1, 0, 0, 0]);
/// # Ok::<(), lode_numeric::Error>(())
/// ```
pub fn fit(rows: Rows<'_>, params: &KMeansParams, progress: Progress<'_>) -> Result<KMeansFit> {
    check(rows, params)?;
    let total_rounds = (params.restarts * (params.max_iterations + 1)) as f64;
    let threshold = params.tolerance * mean_variance(rows, params.threads)?;
    let mut best: Option<lloyd::Run> = None;
    for start in 0..params.restarts {
        let before = (start * (params.max_iterations + 1)) as f64;
        let tick = |round: usize| {
            if progress((before + round as f64) / total_rounds) {
                Ok(())
            } else {
                Err(Error::Cancelled)
            }
        };
        tick(0)?;
        let mut rng = Rng::stream(params.seed, start as u64);
        let seeds = seeding::choose(rows, params.k, params.threads, &mut rng, &|| tick(0))?;
        let run = lloyd::run(rows, seeds, params, threshold, &tick)?;
        if best.as_ref().is_none_or(|best| run.inertia < best.inertia) {
            best = Some(run);
        }
    }
    let best = best.expect("restarts is at least 1, as checked");
    Ok(in_order_of_size(best))
}

/// Moves given centers to where they make the sum of squared distances small; group i is the
/// one that center i became.
///
/// For rows that were split before and have changed since: groups keep their numbers. One
/// start, the centers given; else as [`fit`], whose Input and Method hold. Seed and `restarts`
/// have no effect, and the groups are not put in order of size.
///
/// # Errors
/// As [`fit`]; [`Error::Length`] when the centers are not `k` of as many numbers as the rows
/// have, [`Error::NotFinite`] when one is not finite.
pub fn fit_from(
    rows: Rows<'_>,
    params: &KMeansParams,
    centers: Centers,
    progress: Progress<'_>,
) -> Result<KMeansFit> {
    check(rows, params)?;
    if centers.n_cols() != rows.n_cols() || centers.k() != params.k {
        return Err(Error::Length {
            what: "numbers of the centers",
            expected: params.k * rows.n_cols(),
            found: centers.values().len(),
        });
    }
    // Only to see that all are finite.
    Rows::new(centers.values(), rows.n_cols())?;
    let threshold = params.tolerance * mean_variance(rows, params.threads)?;
    let tick = |round: usize| match progress(round as f64 / params.max_iterations as f64) {
        true => Ok(()),
        false => Err(Error::Cancelled),
    };
    let run = lloyd::run(rows, centers, params, threshold, &tick)?;
    Ok(KMeansFit {
        centers: run.centers,
        labels: run.labels,
        distances: run.distances,
        sizes: run.sizes,
        inertia: run.inertia,
        iterations: run.iterations,
        converged: run.converged,
    })
}

fn check(rows: Rows<'_>, params: &KMeansParams) -> Result<()> {
    let at_least_one = [
        ("k", params.k),
        ("restarts", params.restarts),
        ("max_iterations", params.max_iterations),
    ];
    for (what, value) in at_least_one {
        if value == 0 {
            return Err(Error::OutOfRange {
                what,
                expected: "of at least 1",
                found: 0.0,
            });
        }
    }
    if !(params.tolerance >= 0.0 && params.tolerance.is_finite()) {
        return Err(Error::OutOfRange {
            what: "tolerance",
            expected: "of at least 0",
            found: params.tolerance,
        });
    }
    if rows.n_rows() < params.k {
        return Err(Error::TooFewRows {
            needed: params.k,
            found: rows.n_rows(),
        });
    }
    Ok(())
}

fn mean_variance(rows: Rows<'_>, threads: usize) -> Result<f64> {
    let scale = crate::standardize::Standardizer::fit(rows, threads)?.scale;
    let total: f64 = scale.iter().map(|scale| scale * scale).sum();
    Ok(total / rows.n_cols() as f64)
}

fn in_order_of_size(run: lloyd::Run) -> KMeansFit {
    let k = run.sizes.len();
    let mut order: Vec<usize> = (0..k).collect();
    order.sort_by(|a, b| {
        let by_center = || {
            let (a, b) = (run.centers.center(*a), run.centers.center(*b));
            let differing = a.iter().zip(b).map(|(a, b)| a.total_cmp(b));
            differing
                .into_iter()
                .find(|order| order.is_ne())
                .unwrap_or(std::cmp::Ordering::Equal)
        };
        run.sizes[*b].cmp(&run.sizes[*a]).then_with(by_center)
    });
    let mut place = vec![0; k];
    for (new, old) in order.iter().enumerate() {
        place[*old] = new as u32;
    }
    let values = order
        .iter()
        .flat_map(|old| run.centers.center(*old).iter().copied())
        .collect();
    KMeansFit {
        centers: Centers::new(values, run.centers.n_cols()),
        labels: run.labels.iter().map(|old| place[*old as usize]).collect(),
        distances: run.distances,
        sizes: order.iter().map(|old| run.sizes[*old]).collect(),
        inertia: run.inertia,
        iterations: run.iterations,
        converged: run.converged,
    }
}

#[cfg(test)]
mod tests;
