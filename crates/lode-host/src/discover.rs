//! Looks through the plugin directory: copy under the checksum, inspect in a child, judge.
//!
//! The engine itself never loads a library: loading alone runs its code, and a damaged file
//! kills the process that maps it. The copy named by its SHA-256 is what workers load, since
//! the same path may be replaced while the engine runs.

use std::fs;
use std::fs::File;
use std::io::Read;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;
use std::time::Instant;

use lode_types::AlgorithmSpec;
use lode_types::Clock;
use lode_types::SystemClock;
use lode_worker::Exit;
use lode_worker::Polled;
use lode_worker::Worker;
use sha2::Digest;
use sha2::Sha256;

use crate::Error;
use crate::PluginInfo;
use crate::PluginState;
use crate::Result;
use crate::host::Launcher;
use crate::protocol::Inspection;
use crate::protocol::Reply;
use crate::protocol::Request;

/// How long a library may take to load and describe itself.
const INSPECT_TIME: Duration = Duration::from_secs(10);
/// Memory of the child that inspects.
const INSPECT_MEMORY_BYTES: u64 = 2 << 30;

/// A library that was looked at.
#[derive(Debug)]
pub(crate) struct Library {
    pub(crate) info: PluginInfo,
    pub(crate) specs: Vec<AlgorithmSpec>,
    pub(crate) path: PathBuf,
}

impl Library {
    pub(crate) fn refuse(&mut self, problem: String) {
        self.info.state = PluginState::Refused;
        self.info.algorithms.clear();
        self.info.problems.push(problem);
        self.specs.clear();
    }
}

/// Every `*.so` of `plugin_dir`, in the order of names.
pub(crate) fn all(
    plugin_dir: &Path,
    cache_dir: &Path,
    launcher: &Launcher,
) -> Result<Vec<Library>> {
    fs::create_dir_all(cache_dir)
        .map_err(Error::io(format!("make directory {}", cache_dir.display())))?;
    let listing = |error| Error::io(format!("read directory {}", plugin_dir.display()))(error);
    let mut files = Vec::new();
    for entry in fs::read_dir(plugin_dir).map_err(listing)? {
        let path = entry.map_err(listing)?.path();
        if path.extension().is_some_and(|extension| extension == "so") {
            files.push(path);
        }
    }
    files.sort();
    let mut libraries = Vec::with_capacity(files.len());
    for file in &files {
        libraries.push(one(file, cache_dir, launcher)?);
    }
    forget_others(cache_dir, &libraries);
    Ok(libraries)
}

/// Removes the copies of libraries that are no longer in the plugin directory.
fn forget_others(cache_dir: &Path, libraries: &[Library]) {
    let Ok(entries) = fs::read_dir(cache_dir) else {
        return;
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let is_copy = path.extension().is_some_and(|extension| extension == "so")
            && stem.len() == 64
            && stem.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_copy && libraries.iter().all(|library| library.path != path) {
            // One that stays is in nobody's way.
            drop(fs::remove_file(&path));
        }
    }
}

fn one(file: &Path, cache_dir: &Path, launcher: &Launcher) -> Result<Library> {
    let file_name = file
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let mut library = Library {
        info: PluginInfo {
            name: file_name.clone(),
            version: String::new(),
            state: PluginState::Active,
            abi: String::new(),
            build: String::new(),
            sha256: String::new(),
            file_name,
            algorithms: Vec::new(),
            problems: Vec::new(),
            load_time: SystemClock.now(),
        },
        specs: Vec::new(),
        path: PathBuf::new(),
    };
    match copy(file, cache_dir) {
        Ok((sha256, path)) => {
            library.info.sha256 = sha256;
            library.path = path;
        }
        Err(error) => {
            library.refuse(format!("could not be read: {error}"));
            return Ok(library);
        }
    }
    let inspection = inspect(&library.path, launcher)?;
    if !inspection.name.is_empty() {
        library.info.name = inspection.name;
    }
    library.info.version = inspection.version;
    library.info.abi = inspection.abi;
    library.info.build = inspection.build;
    if inspection.problems.is_empty() {
        library.info.algorithms = inspection.specs.iter().map(|s| s.id.clone()).collect();
        library.specs = inspection.specs;
    }
    for problem in inspection.problems {
        library.refuse(problem);
    }
    Ok(library)
}

/// Copies a library under its checksum; gives the checksum and the copy.
fn copy(file: &Path, cache_dir: &Path) -> std::io::Result<(String, PathBuf)> {
    // Opening a pipe would wait for its writer.
    if !fs::metadata(file)?.is_file() {
        return Err(std::io::Error::other("expected a regular file"));
    }
    let mut source = File::open(file)?;
    let temporary = cache_dir.join(format!(".copy-{}", std::process::id()));
    let mut target = File::create(&temporary)?;
    let mut hash = Sha256::new();
    let mut piece = vec![0; 1 << 16];
    loop {
        let n = source.read(&mut piece)?;
        if n == 0 {
            break;
        }
        hash.update(&piece[..n]);
        target.write_all(&piece[..n])?;
    }
    drop(target);
    let sha256: String = hash.finalize().iter().map(|b| format!("{b:02x}")).collect();
    let path = cache_dir.join(format!("{sha256}.so"));
    fs::rename(&temporary, &path)?;
    Ok((sha256, path))
}

/// What a child says of the library; its death becomes a problem.
fn inspect(path: &Path, launcher: &Launcher) -> Result<Inspection> {
    let worker = launcher.launch(INSPECT_MEMORY_BYTES, 0)?;
    let deadline = Instant::now() + INSPECT_TIME;
    let request = Request::Inspect {
        path: path.to_owned(),
    };
    let mut stage = "starting".to_owned();
    if worker.channel().send(&request, &[], &[]).is_ok() {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let seconds = INSPECT_TIME.as_secs();
                return Ok(dead(format!("took longer than {seconds} s, {stage}")));
            }
            match worker.channel().recv_timeout::<Reply>(left) {
                Ok(Polled::TimedOut) => {}
                Ok(Polled::Closed) => break,
                Ok(Polled::Message(received)) => match received.message {
                    Reply::Inspected(inspection) => return Ok(inspection),
                    Reply::Progress { stage: next, .. } => stage = next,
                    _ => {}
                },
                Err(error) => return Ok(dead(format!("{error}, {stage}"))),
            }
        }
    }
    Ok(dead(autopsy(worker, &stage)))
}

fn autopsy(worker: Worker, stage: &str) -> String {
    const SIGBUS: i32 = 7;
    let exit: Exit = worker.finish();
    let how = exit.describe();
    let words = exit.stderr_tail.trim();
    match exit.signal {
        Some(SIGBUS) => format!("the file is truncated or damaged (SIGBUS while {stage})"),
        _ if exit.out_of_memory() => format!("ran out of memory while {stage}"),
        _ if words.is_empty() => format!("{how} while {stage}"),
        _ => format!("{how} while {stage}: {words}"),
    }
}

fn dead(problem: String) -> Inspection {
    Inspection {
        problems: vec![problem],
        ..Inspection::default()
    }
}
