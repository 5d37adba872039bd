//! Files that documents own: outputs and models, written by workers through a descriptor.
//!
//! A file is written under a temporary name and adopted under its own; the store's record of
//! the adoption keeps it from the trash.

use std::fs::File;
use std::fs::OpenOptions;
use std::io;

use crate::Error;
use crate::Result;
use crate::key;
use crate::kv::Tree;
use crate::store::Inner;

/// Longest file name; room is left for the temporary ending.
const MAX_NAME_BYTES: usize = 240;

/// A folder of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Area {
    /// Tables that jobs made.
    Outputs,
    /// Models that jobs made.
    Models,
}

impl Area {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Outputs => "outputs",
            Self::Models => "models",
        }
    }

    pub(crate) fn tag(self) -> u8 {
        match self {
            Self::Outputs => 1,
            Self::Models => 2,
        }
    }
}

pub(crate) fn create(inner: &Inner, area: Area, name: &str) -> Result<File> {
    check_name(name)?;
    inner.core().check()?;
    let path = inner.home().area(area.as_str()).join(temporary(name));
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)
        .map_err(Error::io(format!("create file {name}")))
}

pub(crate) fn adopt(inner: &Inner, area: Area, name: &str) -> Result<()> {
    check_name(name)?;
    let dir = inner.home().area(area.as_str());
    let (from, to) = (dir.join(temporary(name)), dir.join(name));
    let file = match File::open(&from) {
        Ok(file) => file,
        // Adopted before: a repeated call is no error.
        Err(error) if error.kind() == io::ErrorKind::NotFound && to.exists() => return Ok(()),
        Err(error) => return Err(missing(area, name, "open file", error)),
    };
    file.sync_data()
        .map_err(Error::io(format!("sync file {name}")))?;
    std::fs::rename(&from, &to).map_err(Error::io(format!("rename file {name}")))?;
    lode_parts::sync_dir(&dir)?;
    let key = key::file(area.tag(), name);
    inner
        .committer()
        .run(move |txn| txn.put(Tree::Meta, key, Vec::new()))
}

pub(crate) fn open(inner: &Inner, area: Area, name: &str) -> Result<File> {
    check_name(name)?;
    let path = inner.home().area(area.as_str()).join(name);
    File::open(path).map_err(|error| missing(area, name, "open file", error))
}

/// Removes a file, adopted or not; one that is not there is no error.
pub(crate) fn remove(inner: &Inner, area: Area, name: &str) -> Result<()> {
    check_name(name)?;
    let dir = inner.home().area(area.as_str());
    for path in [dir.join(temporary(name)), dir.join(name)] {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Error::io(format!("remove file {name}"))(error));
            }
            _ => {}
        }
    }
    let key = key::file(area.tag(), name);
    let pending = inner.committer().begin(false, move |txn| {
        txn.remove(Tree::Meta, key);
        Ok(())
    });
    pending.wait()
}

/// A file without a name, gone when its last descriptor is closed.
pub(crate) fn scratch(inner: &Inner) -> Result<File> {
    use rustix::fs::Mode;
    use rustix::fs::OFlags;
    let dir = inner.home().area(Area::Outputs.as_str());
    rustix::fs::open(
        dir,
        OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC,
        Mode::RUSR | Mode::WUSR,
    )
    .map(File::from)
    .map_err(|errno| Error::io("create a scratch file")(errno.into()))
}

fn temporary(name: &str) -> String {
    format!("{name}.tmp")
}

fn check_name(name: &str) -> Result<()> {
    let ok = !name.is_empty()
        && name.len() <= MAX_NAME_BYTES
        && !name.starts_with('.')
        && !name.ends_with(".tmp")
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
    if ok {
        Ok(())
    } else {
        Err(Error::BadFileName {
            name: name.to_owned(),
        })
    }
}

fn missing(area: Area, name: &str, action: &str, error: io::Error) -> Error {
    if error.kind() == io::ErrorKind::NotFound {
        Error::FileNotFound {
            area: area.as_str(),
            name: name.to_owned(),
        }
    } else {
        Error::io(format!("{action} {name}"))(error)
    }
}
