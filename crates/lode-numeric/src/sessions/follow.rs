//! What followed each item in past sessions.

use super::Sessions;
use crate::Error;
use crate::Progress;
use crate::Result;
use crate::neighbors::Lists;
use crate::parallel;

/// Items that one thread takes at a time.
const SHARE: usize = 32;

/// What [`follow`] may be told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FollowParams {
    /// How many places later an item may come, at least 1, which is a Markov chain.
    pub reach: usize,
    /// Added to how often an item was followed by any: rare items say less. 0 or more.
    pub smoothing: f64,
    /// Followers kept of each item; 0 keeps all.
    pub limit: usize,
    /// Threads that may be used; no effect on the result.
    pub threads: usize,
}

/// For each item those that came after it, most often first.
///
/// # Output
/// [`Lists`]: `p(j | i) = c_ij / (sum_j c_ij + smoothing)`, where each time `j` came `d` places
/// after `i`, with `d` at most `reach`, adds `1/d` to `c_ij`; `j` is not `i`. Ties by item.
///
/// # Determinism and cost
/// No randomness; one thread adds up one item. O(entries x reach) time.
///
/// # Errors
/// [`Error::OutOfRange`] for `reach` 0 or a smoothing below 0; [`Error::Cancelled`].
///
/// # Source
/// Sequential rules of Ludewig and Jannach, as in [`super::near`], section 3.1; with `reach` 1 a
/// Markov chain of first order.
pub fn follow(sessions: &Sessions, params: &FollowParams, progress: Progress<'_>) -> Result<Lists> {
    let ranges = [
        ("reach", "of at least 1", params.reach as f64, 1.0),
        ("smoothing", "of 0 or more", params.smoothing, 0.0),
    ];
    for (what, expected, found, least) in ranges {
        if !(found >= least && found.is_finite()) {
            return Err(Error::OutOfRange {
                what,
                expected,
                found,
            });
        }
    }
    if !progress(0.0) {
        return Err(Error::Cancelled);
    }
    let n_items = sessions.n_items();
    let found = parallel::map_chunks(n_items, SHARE, params.threads, |range| {
        let mut sums = vec![0.0; n_items];
        let mut touched = Vec::new();
        range
            .map(|item| of_item(sessions, item as u32, params, &mut sums, &mut touched))
            .collect::<Vec<_>>()
    });
    let found: Vec<Vec<(u32, f32)>> = found.into_iter().flatten().collect();
    Ok(Lists::of_weights(&found))
}

fn of_item(
    sessions: &Sessions,
    item: u32,
    params: &FollowParams,
    sums: &mut [f64],
    touched: &mut Vec<u32>,
) -> Vec<(u32, f32)> {
    for session in sessions.with_item(item) {
        let items = sessions.session(*session as usize);
        let places = (0..items.len()).filter(|place| items[*place] == item);
        for place in places {
            let end = items.len().min((place + 1).saturating_add(params.reach));
            for (distance, other) in (1..).zip(&items[place + 1..end]) {
                if *other != item {
                    let sum = &mut sums[*other as usize];
                    if *sum <= 0.0 {
                        touched.push(*other);
                    }
                    *sum += 1.0 / f64::from(distance);
                }
            }
        }
    }
    touched.sort_unstable();
    let total: f64 = touched.iter().map(|other| sums[*other as usize]).sum();
    let mut list: Vec<(u32, f32)> = touched
        .drain(..)
        .map(|other| {
            let sum = std::mem::take(&mut sums[other as usize]);
            (other, (sum / (total + params.smoothing)) as f32)
        })
        .collect();
    list.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    if params.limit > 0 {
        list.truncate(params.limit);
    }
    list
}
