//! What of an engine's and its workers' memory is their own and what is mapped files.
//!
//! Looked at every few milliseconds: what comes and goes in between is not seen.

use std::fs;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Result;

use crate::process;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(3);

/// The most that was resident, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Resident {
    /// Heap, stacks and what else is the process's own.
    pub(super) own: f64,
    /// Pages of mapped files, which the kernel can take back.
    pub(super) file: f64,
}

/// The most of each process, each number at its own moment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Peaks {
    pub(super) engine: Resident,
    /// The worker of a plugin; of several the largest.
    pub(super) worker: Resident,
    /// `lode-sql`.
    pub(super) sql: Resident,
}

/// Does `work` and tells what was resident meanwhile.
pub(super) fn peaks_while<T>(engine: u32, work: impl FnOnce() -> Result<T>) -> Result<(T, Peaks)> {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut peaks = Peaks::default();
            while !done.load(Ordering::Relaxed) {
                look(engine, &mut peaks);
                std::thread::sleep(PAUSE);
            }
            peaks
        });
        let result = work();
        done.store(true, Ordering::Relaxed);
        let peaks = watcher.join().unwrap_or_default();
        result.map(|value| (value, peaks))
    })
}

fn look(engine: u32, peaks: &mut Peaks) {
    peaks.engine.raise(engine);
    for pid in process::children(engine).unwrap_or_default() {
        let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let program = command.split(|byte| *byte == 0).next().unwrap_or_default();
        match program.ends_with(b"lode-sql") {
            true => peaks.sql.raise(pid),
            false => peaks.worker.raise(pid),
        }
    }
}

impl Resident {
    /// Up to what a process has now; one that has ended has nothing.
    fn raise(&mut self, pid: u32) {
        let Ok(text) = fs::read_to_string(format!("/proc/{pid}/status")) else {
            return;
        };
        let now = of_status(&text);
        self.own = self.own.max(now.own);
        self.file = self.file.max(now.file);
    }
}

/// What /proc/PID/status says; shared memory counts as own, for no file gives it back.
fn of_status(text: &str) -> Resident {
    let bytes = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
        kib.and_then(|kib| kib.parse::<f64>().ok()).unwrap_or(0.0) * 1024.0
    };
    Resident {
        own: bytes("RssAnon:") + bytes("RssShmem:"),
        file: bytes("RssFile:"),
    }
}

#[cfg(test)]
mod tests {
    use super::of_status;

    #[test]
    fn own_memory_and_mapped_files_are_told_apart() {
        let text = "Name:\tlode\nVmRSS:\t   7 kB\nRssAnon:\t   4 kB\nRssFile:\t   2 kB\nRssShmem:\t   1 kB\n";
        let found = of_status(text);
        assert_eq!((found.own, found.file), (5.0 * 1024.0, 2.0 * 1024.0));
    }
}
