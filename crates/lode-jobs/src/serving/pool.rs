//! The warm workers of one model in one library.
//!
//! A call takes an idle worker, or opens one while there are fewer than the most, or waits.
//! Invariant: a worker serves one call at a time, and comes back only when it is well.

use std::sync::Arc;
use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use lode_host::Loaded;
use lode_host::Scorer;

use crate::Result;

/// How long a worker beyond the first may be idle.
const KEEP_IDLE: Duration = Duration::from_secs(30);

/// The workers of a model.
pub(super) struct Pool {
    pub(super) loaded: Arc<Loaded>,
    most: usize,
    seats: Mutex<Seats>,
    freed: Condvar,
}

#[derive(Default)]
struct Seats {
    /// The last used one last, with the time of its last use.
    idle: Vec<(Scorer, Instant)>,
    busy: usize,
}

/// A worker that is taken for one call; it goes back, if it is well, when this is dropped.
pub(super) struct Turn<'a> {
    pool: &'a Pool,
    scorer: Option<Scorer>,
}

impl Pool {
    pub(super) fn new(loaded: Arc<Loaded>, most: usize) -> Self {
        Self {
            loaded,
            most: most.max(1),
            seats: Mutex::default(),
            freed: Condvar::new(),
        }
    }

    /// Workers, idle and busy.
    pub(super) fn len(&self) -> usize {
        let seats = self.lock();
        seats.idle.len() + seats.busy
    }

    /// A worker for one call; none when all are busy until the deadline.
    pub(super) fn take(
        &self,
        deadline: Instant,
        open: impl FnOnce() -> Result<Scorer>,
    ) -> Result<Option<Turn<'_>>> {
        let mut seats = self.lock();
        loop {
            if let Some((scorer, _)) = seats.idle.pop() {
                seats.busy += 1;
                return Ok(Some(Turn {
                    pool: self,
                    scorer: Some(scorer),
                }));
            }
            if seats.busy < self.most {
                seats.busy += 1;
                break;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            let waited = self.freed.wait_timeout(seats, left);
            seats = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        drop(seats);
        let mut turn = Turn {
            pool: self,
            scorer: None,
        };
        turn.scorer = Some(open()?);
        Ok(Some(turn))
    }

    /// Opens workers ahead of the first call, until there are as many.
    pub(super) fn warm(&self, n: usize, open: &dyn Fn() -> Result<Scorer>) -> Result<()> {
        while self.len() < n.min(self.most) {
            let scorer = open()?;
            self.lock().idle.push((scorer, Instant::now()));
        }
        Ok(())
    }

    /// Workers that have been idle for long, but for one; to be dropped without a lock.
    pub(super) fn shrink(&self, now: Instant) -> Vec<Scorer> {
        let mut seats = self.lock();
        let spare = (seats.idle.len() + seats.busy).saturating_sub(1);
        let old = seats
            .idle
            .iter()
            .take_while(|(_, used)| now.saturating_duration_since(*used) > KEEP_IDLE)
            .count();
        let closed = seats.idle.drain(..old.min(spare));
        closed.map(|(scorer, _)| scorer).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Seats> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn<'_> {
    pub(super) fn scorer(&mut self) -> Option<&mut Scorer> {
        self.scorer.as_mut()
    }

    /// Ends the worker instead of giving it back.
    pub(super) fn end(mut self) {
        drop(self.scorer.take());
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let scorer = self.scorer.take().filter(Scorer::is_open);
        let mut seats = self.pool.lock();
        seats.busy -= 1;
        if let Some(scorer) = scorer {
            seats.idle.push((scorer, Instant::now()));
        }
        drop(seats);
        self.pool.freed.notify_one();
    }
}
