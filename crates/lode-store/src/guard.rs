//! The disk is looked at before sled writes, so that sled never meets a full or read-only one.
//!
//! An error of sled's own writes leaves its state unknown and poisons the store until a
//! restart; a refusal here costs the callers one answer. Room behind the end of sled's file
//! is allocated ahead, so that parts and other programs cannot take it. A file system that
//! turns read-only after an error of its own need not say so, so one that has been asked for
//! nothing else is written to first. Invariant: a group of writes is admitted only when the
//! file can grow by more than the group.

use std::fs::File;
use std::io;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use rustix::fs::FallocateFlags;
use rustix::fs::StatVfsMountFlags;
use rustix::io::Errno;

use crate::Error;
use crate::Result;

/// What a group may take at most, and sled's own rewriting of pages with it.
const LOW: u64 = 16 << 20;
/// So much is allocated at once.
const AHEAD: u64 = 48 << 20;

/// Keeps room for sled's file.
pub(crate) struct Guard {
    /// Up to where the file is known to have room.
    allocated: AtomicU64,
}

/// Why nothing is written now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Full,
    ReadOnly,
}

impl Refusal {
    pub(crate) fn error(self) -> Error {
        match self {
            Self::Full => Error::StoreFull { needed: LOW },
            Self::ReadOnly => Error::StoreReadOnly,
        }
    }
}

impl Guard {
    pub(crate) fn new() -> Self {
        Self {
            allocated: AtomicU64::new(0),
        }
    }

    /// Whether `file` may grow by a group of writes now; `probe` writes what is there already
    /// to the same disk.
    ///
    /// # Errors
    /// When the system does not answer.
    pub(crate) fn admit(
        &self,
        file: &File,
        probe: impl FnOnce() -> io::Result<()>,
    ) -> Result<Option<Refusal>> {
        let disk = rustix::fs::fstatvfs(file)
            .map_err(|errno| Error::io("look at the disk")(errno.into()))?;
        if disk.f_flag.contains(StatVfsMountFlags::RDONLY) {
            return Ok(Some(Refusal::ReadOnly));
        }
        match probe() {
            Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => {
                return Ok(Some(Refusal::ReadOnly));
            }
            Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                return Ok(Some(Refusal::Full));
            }
            // What else is wrong, the write itself has to say.
            _ => {}
        }
        let metadata = file.metadata().map_err(Error::io("look at sled's file"))?;
        let end = metadata.len();
        if end + LOW <= self.allocated.load(Ordering::Relaxed) {
            return Ok(None);
        }
        for ahead in [AHEAD, LOW] {
            match rustix::fs::fallocate(file, FallocateFlags::KEEP_SIZE, end, ahead) {
                Ok(()) => {
                    self.allocated.store(end + ahead, Ordering::Relaxed);
                    return Ok(None);
                }
                Err(Errno::NOSPC | Errno::DQUOT) => {}
                Err(Errno::ROFS) => return Ok(Some(Refusal::ReadOnly)),
                // A file system that cannot allocate ahead; its free space has to do.
                Err(Errno::OPNOTSUPP | Errno::NOSYS) => {
                    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
                    return Ok((free < LOW).then_some(Refusal::Full));
                }
                Err(errno) => return Err(Error::io("make room for sled")(errno.into())),
            }
        }
        Ok(Some(Refusal::Full))
    }
}
