//! Directories for what queries cannot hold in memory: one for each query, gone with it.
//!
//! The root is emptied when an engine starts, since a crash leaves directories behind.

use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use lode_types::Class;
use lode_types::Fault;
use lode_worker::sql::Scratch;

use crate::Error;
use crate::Result;

/// Makes the root and empties it; gives its absolute path.
pub(super) fn prepare(root: &Path) -> Result<PathBuf> {
    let emptied = || {
        std::fs::create_dir_all(root)?;
        for entry in std::fs::read_dir(root)? {
            let path = entry?.path();
            match path.is_dir() {
                true => std::fs::remove_dir_all(&path)?,
                false => std::fs::remove_file(&path)?,
            }
        }
        std::fs::canonicalize(root)
    };
    emptied().map_err(|error| unusable(root, &error))
}

/// The directory of one query, removed when dropped.
#[derive(Debug)]
pub(super) struct ScratchDir {
    path: PathBuf,
}

impl ScratchDir {
    /// The next directory under the root.
    pub(super) fn make(root: &Path, next: &AtomicU64) -> Result<Self> {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let path = root.join(format!("query-{number}"));
        // The root too: whoever tidied the disk may have taken it.
        match std::fs::create_dir_all(&path) {
            Ok(()) => Ok(Self { path }),
            Err(error) => Err(unusable(&path, &error)),
        }
    }

    /// What a worker is told.
    pub(super) fn offer(&self, bytes: u64) -> Scratch {
        Scratch {
            dir: self.path.display().to_string(),
            bytes,
        }
    }
}

impl Drop for ScratchDir {
    fn drop(&mut self) {
        // What cannot be removed now is removed at the next start.
        std::fs::remove_dir_all(&self.path).ok();
    }
}

fn unusable(path: &Path, error: &io::Error) -> Error {
    let text = format!(
        "cannot use the scratch directory {}: {error}",
        path.display()
    );
    Error::Query(Box::new(Fault::new(
        Class::Unavailable,
        "SQL_SCRATCH_UNUSABLE",
        text,
    )))
}
