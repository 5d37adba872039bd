//! The host's table for one call, and its callbacks: what a plugin says and gives.
//!
//! Unsafe is here because C calls us back. Invariant: nothing of the plugin is kept after
//! its callback returned, and no panic leaves a callback.
#![expect(unsafe_code, reason = "callbacks of the C ABI")]

use std::collections::BTreeMap;
use std::ffi::c_void;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use arrow_array::RecordBatchReader;
use arrow_array::ffi_stream::ArrowArrayStreamReader;
use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use lode_abi::ArrowArrayStream;
use lode_abi::FAIL_CANCELLED;
use lode_abi::FAIL_INVALID;
use lode_abi::FAIL_MODEL;
use lode_abi::FAIL_NUMERIC;
use lode_abi::FAIL_PANIC;
use lode_abi::FAILED;
use lode_abi::LOG_WARN;
use lode_abi::LodeBytes;
use lode_abi::LodeHost;
use lode_abi::MINOR;
use lode_abi::OK;
use lode_abi::SLOT_METRICS;
use lode_abi::SLOT_MODEL;
use lode_abi::SLOT_SPEC;
use lode_worker::Channel;

use super::library::slice;
use super::tables::Own;
use super::tables::keep;
use crate::FailKind;
use crate::LogLevel;
use crate::protocol::Reply;

/// Progress within one stage is told no more often than this.
const PROGRESS_PAUSE: Duration = Duration::from_millis(50);

/// Why a call fails.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) kind: FailKind,
    pub(super) field: String,
    pub(super) message: String,
}

impl Told {
    pub(super) fn bug(message: impl Into<String>) -> Self {
        Self {
            kind: FailKind::Bug,
            field: String::new(),
            message: message.into(),
        }
    }

    pub(super) fn into_reply(self) -> Reply {
        Reply::Failed {
            kind: self.kind,
            field: self.field,
            message: self.message,
        }
    }
}

/// What one call may give and has given.
pub(super) struct Call<'a> {
    channel: &'a Channel,
    cancelled: &'a AtomicBool,
    /// Failures of the worker itself; they count before the plugin's.
    pub(super) own: Own,
    pub(super) outputs: Mutex<Vec<Wanted>>,
    pub(super) declared: Vec<String>,
    pub(super) model: Option<File>,
    given: Mutex<Given>,
}

/// An output and the file it goes to.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) name: String,
    pub(super) file: File,
    pub(super) written: Option<lode_parts::Written>,
}

#[derive(Debug, Default)]
struct Given {
    fail: Option<Told>,
    hint: Option<String>,
    spec: Option<Vec<u8>>,
    metrics: BTreeMap<String, f64>,
    model_bytes: Option<u64>,
    progress: Option<(Instant, String)>,
}

impl<'a> Call<'a> {
    /// A call that may give nothing but words and a description.
    pub(super) fn new(channel: &'a Channel, cancelled: &'a AtomicBool) -> Self {
        Self {
            channel,
            cancelled,
            own: Own::default(),
            outputs: Mutex::default(),
            declared: Vec::new(),
            model: None,
            given: Mutex::default(),
        }
    }

    /// The table that the plugin gets. It points at this call: keep it in place meanwhile.
    pub(super) fn table(&self, seed: u64, threads: u32) -> LodeHost {
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
            seed,
            threads: threads.max(1),
            pad: 0,
        }
    }

    /// Why the call `what` failed: the worker's own reason, or the plugin's.
    pub(super) fn failure(&self, what: &str) -> Told {
        let own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(told) = own.clone() {
            return told;
        }
        let given = self.given();
        given.fail.clone().unwrap_or_else(|| {
            let hint = given.hint.as_deref().unwrap_or("it gave no reason");
            Told::bug(format!("{what} failed: {hint}"))
        })
    }

    /// The description, if one was put.
    pub(super) fn spec(&self) -> Option<Vec<u8>> {
        self.given().spec.take()
    }

    /// The metrics and the length of the model.
    pub(super) fn results(&self) -> (BTreeMap<String, f64>, Option<u64>) {
        let mut given = self.given();
        (std::mem::take(&mut given.metrics), given.model_bytes)
    }

    fn given(&self) -> MutexGuard<'_, Given> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, reply: &Reply) {
        // When the engine is gone nobody listens, and this process is about to be ended.
        drop(self.channel.send(reply, &[], &[]));
    }

    /// Whether progress is worth a message: a new stage, the end, or some time since the last.
    fn is_news(&self, fraction: f64, stage: &str) -> bool {
        // JSON has no NaN, and one would say nothing.
        if !fraction.is_finite() {
            return false;
        }
        let mut given = self.given();
        let old = given.progress.as_ref().is_some_and(|(at, last)| {
            last == stage && fraction < 1.0 && at.elapsed() < PROGRESS_PAUSE
        });
        if !old {
            given.progress = Some((Instant::now(), stage.to_owned()));
        }
        !old
    }

    fn take(&self, slot: u32, bytes: &[u8]) -> Result<(), Told> {
        match slot {
            SLOT_SPEC => self.given().spec = Some(bytes.to_vec()),
            SLOT_METRICS => {
                let metrics: BTreeMap<String, f64> = serde_json::from_slice(bytes)
                    .map_err(|error| Told::bug(format!("metrics are no JSON numbers: {error}")))?;
                self.given().metrics.extend(metrics);
            }
            SLOT_MODEL => {
                if self.given().model_bytes.is_some() {
                    return Err(Told::bug("fit gave two models"));
                }
                if let Some(file) = &self.model {
                    file.write_all_at(bytes, 0).map_err(|error| Told {
                        kind: FailKind::Output,
                        field: String::new(),
                        message: format!("could not write the model: {error}"),
                    })?;
                    self.given().model_bytes = Some(bytes.len() as u64);
                }
            }
            other => return Err(Told::bug(format!("expected a known slot, found {other}"))),
        }
        Ok(())
    }

    fn write(&self, name: &str, stream: FFI_ArrowArrayStream) -> Result<(), Told> {
        if !self.declared.iter().any(|declared| declared == name) {
            return Err(Told::bug(format!(
                "expected an output that the description has ({}), found {name:?}",
                self.declared.join(", ")
            )));
        }
        let mut outputs = self.outputs.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(wanted) = outputs.iter_mut().find(|wanted| wanted.name == name) else {
            return Ok(());
        };
        if wanted.written.is_some() {
            return Err(Told::bug(format!("output {name:?} was given twice")));
        }
        let reader = ArrowArrayStreamReader::try_new(stream)
            .map_err(|error| Told::bug(format!("output {name:?}: {error}")))?;
        let schema = reader.schema();
        let mut broken = None;
        let batches = reader.map(|batch| {
            if self.cancelled.load(Ordering::Acquire) {
                broken = Some("cancelled".to_owned());
            } else {
                match batch {
                    Ok(batch) => return Ok(batch),
                    Err(error) => broken = Some(error.to_string()),
                }
            }
            Err(lode_parts::Error::Encode(Box::new(
                arrow_schema::ArrowError::ComputeError("the output's stream broke".to_owned()),
            )))
        });
        let written = lode_parts::write_ipc(&wanted.file, &schema, batches);
        match (written, broken) {
            (Ok(written), _) => {
                wanted.written = Some(written);
                Ok(())
            }
            (Err(_), Some(why)) => {
                self.given().hint = Some(format!("output {name:?} broke: {why}"));
                Err(Told {
                    kind: FailKind::Cancelled,
                    field: String::new(),
                    message: why,
                })
            }
            (Err(error), None) => Err(Told {
                kind: FailKind::Output,
                field: String::new(),
                message: format!("output {name:?}: {}", lode_types::chain(&error)),
            }),
        }
    }
}

unsafe extern "C" fn log(ctx: *mut c_void, level: u32, text: LodeBytes) {
    with(ctx, |call| {
        let level = if level == LOG_WARN {
            LogLevel::Warn
        } else {
            LogLevel::Info
        };
        let text = words(text);
        call.tell(&Reply::Log { level, text });
    });
}

unsafe extern "C" fn progress(ctx: *mut c_void, fraction: f64, stage: LodeBytes) {
    with(ctx, |call| {
        let stage = words(stage);
        if call.is_news(fraction, &stage) {
            call.tell(&Reply::Progress { fraction, stage });
        }
    });
}

unsafe extern "C" fn cancelled(ctx: *mut c_void) -> i32 {
    let asked = with(ctx, |call| call.cancelled.load(Ordering::Acquire));
    i32::from(asked.unwrap_or(false))
}

unsafe extern "C" fn fail(ctx: *mut c_void, code: u32, field: LodeBytes, text: LodeBytes) {
    with(ctx, |call| {
        let field = words(field);
        let kind = match code {
            FAIL_INVALID if field.starts_with("params") => FailKind::Params,
            FAIL_INVALID => FailKind::Input,
            FAIL_CANCELLED => FailKind::Cancelled,
            FAIL_MODEL => FailKind::Model,
            FAIL_NUMERIC => FailKind::Numeric,
            FAIL_PANIC => FailKind::Panic,
            _ => FailKind::Bug,
        };
        let message = words(text);
        call.given().fail = Some(Told {
            kind,
            field,
            message,
        });
    });
}

unsafe extern "C" fn put(ctx: *mut c_void, slot: u32, bytes: LodeBytes) -> i32 {
    let taken = with(ctx, |call| {
        // SAFETY: the plugin's bytes live for the time of the callback.
        let bytes = unsafe { slice(bytes) };
        call.take(slot, bytes).map_err(|told| keep(&call.own, told))
    });
    if taken == Some(Ok(())) { OK } else { FAILED }
}

unsafe extern "C" fn emit(ctx: *mut c_void, name: LodeBytes, stream: *mut ArrowArrayStream) -> i32 {
    let taken = with(ctx, |call| {
        let name = words(name);
        if stream.is_null() {
            let told = Told::bug(format!("output {name:?}: expected a stream, found null"));
            keep(&call.own, told);
            return Err(());
        }
        // SAFETY: a live stream of the same layout; it is moved out and marked released.
        let stream = unsafe { FFI_ArrowArrayStream::from_raw(stream.cast()) };
        call.write(&name, stream).map_err(|told| {
            // A stream that broke is the plugin's to explain.
            if told.kind != FailKind::Cancelled {
                keep(&call.own, told);
            }
        })
    });
    if taken == Some(Ok(())) { OK } else { FAILED }
}

/// Runs a callback's body; a panic in it is ours and is kept as such.
fn with<T>(ctx: *mut c_void, body: impl FnOnce(&Call<'_>) -> T) -> Option<T> {
    if ctx.is_null() {
        return None;
    }
    // SAFETY: the plugin passes back the pointer that `table` gave, within the call.
    let call = unsafe { &*ctx.cast::<Call<'_>>() };
    match catch_unwind(AssertUnwindSafe(|| body(call))) {
        Ok(value) => Some(value),
        Err(_) => {
            let own = Arc::clone(&call.own);
            keep(&own, Told::bug("what the plugin gave could not be read"));
            None
        }
    }
}

fn words(text: LodeBytes) -> String {
    // SAFETY: the plugin's text lives for the time of the callback.
    let text = unsafe { slice(text) };
    String::from_utf8_lossy(text).into_owned()
}
