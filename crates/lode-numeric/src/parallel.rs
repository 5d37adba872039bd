//! Work split over threads so that the result does not depend on how many there are.
//!
//! Does not keep threads between calls, but for a `Crew`, and does not choose their number. Invariant: the cut
//! into chunks depends on the data's size alone, and results come back in chunk order, so a
//! reduction over them adds the same numbers in the same order on 1, 2 or 8 threads.

mod crew;

use std::ops::Range;
use std::panic;
use std::thread;

pub(crate) use crew::Crew;
pub(crate) use crew::with_crew;

/// Rows of a chunk unless the call says otherwise: large enough to hide the cost of a thread.
pub const CHUNK_ROWS: usize = 4096;

/// Rows a chunk for `n_rows` rows when each chunk keeps `state_len` numbers of its own.
///
/// At most 64 chunks, fewer (down to 8) where their states together would pass 128 MiB.
pub fn chunk_rows(n_rows: usize, state_len: usize) -> usize {
    let n_chunks = ((1 << 24) / state_len.max(1)).clamp(8, 64);
    n_rows.div_ceil(n_chunks).max(CHUNK_ROWS)
}

/// Runs `work` on each chunk of `0..n_rows` and gives the results in chunk order.
pub fn map_chunks<R: Send>(
    n_rows: usize,
    chunk: usize,
    threads: usize,
    work: impl Fn(Range<usize>) -> R + Sync,
) -> Vec<R> {
    let chunk = chunk.max(1);
    let n_chunks = n_rows.div_ceil(chunk);
    let range = |index: usize| index * chunk..((index + 1) * chunk).min(n_rows);
    let threads = threads.clamp(1, n_chunks.max(1));
    if threads == 1 {
        return (0..n_chunks).map(|index| work(range(index))).collect();
    }
    // Thread t takes chunks t, t + threads, ...: costs that rise or fall along the rows even out.
    let share = |first: usize| -> Vec<R> {
        (first..n_chunks)
            .step_by(threads)
            .map(|index| work(range(index)))
            .collect()
    };
    let mut shares: Vec<std::vec::IntoIter<R>> = thread::scope(|scope| {
        let share = &share;
        let others: Vec<_> = (1..threads)
            .map(|first| scope.spawn(move || share(first)))
            .collect();
        let mut shares = vec![share(0).into_iter()];
        for other in others {
            match other.join() {
                Ok(results) => shares.push(results.into_iter()),
                Err(cause) => panic::resume_unwind(cause),
            }
        }
        shares
    });
    (0..n_chunks)
        .map(|index| {
            shares[index % threads]
                .next()
                .expect("each thread gave one result for each of its chunks")
        })
        .collect()
}

/// Runs `work` on each item, which it may change, and gives the results in item order.
pub fn map_mut<T: Send, R: Send>(
    items: &mut [T],
    threads: usize,
    work: impl Fn(usize, &mut T) -> R + Sync,
) -> Vec<R> {
    let threads = threads.clamp(1, items.len().max(1));
    let run = |first: usize, share: &mut [T]| -> Vec<R> {
        share
            .iter_mut()
            .enumerate()
            .map(|(offset, item)| work(first + offset, item))
            .collect()
    };
    if threads == 1 {
        return run(0, items);
    }
    let share_len = items.len().div_ceil(threads);
    thread::scope(|scope| {
        let run = &run;
        let mut shares = items.chunks_mut(share_len).enumerate();
        let own = shares.next();
        let others: Vec<_> = shares
            .map(|(index, share)| scope.spawn(move || run(index * share_len, share)))
            .collect();
        let mut results = match own {
            Some((_, share)) => run(0, share),
            None => Vec::new(),
        };
        for other in others {
            match other.join() {
                Ok(more) => results.extend(more),
                Err(cause) => panic::resume_unwind(cause),
            }
        }
        results
    })
}

#[cfg(test)]
mod tests;
