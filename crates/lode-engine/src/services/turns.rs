//! Turns for queries: so many at once, so many waiting, the rest refused.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use lode_types::Class;
use lode_types::Fault;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;

/// Longest time that a query may ask for.
const MAX_TIME: Duration = Duration::from_secs(24 * 3600);

/// Who may start a query worker.
#[derive(Debug)]
pub(crate) struct QueryTurns {
    running: Arc<Semaphore>,
    waiting: AtomicUsize,
    max_waiting: usize,
    default_time: Duration,
}

impl QueryTurns {
    /// Turns for `at_once` queries, with `max_waiting` in line.
    pub(crate) fn new(at_once: usize, max_waiting: usize, default_time: Duration) -> Self {
        Self {
            running: Arc::new(Semaphore::new(at_once)),
            waiting: AtomicUsize::new(0),
            max_waiting,
            default_time,
        }
    }

    /// When a query that arrives now must have ended.
    ///
    /// # Errors
    /// `INVALID_FIELD` for a time that is not above zero or over a day.
    pub(crate) fn deadline(
        &self,
        asked: Option<prost_types::Duration>,
        field: &str,
    ) -> Result<Instant, Fault> {
        let time = match asked {
            None => self.default_time,
            Some(asked) => Duration::try_from(asked)
                .ok()
                .filter(|time| !time.is_zero() && *time <= MAX_TIME)
                .ok_or_else(|| {
                    let found = format!("{}.{:09} s", asked.seconds, asked.nanos.unsigned_abs());
                    crate::status::invalid(
                        field,
                        format!("expected a time above zero and at most 24 hours, found {found}"),
                    )
                })?,
        };
        Ok(now() + time)
    }

    /// Waits for a turn until the deadline.
    ///
    /// # Errors
    /// `SQL_QUEUE_FULL` when too many wait already, `SQL_DEADLINE_EXCEEDED`.
    pub(crate) async fn take(&self, deadline: Instant) -> Result<OwnedSemaphorePermit, Fault> {
        if let Ok(turn) = Arc::clone(&self.running).try_acquire_owned() {
            return Ok(turn);
        }
        let _place = Place::take(&self.waiting, self.max_waiting)?;
        let turn = Arc::clone(&self.running).acquire_owned();
        match tokio::time::timeout_at(deadline.into(), turn).await {
            Ok(Ok(turn)) => Ok(turn),
            Ok(Err(_)) => Err(Fault::new(
                Class::Unavailable,
                "ENGINE_STOPPING",
                "the engine takes no more queries",
            )),
            Err(_) => Err(out_of_time("while it waited for its turn")),
        }
    }
}

/// What a query is told whose time is over.
pub(crate) fn out_of_time(when: &str) -> Fault {
    let text = format!("the query's time ran out {when}; give it more, or ask again later");
    Fault::new(Class::Deadline, "SQL_DEADLINE_EXCEEDED", text)
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// A place in the line, given up when dropped.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize, most: usize) -> Result<Self, Fault> {
        let place = Self(waiting);
        if waiting.fetch_add(1, Ordering::AcqRel) < most {
            return Ok(place);
        }
        let text = format!("expected at most {most} waiting queries, found more; ask again later");
        Err(Fault::new(Class::Limit, "SQL_QUEUE_FULL", text))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
