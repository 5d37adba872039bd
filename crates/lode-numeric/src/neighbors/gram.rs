//! Sums over people for pairs of items, and from them the best of each item's list.
//!
//! Items are taken in waves. First each item of the wave is summed up with all items before it
//! and fills its own list, then the lists of those before it are filled, so that a pair is summed
//! once and no list has two writers. Invariant: one sum is made by one thread, people ascending.

use std::ops::Range;

use super::best::Best;
use super::best::Entry;
use super::compact::Code;
use super::compact::Compact;
use super::measure::Rule;
use super::measure::Sums;
use crate::Error;
use crate::Progress;
use crate::Result;
use crate::ahead;
use crate::parallel::with_crew;

/// People between one whose items are read and one whose items are asked for.
const AHEAD: usize = 8;
/// Lists that one thread fills at a time.
const LISTS: usize = 1024;
/// Bytes that the sums of a wave may take.
const WAVE_BYTES: usize = 64 << 20;
/// Items of a wave for each thread.
const WAVE: usize = 16;

/// What is kept of pairs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keep {
    pub(super) limit: usize,
    pub(super) min_both: u32,
}

/// The sums of one item with those before it.
#[derive(Debug)]
struct Row {
    number: usize,
    sums: Vec<Sums>,
    counts: Vec<u32>,
    /// Those that are not 0, ascending, where they are few.
    touched: Vec<u32>,
    few: bool,
}

/// The lists of all items, by number.
pub(super) fn lists<C: Code>(
    compact: &Compact<C>,
    rule: &Rule,
    keep: Keep,
    threads: usize,
    progress: Progress<'_>,
) -> Result<Vec<Best>> {
    let n_items = compact.n_items();
    let mut lists = vec![Best::default(); n_items];
    // A power of two, so that a number that is masked is inside.
    let room = n_items.next_power_of_two();
    let most = (WAVE_BYTES / (room * size_of::<Sums>())).max(threads);
    let n_wave = (WAVE * threads).min(most).min(n_items.max(1));
    let counted = compact.weights.is_empty();
    let mut rows: Vec<Row> = (0..n_wave)
        .map(|_| Row {
            number: 0,
            sums: vec![Sums::default(); room],
            counts: vec![0; if counted { room } else { 0 }],
            touched: Vec::new(),
            few: false,
        })
        .collect();
    with_crew(threads, |crew| {
        let mut first = 0;
        while first < n_items {
            // Work is even in pairs of items, not in items; this is near enough to tell.
            if !progress(first as f64 / n_items as f64) {
                return Err(Error::Cancelled);
            }
            let end = (first + n_wave).min(n_items);
            let mut tasks: Vec<_> = rows.iter_mut().zip(&mut lists[first..end]).collect();
            crew.map_mut(&mut tasks, |offset, (row, list)| {
                row.sum_up(compact, first + offset);
                row.fill_own(compact, rule, keep, list);
            });
            let rows = &rows[..end - first];
            let mut blocks: Vec<&mut [Best]> = lists[..end].chunks_mut(LISTS).collect();
            crew.map_mut(&mut blocks, |index, block| {
                fill_others(compact, rule, keep, rows, index * LISTS, block);
            });
            first = end;
        }
        Ok(lists)
    })
}

impl Row {
    fn sum_up<C: Code>(&mut self, compact: &Compact<C>, number: usize) {
        // Room of the item before; a number's own cells are all below it.
        if self.few {
            for other in &self.touched {
                self.sums[*other as usize] = Sums::default();
            }
        } else {
            self.sums[..self.number].fill(Sums::default());
        }
        self.touched.clear();
        self.number = number;
        let range = compact.item_starts[number]..compact.item_starts[number + 1];
        let n_pairs: usize = compact.before[range].iter().map(|n| *n as usize).sum();
        self.few = n_pairs < number / 8;
        if compact.weights.is_empty() {
            self.count(compact);
        } else {
            self.add(compact);
        }
        self.touched.sort_unstable();
    }

    fn count<C: Code>(&mut self, compact: &Compact<C>) {
        let mask = self.counts.len() - 1;
        let counts = &mut self.counts[..];
        for entry in compact.item_starts[self.number]..compact.item_starts[self.number + 1] {
            for item in &compact.items[coming(compact, entry)] {
                let cell = &mut counts[item.at() & mask];
                *cell = cell.wrapping_add(1);
                if self.few && *cell == 1 {
                    self.touched.push(item.at() as u32);
                }
            }
        }
        let moved = |count: &mut u32| {
            let both = std::mem::take(count) as f32;
            Sums { sum: both, both }
        };
        if self.few {
            for other in &self.touched {
                self.sums[*other as usize] = moved(&mut counts[*other as usize]);
            }
        } else {
            let cells = self.sums.iter_mut().zip(counts).take(self.number);
            for (cell, count) in cells {
                *cell = moved(count);
            }
        }
    }

    fn add<C: Code>(&mut self, compact: &Compact<C>) {
        let mask = self.sums.len() - 1;
        let sums = &mut self.sums[..];
        for entry in compact.item_starts[self.number]..compact.item_starts[self.number + 1] {
            let range = coming(compact, entry);
            let weight = compact.item_weights[entry];
            let others = compact.items[range.clone()]
                .iter()
                .zip(&compact.weights[range]);
            if self.few {
                for (item, other) in others {
                    let cell = &mut sums[item.at() & mask];
                    if cell.both < 0.5 {
                        self.touched.push(item.at() as u32);
                    }
                    cell.sum += weight * other;
                    cell.both += 1.0;
                }
            } else {
                for (item, other) in others {
                    let cell = &mut sums[item.at() & mask];
                    cell.sum += weight * other;
                    cell.both += 1.0;
                }
            }
        }
    }

    /// Fills the list of the item itself.
    fn fill_own<C: Code>(&self, compact: &Compact<C>, rule: &Rule, keep: Keep, list: &mut Best) {
        let mut least = list.least();
        let mut look = |other: usize, least: &mut f32| {
            let entry = entry(compact, rule, keep, self.number, other, self.sums[other]);
            if entry.is_some_and(|entry| list.push(entry, keep.limit)) {
                *least = list.least();
            }
        };
        if self.few {
            for other in &self.touched {
                look(*other as usize, &mut least);
            }
            return;
        }
        let mut first = 0;
        for cells in self.sums[..self.number].chunks(Sums::BLOCK) {
            if rule.any_in_own(self.number, first, cells, least) {
                for other in first..first + cells.len() {
                    look(other, &mut least);
                }
            }
            first += cells.len();
        }
    }
}

/// The items before this one of the person of an entry; those of people to come are asked for.
#[inline(always)]
fn coming<C: Code>(compact: &Compact<C>, entry: usize) -> Range<usize> {
    if let Some(begin) = compact.begins.get(entry + AHEAD) {
        let begin = *begin as usize;
        ahead::soon(&compact.items, begin);
        ahead::soon(&compact.items, begin + 64 / size_of::<C>());
        ahead::soon(&compact.weights, begin);
        ahead::soon(&compact.weights, begin + 16);
        ahead::soon(&compact.weights, begin + 32);
    }
    let begin = compact.begins[entry] as usize;
    begin..begin + compact.before[entry] as usize
}

/// The entry of `other` in the list of `own`.
fn entry<C: Code>(
    compact: &Compact<C>,
    rule: &Rule,
    keep: Keep,
    own: usize,
    other: usize,
    cell: Sums,
) -> Option<Entry> {
    if (cell.both as u32) < keep.min_both {
        return None;
    }
    let similarity = rule.exact(own, other, f64::from(cell.sum), f64::from(cell.both));
    Entry::new(similarity, compact.order[other], cell.both as u32)
}

/// Puts the items of a wave into the lists of those before them.
fn fill_others<C: Code>(
    compact: &Compact<C>,
    rule: &Rule,
    keep: Keep,
    rows: &[Row],
    first: usize,
    lists: &mut [Best],
) {
    let mut leasts: Vec<f32> = lists.iter().map(Best::least).collect();
    for row in rows {
        let end = row.number.min(first + lists.len());
        if end <= first {
            continue;
        }
        let mut look = |list: usize, leasts: &mut [f32]| {
            let cell = row.sums[list];
            let entry = entry(compact, rule, keep, list, row.number, cell);
            let at = list - first;
            if entry.is_some_and(|entry| lists[at].push(entry, keep.limit)) {
                leasts[at] = lists[at].least();
            }
        };
        if row.few {
            let begin = row
                .touched
                .partition_point(|other| (*other as usize) < first);
            for other in &row.touched[begin..] {
                if *other as usize >= end {
                    break;
                }
                look(*other as usize, &mut leasts);
            }
            continue;
        }
        for block in (first..end).step_by(Sums::BLOCK) {
            let block = block..(block + Sums::BLOCK).min(end);
            let own = block.start - first..block.end - first;
            let cells = &row.sums[block.clone()];
            if rule.any_in_others(row.number, block.start, cells, &leasts[own]) {
                for list in block {
                    look(list, &mut leasts);
                }
            }
        }
    }
}
