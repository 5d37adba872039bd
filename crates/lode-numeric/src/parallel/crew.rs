//! Threads that are kept for many short pieces of work.
//!
//! Does not wait for a thread that has taken nothing: on a busy machine the caller does all
//! pieces itself. Invariant: when a call returns no thread looks at its work any more.

#![expect(
    unsafe_code,
    reason = "work that borrows from the caller is handed to threads that live longer"
)]

use std::panic;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::thread;

/// Rows from which a short loop over them is worth a second thread.
const WORTH_ROWS: usize = 1 << 16;

/// The caller's thread and those that help it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crew<'a> {
    threads: usize,
    /// None for a caller alone.
    shared: Option<&'a Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    wake: Condvar,
    done: Condvar,
}

#[derive(Debug, Default)]
struct State {
    job: Option<Arc<Job>>,
    /// Helpers that look at the job.
    active: usize,
    closed: bool,
}

/// Pieces 0 to `n` of some work.
struct Job {
    work: *const (dyn Fn(usize) + Sync),
    n: usize,
    next: AtomicUsize,
    panicked: AtomicBool,
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Job").field("n", &self.n).finish()
    }
}

// SAFETY: the work is `Sync`, and `Crew::run` keeps it alive while a helper has the job.
unsafe impl Send for Job {}
// SAFETY: as above.
unsafe impl Sync for Job {}

/// Closes the crew when the caller is done with it, also by a panic.
struct Closing<'a>(&'a Shared);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.wake.notify_all();
    }
}

/// Calls `work` with a crew of so many threads.
pub(crate) fn with_crew<R>(threads: usize, work: impl FnOnce(&Crew<'_>) -> R) -> R {
    if threads < 2 {
        return work(&Crew {
            threads: 1,
            shared: None,
        });
    }
    let shared = Shared::default();
    thread::scope(|scope| {
        let _closing = Closing(&shared);
        for _ in 1..threads {
            scope.spawn(|| shared.help());
        }
        work(&Crew {
            threads,
            shared: Some(&shared),
        })
    })
}

impl Crew<'_> {
    /// Threads, the caller's among them.
    pub(crate) fn threads(&self) -> usize {
        self.threads
    }

    /// The crew for loops over so many rows: of few the caller alone, since waking others takes
    /// longer.
    pub(crate) fn for_rows(&self, n_rows: usize) -> Self {
        if n_rows < WORTH_ROWS {
            Self {
                threads: 1,
                shared: None,
            }
        } else {
            *self
        }
    }

    /// Runs `work` on each item, which it may change, and gives the results in item order.
    pub(crate) fn map_mut<T: Send, R: Send>(
        &self,
        items: &mut [T],
        work: impl Fn(usize, &mut T) -> R + Sync,
    ) -> Vec<R> {
        let Some(shared) = self.shared.filter(|_| items.len() > 1) else {
            let items = items.iter_mut().enumerate();
            return items.map(|(index, item)| work(index, item)).collect();
        };
        let slots: Vec<Mutex<(&mut T, Option<R>)>> = items
            .iter_mut()
            .map(|item| Mutex::new((item, None)))
            .collect();
        shared.run(slots.len(), &|index| {
            // Each piece is taken once: nobody else waits here.
            let mut slot = slots[index].lock().unwrap_or_else(PoisonError::into_inner);
            let result = work(index, slot.0);
            slot.1 = Some(result);
        });
        slots
            .into_iter()
            .map(|slot| {
                let (_, result) = slot.into_inner().unwrap_or_else(PoisonError::into_inner);
                result.expect("every piece was done, or run has panicked")
            })
            .collect()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, n: usize, work: &(dyn Fn(usize) + Sync)) {
        let work: *const (dyn Fn(usize) + Sync + '_) = work;
        let job = Arc::new(Job {
            // SAFETY: only the lifetime changes; below no helper keeps the job past this call.
            work: unsafe {
                std::mem::transmute::<
                    *const (dyn Fn(usize) + Sync + '_),
                    *const (dyn Fn(usize) + Sync + 'static),
                >(work)
            },
            n,
            next: AtomicUsize::new(0),
            panicked: AtomicBool::new(false),
        });
        self.lock().job = Some(Arc::clone(&job));
        self.wake.notify_all();
        job.work();
        let mut state = self.lock();
        // Who has not come yet will not; who has is waited for.
        state.job = None;
        while state.active > 0 {
            state = self
                .done
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        drop(state);
        assert!(
            !job.panicked.load(Ordering::Relaxed),
            "a piece of parallel work panicked"
        );
    }

    /// What a helper does until the crew closes.
    fn help(&self) {
        let mut state = self.lock();
        loop {
            if state.closed {
                return;
            }
            let open = state.job.as_ref().filter(|job| job.open()).cloned();
            if let Some(job) = open {
                state.active += 1;
                drop(state);
                job.work();
                drop(job);
                state = self.lock();
                state.active -= 1;
                if state.active == 0 {
                    self.done.notify_all();
                }
            } else {
                state = self
                    .wake
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
            }
        }
    }
}

impl Job {
    fn open(&self) -> bool {
        self.next.load(Ordering::Relaxed) < self.n
    }

    /// Takes pieces until there are none.
    fn work(&self) {
        loop {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            if index >= self.n {
                return;
            }
            // SAFETY: `run` waits for all who hold the job before the work goes away.
            let work = unsafe { &*self.work };
            let result = panic::catch_unwind(AssertUnwindSafe(|| work(index)));
            if result.is_err() {
                self.panicked.store(true, Ordering::Relaxed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic;

    use super::with_crew;

    #[test]
    fn every_piece_is_done_once() {
        for threads in [1, 2, 7] {
            with_crew(threads, |crew| {
                for n in [0, 1, 2, 1000] {
                    let mut items: Vec<usize> = vec![5; n];
                    let results = crew.map_mut(&mut items, |index, item| {
                        *item += index;
                        *item * 2
                    });
                    assert!(items.iter().enumerate().all(|(at, item)| *item == at + 5));
                    assert!(
                        results
                            .iter()
                            .enumerate()
                            .all(|(at, own)| *own == 2 * (at + 5))
                    );
                }
            });
        }
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_threads_end() {
        for threads in [1, 3] {
            let caught = panic::catch_unwind(|| {
                with_crew(threads, |crew| {
                    crew.map_mut(&mut [0; 50], |index, _| assert!(index != 20));
                });
            });
            assert!(caught.is_err());
        }
    }
}
