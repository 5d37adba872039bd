//! Maps a file into memory as an Arrow buffer; the only unsafe code of this crate.
//!
//! Invariant that callers keep: a file is mapped only once nobody writes to it any more.

#![expect(unsafe_code, reason = "mapping a file cannot be said in safe Rust")]

use std::fs::File;
use std::ptr::NonNull;
use std::sync::Arc;

use arrow_buffer::Buffer;
use memmap2::MmapOptions;

use crate::Error;
use crate::Result;

/// The whole file as one buffer that keeps the map alive; empty files are refused.
pub(crate) fn map(file: &File) -> Result<Buffer> {
    let len = file
        .metadata()
        .map_err(Error::io("read the length of a table file"))?
        .len();
    let len =
        usize::try_from(len).map_err(|_| Error::damaged("a file that fits memory", "more"))?;
    if len == 0 {
        return Err(Error::damaged("an Arrow IPC file", "an empty file"));
    }
    // A private map, since a shared one of a sealed memory file is refused by older kernels.
    // SAFETY: parts are never written again after their rename and memory files are sealed,
    // so the bytes under the map do not change while it lives.
    let mapped = unsafe { MmapOptions::new().len(len).map_copy_read_only(file) };
    let mapped = mapped.map_err(Error::io("map a table file"))?;
    let start = NonNull::from(&mapped[..]).cast::<u8>();
    // SAFETY: `start` points at `len` readable bytes that live as long as the map, which the
    // buffer owns; moving the map does not move the bytes.
    Ok(unsafe { Buffer::from_custom_allocation(start, len, Arc::new(mapped)) })
}
