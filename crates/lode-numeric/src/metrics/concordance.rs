//! Harrell's C: do those who are said to leave sooner leave sooner?
//!
//! Does not weigh pairs by censoring. Invariant: O(n log n).

use super::rank::Ranking;
use super::rank::check_length;
use super::rank::check_numbers;
use super::rank::check_weights;
use super::rank::weight;
use crate::Error;
use crate::Result;

/// The share of comparable pairs in which the one with the higher risk had the event first; equal
/// risks count half.
///
/// A pair is comparable when the shorter time ended in the event, or when the times are equal and
/// exactly one ended in it (the other is taken to last longer). A pair weighs the product of the
/// weights. F. Harrell, R. Califf, D. Pryor, K. Lee, R. Rosati, JAMA 247(18), 1982,
/// doi:10.1001/jama.1982.03320430047030.
///
/// # Errors
/// [`Error::TooFewRows`] without a comparable pair; [`Error::Length`], [`Error::NotFinite`],
/// [`Error::OutOfRange`] for a weight below 0.
pub fn concordance(
    times: &[f64],
    events: &[bool],
    risks: &[f64],
    weights: Option<&[f64]>,
) -> Result<f64> {
    check_length("events, one a time", times.len(), events.len())?;
    check_length("risks, one a time", times.len(), risks.len())?;
    check_numbers("times", times)?;
    check_weights(times.len(), weights)?;
    let mut rank = vec![0; risks.len()];
    let mut n_ranks = 0;
    for rows in Ranking::new(risks)?.groups().rev() {
        for &row in rows {
            rank[row as usize] = n_ranks;
        }
        n_ranks += 1;
    }
    let mut later = Tree::new(n_ranks);
    let mut right = 0.0;
    let mut pairs = 0.0;
    for rows in Ranking::new(times)?.groups() {
        let of = |event: bool| {
            rows.iter()
                .map(|row| *row as usize)
                .filter(move |row| events[*row] == event)
        };
        for row in of(false) {
            later.add(rank[row], weight(weights, row));
        }
        for row in of(true) {
            let own = weight(weights, row);
            let below = later.below(rank[row]);
            let ties = later.below(rank[row] + 1) - below;
            right += own * (below + ties / 2.0);
            pairs += own * later.total;
        }
        for row in of(true) {
            later.add(rank[row], weight(weights, row));
        }
    }
    if pairs <= 0.0 {
        return Err(Error::TooFewRows {
            needed: 2,
            found: times.len().min(1),
        });
    }
    Ok(right / pairs)
}

/// Weight by rank, with sums of all lower ranks in logarithmic time (a Fenwick tree).
struct Tree {
    sums: Vec<f64>,
    total: f64,
}

impl Tree {
    fn new(n: usize) -> Self {
        Self {
            sums: vec![0.0; n + 1],
            total: 0.0,
        }
    }

    fn add(&mut self, rank: usize, weight: f64) {
        self.total += weight;
        let mut at = rank + 1;
        while at < self.sums.len() {
            self.sums[at] += weight;
            at += at & at.wrapping_neg();
        }
    }

    /// Weight of the ranks below `rank`.
    fn below(&self, rank: usize) -> f64 {
        let mut sum = 0.0;
        let mut at = rank;
        while at > 0 {
            sum += self.sums[at];
            at &= at - 1;
        }
        sum
    }
}
