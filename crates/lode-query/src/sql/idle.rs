//! Workers that have served a query and wait for the next.
//!
//! Starting one takes longer than many queries; a worker that went on has nothing left of the
//! query before. Few wait, since each holds some dozens of megabytes.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use lode_worker::Worker;

/// Most workers that wait.
const MOST: usize = 2;

/// The workers that wait; cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Idle {
    workers: Arc<Mutex<Vec<Worker>>>,
}

impl Idle {
    /// The worker that came last, which is the warmest.
    pub(super) fn take(&self) -> Option<Worker> {
        self.lock().pop()
    }

    /// Keeps a worker, or ends it when enough wait.
    pub(super) fn put(&self, worker: Worker) {
        let mut workers = self.lock();
        if workers.len() < MOST {
            workers.push(worker);
            return;
        }
        // Ending it takes a moment, which nobody else shall wait for.
        drop(workers);
        drop(worker);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Worker>> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
