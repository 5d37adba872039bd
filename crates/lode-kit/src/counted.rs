//! Input streams that keep a ledger: every schema, array and stream that a plugin takes is
//! released exactly once, or the ledger says what was not.
//!
//! Unsafe is here because the structures are C's. What a release needs is never freed, so that
//! a second one is counted and not a crash.
#![expect(
    unsafe_code,
    reason = "producers of the Arrow C interfaces are written by hand"
)]

use std::ffi::CString;
use std::ffi::c_char;
use std::ffi::c_int;
use std::ffi::c_void;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;

use arrow_array::Array;
use arrow_array::RecordBatch;
use arrow_array::StructArray;
use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_data::ffi::FFI_ArrowArray;
use arrow_schema::SchemaRef;
use arrow_schema::ffi::FFI_ArrowSchema;
use lode_abi::ArrowArrayStream;

use crate::sealed;

/// What an input's stream does.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) schema: SchemaRef,
    pub(crate) batches: Vec<RecordBatch>,
    pub(crate) end: End,
}

/// How a stream ends.
#[derive(Clone, Debug)]
pub(crate) enum End {
    /// As it should.
    Well,
    /// With an error, after its batches; the flag says that it came to that.
    Broken(Arc<AtomicBool>),
    /// Well, but its first pull sets this flag.
    Cancels(Arc<AtomicBool>),
}

impl Source {
    pub(crate) fn of(batch: RecordBatch) -> Self {
        Self {
            schema: batch.schema(),
            batches: vec![batch],
            end: End::Well,
        }
    }
}

/// What was handed out in one call, and how often each was released.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    entries: Mutex<Vec<(String, Arc<AtomicU32>)>>,
}

impl Ledger {
    fn enter(&self, what: String) -> Arc<AtomicU32> {
        let count = Arc::new(AtomicU32::new(0));
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.push((what, Arc::clone(&count)));
        count
    }

    /// What was not released exactly once.
    pub(crate) fn problems(&self) -> Vec<String> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let wrong = entries
            .iter()
            .filter_map(|(what, count)| match count.load(Ordering::SeqCst) {
                1 => None,
                0 => Some(format!("{what} was never released")),
                n => Some(format!("{what} was released {n} times")),
            });
        wrong.take(5).collect()
    }
}

/// `struct ArrowArray` of the C data interface, whose fields `FFI_ArrowArray` keeps to itself.
#[repr(C)]
struct CArray {
    length: i64,
    null_count: i64,
    offset: i64,
    n_buffers: i64,
    n_children: i64,
    buffers: *mut *const c_void,
    children: *mut *mut CArray,
    dictionary: *mut CArray,
    release: Option<unsafe extern "C" fn(*mut CArray)>,
    private_data: *mut c_void,
}

/// `struct ArrowSchema`, likewise.
#[repr(C)]
struct CSchema {
    format: *const c_char,
    name: *const c_char,
    metadata: *const c_char,
    flags: i64,
    n_children: i64,
    children: *mut *mut CSchema,
    dictionary: *mut CSchema,
    release: Option<unsafe extern "C" fn(*mut CSchema)>,
    private_data: *mut c_void,
}

/// What stands behind a counted array or schema; leaked, so that it can be released again.
struct Behind<T> {
    inner: Mutex<Option<T>>,
    released: Arc<AtomicU32>,
}

impl<T> Behind<T> {
    fn leak(inner: T, released: Arc<AtomicU32>) -> *mut c_void {
        let inner = Mutex::new(Some(inner));
        std::ptr::from_mut(Box::leak(Box::new(Self { inner, released }))).cast()
    }

    /// # Safety
    /// `at` is what [`Self::leak`] gave for this type.
    unsafe fn release(at: *mut c_void) {
        // SAFETY: the caller's promise; it is never freed.
        let behind = unsafe { &*at.cast::<Self>() };
        behind.released.fetch_add(1, Ordering::SeqCst);
        let inner = behind.inner.lock();
        drop(inner.unwrap_or_else(PoisonError::into_inner).take());
    }
}

struct Producer {
    name: String,
    source: Source,
    next: usize,
    ledger: Arc<Ledger>,
    error: CString,
    released: Arc<AtomicU32>,
}

/// The stream of a source, for one call.
pub(crate) fn stream(name: &str, source: Source, ledger: &Arc<Ledger>) -> FFI_ArrowArrayStream {
    let producer = Producer {
        name: name.to_owned(),
        source,
        next: 0,
        ledger: Arc::clone(ledger),
        error: CString::new("the kit broke this stream on purpose").unwrap_or_default(),
        released: ledger.enter(format!("the stream of input {name:?}")),
    };
    let mut stream = ArrowArrayStream {
        get_schema: Some(get_schema),
        get_next: Some(get_next),
        get_last_error: Some(get_last_error),
        release: Some(release_stream),
        // Never freed: a second release must find it.
        private_data: std::ptr::from_mut(Box::leak(Box::new(producer))).cast(),
    };
    // SAFETY: the two declarations have one layout; the stream is live and moved out.
    unsafe { FFI_ArrowArrayStream::from_raw((&raw mut stream).cast()) }
}

/// # Safety
/// `stream` is one that [`stream`] made.
unsafe fn producer<'a>(stream: *mut ArrowArrayStream) -> &'a mut Producer {
    // SAFETY: the caller's promise.
    let data = unsafe { (*stream).private_data };
    // SAFETY: as above; a stream is used by one thread at a time.
    unsafe { &mut *data.cast::<Producer>() }
}

unsafe extern "C" fn get_schema(stream: *mut ArrowArrayStream, out: *mut c_void) -> c_int {
    // SAFETY: the consumer passes the stream that it was given.
    let producer = unsafe { producer(stream) };
    let Ok(mut inner) = FFI_ArrowSchema::try_from(producer.source.schema.as_ref()) else {
        return 22;
    };
    let released = producer
        .ledger
        .enter(format!("the schema of input {:?}", producer.name));
    let place = std::ptr::from_mut(&mut inner).cast::<CSchema>();
    // SAFETY: the layouts are one; what it points at lives with `inner`, which is kept behind.
    let mut copy = unsafe { place.read() };
    copy.release = Some(release_schema);
    copy.private_data = Behind::leak(inner, released);
    // SAFETY: the consumer passes a place for a schema.
    unsafe { out.cast::<CSchema>().write(copy) };
    0
}

unsafe extern "C" fn get_next(stream: *mut ArrowArrayStream, out: *mut c_void) -> c_int {
    // SAFETY: the consumer passes the stream that it was given.
    let producer = unsafe { producer(stream) };
    if let End::Cancels(flag) = &producer.source.end {
        flag.store(true, Ordering::SeqCst);
    }
    let Some(batch) = producer.source.batches.get(producer.next) else {
        if let End::Broken(flag) = &producer.source.end {
            flag.store(true, Ordering::SeqCst);
            // EIO.
            return 5;
        }
        // SAFETY: the end of a stream is an array that is released; all of it may be zero.
        let end: CArray = unsafe { std::mem::zeroed() };
        // SAFETY: the consumer passes a place for an array.
        unsafe { out.cast::<CArray>().write(end) };
        return 0;
    };
    producer.next += 1;
    let data = StructArray::from(batch.clone()).into_data();
    let data = sealed::array(&data).unwrap_or(data);
    let mut inner = FFI_ArrowArray::new(&data);
    let released = producer.ledger.enter(format!(
        "batch {} of input {:?}",
        producer.next, producer.name
    ));
    let place = std::ptr::from_mut(&mut inner).cast::<CArray>();
    // SAFETY: the layouts are one; what it points at lives with `inner`, which is kept behind.
    let mut copy = unsafe { place.read() };
    copy.release = Some(release_array);
    copy.private_data = Behind::leak((inner, data), released);
    // SAFETY: the consumer passes a place for an array.
    unsafe { out.cast::<CArray>().write(copy) };
    0
}

unsafe extern "C" fn get_last_error(stream: *mut ArrowArrayStream) -> *const c_char {
    // SAFETY: the consumer passes the stream that it was given.
    unsafe { producer(stream) }.error.as_ptr()
}

unsafe extern "C" fn release_stream(stream: *mut ArrowArrayStream) {
    // SAFETY: the consumer passes the stream that it was given.
    let producer = unsafe { producer(stream) };
    producer.released.fetch_add(1, Ordering::SeqCst);
    producer.source.batches.clear();
    // SAFETY: as above.
    unsafe { (*stream).release = None };
}

unsafe extern "C" fn release_array(array: *mut CArray) {
    // SAFETY: the consumer passes an array that it was given.
    let data = unsafe { (*array).private_data };
    // SAFETY: `get_next` put it there.
    unsafe { Behind::<(FFI_ArrowArray, arrow_data::ArrayData)>::release(data) };
    // SAFETY: as above.
    unsafe { (*array).release = None };
}

unsafe extern "C" fn release_schema(schema: *mut CSchema) {
    // SAFETY: the consumer passes a schema that it was given.
    let data = unsafe { (*schema).private_data };
    // SAFETY: `get_schema` put it there.
    unsafe { Behind::<FFI_ArrowSchema>::release(data) };
    // SAFETY: as above.
    unsafe { (*schema).release = None };
}
