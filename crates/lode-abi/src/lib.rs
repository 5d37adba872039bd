//! The C ABI between a host and a plugin: `#[repr(C)]` tables, constants, nothing else.
//!
//! A plugin is a shared library with one exported symbol, [`ENTRY_SYMBOL`]. It returns a
//! [`LodePlugin`] that lives as long as the library. Tables only ever grow at the end, and
//! each starts with its own size: a reader takes a field only when `struct_size` covers it,
//! which [`grown`] does for a whole table. Every call comes from a worker process that runs
//! one call at a time; the tables and what they point at are immutable.
//!
//! The version is 0.x until the families of algorithms that Lode ships have used the ABI; its
//! rules are those of 1.0 all the same. `docs/plugin-abi.md` has them, and the history.
//!
//! Ownership: bytes cross in one direction for the time of one call and the receiver
//! copies what it keeps. Tables cross as Arrow C streams and are freed through their own
//! `release`. Nothing allocated on one side is freed by the other.

use std::ffi::c_char;
use std::ffi::c_void;

/// The bytes `LODEPLUG` as they lie in memory: the first field of every [`LodePlugin`].
pub const MAGIC: u64 = u64::from_ne_bytes(*b"LODEPLUG");

/// Major version; after 1 another major is another symbol.
pub const MAJOR: u32 = 0;

/// Minor version: what has been appended so far.
pub const MINOR: u32 = 2;

/// The one symbol a plugin exports.
pub const ENTRY_SYMBOL: &str = "lode_plugin_v1";

/// The ELF section that says in text what a plugin is, without running its code.
pub const MANIFEST_SECTION: &str = ".lode.manifest";

/// Size of [`LodePlugin`] in version 0.1: the least that there is.
pub const PLUGIN_BYTES_0_1: usize = 80;
/// Size of [`LodeAlgorithm`] in version 0.1.
pub const ALGORITHM_BYTES_0_1: usize = 64;
/// Size of [`LodeHost`] in version 0.1.
pub const HOST_BYTES_0_1: usize = 80;

/// Type of [`ENTRY_SYMBOL`]: takes the host's minor version, returns the plugin's table or null.
pub type EntryFn = unsafe extern "C" fn(host_minor: u32) -> *const LodePlugin;

/// Return code of every plugin function: it worked.
pub const OK: i32 = 0;
/// It failed, and said why through [`LodeHost::fail`].
pub const FAILED: i32 = 1;

/// `fail` code: the parameters or inputs cannot work; the caller can mend them.
pub const FAIL_INVALID: u32 = 1;
/// `fail` code: the call noticed that it was cancelled.
pub const FAIL_CANCELLED: u32 = 2;
/// `fail` code: the model's bytes cannot be read.
pub const FAIL_MODEL: u32 = 3;
/// `fail` code: the algorithm could not reach a result.
pub const FAIL_NUMERIC: u32 = 4;
/// `fail` code: the plugin's own invariant is broken.
pub const FAIL_BUG: u32 = 5;
/// `fail` code: a panic was caught at the boundary; the text says where and what.
pub const FAIL_PANIC: u32 = 6;

/// `log` level: for the curious.
pub const LOG_INFO: u32 = 1;
/// `log` level: the result may surprise.
pub const LOG_WARN: u32 = 2;

/// Slot of [`LodeHost::put`]: the description, JSON of `AlgorithmSpec`. From `describe`.
pub const SLOT_SPEC: u32 = 1;
/// Slot of [`LodeHost::put`]: the model's bytes. From `fit` and `finish`, at most once; with a
/// name through [`LodeHost::put_named`]. Of [`LodeHost::get`]: the model to start from.
pub const SLOT_MODEL: u32 = 2;
/// Slot of [`LodeHost::put`]: metrics, a JSON object of numbers. From `fit` and `finish`, later
/// keys win.
pub const SLOT_METRICS: u32 = 3;
/// Slot of [`LodeHost::put`]: the state of some rows. From `partial` and `merge`, once.
pub const SLOT_STATE: u32 = 4;

/// Bytes of the side that passes them, valid for the time of the call (those inside a
/// [`LodePlugin`]: as long as the library). Text is UTF-8.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct LodeBytes {
    /// First byte; may be null when `len` is 0.
    pub data: *const u8,
    /// How many.
    pub len: usize,
}

/// An Arrow C stream; `arrow_array::ffi_stream::FFI_ArrowArrayStream` and
/// `struct ArrowArrayStream` of the Arrow C stream interface have this layout.
#[repr(C)]
#[derive(Debug)]
pub struct ArrowArrayStream {
    /// Gives the schema.
    pub get_schema: Option<unsafe extern "C" fn(*mut ArrowArrayStream, *mut c_void) -> i32>,
    /// Gives the next batch.
    pub get_next: Option<unsafe extern "C" fn(*mut ArrowArrayStream, *mut c_void) -> i32>,
    /// Describes the last error.
    pub get_last_error: Option<unsafe extern "C" fn(*mut ArrowArrayStream) -> *const c_char>,
    /// Frees the stream; null once released.
    pub release: Option<unsafe extern "C" fn(*mut ArrowArrayStream)>,
    /// The producer's own.
    pub private_data: *mut c_void,
}

/// One input table of a call.
#[repr(C)]
#[derive(Debug)]
pub struct LodeInput {
    /// Name of the input, as the algorithm declared it.
    pub name: LodeBytes,
    /// Its rows. Fields carry their role in the metadata key `lode.role`. The callee takes
    /// the stream and releases it.
    pub stream: *mut ArrowArrayStream,
}

/// What the host gives to a call, valid until the call returns. `log`, `progress` and
/// `cancelled` may be called from any thread that the call started; the others only from
/// the thread of the call.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct LodeHost {
    /// Size of this table as the host knows it.
    pub struct_size: u32,
    /// Minor version of the host.
    pub minor: u32,
    /// The host's own; passed back to every callback.
    pub ctx: *mut c_void,
    /// Writes a line to the job's log.
    pub log: unsafe extern "C" fn(ctx: *mut c_void, level: u32, text: LodeBytes),
    /// Says how far the call has got: 0.0 to 1.0, and the name of the stage.
    pub progress: unsafe extern "C" fn(ctx: *mut c_void, fraction: f64, stage: LodeBytes),
    /// Non-zero once the call should stop; cheap, ask often.
    pub cancelled: unsafe extern "C" fn(ctx: *mut c_void) -> i32,
    /// Says why the call fails; the last one counts. `field` is what is to blame, such as
    /// `params.k` or `inputs.events`, or empty.
    pub fail: unsafe extern "C" fn(ctx: *mut c_void, code: u32, field: LodeBytes, text: LodeBytes),
    /// Hands over bytes; `slot` says what they are.
    pub put: unsafe extern "C" fn(ctx: *mut c_void, slot: u32, bytes: LodeBytes) -> i32,
    /// Hands over an output table; the host drains and releases the stream.
    pub emit: unsafe extern "C" fn(
        ctx: *mut c_void,
        name: LodeBytes,
        stream: *mut ArrowArrayStream,
    ) -> i32,
    /// Seed of every random choice.
    pub seed: u64,
    /// Threads the call may use, at least 1. The result must not depend on it.
    pub threads: u32,
    /// Zero.
    pub pad: u32,
    /// Since 0.2. Asks for bytes of the host, which live until the call returns: [`SLOT_MODEL`]
    /// without a name in `fit` and `finish`, the model to start from. [`FAILED`] when there are
    /// none; `out` is then untouched.
    pub get: Option<
        unsafe extern "C" fn(
            ctx: *mut c_void,
            slot: u32,
            name: LodeBytes,
            out: *mut LodeBytes,
        ) -> i32,
    >,
    /// Since 0.2. Hands over bytes that have a name: [`SLOT_MODEL`], a model beside the main one.
    pub put_named: Option<
        unsafe extern "C" fn(ctx: *mut c_void, slot: u32, name: LodeBytes, bytes: LodeBytes) -> i32,
    >,
    /// Since 0.2. Bytes of private memory that the process may have; 0 when there is no bound.
    pub memory_bytes: u64,
    /// Since 0.2. Milliseconds until the call is ended; 0 when there is no bound.
    pub time_millis: u64,
}

/// A copy of a table as this build knows it: what the other side's `struct_size` does not cover
/// is zero, which is null for a function.
///
/// # Safety
/// `table` points at a live table of at least `struct_size` bytes, and all of `T` that lies
/// beyond them may be zero.
#[expect(
    unsafe_code,
    reason = "the one place that reads a table of another length"
)]
pub unsafe fn grown<T>(table: *const T, struct_size: usize) -> T {
    let mut copy = std::mem::MaybeUninit::<T>::zeroed();
    let bytes = struct_size.min(size_of::<T>());
    // SAFETY: both sides have that many bytes and do not overlap.
    unsafe {
        std::ptr::copy_nonoverlapping(table.cast::<u8>(), copy.as_mut_ptr().cast::<u8>(), bytes);
    }
    // SAFETY: the covered part is the other side's, and the rest may be zero.
    unsafe { copy.assume_init() }
}

impl LodeBytes {
    /// No bytes.
    pub const EMPTY: Self = Self::new(&[]);

    /// Points at `bytes`.
    pub const fn new(bytes: &[u8]) -> Self {
        Self {
            data: bytes.as_ptr(),
            len: bytes.len(),
        }
    }
}

/// One algorithm of a plugin. Functions return [`OK`] or [`FAILED`]; an absent one is null.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct LodeAlgorithm {
    /// Size of this table as the plugin knows it.
    pub struct_size: u32,
    /// Zero; bits will say what an algorithm can do beyond its non-null functions.
    pub capabilities: u32,
    /// `family.name`.
    pub id: LodeBytes,
    /// Puts the description into [`SLOT_SPEC`].
    pub describe: Option<unsafe extern "C" fn(host: *const LodeHost) -> i32>,
    /// Learns from the inputs: emits outputs, puts the model and metrics. `params` is JSON
    /// that the host has checked against the description's schema.
    pub fit: Option<
        unsafe extern "C" fn(
            host: *const LodeHost,
            params: LodeBytes,
            inputs: *mut LodeInput,
            n_inputs: usize,
        ) -> i32,
    >,
    /// Reads a model for scoring.
    pub open: Option<
        unsafe extern "C" fn(
            host: *const LodeHost,
            params: LodeBytes,
            model: LodeBytes,
            scorer: *mut *mut c_void,
        ) -> i32,
    >,
    /// Scores rows; `out` becomes a stream of the results.
    pub score: Option<
        unsafe extern "C" fn(
            host: *const LodeHost,
            scorer: *mut c_void,
            inputs: *mut LodeInput,
            n_inputs: usize,
            out: *mut ArrowArrayStream,
        ) -> i32,
    >,
    /// Frees a scorer.
    pub close: Option<unsafe extern "C" fn(scorer: *mut c_void)>,
    /// Since 0.2. Learns from some of the rows: puts a state into [`SLOT_STATE`].
    pub partial: Option<
        unsafe extern "C" fn(
            host: *const LodeHost,
            params: LodeBytes,
            inputs: *mut LodeInput,
            n_inputs: usize,
        ) -> i32,
    >,
    /// Since 0.2. Makes one state of `n`; of none, the state of no rows. Any order and any
    /// grouping give the same result, within the tolerance of the description.
    pub merge: Option<
        unsafe extern "C" fn(
            host: *const LodeHost,
            params: LodeBytes,
            states: *const LodeBytes,
            n_states: usize,
        ) -> i32,
    >,
    /// Since 0.2. Ends what `partial` began: emits and puts what `fit` over all rows would.
    pub finish: Option<
        unsafe extern "C" fn(host: *const LodeHost, params: LodeBytes, state: LodeBytes) -> i32,
    >,
}

/// A plugin: what [`ENTRY_SYMBOL`] returns.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct LodePlugin {
    /// [`MAGIC`].
    pub magic: u64,
    /// [`MAJOR`] it was built for.
    pub major: u32,
    /// [`MINOR`] it was built for.
    pub minor: u32,
    /// Size of this table as the plugin knows it.
    pub struct_size: u32,
    /// Length of `algorithms`.
    pub count: u32,
    /// Its algorithms.
    pub algorithms: *const *const LodeAlgorithm,
    /// The plugin's name, e.g. `segment`.
    pub name: LodeBytes,
    /// The plugin's version, e.g. `0.1.0`.
    pub version: LodeBytes,
    /// Compiler and target, for people.
    pub build: LodeBytes,
    /// Since 0.2. The text of [`MANIFEST_SECTION`]; empty when there is none. That it is pointed
    /// at keeps it from being dropped by a linker.
    pub manifest: LodeBytes,
}

// SAFETY: the tables are immutable and live as long as the library.
#[expect(unsafe_code, reason = "a table of constants is shared between threads")]
unsafe impl Sync for LodeAlgorithm {}
// SAFETY: as above.
#[expect(unsafe_code, reason = "a table of constants is shared between threads")]
unsafe impl Sync for LodePlugin {}

#[cfg(test)]
mod tests;
