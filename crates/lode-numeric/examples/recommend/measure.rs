//! Wall time, CPU time of all threads, and memory of a stretch of work.
//!
//! Memory is what the kernel saw resident at most, less what was resident before: the program
//! and its input.

use std::fs;
use std::time::Instant;

use crate::Result;

/// A stretch of work that has begun.
pub(crate) struct Meter {
    start: Instant,
    cpu: f64,
    base: u64,
}

/// What a stretch took.
#[derive(Clone, Copy)]
pub(crate) struct Took {
    pub(crate) seconds: f64,
    pub(crate) cpu_seconds: f64,
    /// Resident before.
    pub(crate) base_bytes: u64,
    /// Resident at most.
    pub(crate) peak_bytes: u64,
}

impl Meter {
    /// Begins; the kernel forgets the peak until here.
    pub(crate) fn start() -> Result<Self> {
        fs::write("/proc/self/clear_refs", "5")?;
        Ok(Self {
            base: status_bytes("VmRSS:")?,
            cpu: cpu_seconds(),
            start: Instant::now(),
        })
    }

    pub(crate) fn stop(&self) -> Result<Took> {
        Ok(Took {
            seconds: self.start.elapsed().as_secs_f64(),
            cpu_seconds: cpu_seconds() - self.cpu,
            base_bytes: self.base,
            peak_bytes: status_bytes("VmHWM:")?,
        })
    }
}

impl Took {
    /// As a member of a JSON object.
    pub(crate) fn json(&self, name: &str) -> String {
        format!(
            r#""{name}":{{"seconds":{},"cpu_seconds":{},"base_bytes":{},"peak_bytes":{}}}"#,
            self.seconds, self.cpu_seconds, self.base_bytes, self.peak_bytes
        )
    }
}

fn cpu_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn status_bytes(name: &str) -> Result<u64> {
    let text = fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let kib: u64 = kib.ok_or("/proc/self/status has another form")?.parse()?;
    Ok(kib * 1024)
}
