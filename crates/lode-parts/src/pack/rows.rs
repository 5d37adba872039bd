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

/// Rows that are looked at before those found are kept.
const STRETCH: usize = 1024;

/// Those of the rows whose offset lies in the range; `offsets` are theirs.
pub(super) fn within(offsets: &Offsets, rows: &Rows<'_>, range: &RangeInclusive<u64>) -> Vec<u32> {
    each_width!(offsets, raw => match rows {
        Rows::Range(rows) => each(raw, range, |i| (rows.start + i) as u32),
        Rows::Picked(rows) => each(raw, range, |i| rows[i]),
    })
}

/// An offset of some width, compared in that width, so that loops become vectors.
pub(super) trait Offset: ArrowNativeType {
    /// The range in this width, as its start and its length; none when no offset lies in it.
    fn within(range: &RangeInclusive<u64>) -> Option<(Self, Self)>;
    /// Whether it lies in a range of that start and length.
    fn fits(self, range: (Self, Self)) -> bool;
}

macro_rules! offset {
    ($($width:ty),+) => {$(
        impl Offset for $width {
            fn within(range: &RangeInclusive<u64>) -> Option<(Self, Self)> {
                let low = Self::try_from(*range.start()).ok()?;
                let high = Self::try_from(*range.end()).unwrap_or(Self::MAX);
                Some((low, high.checked_sub(low)?))
            }

            fn fits(self, (low, length): (Self, Self)) -> bool {
                self.wrapping_sub(low) <= length
            }
        }
    )+};
}

offset!(u8, u16, u32, u64);

fn each<T: Offset>(
    raw: &[T],
    range: &RangeInclusive<u64>,
    number: impl Fn(usize) -> u32,
) -> Vec<u32> {
    let mut out = Vec::new();
    let Some(range) = T::within(range) else {
        return out;
    };
    let mut found = [0; STRETCH];
    for (stretch, raw) in raw.chunks(STRETCH).enumerate() {
        // Each row is written, and kept if it fits: no branch that is hard to foresee.
        let mut n = 0;
        for (i, offset) in raw.iter().enumerate() {
            found[n] = number(stretch * STRETCH + i);
            n += usize::from(offset.fits(range));
        }
        out.extend_from_slice(&found[..n]);
    }
    out
}

/// The rows of a stretch that lie in runs whose offset lies in the range.
pub(super) fn runs_within<T: Offset>(
    ends: &[i16],
    values: &[T],
    rows: &Range<usize>,
    range: &RangeInclusive<u64>,
) -> Result<Vec<u32>> {
    /// Runs of which first is asked whether any fits.
    const BLOCK: usize = 8;
    let wrong = || Error::damaged("runs up to the last row", "others");
    let last = ends.last().and_then(|end| usize::try_from(*end).ok());
    if last.unwrap_or(0) < rows.end {
        return Err(wrong());
    }
    let mut out = Vec::new();
    let Some(range) = T::within(range) else {
        return Ok(out);
    };
    let mut start = 0;
    for (ends, values) in std::iter::zip(ends.chunks(BLOCK), values.chunks(BLOCK)) {
        let any = values
            .iter()
            .fold(false, |any, value| any | value.fits(range));
        if any {
            for (end, value) in std::iter::zip(ends, values) {
                let end = usize::try_from(*end).ok().filter(|end| *end > start);
                let end = end.ok_or_else(wrong)?;
                if value.fits(range) {
                    let from = start.max(rows.start);
                    out.extend(from as u32..end.min(rows.end).max(from) as u32);
                }
                start = end;
            }
        } else if let Some(end) = ends.last() {
            start = usize::try_from(*end).map_err(|_| wrong())?;
        }
        if start >= rows.end {
            break;
        }
    }
    Ok(out)
}
