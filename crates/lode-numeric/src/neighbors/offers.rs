//! Offers people the items most like theirs.
//!
//! Does not fill up with popular items. Invariant: only items with a score above 0 are offered,
//! best first, ties by item; a score is the sum of its parts by item of the history, in the order
//! of the history.

use super::Lists;
use super::Sparse;
use crate::Error;
use crate::Progress;
use crate::Result;
use crate::parallel;

/// People that one thread takes at a time.
const SHARE: usize = 64;
/// People between two looks at whether to go on, for each thread.
const BLOCK: usize = 4096;
/// Sums that are looked at together.
const CELLS: usize = 16;

/// One offered item.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Offer {
    /// The item.
    pub item: u32,
    /// How well it fits, above 0.
    pub score: f64,
}

/// Room for the sums of one person, used again for the next.
#[derive(Clone, Debug)]
pub struct Room {
    sums: Vec<f64>,
    offers: Vec<Offer>,
}

impl Room {
    /// For so many items.
    pub fn new(n_items: usize) -> Self {
        Self {
            sums: vec![0.0; n_items],
            offers: Vec::new(),
        }
    }
}

/// The best `n` items for a history, none of those in `barred`.
///
/// The score of an item is the sum over the history of weight times similarity of the item in the
/// list of the history's item. `weights` in 32 bits. Offers are in `room` until the next call.
pub fn offers<'a>(
    lists: &Lists,
    items: &[u32],
    weights: &[f32],
    barred: &[&[u32]],
    n: usize,
    room: &'a mut Room,
) -> &'a [Offer] {
    room.offers.clear();
    let n_touched: usize = items
        .iter()
        .map(|item| lists.get(*item as usize).items.len())
        .sum();
    add(lists, items, weights, &mut room.sums);
    for item in barred.iter().copied().flatten() {
        room.sums[*item as usize] = 0.0;
    }
    let Room { sums, offers } = room;
    if n_touched < sums.len() / 8 {
        for item in items {
            for item in lists.get(*item as usize).items {
                // Taken once: the second time it is 0.
                let score = std::mem::take(&mut sums[*item as usize]);
                if score > 0.0 {
                    offers.push(Offer { item: *item, score });
                }
            }
        }
        cut(offers, n);
    } else {
        scan(sums, offers, n);
        sums.fill(0.0);
    }
    offers.sort_unstable_by(order);
    offers
}

/// Adds each list of the history, times its weight.
fn add(lists: &Lists, items: &[u32], weights: &[f32], sums: &mut [f64]) {
    for (item, weight) in items.iter().zip(weights) {
        let list = lists.get(*item as usize);
        let weight = f64::from(*weight);
        for (other, similarity) in list.items.iter().zip(list.similarities) {
            sums[*other as usize] += weight * f64::from(*similarity);
        }
    }
}

/// The best of all sums.
fn scan(sums: &[f64], offers: &mut Vec<Offer>, n: usize) {
    if n == 0 {
        return;
    }
    let room = n.saturating_add((n / 2).max(32));
    let mut least = 0.0;
    let mut first = 0;
    for cells in sums.chunks(CELLS) {
        let mut any = false;
        for sum in cells {
            any |= *sum > least;
        }
        if any {
            for (item, sum) in (first..).zip(cells) {
                if *sum > least {
                    offers.push(Offer { item, score: *sum });
                }
            }
            if offers.len() >= room {
                cut(offers, n);
                // Later items with the same sum come behind those that are kept.
                least = offers[n - 1].score;
            }
        }
        first += cells.len() as u32;
    }
    cut(offers, n);
}

/// Keeps the best `n`; the last of them is at its place.
fn cut(offers: &mut Vec<Offer>, n: usize) {
    if n == 0 {
        offers.clear();
    } else if offers.len() > n {
        offers.select_nth_unstable_by(n - 1, order);
        offers.truncate(n);
    }
}

fn order(a: &Offer, b: &Offer) -> std::cmp::Ordering {
    b.score.total_cmp(&a.score).then(a.item.cmp(&b.item))
}

/// Offers for every person of a table, none of what they have.
///
/// # Input
/// `lists` of as many items as `people` has columns; each row of `people` is a history. Entries
/// of weight 0 or less count as owned too, and what is like them is offered less.
///
/// # Output
/// For each person up to `n` offers, as [`offers`] gives them.
///
/// # Determinism and cost
/// The same bits with any number of threads. O(entries x neighbors + people x items) time, 8
/// bytes an item and thread beside the result.
///
/// # Errors
/// [`Error::Length`] for lists of another catalogue; [`Error::Cancelled`].
pub fn offers_for_all(
    lists: &Lists,
    people: &Sparse,
    n: usize,
    threads: usize,
    progress: Progress<'_>,
) -> Result<Vec<Vec<Offer>>> {
    if lists.n_items() != people.n_cols() {
        return Err(Error::Length {
            what: "items in the lists",
            expected: people.n_cols(),
            found: lists.n_items(),
        });
    }
    let n_people = people.n_rows();
    let mut all = Vec::with_capacity(n_people);
    while all.len() < n_people {
        if !progress(all.len() as f64 / n_people as f64) {
            return Err(Error::Cancelled);
        }
        let first = all.len();
        let n_block = (BLOCK * threads.max(1)).min(n_people - first);
        let parts = parallel::map_chunks(n_block, SHARE, threads, |range| {
            let mut room = Room::new(lists.n_items());
            let mut narrow = Vec::new();
            range
                .map(|offset| {
                    let (items, weights) = people.row(first + offset);
                    narrow.clear();
                    narrow.extend(weights.iter().map(|weight| *weight as f32));
                    offers(lists, items, &narrow, &[items], n, &mut room).to_vec()
                })
                .collect::<Vec<_>>()
        });
        all.extend(parts.into_iter().flatten());
    }
    Ok(all)
}
