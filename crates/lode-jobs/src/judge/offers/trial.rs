//! Judges trials of a search for a recommender, on events that the final judging does not test on.
//!
//! Invariant: the events are those that the first fit of the final judging sees; of windows, all
//! that was before the first of them. What the search is asked is drawn from these alone.

use std::ops::Range;

use super::Caller;
use super::Events;
use super::Way;
use super::ask;
use super::asking;
use super::depth;
use super::measures;
use super::plan;
use super::plan::Asking;
use super::plan::Plan;
use crate::Error;
use crate::EventKind;
use crate::Job;
use crate::Result;
use crate::check::Checked;
use crate::run::Bench;
use crate::run::Bounds;

/// Measures by which trials may be put in order, the default first.
pub(crate) const MEASURES: [&str; 5] = ["ndcg_10", "hit_rate_10", "recall_10", "map", "mrr"];
/// Windows of a search.
const WINDOWS: usize = 2;
/// Customers that a trial asks.
const MOST: usize = 5000;

/// The events of a search and what is held out of them.
pub(crate) struct OfferGrounds {
    events: Events,
    plan: Plan,
    events_input: usize,
    repeats: bool,
}

impl OfferGrounds {
    pub(in crate::judge) fn open(
        bench: &Bench<'_>,
        job: &Job,
        checked: &Checked,
        bounds: Bounds,
    ) -> Result<Self> {
        let events_input = super::events_input(checked)
            .ok_or_else(|| Error::bug("a recommender is tuned that takes no events"))?;
        let events = super::read(bench, job, checked, bounds, events_input)?;
        let outer = asking(&job.spec);
        let mut scope = vec![true; events.n_rows()];
        let mut way = outer.protocol;
        if checked.folds > 1 {
            let mut found = plan::plan(&events, &scope, &outer)?.map_err(Error::from)?;
            way = Some(match found.way {
                Way::Given => before_given(&events, &found),
                same => same,
            });
            scope = std::mem::take(&mut found.splits[0].train);
        }
        let inner = Asking {
            protocol: way,
            n_windows: 0,
            most: outer.most.min(MOST),
            // Not the draw of the final judging once more.
            seed: outer.seed.wrapping_add(1),
            ..outer
        };
        let mut plan = planned(&events, &scope, &inner)?;
        let extra = plan.splits.len().saturating_sub(WINDOWS);
        plan.splits.drain(..extra);
        let asked: usize = plan.splits.iter().map(|split| split.asked.len()).sum();
        (bench.report)(EventKind::Log {
            level: "info".to_owned(),
            message: format!(
                "search: {asked} customers are asked ({}), of events that the final judging does \
                 not test on",
                plan.splits
                    .iter()
                    .map(|split| split.name.as_str())
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
        });
        Ok(Self {
            events,
            plan,
            events_input,
            repeats: outer.repeats,
        })
    }

    pub(in crate::judge) fn n_splits(&self) -> usize {
        self.plan.splits.len()
    }

    pub(in crate::judge) fn split_name(&self, split: usize) -> &str {
        &self.plan.splits[split].name
    }

    pub(in crate::judge) fn value(
        &self,
        bench: &Bench<'_>,
        job: &Job,
        checked: &Checked,
        bounds: Bounds,
        (split, measure): (usize, &str),
        (stage, progress): (String, Range<f64>),
    ) -> Result<f64> {
        let caller = Caller {
            bench,
            job,
            checked,
            bounds,
            events_input: self.events_input,
            repeats: self.repeats,
            depth: match measure {
                "map" | "mrr" => depth(&job.spec),
                // What stands behind the cut of a measure is not looked at.
                _ => measures::CUTS[2],
            },
        };
        let split = &self.plan.splits[split];
        let lists = ask::learn_and_ask(&caller, &self.events, split, (&stage, progress))?;
        let names = measures::names();
        let at = names.iter().position(|name| name == measure);
        let at = at.ok_or_else(|| Error::bug(format!("no measure {measure:?}")))?;
        let both = lists.iter().zip(&split.asked);
        let values = both
            .map(|(list, asked)| measures::of_list(&list.items, &asked.relevant, caller.depth)[at]);
        Ok(values.sum::<f64>() / split.asked.len().max(1) as f64)
    }
}

/// How a search judges before a holdout that is given: as the holdout seems to have been made.
fn before_given(events: &Events, given: &Plan) -> Way {
    let asked = given.splits.iter().flat_map(|split| &split.asked);
    let (told, known): (Vec<_>, Vec<_>) = asked.partition(|asked| !asked.session.is_empty());
    if told.len() > known.len() {
        Way::Strangers
    } else if events.has_times() {
        Way::Last
    } else {
        Way::Hidden
    }
}

/// The plan of a search; where its way leaves nothing, strangers are asked about.
fn planned(events: &Events, scope: &[bool], asking: &Asking) -> Result<Plan> {
    match plan::plan(events, scope, asking)? {
        Ok(plan) => Ok(plan),
        Err(_) => {
            let strangers = Asking {
                protocol: Some(Way::Strangers),
                ..*asking
            };
            Ok(plan::plan(events, scope, &strangers)?.map_err(Error::from)?)
        }
    }
}
