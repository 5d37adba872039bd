//! Who was watched, for how long, and who left: the outcome of all survival methods.
//!
//! Does not hold the columns that explain it. Invariant: a `Checked` has durations that are
//! finite and not negative, and at least one subject.

use crate::Error;
use crate::Result;

/// Subjects watched from an entry to a duration, at whose end they left or were still there.
///
/// Time runs from a start of each subject's own (joining, the as-of date), in any one unit.
#[derive(Clone, Copy, Debug)]
pub struct Subjects<'a> {
    /// When watching ended, counted from the subject's start; at least 0.
    pub durations: &'a [f64],
    /// Whether the subject left then; false means that it was still there (censored).
    pub events: &'a [bool],
    /// When watching began, below the duration; none means from the start. A subject who
    /// could only be seen from a later time on (left truncation) counts from then on.
    pub entries: Option<&'a [f64]>,
    /// How many subjects a row stands for, at least 0; none means 1 each.
    pub weights: Option<&'a [f64]>,
}

impl<'a> Subjects<'a> {
    /// Subjects of weight 1, watched from their start.
    pub fn new(durations: &'a [f64], events: &'a [bool]) -> Self {
        Self {
            durations,
            events,
            entries: None,
            weights: None,
        }
    }

    /// How many subjects.
    pub fn len(&self) -> usize {
        self.durations.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.durations.is_empty()
    }

    pub(super) fn weight(&self, row: usize) -> f64 {
        self.weights.map_or(1.0, |weights| weights[row])
    }

    /// The entry; below every time for a subject that was watched from its start.
    pub(super) fn entry(&self, row: usize) -> f64 {
        self.entries
            .map_or(f64::NEG_INFINITY, |entries| entries[row])
    }

    /// Checks lengths and ranges.
    pub(super) fn check(&self) -> Result<()> {
        let n_rows = self.durations.len();
        if n_rows == 0 {
            return Err(Error::TooFewRows {
                needed: 1,
                found: 0,
            });
        }
        same_length("events, one a subject", n_rows, self.events.len())?;
        not_negative("durations", "at least 0 and finite", self.durations)?;
        if let Some(entries) = self.entries {
            same_length("entries, one a subject", n_rows, entries.len())?;
            for (index, (entry, duration)) in entries.iter().zip(self.durations).enumerate() {
                if !(*entry >= 0.0 && entry < duration) {
                    return Err(Error::Entry {
                        what: "entries",
                        expected: "at least 0 and below the duration",
                        index,
                        found: *entry,
                    });
                }
            }
        }
        if let Some(weights) = self.weights {
            same_length("weights, one a subject", n_rows, weights.len())?;
            not_negative("weights", "at least 0 and finite", weights)?;
        }
        Ok(())
    }

    /// Checks that somebody left, as every regression needs.
    pub(super) fn check_events(&self) -> Result<()> {
        let any = (0..self.len()).any(|row| self.events[row] && self.weight(row) > 0.0);
        if any {
            Ok(())
        } else {
            Err(Error::NoEvents { rows: self.len() })
        }
    }
}

pub(super) fn same_length(what: &'static str, expected: usize, found: usize) -> Result<()> {
    if expected == found {
        return Ok(());
    }
    Err(Error::Length {
        what,
        expected,
        found,
    })
}

pub(super) fn not_negative(
    what: &'static str,
    expected: &'static str,
    values: &[f64],
) -> Result<()> {
    let bad = |value: &f64| !(*value >= 0.0 && value.is_finite());
    match values.iter().position(bad) {
        Some(index) => Err(Error::Entry {
            what,
            expected,
            index,
            found: values[index],
        }),
        None => Ok(()),
    }
}
