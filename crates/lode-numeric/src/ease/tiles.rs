//! The inverse of a large symmetric matrix, in place, tile by tile.
//!
//! Only tiles on and below the diagonal are kept. Does not pivot: the matrix is positive definite.
//! Invariant: each tile is changed by one thread, in the same order of steps.

use crate::Error;
use crate::Progress;
use crate::Result;
use crate::cholesky;
use crate::parallel::with_crew;
use crate::wide::wide;

/// Rows and columns of a tile.
pub(super) const SIDE: usize = 64;
const CELLS: usize = SIDE * SIDE;
/// A pivot at or below this part of its diagonal entry is rounding.
const ROUNDING: f64 = 1e-13;

/// A symmetric matrix: of each row of tiles those up to the diagonal, a tile row by row.
#[derive(Clone, Debug)]
pub(super) struct Tiles {
    pub(super) rows: Vec<Vec<f64>>,
    size: usize,
}

impl Tiles {
    /// Of so many rows; the caller fills them, and the diagonal behind them is 1.
    pub(super) fn new(size: usize) -> Self {
        let n_rows = size.div_ceil(SIDE);
        let mut tiles = Self {
            rows: (0..n_rows)
                .map(|row| vec![0.0; (row + 1) * CELLS])
                .collect(),
            size,
        };
        for index in size..n_rows * SIDE {
            *tiles.diagonal(index) = 1.0;
        }
        tiles
    }

    /// Rows of the matrix itself.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    pub(super) fn diagonal(&mut self, index: usize) -> &mut f64 {
        let (tile, own) = (index / SIDE, index % SIDE);
        &mut self.rows[tile][tile * CELLS + own * SIDE + own]
    }

    pub(super) fn get(&self, row: usize, column: usize) -> f64 {
        let (row, column) = (row.max(column), row.min(column));
        let tile = column / SIDE * CELLS;
        self.rows[row / SIDE][tile + row % SIDE * SIDE + column % SIDE]
    }

    /// Turns the matrix into minus its inverse.
    ///
    /// Sweeps a tile of the diagonal after the other (J. Goodnight, "A tutorial on the SWEEP
    /// operator", The American Statistician 33(3), 1979): with `D` the inverse of that tile and
    /// `V` the tiles of its column, all others become `A - V D V'`, the column `V D`, and the tile
    /// itself `-D`.
    pub(super) fn invert(&mut self, threads: usize, progress: Progress<'_>) -> Result<()> {
        let n_rows = self.rows.len();
        with_crew(threads, |crew| {
            for pivot in 0..n_rows {
                if !progress(pivot as f64 / n_rows as f64) {
                    return Err(Error::Cancelled);
                }
                let inverse = self.pivot(pivot)?;
                let mut panels: Vec<Panel> = (0..n_rows).map(|_| Panel::default()).collect();
                let rows = &self.rows;
                crew.map_mut(&mut panels, |row, panel| {
                    *panel = Panel::new(rows, row, pivot, &inverse);
                });
                crew.map_mut(&mut self.rows, |row, tiles| {
                    sweep(tiles, row, pivot, &panels, &inverse);
                });
            }
            Ok(())
        })
    }

    /// The inverse of a tile of the diagonal.
    fn pivot(&self, pivot: usize) -> Result<Vec<f64>> {
        let mut tile = self.rows[pivot][pivot * CELLS..].to_vec();
        cholesky::factor(&mut tile, SIDE, ROUNDING).map_err(|row| Error::Singular {
            weight: pivot * SIDE + row,
        })?;
        Ok(cholesky::inverse(&tile, SIDE))
    }
}

/// One tile of the pivot's column.
#[derive(Clone, Debug, Default)]
struct Panel {
    /// Its columns, one after the other.
    turned: Vec<f64>,
    /// The tile times the pivot's inverse, row by row.
    product: Vec<f64>,
}

impl Panel {
    fn new(rows: &[Vec<f64>], row: usize, pivot: usize, inverse: &[f64]) -> Self {
        if row == pivot {
            return Self::default();
        }
        let (at, tile) = (row.max(pivot), row.min(pivot) * CELLS);
        let stored = &rows[at][tile..tile + CELLS];
        let turned = transposed(stored);
        let (tile, turned) = if row > pivot {
            (stored, turned)
        } else {
            (&turned[..], stored.to_vec())
        };
        let mut product = vec![0.0; CELLS];
        subtract(&mut product, tile, inverse);
        for value in &mut product {
            *value = -*value;
        }
        Self { turned, product }
    }
}

fn sweep(tiles: &mut [f64], row: usize, pivot: usize, panels: &[Panel], inverse: &[f64]) {
    for (column, tile) in tiles.chunks_exact_mut(CELLS).enumerate() {
        match (row == pivot, column == pivot) {
            (true, true) => {
                for (cell, value) in tile.iter_mut().zip(inverse) {
                    *cell = -value;
                }
            }
            (false, true) => tile.copy_from_slice(&panels[row].product),
            (true, false) => tile.copy_from_slice(&transposed(&panels[column].product)),
            (false, false) => subtract(tile, &panels[row].product, &panels[column].turned),
        }
    }
}

fn transposed(tile: &[f64]) -> Vec<f64> {
    let mut turned = vec![0.0; CELLS];
    for row in 0..SIDE {
        for column in 0..SIDE {
            turned[column * SIDE + row] = tile[row * SIDE + column];
        }
    }
    turned
}

/// Rows and columns that are summed up at once, in registers.
const HIGH: usize = 4;
const WIDE: usize = 8;

/// `tile -= left right`, all row by row.
fn subtract(tile: &mut [f64], left: &[f64], right: &[f64]) {
    wide(
        #[inline(always)]
        || {
            let mut packed = [[0.0; WIDE]; SIDE];
            for column in (0..SIDE).step_by(WIDE) {
                for (line, from) in packed.iter_mut().zip(right.chunks_exact(SIDE)) {
                    line.copy_from_slice(&from[column..column + WIDE]);
                }
                for row in (0..SIDE).step_by(HIGH) {
                    let mut sums = [[0.0; WIDE]; HIGH];
                    let lines: [&[f64]; HIGH] =
                        std::array::from_fn(|r| &left[(row + r) * SIDE..(row + r) * SIDE + SIDE]);
                    for (k, line) in packed.iter().enumerate() {
                        for r in 0..HIGH {
                            let factor = lines[r][k];
                            for c in 0..WIDE {
                                sums[r][c] += factor * line[c];
                            }
                        }
                    }
                    for (r, sums) in sums.iter().enumerate() {
                        let start = (row + r) * SIDE + column;
                        for (cell, sum) in tile[start..start + WIDE].iter_mut().zip(sums) {
                            *cell -= sum;
                        }
                    }
                }
            }
        },
    );
}
