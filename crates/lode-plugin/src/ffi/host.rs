//! The host as a running call sees it: callbacks with safe fronts.

use lode_abi::ArrowArrayStream;
use lode_abi::LOG_INFO;
use lode_abi::LOG_WARN;
use lode_abi::LodeBytes;
use lode_abi::LodeHost;
use lode_abi::OK;

use crate::Context;
use crate::Level;
use crate::context::Sink;

/// A host's table, checked, for the time of one call.
pub(super) struct Host<'a> {
    table: &'a LodeHost,
}

// SAFETY: the ABI lets any thread of the call use log, progress and cancelled; those are the
// ones that a shared `Context` reaches. The others are called by `entry` on its own thread.
unsafe impl Sync for Host<'_> {}

impl<'a> Host<'a> {
    /// The host's table, unless it is null or of an older, shorter layout.
    ///
    /// # Safety
    /// `host` is null or points at a table as the ABI describes it that outlives `'a`.
    pub(super) unsafe fn new(host: *const LodeHost) -> Option<Self> {
        if host.is_null() {
            return None;
        }
        // SAFETY: not null; the caller vouches for the rest. The size is the first field.
        let struct_size = unsafe { host.cast::<u32>().read() };
        if (struct_size as usize) < size_of::<LodeHost>() {
            return None;
        }
        // SAFETY: the table is at least as long as ours and outlives 'a.
        let table = unsafe { &*host };
        Some(Self { table })
    }

    /// The surroundings that the author's code sees.
    pub(super) fn context(&self) -> Context<'_> {
        Context::new(self.table.seed, self.table.threads as usize, self)
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
