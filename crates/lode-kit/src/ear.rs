//! What one call told and gave, kept in memory.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use arrow_array::Array;
use arrow_array::RecordBatch;
use arrow_array::RecordBatchReader;
use arrow_array::ffi_stream::ArrowArrayStreamReader;
use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_select::concat::concat_batches;
use lode_abi::FAIL_CANCELLED;
use lode_abi::SLOT_METRICS;
use lode_abi::SLOT_MODEL;
use lode_abi::SLOT_SPEC;
use lode_abi::SLOT_STATE;
use lode_host::foreign::Receiver;

/// Why a call says that it failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fail {
    pub(crate) code: u32,
    pub(crate) field: String,
    pub(crate) text: String,
}

/// What a call told and gave.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub(crate) fail: Option<Fail>,
    pub(crate) spec: Option<Vec<u8>>,
    pub(crate) state: Option<Vec<u8>>,
    /// By name; the main one has none.
    pub(crate) models: BTreeMap<String, Vec<u8>>,
    pub(crate) metrics: BTreeMap<String, f64>,
    /// Each as one batch.
    pub(crate) outputs: BTreeMap<String, RecordBatch>,
    /// Rules of the ABI that it broke, in words.
    pub(crate) broken: Vec<String>,
}

/// Listens to one call.
#[derive(Debug, Default)]
pub(crate) struct Ear {
    pub(crate) cancelled: Arc<AtomicBool>,
    pub(crate) base_model: Option<Vec<u8>>,
    heard: Mutex<Heard>,
}

impl Ear {
    pub(crate) fn new(cancelled: Arc<AtomicBool>, base_model: Option<Vec<u8>>) -> Self {
        Self {
            cancelled,
            base_model,
            heard: Mutex::default(),
        }
    }

    pub(crate) fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn into_heard(self) -> Heard {
        self.heard
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Receiver for Ear {
    fn log(&self, level: u32, text: String) {
        if !matches!(level, 1 | 2) {
            let mut heard = self.heard();
            heard.broken.push(format!(
                "log: expected level 1 or 2, found {level} ({text})"
            ));
        }
    }

    fn progress(&self, fraction: f64, stage: String) {
        if !(0.0..=1.0).contains(&fraction) {
            let mut heard = self.heard();
            heard.broken.push(format!(
                "progress: expected 0 to 1, found {fraction} in {stage:?}"
            ));
        }
    }

    fn cancelled(&self) -> bool {
        self.cancelled.load(Ordering::SeqCst)
    }

    fn fail(&self, code: u32, field: String, text: String) {
        self.heard().fail = Some(Fail { code, field, text });
    }

    fn put(&self, slot: u32, name: String, bytes: &[u8]) -> bool {
        let mut heard = self.heard();
        let twice = match slot {
            SLOT_SPEC => heard.spec.replace(bytes.to_vec()).is_some(),
            SLOT_STATE => heard.state.replace(bytes.to_vec()).is_some(),
            SLOT_MODEL => heard.models.insert(name, bytes.to_vec()).is_some(),
            SLOT_METRICS => {
                match serde_json::from_slice::<BTreeMap<String, f64>>(bytes) {
                    Ok(metrics) => heard.metrics.extend(metrics),
                    Err(error) => heard
                        .broken
                        .push(format!("metrics are no JSON numbers: {error}")),
                }
                false
            }
            other => {
                heard
                    .broken
                    .push(format!("put: expected a known slot, found {other}"));
                return false;
            }
        };
        if twice {
            heard
                .broken
                .push(format!("put: slot {slot} was given twice"));
        }
        !twice
    }

    fn emit(&self, name: String, stream: Option<FFI_ArrowArrayStream>) -> bool {
        let read = match stream {
            // As an engine does, which takes no more of a call that it has cancelled.
            Some(stream) => read_until(stream, &self.cancelled),
            None => Err("expected a stream, found null".to_owned()),
        };
        let mut heard = self.heard();
        match read {
            Ok(batch) => {
                if heard.outputs.insert(name.clone(), batch).is_some() {
                    let words = format!("output {name:?} was given twice");
                    heard.broken.push(words);
                }
                true
            }
            Err(_) if self.cancelled() => {
                // The refusal says all; the call need not explain itself.
                heard.fail.get_or_insert(Fail {
                    code: FAIL_CANCELLED,
                    field: String::new(),
                    text: "the call was cancelled".to_owned(),
                });
                false
            }
            Err(why) => {
                // A stream that broke is the plugin's to explain; one that lies is not.
                if why.starts_with("invalid") {
                    heard.broken.push(format!("output {name:?}: {why}"));
                }
                false
            }
        }
    }

    fn get(&self, slot: u32, name: String) -> Option<&[u8]> {
        (slot == SLOT_MODEL && name.is_empty())
            .then_some(self.base_model.as_deref())
            .flatten()
    }

    fn broke(&self) {
        self.heard
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .broken
            .push("what the plugin gave could not be read".to_owned());
    }
}

/// All rows of a stream as one batch, checked to be what Arrow says they are.
pub(crate) fn read(stream: FFI_ArrowArrayStream) -> Result<RecordBatch, String> {
    read_until(stream, &AtomicBool::new(false))
}

fn read_until(stream: FFI_ArrowArrayStream, cancelled: &AtomicBool) -> Result<RecordBatch, String> {
    let reader =
        ArrowArrayStreamReader::try_new(stream).map_err(|error| format!("invalid: {error}"))?;
    let schema = reader.schema();
    let mut batches = Vec::new();
    for batch in reader {
        if cancelled.load(Ordering::SeqCst) {
            return Err("the call was cancelled".to_owned());
        }
        batches.push(batch.map_err(|error| error.to_string())?);
    }
    for batch in &batches {
        for (column, field) in batch.columns().iter().zip(schema.fields()) {
            let valid = column.to_data().validate_full();
            valid.map_err(|error| format!("invalid column {:?}: {error}", field.name()))?;
            if !field.is_nullable() && column.null_count() > 0 {
                return Err(format!(
                    "invalid column {:?}: nulls in a column that says it has none",
                    field.name()
                ));
            }
        }
    }
    concat_batches(&schema, &batches).map_err(|error| format!("invalid: {error}"))
}
