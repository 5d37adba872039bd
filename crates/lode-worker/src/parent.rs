//! The parent's side: start a worker, talk to it, end it, and say how it ended.
//!
//! Workers are started from one thread that lives as long as the [`Spawner`]: the kernel
//! ties a worker's life (PR_SET_PDEATHSIG) to the *thread* that started it. Nothing runs
//! between fork and exec, so that the cheap vfork path is taken; limits are set by the
//! worker itself in [`crate::enter`], before it touches anything foreign.

use std::collections::VecDeque;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::ExitStatus;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::thread::JoinHandle;

use rustix::process::Pid;
use rustix::process::Signal;

use crate::Channel;
use crate::Error;
use crate::Result;

/// Environment variable that carries the memory limit, in bytes.
pub(crate) const MEMORY_VARIABLE: &str = "LODE_WORKER_MEMORY_BYTES";
/// Environment variable that carries the parent's process id.
pub(crate) const PARENT_VARIABLE: &str = "LODE_WORKER_PARENT";

/// Environment variable that carries how many CPUs the worker is held to; 0 for all.
pub(crate) const CPUS_VARIABLE: &str = "LODE_WORKER_CPUS";
/// Environment variable that carries which of the CPUs is its first.
pub(crate) const FIRST_CPU_VARIABLE: &str = "LODE_WORKER_FIRST_CPU";

/// Bytes of standard error that are kept.
const STDERR_BYTES: usize = 8 << 10;

/// What a worker may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of private memory (RLIMIT_DATA): heap and stacks, not mapped files.
    pub memory_bytes: u64,
    /// CPUs that all of its threads together may use; 0, or more than there are: all.
    pub cpus: u32,
}

/// What to start.
#[derive(Clone, Debug)]
pub struct WorkerCommand {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// What it may use.
    pub limits: Limits,
}

type Job = (Command, mpsc::SyncSender<std::io::Result<Child>>);

/// The thread that starts workers.
#[derive(Debug)]
pub struct Spawner {
    jobs: Mutex<mpsc::Sender<Job>>,
    /// The first CPU of the next worker that is held to some, so that they do not all share one.
    next_cpu: AtomicU32,
}

impl Spawner {
    /// Starts the thread. When the spawner is dropped the thread ends, and with it every
    /// worker that is still alive.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub fn start() -> Result<Self> {
        let (jobs, queue) = mpsc::channel::<Job>();
        std::thread::Builder::new()
            .name("worker-spawner".to_owned())
            .spawn(move || {
                for (mut command, reply) in queue {
                    if let Err(mpsc::SendError(Ok(mut orphan))) = reply.send(command.spawn()) {
                        drop(orphan.kill());
                        drop(orphan.wait());
                    }
                }
            })?;
        Ok(Self {
            jobs: Mutex::new(jobs),
            next_cpu: AtomicU32::new(0),
        })
    }

    /// Starts a worker: a socket as its standard input, no standard output, its standard
    /// error kept, an empty environment.
    ///
    /// # Errors
    /// `WORKER_START_FAILED` with the program.
    pub fn spawn(&self, worker: &WorkerCommand) -> Result<Worker> {
        let failed = |source| Error::Start {
            program: worker.program.display().to_string(),
            source,
        };
        let cpus = worker.limits.cpus;
        let first_cpu = self.next_cpu.fetch_add(cpus, Ordering::Relaxed);
        let (here, there) = Channel::pair()?;
        let mut command = Command::new(&worker.program);
        command
            .args(&worker.args)
            .env_clear()
            .env("LANG", "C.UTF-8")
            .env("RUST_BACKTRACE", "0")
            .env(MEMORY_VARIABLE, worker.limits.memory_bytes.to_string())
            .env(CPUS_VARIABLE, cpus.to_string())
            .env(FIRST_CPU_VARIABLE, first_cpu.to_string())
            .env(PARENT_VARIABLE, std::process::id().to_string())
            .current_dir("/")
            // A group of its own, so that what foreign code forks can be ended with it.
            .process_group(0)
            .stdin(Stdio::from(OwnedFd::from(there.into_stream())))
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let (reply, answer) = mpsc::sync_channel(1);
        self.jobs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .send((command, reply))
            .map_err(|_| Error::SpawnerGone)?;
        let mut child = answer
            .recv()
            .map_err(|_| Error::SpawnerGone)?
            .map_err(failed)?;
        let stderr = child.stderr.take();
        let words = LastWords::default();
        let heard = words.clone();
        let listener = std::thread::Builder::new()
            .name("worker-stderr".to_owned())
            .spawn(move || {
                stderr
                    .map(|stderr| heard.listen(stderr))
                    .unwrap_or_default()
            })?;
        Ok(Worker {
            // Workers answer with bytes; files go to them only.
            channel: here.without_files(),
            pid: child.id(),
            child: Mutex::new(child),
            words,
            listener,
        })
    }
}

/// A running worker. Dropping it ends the process.
#[derive(Debug)]
pub struct Worker {
    channel: Channel,
    pid: u32,
    child: Mutex<Child>,
    words: LastWords,
    listener: JoinHandle<()>,
}

impl Worker {
    /// The socket to it.
    pub fn channel(&self) -> &Channel {
        &self.channel
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Ends it, and what it has forked, at once (SIGKILL). A worker that has ended already
    /// is no error.
    pub fn kill(&self) {
        let group = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        if let Some(group) = group {
            // No such group means that all of it has ended.
            rustix::process::kill_process_group(group, Signal::KILL).ok();
        }
        // By its own name too: without seccomp it could have left its group.
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        child.kill().ok();
    }

    /// Waits for a worker that has closed its socket, ends it if it lingers, and says how it ended.
    pub fn finish(self) -> Exit {
        let exited = a_moment(|| {
            let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
            child.try_wait().ok().flatten()
        });
        // Also when it has exited: a child of its own would hold its standard error open.
        self.kill();
        let status = exited.or_else(|| self.reap());
        // What has left the group, where the kernel lets it, holds it open for good.
        a_moment(|| self.listener.is_finished().then_some(()));
        Exit {
            code: status.and_then(|status| status.code()),
            signal: status.and_then(|status| status.signal()),
            stderr_tail: self.words.so_far(),
        }
    }

    fn reap(&self) -> Option<ExitStatus> {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        child.wait().ok()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.kill();
        self.reap();
    }
}

/// How a worker ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exit {
    /// Its exit code, if it exited.
    pub code: Option<i32>,
    /// The signal that ended it, if one did.
    pub signal: Option<i32>,
    /// The last 8 KiB of its standard error.
    pub stderr_tail: String,
}

impl Exit {
    /// Whether it ended because its memory limit was reached: Rust's allocator says so on
    /// standard error before it aborts.
    pub fn out_of_memory(&self) -> bool {
        self.stderr_tail.contains("memory allocation of")
            || self.stderr_tail.contains("Cannot allocate memory")
            || self.stderr_tail.contains("std::bad_alloc")
    }

    /// The end in words, e.g. `killed by SIGSEGV`.
    pub fn describe(&self) -> String {
        match (self.signal, self.code) {
            (Some(signal), _) => format!("killed by {}", signal_name(signal)),
            (None, Some(code)) => format!("exited with code {code}"),
            (None, None) => "ended in an unknown way".to_owned(),
        }
    }
}

fn signal_name(signal: i32) -> String {
    let name = match signal {
        4 => "SIGILL",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        15 => "SIGTERM",
        24 => "SIGXCPU",
        25 => "SIGXFSZ",
        31 => "SIGSYS",
        _ => return format!("signal {signal}"),
    };
    name.to_owned()
}

/// Asks again and again for half a second.
fn a_moment<T>(mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    for _ in 0..100 {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    None
}

/// The end of what a worker wrote to standard error.
#[derive(Clone, Debug, Default)]
struct LastWords(Arc<Mutex<VecDeque<u8>>>);

impl LastWords {
    /// Reads to the end.
    fn listen(&self, mut stderr: std::process::ChildStderr) {
        let mut piece = [0; 1024];
        while let Ok(read @ 1..) = stderr.read(&mut piece) {
            let mut tail = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let excess = (tail.len() + read).saturating_sub(STDERR_BYTES);
            let excess = excess.min(tail.len());
            tail.drain(..excess);
            tail.extend(&piece[..read]);
        }
    }

    fn so_far(&self) -> String {
        let mut tail = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(tail.make_contiguous()).into_owned()
    }
}

#[cfg(test)]
mod tests;
