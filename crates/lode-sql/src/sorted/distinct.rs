//! `count(distinct x)` of groups that lie side by side.
//!
//! Within a group rows lie by time, so most values that are equal follow each other or ascend:
//! a group whose values never descend has as many as they change; others are sorted. Texts are
//! compared by their views, long ones by a number that each distinct text is given.
//! Nulls do not count. Exact; the memory is that of the open group's values.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::Array;
use arrow_array::ArrayRef;
use arrow_array::BooleanArray;
use arrow_array::Int64Array;
use arrow_array::StringViewArray;
use arrow_array::cast::AsArray;
use arrow_array::types::Date32Type;
use arrow_array::types::Int64Type;
use arrow_array::types::TimestampMicrosecondType;
use arrow_schema::DataType;
use arrow_schema::TimeUnit;
use datafusion::error::DataFusionError;
use datafusion::error::Result;

/// Bytes of a text that stand in its view.
const INLINE: u32 = 12;

/// How many distinct values each group has.
pub(super) enum Distinct {
    /// Int64, timestamps and dates.
    Ints(Counter<i64>),
    /// Texts.
    Texts(Counter<u128>, Longs),
}

/// Numbers for the texts that do not stand in their views.
#[derive(Default)]
pub(super) struct Longs {
    numbers: HashMap<Box<str>, u32>,
    bytes: usize,
}

/// The groups so far; the last one is open.
#[derive(Default)]
pub(super) struct Counter<T> {
    /// Of the open group it is not known yet.
    counts: Vec<i64>,
    /// Values of the open group.
    open: Vec<T>,
    /// How many of them were distinct when they were last sorted.
    settled: usize,
    scratch: Vec<T>,
}

impl Distinct {
    /// A counter of values of that type; none when they cannot be counted so.
    pub(super) fn of(data_type: &DataType) -> Option<Self> {
        match data_type {
            DataType::Int64 | DataType::Date32 | DataType::Timestamp(TimeUnit::Microsecond, _) => {
                Some(Self::Ints(Counter::default()))
            }
            DataType::Utf8View => Some(Self::Texts(Counter::default(), Longs::default())),
            _ => None,
        }
    }

    /// Takes a batch of rows in, of which `ranges` are the groups; the last of them is number
    /// `n_groups - 1`.
    pub(super) fn update(
        &mut self,
        values: &ArrayRef,
        ranges: &[Range<usize>],
        filter: Option<&BooleanArray>,
        n_groups: usize,
    ) -> Result<()> {
        let kept = kept(values, filter);
        let first = n_groups - ranges.len();
        match self {
            Self::Ints(counter) => {
                counter.begin(first);
                let ints = ints(values)?;
                counter.update(ints.values(), ranges, kept.as_ref(), first);
            }
            Self::Texts(counter, longs) => {
                let texts: &StringViewArray = values.as_string_view();
                counter.begin(first);
                if counter.open.is_empty() {
                    longs.forget();
                }
                let views = longs.views(texts)?;
                let views = views.as_deref().unwrap_or(texts.views());
                counter.update(views, ranges, kept.as_ref(), first);
            }
        }
        Ok(())
    }

    /// The counts of the first `n` groups, which are forgotten.
    pub(super) fn evaluate(&mut self, n: usize) -> ArrayRef {
        let counts = match self {
            Self::Ints(counter) => counter.evaluate(n),
            Self::Texts(counter, _) => counter.evaluate(n),
        };
        Arc::new(Int64Array::from(counts))
    }

    /// Bytes held.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Ints(counter) => counter.size(),
            Self::Texts(counter, longs) => counter.size() + longs.bytes,
        }
    }
}

/// The rows that count, when not all do.
fn kept(values: &ArrayRef, filter: Option<&BooleanArray>) -> Option<BooleanArray> {
    let valid = values
        .logical_nulls()
        .filter(|nulls| nulls.null_count() > 0);
    let filter = filter.map(|filter| match filter.nulls() {
        None => filter.values().clone(),
        Some(nulls) => filter.values() & nulls.inner(),
    });
    let bits = match (valid, filter) {
        (None, None) => return None,
        (Some(valid), None) => valid.into_inner(),
        (None, Some(filter)) => filter,
        (Some(valid), Some(filter)) => valid.inner() & &filter,
    };
    Some(BooleanArray::new(bits, None))
}

fn ints(values: &ArrayRef) -> Result<Int64Array> {
    match values.data_type() {
        DataType::Int64 => Ok(values.as_primitive::<Int64Type>().clone()),
        DataType::Date32 => {
            let days = values.as_primitive::<Date32Type>();
            Ok(days.unary::<_, Int64Type>(i64::from))
        }
        _ => {
            let times = values.as_primitive::<TimestampMicrosecondType>();
            Ok(times.reinterpret_cast::<Int64Type>())
        }
    }
}

impl Longs {
    /// The views with numbers in place of where long texts lie; none when none is long.
    fn views(&mut self, texts: &StringViewArray) -> Result<Option<Vec<u128>>> {
        if texts.views().iter().all(|view| *view as u32 <= INLINE) {
            return Ok(None);
        }
        let views = texts.views().iter().enumerate().map(|(row, view)| {
            if *view as u32 <= INLINE || texts.is_null(row) {
                return Ok(*view);
            }
            let number = self.number(texts.value(row))?;
            Ok((*view & u128::from(u64::MAX)) | (u128::from(number) << 64))
        });
        views.collect::<Result<_>>().map(Some)
    }

    fn number(&mut self, text: &str) -> Result<u32> {
        if let Some(number) = self.numbers.get(text) {
            return Ok(*number);
        }
        let number = u32::try_from(self.numbers.len()).map_err(|_| {
            DataFusionError::ResourcesExhausted(
                "4,294,967,296 distinct texts of a group".to_owned(),
            )
        })?;
        self.bytes += text.len() + size_of::<(Box<str>, u32)>();
        self.numbers.insert(text.into(), number);
        Ok(number)
    }

    /// No text of an open group has a number.
    fn forget(&mut self) {
        self.numbers.clear();
        self.bytes = 0;
    }
}

impl<T: Copy + Ord> Counter<T> {
    /// Before a batch whose first group has that number.
    fn begin(&mut self, first: usize) {
        if self.counts.len() == first {
            self.close();
        }
    }

    fn update(
        &mut self,
        values: &[T],
        ranges: &[Range<usize>],
        kept: Option<&BooleanArray>,
        first: usize,
    ) {
        let mut scratch = std::mem::take(&mut self.scratch);
        for (i, range) in ranges.iter().enumerate() {
            let group = match kept {
                None => &values[range.clone()],
                Some(kept) => {
                    scratch.clear();
                    let rows = range.clone().filter(|row| kept.value(*row));
                    scratch.extend(rows.map(|row| values[row]));
                    &scratch
                }
            };
            let begins = first + i == self.counts.len();
            if begins {
                self.counts.push(0);
            }
            let ends = i + 1 < ranges.len();
            match changes(group) {
                Some(count) if begins && ends => self.counts[first + i] = count,
                _ => {
                    self.open(group);
                    if ends {
                        self.close();
                    }
                }
            }
        }
        self.scratch = scratch;
    }

    /// Adds to the open group; sorts now and then, so that it holds at most twice its distinct
    /// values and some.
    fn open(&mut self, values: &[T]) {
        const SLACK: usize = 1 << 16;
        self.open.extend_from_slice(values);
        if self.open.len() > 2 * self.settled + SLACK {
            self.settled = settle(&mut self.open);
        }
    }

    /// Ends the open group.
    fn close(&mut self) {
        if let Some(count) = self.counts.last_mut()
            && !self.open.is_empty()
        {
            *count = settle(&mut self.open) as i64;
        }
        self.open.clear();
        self.settled = 0;
    }

    fn evaluate(&mut self, n: usize) -> Vec<i64> {
        if n == self.counts.len() {
            self.close();
        }
        let left = self.counts.split_off(n);
        std::mem::replace(&mut self.counts, left)
    }

    fn size(&self) -> usize {
        self.counts.capacity() * size_of::<i64>()
            + (self.open.capacity() + self.scratch.capacity()) * size_of::<T>()
    }
}

/// How many distinct values there are if they never descend.
fn changes<T: Copy + Ord>(values: &[T]) -> Option<i64> {
    let mut count = i64::from(!values.is_empty());
    let mut descends = false;
    for pair in values.windows(2) {
        count += i64::from(pair[0] != pair[1]);
        descends |= pair[1] < pair[0];
    }
    (!descends).then_some(count)
}

/// Sorts values, leaves each once and counts them.
fn settle<T: Copy + Ord>(values: &mut Vec<T>) -> usize {
    values.dedup();
    if !values.is_sorted() {
        values.sort_unstable();
        values.dedup();
    }
    values.len()
}
