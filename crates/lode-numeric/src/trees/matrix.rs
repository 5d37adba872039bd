//! Bytes of binned columns row by row, eight a word, and lists of what is seldom.
//!
//! Three ways to keep a column: a byte a row of its own; a byte that it shares with other
//! columns of few bins, whose bins together name one of at most 256 codes; or, where nearly all
//! rows have one bin, a list of the others. Does not know cuts or levels. Invariant: every row's
//! bin of every column can be had from what is kept, exactly.

mod sparse;

use crate::parallel;
use crate::wide::wide;

pub(super) use sparse::Sparse;

/// Bytes of a cache line: rows of up to so many columns lie in one.
const LINE: usize = 64;

/// Rows that are turned at a time.
const BLOCK: usize = 4096;

/// Rows from which columns are listed or share bytes, and from which they do so up to 256 codes.
const SHARE_ROWS: usize = 1 << 12;
const SHARE_ALL_ROWS: usize = 1 << 15;

/// Codes of a shared byte of a table of few rows: cells of codes cost as much as rows.
const FEW_CODES: usize = 64;

/// A column as it is handed over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Binned<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) n_bins: usize,
}

/// Where a column is.
#[derive(Clone, Debug)]
pub(super) enum Spot {
    /// In this byte of a row.
    Byte(usize),
    /// In this byte, whose code has this bin.
    Shared(usize, Box<[u8; 256]>),
    /// In this list.
    Listed(usize),
}

/// Columns of bytes, turned.
#[derive(Debug)]
pub(super) struct Matrix {
    words: Vec<u64>,
    /// Where the first row starts: rows of 1, 2, 4 or 8 words never cross a cache line.
    start: usize,
    stride: usize,
    n_rows: usize,
    pub(super) sparse: Sparse,
    /// Where each column is.
    pub(super) spots: Vec<Spot>,
}

impl Matrix {
    /// Turns `columns` of one length each.
    pub(super) fn new(columns: &[Binned<'_>], n_rows: usize, threads: usize) -> Self {
        let mut own = columns.to_vec();
        let kinds = parallel::map_mut(&mut own, threads, |_, column| Kind::of(column));
        let mut spots = vec![Spot::Byte(0); columns.len()];
        let mut listed: Vec<usize> = (0..columns.len()).filter(|at| kinds[*at].seldom).collect();
        listed.truncate(if n_rows < SHARE_ROWS {
            0
        } else {
            sparse::MOST_COLUMNS
        });
        let lists: Vec<(&[u8], u8)> = listed
            .iter()
            .map(|at| (columns[*at].bytes, kinds[*at].usual))
            .collect();
        let sparse = Sparse::new(&lists, n_rows);
        for (index, at) in listed.iter().enumerate() {
            spots[*at] = Spot::Listed(index);
        }
        let dense: Vec<usize> = (0..columns.len())
            .filter(|at| listed.binary_search(at).is_err())
            .collect();
        let lanes = lanes(&dense, &kinds, n_rows);
        let mut joined = lanes.clone();
        let codes = parallel::map_mut(&mut joined, threads, |_, lane| {
            (lane.len() > 1).then(|| code(lane, columns, &kinds, n_rows))
        });
        for (byte, lane) in lanes.iter().enumerate() {
            place(byte, lane, &kinds, &mut spots);
        }
        let bytes: Vec<&[u8]> = lanes
            .iter()
            .zip(&codes)
            .map(|(lane, code)| code.as_deref().unwrap_or(columns[lane[0]].bytes))
            .collect();
        let n_words = bytes.len().div_ceil(8);
        // Five words stay as they are: padding would cost more than crossing a line.
        let stride = match n_words {
            3 => 4,
            6 | 7 => 8,
            n => n,
        };
        let mut words = vec![0_u64; n_rows * stride + LINE / 8];
        let start = words.as_ptr().align_offset(LINE).min(LINE / 8);
        if stride > 0 {
            let mut blocks: Vec<&mut [u64]> = words[start..start + n_rows * stride]
                .chunks_mut(BLOCK * stride)
                .collect();
            parallel::map_mut(&mut blocks, threads, |index, block| {
                wide(|| turn(&bytes, index * BLOCK, block, stride));
            });
        }
        Self {
            words,
            start,
            stride,
            n_rows,
            sparse,
            spots,
        }
    }

    /// Words of all rows, and how many of them a row has.
    pub(super) fn words(&self) -> (&[u64], usize) {
        let end = self.start + self.n_rows * self.stride;
        (&self.words[self.start..end], self.stride)
    }
}

/// What the bytes of a column are like.
#[derive(Clone, Copy, Debug)]
struct Kind {
    lowest: u8,
    /// Bins from the lowest to the highest.
    span: usize,
    /// The most frequent bin.
    usual: u8,
    /// Whether nearly all rows have it.
    seldom: bool,
}

impl Kind {
    fn of(column: &Binned<'_>) -> Self {
        // Four counts a bin: rows of one bin do not wait for each other.
        let mut counts = [[0_u32; 256]; 4];
        for four in column.bytes.chunks(4) {
            for (counts, byte) in counts.iter_mut().zip(four) {
                counts[usize::from(*byte)] += 1;
            }
        }
        let [mut all, others @ ..] = counts;
        for other in others {
            for (count, other) in all.iter_mut().zip(other) {
                *count += other;
            }
        }
        let bins = all.iter().zip(0..=255_u8);
        let mut seen = bins.filter(|(count, _)| **count > 0);
        let (mut usual, mut lowest, mut highest) = ((0, 0), 0, 0);
        if let Some((count, bin)) = seen.next() {
            (usual, lowest, highest) = ((*count, bin), bin, bin);
        }
        for (count, bin) in seen {
            highest = bin;
            if *count > usual.0 {
                usual = (*count, bin);
            }
        }
        let rest = column.bytes.len() - usual.0 as usize;
        Self {
            lowest,
            span: usize::from(highest - lowest) + 1,
            usual: usual.1,
            seldom: rest <= column.bytes.len() / sparse::USUAL && column.n_bins > 1,
        }
    }
}

/// Which columns share a byte: those of few bins, the largest first, each with the first that
/// leave it room.
fn lanes(dense: &[usize], kinds: &[Kind], n_rows: usize) -> Vec<Vec<usize>> {
    let most = match n_rows {
        0..SHARE_ROWS => 1,
        SHARE_ROWS..SHARE_ALL_ROWS => FEW_CODES,
        _ => 256,
    };
    let (few, many): (Vec<usize>, Vec<usize>) =
        dense.iter().partition(|at| kinds[**at].span * 2 <= most);
    let mut few = few;
    few.sort_by_key(|at| std::cmp::Reverse(kinds[*at].span));
    let mut lanes: Vec<(usize, Vec<usize>)> = Vec::new();
    for at in few {
        let span = kinds[at].span;
        match lanes.iter_mut().find(|lane| lane.0 * span <= most) {
            Some(lane) => {
                lane.0 *= span;
                lane.1.push(at);
            }
            None => lanes.push((span, vec![at])),
        }
    }
    let mut lanes: Vec<Vec<usize>> = lanes.into_iter().map(|lane| lane.1).collect();
    lanes.extend(many.into_iter().map(|at| vec![at]));
    lanes.sort_by_key(|lane| lane[0]);
    lanes
}

/// The codes of columns that share a byte: their bins as the digits of a number.
fn code(lane: &[usize], columns: &[Binned<'_>], kinds: &[Kind], n_rows: usize) -> Vec<u8> {
    let mut codes = vec![0_u8; n_rows];
    let mut unit = 1_u8;
    for at in lane {
        let lowest = kinds[*at].lowest;
        for (code, byte) in codes.iter_mut().zip(columns[*at].bytes) {
            // All codes together are at most 256.
            *code = code.wrapping_add((byte - lowest).wrapping_mul(unit));
        }
        unit = unit.wrapping_mul(kinds[*at].span as u8);
    }
    codes
}

fn place(byte: usize, lane: &[usize], kinds: &[Kind], spots: &mut [Spot]) {
    if let [at] = lane {
        spots[*at] = Spot::Byte(byte);
        return;
    }
    let mut unit = 1_usize;
    for at in lane {
        let (lowest, span) = (kinds[*at].lowest, kinds[*at].span);
        let mut bins = Box::new([0_u8; 256]);
        for (code, bin) in bins.iter_mut().enumerate() {
            // A digit below the span, which ends at a bin.
            *bin = lowest + ((code / unit) % span) as u8;
        }
        spots[*at] = Spot::Shared(byte, bins);
        unit *= span;
    }
}

#[inline(always)]
fn turn(bytes: &[&[u8]], first: usize, block: &mut [u64], stride: usize) {
    let n = block.len() / stride;
    for (word, eight) in bytes.chunks(8).enumerate() {
        for (lane, column) in eight.iter().enumerate() {
            let column = &column[first..first + n];
            for (out, byte) in block.chunks_exact_mut(stride).zip(column) {
                out[word] |= u64::from(*byte) << (8 * lane);
            }
        }
    }
}

#[cfg(test)]
mod tests;
