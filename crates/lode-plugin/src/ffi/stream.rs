//! Tables across the boundary as Arrow C streams, in both directions.
//!
//! The far side may pull long after the author's function returned, so each pull is guarded:
//! a panic, or a batch of another schema, is an error of the stream and is remembered.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use arrow_array::RecordBatch;
use arrow_array::RecordBatchReader;
use arrow_array::ffi_stream::ArrowArrayStreamReader;
use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_schema::ArrowError;
use arrow_schema::SchemaRef;
use arrow_schema::ffi::FFI_ArrowSchema;
use lode_abi::ArrowArrayStream;
use lode_abi::LodeBytes;
use lode_abi::LodeInput;

use super::panics::Panicked;
use super::panics::guard;
use crate::Error;
use crate::Inputs;
use crate::Result;

/// Why a stream broke while the host drained it.
#[derive(Clone, Debug)]
pub(super) enum Broken {
    /// The author's reader panicked.
    Panic(Panicked),
    /// The author's reader gave an error.
    Error(String),
}

/// What a [`Guarded`] reader remembers of its end.
pub(super) type Memory = Arc<Mutex<Option<Broken>>>;

/// A reader whose pulls cannot unwind and cannot lie about their schema.
pub(super) struct Guarded {
    schema: SchemaRef,
    inner: Option<Box<dyn RecordBatchReader + Send>>,
    memory: Memory,
}

impl Guarded {
    /// Guards `inner`.
    ///
    /// # Errors
    /// When the schema has no C form, such as a name with a zero byte.
    pub(super) fn new(inner: Box<dyn RecordBatchReader + Send>) -> Result<Self> {
        let schema = inner.schema();
        let zero = |text: &str| text.contains('\0');
        let metadata = schema.metadata().iter();
        if schema.fields().iter().any(|field| zero(field.name()))
            || metadata
                .clone()
                .any(|(key, value)| zero(key) || zero(value))
        {
            let message = "expected column names without a zero byte".to_owned();
            return Err(Error::Refused { message });
        }
        FFI_ArrowSchema::try_from(schema.as_ref())?;
        Ok(Self {
            schema,
            inner: Some(inner),
            memory: Memory::default(),
        })
    }

    /// Where it remembers why it broke.
    pub(super) fn memory(&self) -> Memory {
        Arc::clone(&self.memory)
    }

    fn broken(&mut self, why: Broken) -> ArrowError {
        let text = match &why {
            Broken::Panic(Panicked(text)) | Broken::Error(text) => text.replace('\0', " "),
        };
        *self.memory.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
        self.release();
        ArrowError::ComputeError(text)
    }

    /// Drops the author's reader where a panic does no harm.
    fn release(&mut self) {
        let inner = self.inner.take();
        if let Err(panicked) = guard(|| drop(inner)) {
            *self.memory.lock().unwrap_or_else(PoisonError::into_inner) =
                Some(Broken::Panic(panicked));
        }
    }
}

impl Iterator for Guarded {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let inner = self.inner.as_mut()?;
        match guard(|| inner.next()) {
            Ok(Some(Ok(batch))) => {
                if same_types(&batch, &self.schema) {
                    return Some(Ok(batch));
                }
                let message = "a batch has other columns than its stream".to_owned();
                Some(Err(self.broken(Broken::Error(message))))
            }
            Ok(Some(Err(error))) => {
                let message = error.to_string();
                Some(Err(self.broken(Broken::Error(message))))
            }
            Ok(None) => {
                self.release();
                None
            }
            Err(panicked) => Some(Err(self.broken(Broken::Panic(panicked)))),
        }
    }
}

impl RecordBatchReader for Guarded {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.release();
    }
}

/// Whether the buffers of `batch` are those that a reader of `schema` will look for.
fn same_types(batch: &RecordBatch, schema: &SchemaRef) -> bool {
    batch.num_columns() == schema.fields().len()
        && batch
            .columns()
            .iter()
            .zip(schema.fields())
            .all(|(array, field)| array.data_type() == field.data_type())
}

/// The C form of a reader; it frees the reader when it is dropped and was not taken.
pub(super) fn export(reader: Guarded) -> FFI_ArrowArrayStream {
    FFI_ArrowArrayStream::new(Box::new(reader))
}

/// The two declarations of an Arrow stream have one layout.
pub(super) fn as_abi(stream: &mut FFI_ArrowArrayStream) -> *mut ArrowArrayStream {
    std::ptr::from_mut(stream).cast()
}

/// Takes the input tables of a call; each stream is released, also when another is bad or
/// nobody reads it.
///
/// # Safety
/// `inputs` points at `n` inputs as the ABI describes them, or `n` is 0.
pub(super) unsafe fn import(inputs: *mut LodeInput, n: usize) -> Result<Inputs> {
    let mut taken = Vec::with_capacity(n);
    for index in 0..n {
        // SAFETY: the caller vouches for n inputs.
        let input = unsafe { inputs.add(index) };
        // SAFETY: as above; nothing else writes to it during the call.
        let input = unsafe { &*input };
        // SAFETY: the caller vouches for the name, which lives for the call.
        let name = unsafe { slice(input.name) };
        let name = String::from_utf8_lossy(name).into_owned();
        // SAFETY: a live stream of the same layout; it is moved out and marked released.
        let stream = unsafe { FFI_ArrowArrayStream::from_raw(input.stream.cast()) };
        taken.push((name, stream));
    }
    let mut tables = Inputs::new();
    for (name, stream) in taken {
        let reader = ArrowArrayStreamReader::try_new(stream).map_err(|error| {
            let field = format!("inputs.{name}");
            Error::invalid(field, format!("its columns could not be read: {error}"))
        })?;
        tables = tables.with_stream(name, Box::new(reader));
    }
    Ok(tables)
}

/// The bytes that a [`LodeBytes`] points at.
///
/// # Safety
/// They live as long as `'a`; null is taken as empty.
pub(super) unsafe fn slice<'a>(bytes: LodeBytes) -> &'a [u8] {
    if bytes.data.is_null() || bytes.len == 0 {
        return &[];
    }
    // SAFETY: not null, and the caller vouches for the length and the life.
    unsafe { std::slice::from_raw_parts(bytes.data, bytes.len) }
}
