//! What each function of an algorithm's table does, between the guard and the author's code.

use std::ffi::c_void;

use arrow_array::RecordBatch;
use arrow_array::RecordBatchIterator;
use arrow_array::RecordBatchReader;
use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use lode_abi::FAIL_BUG;
use lode_abi::FAIL_CANCELLED;
use lode_abi::FAIL_INVALID;
use lode_abi::FAIL_MODEL;
use lode_abi::FAIL_NUMERIC;
use lode_abi::FAIL_PANIC;
use lode_abi::FAILED;
use lode_abi::LodeHost;
use lode_abi::OK;
use lode_abi::SLOT_METRICS;
use lode_abi::SLOT_MODEL;
use lode_abi::SLOT_SPEC;
use lode_abi::SLOT_STATE;
use lode_types::Failure;
use lode_types::chain;

use super::host::Host;
use super::panics::Panicked;
use super::panics::guard;
use super::stream::Broken;
use super::stream::Guarded;
use super::stream::as_abi;
use super::stream::export;
use crate::Algorithm;
use crate::AlgorithmSpec;
use crate::Error;
use crate::Fitted;
use crate::Inputs;
use crate::Mergeable;
use crate::Result;
use crate::algorithm::Output;
use crate::call;
use crate::call::formats;
use crate::call::no_batch;
use crate::call::parse;
use crate::model;

/// Why an entry fails: the author said so, or something panicked.
pub(super) enum Stop {
    Error(Error),
    Panic(Panicked),
}

impl<E: Into<Error>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

/// Runs one entry: nothing unwinds out of it, and a failure is told to the host.
///
/// # Safety
/// `host` is null or a host's table as the ABI describes it, for the time of the call.
pub(super) unsafe fn call(
    host: *const LodeHost,
    run: impl FnOnce(&Host<'_>) -> Result<(), Stop>,
) -> i32 {
    // SAFETY: the caller's promise.
    let Some(host) = (unsafe { Host::new(host) }) else {
        return FAILED;
    };
    let stop = match guard(|| run(&host)) {
        Ok(Ok(())) => return OK,
        Ok(Err(stop)) => stop,
        Err(panicked) => Stop::Panic(panicked),
    };
    // Formatting an author's error may run the author's code.
    let told = guard(|| match &stop {
        Stop::Panic(Panicked(text)) => host.fail(FAIL_PANIC, "", text),
        Stop::Error(error) => host.fail(code_of(error), error.field(), &chain(error)),
    });
    if let Err(Panicked(text)) = told {
        host.fail(FAIL_PANIC, "", &text);
    }
    FAILED
}

/// `describe`: the spec as JSON.
pub(super) fn describe(host: &Host<'_>, spec: &AlgorithmSpec) -> Result<(), Stop> {
    let spec = serde_json::to_vec(spec)
        .map_err(|error| refused(format!("the description has no JSON form: {error}")))?;
    put(host, SLOT_SPEC, &spec, "description")
}

/// `fit`: outputs, then models and metrics.
pub(super) fn fit<A: Algorithm>(
    host: &Host<'_>,
    params: &[u8],
    inputs: Inputs,
) -> Result<(), Stop> {
    let params = parse::<A>(params)?;
    let fingerprint = inputs.fingerprint();
    let fitted = A::fit(params, inputs, &host.context())?;
    give::<A>(host, fitted, fingerprint)
}

/// `partial`: a state.
pub(super) fn partial<A: Mergeable>(
    host: &Host<'_>,
    params: &[u8],
    inputs: Inputs,
) -> Result<(), Stop> {
    let params = parse::<A>(params)?;
    let fingerprint = inputs.fingerprint();
    let state = A::partial(&params, inputs, &host.context())?;
    put(
        host,
        SLOT_STATE,
        &call::state::<A>(&state, fingerprint),
        "state",
    )
}

/// `merge`: one state of several.
pub(super) fn merge<A: Mergeable>(
    host: &Host<'_>,
    params: &[u8],
    states: &[&[u8]],
) -> Result<(), Stop> {
    let params = parse::<A>(params)?;
    put(
        host,
        SLOT_STATE,
        &call::merge::<A>(&params, states)?,
        "state",
    )
}

/// `finish`: what `fit` gives.
pub(super) fn finish<A: Mergeable>(
    host: &Host<'_>,
    params: &[u8],
    state: &[u8],
) -> Result<(), Stop> {
    let params = parse::<A>(params)?;
    let (state, fingerprint) = call::read_state::<A>(state)?;
    let fitted = A::finish(&params, state, &host.context())?;
    give::<A>(host, fitted, fingerprint)
}

fn give<A: Algorithm>(host: &Host<'_>, mut fitted: Fitted, fingerprint: u64) -> Result<(), Stop> {
    let models = call::models::<A>(&mut fitted, fingerprint)?;
    for (name, output) in fitted.tables {
        emit(host, &name, reader_of(&name, output)?)?;
    }
    for (name, bytes) in models {
        if !host.put_named(SLOT_MODEL, &name, &bytes) {
            return Err(refused(format!("the host refused the model {name:?}")).into());
        }
    }
    let metrics = serde_json::to_vec(&fitted.metrics)
        .map_err(|error| refused(format!("the metrics have no JSON form: {error}")))?;
    put(host, SLOT_METRICS, &metrics, "metrics")
}

/// `open`: the header is checked, the author reads the payload.
pub(super) fn open<A: Algorithm>(params: &[u8], bytes: &[u8]) -> Result<*mut c_void, Stop> {
    let model = model::model(A::ID, &formats::<A>()?, bytes)?;
    let params = parse::<A>(params)?;
    let scorer = Box::new(A::open(params, model)?);
    Ok(Box::into_raw(scorer).cast())
}

/// `score`: the result as a stream.
pub(super) fn score<A: Algorithm>(
    host: &Host<'_>,
    scorer: &A::Scorer,
    inputs: Inputs,
) -> Result<FFI_ArrowArrayStream, Stop> {
    let batch = A::score(scorer, inputs, &host.context())?;
    Ok(export(Guarded::new(of_batches(vec![batch])?)?))
}

fn emit(
    host: &Host<'_>,
    name: &str,
    reader: Box<dyn RecordBatchReader + Send>,
) -> Result<(), Stop> {
    let reader = Guarded::new(reader)?;
    let memory = reader.memory();
    let mut stream = export(reader);
    // SAFETY: a live stream that this frame owns until the host has taken it.
    let taken = unsafe { host.emit(name, as_abi(&mut stream)) };
    drop(stream);
    let broken = memory.lock().map(|mut m| m.take()).unwrap_or_default();
    match broken {
        Some(Broken::Panic(panicked)) => Err(Stop::Panic(panicked)),
        Some(Broken::Error(text)) => {
            Err(refused(format!("output {name:?} broke while it was read: {text}")).into())
        }
        None if taken => Ok(()),
        // A host takes no more of a call that it has cancelled.
        None if host.context().check_cancelled().is_err() => Err(Error::Cancelled.into()),
        None => Err(refused(format!("the host refused output {name:?}")).into()),
    }
}

fn reader_of(name: &str, output: Output) -> Result<Box<dyn RecordBatchReader + Send>> {
    match output {
        Output::Stream(reader) => Ok(reader),
        Output::Batches(batches) if batches.is_empty() => Err(no_batch(name)),
        Output::Batches(batches) => of_batches(batches),
    }
}

fn of_batches(batches: Vec<RecordBatch>) -> Result<Box<dyn RecordBatchReader + Send>> {
    let schema = batches
        .first()
        .map(RecordBatch::schema)
        .ok_or_else(|| refused("expected at least one batch".to_owned()))?;
    let batches = batches.into_iter().map(Ok);
    Ok(Box::new(RecordBatchIterator::new(batches, schema)))
}

fn put(host: &Host<'_>, slot: u32, bytes: &[u8], what: &str) -> Result<(), Stop> {
    if host.put(slot, bytes) {
        return Ok(());
    }
    Err(refused(format!("the host refused the {what}")).into())
}

fn refused(message: String) -> Error {
    Error::Refused { message }
}

fn code_of(error: &Error) -> u32 {
    match error {
        Error::Invalid { .. } => FAIL_INVALID,
        Error::Model { .. } => FAIL_MODEL,
        Error::Numeric { .. } => FAIL_NUMERIC,
        Error::Cancelled => FAIL_CANCELLED,
        Error::Arrow(_) | Error::Refused { .. } => FAIL_BUG,
    }
}
