//! Finds, for each item, the items that the same people took: cosine between item columns.
//!
//! Does not know names, only indexes. Invariant: similarity is symmetric; an item is never
//! its own neighbor.

use crate::Error;
use crate::Progress;
use crate::Result;
use crate::parallel;

/// A sparse table of people by items, row by row.
#[derive(Clone, Debug, PartialEq)]
pub struct Sparse {
    /// Where each row's entries begin; one more than rows.
    starts: Vec<usize>,
    columns: Vec<u32>,
    weights: Vec<f64>,
    n_cols: usize,
}

impl Sparse {
    /// Builds the table from `(row, column, weight)` entries in any order.
    ///
    /// Several entries of one cell are added up in the order of their weights, so the order
    /// in which they come does not matter.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for an index past the shape; [`Error::NotFinite`] for a weight.
    pub fn from_entries(
        mut entries: Vec<(u32, u32, f64)>,
        n_rows: usize,
        n_cols: usize,
    ) -> Result<Self> {
        for (index, (row, column, weight)) in entries.iter().enumerate() {
            if *row as usize >= n_rows || *column as usize >= n_cols {
                return Err(Error::OutOfRange {
                    what: "row and column",
                    expected: "inside the table",
                    found: f64::from((*row).max(*column)),
                });
            }
            if !weight.is_finite() {
                return Err(Error::NotFinite {
                    what: "weights",
                    index,
                });
            }
        }
        entries.sort_unstable_by(|a, b| (a.0, a.1).cmp(&(b.0, b.1)).then(a.2.total_cmp(&b.2)));
        let mut table = Self {
            starts: vec![0; n_rows + 1],
            columns: Vec::with_capacity(entries.len()),
            weights: Vec::with_capacity(entries.len()),
            n_cols,
        };
        let mut last = None;
        for (row, column, weight) in entries {
            if last == Some((row, column)) {
                *table.weights.last_mut().expect("an entry came before") += weight;
            } else {
                table.columns.push(column);
                table.weights.push(weight);
                table.starts[row as usize + 1] += 1;
                last = Some((row, column));
            }
        }
        for row in 0..n_rows {
            table.starts[row + 1] += table.starts[row];
        }
        Ok(table)
    }

    /// The same cells, each of weight 1.
    #[must_use]
    pub fn binary(mut self) -> Self {
        self.weights.fill(1.0);
        self
    }

    /// How many rows.
    pub fn n_rows(&self) -> usize {
        self.starts.len() - 1
    }

    /// How many columns.
    pub fn n_cols(&self) -> usize {
        self.n_cols
    }

    /// The columns of one row's entries, ascending, and their weights.
    pub fn row(&self, row: usize) -> (&[u32], &[f64]) {
        let range = self.starts[row]..self.starts[row + 1];
        (&self.columns[range.clone()], &self.weights[range])
    }

    /// The table with rows and columns exchanged.
    #[must_use]
    pub fn transposed(&self) -> Self {
        let mut starts = vec![0; self.n_cols + 1];
        for column in &self.columns {
            starts[*column as usize + 1] += 1;
        }
        for column in 0..self.n_cols {
            starts[column + 1] += starts[column];
        }
        let mut next = starts.clone();
        let mut columns = vec![0; self.columns.len()];
        let mut weights = vec![0.0; self.columns.len()];
        for row in 0..self.n_rows() {
            let (own, own_weights) = self.row(row);
            for (column, weight) in own.iter().zip(own_weights) {
                let place = &mut next[*column as usize];
                columns[*place] = row as u32;
                weights[*place] = *weight;
                *place += 1;
            }
        }
        Self {
            starts,
            columns,
            weights,
            n_cols: self.n_rows(),
        }
    }
}

/// One neighbor of an item.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Neighbor {
    /// The other item.
    pub item: u32,
    /// Cosine, above 0 and at most 1 for weights above 0.
    pub similarity: f64,
    /// People who have both.
    pub n_both: u32,
}

/// What [`cosine`] may be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NeighborParams {
    /// Neighbors kept of each item; 0 keeps all.
    pub limit: usize,
    /// Pairs that fewer people share are left out; at least 1.
    pub min_both: u32,
    /// Threads that may be used; no effect on the result.
    pub threads: usize,
}

/// The neighbors of each item, most similar first.
///
/// For "who took this also took that" on purchases, visits or likes; not for ratings whose
/// low values mean dislike.
///
/// # Input
/// `people`: shape `(n_people, n_items)`, weights above 0 where a person has an item, 1
/// everywhere for "has it or not".
///
/// # Output
/// For each item its neighbors with a similarity above 0, by falling similarity, ties by item.
///
/// # Parameters
/// [`NeighborParams`].
///
/// # Method
/// `cos(a, b) = sum_u(w_ua w_ub) / (|a| |b|)`, with `|a|` the root of the sum of squares.
/// For each item, its people's rows are added into one dense row of sums.
///
/// # Determinism and cost
/// No randomness; items are independent of each other. O(sum over people of entries^2) time,
/// O(n_items) memory a thread beside the result.
///
/// # Errors
/// [`Error::OutOfRange`] for `min_both` 0; [`Error::Cancelled`].
///
/// # Source
/// B. Sarwar, G. Karypis, J. Konstan, J. Riedl, "Item-based collaborative filtering
/// recommendation algorithms", WWW 2001, doi:10.1145/371920.372071, section 3.1.1; M.
/// Deshpande, G. Karypis, ACM TOIS 22(1), 2004, doi:10.1145/963770.963776. Deviation:
/// neighbor lists are not normalized.
///
/// # Example
/// ```
/// use lode_numeric::neighbors::{self, NeighborParams, Sparse};
/// let entries = vec![(0, 0, 1.0), (0, 1, 1.0), (1, 0, 1.0), (2, 2, 1.0)];
/// let people = Sparse::from_entries(entries, 3, 3)?;
/// let params = NeighborParams { limit: 0, min_both: 1, threads: 1 };
/// let found = neighbors::cosine(&people, &params, &lode_numeric::go_on)?;
/// assert_eq!(found[0][0].item, 1);
/// assert!((found[0][0].similarity - 0.5_f64.sqrt()).abs() < 1e-15);
/// # Ok::<(), lode_numeric::Error>(())
/// ```
pub fn cosine(
    people: &Sparse,
    params: &NeighborParams,
    progress: Progress<'_>,
) -> Result<Vec<Vec<Neighbor>>> {
    if params.min_both == 0 {
        return Err(Error::OutOfRange {
            what: "min_both",
            expected: "of at least 1",
            found: 0.0,
        });
    }
    let items = people.transposed();
    let norms: Vec<f64> = (0..items.n_rows())
        .map(|item| items.row(item).1.iter().map(|w| w * w).sum::<f64>().sqrt())
        .collect();
    let n_items = people.n_cols();
    let mut found = Vec::with_capacity(n_items);
    // Blocks of items, so that the caller hears of progress between them.
    let block = n_items.div_ceil(100).max(64 * params.threads.max(1));
    while found.len() < n_items {
        if !progress(found.len() as f64 / n_items as f64) {
            return Err(Error::Cancelled);
        }
        let first = found.len();
        let n_block = block.min(n_items - first);
        let parts = parallel::map_chunks(n_block, 16, params.threads, |range| {
            let mut sums = vec![(0.0, 0_u32); n_items];
            let mut touched = Vec::new();
            range
                .map(|offset| {
                    let item = first + offset;
                    of_item(
                        people,
                        &items,
                        &norms,
                        item,
                        params,
                        &mut sums,
                        &mut touched,
                    )
                })
                .collect::<Vec<_>>()
        });
        found.extend(parts.into_iter().flatten());
    }
    Ok(found)
}

fn of_item(
    people: &Sparse,
    items: &Sparse,
    norms: &[f64],
    item: usize,
    params: &NeighborParams,
    sums: &mut [(f64, u32)],
    touched: &mut Vec<u32>,
) -> Vec<Neighbor> {
    let (holders, holder_weights) = items.row(item);
    for (person, weight) in holders.iter().zip(holder_weights) {
        let (others, other_weights) = people.row(*person as usize);
        for (other, other_weight) in others.iter().zip(other_weights) {
            let sum = &mut sums[*other as usize];
            if sum.1 == 0 {
                touched.push(*other);
            }
            sum.0 += weight * other_weight;
            sum.1 += 1;
        }
    }
    let mut neighbors = Vec::with_capacity(touched.len());
    for other in touched.drain(..) {
        let (product, n_both) = std::mem::take(&mut sums[other as usize]);
        let size = norms[item] * norms[other as usize];
        if other as usize != item && n_both >= params.min_both && product > 0.0 && size > 0.0 {
            neighbors.push(Neighbor {
                item: other,
                similarity: product / size,
                n_both,
            });
        }
    }
    let order = |a: &Neighbor, b: &Neighbor| {
        b.similarity
            .total_cmp(&a.similarity)
            .then(a.item.cmp(&b.item))
    };
    if params.limit > 0 && neighbors.len() > params.limit {
        neighbors.select_nth_unstable_by(params.limit - 1, order);
        neighbors.truncate(params.limit);
    }
    neighbors.sort_unstable_by(order);
    neighbors.shrink_to_fit();
    neighbors
}

#[cfg(test)]
mod tests;
