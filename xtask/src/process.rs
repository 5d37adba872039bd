//! A running engine, and what the kernel says it used.

use std::fs;
use std::io::BufRead as _;
use std::io::BufReader;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;

use crate::workspace;

/// Clock ticks a second in /proc: 100 on every Linux that Rust runs on.
const TICKS: f64 = 100.0;
/// Bytes of a page of memory.
const PAGE_BYTES: f64 = 4096.0;

/// `lode serve` on a free port; killed when dropped.
pub(crate) struct Engine {
    child: Child,
    address: String,
}

impl Engine {
    /// Starts the `lode` of a folder that `cargo xtask build` made.
    pub(crate) fn start(dist: &Path, data: &Path) -> Result<Engine> {
        Self::start_with(dist, data, &[])
    }

    /// The same with more arguments of `lode serve`.
    pub(crate) fn start_with(dist: &Path, data: &Path, arguments: &[&str]) -> Result<Engine> {
        let mut command = Command::new(dist.join("lode"));
        command.args(["serve", "--listen", "127.0.0.1:0"]);
        command.args(arguments);
        command.arg("--data").arg(data);
        command.arg("--plugins").arg(dist.join("plugins"));
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| {
                format!("{} did not start; run `cargo xtask build`", dist.display())
            })?;
        let stdout = child
            .stdout
            .take()
            .context("the engine's output is piped")?;
        let mut engine = Engine {
            child,
            address: String::new(),
        };
        let mut lines = BufReader::new(stdout).lines();
        for line in &mut lines {
            if let Some(address) = address_in(&line?) {
                engine.address = address;
                // Somebody has to read on, or the engine would block on a full pipe.
                std::thread::Builder::new()
                    .name("engine-output".to_owned())
                    .spawn(move || lines.for_each(drop))?;
                return Ok(engine);
            }
        }
        bail!("the engine ended without saying its address")
    }

    /// Ends it in order, as an operator does, and waits.
    pub(crate) fn terminate(mut self) -> Result<()> {
        let mut kill = Command::new("kill");
        kill.args(["-TERM", &self.child.id().to_string()]);
        workspace::run(&mut kill)?;
        self.child.wait()?;
        Ok(())
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// `host:port`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait()) {
            eprintln!("the engine was not stopped: {error}");
        }
    }
}

/// CPU seconds of a process and all processes below it, those that have ended included.
pub(crate) fn cpu_seconds(pid: u32) -> Result<f64> {
    let mut ticks = 0;
    let mut below = vec![pid];
    let all = processes()?;
    while let Some(pid) = below.pop() {
        if let Some(found) = all.iter().find(|found| found.pid == pid) {
            ticks += found.ticks + found.waited;
        }
        below.extend(
            all.iter()
                .filter(|found| found.parent == pid)
                .map(|found| found.pid),
        );
    }
    Ok(ticks as f64 / TICKS)
}

/// CPU seconds of the processes that this one started and has waited for, and of theirs.
pub(crate) fn waited_cpu_seconds() -> Result<f64> {
    let path = "/proc/self/stat";
    let text = fs::read_to_string(path).with_context(|| path.to_owned())?;
    let own = parse(&text).with_context(|| format!("{path} has another form"))?;
    Ok(own.waited as f64 / TICKS)
}

/// The most memory a process has had resident, in bytes.
pub(crate) fn peak_bytes(pid: u32) -> Result<f64> {
    let path = format!("/proc/{pid}/status");
    let text = fs::read_to_string(&path).with_context(|| path.clone())?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let kib: f64 = kib
        .with_context(|| format!("no VmHWM in {path}"))?
        .parse()?;
    Ok(kib * 1024.0)
}

/// The most memory that a process and those below it have had resident together while
/// `work` ran, looked at every few milliseconds; the pages of mapped files count.
pub(crate) fn peak_while<T>(pid: u32, work: impl FnOnce() -> Result<T>) -> Result<(T, f64)> {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut peak = 0.0_f64;
            while !done.load(Ordering::Relaxed) {
                peak = peak.max(resident_bytes(pid).unwrap_or(0.0));
                std::thread::sleep(Duration::from_millis(5));
            }
            peak
        });
        let result = work();
        done.store(true, Ordering::Relaxed);
        let peak = watcher.join().unwrap_or(0.0);
        result.map(|value| (value, peak))
    })
}

/// The processes that a process has started and that are alive.
pub(crate) fn children(pid: u32) -> Result<Vec<u32>> {
    let all = processes()?.into_iter();
    let children = all.filter(|found| found.parent == pid);
    Ok(children.map(|found| found.pid).collect())
}

fn resident_bytes(pid: u32) -> Result<f64> {
    let all = processes()?;
    let mut below = vec![pid];
    let mut pages = 0;
    while let Some(pid) = below.pop() {
        if let Ok(text) = fs::read_to_string(format!("/proc/{pid}/statm")) {
            let resident = text.split(' ').nth(1).and_then(|pages| pages.parse().ok());
            pages += resident.unwrap_or(0_u64);
        }
        below.extend(
            all.iter()
                .filter(|found| found.parent == pid)
                .map(|found| found.pid),
        );
    }
    Ok(pages as f64 * PAGE_BYTES)
}

struct Process {
    pid: u32,
    parent: u32,
    /// User and system time.
    ticks: u64,
    /// The same of children it has waited for.
    waited: u64,
}

fn processes() -> Result<Vec<Process>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let path = entry?.path().join("stat");
        // A process may end while the list is read.
        if let Ok(text) = fs::read_to_string(&path)
            && let Some(process) = parse(&text)
        {
            found.push(process);
        }
    }
    Ok(found)
}

/// One line of /proc/PID/stat; the name in brackets may hold anything, so fields count from its end.
fn parse(stat: &str) -> Option<Process> {
    let pid = stat.split(' ').next()?.parse().ok()?;
    let fields = stat.rsplit_once(") ")?.1.split(' ').collect::<Vec<_>>();
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    Some(Process {
        pid,
        parent: fields.get(1)?.parse().ok()?,
        ticks: number(11)? + number(12)?,
        waited: number(13)? + number(14)?,
    })
}

/// The `host:port` of the line that says the engine is ready.
fn address_in(line: &str) -> Option<String> {
    let (_, rest) = line.split_once("http://")?;
    let end = rest
        .find(|letter: char| !letter.is_ascii_alphanumeric() && !".:-[]".contains(letter))
        .unwrap_or(rest.len());
    Some(rest[..end].to_owned())
}

#[cfg(test)]
mod tests {
    use super::address_in;
    use super::parse;

    #[test]
    fn the_address_is_found_in_the_ready_line() {
        let line = "lode 0.1.0 is ready at http://127.0.0.1:40123, data in /d";
        assert_eq!(address_in(line).as_deref(), Some("127.0.0.1:40123"));
        assert_eq!(address_in("starting"), None);
    }

    #[test]
    fn a_name_with_brackets_does_not_shift_the_fields() {
        let line = "77 (a) b) S 5 0 0 0 0 0 0 0 0 0 10 20 1 2 0 0";
        let process = parse(line).unwrap();
        assert_eq!((process.pid, process.parent), (77, 5));
        assert_eq!((process.ticks, process.waited), (30, 3));
    }
}
