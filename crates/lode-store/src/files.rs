//! Files that documents own: outputs and models, written by workers through a descriptor.
//!
//! A file is written under a temporary name and adopted under its own; the store's record of
//! the adoption keeps it from the trash.

use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::FileExt;

use crate::Error;
use crate::Result;
use crate::codec::Reader;
use crate::codec::Writer;
use crate::committer::lock;
use crate::home::list;
use crate::key;
use crate::kv::Read;
use crate::kv::Tree;
use crate::store::Inner;

/// Longest file name; room is left for the temporary ending.
const MAX_NAME_BYTES: usize = 240;

const READ_BYTES: usize = 1 << 18;

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
    let seal = Seal::of(&file)?.encode();
    inner
        .committer()
        .run(move |txn| txn.put(Tree::Meta, key, seal))
}

/// Opens a file; the first time in a process all of it is read and compared with its seal.
pub(crate) fn open(inner: &Inner, area: Area, name: &str) -> Result<File> {
    check_name(name)?;
    let path = inner.home().area(area.as_str()).join(name);
    let key = key::file(area.tag(), name);
    let seal = inner.core().trees.get(Tree::Meta, &key)?;
    let file = match File::open(&path) {
        Ok(file) => file,
        // It was set aside, or somebody took it.
        Err(error) if error.kind() == io::ErrorKind::NotFound && seal.is_some() => {
            return Err(Error::FileDamaged {
                area: area.as_str(),
                name: name.to_owned(),
                found: "no file".to_owned(),
            });
        }
        Err(error) => return Err(missing(area, name, "open file", error)),
    };
    let id = (area.tag(), name.to_owned());
    let Some(value) = seal else {
        return Ok(file);
    };
    if value.is_empty() || lock(inner.sealed()).contains(&id) {
        return Ok(file);
    }
    let (expected, found) = (Seal::decode(&value)?, Seal::of(&file)?);
    if expected != found {
        tracing::error!(area = area.as_str(), name, "an adopted file is damaged");
        inner
            .home()
            .set_aside(&path, &format!("{}-{name}", area.as_str()))?;
        return Err(Error::FileDamaged {
            area: area.as_str(),
            name: name.to_owned(),
            found: found.differs(expected),
        });
    }
    lock(inner.sealed()).insert(id);
    Ok(file)
}

/// Seals what a directory of format 1 has adopted without a seal.
pub(crate) fn seal(inner: &Inner) -> Result<()> {
    for area in [Area::Outputs, Area::Models] {
        for path in list(&inner.home().area(area.as_str()))? {
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
                continue;
            };
            let key = key::file(area.tag(), name);
            if inner.core().trees.get(Tree::Meta, &key)?.is_none() {
                continue;
            }
            let file = File::open(&path).map_err(Error::io(format!("open file {name}")))?;
            let seal = Seal::of(&file)?.encode();
            let pending = inner
                .committer()
                .begin(false, move |txn| txn.put(Tree::Meta, key, seal));
            pending.wait()?;
        }
    }
    Ok(())
}

/// Adopts every file that is there, after the records of what was adopted are lost; how many.
pub(crate) fn adopt_all(inner: &Inner) -> Result<u64> {
    let mut adopted = 0;
    for area in [Area::Outputs, Area::Models] {
        for path in list(&inner.home().area(area.as_str()))? {
            let name = path.file_name().and_then(|name| name.to_str());
            let Some(name) = name.filter(|name| check_name(name).is_ok()) else {
                continue;
            };
            let file = File::open(&path).map_err(Error::io(format!("open file {name}")))?;
            let (key, seal) = (key::file(area.tag(), name), Seal::of(&file)?.encode());
            let pending = inner
                .committer()
                .begin(false, move |txn| txn.put(Tree::Meta, key, seal));
            pending.wait()?;
            adopted += 1;
        }
    }
    Ok(adopted)
}

/// Length and checksum of an adopted file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seal {
    bytes: u64,
    crc32c: u32,
}

impl Seal {
    /// Reads all of a file.
    pub(crate) fn of(file: &File) -> Result<Self> {
        let (mut at, mut crc32c) = (0, 0);
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let n = file
                .read_at(&mut buffer, at)
                .map_err(Error::io("read a file"))?;
            if n == 0 {
                return Ok(Self { bytes: at, crc32c });
            }
            crc32c = crc32c::crc32c_append(crc32c, &buffer[..n]);
            at += n as u64;
        }
    }

    /// What is other than expected.
    pub(crate) fn differs(self, expected: Self) -> String {
        if self.bytes == expected.bytes {
            format!(
                "expected checksum {:08x}, found {:08x}",
                expected.crc32c, self.crc32c
            )
        } else {
            format!("expected {} bytes, found {}", expected.bytes, self.bytes)
        }
    }

    pub(crate) fn encode(self) -> Vec<u8> {
        let mut out = Writer::version(1);
        out.int(self.bytes);
        out.int(u64::from(self.crc32c));
        out.0
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        let mut read = Reader::versioned(bytes, "seal of a file", 1)?;
        let seal = Self {
            bytes: read.int()?,
            crc32c: read.u32()?,
        };
        read.end()?;
        Ok(seal)
    }
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
