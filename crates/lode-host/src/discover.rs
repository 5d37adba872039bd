//! Looks at one file of the plugin directory: copy under the checksum, inspect in a child.
//!
//! The engine itself never loads a library: loading alone runs its code, and a damaged file
//! kills the process that maps it.

use std::fs;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use lode_types::Clock;
use lode_types::SystemClock;
use lode_worker::Exit;
use lode_worker::Polled;
use lode_worker::Worker;

use crate::Error;
use crate::Loaded;
use crate::PluginInfo;
use crate::PluginState;
use crate::Result;
use crate::copies::Copies;
use crate::copies::Copy;
use crate::copies::NoCopy;
use crate::foreign::manifest;
use crate::host::Launcher;
use crate::protocol::Inspection;
use crate::protocol::Reply;
use crate::protocol::Request;
use crate::registry::Library;

/// Largest library that is taken.
const MOST_BYTES: u64 = 2 << 30;
/// How long a library may take to load and describe itself.
const INSPECT_TIME: Duration = Duration::from_secs(10);
/// Memory of the child that inspects.
const INSPECT_MEMORY_BYTES: u64 = 2 << 30;

/// What tells a file from the one that was there before, without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Signature {
    inode: (u64, u64),
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Signature {
    /// Of the file that a path leads to; none when it leads nowhere.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        Some(Self {
            inode: (metadata.dev(), metadata.ino()),
            bytes: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }
}

/// The names of the `*.so` in the plugin directory, in order.
pub(crate) fn file_names(plugin_dir: &Path) -> Result<Vec<String>> {
    let listing = |error| Error::io(format!("read directory {}", plugin_dir.display()))(error);
    let mut names = Vec::new();
    for entry in fs::read_dir(plugin_dir).map_err(listing)? {
        let name = entry.map_err(listing)?.file_name();
        let name = name.to_string_lossy().into_owned();
        if name_problem(&name).is_none() {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// The path of a library, which lies in the plugin directory itself.
///
/// # Errors
/// A name that leads elsewhere or is no library's.
pub(crate) fn path_of(plugin_dir: &Path, file_name: &str) -> Result<PathBuf> {
    if let Some(why) = name_problem(file_name) {
        return Err(Error::FileName {
            found: file_name.to_owned(),
            why,
        });
    }
    let path = plugin_dir.join(file_name);
    let missing = |_| {
        Error::PluginNotFound(format!(
            "expected a file in the plugin directory {}, found no {file_name:?}",
            plugin_dir.display()
        ))
    };
    let real = fs::canonicalize(&path).map_err(missing)?;
    let home = fs::canonicalize(plugin_dir).map_err(missing)?;
    if real.parent() != Some(&home) {
        return Err(Error::FileName {
            found: file_name.to_owned(),
            why: "it is a link that leads out of the directory",
        });
    }
    Ok(real)
}

fn name_problem(name: &str) -> Option<&'static str> {
    if name.contains('/') || name.contains('\0') {
        return Some("it has a path");
    }
    if name.starts_with('.') {
        return Some("it starts with a dot");
    }
    (!name.ends_with(".so")).then_some("it does not end in .so")
}

/// A library that was looked at: its description with the problems that were found, and the
/// library itself when there are none.
pub(crate) type Looked = (PluginInfo, Option<Arc<Library>>);

/// Copies a file and has it inspected, unless `known` is the checksum of what it holds.
pub(crate) fn look(
    plugin_dir: &Path,
    file_name: &str,
    copies: &Arc<Copies>,
    launcher: &Launcher,
    known: Option<&str>,
) -> Result<Option<Looked>> {
    let mut info = unknown(file_name);
    if let Some(problem) = foreign_file(plugin_dir, file_name) {
        info.problems.push(problem);
        return Ok(Some((info, None)));
    }
    let copied = match path_of(plugin_dir, file_name).map(|path| copies.take(&path)) {
        Ok(Ok(copy)) => Ok(copy),
        Ok(Err(NoCopy::File(error))) => Err(error.to_string()),
        Ok(Err(NoCopy::Place(error))) => {
            return Err(Error::io(format!(
                "copy {file_name} into {}",
                copies.dir().display()
            ))(error));
        }
        Err(error) => Err(error.to_string()),
    };
    let copy = match copied {
        Ok(copy) => copy,
        Err(error) => {
            info.problems.push(format!("could not be read: {error}"));
            return Ok(Some((info, None)));
        }
    };
    if known == Some(&*copy.sha256) {
        return Ok(None);
    }
    info.sha256.clone_from(&copy.sha256);
    let inspection = inspect(&copy.path, launcher)?;
    if !inspection.name.is_empty() {
        info.name.clone_from(&inspection.name);
    }
    info.version.clone_from(&inspection.version);
    info.abi.clone_from(&inspection.abi);
    info.build.clone_from(&inspection.build);
    info.algorithms = inspection.specs.iter().map(|s| s.id.clone()).collect();
    if !inspection.problems.is_empty() {
        info.problems = inspection.problems;
        return Ok(Some((info, None)));
    }
    let library = library(info.clone(), inspection, copy);
    Ok(Some((info, Some(Arc::new(library)))))
}

/// What is known of a file before it is looked at.
pub(crate) fn unknown(file_name: &str) -> PluginInfo {
    PluginInfo {
        name: file_name.to_owned(),
        version: String::new(),
        state: PluginState::Active,
        abi: String::new(),
        build: String::new(),
        sha256: String::new(),
        file_name: file_name.to_owned(),
        algorithms: Vec::new(),
        problems: Vec::new(),
        load_time: SystemClock.now(),
        crashes: 0,
        last_crash: None,
        quarantine_time: None,
    }
}

fn library(info: PluginInfo, inspection: Inspection, copy: Arc<Copy>) -> Library {
    let algorithms = inspection.specs.into_iter().map(|spec| {
        Arc::new(Loaded {
            spec,
            plugin: info.name.clone(),
            plugin_version: info.version.clone(),
            sha256: copy.sha256.clone(),
            copy: Arc::clone(&copy),
        })
    });
    Library {
        algorithms: algorithms.collect(),
        info,
        copy,
    }
}

/// What shows, before a byte of it is copied, that a file is no library for this engine: its
/// size, its first bytes, a cut end, or a manifest that cannot be read.
fn foreign_file(plugin_dir: &Path, file_name: &str) -> Option<String> {
    let path = path_of(plugin_dir, file_name).ok()?;
    let metadata = fs::metadata(&path).ok()?;
    // Opening a pipe would wait for its writer.
    if !metadata.is_file() {
        return None;
    }
    if metadata.len() > MOST_BYTES {
        return Some(format!(
            "expected a library of at most {} MiB, found {} MiB",
            MOST_BYTES >> 20,
            metadata.len() >> 20
        ));
    }
    // A file that cannot be opened says so when it is copied.
    File::open(&path).ok()?;
    manifest::of_file(&path).err()
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
