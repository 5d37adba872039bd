//! Bytes of binned columns row by row, eight columns a word.
//!
//! Does not know cuts or levels. Invariant: byte `k` of word `w` of a row is the bin of column
//! `8 w + k`, and the bytes past the last column are 0.

use crate::parallel;

/// Bytes of a cache line: rows of up to so many columns lie in one.
const LINE: usize = 64;

/// Rows that are turned at a time.
const BLOCK: usize = 4096;

/// Columns of bytes, turned.
#[derive(Debug)]
pub(super) struct Matrix {
    words: Vec<u64>,
    /// Where the first row starts: rows of 1, 2, 4 or 8 words never cross a cache line.
    start: usize,
    stride: usize,
    n_rows: usize,
}

impl Matrix {
    /// Turns `columns` of one length each.
    pub(super) fn new(columns: &[&[u8]], n_rows: usize, threads: usize) -> Self {
        let n_words = columns.len().div_ceil(8);
        // Five and six words stay as they are: padding would cost more than crossing a line.
        let stride = match n_words {
            3 => 4,
            7 => 8,
            n => n,
        };
        let mut words = vec![0_u64; n_rows * stride + LINE / 8];
        let start = words.as_ptr().align_offset(LINE).min(LINE / 8);
        if stride > 0 {
            let mut blocks: Vec<&mut [u64]> = words[start..start + n_rows * stride]
                .chunks_mut(BLOCK * stride)
                .collect();
            parallel::map_mut(&mut blocks, threads, |index, block| {
                let first = index * BLOCK;
                let n = block.len() / stride;
                for (word, eight) in columns.chunks(8).enumerate() {
                    turn(eight, first, n, block, word, stride);
                }
            });
        }
        Self {
            words,
            start,
            stride,
            n_rows,
        }
    }

    /// Words of all rows, and how many of them a row has.
    pub(super) fn words(&self) -> (&[u64], usize) {
        let end = self.start + self.n_rows * self.stride;
        (&self.words[self.start..end], self.stride)
    }
}

fn turn(columns: &[&[u8]], first: usize, n: usize, block: &mut [u64], word: usize, stride: usize) {
    if let [a, b, c, d, e, f, g, h] = columns {
        let own = first..first + n;
        let (a, b, c, d) = (&a[own.clone()], &b[own.clone()], &c[own.clone()], &d[own.clone()]);
        let (e, f, g, h) = (&e[own.clone()], &f[own.clone()], &g[own.clone()], &h[own]);
        for (row, out) in block.chunks_exact_mut(stride).enumerate() {
            out[word] = u64::from_le_bytes([
                a[row], b[row], c[row], d[row], e[row], f[row], g[row], h[row],
            ]);
        }
        return;
    }
    for (lane, column) in columns.iter().enumerate() {
        let column = &column[first..first + n];
        for (out, byte) in block.chunks_exact_mut(stride).zip(column) {
            out[word] |= u64::from(*byte) << (8 * lane);
        }
    }
}
