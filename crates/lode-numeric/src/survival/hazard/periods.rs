//! Subjects by periods: how long each was watched, and where its contract ends.
//!
//! Does not write rows for periods. Invariant: the cells of a subject cover each period that
//! it was watched in once.

use crate::Error;
use crate::Result;
use crate::survival::subjects::not_negative;
use crate::survival::subjects::same_length;

/// "No contract" in [`Spells::ends`].
pub const NO_END: i64 = i64::MAX;

/// The most periods a subject may be watched: more are a unit that is too short.
const MAX_PERIODS: u32 = 1_000_000;

/// The period, counted from 1, in which a duration ends: period j goes from `(j - 1) length`,
/// not included, to `j length`. A duration of 0 ends in the first.
pub fn period_of(duration: f64, length: f64) -> u32 {
    // `as` saturates; more than MAX_PERIODS are refused by the fit.
    ((duration / length).ceil() as u32).max(1)
}

/// Subjects watched for whole periods.
#[derive(Clone, Copy, Debug)]
pub struct Spells<'a> {
    /// The period, counted from 1 at the subject's start, in which watching ended.
    pub n_periods: &'a [u32],
    /// Whether the subject left in it; false means that it was still there after it.
    pub events: &'a [bool],
    /// Periods that had passed when watching began, below `n_periods`; none means 0 each.
    pub entries: Option<&'a [u32]>,
    /// How many subjects a row stands for, at least 0; none means 1 each.
    pub weights: Option<&'a [f64]>,
    /// The period in which the subject's contract ends, 0 or less when it had ended before
    /// the start, [`NO_END`] for a subject without one; none means that contracts do not count.
    pub ends: Option<&'a [i64]>,
}

impl<'a> Spells<'a> {
    /// Subjects of weight 1, watched from their start, without contracts.
    pub fn new(n_periods: &'a [u32], events: &'a [bool]) -> Self {
        Self {
            n_periods,
            events,
            entries: None,
            weights: None,
            ends: None,
        }
    }

    /// How many subjects.
    pub fn len(&self) -> usize {
        self.n_periods.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.n_periods.is_empty()
    }

    pub(super) fn weight(&self, row: usize) -> f64 {
        self.weights.map_or(1.0, |weights| weights[row])
    }

    fn entry(&self, row: usize) -> u32 {
        self.entries.map_or(0, |entries| entries[row])
    }

    /// Where a period lies to the end of the subject's contract.
    fn phase(&self, row: usize, period: u32) -> Phase {
        self.ends
            .map_or(Phase::Before, |ends| Phase::of(period, ends[row]))
    }

    pub(super) fn check(&self) -> Result<()> {
        let n_rows = self.len();
        if n_rows == 0 {
            return Err(Error::TooFewRows {
                needed: 1,
                found: 0,
            });
        }
        same_length("events, one a subject", n_rows, self.events.len())?;
        let bad = |n: &u32| !(1..=MAX_PERIODS).contains(n);
        if let Some(index) = self.n_periods.iter().position(bad) {
            return Err(Error::Entry {
                what: "periods",
                expected: "1 to 1000000",
                index,
                found: f64::from(self.n_periods[index]),
            });
        }
        if let Some(entries) = self.entries {
            same_length("entries, one a subject", n_rows, entries.len())?;
            let mut pairs = entries.iter().zip(self.n_periods);
            if let Some(index) = pairs.position(|(entry, n)| entry >= n) {
                return Err(Error::Entry {
                    what: "entries",
                    expected: "below the number of periods",
                    index,
                    found: f64::from(entries[index]),
                });
            }
        }
        if let Some(weights) = self.weights {
            same_length("weights, one a subject", n_rows, weights.len())?;
            not_negative("weights", "at least 0 and finite", weights)?;
        }
        if let Some(ends) = self.ends {
            same_length("contract ends, one a subject", n_rows, ends.len())?;
        }
        Ok(())
    }
}

/// Where a period lies to the end of a contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The contract runs.
    Before,
    /// It ends in this period.
    Ends,
    /// It has ended.
    After,
    /// There is none.
    NoContract,
}

impl Phase {
    /// The phase of `period` when the contract ends in period `end`, or [`NO_END`].
    pub fn of(period: u32, end: i64) -> Self {
        match i64::from(period).cmp(&end) {
            _ if end == NO_END => Self::NoContract,
            std::cmp::Ordering::Less => Self::Before,
            std::cmp::Ordering::Equal => Self::Ends,
            std::cmp::Ordering::Greater => Self::After,
        }
    }

    /// The place of its weight among those of the phases; none for the one of weight 0.
    pub(super) fn place(self) -> Option<usize> {
        match self {
            Self::Before => None,
            Self::Ends => Some(0),
            Self::After => Some(1),
            Self::NoContract => Some(2),
        }
    }
}

/// Neighboring periods with one level of risk.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PeriodGroup {
    /// The first period, counted from 1.
    pub first: u32,
    /// The last period in which somebody was watched.
    pub last: u32,
    /// Periods times the weight of those who began them.
    pub at_risk: f64,
    /// Weight of those who left.
    pub events: f64,
    /// The level: the margin of a row whose columns contribute nothing.
    pub effect: f64,
}

/// Periods of one subject that are alike.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cell {
    pub(super) group: usize,
    pub(super) phase: Phase,
    /// Periods without the event.
    pub(super) n_quiet: u32,
    /// Whether one more period follows, with the event.
    pub(super) event: bool,
}

/// The groups of periods.
#[derive(Debug)]
pub(super) struct Periods {
    pub(super) groups: Vec<PeriodGroup>,
    /// The group of each period, from period 1 on.
    group_of: Vec<u32>,
}

impl Periods {
    /// Counts by period and joins neighbors.
    pub(super) fn new(spells: &Spells<'_>, min_events: f64, max_groups: usize) -> Result<Self> {
        let n_periods = spells.n_periods.iter().copied().max().unwrap_or(1) as usize;
        let mut events = vec![0.0; n_periods];
        // The change in weight at risk where a period begins.
        let mut changes = vec![0.0; n_periods + 1];
        for row in 0..spells.len() {
            let weight = spells.weight(row);
            let last = spells.n_periods[row] as usize;
            changes[spells.entry(row) as usize] += weight;
            changes[last] -= weight;
            if spells.events[row] {
                events[last - 1] += weight;
            }
        }
        let total: f64 = events.iter().sum();
        if total <= 0.0 {
            return Err(Error::NoEvents { rows: spells.len() });
        }
        let target = min_events.max(total / max_groups as f64 * (1.0 - 1e-12));
        let mut groups: Vec<PeriodGroup> = Vec::new();
        let mut current: Option<PeriodGroup> = None;
        let mut at_risk = 0.0;
        for (index, (events, change)) in events.iter().zip(&changes).enumerate() {
            at_risk += change;
            let period = index as u32 + 1;
            let group = current.get_or_insert(PeriodGroup {
                first: period,
                last: period,
                at_risk: 0.0,
                events: 0.0,
                effect: 0.0,
            });
            group.last = period;
            group.at_risk += at_risk;
            group.events += events;
            if group.events >= target && has_quiet(group) {
                groups.extend(current.take());
            }
        }
        match (current, groups.last_mut()) {
            (Some(rest), Some(last)) => {
                last.last = rest.last;
                last.at_risk += rest.at_risk;
                last.events += rest.events;
            }
            (Some(rest), None) => groups.push(rest),
            (None, _) => {}
        }
        if !groups.iter().all(has_quiet) {
            return Err(Error::OneClass { class: true });
        }
        let mut periods = Self {
            groups,
            group_of: vec![0; n_periods],
        };
        periods.set_groups();
        Ok(periods)
    }

    /// Notes the group of each period.
    pub(super) fn set_groups(&mut self) {
        for (index, group) in self.groups.iter().enumerate() {
            self.group_of[group.first as usize - 1..group.last as usize].fill(index as u32);
        }
    }

    /// Shows the cells of a subject, in the order of time.
    pub(super) fn cells(&self, spells: &Spells<'_>, row: usize, mut show: impl FnMut(Cell)) {
        let last = spells.n_periods[row];
        let mut period = spells.entry(row) + 1;
        while period <= last {
            let group = self.group_of[period as usize - 1] as usize;
            let phase = spells.phase(row, period);
            let mut until = self.groups[group].last.min(last);
            let end = spells.ends.map_or(NO_END, |ends| ends[row]);
            match phase {
                Phase::Ends => until = period,
                // The end lies above this period, and until fits into u32.
                Phase::Before if end <= i64::from(until) => until = (end - 1) as u32,
                _ => {}
            }
            let event = until == last && spells.events[row];
            show(Cell {
                group,
                phase,
                n_quiet: until - period + 1 - u32::from(event),
                event,
            });
            period = until + 1;
        }
    }
}

/// Whether somebody stayed for one of the periods; rounding of weights does not count.
fn has_quiet(group: &PeriodGroup) -> bool {
    group.at_risk - group.events > 1e-9 * group.at_risk
}
