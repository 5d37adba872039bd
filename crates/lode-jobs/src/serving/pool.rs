//! The warm workers of one model in one library.
//!
//! A call takes an idle worker, or opens one while there are fewer than the most. Otherwise it
//! waits in a line; a worker that gets free is handed to the first of the line, which takes the
//! rows of those behind it along, as many as fit into one call: a busy machine spends less on
//! each. Invariant: a worker serves one call at a time, and comes back only when it is well; a
//! call that was taken along is answered, or stands in line again by itself.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use arrow_array::RecordBatch;
use lode_host::Loaded;
use lode_host::Scorer;

use crate::Result;

/// How long a worker beyond the first may be idle.
const KEEP_IDLE: Duration = Duration::from_secs(30);
/// Rows of a call that took others along, at most.
const MOST_ROWS: usize = 256;

/// The workers of a model.
pub(super) struct Pool {
    pub(super) loaded: Arc<Loaded>,
    most: usize,
    seats: Mutex<Seats>,
}

#[derive(Default)]
struct Seats {
    /// The last used one last, with the time of its last use.
    idle: Vec<(Scorer, Instant)>,
    busy: usize,
    line: VecDeque<Arc<Asked>>,
}

/// What one call asks.
pub(super) struct Asked {
    /// The name of the input.
    pub(super) input: String,
    pub(super) rows: RecordBatch,
    /// Whether it must not share a call.
    pub(super) alone: bool,
    news: Mutex<News>,
    told: Condvar,
}

/// How a call in line stands.
enum News {
    Waiting,
    /// Its turn: with a worker, or a seat to open one.
    First(Option<Scorer>, Vec<Arc<Asked>>),
    Answered(RecordBatch),
    /// Was taken along in vain.
    Again,
    /// Has been read.
    Over,
}

/// What became of a call that came.
pub(super) enum Entered<'a> {
    /// It has a worker for itself and those that it takes along.
    Turn(Turn<'a>, Along),
    /// Another call took it along.
    Answered(RecordBatch),
    /// Another call took it along, and failed: ask again, alone.
    Again,
    /// The deadline passed in line.
    Late,
}

/// A worker that is taken for one call, or a seat for one; it goes to the next, if it is well,
/// when this is dropped.
pub(super) struct Turn<'a> {
    pool: &'a Pool,
    scorer: Option<Scorer>,
}

/// The calls that are taken along. Those without an answer when this is dropped ask again.
#[derive(Default)]
pub(super) struct Along(Vec<Arc<Asked>>);

impl Pool {
    pub(super) fn new(loaded: Arc<Loaded>, most: usize) -> Self {
        Self {
            loaded,
            most: most.max(1),
            seats: Mutex::default(),
        }
    }

    /// Workers, idle and busy.
    pub(super) fn len(&self) -> usize {
        let seats = self.lock();
        seats.idle.len() + seats.busy
    }

    /// Waits for a worker, or for an answer.
    pub(super) fn enter(&self, asked: &Arc<Asked>, deadline: Instant) -> Entered<'_> {
        let mut seats = self.lock();
        let idle = seats.idle.pop().map(|(scorer, _)| scorer);
        if idle.is_some() || seats.busy < self.most {
            seats.busy += 1;
            let scorer = idle;
            return Entered::Turn(Turn { pool: self, scorer }, Along::default());
        }
        seats.line.push_back(Arc::clone(asked));
        drop(seats);
        let mut news = asked.lock();
        loop {
            match std::mem::replace(&mut *news, News::Over) {
                News::First(scorer, along) => {
                    return Entered::Turn(Turn { pool: self, scorer }, Along(along));
                }
                News::Answered(rows) => return Entered::Answered(rows),
                News::Again => return Entered::Again,
                News::Waiting | News::Over => *news = News::Waiting,
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                drop(news);
                if self.leave(asked) {
                    return Entered::Late;
                }
                // Its turn came just now, or it is being answered.
                news = asked.lock();
                if matches!(*news, News::Waiting) {
                    let waited = asked.told.wait(news);
                    news = waited.unwrap_or_else(PoisonError::into_inner);
                }
                continue;
            }
            let waited = asked.told.wait_timeout(news, left);
            news = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Leaves the line; whether it was still in it.
    fn leave(&self, asked: &Arc<Asked>) -> bool {
        let mut seats = self.lock();
        let place = seats
            .line
            .iter()
            .position(|other| Arc::ptr_eq(other, asked));
        place.and_then(|place| seats.line.remove(place)).is_some()
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

impl Seats {
    /// The first in line and those that it takes along.
    fn next(&mut self) -> Option<(Arc<Asked>, Vec<Arc<Asked>>)> {
        let first = self.line.pop_front()?;
        let mut along = Vec::new();
        let mut n_rows = first.rows.num_rows();
        let mut place = 0;
        while let Some(other) = self.line.get(place) {
            if first.shares_with(other) && n_rows + other.rows.num_rows() <= MOST_ROWS {
                n_rows += other.rows.num_rows();
                along.extend(self.line.remove(place));
            } else {
                place += 1;
            }
        }
        Some((first, along))
    }
}

impl Asked {
    pub(super) fn new(input: &str, rows: RecordBatch, alone: bool) -> Arc<Self> {
        Arc::new(Self {
            input: input.to_owned(),
            rows,
            alone,
            news: Mutex::new(News::Waiting),
            told: Condvar::new(),
        })
    }

    fn shares_with(&self, other: &Self) -> bool {
        let both = !self.alone && !other.alone && self.input == other.input;
        both && self.rows.schema_ref() == other.rows.schema_ref()
    }

    fn tell(&self, news: News) {
        *self.lock() = news;
        self.told.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, News> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Along {
    /// Those that are taken along, in order.
    pub(super) fn calls(&self) -> &[Arc<Asked>] {
        &self.0
    }

    /// Gives each its answer, in order.
    pub(super) fn answer(mut self, answers: impl IntoIterator<Item = RecordBatch>) {
        let mut answers = answers.into_iter();
        for asked in std::mem::take(&mut self.0) {
            asked.tell(answers.next().map_or(News::Again, News::Answered));
        }
    }
}

impl Drop for Along {
    fn drop(&mut self) {
        for asked in &self.0 {
            asked.tell(News::Again);
        }
    }
}

impl Turn<'_> {
    /// The worker, opened if there is none yet.
    pub(super) fn scorer(&mut self, open: impl FnOnce() -> Result<Scorer>) -> Result<&mut Scorer> {
        let scorer = match self.scorer.take() {
            Some(scorer) => scorer,
            None => open()?,
        };
        Ok(self.scorer.insert(scorer))
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
        // The seat goes to the next in line, without a worker if this one is not well.
        if let Some((first, along)) = seats.next() {
            drop(seats);
            first.tell(News::First(scorer, along));
            return;
        }
        seats.busy -= 1;
        if let Some(scorer) = scorer {
            seats.idle.push((scorer, Instant::now()));
        }
    }
}
