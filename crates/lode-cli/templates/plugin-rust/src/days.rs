//! On which days each customer bought: all that the algorithm keeps of the rows.
//!
//! Invariant: the days of a customer rise, each once. So the days of two parts of the rows
//! merge into the days of all rows, in any order, to the last bit.

use std::collections::BTreeMap;

use lode_plugin::Context;
use lode_plugin::Result;
use lode_plugin::Role;
use lode_plugin::Table;
use lode_plugin::serde::Deserialize;
use lode_plugin::serde::Serialize;

/// Rows between two looks at whether the job was cancelled.
const STRIDE: usize = 1 << 16;

/// Times are microseconds since the Unix epoch, UTC.
const DAY_MICROS: i64 = 86_400_000_000;

/// Days since the Unix epoch, by customer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(crate = "lode_plugin::serde", transparent)]
pub struct Days {
    pub(crate) of: BTreeMap<String, Vec<i32>>,
}

impl Days {
    /// Reads the rows; those without a customer or a time are left out.
    pub(crate) fn read(table: &Table, cx: &Context<'_>) -> Result<Self> {
        // Ids become small numbers: the rank of the id among all of the column.
        let customers = table.ids(Role::CustomerId)?;
        let times = table.times(Role::EventTime)?;
        let mut days: Vec<Vec<i32>> = vec![Vec::new(); customers.n()];
        for (row, (code, time)) in customers.codes.iter().zip(times).enumerate() {
            if row % STRIDE == 0 {
                cx.check_cancelled()?;
                cx.progress(0.8 * row as f64 / table.n_rows() as f64, "reading rows");
            }
            // The code of a row without a customer is beyond the end.
            if let (Some(days), Some(time)) = (days.get_mut(*code as usize), time) {
                let day = day_of(time);
                // Most rows are lines of one basket.
                if days.last() != Some(&day) {
                    days.push(day);
                }
            }
        }
        let mut of = BTreeMap::new();
        for (name, mut days) in customers.names.into_iter().zip(days) {
            days.sort_unstable();
            days.dedup();
            if !days.is_empty() {
                of.insert(name, days);
            }
        }
        Ok(Self { of })
    }

    /// Adds the days of another part of the rows.
    pub(crate) fn merge(&mut self, other: Self) {
        for (name, theirs) in other.of {
            let days = self.of.entry(name).or_default();
            days.extend(theirs);
            days.sort_unstable();
            days.dedup();
        }
    }

    /// Whether the invariant holds, in a state that was read from bytes.
    pub(crate) fn is_sound(&self) -> bool {
        let rising = |days: &Vec<i32>| !days.is_empty() && days.is_sorted_by(|a, b| a < b);
        self.of.values().all(rising)
    }

    /// The last day on which anybody bought.
    pub(crate) fn last(&self) -> Option<i32> {
        self.of
            .values()
            .filter_map(|days| days.last())
            .max()
            .copied()
    }
}

/// The day of a time, UTC.
pub(crate) fn day_of(micros: i64) -> i32 {
    // 2^63 microseconds are some hundred million days.
    micros.div_euclid(DAY_MICROS) as i32
}
