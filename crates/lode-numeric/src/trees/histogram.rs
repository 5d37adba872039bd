//! Sums of slopes and curvatures by bin, the table that splits are read from.
//!
//! Does not choose splits. Invariant: cells are whole numbers, so that neither the order of
//! rows nor the number of threads changes a bit of them.

mod fill;

use std::ops::Range;

use super::matrix::Matrix;
use super::matrix::Spot;
use super::quantize::Sum;

pub(super) use fill::Packed;
pub(super) use fill::Rows;
pub(super) use fill::Worker;
pub(super) use fill::fill;

/// Binned columns: one byte a row and column, with how many bins each has (bin 0 included).
#[derive(Clone, Debug, Default)]
pub(super) struct Bins<'a> {
    pub(super) columns: Vec<&'a [u8]>,
    pub(super) n_bins: Vec<usize>,
    /// The same bins, row by row, in parts.
    pub(super) parts: Vec<&'a Matrix>,
    /// Where each column is: which part, and which column of it.
    pub(super) places: Vec<(usize, usize)>,
}

/// A column that is read from a byte: its slot, and its bin by code where it shares the byte.
#[derive(Clone, Debug)]
struct Reading {
    slot: usize,
    bins: Option<Box<[u8; 256]>>,
}

/// A byte of a word, and what is read from it.
#[derive(Clone, Debug)]
struct Lane {
    byte: u32,
    readings: Vec<Reading>,
}

/// Bytes of one word of the rows.
#[derive(Clone, Debug)]
struct Group {
    part: usize,
    word: usize,
    lanes: Vec<Lane>,
}

/// Which columns a tree may use, and where the cells of each lie.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub(super) columns: Vec<u32>,
    starts: Vec<usize>,
    groups: Vec<Group>,
    /// Of each part with lists, the slot of each listed column in use.
    lists: Vec<(usize, Vec<Option<usize>>)>,
}

impl Layout {
    pub(super) fn new(columns: Vec<u32>, bins: &Bins<'_>) -> Self {
        let mut starts = Vec::with_capacity(columns.len() + 1);
        let mut len = 0;
        let mut read: Vec<((usize, usize), Reading)> = Vec::with_capacity(columns.len());
        let mut lists: Vec<(usize, Vec<Option<usize>>)> = Vec::new();
        for (slot, column) in columns.iter().enumerate() {
            starts.push(len);
            len += bins.n_bins[*column as usize];
            let (part, own) = bins.places[*column as usize];
            match &bins.parts[part].spots[own] {
                Spot::Byte(byte) => read.push(((part, *byte), Reading { slot, bins: None })),
                Spot::Shared(byte, bins) => {
                    let bins = Some(bins.clone());
                    read.push(((part, *byte), Reading { slot, bins }));
                }
                Spot::Listed(index) => {
                    let at = lists.iter().position(|list| list.0 == part);
                    let at = at.unwrap_or_else(|| {
                        lists.push((part, vec![None; bins.parts[part].sparse.usual.len()]));
                        lists.len() - 1
                    });
                    lists[at].1[*index] = Some(slot);
                }
            }
        }
        starts.push(len);
        read.sort_by_key(|(place, _)| *place);
        let mut groups: Vec<Group> = Vec::new();
        for ((part, byte), reading) in read {
            let (word, byte) = (byte / 8, (byte % 8) as u32);
            if groups
                .last()
                .is_none_or(|last| (last.part, last.word) != (part, word))
            {
                let lanes = Vec::new();
                groups.push(Group { part, word, lanes });
            }
            let Some(group) = groups.last_mut() else {
                continue;
            };
            match group.lanes.last_mut() {
                Some(lane) if lane.byte == byte => lane.readings.push(reading),
                _ => group.lanes.push(Lane {
                    byte,
                    readings: vec![reading],
                }),
            }
        }
        Self {
            columns,
            starts,
            groups,
            lists,
        }
    }

    pub(super) fn range(&self, slot: usize) -> Range<usize> {
        self.starts[slot]..self.starts[slot + 1]
    }

    pub(super) fn n_cells(&self) -> usize {
        self.starts[self.columns.len()]
    }
}

/// Turns the cells of a node into those of one child by taking away the other's.
pub(super) fn subtract(cells: &mut [Sum], other: &[Sum]) {
    for (cell, other) in cells.iter_mut().zip(other) {
        *cell = cell.minus(*other);
    }
}

/// Adds the cells of other rows: those of another thread, or of another part of a table.
pub(super) fn add(cells: &mut [Sum], other: &[Sum]) {
    for (cell, other) in cells.iter_mut().zip(other) {
        *cell = cell.plus(*other);
    }
}

#[cfg(test)]
mod tests;
