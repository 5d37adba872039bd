//! The data directory: what lies where, who holds it, how sled is opened in it.
//!
//! `FORMAT` is read before anything else is touched; `LOCK` keeps a second engine out;
//! `CLEAN` stands only between an orderly end and the next start.

use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::io::Write;
use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use lode_types::Timestamp;
use rustix::fs::FlockOperation;

use crate::Error;
use crate::Result;

/// Version of the directory's format.
pub(crate) const FORMAT: u32 = 2;
/// How often a lock is tried. A lock that was let go stays held for a moment while another
/// thread of the process that held it starts a child, until that child is another program.
const LOCK_TRIES: u32 = 25;
/// The pause between two tries.
const LOCK_PAUSE: Duration = Duration::from_millis(20);

const FORMAT_WORD: &str = "lode-store";
const SLED_FILE: &str = "db";
/// Trash is kept for a week.
const TRASH_MICROS: i64 = 7 * 24 * 3600 * 1_000_000;

/// A data directory that this process holds.
pub(crate) struct Home {
    dir: PathBuf,
    /// Whether the last engine ended in order.
    clean: bool,
    /// The format of the directory before this release opened it.
    found: u32,
    _lock: File,
}

/// sled, opened.
pub(crate) struct Opened {
    pub(crate) db: sled::Db,
    /// sled's file, to be synced.
    pub(crate) file: File,
    /// Whether a damaged snapshot was set aside.
    pub(crate) recovered: bool,
}

impl Home {
    /// Checks the format, takes the lock, makes what is missing and removes the clean mark.
    pub(crate) fn open(dir: &Path) -> Result<Self> {
        std::fs::create_dir_all(dir)
            .map_err(Error::io(format!("create directory {}", dir.display())))?;
        let known = check_format(dir)?;
        let lock = take_lock(dir)?;
        if known.is_none() {
            write_format(dir)?;
        }
        let mark = dir.join("CLEAN");
        let clean = mark.exists() || known.is_none();
        if mark.exists() {
            std::fs::remove_file(&mark).map_err(Error::io("remove the clean mark"))?;
        }
        let home = Self {
            dir: dir.to_owned(),
            clean,
            found: known.unwrap_or(FORMAT),
            _lock: lock,
        };
        for path in [
            home.sled(),
            home.parts(),
            home.area("outputs"),
            home.area("models"),
            home.trash(),
        ] {
            std::fs::create_dir_all(&path)
                .map_err(Error::io(format!("create directory {}", path.display())))?;
        }
        lode_parts::sync_dir(dir)?;
        Ok(home)
    }

    /// Takes a directory that is there, and changes nothing.
    pub(crate) fn inspect(dir: &Path) -> Result<Self> {
        let Some(found) = check_format(dir)? else {
            return Err(Error::Foreign {
                dir: dir.to_owned(),
            });
        };
        Ok(Self {
            dir: dir.to_owned(),
            clean: dir.join("CLEAN").exists(),
            found,
            _lock: take_lock(dir)?,
        })
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Whether the directory is of an older format and not upgraded yet.
    pub(crate) fn is_older(&self) -> bool {
        self.found < FORMAT
    }

    /// Says that everything in the directory is of this release's format now; an older engine
    /// keeps away from then on.
    pub(crate) fn finish_upgrade(&self) -> Result<()> {
        if self.found == FORMAT {
            return Ok(());
        }
        write_format(&self.dir)?;
        tracing::info!(
            from = self.found,
            to = FORMAT,
            "storage format upgraded in place"
        );
        Ok(())
    }

    pub(crate) fn was_clean(&self) -> bool {
        self.clean
    }

    pub(crate) fn sled(&self) -> PathBuf {
        self.dir.join("sled")
    }

    pub(crate) fn parts(&self) -> PathBuf {
        self.dir.join("parts")
    }

    /// The parts of one dataset.
    pub(crate) fn parts_of(&self, dataset: u32) -> PathBuf {
        self.parts().join(format!("{dataset:08x}"))
    }

    /// The dataset that a directory of parts belongs to.
    pub(crate) fn number_of(dir: &Path) -> Option<u32> {
        u32::from_str_radix(dir.file_name()?.to_str()?, 16).ok()
    }

    /// Moves a damaged file aside, under a name that is free there.
    pub(crate) fn set_aside(&self, path: &Path, name: &str) -> Result<()> {
        let aside = self.dir.join("aside");
        std::fs::create_dir_all(&aside).map_err(Error::io("create directory aside"))?;
        let mut to = aside.join(name);
        let mut n = 1;
        while to.exists() {
            n += 1;
            to = aside.join(format!("{name}.{n}"));
        }
        std::fs::rename(path, &to).map_err(Error::io(format!("set {name} aside")))?;
        lode_parts::sync_dir(&aside)?;
        Ok(())
    }

    pub(crate) fn area(&self, area: &str) -> PathBuf {
        self.dir.join(area)
    }

    pub(crate) fn trash(&self) -> PathBuf {
        self.dir.join("trash")
    }

    /// Says that the engine ended in order.
    pub(crate) fn mark_clean(&self) -> Result<()> {
        write_synced(&self.dir, "CLEAN", b"")
    }

    /// Opens sled; a damaged snapshot of its index is set aside once, since its log has all.
    pub(crate) fn open_sled(&self, cache_bytes: u64) -> Result<Opened> {
        let dir = self.sled();
        for path in snapshots(&dir)? {
            if path.extension().is_some_and(|e| e == "generating") {
                std::fs::remove_file(&path).map_err(Error::io("remove an unfinished snapshot"))?;
            }
        }
        let mut recovered = false;
        let db = match start_sled(&dir, cache_bytes) {
            Ok(db) => db,
            Err(error) if is_corruption(&error) => {
                tracing::warn!(error = %lode_types::chain(&error), "setting sled's snapshot aside");
                self.set_snapshots_aside()?;
                recovered = true;
                start_sled(&dir, cache_bytes)?
            }
            Err(error) => return Err(error),
        };
        // For writing, so that room can be made for it.
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(dir.join(SLED_FILE))
            .map_err(Error::io("open the database file"))?;
        file.sync_all()
            .map_err(Error::io("sync the database file"))?;
        File::open(dir.join("conf"))
            .and_then(|conf| conf.sync_all())
            .map_err(Error::io("sync the database's settings"))?;
        lode_parts::sync_dir(&dir)?;
        Ok(Opened {
            db,
            file,
            recovered,
        })
    }

    /// Moves a file to the trash under a name that says when.
    pub(crate) fn discard(&self, path: &Path, now: Timestamp) -> Result<()> {
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            return Ok(());
        };
        let to = self.trash().join(format!("{:016}-{name}", now.0.max(0)));
        std::fs::rename(path, to).map_err(Error::io(format!("move {name} to the trash")))
    }

    /// Deletes what has been in the trash for a week.
    pub(crate) fn empty_trash(&self, now: Timestamp) -> Result<()> {
        for path in list(&self.trash())? {
            let time = path
                .file_name()
                .and_then(|name| name.to_str())
                .and_then(|name| name.split_once('-'))
                .and_then(|(time, _)| time.parse::<i64>().ok());
            if time.is_some_and(|time| now.0 - time > TRASH_MICROS) {
                std::fs::remove_file(&path).map_err(Error::io("delete old trash"))?;
            }
        }
        Ok(())
    }

    fn set_snapshots_aside(&self) -> Result<()> {
        let aside = self.dir.join("aside");
        std::fs::create_dir_all(&aside).map_err(Error::io("create directory aside"))?;
        for path in snapshots(&self.sled())? {
            if let Some(name) = path.file_name() {
                std::fs::rename(&path, aside.join(name))
                    .map_err(Error::io("set a snapshot aside"))?;
            }
        }
        lode_parts::sync_dir(&self.sled())?;
        Ok(())
    }
}

/// The files of a directory, in the order of their names.
pub(crate) fn list(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    let entries =
        std::fs::read_dir(dir).map_err(Error::io(format!("list directory {}", dir.display())))?;
    for entry in entries {
        let entry = entry.map_err(Error::io(format!("list directory {}", dir.display())))?;
        paths.push(entry.path());
    }
    paths.sort();
    Ok(paths)
}

fn write_format(dir: &Path) -> Result<()> {
    let text = format!("{FORMAT_WORD} {FORMAT}\n");
    write_synced(dir, "FORMAT", text.as_bytes())
}

/// The format of the directory; none when it is empty.
fn check_format(dir: &Path) -> Result<Option<u32>> {
    match std::fs::read_to_string(dir.join("FORMAT")) {
        Ok(text) => match text.trim().split_once(' ') {
            Some((FORMAT_WORD, version)) => match version.parse::<u32>() {
                Ok(found @ 1..=FORMAT) => Ok(Some(found)),
                _ => Err(Error::TooNew {
                    dir: dir.to_owned(),
                    expected: FORMAT,
                    found: version.to_owned(),
                }),
            },
            _ => Err(Error::Foreign {
                dir: dir.to_owned(),
            }),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let ours = ["LOCK", "FORMAT.tmp"];
            let foreign = list(dir)?.iter().any(|path| {
                path.file_name()
                    .is_none_or(|name| !ours.iter().any(|our| name == *our))
            });
            if foreign {
                return Err(Error::Foreign {
                    dir: dir.to_owned(),
                });
            }
            Ok(None)
        }
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(Error::Foreign {
            dir: dir.to_owned(),
        }),
        Err(error) => Err(Error::io("read the format file")(error)),
    }
}

fn take_lock(dir: &Path) -> Result<File> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(dir.join("LOCK"))
        .map_err(Error::io("open the lock file"))?;
    for _ in 0..LOCK_TRIES {
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(rustix::io::Errno::WOULDBLOCK) => std::thread::sleep(LOCK_PAUSE),
            Err(errno) => return Err(Error::io("lock the data directory")(errno.into())),
        }
    }
    Err(Error::Locked {
        dir: dir.to_owned(),
    })
}

fn write_synced(dir: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    let temporary = dir.join(format!("{name}.tmp"));
    let write = || {
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&temporary, dir.join(name))
    };
    write().map_err(Error::io(format!("write file {name}")))?;
    lode_parts::sync_dir(dir)?;
    Ok(())
}

fn snapshots(dir: &Path) -> Result<Vec<PathBuf>> {
    Ok(list(dir)?
        .into_iter()
        .filter(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with("snap."))
        })
        .collect())
}

pub(crate) fn start_sled(dir: &Path, cache_bytes: u64) -> Result<sled::Db> {
    let config = sled::Config::new().path(dir).cache_capacity(cache_bytes);
    let mut tries = 0;
    loop {
        let opened = catch_unwind(AssertUnwindSafe(|| config.open()))
            .unwrap_or(Err(sled::Error::Corruption { at: None, bt: () }));
        match opened {
            // The directory's own lock is ours, so sled's can only be held for a moment.
            Err(sled::Error::Io(error))
                if tries < LOCK_TRIES && error.to_string().contains("could not acquire lock") =>
            {
                tries += 1;
                std::thread::sleep(LOCK_PAUSE);
            }
            opened => return opened.map_err(Error::sled("open the database")),
        }
    }
}

fn is_corruption(error: &Error) -> bool {
    matches!(error, Error::Sled { source, .. } if matches!(**source, sled::Error::Corruption { .. }))
}
