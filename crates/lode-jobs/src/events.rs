//! What happened to a job, numbered, so that a watcher can resume where it stopped.
//!
//! Events of a job that is alive in this process are in memory and go to the store without
//! waiting; the last one goes with the job's final record, durably. After a restart the
//! numbers go on where the stored ones end.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use lode_store::DocWrite;
use lode_store::Store;
use lode_types::Timestamp;
use serde::Deserialize;
use serde::Serialize;

use crate::Job;
use crate::Progress;
use crate::Result;
use crate::records;

/// Log lines kept of one job; what a plugin writes beyond them is dropped, and said so.
const MAX_LOG_LINES: u64 = 10_000;
/// Events read from the store at once.
const PAGE: usize = 1000;

/// One event of a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// 1, 2, 3, ... within the job.
    pub event: u64,
    /// When.
    pub time: Timestamp,
    /// What.
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// The job changed state; this is how it stands now.
    State(Box<Job>),
    /// It got further.
    Progress(Progress),
    /// A line for people.
    Log {
        /// info, warn or error.
        level: String,
        /// The line.
        message: String,
    },
}

#[derive(Default)]
struct Live {
    events: Vec<Event>,
    log_lines: u64,
    next: u64,
}

/// The events of all jobs.
pub(crate) struct EventLog {
    store: Store,
    live: Mutex<HashMap<u64, Live>>,
    on_change: Arc<dyn Fn() + Send + Sync>,
}

impl EventLog {
    pub(crate) fn new(store: Store, on_change: Arc<dyn Fn() + Send + Sync>) -> Self {
        Self {
            store,
            live: Mutex::default(),
            on_change,
        }
    }

    /// Begins to keep a job's events in memory, after those that the store has.
    pub(crate) fn begin(&self, job_number: u64) -> Result<()> {
        let mut stored = Vec::new();
        loop {
            let after = stored.last().map_or(0, |event: &Event| event.event);
            let page = records::events(&self.store, job_number, after, PAGE)?;
            let end = page.len() < PAGE;
            stored.extend(page);
            if end {
                break;
            }
        }
        let live = Live {
            next: stored.last().map_or(1, |event| event.event + 1),
            log_lines: 0,
            events: stored,
        };
        self.lock().insert(job_number, live);
        Ok(())
    }

    /// Adds an event and sends it to the store without waiting.
    pub(crate) fn add(&self, job_number: u64, time: Timestamp, kind: EventKind) -> Result<()> {
        if let Some(write) = self.append(job_number, time, kind)? {
            self.store.write_docs_lazily(vec![write])?;
            (self.on_change)();
        }
        Ok(())
    }

    /// Adds an event and gives its document, to be written with others in one transaction;
    /// [`EventLog::changed`] or [`EventLog::end`] tells the watchers afterwards.
    pub(crate) fn append(
        &self,
        job_number: u64,
        time: Timestamp,
        kind: EventKind,
    ) -> Result<Option<DocWrite>> {
        let mut live = self.lock();
        let live = live.entry(job_number).or_insert_with(|| Live {
            next: 1,
            ..Live::default()
        });
        let kind = match kind {
            EventKind::Log { level, message } => {
                live.log_lines += 1;
                match live.log_lines {
                    ..MAX_LOG_LINES => EventKind::Log { level, message },
                    MAX_LOG_LINES => EventKind::Log {
                        level: "warn".to_owned(),
                        message: format!("further log lines are dropped after {MAX_LOG_LINES}"),
                    },
                    _ => return Ok(None),
                }
            }
            kind => kind,
        };
        let event = Event {
            event: live.next,
            time,
            kind,
        };
        live.next += 1;
        live.events.push(event.clone());
        records::put_event(job_number, &event).map(Some)
    }

    /// Tells the watchers that something was added.
    pub(crate) fn changed(&self) {
        (self.on_change)();
    }

    /// Forgets a job's events in memory; the store has them all.
    pub(crate) fn end(&self, job_number: u64) {
        self.lock().remove(&job_number);
        (self.on_change)();
    }

    /// Events after `after`, in order, at most a page.
    pub(crate) fn after(&self, job_number: u64, after: u64) -> Result<Vec<Event>> {
        if let Some(live) = self.lock().get(&job_number) {
            let from = live.events.partition_point(|event| event.event <= after);
            return Ok(live.events[from..].iter().take(PAGE).cloned().collect());
        }
        records::events(&self.store, job_number, after, PAGE)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Live>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
