//! The tables that the host reads, and the C functions in them.

use std::ffi::c_void;

use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use lode_abi::ArrowArrayStream;
use lode_abi::FAILED;
use lode_abi::LodeAlgorithm;
use lode_abi::LodeBytes;
use lode_abi::LodeHost;
use lode_abi::LodeInput;
use lode_abi::LodePlugin;
use lode_abi::MAGIC;
use lode_abi::MAJOR;
use lode_abi::MINOR;

use super::entry;
use super::host::Host;
use super::panics::guard;
use super::stream::import;
use super::stream::slice;
use crate::Algorithm;
use crate::Mergeable;

/// The table of one algorithm.
pub const fn algorithm<A: Algorithm>() -> &'static LodeAlgorithm {
    Of::<A>::TABLE
}

/// The table of one algorithm that can be merged.
pub const fn mergeable<A: Mergeable>() -> &'static LodeAlgorithm {
    OfMergeable::<A>::TABLE
}

/// The table of a plugin.
pub const fn plugin(
    algorithms: &'static [&'static LodeAlgorithm],
    name: &'static str,
    version: &'static str,
    manifest: &'static [u8],
) -> LodePlugin {
    LodePlugin {
        magic: MAGIC,
        major: MAJOR,
        minor: MINOR,
        struct_size: size_of::<LodePlugin>() as u32,
        count: algorithms.len() as u32,
        algorithms: algorithms.as_ptr().cast(),
        name: LodeBytes::new(name.as_bytes()),
        version: LodeBytes::new(version.as_bytes()),
        build: LodeBytes::new(BUILD.as_bytes()),
        manifest: LodeBytes::new(manifest),
    }
}

const BUILD: &str = match (cfg!(debug_assertions), cfg!(target_arch = "x86_64")) {
    (true, true) => "rust, x86_64, debug",
    (false, true) => "rust, x86_64, release",
    (true, false) => "rust, debug",
    (false, false) => "rust, release",
};

struct Of<A>(A);

impl<A: Algorithm> Of<A> {
    const TABLE: &'static LodeAlgorithm = &Self::PLAIN;
    const PLAIN: LodeAlgorithm = LodeAlgorithm {
        struct_size: size_of::<LodeAlgorithm>() as u32,
        capabilities: 0,
        id: LodeBytes::new(A::ID.as_bytes()),
        describe: Some(describe::<A>),
        fit: Some(fit::<A>),
        open: match A::MODEL_FORMAT {
            Some(_) => Some(open::<A>),
            None => None,
        },
        score: match A::MODEL_FORMAT {
            Some(_) => Some(score::<A>),
            None => None,
        },
        close: match A::MODEL_FORMAT {
            Some(_) => Some(close::<A>),
            None => None,
        },
        partial: None,
        merge: None,
        finish: None,
    };
}

struct OfMergeable<A>(A);

impl<A: Mergeable> OfMergeable<A> {
    const TABLE: &'static LodeAlgorithm = &LodeAlgorithm {
        describe: Some(describe_mergeable::<A>),
        partial: Some(partial::<A>),
        merge: Some(merge::<A>),
        finish: Some(finish::<A>),
        ..Of::<A>::PLAIN
    };
}

unsafe extern "C" fn describe_mergeable<A: Mergeable>(host: *const LodeHost) -> i32 {
    let run = |host: &Host<'_>| entry::describe(host, &crate::describe_mergeable::<A>());
    // SAFETY: the host passes its own table.
    unsafe { entry::call(host, run) }
}

unsafe extern "C" fn partial<A: Mergeable>(
    host: *const LodeHost,
    params: LodeBytes,
    inputs: *mut LodeInput,
    n_inputs: usize,
) -> i32 {
    let run = |host: &Host<'_>| {
        // SAFETY: the host passes n inputs with live streams.
        let inputs = unsafe { import(inputs, n_inputs) }?;
        // SAFETY: the host's bytes live for the call.
        entry::partial::<A>(host, unsafe { slice(params) }, inputs)
    };
    // SAFETY: the host passes its own table.
    unsafe { entry::call(host, run) }
}

unsafe extern "C" fn merge<A: Mergeable>(
    host: *const LodeHost,
    params: LodeBytes,
    states: *const LodeBytes,
    n_states: usize,
) -> i32 {
    let run = |host: &Host<'_>| {
        let mut all: Vec<&[u8]> = Vec::with_capacity(n_states);
        for index in 0..n_states {
            // SAFETY: the host passes n states.
            let state = unsafe { states.add(index) };
            // SAFETY: as above.
            let state = unsafe { state.read() };
            // SAFETY: the host's bytes live for the call.
            all.push(unsafe { slice(state) });
        }
        // SAFETY: as above.
        entry::merge::<A>(host, unsafe { slice(params) }, &all)
    };
    // SAFETY: the host passes its own table.
    unsafe { entry::call(host, run) }
}

unsafe extern "C" fn finish<A: Mergeable>(
    host: *const LodeHost,
    params: LodeBytes,
    state: LodeBytes,
) -> i32 {
    let run = |host: &Host<'_>| {
        // SAFETY: the host's bytes live for the call.
        let params = unsafe { slice(params) };
        // SAFETY: as above.
        entry::finish::<A>(host, params, unsafe { slice(state) })
    };
    // SAFETY: the host passes its own table.
    unsafe { entry::call(host, run) }
}

unsafe extern "C" fn describe<A: Algorithm>(host: *const LodeHost) -> i32 {
    let run = |host: &Host<'_>| entry::describe(host, &crate::describe::<A>());
    // SAFETY: the host passes its own table.
    unsafe { entry::call(host, run) }
}

unsafe extern "C" fn fit<A: Algorithm>(
    host: *const LodeHost,
    params: LodeBytes,
    inputs: *mut LodeInput,
    n_inputs: usize,
) -> i32 {
    let run = |host: &Host<'_>| {
        // SAFETY: the host passes n inputs with live streams.
        let inputs = unsafe { import(inputs, n_inputs) }?;
        // SAFETY: the host's bytes live for the call.
        entry::fit::<A>(host, unsafe { slice(params) }, inputs)
    };
    // SAFETY: the host passes its own table.
    unsafe { entry::call(host, run) }
}

unsafe extern "C" fn open<A: Algorithm>(
    host: *const LodeHost,
    params: LodeBytes,
    model: LodeBytes,
    scorer: *mut *mut c_void,
) -> i32 {
    let run = |_: &Host<'_>| {
        // SAFETY: the host's bytes live for the call.
        let params = unsafe { slice(params) };
        // SAFETY: as above.
        let model = unsafe { slice(model) };
        let opened = entry::open::<A>(params, model)?;
        // SAFETY: the host passes a place for the pointer.
        unsafe { scorer.write(opened) };
        Ok(())
    };
    // SAFETY: the host passes its own table.
    unsafe { entry::call(host, run) }
}

unsafe extern "C" fn score<A: Algorithm>(
    host: *const LodeHost,
    scorer: *mut c_void,
    inputs: *mut LodeInput,
    n_inputs: usize,
    out: *mut ArrowArrayStream,
) -> i32 {
    if scorer.is_null() || out.is_null() {
        return FAILED;
    }
    let run = |host: &Host<'_>| {
        // SAFETY: the host passes n inputs with live streams.
        let inputs = unsafe { import(inputs, n_inputs) }?;
        // SAFETY: `open` of the same algorithm made it, and `close` was not called yet.
        let scorer = unsafe { &*scorer.cast::<A::Scorer>() };
        let stream = entry::score::<A>(host, scorer, inputs)?;
        // SAFETY: the host passes a place for a stream of this layout, with nothing in it.
        unsafe { out.cast::<FFI_ArrowArrayStream>().write(stream) };
        Ok(())
    };
    // SAFETY: the host passes its own table.
    unsafe { entry::call(host, run) }
}

unsafe extern "C" fn close<A: Algorithm>(scorer: *mut c_void) {
    if scorer.is_null() {
        return;
    }
    // SAFETY: `open` of the same algorithm boxed it, and the host closes it once.
    let scorer = unsafe { Box::from_raw(scorer.cast::<A::Scorer>()) };
    // There is no host to tell; a panic in a destructor is let go.
    drop(guard(|| drop(scorer)));
}
