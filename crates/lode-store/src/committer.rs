//! The one thread that writes: group commit, and only then the answers.
//!
//! Jobs wait in a bounded queue; a group of them becomes one sled transaction, then sled's
//! flush, then fdatasync of sled's file, and then every waiter is answered. A job that fails
//! leaves nothing. Invariant: an answer means that the job's writes, and all before them,
//! are on stable storage; after any error of sled or of the sync nothing is written again.

use std::fs::File;
use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::OnceLock;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::mpsc::SyncSender;
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::Error;
use crate::Result;
use crate::failpoint::Failpoints;
use crate::guard::Guard;
use crate::guard::Refusal;
use crate::home::Home;
use crate::home::Opened;
use crate::key;
use crate::kv::Overlay;
use crate::kv::Tree;
use crate::kv::Trees;
use crate::kv::Txn;
use crate::kv::join;
use crate::mark;
use crate::mark::Mark;

const QUEUE_JOBS: usize = 1024;
const GROUP_JOBS: usize = 512;
const GROUP_BYTES: usize = 4 << 20;
/// How long what was written lazily may stay without a sync.
const LAZY: Duration = Duration::from_millis(100);

/// What the committer and the readers share.
pub(crate) struct Core {
    pub(crate) trees: Trees,
    pub(crate) failpoints: Failpoints,
    /// There until the end.
    db: Option<sled::Db>,
    /// sled's own file, opened again so that it can be synced.
    file: File,
    guard: Guard,
    mark: Mark,
    /// Groups that were applied, and of those the ones that are durable.
    applied: AtomicU64,
    durable: AtomicU64,
    refusing: AtomicBool,
    poison: OnceLock<String>,
}

impl Core {
    /// Over sled as it was opened; unless it is for a rebuild it must have all it ever had.
    pub(crate) fn new(home: &Home, opened: Opened, rebuild: bool) -> Result<Self> {
        let Opened { db, file, .. } = opened;
        let failpoints = Failpoints::from_environment();
        let trees = Trees::open(&db)?;
        if !rebuild {
            mark::verify(home, &trees)?;
        }
        // sled has found these on the disk, and its file was synced since.
        let groups = AtomicU64::new(mark::groups(&trees)?);
        Ok(Self {
            trees,
            mark: Mark::open(home.dir())?,
            durable: AtomicU64::new(groups.load(Ordering::Relaxed)),
            applied: groups,
            failpoints,
            db: Some(db),
            file,
            guard: Guard::new(),
            refusing: AtomicBool::new(false),
            poison: OnceLock::new(),
        })
    }

    /// Groups of writes that readers can see.
    pub(crate) fn applied(&self) -> u64 {
        self.applied.load(Ordering::Acquire)
    }

    /// The error of every write after the first that failed.
    pub(crate) fn check(&self) -> Result<()> {
        match self.poison.get() {
            None => Ok(()),
            Some(cause) => Err(Error::Poisoned {
                cause: cause.clone(),
            }),
        }
    }

    /// Why a group of writes is refused now, if it is; tells the log when that changes.
    fn admit(&self) -> Option<Refusal> {
        let refusal = match self.guard.admit(&self.file, || self.put_mark()) {
            Ok(refusal) => refusal,
            Err(error) => {
                tracing::warn!(error = %lode_types::chain(&error), "the disk cannot be looked at");
                None
            }
        };
        if self.refusing.swap(refusal.is_some(), Ordering::Relaxed) != refusal.is_some() {
            match refusal {
                Some(refusal) => {
                    tracing::error!(error = %refusal.error(), "writes are refused");
                }
                None => tracing::info!("writes are taken again"),
            }
        }
        refusal
    }

    /// Makes all that was applied durable.
    pub(crate) fn sync(&self) -> Result<()> {
        self.check()?;
        let applied = self.applied.load(Ordering::Acquire);
        let synced = self.sync_unchecked();
        if let Err(error) = &synced {
            self.poison(&lode_types::chain(error));
            return synced;
        }
        self.durable.fetch_max(applied, Ordering::AcqRel);
        match self.put_mark() {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::StorageFull => {
                tracing::warn!(%error, "could not write file MARK");
            }
            Err(error) => {
                // A file system that gave up during the sync may have said that all was well.
                self.poison(&format!("file MARK after a sync: {error}"));
                return self.check();
            }
        }
        synced
    }

    /// Says beside sled what is durable.
    fn put_mark(&self) -> std::io::Result<()> {
        self.mark.write(self.durable.load(Ordering::Acquire))
    }

    pub(crate) fn poison(&self, cause: &str) {
        if self.poison.set(cause.to_owned()).is_ok() {
            tracing::error!(
                cause,
                "store poisoned: durability is unknown, writes are refused"
            );
        }
    }

    fn sync_unchecked(&self) -> Result<()> {
        let db = self.db.as_ref().ok_or(Error::Closed)?;
        db.flush().map_err(Error::sled("flush"))?;
        self.failpoints.pass("txn.flushed");
        if !self.failpoints.pass("txn.fdatasync") {
            self.file
                .sync_data()
                .map_err(Error::io("sync the database file"))?;
        }
        self.failpoints.pass("txn.synced");
        Ok(())
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        let sled = (std::mem::take(&mut self.trees), self.db.take());
        // sled writes once more as it goes, and panics when the disk refuses.
        if catch_unwind(AssertUnwindSafe(|| drop(sled))).is_err() {
            tracing::error!("sled could not end in order; what was acknowledged is durable");
        }
    }
}

type Answer = Box<dyn FnOnce(Result<()>) + Send>;

enum Worked {
    Keep(Answer),
    Discard(Answer),
}

/// Given a transaction, or why there is none.
type Work = Box<dyn FnOnce(Result<&mut Txn<'_>>) -> Worked + Send>;

struct Job {
    durable: bool,
    work: Work,
}

/// The queue and its thread.
pub(crate) struct Committer {
    core: Arc<Core>,
    queue: Mutex<Option<SyncSender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// The answer to a job that may still be under way.
pub(crate) struct Pending<T>(Receiver<Result<T>>);

impl<T> Pending<T> {
    pub(crate) fn wait(self) -> Result<T> {
        self.0.recv().unwrap_or(Err(Error::Closed))
    }
}

impl Committer {
    pub(crate) fn start(core: Arc<Core>) -> Result<Self> {
        let (sender, receiver) = sync_channel(QUEUE_JOBS);
        let thread = std::thread::Builder::new()
            .name("lode-committer".to_owned())
            .spawn({
                let core = Arc::clone(&core);
                move || serve(&core, &receiver)
            })
            .map_err(Error::io("start the committer"))?;
        Ok(Self {
            core,
            queue: Mutex::new(Some(sender)),
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Runs `work` and waits until what it wrote is durable.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Txn<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.begin(true, work).wait()
    }

    /// Queues `work`; a job that is not durable is answered once readers see its writes, and
    /// becomes durable with the next that is, or soon.
    pub(crate) fn begin<T: Send + 'static>(
        &self,
        durable: bool,
        work: impl FnOnce(&mut Txn<'_>) -> Result<T> + Send + 'static,
    ) -> Pending<T> {
        let (sender, receiver) = sync_channel(1);
        self.submit(durable, work, move |result| {
            // A waiter that went away has nobody to tell.
            drop(sender.send(result));
        });
        Pending(receiver)
    }

    /// Queues `work`; `done` runs on the committer's thread and must not wait for it.
    pub(crate) fn submit<T: Send + 'static>(
        &self,
        durable: bool,
        work: impl FnOnce(&mut Txn<'_>) -> Result<T> + Send + 'static,
        done: impl FnOnce(Result<T>) + Send + 'static,
    ) {
        let job = Job {
            durable,
            work: Box::new(move |txn| match txn.and_then(work) {
                Ok(value) => Worked::Keep(Box::new(move |durable| done(durable.map(|()| value)))),
                Err(error) => Worked::Discard(Box::new(move |_| done(Err(error)))),
            }),
        };
        let queue = lock(&self.queue).clone();
        let refused = match queue {
            None => Some(job),
            Some(queue) => queue.send(job).err().map(|unsent| unsent.0),
        };
        if let Some(job) = refused
            && let Worked::Discard(answer) = (job.work)(Err(Error::Closed))
        {
            answer(Ok(()));
        }
    }

    /// Finishes what is queued, syncs, and ends the thread; later jobs are refused.
    pub(crate) fn stop(&self) -> Result<()> {
        drop(lock(&self.queue).take());
        if let Some(thread) = lock(&self.thread).take() {
            // An answer may have owned the last handle: the thread cannot wait for itself.
            if thread.thread().id() != std::thread::current().id() {
                thread
                    .join()
                    .map_err(|_| Error::bug("the committer panicked"))?;
            }
            self.core.sync()?;
        }
        self.core.check()
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            tracing::error!(error = %lode_types::chain(&error), "the last sync failed");
        }
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(core: &Core, queue: &Receiver<Job>) {
    let mut dirty = false;
    loop {
        let first = if dirty {
            match queue.recv_timeout(LAZY) {
                Ok(job) => Some(job),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => break,
            }
        } else {
            match queue.recv() {
                Ok(job) => Some(job),
                Err(_) => break,
            }
        };
        match first {
            Some(first) => serve_group(core, queue, first, &mut dirty),
            // A failure poisons the store, which the next writer is told.
            None => dirty = core.sync().is_err() && core.check().is_ok(),
        }
    }
}

fn serve_group(core: &Core, queue: &Receiver<Job>, first: Job, dirty: &mut bool) {
    let mut group = Overlay::default();
    let mut durable = Vec::new();
    let mut lazy = Vec::new();
    let mut next = Some(first);
    let mut jobs = 0;
    let refusal = core.admit();
    while let Some(job) = next {
        let answers = if job.durable { &mut durable } else { &mut lazy };
        answers.extend(work(core, job.work, &mut group, refusal));
        jobs += 1;
        next = (jobs < GROUP_JOBS && group.bytes() < GROUP_BYTES)
            .then(|| queue.try_recv().ok())
            .flatten();
    }
    *dirty |= !group.is_empty();
    let applied = apply(core, group);
    for answer in lazy {
        answer(again(core, &applied));
    }
    if durable.is_empty() {
        return;
    }
    let synced = match applied {
        Ok(()) if *dirty => core.sync(),
        Ok(()) => core.check(),
        Err(error) => Err(error),
    };
    *dirty = false;
    for answer in durable {
        answer(again(core, &synced));
    }
}

/// Runs one job over the group's writes; none when it panicked, its waiter is then let go.
fn work(core: &Core, work: Work, group: &mut Overlay, refusal: Option<Refusal>) -> Option<Answer> {
    let mut txn = Txn::new(&core.trees, group);
    let worked = catch_unwind(AssertUnwindSafe(|| {
        match core.check().and_then(|()| match refusal {
            None => Ok(()),
            Some(refusal) => Err(refusal.error()),
        }) {
            Ok(()) => work(Ok(&mut txn)),
            Err(error) => work(Err(error)),
        }
    }));
    match worked {
        Ok(Worked::Keep(answer)) => {
            let writes = txn.into_writes();
            join(group, writes);
            Some(answer)
        }
        Ok(Worked::Discard(answer)) => Some(answer),
        Err(_) => None,
    }
}

fn apply(core: &Core, mut group: Overlay) -> Result<()> {
    if group.is_empty() {
        return Ok(());
    }
    // Only this thread applies.
    let number = core.applied.load(Ordering::Acquire) + 1;
    let value = number.to_be_bytes().as_slice().into();
    group.set(Tree::Meta, key::groups(), Some(value));
    let applied = catch_unwind(AssertUnwindSafe(|| core.trees.apply(group)))
        .unwrap_or_else(|_| Err(Error::bug("sled panicked")));
    if let Err(error) = &applied {
        core.poison(&lode_types::chain(error));
    } else {
        core.applied.store(number, Ordering::Release);
    }
    core.failpoints.pass("txn.applied");
    applied
}

/// The same outcome for another waiter.
fn again(core: &Core, outcome: &Result<()>) -> Result<()> {
    match outcome {
        Ok(()) => Ok(()),
        Err(_) => match core.check() {
            Err(error) => Err(error),
            Ok(()) => Err(Error::bug("a group failed without a cause")),
        },
    }
}
