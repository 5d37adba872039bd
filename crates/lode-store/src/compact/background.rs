//! The thread that compacts and frees when nobody loads.
//!
//! It holds no store: when the last handle goes, it is told to stop and waited for.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::Weak;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;
use std::time::Instant;

use super::free;
use super::step;
use crate::Error;
use crate::Result;
use crate::catalog;
use crate::committer::lock;
use crate::key;
use crate::kv::Read;
use crate::kv::Span;
use crate::kv::Tree;
use crate::recent;
use crate::store::Inner;

/// How often it looks.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a dataset must be left alone before it is compacted.
const QUIET: Duration = Duration::from_secs(1);
/// Nothing is freed so soon after a start, so that jobs that are run again can pin versions.
const FREE_AFTER: Duration = Duration::from_secs(60);
/// How long a dataset rests after an error.
const REST: Duration = Duration::from_secs(60);
/// Priority, from -20 to 19.
const NICE: i32 = 10;

/// The thread, until it is dropped.
pub(crate) struct Background {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    stop: AtomicBool,
    lock: Mutex<()>,
    bell: Condvar,
}

/// What a dataset looked like when there was nothing to do: version, first waiting small
/// write, next number.
type Seen = (u64, u64, u32);

impl Background {
    pub(crate) fn start(inner: Weak<Inner>) -> Result<Self> {
        let shared = Arc::new(Shared {
            stop: AtomicBool::new(false),
            lock: Mutex::new(()),
            bell: Condvar::new(),
        });
        let thread = std::thread::Builder::new()
            .name("lode-compactor".to_owned())
            .spawn({
                let shared = Arc::clone(&shared);
                move || serve(&inner, &shared)
            })
            .map_err(Error::io("start the compactor"))?;
        Ok(Self {
            shared,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Ends the thread and waits for it; a compaction under way is given up.
    pub(crate) fn stop(&self) {
        {
            let _held = lock(&self.shared.lock);
            self.shared.stop.store(true, Ordering::SeqCst);
            self.shared.bell.notify_all();
        }
        if let Some(thread) = lock(&self.thread).take()
            && thread.thread().id() != std::thread::current().id()
            && thread.join().is_err()
        {
            tracing::error!("the compactor panicked");
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.stop();
    }
}

fn serve(inner: &Weak<Inner>, shared: &Shared) {
    // Of a thread by itself, as Linux has it; without the right to it goes on as it is.
    let own = Some(rustix::thread::gettid());
    if let Err(errno) = rustix::process::setpriority_process(own, NICE) {
        tracing::debug!(%errno, "the compactor keeps its priority");
    }
    let started = Instant::now();
    let mut seen: HashMap<u32, Seen> = HashMap::new();
    let mut resting: HashMap<u32, Instant> = HashMap::new();
    loop {
        {
            let held = lock(&shared.lock);
            if shared.stop.load(Ordering::SeqCst) {
                return;
            }
            drop(shared.bell.wait_timeout(held, PAUSE));
        }
        if shared.stop.load(Ordering::SeqCst) {
            return;
        }
        let Some(inner) = inner.upgrade() else { return };
        let datasets = match datasets(&inner) {
            Ok(datasets) => datasets,
            Err(error) => {
                tracing::warn!(error = %lode_types::chain(&error), "cannot list datasets");
                continue;
            }
        };
        for dataset in datasets {
            if resting
                .get(&dataset)
                .is_some_and(|since| since.elapsed() < REST)
            {
                continue;
            }
            let may_free = started.elapsed() > FREE_AFTER;
            if let Err(error) = look(&inner, dataset, &mut seen, may_free, shared) {
                if shared.stop.load(Ordering::SeqCst) {
                    return;
                }
                let error = lode_types::chain(&error);
                tracing::warn!(dataset, error, "compaction is tried again later");
                resting.insert(dataset, Instant::now());
            }
        }
    }
}

fn datasets(inner: &Inner) -> Result<Vec<u32>> {
    let ids = Span::prefix(&key::dataset_ids());
    inner
        .core()
        .trees
        .scan(Tree::Meta, &ids)?
        .iter()
        .map(|(_, value)| {
            key::read_number(value).ok_or_else(|| Error::damaged("dataset id", "no number"))
        })
        .collect()
}

fn look(
    inner: &Inner,
    dataset: u32,
    seen: &mut HashMap<u32, Seen>,
    may_free: bool,
    shared: &Shared,
) -> Result<()> {
    inner.core().check()?;
    let trees = &inner.core().trees;
    let stop = || shared.stop.load(Ordering::SeqCst);
    if may_free {
        free(inner, dataset)?;
    }
    while !stop() && inner.quiet_for(dataset) >= QUIET {
        let head = catalog::head(trees, dataset)?;
        let now = (
            head.version,
            recent::first(trees, dataset)?,
            head.next_ingest,
        );
        if seen.get(&dataset) == Some(&now) {
            break;
        }
        if !step(inner, dataset, &stop)? {
            seen.insert(dataset, now);
        }
    }
    Ok(())
}
