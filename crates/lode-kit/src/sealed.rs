//! Arrays in memory that cannot be written to, as an engine hands them out, with a page that
//! cannot be read behind each buffer: who writes into its input or reads beyond it is caught.
//!
//! Unsafe is here because pages are asked of the kernel. A buffer ends where Arrow's padding to
//! 64 bytes does, so that reading whole words is no fault.
#![expect(unsafe_code, reason = "pages of the kernel")]

use std::ffi::c_void;
use std::ptr::NonNull;
use std::sync::Arc;

use arrow_buffer::BooleanBuffer;
use arrow_buffer::Buffer;
use arrow_buffer::NullBuffer;
use arrow_data::ArrayData;
use rustix::mm::MapFlags;
use rustix::mm::MprotectFlags;
use rustix::mm::ProtFlags;

/// Bytes that a buffer is padded to.
const PADDING: usize = 64;
/// Memory is asked for in these: a multiple of any page that Linux has.
const PAGE: usize = 64 << 10;

/// The same array with its buffers in sealed pages; none where the system has no more.
pub(crate) fn array(data: &ArrayData) -> Option<ArrayData> {
    let buffers = data.buffers().iter().map(buffer);
    let buffers = buffers.collect::<Option<Vec<_>>>()?;
    let children = data.child_data().iter().map(array);
    let children = children.collect::<Option<Vec<_>>>()?;
    let nulls = match data.nulls() {
        Some(nulls) => {
            let bits = buffer(nulls.buffer())?;
            Some(NullBuffer::new(BooleanBuffer::new(
                bits,
                nulls.offset(),
                nulls.len(),
            )))
        }
        None => None,
    };
    let sealed = data.clone().into_builder().buffers(buffers);
    sealed.child_data(children).nulls(nulls).build().ok()
}

fn buffer(from: &Buffer) -> Option<Buffer> {
    if from.is_empty() {
        return Some(from.clone());
    }
    let padded = from.len().next_multiple_of(PADDING);
    let readable = padded.next_multiple_of(PAGE);
    let length = readable + PAGE;
    let access = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: new pages, wherever the kernel likes.
    let start = unsafe {
        rustix::mm::mmap_anonymous(std::ptr::null_mut(), length, access, MapFlags::PRIVATE)
    };
    let pages = Pages {
        start: start.ok()?,
        length,
    };
    let at = pages.start.cast::<u8>().wrapping_add(readable - padded);
    // SAFETY: the pages have that many bytes from there on, and nobody else knows them.
    unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), at, from.len()) };
    // SAFETY: pages of our own, to which nothing points yet.
    unsafe { rustix::mm::mprotect(pages.start, readable, MprotectFlags::READ) }.ok()?;
    let guard = pages
        .start
        .cast::<u8>()
        .wrapping_add(readable)
        .cast::<c_void>();
    // SAFETY: as above; the last page.
    unsafe { rustix::mm::mprotect(guard, PAGE, MprotectFlags::empty()) }.ok()?;
    let at = NonNull::new(at)?;
    // SAFETY: that many bytes, which live as long as the pages and never change.
    Some(unsafe { Buffer::from_custom_allocation(at, from.len(), Arc::new(pages)) })
}

/// Pages that are given back when nobody has them.
struct Pages {
    start: *mut c_void,
    length: usize,
}

// SAFETY: they are read and never written once they are shared.
unsafe impl Send for Pages {}
// SAFETY: as above.
unsafe impl Sync for Pages {}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: nothing points at them any more. That they stay if this fails is no harm.
        unsafe { rustix::mm::munmap(self.start, self.length) }.ok();
    }
}
