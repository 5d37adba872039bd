//! How many groups of writes are durable, said a second time beside sled.
//!
//! sled takes a log whose end is damaged for one that ends earlier. Each group of writes counts
//! itself in sled, and once it is on stable storage its number is written here, in place and
//! without a sync of its own. So the mark is never ahead of what sled had on the disk, a kill
//! leaves it exact, a power cut may leave it old; and sled with fewer groups than the mark has
//! lost some. Invariant: the mark is written only after the sync of the group it names.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::Error;
use crate::Result;
use crate::catalog;
use crate::home::Home;
use crate::home::list;
use crate::key;
use crate::kv::Read;
use crate::kv::Tree;
use crate::kv::Trees;
use crate::marker;

const FILE: &str = "MARK";
/// A big-endian number and its CRC-32C.
const LEN: usize = 12;

/// The file, open for writing.
pub(crate) struct Mark(File);

impl Mark {
    /// Opens the file, which is made when it is not there.
    pub(crate) fn open(dir: &Path) -> Result<Self> {
        let path = dir.join(FILE);
        let is_new = !path.exists();
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(Error::io("open file MARK"))?;
        if is_new {
            lode_parts::sync_dir(dir)?;
        }
        Ok(Self(file))
    }

    /// Says that `groups` groups are durable.
    pub(crate) fn write(&self, groups: u64) -> io::Result<()> {
        self.0.write_all_at(&encode(groups), 0)
    }
}

/// How many groups sled has.
pub(crate) fn groups(read: &dyn Read) -> Result<u64> {
    match read.get(Tree::Meta, &key::groups())? {
        None => Ok(0),
        Some(value) => {
            key::read_groups(&value).ok_or_else(|| Error::damaged("number of groups", "no number"))
        }
    }
}

/// Whether sled has all the groups that the mark tells of.
///
/// # Errors
/// `CATALOG_BEHIND` when a commit is among what is lost, else `CATALOG_SHORT`.
pub(crate) fn verify(home: &Home, trees: &Trees) -> Result<()> {
    let (expected, found) = (read(home.dir())?, groups(trees)?);
    if expected <= found {
        return Ok(());
    }
    if home.parts().exists() {
        for dir in list(&home.parts())? {
            let Some(number) = Home::number_of(&dir) else {
                continue;
            };
            // With nothing lost one ahead would be of a commit that did not flip.
            let ahead = marker::stale(trees, number, &dir)?;
            if let Some(expected) = ahead
                .iter()
                .filter_map(|path| marker::version_of(path))
                .max()
            {
                let found = catalog::head(trees, number)?.version;
                if expected > found {
                    return Err(Error::CatalogBehind {
                        dataset: catalog::definition(trees, number)?.id,
                        expected,
                        found,
                    });
                }
            }
        }
    }
    Err(Error::CatalogShort { expected, found })
}

/// Forgets the mark: sled is taken as it is from now on. Gives what the mark told of.
pub(crate) fn forget(dir: &Path) -> Result<u64> {
    let told = read(dir)?;
    match std::fs::remove_file(dir.join(FILE)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::io("remove file MARK")(error))
        }
        _ => {
            lode_parts::sync_dir(dir)?;
            Ok(told)
        }
    }
}

/// What the mark tells of; nothing when it is not there or cannot be read.
fn read(dir: &Path) -> Result<u64> {
    let bytes = match std::fs::read(dir.join(FILE)) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(Error::io("read file MARK")(error)),
    };
    let known = bytes
        .first_chunk::<8>()
        .map(|groups| u64::from_be_bytes(*groups));
    match known {
        Some(groups) if bytes == encode(groups) => Ok(groups),
        // It was made and never written.
        None if bytes.is_empty() => Ok(0),
        _ => {
            tracing::warn!("file MARK is damaged; what it told is not known");
            Ok(0)
        }
    }
}

fn encode(groups: u64) -> [u8; LEN] {
    let mut bytes = [0; LEN];
    let (number, crc) = bytes.split_at_mut(8);
    number.copy_from_slice(&groups.to_be_bytes());
    crc.copy_from_slice(&crc32c::crc32c(number).to_be_bytes());
    bytes
}
