//! Subjects in the order of their durations, and the times at which somebody leaves.
//!
//! Does not know columns. Invariant: at equal durations those who leave come first, so a time
//! is a range of positions and its deaths are the range's beginning.

use crate::survival::Subjects;

/// When late entries have taken this many times of what is left out of a sum, the sum is
/// added anew: its rounding stays below 1e-12.
const MUCH: f64 = 1e3;

/// A time at which somebody leaves.
#[derive(Clone, Copy, Debug)]
pub(super) struct EventTime {
    pub(super) time: f64,
    /// The first position of this duration; all at risk by duration are from here on.
    pub(super) start: usize,
    /// How many of the positions from there on leave now.
    pub(super) n_deaths: usize,
    /// The sum of their weights.
    pub(super) weight: f64,
}

/// The order; a position is an index into `rows`.
#[derive(Debug)]
pub(super) struct Order {
    /// Rows by duration, those who leave first, then by row.
    pub(super) rows: Vec<u32>,
    pub(super) durations: Vec<f64>,
    pub(super) weights: Vec<f64>,
    /// Entry of each position; empty when all were watched from their start.
    pub(super) entries: Vec<f64>,
    /// Positions by entry, the latest first.
    by_entry: Vec<u32>,
    /// Ascending.
    pub(super) times: Vec<EventTime>,
    /// For each position how many of `times` are at or before its duration.
    pub(super) until: Vec<u32>,
    /// For each position how many of `times` are at or before its entry; empty as `entries`.
    pub(super) before: Vec<u32>,
}

impl Order {
    pub(super) fn new(subjects: &Subjects<'_>) -> Self {
        let leaves =
            |row: u32| subjects.events[row as usize] && subjects.weight(row as usize) > 0.0;
        let mut rows: Vec<u32> = (0..subjects.len() as u32).collect();
        rows.sort_by(|a, b| {
            let by_duration =
                subjects.durations[*a as usize].total_cmp(&subjects.durations[*b as usize]);
            by_duration.then(leaves(*b).cmp(&leaves(*a))).then(a.cmp(b))
        });
        // `+ 0.0` makes -0 a 0, so that the two are one time.
        let durations: Vec<f64> = rows
            .iter()
            .map(|row| subjects.durations[*row as usize] + 0.0)
            .collect();
        let weights: Vec<f64> = rows.iter().map(|r| subjects.weight(*r as usize)).collect();
        let mut times: Vec<EventTime> = Vec::new();
        let mut start = 0;
        for (position, row) in rows.iter().enumerate() {
            let time = durations[position];
            if position > 0 && durations[position - 1] < time {
                start = position;
            }
            if !leaves(*row) {
                continue;
            }
            match times.last_mut() {
                Some(last) if last.start == start => {
                    last.n_deaths += 1;
                    last.weight += weights[position];
                }
                _ => times.push(EventTime {
                    time,
                    start,
                    n_deaths: 1,
                    weight: weights[position],
                }),
            }
        }
        let count = |bound: f64| times.partition_point(|event| event.time <= bound) as u32;
        let until = durations.iter().map(|duration| count(*duration)).collect();
        let mut entries = Vec::new();
        let mut before = Vec::new();
        let mut by_entry = Vec::new();
        if subjects.entries.is_some() {
            entries = rows.iter().map(|r| subjects.entry(*r as usize)).collect();
            before = entries.iter().map(|entry| count(*entry)).collect();
            by_entry = (0..rows.len() as u32).collect();
            by_entry.sort_by(|a, b| {
                let (a_entry, b_entry) = (entries[*a as usize], entries[*b as usize]);
                b_entry.total_cmp(&a_entry).then(a.cmp(b))
            });
        }
        Self {
            rows,
            durations,
            weights,
            entries,
            by_entry,
            times,
            until,
            before,
        }
    }

    /// The positions that leave at a time.
    pub(super) fn deaths(&self, event: &EventTime) -> std::ops::Range<usize> {
        event.start..event.start + event.n_deaths
    }

    /// Goes through the times from the last to the first and shows, for each, the sum of
    /// `risk` over those at risk then, and the sum of what `add` adds: `add(position, factor,
    /// sums)` puts a position's own vector, times its risk, into `sums` of `width` numbers.
    pub(super) fn backwards(
        &self,
        risk: &[f64],
        width: usize,
        add: impl Fn(usize, f64, &mut [f64]),
        mut show: impl FnMut(usize, f64, &[f64]),
    ) {
        let mut scalar = 0.0;
        let mut vector = vec![0.0; width];
        let mut taken = 0.0;
        let mut start = self.rows.len();
        let mut n_left = 0;
        for (index, event) in self.times.iter().enumerate().rev() {
            for position in (event.start..start).rev() {
                scalar += risk[position];
                add(position, risk[position], &mut vector);
            }
            start = event.start;
            while let Some(position) = self.by_entry.get(n_left).map(|p| *p as usize)
                && self.entries[position] >= event.time
            {
                scalar -= risk[position];
                taken += risk[position];
                add(position, -risk[position], &mut vector);
                n_left += 1;
            }
            if taken > MUCH * scalar {
                scalar = 0.0;
                vector.fill(0.0);
                taken = 0.0;
                for position in (start..self.rows.len()).rev() {
                    if self.entries[position] < event.time {
                        scalar += risk[position];
                        add(position, risk[position], &mut vector);
                    }
                }
            }
            show(index, scalar, &vector);
        }
    }
}
