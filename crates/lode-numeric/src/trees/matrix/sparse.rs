//! Lists of the rows' unusual bins.
//!
//! Does not keep usual bins: their sums are what the others leave of the whole. Invariant: a
//! row's entries are in column order, one a column at most.

/// A column is listed where at most one row in so many is unusual.
pub(super) const USUAL: usize = 10;

/// Columns that are listed, at most: each has 256 short cells.
pub(super) const MOST_COLUMNS: usize = 4096;

/// Unusual bins of all rows.
#[derive(Debug, Default)]
pub(crate) struct Sparse {
    /// The usual bin of each listed column.
    pub(crate) usual: Vec<u8>,
    /// Where the entries of each row begin, and the end of the last.
    starts: Vec<u32>,
    /// 256 times the number of the column and the bin.
    entries: Vec<u32>,
}

impl Sparse {
    /// From the bytes and the usual bin of each column; none if there would be more entries
    /// than can be numbered, which takes tables beyond a terabyte.
    pub(super) fn new(columns: &[(&[u8], u8)], n_rows: usize) -> Self {
        if columns.is_empty() {
            return Self::default();
        }
        let mut starts = vec![0_u32; n_rows + 1];
        for (bytes, usual) in columns {
            for (start, byte) in starts[1..].iter_mut().zip(*bytes) {
                *start += u32::from(byte != usual);
            }
        }
        let mut sum = 0_u32;
        for start in &mut starts {
            sum = sum.saturating_add(*start);
            *start = sum;
        }
        let mut entries = vec![0_u32; sum as usize];
        let mut next = starts.clone();
        for ((bytes, usual), index) in columns.iter().zip(0_u32..) {
            for (next, byte) in next.iter_mut().zip(*bytes) {
                if byte != usual {
                    entries[*next as usize] = (index << 8) | u32::from(*byte);
                    *next += 1;
                }
            }
        }
        Self {
            usual: columns.iter().map(|column| column.1).collect(),
            starts,
            entries,
        }
    }

    /// The entries of a row.
    #[inline(always)]
    pub(crate) fn row(&self, row: usize) -> &[u32] {
        &self.entries[self.starts[row] as usize..self.starts[row + 1] as usize]
    }
}
