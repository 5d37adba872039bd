//! How a call behaves in its process: it stops when asked, keeps to its memory and its threads,
//! says nothing on standard output, and leaves nothing behind.

use std::fs;
use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use rustix::process::Resource;
use rustix::process::Rlimit;

use super::Case;
use super::Check;
use super::Run;
use crate::subject::How;
use crate::subject::ROWS;
use crate::subject::plain;
use crate::verdict::Checked;
use crate::verdict::Stop;
use crate::verdict::failed;

/// How long a call may take to notice that it was cancelled.
const NOTICE: Duration = Duration::from_millis(250);
/// Rows of a call that is to be long.
const MANY: usize = 100_000;
/// Rows of a call whose threads are counted: enough to be worth sharing out.
const SHARED: usize = 10_000;

pub(super) const CANCEL: Check = Check {
    name: "cancel",
    about: "a call that is asked to stop returns within 250 ms",
    run: Run::One(cancel),
};

fn cancel(case: &Case<'_>) -> Checked {
    let subject = case.subject;
    let tables = subject.tables(MANY);
    let mut best = Duration::MAX;
    let mut words = String::new();
    for turn in 0..3 {
        let flag = Arc::new(AtomicBool::new(false));
        let how = How {
            cancel: Arc::clone(&flag),
            ..subject.how()
        };
        let wait = Duration::from_millis(10 << (2 * turn));
        let asker = beside("asker", move || {
            std::thread::sleep(wait);
            let waited = waited_for_a_processor();
            flag.store(true, Ordering::SeqCst);
            (Instant::now(), waited)
        })?;
        let start = Instant::now();
        let ended = subject.fit(&how, plain(tables.clone()));
        let returned = Instant::now();
        let waited = waited_for_a_processor();
        let (asked, waited_before) = asker
            .join()
            .map_err(|_| failed("the kit's own thread panicked"))?;
        if returned < asked {
            let whole = (returned - start).as_millis();
            if words.is_empty() {
                return Ok(format!(
                    "{MANY} rows take {whole} ms: over before it was asked"
                ));
            }
            // An earlier turn has said how long it takes.
            break;
        }
        // What other programs took is not the plugin's.
        let taken = waited.saturating_sub(waited_before);
        best = best.min((returned - asked).saturating_sub(taken));
        ended.decent("when it was asked to stop")?;
        words = format!("{} ms", best.as_millis());
    }
    if best > NOTICE {
        return Err(failed(format!(
            "expected it to stop within {} ms of being asked, found {} ms: ask cancelled() in the outer loops",
            NOTICE.as_millis(),
            best.as_millis()
        )));
    }
    Ok(words)
}

pub(super) const MEMORY: Check = Check {
    name: "memory",
    about: "a fit keeps to the private memory that the description says",
    run: Run::One(memory),
};

fn memory(case: &Case<'_>) -> Checked {
    const N: usize = 100_000;
    let subject = case.subject;
    let said = subject.spec.memory;
    let tables = subject.tables(N);
    let rows: usize = tables.iter().map(|(_, batch)| batch.num_rows()).sum();
    let declared = said
        .base_bytes
        .saturating_add(said.bytes_per_row.saturating_mul(rows as u64));
    (case.step)(&format!(
        "fit {rows} rows within the {} MiB that its description says (base {} MiB and {} bytes a row)",
        declared >> 20,
        said.base_bytes >> 20,
        said.bytes_per_row
    ));
    let before = private_bytes()?;
    let old = rustix::process::getrlimit(Resource::Data);
    let bound = |current| Rlimit {
        current,
        maximum: old.maximum,
    };
    let limit = before.saturating_add(declared);
    let limit = old.current.map_or(limit, |old| old.min(limit));
    let unable = |error| failed(format!("the kit could not set a limit: {error}"));
    rustix::process::setrlimit(Resource::Data, bound(Some(limit))).map_err(unable)?;
    let ended = subject.fit(&subject.how(), plain(tables));
    rustix::process::setrlimit(Resource::Data, bound(old.current)).map_err(unable)?;
    ended.success("a fit within its own memory")?;
    Ok(format!("{rows} rows within {} MiB", declared >> 20))
}

/// How long the threads of this process have been ready to run and did not; zero where the
/// kernel does not say.
fn waited_for_a_processor() -> Duration {
    let threads = fs::read_dir("/proc/self/task");
    let waited = threads.into_iter().flatten().flatten().map(|thread| {
        let stat = fs::read_to_string(thread.path().join("schedstat")).unwrap_or_default();
        let nanos = stat.split_ascii_whitespace().nth(1);
        nanos
            .and_then(|nanos| nanos.parse::<u64>().ok())
            .unwrap_or(0)
    });
    Duration::from_nanos(waited.sum())
}

/// A thread of the kit's own beside a call.
fn beside<T: Send + 'static>(
    name: &str,
    run: impl FnOnce() -> T + Send + 'static,
) -> Result<std::thread::JoinHandle<T>, Stop> {
    let thread = std::thread::Builder::new().name(name.to_owned());
    let started = thread.spawn(run);
    started.map_err(|error| failed(format!("the kit could not start a thread: {error}")))
}

/// Private writable memory of this process, as RLIMIT_DATA counts it.
fn private_bytes() -> Result<u64, Stop> {
    let status = fs::read_to_string("/proc/self/status")
        .map_err(|error| failed(format!("the kit could not read /proc/self/status: {error}")))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmData:"));
    let kilobytes = line.and_then(|line| line.split_ascii_whitespace().next()?.parse::<u64>().ok());
    Ok(kilobytes.unwrap_or(0) << 10)
}

pub(super) const STDOUT: Check = Check {
    name: "stdout",
    about: "nothing is written to standard output",
    run: Run::One(stdout),
};

fn stdout(case: &Case<'_>) -> Checked {
    let said = heard_on_stdout(|| every_call(case))?;
    match words_of(&said) {
        None => Ok(String::new()),
        Some(words) => Err(failed(format!("{} {words}", case.subject.spec.id))),
    }
}

/// What was said on standard output, in words, if anything was.
pub(super) fn words_of(said: &[u8]) -> Option<String> {
    let start: String = String::from_utf8_lossy(said).chars().take(60).collect();
    (!said.is_empty()).then(|| {
        format!(
            "wrote {} bytes to standard output, beginning {start:?}: use log() for the job's log",
            said.len()
        )
    })
}

/// What `run` writes to standard output.
pub(super) fn heard_on_stdout(run: impl FnOnce() -> Result<(), Stop>) -> Result<Vec<u8>, Stop> {
    let unable = |error: std::io::Error| failed(format!("the kit could not watch stdout: {error}"));
    // What does not fit into the pipe is refused, which is as telling.
    let flags = rustix::pipe::PipeFlags::CLOEXEC | rustix::pipe::PipeFlags::NONBLOCK;
    let (out, to) = rustix::pipe::pipe_with(flags).map_err(|error| unable(error.into()))?;
    let kept = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3)
        .map_err(|error| unable(error.into()))?;
    rustix::stdio::dup2_stdout(to.as_fd()).map_err(|error| unable(error.into()))?;
    let ran = run();
    flush_c();
    rustix::stdio::dup2_stdout(kept.as_fd()).map_err(|error| unable(error.into()))?;
    drop(to);
    ran?;
    let mut said = Vec::new();
    File::from(out).read_to_end(&mut said).map_err(unable)?;
    Ok(said)
}

/// Writes out what the C library still holds of standard output.
#[expect(unsafe_code, reason = "a function of the C library")]
fn flush_c() {
    unsafe extern "C" {
        fn fflush(stream: *mut std::ffi::c_void) -> std::ffi::c_int;
    }
    // SAFETY: null means every stream.
    let code = unsafe { fflush(std::ptr::null_mut()) };
    debug_assert!(code <= 0, "fflush gives 0 or EOF");
}

pub(super) const LEFTOVERS: Check = Check {
    name: "leftovers",
    about: "no thread, process or open file is left behind",
    run: Run::One(leftovers),
};

fn leftovers(case: &Case<'_>) -> Checked {
    let at_first = entries("/proc/self/task")?;
    // The first calls may set up what a library sets up once: files, but no threads.
    every_call(case)?;
    let threads = entries("/proc/self/task")?;
    let files = entries("/proc/self/fd")?;
    every_call(case)?;
    every_call(case)?;
    let until = Instant::now() + NOTICE;
    loop {
        let (more_threads, more_files) = (
            entries("/proc/self/task")?.saturating_sub(threads),
            entries("/proc/self/fd")?.saturating_sub(files),
        );
        if more_threads == 0 && more_files == 0 {
            break;
        }
        if Instant::now() >= until {
            return Err(failed(match more_threads {
                0 => {
                    format!("{more_files} open files were left behind by two more rounds of calls")
                }
                n => format!("{n} threads were left behind by two more rounds of calls"),
            }));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let n = entries("/proc/self/task")?.saturating_sub(at_first);
    if n > 0 {
        return Err(failed(format!(
            "{n} threads were left behind by the first round of calls"
        )));
    }
    match rustix::process::wait(rustix::process::WaitOptions::NOHANG) {
        Err(rustix::io::Errno::CHILD) => Ok(String::new()),
        _ => Err(failed("a process was left behind")),
    }
}

pub(super) fn entries(path: &str) -> Result<usize, Stop> {
    let listed = fs::read_dir(path);
    let listed =
        listed.map_err(|error| failed(format!("the kit could not read {path}: {error}")))?;
    Ok(listed.count())
}

/// One of each call that the algorithm has.
fn every_call(case: &Case<'_>) -> Result<(), Stop> {
    let subject = case.subject;
    let how = subject.how();
    subject.fitted(&how, ROWS)?;
    if subject.makes_models() {
        let model = subject.model(&how, ROWS)?;
        let (name, question) = subject.question(20);
        subject
            .opened(&how, &model)?
            .scored(&how, &name, question)?;
    }
    if subject.algorithm.merges() {
        let state = subject.partial(&how, plain(subject.tables(ROWS)));
        let state = state.success("partial")?.state.unwrap_or_default();
        let merged = subject.merge(&how, &[&state]).success("merge")?;
        let merged = merged.state.unwrap_or_default();
        subject.finish(&how, &merged).success("finish")?;
    }
    // A refused call cleans up too.
    let refused = subject.fit(&how.with_params("{"), plain(subject.tables(20)));
    refused.decent("with parameters that are no JSON")?;
    Ok(())
}

pub(super) const THREAD_BUDGET: Check = Check {
    name: "thread-budget",
    about: "no more threads than the call may use",
    run: Run::One(thread_budget),
};

fn thread_budget(case: &Case<'_>) -> Checked {
    let subject = case.subject;
    let tables = subject.tables(SHARED);
    for budget in [1, 2] {
        let over = Arc::new(AtomicBool::new(false));
        let most = Arc::new(AtomicUsize::new(0));
        let watcher = {
            let (over, most) = (Arc::clone(&over), Arc::clone(&most));
            beside("watcher", move || {
                while !over.load(Ordering::SeqCst) {
                    most.fetch_max(entries("/proc/self/task").unwrap_or(0), Ordering::SeqCst);
                    std::thread::sleep(Duration::from_micros(300));
                }
            })?
        };
        let before = entries("/proc/self/task")?;
        let ended = subject.fit(&subject.how().with_threads(budget), plain(tables.clone()));
        over.store(true, Ordering::SeqCst);
        watcher
            .join()
            .map_err(|_| failed("the kit's own thread panicked"))?;
        ended.success("a fit")?;
        // The thread of the call may wait for as many as it may use.
        let found = most.load(Ordering::SeqCst).saturating_sub(before);
        if found > budget as usize {
            return Err(failed(format!(
                "with a budget of {budget} it ran {found} threads beside that of the call"
            )));
        }
    }
    Ok(String::new())
}
