//! Finds, for each item, the items that the same people took, and offers people the items most
//! like theirs.
//!
//! Does not know names, only indexes, and nothing of the content of items. Invariant: an item is
//! never its own neighbor; lists are best first, ties by item.

mod sparse;

mod compact;
mod measure;

mod best;
mod gram;
mod lists;

mod offers;

use crate::Error;
use crate::Progress;
use crate::Result;
use compact::Code;
use compact::Compact;
use measure::Rule;

pub use lists::List;
pub use lists::Lists;
pub use measure::Measure;
pub use offers::Offer;
pub use offers::Room;
pub use offers::offers;
pub use offers::offers_for_all;
pub use sparse::Sparse;

/// What [`fit`] may be told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NeighborParams {
    /// What alike means.
    pub measure: Measure,
    /// Neighbors kept of each item; 0 keeps all.
    pub limit: usize,
    /// Pairs that fewer people share are left out; at least 1.
    pub min_both: u32,
    /// Similarities are multiplied by `both / (both + shrinkage)`, with `both` the people who
    /// share the pair: what few people say counts less. 0 or more, in people.
    pub shrinkage: f64,
    /// Threads that may be used; no effect on the result.
    pub threads: usize,
}

impl Default for NeighborParams {
    fn default() -> Self {
        Self {
            measure: Measure::Cosine,
            limit: 200,
            min_both: 1,
            shrinkage: 0.0,
            threads: 1,
        }
    }
}

impl NeighborParams {
    fn check(&self) -> Result<()> {
        self.measure.check()?;
        if self.min_both == 0 {
            return Err(Error::OutOfRange {
                what: "min_both",
                expected: "of at least 1",
                found: 0.0,
            });
        }
        if !(self.shrinkage >= 0.0 && self.shrinkage.is_finite()) {
            return Err(Error::OutOfRange {
                what: "shrinkage",
                expected: "of 0 or more",
                found: self.shrinkage,
            });
        }
        Ok(())
    }
}

/// The neighbors of each item, most similar first.
///
/// For "who took this also took that" on purchases, visits or likes. For ratings subtract each
/// person's mean first, so that dislike is below 0.
///
/// # Input
/// `people`: shape `(n_people, n_items)`, what each person has and how much it counts; 1
/// everywhere for "has it or not". Weights of 0 are as if absent; what becomes of weights below 0
/// is said at each [`Measure`]. At most 1e15 in size.
///
/// # Output
/// [`Lists`]: for each item its neighbors with a similarity above 0, by falling similarity (in 32
/// bits), ties by item.
///
/// # Parameters
/// [`NeighborParams`].
///
/// # Method
/// With the weights `w` of the measure, for each pair of items the sum over people of
/// `w_ua w_ub` and the number of people who have both, then the formula of the measure. Weights of
/// 1 are counted exactly: the counts of two groups of people add up to those of all. Other weights
/// are divided by their item's norm and summed in 32 bits, people in order, relative error about
/// 1e-6.
///
/// Items are numbered by falling popularity, each pair is summed once, at the less popular item,
/// into a dense row, or into a list of what was touched where that is short. A pair goes into both
/// items' lists if a bound in 32 bits lets it, and there its exact similarity decides.
///
/// # Determinism and cost
/// No randomness. One thread makes one sum, so bits do not depend on threads. O(sum over people of
/// entries^2 / 2 + n_items^2 / 2) time for catalogues whose items all meet, less the second part
/// for those that do not; memory 14 to 24 bytes an entry, 12 bytes for 1.25 `limit` entries a list,
/// and at most 64 MiB of sums (one row a thread if that is more).
///
/// # Errors
/// [`Error::OutOfRange`] for a parameter; [`Error::Entry`] for a weight past 1e15;
/// [`Error::Cancelled`].
///
/// # Source
/// B. Sarwar, G. Karypis, J. Konstan, J. Riedl, "Item-based collaborative filtering
/// recommendation algorithms", WWW 2001, doi:10.1145/371920.372071, section 3.1.1; M.
/// Deshpande, G. Karypis, ACM TOIS 22(1), 2004, doi:10.1145/963770.963776 (conditional
/// probability); F. Aiolli, "Efficient top-n recommendation for very large scale binary rated
/// datasets", RecSys 2013, doi:10.1145/2507157.2507189 (its exponent alpha); R. Bell, Y. Koren,
/// "Improved neighborhood-based collaborative filtering", KDD Cup 2007 (shrinkage). TF-IDF and
/// BM25 weights are those of the program `implicit`, with people as terms and items as
/// documents. Deviation: neighbor lists are not normalized.
///
/// # Example
/// ```
/// use lode_numeric::neighbors::{self, NeighborParams, Sparse};
/// let entries = vec![(0, 0, 1.0), (0, 1, 1.0), (1, 0, 1.0), (2, 2, 1.0)];
/// let people = Sparse::from_entries(entries, 3, 3)?;
/// let found = neighbors::fit(&people, &NeighborParams::default(), &lode_numeric::go_on)?;
/// assert_eq!(found.get(0).items, [1]);
/// assert!((found.get(0).similarities[0] - 0.5_f32.sqrt()).abs() < 1e-7);
/// # Ok::<(), lode_numeric::Error>(())
/// ```
pub fn fit(people: &Sparse, params: &NeighborParams, progress: Progress<'_>) -> Result<Lists> {
    params.check()?;
    if people.n_cols() <= 1 << 16 {
        lists::<u16>(people, params, progress)
    } else {
        lists::<u32>(people, params, progress)
    }
}

fn lists<C: Code>(
    people: &Sparse,
    params: &NeighborParams,
    progress: Progress<'_>,
) -> Result<Lists> {
    let compact = Compact::<C>::new(people, params.measure)?;
    let n_items = compact.n_items();
    let counts = (0..n_items).map(|number| compact.n_people_of(number) as f64);
    let rule = Rule::new(
        params.measure,
        params.shrinkage,
        people.n_rows(),
        counts.collect(),
        compact.norms.as_deref(),
    );
    let keep = gram::Keep {
        limit: if params.limit == 0 {
            n_items.max(1)
        } else {
            params.limit
        },
        min_both: params.min_both,
    };
    let threads = params.threads.max(1);
    let found = gram::lists(&compact, &rule, keep, threads, progress)?;
    let mut by_item = vec![Vec::new(); n_items];
    for (list, item) in found.into_iter().zip(&compact.order) {
        by_item[*item as usize] = list.finish(keep.limit);
    }
    Ok(Lists::new(&by_item))
}

#[cfg(test)]
mod tests;
