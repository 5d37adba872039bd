//! The host's table for one call: C callbacks in front of a [`Receiver`].
//!
//! Unsafe is here because C calls us back. Invariant: nothing of the plugin is kept after
//! its callback returned, and no panic leaves a callback.
#![expect(unsafe_code, reason = "callbacks of the C ABI")]

use std::ffi::c_void;
use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;

use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use lode_abi::ArrowArrayStream;
use lode_abi::FAILED;
use lode_abi::LodeBytes;
use lode_abi::LodeHost;
use lode_abi::MINOR;
use lode_abi::OK;

use super::library::slice;

/// Takes what a call tells and gives. `log`, `progress` and `cancelled` may come from any
/// thread of the call.
pub trait Receiver: Sync {
    /// A line for the log, of a `LOG_*` level.
    fn log(&self, level: u32, text: String);
    /// How far the call has got; the fraction is what the plugin said, also NaN.
    fn progress(&self, fraction: f64, stage: String);
    /// Whether the call should stop.
    fn cancelled(&self) -> bool;
    /// Why the call fails, with a `FAIL_*` code.
    fn fail(&self, code: u32, field: String, text: String);
    /// Bytes for a `SLOT_*`, under a name that may be empty; whether they were taken.
    fn put(&self, slot: u32, name: String, bytes: &[u8]) -> bool;
    /// An output, or none where the plugin gave a null; whether it was taken.
    fn emit(&self, name: String, stream: Option<FFI_ArrowArrayStream>) -> bool;
    /// Bytes for the plugin, if there are any; they live as long as the receiver.
    fn get(&self, slot: u32, name: String) -> Option<&[u8]>;
    /// One of these functions panicked; the callback has failed.
    fn broke(&self);
}

/// What a call may use.
#[derive(Clone, Copy, Debug, Default)]
pub struct Budget {
    /// Seed of every random choice.
    pub seed: u64,
    /// Threads; 0 is taken as 1.
    pub threads: u32,
    /// Private memory; 0 when there is no bound.
    pub memory_bytes: u64,
    /// Wall time; 0 when there is no bound.
    pub time_millis: u64,
}

/// A receiver as the callbacks find it. Keep it in place while its table is in use.
pub struct Front<'a> {
    receiver: &'a dyn Receiver,
}

impl std::fmt::Debug for Front<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Front")
    }
}

impl<'a> Front<'a> {
    /// The front of `receiver`.
    pub fn new(receiver: &'a dyn Receiver) -> Self {
        Self { receiver }
    }

    /// The table that the plugin gets.
    pub fn table(&self, budget: Budget) -> LodeHost {
        LodeHost {
            struct_size: size_of::<LodeHost>() as u32,
            minor: MINOR,
            ctx: std::ptr::from_ref(self).cast_mut().cast(),
            log,
            progress,
            cancelled,
            fail,
            put,
            emit,
            seed: budget.seed,
            threads: budget.threads.max(1),
            pad: 0,
            get: Some(get),
            put_named: Some(put_named),
            memory_bytes: budget.memory_bytes,
            time_millis: budget.time_millis,
        }
    }
}

unsafe extern "C" fn log(ctx: *mut c_void, level: u32, text: LodeBytes) {
    with(ctx, |receiver| receiver.log(level, words(text)));
}

unsafe extern "C" fn progress(ctx: *mut c_void, fraction: f64, stage: LodeBytes) {
    with(ctx, |receiver| receiver.progress(fraction, words(stage)));
}

unsafe extern "C" fn cancelled(ctx: *mut c_void) -> i32 {
    i32::from(with(ctx, |receiver| receiver.cancelled()).unwrap_or(false))
}

unsafe extern "C" fn fail(ctx: *mut c_void, code: u32, field: LodeBytes, text: LodeBytes) {
    with(ctx, |receiver| {
        receiver.fail(code, words(field), words(text));
    });
}

unsafe extern "C" fn put(ctx: *mut c_void, slot: u32, bytes: LodeBytes) -> i32 {
    let taken = with(ctx, |receiver| {
        // SAFETY: the plugin's bytes live for the time of the callback.
        let bytes = unsafe { slice(bytes) };
        receiver.put(slot, String::new(), bytes)
    });
    code(taken)
}

unsafe extern "C" fn put_named(
    ctx: *mut c_void,
    slot: u32,
    name: LodeBytes,
    bytes: LodeBytes,
) -> i32 {
    let taken = with(ctx, |receiver| {
        let name = words(name);
        // SAFETY: the plugin's bytes live for the time of the callback.
        let bytes = unsafe { slice(bytes) };
        receiver.put(slot, name, bytes)
    });
    code(taken)
}

unsafe extern "C" fn emit(ctx: *mut c_void, name: LodeBytes, stream: *mut ArrowArrayStream) -> i32 {
    let taken = with(ctx, |receiver| {
        let stream = (!stream.is_null()).then(|| {
            // SAFETY: a live stream of the same layout; it is moved out and marked released.
            unsafe { FFI_ArrowArrayStream::from_raw(stream.cast()) }
        });
        receiver.emit(words(name), stream)
    });
    code(taken)
}

unsafe extern "C" fn get(ctx: *mut c_void, slot: u32, name: LodeBytes, out: *mut LodeBytes) -> i32 {
    if out.is_null() {
        return FAILED;
    }
    let found = with(ctx, |receiver| {
        receiver.get(slot, words(name)).map(LodeBytes::new)
    });
    let Some(Some(bytes)) = found else {
        return FAILED;
    };
    // SAFETY: the plugin passes a place for the bytes.
    unsafe { out.write(bytes) };
    OK
}

fn code(taken: Option<bool>) -> i32 {
    if taken == Some(true) { OK } else { FAILED }
}

/// Runs a callback's body; a panic in it is the host's own fault, and is told as such.
fn with<T>(ctx: *mut c_void, body: impl FnOnce(&dyn Receiver) -> T) -> Option<T> {
    if ctx.is_null() {
        return None;
    }
    // SAFETY: the plugin passes back the pointer that `table` gave, within the call; the
    // receiver's other bounds are those of `Front`.
    let front = unsafe { &*ctx.cast::<Front<'_>>() };
    let value = catch_unwind(AssertUnwindSafe(|| body(front.receiver)));
    if value.is_err() {
        front.receiver.broke();
    }
    value.ok()
}

fn words(text: LodeBytes) -> String {
    // SAFETY: the plugin's text lives for the time of the callback.
    let text = unsafe { slice(text) };
    String::from_utf8_lossy(text).into_owned()
}
