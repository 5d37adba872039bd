//! EASE: a linear model of items by items in closed form.
//!
//! Does not fit catalogues whose matrix does not fit into memory. Invariant: no item explains
//! itself.

mod tiles;

use crate::Error;
use crate::Progress;
use crate::Result;
use crate::neighbors::Lists;
use crate::neighbors::Sparse;
use crate::parallel;
use tiles::SIDE;
use tiles::Tiles;

/// What [`fit`] may be told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EaseParams {
    /// Added to the diagonal: how much evidence a weight must have; above 0, in people for
    /// weights of 1.
    pub regularization: f64,
    /// Weights kept of each item that is scored, the largest in size; 0 keeps all.
    pub limit: usize,
    /// Items at most: memory grows with their square, 4 bytes each pair, and time with their
    /// cube.
    pub max_items: usize,
    /// Threads that may be used; no effect on the result.
    pub threads: usize,
}

impl Default for EaseParams {
    fn default() -> Self {
        Self {
            regularization: 100.0,
            limit: 0,
            max_items: 20_000,
            threads: 1,
        }
    }
}

/// Weights of items in the score of others: in the list of item `i`, item `j` has the weight
/// that having `i` adds to the score of `j`, below 0 where it speaks against it.
///
/// For catalogues of up to some thousand items, where it is often the best of the linear models.
///
/// # Input
/// `people`: shape `(n_people, n_items)`, 1 where a person has an item, or how much it counts.
///
/// # Output
/// [`Lists`], by falling weight, ties by item; weights of any sign but 0; `both` is 0.
///
/// # Parameters
/// [`EaseParams`].
///
/// # Method
/// The least squares fit of `X` by `X B` with a penalty `regularization |B|^2` and a diagonal of 0:
/// `P = (X'X + regularization I)^-1`, `B_ij = -P_ij / P_jj`. Sums in 64 bits, the inverse by
/// sweeps of tiles of 64 x 64.
///
/// # Determinism and cost
/// No randomness; bits do not depend on threads. n_items^3 / 2 multiplications: 3,700 items take
/// some seconds, 20,000 some minutes. Memory: 4 bytes a pair of items for the matrix, and for the
/// result 12 bytes a weight that is kept.
///
/// # Errors
/// [`Error::OutOfRange`] for a parameter or more items than `max_items`; [`Error::Singular`] where
/// rounding has eaten a pivot: a larger regularization helps; [`Error::Cancelled`].
///
/// # Source
/// H. Steck, "Embarrassingly shallow autoencoders for sparse data", WWW 2019,
/// doi:10.1145/3308558.3313710, equation 8. Deviation: weights may be cut by item.
///
/// # Example
/// ```
/// use lode_numeric::ease::{self, EaseParams};
/// use lode_numeric::neighbors::Sparse;
/// let entries = vec![(0, 0, 1.0), (0, 1, 1.0), (1, 0, 1.0), (2, 1, 1.0)];
/// let people = Sparse::from_entries(entries, 3, 2)?;
/// let params = EaseParams { regularization: 1.0, ..EaseParams::default() };
/// let found = ease::fit(&people, &params, &lode_numeric::go_on)?;
/// // P is the inverse of (3 1 | 1 3), so that B is 1/3 beside the diagonal.
/// assert!((found.get(0).similarities[0] - 1.0 / 3.0).abs() < 1e-6);
/// # Ok::<(), lode_numeric::Error>(())
/// ```
pub fn fit(people: &Sparse, params: &EaseParams, progress: Progress<'_>) -> Result<Lists> {
    if !(params.regularization > 0.0 && params.regularization.is_finite()) {
        return Err(Error::OutOfRange {
            what: "regularization",
            expected: "above 0",
            found: params.regularization,
        });
    }
    if people.n_cols() > params.max_items {
        return Err(Error::OutOfRange {
            what: "items",
            expected: "of at most max_items: the time of this method grows with their cube",
            found: people.n_cols() as f64,
        });
    }
    let threads = params.threads.max(1);
    let mut tiles = gram(people, threads);
    for item in 0..people.n_cols() {
        *tiles.diagonal(item) += params.regularization;
    }
    tiles.invert(threads, &|share| progress(0.05 + 0.9 * share))?;
    Ok(weights(&tiles, params.limit, threads))
}

/// Sums over people of the products of two items' weights.
fn gram(people: &Sparse, threads: usize) -> Tiles {
    let items = people.transposed();
    let mut tiles = Tiles::new(people.n_cols());
    let filled = parallel::map_chunks(tiles.rows.len(), 1, threads, |range| {
        let row = range.start;
        let mut tiles = vec![0.0; (row + 1) * SIDE * SIDE];
        let mut sums = vec![0.0; (row + 1) * SIDE];
        for own in 0..SIDE.min(people.n_cols() - row * SIDE) {
            let item = row * SIDE + own;
            let (holders, weights) = items.row(item);
            for (person, weight) in holders.iter().zip(weights) {
                let (others, other_weights) = people.row(*person as usize);
                for (other, other_weight) in others.iter().zip(other_weights) {
                    if *other as usize > item {
                        break;
                    }
                    sums[*other as usize] += weight * other_weight;
                }
            }
            for (sums, tile) in sums
                .chunks_exact_mut(SIDE)
                .zip(tiles.chunks_exact_mut(SIDE * SIDE))
            {
                tile[own * SIDE..own * SIDE + SIDE].copy_from_slice(sums);
                sums.fill(0.0);
            }
        }
        tiles
    });
    for (row, mut filled) in filled.into_iter().enumerate() {
        let diagonal = row * SIDE * SIDE;
        for own in 0..SIDE {
            for other in own + 1..SIDE {
                filled[diagonal + own * SIDE + other] = filled[diagonal + other * SIDE + own];
            }
            if row * SIDE + own >= people.n_cols() {
                filled[diagonal + own * SIDE + own] = 1.0;
            }
        }
        tiles.rows[row] = filled;
    }
    tiles
}

/// `B` from minus the inverse, cut by column, turned into lists by row.
fn weights(tiles: &Tiles, limit: usize, threads: usize) -> Lists {
    let n_items = tiles.size();
    let limit = if limit == 0 { n_items } else { limit };
    let columns = parallel::map_chunks(n_items, SIDE, threads, |range| {
        range
            .map(|column| {
                let own = tiles.get(column, column);
                let mut kept: Vec<(u32, f32)> = (0..n_items)
                    .filter(|row| *row != column)
                    .map(|row| (row as u32, (-tiles.get(row, column) / own) as f32))
                    .filter(|(_, weight)| weight.abs() > 0.0)
                    .collect();
                if kept.len() > limit {
                    kept.select_nth_unstable_by(limit - 1, |a, b| {
                        b.1.abs().total_cmp(&a.1.abs()).then(a.0.cmp(&b.0))
                    });
                    kept.truncate(limit);
                }
                kept
            })
            .collect::<Vec<_>>()
    });
    let mut by_row = vec![Vec::new(); n_items];
    for (column, kept) in columns.into_iter().flatten().enumerate() {
        for (row, weight) in kept {
            by_row[row as usize].push((column as u32, weight));
        }
    }
    parallel::map_mut(&mut by_row, threads, |_, list| {
        list.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    });
    Lists::of_weights(&by_row)
}

#[cfg(test)]
mod tests;
