//! The files of a job while it has no final record yet.
//!
//! Invariant: a file that is kept here goes away with its job, unless the job gets there.

use std::fs::File;
use std::io::Read;
use std::io::Seek;

use lode_store::Area;
use lode_store::Store;
use lode_types::Class;
use sha2::Digest;
use sha2::Sha256;

use crate::Error;
use crate::Output;
use crate::Result;

/// Files of a job that has no final record yet; removed on drop unless it gets one.
pub(crate) struct Keep<'a> {
    store: &'a Store,
    area: Area,
    files: Vec<String>,
}

impl<'a> Keep<'a> {
    pub(crate) fn new(store: &'a Store, area: Area) -> Self {
        Self {
            store,
            area,
            files: Vec::new(),
        }
    }

    /// Lets the files stay: the job is about to get its final record.
    pub(crate) fn release(&mut self) {
        self.files.clear();
    }

    pub(crate) fn create(&mut self, name: &str) -> Result<File> {
        let file = self.store.create_file(self.area, name)?;
        self.files.push(name.to_owned());
        Ok(file)
    }

    /// Gives a table that is written its final name.
    pub(crate) fn adopt(
        &self,
        stem: &str,
        name: &str,
        chart_hint: &str,
        rows: u64,
        file: File,
    ) -> Result<Output> {
        let file_name = format!("{stem}-{name}.arrow");
        let (bytes, sha256) = digest(file)?;
        self.store.adopt_file(self.area, &file_name)?;
        Ok(Output {
            name: name.to_owned(),
            rows,
            bytes,
            sha256,
            chart_hint: chart_hint.to_owned(),
            file: file_name,
        })
    }
}

impl Drop for Keep<'_> {
    fn drop(&mut self) {
        for name in &self.files {
            if let Err(error) = self.store.remove_file(self.area, name) {
                tracing::warn!(file = name, error = %lode_types::chain(&error), "cannot remove a file of a failed job");
            }
        }
    }
}

/// Length and SHA-256 of a file, in hexadecimal.
pub(super) fn digest(mut file: File) -> Result<(u64, String)> {
    let failed = |error: &std::io::Error| unwritable(error);
    file.rewind().map_err(|error| failed(&error))?;
    let mut hasher = Sha256::new();
    let mut bytes = 0;
    let mut piece = vec![0; 1 << 20];
    loop {
        let read = file.read(&mut piece).map_err(|error| failed(&error))?;
        if read == 0 {
            break;
        }
        bytes += read as u64;
        hasher.update(&piece[..read]);
    }
    let hex: String = hasher
        .finalize()
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    Ok((bytes, hex))
}

/// A file of a job failed.
pub(super) fn unwritable(error: &std::io::Error) -> Error {
    Error::new(
        Class::Unavailable,
        "FILE_FAILED",
        format!("a file of the job cannot be read or written: {error}"),
    )
}
