//! Which held-out rows are measured together: all, each date or fold, new and old customers.
//!
//! Computes nothing. Invariant: a part of a group is rows whose scores may be put in one order.

use super::plan::Plan;
use super::predict::Held;
use super::rows::Sample;

/// The group of all held-out rows.
pub(super) const ALL: &str = "all";

/// Rows that are measured together.
pub(super) struct Group {
    /// `all`, a date, `fold 1`, `new` or `old`.
    pub(super) name: String,
    /// Positions among the held-out rows. Of folds each is a part, since each was scored by a model
    /// of its own, and measures are means over parts; dates are one part, as they will be in use.
    pub(super) parts: Vec<Vec<usize>>,
}

impl Group {
    pub(super) fn positions(&self) -> impl Iterator<Item = usize> {
        self.parts.iter().flatten().copied()
    }
}

/// The groups, all rows first.
pub(super) fn groups(sample: &Sample, held: &Held, plan: &Plan) -> Vec<Group> {
    let positions = 0..held.rows.len();
    let group = |name: &str, of: &dyn Fn(usize) -> bool| {
        let mut parts = vec![
            Vec::new();
            if plan.out_of_time {
                1
            } else {
                plan.splits.len()
            }
        ];
        for position in positions.clone().filter(|position| of(*position)) {
            let part = if plan.out_of_time {
                0
            } else {
                held.split[position] as usize
            };
            parts[part].push(position);
        }
        parts.retain(|part| !part.is_empty());
        Group {
            name: name.to_owned(),
            parts,
        }
    };
    let mut groups = vec![group(ALL, &|_| true)];
    for (at, split) in plan.splits.iter().enumerate() {
        let name = split.name.split(" of ").next().unwrap_or_default();
        groups.push(group(name, &|position| held.split[position] as usize == at));
    }
    if let Some(is_new) = &sample.is_new {
        groups.push(group("new", &|position| is_new[held.rows[position]]));
        groups.push(group("old", &|position| !is_new[held.rows[position]]));
    }
    groups.retain(|group| !group.parts.is_empty());
    groups
}
