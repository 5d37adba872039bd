//! What the layers above keep here: tags of customers, documents, and files.

use std::fs::File;

use lode_types::CustomerId;

use super::Store;
use crate::Area;
use crate::DocWrite;
use crate::Result;
use crate::Space;
use crate::Tag;
use crate::docs;
use crate::files;
use crate::tags;

impl Store {
    /// Writes tags onto customers; one replaces what the customer has under the same key, and
    /// of two in the same call the later stays. Customers are written in batches.
    ///
    /// # Errors
    /// `STORE_POISONED` and the like; some batches may have been written.
    pub fn write_tags(&self, tags: Vec<(CustomerId, Tag)>) -> Result<()> {
        tags::write(&self.inner.committer, tags)
    }

    /// What jobs wrote onto a customer, in the order of the keys.
    ///
    /// # Errors
    /// `STORE_DAMAGED`.
    pub fn tags(&self, id: &CustomerId) -> Result<Vec<Tag>> {
        tags::get(&self.inner.core.trees, id)
    }

    /// A document.
    ///
    /// # Errors
    /// `STORE_DAMAGED`.
    pub fn doc(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>> {
        docs::get(&self.inner.core.trees, space, key)
    }

    /// Documents whose key begins with `prefix` and lies after `after` in the order asked
    /// for: ascending keys, or descending ones with `newest_first`.
    ///
    /// # Errors
    /// `STORE_DAMAGED`.
    pub fn docs(
        &self,
        space: Space,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
        newest_first: bool,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let trees = &self.inner.core.trees;
        docs::list(trees, space, prefix, after, limit, newest_first)
    }

    /// Writes documents in one transaction.
    ///
    /// # Errors
    /// `TOO_LONG`, `STORE_POISONED`; then none of them is written.
    pub fn write_docs(&self, writes: Vec<DocWrite>) -> Result<()> {
        self.inner
            .committer
            .run(move |txn| docs::write(txn, writes))
    }

    /// Like [`Store::write_docs`], but answers once readers see the documents; they become
    /// durable within a fraction of a second, or with the next write that waits.
    ///
    /// # Errors
    /// As [`Store::write_docs`].
    pub fn write_docs_lazily(&self, writes: Vec<DocWrite>) -> Result<()> {
        let pending = self
            .inner
            .committer
            .begin(false, move |txn| docs::write(txn, writes));
        pending.wait()
    }

    /// A new file to be written, under a temporary name until it is adopted.
    ///
    /// # Errors
    /// `INVALID_FILE_NAME`, errors of the disk.
    pub fn create_file(&self, area: Area, name: &str) -> Result<File> {
        files::create(&self.inner, area, name)
    }

    /// Makes a written file durable under its name; twice is no error.
    ///
    /// # Errors
    /// `FILE_NOT_FOUND` when it was not created, errors of the disk.
    pub fn adopt_file(&self, area: Area, name: &str) -> Result<()> {
        files::adopt(&self.inner, area, name)
    }

    /// An adopted file, for reading.
    ///
    /// # Errors
    /// `FILE_DAMAGED` when it is not what was adopted, or gone; else `FILE_NOT_FOUND`.
    pub fn open_file(&self, area: Area, name: &str) -> Result<File> {
        files::open(&self.inner, area, name)
    }

    /// Removes a file, adopted or not; one that is not there is no error.
    ///
    /// # Errors
    /// Errors of the disk.
    pub fn remove_file(&self, area: Area, name: &str) -> Result<()> {
        files::remove(&self.inner, area, name)
    }

    /// A file on the store's disk without a name, gone when its last descriptor is closed.
    ///
    /// # Errors
    /// Errors of the disk.
    pub fn scratch_file(&self) -> Result<File> {
        files::scratch(&self.inner)
    }
}
