//! Refuses a training set whose label says the same of everybody: of it nothing can be learned.
//!
//! Says what the label is, since its column has no name that anybody gave it. Labels that are a
//! column of customers are left to who judges.

use std::sync::atomic::AtomicBool;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use lode_query::Sql;
use lode_store::Store;
use serde_json::json;

use super::LabelWord;
use super::build::DateSummary;
use super::build::of;
use super::resolve::TrainingSource;
use super::wrong;
use crate::PinnedView;
use crate::Result;

impl TrainingSource {
    /// Refuses labels that are all the same, by what each date gave.
    ///
    /// # Errors
    /// `INVALID_TRAINING_SET` at `label`, or at `label.filter` when no event passes it.
    pub(super) fn check_labels(
        &self,
        dates: &[DateSummary],
        store: &Store,
        sql: &Sql,
        threads: usize,
        stopped: &AtomicBool,
    ) -> Result<()> {
        let label = &self.resolved.label;
        let rows: u64 = dates.iter().map(|date| date.rows).sum();
        let yes: u64 = dates.iter().filter_map(|date| date.positives).sum();
        let with_event = match label.kind {
            LabelWord::Column => return Ok(()),
            LabelWord::NoEvent => rows - yes,
            LabelWord::Event | LabelWord::Sum => yes,
        };
        if with_event > 0 && (with_event < rows || label.kind == LabelWord::Sum) {
            return Ok(());
        }
        let passing = self.passing(store, sql, threads, stopped)?;
        let events = format!("{:?}{}", label.events, passing.words);
        if passing.events == 0 && !passing.words.is_empty() {
            return Err(wrong(
                "label.filter",
                format!("events of {events}"),
                "none: no event of the dataset passes the filter",
            ));
        }
        let after = format!("in the {} after its date", self.resolved.horizon);
        let item = match self.resolved.candidates {
            Some(_) => " with its item",
            None => "",
        };
        let (expected, found) = match label.kind {
            LabelWord::Sum => (
                format!("rows with an amount of events of {events} {after}"),
                format!("0 as the label of all {rows} rows"),
            ),
            _ => (
                format!("rows with an event of {events}{item} {after}, and rows without"),
                match with_event {
                    0 => format!("none with one among {rows} rows"),
                    _ => format!("one in each of {rows} rows"),
                },
            ),
        };
        Err(wrong("label", expected, found))
    }

    /// The events that pass the label's filter, whoever's and whenever.
    fn passing(
        &self,
        store: &Store,
        sql: &Sql,
        threads: usize,
        stopped: &AtomicBool,
    ) -> Result<Passing> {
        let label = &self.resolved.label;
        let mut counted = json!({"name": "n", "kind": "frequency", "params": {"of": "events"}});
        if !label.filter.is_null() {
            counted["filter"].clone_from(&label.filter);
        }
        let declaration = json!({"events": [label.events], "features": [counted]});
        let held = self.snapshots();
        let view = PinnedView::pin(store, sql, &declaration, &mut |id| of(&held, id))?;
        let input = view.input(sql, &[self.resolved.end], None, threads)?;
        let mut events = 0;
        view.compute(&input, stopped, &mut |batch| {
            let counts = batch.column_by_name("n");
            let counts = counts.and_then(|counts| counts.as_primitive_opt::<Int64Type>());
            for count in counts.into_iter().flatten().flatten() {
                events += count;
            }
            Ok(())
        })?;
        // The sentence that tells a feature has the conditions in words.
        let features = view.view().features().first();
        let words = features.and_then(|feature| feature.description.split_once(", only events"));
        Ok(Passing {
            events,
            words: words.map_or_else(String::new, |(_, words)| words.to_owned()),
        })
    }
}

struct Passing {
    events: i64,
    /// ` with type = "sale"`; empty without a filter.
    words: String,
}
