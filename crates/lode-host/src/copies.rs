//! Copies of libraries, named by their SHA-256: what workers load.
//!
//! The file in the plugin directory may be replaced while the engine runs; a copy never
//! changes. Invariant: a copy stays while somebody holds it, and is removed when nobody does.

use std::collections::HashMap;
use std::fs;
use std::fs::File;
use std::io::Read;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::Weak;

use sha2::Digest;
use sha2::Sha256;

use crate::Error;
use crate::Result;

/// A copy that is in use.
#[derive(Debug)]
pub(crate) struct Copy {
    pub(crate) sha256: String,
    pub(crate) path: PathBuf,
    copies: Arc<Copies>,
}

/// Why there is no copy.
#[derive(Debug)]
pub(crate) enum NoCopy {
    /// The file cannot be read.
    File(std::io::Error),
    /// There is no place for it, which is no fault of the file.
    Place(std::io::Error),
}

/// The directory of copies.
#[derive(Debug)]
pub(crate) struct Copies {
    dir: PathBuf,
    held: Mutex<HashMap<String, Weak<Copy>>>,
}

impl Copies {
    pub(crate) fn open(dir: &Path) -> Result<Arc<Self>> {
        // Workers run in "/", where a relative path would lead elsewhere.
        let dir = std::path::absolute(dir)
            .map_err(Error::io(format!("find directory {}", dir.display())))?;
        fs::create_dir_all(&dir).map_err(Error::io(format!("make directory {}", dir.display())))?;
        Ok(Arc::new(Self {
            dir,
            held: Mutex::default(),
        }))
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Copies a library under its checksum.
    pub(crate) fn take(self: &Arc<Self>, file: &Path) -> std::result::Result<Arc<Copy>, NoCopy> {
        let metadata = fs::metadata(file).map_err(NoCopy::File)?;
        // Opening a pipe would wait for its writer.
        if !metadata.is_file() {
            return Err(NoCopy::File(std::io::Error::other(
                "expected a regular file, found another kind of file",
            )));
        }
        let mut source = File::open(file).map_err(NoCopy::File)?;
        // One library is taken at a time, so that one name is enough.
        let temporary = self.dir.join(format!(".copy-{}", std::process::id()));
        let mut target = File::create(&temporary).map_err(NoCopy::Place)?;
        let mut hash = Sha256::new();
        let mut piece = vec![0; 1 << 16];
        loop {
            let n = source.read(&mut piece).map_err(NoCopy::File)?;
            if n == 0 {
                break;
            }
            hash.update(&piece[..n]);
            target.write_all(&piece[..n]).map_err(NoCopy::Place)?;
        }
        drop(target);
        let sha256: String = hash.finalize().iter().map(|b| format!("{b:02x}")).collect();
        let mut held = self.lock();
        if let Some(copy) = held.get(&sha256).and_then(Weak::upgrade) {
            fs::remove_file(&temporary).map_err(NoCopy::Place)?;
            return Ok(copy);
        }
        let path = self.dir.join(format!("{sha256}.so"));
        fs::rename(&temporary, &path).map_err(NoCopy::Place)?;
        let copy = Arc::new(Copy {
            sha256: sha256.clone(),
            path,
            copies: Arc::clone(self),
        });
        held.insert(sha256, Arc::downgrade(&copy));
        Ok(copy)
    }

    /// An empty file that nobody else sees.
    pub(crate) fn scratch(&self) -> std::io::Result<File> {
        let path = self.dir.join(format!(".trial-{}", std::process::id()));
        let file = File::options()
            .create(true)
            .truncate(true)
            .read(true)
            .write(true)
            .open(&path)?;
        fs::remove_file(&path)?;
        Ok(file)
    }

    /// Removes what an engine before this one left.
    pub(crate) fn forget_others(&self) {
        let Ok(entries) = fs::read_dir(&self.dir) else {
            return;
        };
        let held = self.lock();
        for path in entries.flatten().map(|entry| entry.path()) {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            let is_copy = path.extension().is_some_and(|extension| extension == "so")
                && stem.len() == 64
                && stem.bytes().all(|byte| byte.is_ascii_hexdigit());
            let is_half = stem.starts_with(".copy-") || stem.starts_with(".trial-");
            if is_half || (is_copy && !held.contains_key(&*stem)) {
                // One that stays is in nobody's way.
                drop(fs::remove_file(&path));
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Weak<Copy>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        let mut held = self.copies.lock();
        // Somebody may have copied the same library anew since the last holder let go.
        let is_mine = held
            .get(&self.sha256)
            .is_some_and(|copy| std::ptr::eq(copy.as_ptr(), self));
        if is_mine {
            held.remove(&self.sha256);
            drop(fs::remove_file(&self.path));
        }
    }
}
