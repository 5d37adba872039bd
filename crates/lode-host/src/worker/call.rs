//! What a plugin says and gives in one call, on its way to the engine and into its files.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
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
use lode_abi::FAIL_CANCELLED;
use lode_abi::FAIL_INVALID;
use lode_abi::FAIL_MODEL;
use lode_abi::FAIL_NUMERIC;
use lode_abi::FAIL_PANIC;
use lode_abi::LOG_WARN;
use lode_abi::SLOT_METRICS;
use lode_abi::SLOT_MODEL;
use lode_abi::SLOT_SPEC;
use lode_worker::Channel;

use super::tables::Own;
use super::tables::keep;
use crate::FailKind;
use crate::LogLevel;
use crate::foreign::Receiver;
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
    /// Where words go; none where nobody listens.
    channel: Option<&'a Channel>,
    cancelled: &'a AtomicBool,
    /// Failures of the worker itself; they count before the plugin's.
    pub(super) own: Own,
    pub(super) outputs: Mutex<Vec<Wanted>>,
    pub(super) declared: Vec<String>,
    pub(super) declared_models: Vec<String>,
    /// Models that are wanted, by name, each with its file; the main one has no name.
    pub(super) models: Vec<(String, File)>,
    /// The model to start from.
    pub(super) base_model: Option<Vec<u8>>,
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
    models: BTreeMap<String, u64>,
    progress: Option<(Instant, String)>,
}

impl<'a> Call<'a> {
    /// A call that may give nothing but words and a description.
    pub(super) fn new(channel: Option<&'a Channel>, cancelled: &'a AtomicBool) -> Self {
        Self {
            channel,
            cancelled,
            own: Own::default(),
            outputs: Mutex::default(),
            declared: Vec::new(),
            declared_models: Vec::new(),
            models: Vec::new(),
            base_model: None,
            given: Mutex::default(),
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

    /// The metrics, and the length of each model that was wanted and given.
    pub(super) fn results(&self) -> (BTreeMap<String, f64>, BTreeMap<String, u64>) {
        let mut given = self.given();
        let given = &mut *given;
        (
            std::mem::take(&mut given.metrics),
            std::mem::take(&mut given.models),
        )
    }

    fn given(&self) -> MutexGuard<'_, Given> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, reply: &Reply) {
        if let Some(channel) = self.channel {
            // When the engine is gone nobody listens, and this process is about to be ended.
            drop(channel.send(reply, &[], &[]));
        }
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

    fn take(&self, slot: u32, name: String, bytes: &[u8]) -> Result<(), Told> {
        match slot {
            SLOT_SPEC => self.given().spec = Some(bytes.to_vec()),
            SLOT_METRICS => {
                let metrics: BTreeMap<String, f64> = serde_json::from_slice(bytes)
                    .map_err(|error| Told::bug(format!("metrics are no JSON numbers: {error}")))?;
                self.given().metrics.extend(metrics);
            }
            SLOT_MODEL => self.take_model(name, bytes)?,
            other => return Err(Told::bug(format!("expected a known slot, found {other}"))),
        }
        Ok(())
    }

    fn take_model(&self, name: String, bytes: &[u8]) -> Result<(), Told> {
        if self.given().models.contains_key(&name) {
            return Err(Told::bug(match name.as_str() {
                "" => "fit gave two models".to_owned(),
                name => format!("fit gave two models named {name:?}"),
            }));
        }
        if !name.is_empty() && !self.declared_models.contains(&name) {
            return Err(Told::bug(format!(
                "expected a model that the description has ({}), found {name:?}",
                self.declared_models.join(", ")
            )));
        }
        let Some((_, file)) = self.models.iter().find(|(wanted, _)| *wanted == name) else {
            return Ok(());
        };
        file.write_all_at(bytes, 0).map_err(|error| Told {
            kind: FailKind::Output,
            field: String::new(),
            message: format!("could not write the model: {error}"),
        })?;
        self.given().models.insert(name, bytes.len() as u64);
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

impl Receiver for Call<'_> {
    fn log(&self, level: u32, text: String) {
        let level = match level {
            LOG_WARN => LogLevel::Warn,
            _ => LogLevel::Info,
        };
        self.tell(&Reply::Log { level, text });
    }

    fn progress(&self, fraction: f64, stage: String) {
        if self.is_news(fraction, &stage) {
            self.tell(&Reply::Progress { fraction, stage });
        }
    }

    fn cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }

    fn fail(&self, code: u32, field: String, message: String) {
        let kind = match code {
            FAIL_INVALID if field.starts_with("params") => FailKind::Params,
            FAIL_INVALID => FailKind::Input,
            FAIL_CANCELLED => FailKind::Cancelled,
            FAIL_MODEL => FailKind::Model,
            FAIL_NUMERIC => FailKind::Numeric,
            FAIL_PANIC => FailKind::Panic,
            _ => FailKind::Bug,
        };
        self.given().fail = Some(Told {
            kind,
            field,
            message,
        });
    }

    fn put(&self, slot: u32, name: String, bytes: &[u8]) -> bool {
        let taken = self.take(slot, name, bytes);
        taken.map_err(|told| keep(&self.own, told)).is_ok()
    }

    fn emit(&self, name: String, stream: Option<FFI_ArrowArrayStream>) -> bool {
        let taken = match stream {
            Some(stream) => self.write(&name, stream),
            None => Err(Told::bug(format!(
                "output {name:?}: expected a stream, found null"
            ))),
        };
        match taken {
            Ok(()) => true,
            // A stream that broke is the plugin's to explain.
            Err(told) if told.kind == FailKind::Cancelled => false,
            Err(told) => {
                keep(&self.own, told);
                false
            }
        }
    }

    fn get(&self, slot: u32, name: String) -> Option<&[u8]> {
        match slot {
            SLOT_MODEL if name.is_empty() => self.base_model.as_deref(),
            _ => None,
        }
    }

    fn broke(&self) {
        keep(
            &self.own,
            Told::bug("what the plugin gave could not be read"),
        );
    }
}
