//! Sums of slopes and curvatures by bin, the table that splits are read from.
//!
//! Does not choose splits. Invariant: the rows of a bin are added in rising order by one
//! thread, so the bits do not depend on how many there are.

use std::ops::Range;

use crate::parallel;

/// Binned columns: one byte a row and column, with how many bins each has (bin 0 included).
#[derive(Clone, Debug, Default)]
pub(super) struct Bins<'a> {
    pub(super) columns: Vec<&'a [u8]>,
    pub(super) n_bins: Vec<usize>,
}

/// What the rows of a bin, or of a node, add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Cell {
    pub(super) slope: f64,
    pub(super) curve: f64,
    pub(super) n: u32,
}

impl Cell {
    fn count(&mut self, [slope, curve]: &[f64; 2]) {
        self.slope += slope;
        self.curve += curve;
        self.n += 1;
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.slope += other.slope;
        self.curve += other.curve;
        self.n += other.n;
    }

    pub(super) fn minus(&self, other: &Self) -> Self {
        Self {
            slope: self.slope - other.slope,
            curve: self.curve - other.curve,
            n: self.n - other.n,
        }
    }
}

/// Which columns a tree may use, and where the cells of each lie.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub(super) columns: Vec<u32>,
    starts: Vec<usize>,
}

impl Layout {
    pub(super) fn new(columns: Vec<u32>, bins: &Bins<'_>) -> Self {
        let mut starts = Vec::with_capacity(columns.len() + 1);
        let mut len = 0;
        for column in &columns {
            starts.push(len);
            len += bins.n_bins[*column as usize];
        }
        starts.push(len);
        Self { columns, starts }
    }

    pub(super) fn range(&self, slot: usize) -> Range<usize> {
        self.starts[slot]..self.starts[slot + 1]
    }

    pub(super) fn n_cells(&self) -> usize {
        self.starts[self.columns.len()]
    }
}

/// Rows times columns from which a second thread pays for itself.
const WORTH_A_THREAD: usize = 1 << 18;

/// Fills `cells` with the sums over `rows`; `slopes` has an entry for each of `rows`.
pub(super) fn fill(
    bins: &Bins<'_>,
    layout: &Layout,
    rows: &[u32],
    slopes: &[[f64; 2]],
    threads: usize,
    cells: &mut Vec<Cell>,
) {
    cells.clear();
    cells.resize(layout.n_cells(), Cell::default());
    let mut parts: Vec<(u32, &mut [Cell])> = Vec::with_capacity(layout.columns.len());
    let mut rest = cells.as_mut_slice();
    for (slot, column) in layout.columns.iter().enumerate() {
        let (own, others) = rest.split_at_mut(layout.range(slot).len());
        parts.push((*column, own));
        rest = others;
    }
    let work = rows.len() * parts.len();
    let threads = if work < WORTH_A_THREAD { 1 } else { threads };
    let mut pairs: Vec<&mut [(u32, &mut [Cell])]> = parts.chunks_mut(2).collect();
    parallel::map_mut(&mut pairs, threads, |_, pair| match pair {
        [(first, first_cells), (second, second_cells)] => {
            let first = bins.columns[*first as usize];
            let second = bins.columns[*second as usize];
            fill_two(first, second, rows, slopes, first_cells, second_cells);
        }
        others => {
            for (column, own) in others.iter_mut() {
                fill_one(bins.columns[*column as usize], rows, slopes, own);
            }
        }
    });
}

/// Two columns in one pass over the rows: their additions do not wait for each other.
fn fill_two(
    first: &[u8],
    second: &[u8],
    rows: &[u32],
    slopes: &[[f64; 2]],
    first_cells: &mut [Cell],
    second_cells: &mut [Cell],
) {
    for (row, slope) in rows.iter().zip(slopes) {
        let row = *row as usize;
        first_cells[usize::from(first[row])].count(slope);
        second_cells[usize::from(second[row])].count(slope);
    }
}

fn fill_one(column: &[u8], rows: &[u32], slopes: &[[f64; 2]], cells: &mut [Cell]) {
    for (row, slope) in rows.iter().zip(slopes) {
        cells[usize::from(column[*row as usize])].count(slope);
    }
}

/// Turns the cells of a node into those of one child by taking away the other's.
pub(super) fn subtract(cells: &mut [Cell], other: &[Cell]) {
    for (cell, other) in cells.iter_mut().zip(other) {
        *cell = cell.minus(other);
    }
}
