//! Which rows of a batch are read: a stretch of them, or some that were picked.
//!
//! What is not read is not decoded: of runs and of fixed widths the wanted rows alone are
//! looked at. Invariant: picked rows ascend and lie within their batch; [`Rows::fit`] says so.

use std::ops::Range;
use std::ops::RangeInclusive;

use arrow_buffer::ArrowNativeType;

use super::decode::Offsets;
use super::decode::each_width;
use crate::Error;
use crate::Result;

/// The rows of a batch that are read.
#[derive(Clone, Debug)]
pub(crate) enum Rows<'a> {
    /// All of a stretch.
    Range(Range<usize>),
    /// Those with these numbers, ascending.
    Picked(&'a [u32]),
}

impl Rows<'_> {
    /// How many they are.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Range(rows) => rows.len(),
            Self::Picked(rows) => rows.len(),
        }
    }

    /// For an error.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Range(rows) => format!("rows {}..{}", rows.start, rows.end),
            Self::Picked(rows) => format!("{} rows up to {:?}", rows.len(), rows.iter().max()),
        }
    }

    /// The shortest stretch that holds them.
    pub(super) fn span(&self) -> Range<usize> {
        match self {
            Self::Range(rows) => rows.clone(),
            Self::Picked(rows) => {
                let first = rows.first().map_or(0, |row| *row as usize);
                let end = rows.last().map_or(0, |row| *row as usize + 1);
                first..end
            }
        }
    }

    /// Whether they ascend and lie within a batch of that many rows.
    pub(crate) fn fit(&self, batch_rows: usize) -> bool {
        let ascend = match self {
            Self::Range(rows) => rows.start <= rows.end,
            Self::Picked(rows) => rows.is_sorted_by(|a, b| a < b),
        };
        ascend && self.span().end <= batch_rows
    }
}

/// The values of runs at some rows, which ascend.
pub(super) fn pick_runs<T: ArrowNativeType>(
    ends: &[i16],
    values: &[T],
    rows: &[u32],
) -> Result<Vec<T>> {
    let wrong = || Error::damaged("runs up to the last row", "others");
    let mut out = Vec::with_capacity(rows.len());
    let mut run = 0;
    for row in rows {
        while ends
            .get(run)
            .is_some_and(|end| u32::try_from(*end).is_ok_and(|end| end <= *row))
        {
            run += 1;
        }
        out.push(*values.get(run).ok_or_else(wrong)?);
    }
    Ok(out)
}

/// The rows of `among`, numbered within the batch, whose offset lies in the range.
///
/// `offsets` are those of the stretch that begins at row `first`.
pub(super) fn within(
    offsets: &Offsets,
    first: usize,
    among: &Rows<'_>,
    range: &RangeInclusive<u64>,
) -> Vec<u32> {
    each_width!(offsets, raw => each(raw, first, among, range))
}

fn each<T: Copy + Into<u64> + TryFrom<u64>>(
    raw: &[T],
    first: usize,
    among: &Rows<'_>,
    range: &RangeInclusive<u64>,
) -> Vec<u32> {
    let (low, width) = (*range.start(), range.end() - range.start());
    let fits = |offset: T| {
        let offset: u64 = offset.into();
        offset.wrapping_sub(low) <= width
    };
    // One place more than there are rows, so that each row is written and then kept or not.
    let mut out = vec![0_u32; among.len() + 1];
    let mut n = 0;
    match among {
        Rows::Range(rows) => {
            for (row, offset) in (rows.start as u32..).zip(&raw[rows.start - first..][..rows.len()])
            {
                out[n] = row;
                n += usize::from(fits(*offset));
            }
        }
        Rows::Picked(rows) => {
            for row in *rows {
                out[n] = *row;
                n += usize::from(fits(raw[*row as usize - first]));
            }
        }
    }
    out.truncate(n);
    out
}
