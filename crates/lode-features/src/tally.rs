//! The numbers of ranges that take a pass over their events, for all rows of a block.
//!
//! Times ascend within a segment, so the ends of a range only move forward, and a number is kept
//! while they stay. Floats are always added in the order of the events from the range's first
//! on, so that a plain loop gives the same last digit; only integers, decimals and counts, which
//! are exact, are ever taken off again.

use crate::numbers;
use crate::plan::AccKind;
use crate::plan::Number;
use crate::plan::power;
use crate::stream::Events;
use crate::stream::NEVER;

/// A range's first event and the one after its last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ends {
    pub(crate) lo: usize,
    pub(crate) hi: usize,
}

/// A number for each row.
#[derive(Debug)]
pub(crate) enum Numbers {
    Floats(Vec<Option<f64>>),
    /// Integers or digits of decimals.
    Digits(Vec<Option<i128>>),
    /// How many events are in each hour or weekday.
    Bins(Vec<[u32; 24]>),
}

/// Events that a range has at each row, in ascending order within a segment.
pub(crate) fn ends(
    events: &Events,
    window: Option<i64>,
    segments: &[u32],
    times: &[i64],
) -> Vec<Ends> {
    let mut all = Vec::with_capacity(times.len());
    let mut segment = None;
    let (mut ends, mut end) = (Ends::default(), 0);
    for (&own, &t) in segments.iter().zip(times) {
        if segment != Some(own) {
            segment = Some(own);
            let (lo, past) = events.segment(own);
            ends = Ends { lo, hi: lo };
            end = past;
        }
        while ends.hi < end && events.times[ends.hi] <= t {
            ends.hi += 1;
        }
        if let Some(window) = window {
            let open = t.saturating_sub(window);
            while ends.lo < ends.hi && events.times[ends.lo] <= open {
                ends.lo += 1;
            }
        }
        all.push(ends);
    }
    all
}

/// The numbers of a range; `number` is how the stream keeps its values.
pub(crate) fn numbers(
    kind: AccKind,
    number: Number,
    events: &Events,
    ends: &[Ends],
    segments: &[u32],
) -> Numbers {
    let floats = &events.floats;
    let ints = &events.ints;
    match (kind, number) {
        (AccKind::Sum, Number::Float) => {
            let sums = roll(ends, segments, 0.0, |sum, before, Ends { lo, hi }| {
                let (mut sum, from) = match before {
                    // It only grew.
                    Some(before) if before.lo == lo => (sum, before.hi),
                    _ => (0.0, lo),
                };
                for value in &floats[from..hi] {
                    sum += value;
                }
                sum
            });
            Numbers::Floats(sums.into_iter().map(Some).collect())
        }
        (AccKind::Sum, _) => {
            let sums = roll(ends, segments, 0, |sum, before, Ends { lo, hi }| {
                let sum_of = |from: usize, to: usize| ints[from..to].iter().sum::<i128>();
                match before {
                    Some(old) if old.hi > lo => sum - sum_of(old.lo, lo) + sum_of(old.hi, hi),
                    _ => sum_of(lo, hi),
                }
            });
            Numbers::Digits(sums.into_iter().map(Some).collect())
        }
        (AccKind::Min | AccKind::Max, Number::Float) => {
            let is_min = kind == AccKind::Min;
            float_passes(ends, segments, |lo, hi| {
                numbers::extreme(&floats[lo..hi], is_min)
            })
        }
        (AccKind::Min | AccKind::Max, _) => {
            let found = roll(ends, segments, None, |_, _, Ends { lo, hi }| {
                let values = ints[lo..hi].iter().copied();
                match kind {
                    AccKind::Min => values.min(),
                    _ => values.max(),
                }
            });
            Numbers::Digits(found)
        }
        (AccKind::Std, Number::Float) => {
            float_passes(ends, segments, |lo, hi| numbers::std(&floats[lo..hi]))
        }
        (AccKind::Std, _) => float_passes(ends, segments, |lo, hi| {
            numbers::std(&as_floats(number, &ints[lo..hi]))
        }),
        (AccKind::Trend, _) => {
            let mut x = Vec::new();
            float_passes(ends, segments, |lo, hi| {
                let times = &events.times[lo..hi];
                match number {
                    Number::Float => numbers::slope(times, &floats[lo..hi], &mut x),
                    _ => numbers::slope(times, &as_floats(number, &ints[lo..hi]), &mut x),
                }
            })
        }
        (AccKind::Distinct, _) => {
            let found = roll(ends, segments, 0_u32, |found, before, Ends { lo, hi }| {
                let (found, from) = match before {
                    Some(before) if before.lo == lo => (found, before.hi),
                    _ => (0, lo),
                };
                let mut found = found;
                for &same in &events.before[from..hi] {
                    found += u32::from(same == NEVER || (same as usize) < lo);
                }
                found
            });
            Numbers::Digits(found.into_iter().map(|n| Some(i128::from(n))).collect())
        }
        (AccKind::GapStd, _) => float_passes(ends, segments, |lo, hi| {
            let (first, end) = gaps(events, lo, hi)?;
            let length = numbers::days(events.times[hi - 1] - events.times[lo]);
            let mean = length / numbers::float(end - first);
            numbers::std_around(&events.gaps[first..end], mean)
        }),
        (AccKind::Hours | AccKind::Weekdays, _) => {
            let bin = match kind {
                AccKind::Hours => numbers::hour,
                _ => numbers::weekday,
            };
            let times = &events.times;
            let bins = roll(ends, segments, [0; 24], |bins, before, Ends { lo, hi }| {
                let (mut bins, old) = match before {
                    Some(old) if old.hi > lo => (bins, old),
                    _ => ([0; 24], Ends { lo, hi: lo }),
                };
                for &time in &times[old.lo..lo] {
                    bins[bin(time)] -= 1;
                }
                for &time in &times[old.hi..hi] {
                    bins[bin(time)] += 1;
                }
                bins
            });
            Numbers::Bins(bins)
        }
    }
}

/// The gaps within a range, as a part of the stream's; none when there is no gap.
pub(crate) fn gaps(events: &Events, lo: usize, hi: usize) -> Option<(usize, usize)> {
    if lo == hi {
        return None;
    }
    let (first, end) = (events.steps[lo] as usize, events.steps[hi - 1] as usize);
    (first < end).then_some((first, end))
}

/// Numbers made by a pass over the range whenever it changed.
fn float_passes(
    ends: &[Ends],
    segments: &[u32],
    mut pass: impl FnMut(usize, usize) -> Option<f64>,
) -> Numbers {
    Numbers::Floats(roll(ends, segments, None, |_, _, Ends { lo, hi }| {
        pass(lo, hi)
    }))
}

/// Goes along the rows; `next` makes a row's value from the one before and the ends that this
/// was made for, which are none at the first row of a segment.
fn roll<T: Copy>(
    ends: &[Ends],
    segments: &[u32],
    start: T,
    mut next: impl FnMut(T, Option<Ends>, Ends) -> T,
) -> Vec<T> {
    let mut all = Vec::with_capacity(ends.len());
    let mut value = start;
    let mut before: Option<(u32, Ends)> = None;
    for (&segment, &ends) in segments.iter().zip(ends) {
        if before != Some((segment, ends)) {
            let same = before.filter(|(other, _)| *other == segment);
            value = next(value, same.map(|(_, ends)| ends), ends);
            before = Some((segment, ends));
        }
        all.push(value);
    }
    all
}

fn as_floats(number: Number, digits: &[i128]) -> Vec<f64> {
    let scale = match number {
        Number::Decimal(scale) => power(scale),
        _ => 1.0,
    };
    digits.iter().map(|&digits| digits as f64 / scale).collect()
}
