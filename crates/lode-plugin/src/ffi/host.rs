//! The host as a running call sees it: callbacks with safe fronts.

use std::marker::PhantomData;

use lode_abi::ArrowArrayStream;
use lode_abi::HOST_BYTES_0_1;
use lode_abi::LOG_INFO;
use lode_abi::LOG_WARN;
use lode_abi::LodeBytes;
use lode_abi::LodeHost;
use lode_abi::OK;
use lode_abi::SLOT_MODEL;
use lode_abi::grown;

use super::stream::slice;
use crate::Context;
use crate::Level;
use crate::context::Sink;

/// A host's table, checked, for the time of one call. What an older host does not have is null
/// or zero in it.
pub(super) struct Host<'a> {
    table: LodeHost,
    call: PhantomData<&'a LodeHost>,
}

// SAFETY: the ABI lets any thread of the call use log, progress and cancelled; those are the
// ones that a shared `Context` reaches. The others are called by `entry` on its own thread.
unsafe impl Sync for Host<'_> {}

impl<'a> Host<'a> {
    /// The host's table, unless it is null or shorter than that of the first version.
    ///
    /// # Safety
    /// `host` is null or points at a table as the ABI describes it that outlives `'a`.
    pub(super) unsafe fn new(host: *const LodeHost) -> Option<Self> {
        if host.is_null() {
            return None;
        }
        // SAFETY: not null; the caller vouches for the rest. The size is the first field.
        let struct_size = unsafe { host.cast::<u32>().read() } as usize;
        if struct_size < HOST_BYTES_0_1 {
            return None;
        }
        // SAFETY: as long as it says; what was appended since 0.1 may be null or zero.
        let table = unsafe { grown(host, struct_size) };
        let call = PhantomData;
        Some(Self { table, call })
    }

    /// The surroundings that the author's code sees.
    pub(super) fn context(&self) -> Context<'_> {
        Context::new(self.table.seed, self.table.threads as usize, self)
            .bounded(self.table.memory_bytes, self.table.time_millis)
            .starting_from(self.base_model())
    }

    /// The model to start from, if the host has one.
    fn base_model(&self) -> Option<&[u8]> {
        let get = self.table.get?;
        let mut found = LodeBytes::EMPTY;
        // SAFETY: a callback of a live host, from the thread of the call.
        let code = unsafe { get(self.table.ctx, SLOT_MODEL, LodeBytes::EMPTY, &raw mut found) };
        // SAFETY: the host's bytes live until the call returns, which outlives this borrow.
        (code == OK).then(|| unsafe { slice(found) })
    }

    /// Says why the call fails.
    pub(super) fn fail(&self, code: u32, field: &str, text: &str) {
        // SAFETY: a callback of a live host; the texts outlive the call.
        unsafe {
            (self.table.fail)(self.table.ctx, code, bytes(field), bytes(text));
        }
    }

    /// Hands over bytes; whether the host took them.
    pub(super) fn put(&self, slot: u32, data: &[u8]) -> bool {
        // SAFETY: a callback of a live host; the bytes outlive the call.
        unsafe { (self.table.put)(self.table.ctx, slot, LodeBytes::new(data)) == OK }
    }

    /// Hands over bytes under a name; whether the host took them. A host that is too old for
    /// names takes those without one alone.
    pub(super) fn put_named(&self, slot: u32, name: &str, data: &[u8]) -> bool {
        if name.is_empty() {
            return self.put(slot, data);
        }
        let Some(put_named) = self.table.put_named else {
            return false;
        };
        let (name, data) = (bytes(name), LodeBytes::new(data));
        // SAFETY: a callback of a live host; the bytes outlive the call.
        unsafe { put_named(self.table.ctx, slot, name, data) == OK }
    }

    /// Hands over an output; whether the host took it.
    ///
    /// # Safety
    /// `stream` points at a live Arrow stream.
    pub(super) unsafe fn emit(&self, name: &str, stream: *mut ArrowArrayStream) -> bool {
        // SAFETY: a callback of a live host; the caller vouches for the stream.
        unsafe { (self.table.emit)(self.table.ctx, bytes(name), stream) == OK }
    }
}

impl Sink for Host<'_> {
    fn log(&self, level: Level, text: &str) {
        let level = match level {
            Level::Info => LOG_INFO,
            Level::Warn => LOG_WARN,
        };
        // SAFETY: a callback of a live host that any thread may use; the text outlives the call.
        unsafe { (self.table.log)(self.table.ctx, level, bytes(text)) }
    }

    fn progress(&self, fraction: f64, stage: &str) {
        // SAFETY: as for log.
        unsafe { (self.table.progress)(self.table.ctx, fraction, bytes(stage)) }
    }

    fn cancelled(&self) -> bool {
        // SAFETY: as for log.
        unsafe { (self.table.cancelled)(self.table.ctx) != 0 }
    }
}

fn bytes(text: &str) -> LodeBytes {
    LodeBytes::new(text.as_bytes())
}
