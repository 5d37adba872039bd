//! Sums of slopes and curvatures by bin, the table that splits are read from.
//!
//! Does not choose splits. Invariant: cells are whole numbers, so that neither the order of
//! rows nor the number of threads changes a bit of them.

mod fill;

use std::ops::Range;

use super::matrix::Matrix;
use super::quantize::Sum;

pub(super) use fill::Rows;
pub(super) use fill::Worker;
pub(super) use fill::fill;

/// Binned columns: one byte a row and column, with how many bins each has (bin 0 included).
#[derive(Clone, Debug, Default)]
pub(super) struct Bins<'a> {
    pub(super) columns: Vec<&'a [u8]>,
    pub(super) n_bins: Vec<usize>,
    /// The same bytes, row by row, in parts.
    pub(super) parts: Vec<&'a Matrix>,
    /// Where each column is in the parts: which, and which byte of a row.
    pub(super) places: Vec<(usize, usize)>,
}

/// Columns of one word of the rows.
#[derive(Clone, Debug)]
struct Group {
    part: usize,
    word: usize,
    /// Byte of the word and slot of the layout.
    lanes: Vec<(u32, usize)>,
}

/// Which columns a tree may use, and where the cells of each lie.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub(super) columns: Vec<u32>,
    starts: Vec<usize>,
    groups: Vec<Group>,
}

impl Layout {
    pub(super) fn new(columns: Vec<u32>, bins: &Bins<'_>) -> Self {
        let mut starts = Vec::with_capacity(columns.len() + 1);
        let mut groups: Vec<Group> = Vec::new();
        let mut len = 0;
        let mut by_place: Vec<(usize, usize, usize)> = Vec::with_capacity(columns.len());
        for (slot, column) in columns.iter().enumerate() {
            starts.push(len);
            len += bins.n_bins[*column as usize];
            let (part, byte) = bins.places[*column as usize];
            by_place.push((part, byte, slot));
        }
        starts.push(len);
        by_place.sort_unstable();
        for (part, byte, slot) in by_place {
            let lane = ((byte % 8) as u32, slot);
            match groups.last_mut() {
                Some(last) if (last.part, last.word) == (part, byte / 8) => last.lanes.push(lane),
                _ => groups.push(Group {
                    part,
                    word: byte / 8,
                    lanes: vec![lane],
                }),
            }
        }
        Self {
            columns,
            starts,
            groups,
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
