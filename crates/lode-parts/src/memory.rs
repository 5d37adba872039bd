//! Tables in memory files: what has no place on disk is passed between processes this way.

use std::fs::File;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use rustix::fs::MemfdFlags;
use rustix::fs::SealFlags;

use crate::Error;
use crate::Result;
use crate::write_ipc;

/// A sealed memory file that holds the batches; `name` shows in the process's list of files.
///
/// # Errors
/// When a batch does not have the columns of `schema`, or memory is short.
pub fn memfd(
    name: &str,
    schema: &SchemaRef,
    batches: impl IntoIterator<Item = RecordBatch>,
) -> Result<File> {
    try_memfd(name, schema, batches.into_iter().map(Ok))
}

/// A sealed memory file of no rows.
///
/// # Errors
/// When memory is short.
pub fn empty_file(schema: &SchemaRef) -> Result<File> {
    memfd("lode-empty", schema, [])
}

fn try_memfd(
    name: &str,
    schema: &SchemaRef,
    batches: impl Iterator<Item = Result<RecordBatch>>,
) -> Result<File> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let file = rustix::fs::memfd_create(name, flags)
        .map_err(|errno| Error::io("make a memory file")(errno.into()))?;
    let file = File::from(file);
    write_ipc(&file, schema, batches)?;
    let seals = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
    rustix::fs::fcntl_add_seals(&file, seals)
        .map_err(|errno| Error::io("seal a memory file")(errno.into()))?;
    Ok(file)
}
