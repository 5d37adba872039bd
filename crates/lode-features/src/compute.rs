//! Computes a view at many times in one pass over the rows, split over threads.
//!
//! Threads take tasks of whole customers; the batches leave in the order of the tasks. So the
//! bytes do not depend on the threads, nor on how the rows were cut into files and batches.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::sync::mpsc;

use arrow_array::RecordBatch;
use lode_parts::Written;
use lode_types::Timestamp;

use crate::Error;
use crate::Result;
use crate::rows;
use crate::rows::Rows;
use crate::rows::Run;
use crate::scan::Scanner;
use crate::scan::Task;
use crate::training::TrainingInput;
use crate::view::View;
use crate::work::Work;
use crate::work::work;

/// Tasks that a thread may be ahead of the one that is awaited.
const AHEAD: usize = 4;

/// What a view is computed from and when.
#[derive(Debug)]
pub struct Input {
    /// For each of [`View::events`], its rows.
    pub events: Vec<Vec<Rows>>,
    /// For each of [`View::lookups`], for each time, its rows.
    pub lookups: Vec<Vec<Vec<RecordBatch>>>,
    /// The times, ascending.
    pub as_of: Vec<Timestamp>,
    /// Threads to use; the result does not depend on them.
    pub threads: usize,
    /// What a training set needs beside its rows; empty for a view.
    pub training: TrainingInput,
}

/// Gives the rows of a view to `sink`, ascending by customer and time, in batches.
///
/// Rows and lookups may hold more than was known at the times: events after t and events that
/// arrived after t do not count at t. Lookups are taken as they are given for each time.
/// Memory: a few tasks of at most 4,096 customers a thread; unsorted rows and lookups are held whole.
///
/// # Errors
/// Those of reading; `FEATURE_OVERFLOW`; `CANCELLED` once `stopped` is set; the first of `sink`.
pub fn compute<E: From<Error>>(
    view: &View,
    input: &Input,
    stopped: &AtomicBool,
    sink: &mut dyn FnMut(RecordBatch) -> std::result::Result<(), E>,
) -> std::result::Result<(), E> {
    each(view, input, stopped, &work, sink)
}

/// Does `one` for all tasks and gives what it finds to `sink`, in the order of the tasks.
pub(crate) fn each<T: Send, E: From<Error>>(
    view: &View,
    input: &Input,
    stopped: &AtomicBool,
    one: &(impl Fn(Work<'_>, &Task) -> Result<Option<T>> + Sync),
    sink: &mut dyn FnMut(T) -> std::result::Result<(), E>,
) -> std::result::Result<(), E> {
    let runs = prepare(view, input)?;
    let as_of: Vec<i64> = input.as_of.iter().map(|time| time.0).collect();
    let mut scanner = Scanner::new(&view.plan, &runs, as_of.len());
    let schema = view.schema();
    let of = Work {
        plan: &view.plan,
        schema: &schema,
        runs: &runs,
        as_of: &as_of,
        training: &input.training,
    };
    let one = |task: &Task| one(of, task);
    if input.threads <= 1 {
        while let Some(task) = scanner.next()? {
            check(stopped)?;
            if let Some(batch) = one(&task)? {
                sink(batch)?;
            }
        }
        return Ok(());
    }
    let pool = Pool {
        scanner: Mutex::new(scanner),
        written: Mutex::new(0),
        moved: Condvar::new(),
        over: AtomicBool::new(false),
        ahead: AHEAD * input.threads,
    };
    std::thread::scope(|scope| {
        let (done, results) = mpsc::channel();
        let _end = EndPool(&pool);
        for i in 0..input.threads {
            let done = done.clone();
            let (pool, one) = (&pool, &one);
            std::thread::Builder::new()
                .name(format!("features-{i}"))
                .spawn_scoped(scope, move || pool.run(one, &done))
                .map_err(|error| Error::Thread(error.to_string()))?;
        }
        drop(done);
        let mut waiting = BTreeMap::new();
        let mut next = 0;
        for (number, result) in results {
            check(stopped)?;
            waiting.insert(number, result);
            while let Some(result) = waiting.remove(&next) {
                if let Some(batch) = result? {
                    sink(batch)?;
                }
                next += 1;
                *lock(&pool.written) = next;
                pool.moved.notify_all();
            }
        }
        // The end of the tasks is one number past the last, so nothing may be left.
        if waiting.is_empty() {
            Ok(())
        } else {
            Err(Error::Thread("a thread of features ended early".to_owned()).into())
        }
    })
}

/// Writes the rows of a view to an Arrow file, batch by batch, each shown to `seen` before; does
/// not sync it.
///
/// # Errors
/// Those of [`compute()`] and of writing.
pub fn write(
    view: &View,
    input: &Input,
    stopped: &AtomicBool,
    file: &File,
    seen: &mut dyn FnMut(&RecordBatch),
) -> Result<Written> {
    let (send, batches) = mpsc::sync_channel(AHEAD);
    std::thread::scope(|scope| {
        let computing = std::thread::Builder::new()
            .name("features".to_owned())
            .spawn_scoped(scope, move || {
                compute(view, input, stopped, &mut |batch| {
                    // A writer that is gone has its own error.
                    send.send(batch).map_err(|_| Error::Stopped)
                })
            })
            .map_err(|error| Error::Thread(error.to_string()))?;
        let written = lode_parts::write_ipc(
            file,
            &view.schema(),
            batches.into_iter().inspect(|batch| seen(batch)).map(Ok),
        );
        let computed = computing
            .join()
            .map_err(|_| Error::Thread("a thread of features panicked".to_owned()))?;
        let written = written?;
        computed?;
        Ok(written)
    })
}

fn prepare(view: &View, input: &Input) -> Result<Vec<Run>> {
    let differs = |expected: String, found: String| Error::RowsDiffer {
        dataset: "the view".to_owned(),
        expected,
        found,
    };
    let plan = &view.plan;
    if input.events.len() != plan.sources.len() || input.lookups.len() != plan.lookups.len() {
        return Err(differs(
            format!(
                "rows of {} datasets and {} lookups",
                plan.sources.len(),
                plan.lookups.len()
            ),
            format!("{} and {}", input.events.len(), input.lookups.len()),
        ));
    }
    if input.as_of.windows(2).any(|pair| pair[0] >= pair[1]) {
        return Err(differs("ascending times".to_owned(), "others".to_owned()));
    }
    let mut runs = Vec::new();
    for (i, (source, rows)) in plan.sources.iter().zip(&input.events).enumerate() {
        runs.extend(rows::runs(i, source, rows)?);
    }
    for (i, (lookup, dates)) in plan.lookups.iter().zip(&input.lookups).enumerate() {
        if dates.len() != input.as_of.len() {
            return Err(differs(
                format!("{} for {} times", lookup.name, input.as_of.len()),
                dates.len().to_string(),
            ));
        }
        for (date, batches) in dates.iter().enumerate() {
            runs.push(rows::lookup(i, date, lookup, batches)?);
        }
    }
    Ok(runs)
}

type Done<T> = mpsc::Sender<(usize, Result<Option<T>>)>;

/// What the threads share.
struct Pool<'r> {
    scanner: Mutex<Scanner<'r>>,
    written: Mutex<usize>,
    moved: Condvar,
    over: AtomicBool,
    ahead: usize,
}

impl Pool<'_> {
    fn run<T>(&self, one: &(impl Fn(&Task) -> Result<Option<T>> + Sync), done: &Done<T>) {
        loop {
            let task = lock(&self.scanner).next();
            let (number, result) = match task {
                Ok(None) => return,
                Ok(Some(task)) => {
                    let mut written = lock(&self.written);
                    while task.number >= *written + self.ahead && !self.over() {
                        written = self
                            .moved
                            .wait(written)
                            .unwrap_or_else(PoisonError::into_inner);
                    }
                    drop(written);
                    if self.over() {
                        return;
                    }
                    (task.number, one(&task))
                }
                // It stands for all tasks that would have followed.
                Err(error) => {
                    let next = lock(&self.scanner).tasks();
                    (next, Err(error))
                }
            };
            let failed = result.is_err();
            if done.send((number, result)).is_err() || failed {
                return;
            }
        }
    }

    fn over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }
}

/// Wakes the threads that wait when the one that writes is gone.
struct EndPool<'p, 'r>(&'p Pool<'r>);

impl Drop for EndPool<'_, '_> {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::Release);
        let _held = lock(&self.0.written);
        self.0.moved.notify_all();
    }
}

fn check(stopped: &AtomicBool) -> Result<()> {
    if stopped.load(Ordering::Acquire) {
        Err(Error::Stopped)
    } else {
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
