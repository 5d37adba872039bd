//! How many customers have each candidate: known once for what is known, then kept.
//!
//! One customer's row needs the buyers of all, which takes a pass over the events. The answer
//! is kept under all that it depends on: the dataset's version, the candidates, and the last
//! event that is known. Where events arrive late it depends on the very time.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;

use lode_features::buyers;
use lode_features::time_range;
use lode_query::Sql;
use lode_types::Role;
use lode_types::Timestamp;

use super::Resolved;
use crate::PinnedView;
use crate::Result;

/// Answers that are kept.
const KEPT: usize = 16;

static ANSWERS: Mutex<VecDeque<(Key, Vec<f64>)>> = Mutex::new(VecDeque::new());

#[derive(Clone, Debug, PartialEq)]
struct Key {
    dataset: String,
    create_time: Timestamp,
    version: u64,
    known: Timestamp,
    asked: String,
}

/// The part of the customers with each candidate at a time.
pub(super) fn shares(
    view: &PinnedView,
    resolved: &Resolved,
    sql: &Sql,
    at: Timestamp,
    threads: usize,
    stopped: &AtomicBool,
) -> Result<Vec<Vec<f64>>> {
    if resolved.candidates.is_none() {
        return Ok(Vec::new());
    }
    let key = key(view, resolved, at)?;
    let answers = || ANSWERS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(key) = &key
        && let Some((_, found)) = answers().iter().find(|(known, _)| known == key)
    {
        return Ok(vec![found.clone()]);
    }
    let input = view.input(sql, &[at], None, threads)?;
    let found = buyers(view.view(), &input, stopped)?;
    if let (Some(key), Some(found)) = (key, found.first()) {
        let mut answers = answers();
        answers.push_front((key, found.clone()));
        answers.truncate(KEPT);
    }
    Ok(found)
}

fn key(view: &PinnedView, resolved: &Resolved, at: Timestamp) -> Result<Option<Key>> {
    let mut names = view.view().events();
    let Some(source) = names.position(|name| name == resolved.label.events) else {
        return Ok(None);
    };
    let Some(snapshot) = view.events(source) else {
        return Ok(None);
    };
    let dataset = snapshot.dataset();
    let mut known = at;
    if dataset.schema.with_role(Role::ArrivalTime).is_none()
        && let Some((_, last)) = time_range(view.view(), source, &view.rows_of(source)?, at)?
    {
        known = last;
    }
    let asked = (&resolved.candidates, &resolved.label.filter);
    Ok(Some(Key {
        dataset: dataset.id.to_string(),
        create_time: dataset.create_time,
        version: dataset.version,
        known,
        asked: serde_json::to_string(&asked)?,
    }))
}
