//! Drives the real C tables with a host written against the ABI alone.
#![expect(unreachable_pub, reason = "the macro is made for the root of a crate")]

use std::ffi::c_void;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use arrow_array::Float64Array;
use arrow_array::Int64Array;
use arrow_array::RecordBatch;
use arrow_array::RecordBatchIterator;
use arrow_array::RecordBatchReader;
use arrow_array::StringArray;
use arrow_array::cast::AsArray;
use arrow_array::ffi_stream::ArrowArrayStreamReader;
use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_array::types::Float64Type;
use arrow_array::types::Int64Type;
use arrow_schema::ArrowError;
use lode_abi as abi;
use lode_types::AlgorithmSpec;
use lode_types::Role;
use lode_types::Task;
use schemars::JsonSchema;
use serde::Deserialize;

use super::stream::as_abi;
use crate::Algorithm;
use crate::Context;
use crate::Error;
use crate::Fitted;
use crate::Input;
use crate::Inputs;
use crate::Model;
use crate::Output;
use crate::Result;
use crate::Spec;
use crate::model::Header;
use crate::model::Kind;
use crate::testing;

mod merging;

/// Adds numbers up and shifts by the sum; misbehaves on request.
struct Adder;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AdderParams {
    /// What to do.
    #[serde(default = "ok")]
    mode: String,
    /// Multiplies the sum.
    #[serde(default = "three")]
    #[schemars(range(min = 1, max = 10))]
    k: u32,
}

fn ok() -> String {
    "ok".to_owned()
}

fn three() -> u32 {
    3
}

struct Shift(f64);

static OPEN_SCORERS: AtomicUsize = AtomicUsize::new(0);

impl Drop for Shift {
    fn drop(&mut self) {
        OPEN_SCORERS.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Algorithm for Adder {
    const ID: &'static str = "probe.adder";
    const MODEL_FORMAT: Option<u32> = Some(7);
    type Params = AdderParams;
    type Scorer = Shift;

    fn spec() -> Spec {
        Spec::new(Task::Segmentation, "Adder", "Adds.")
            .version("2.1")
            .input(Input::new("events", "what happened").column(Role::Amount, "money"))
            .output(Output::new("sums", "the sum"))
    }

    fn fit(params: AdderParams, inputs: Inputs, cx: &Context<'_>) -> Result<Fitted> {
        cx.info("reading");
        let numbers = inputs.table("events")?.numbers(Role::Amount)?;
        cx.progress(0.5, "adding");
        cx.check_cancelled()?;
        let sum = numbers.iter().sum::<f64>() * f64::from(params.k);
        match params.mode.as_str() {
            "ok" => {}
            "panic" => panic!("the sum is {sum}"),
            "thread" => std::thread::scope(|scope| {
                scope.spawn(|| panic!("deep inside"));
            }),
            "resume" => std::panic::resume_unwind(Box::new("carried on")),
            "numeric" => return Err(Error::numeric("no sum")),
            "nul" => {
                let batch = testing::batch(&[("a\0b", None, Arc::new(Int64Array::from(vec![1])))]);
                return Ok(Fitted::new().table("sums", batch));
            }
            "stream" | "broken" | "liar" => {
                return Ok(Fitted::new().stream("sums", lazy(params.mode)));
            }
            other => return Err(Error::invalid("params.mode", format!("found {other:?}"))),
        }
        let out = testing::batch(&[
            ("sum", None, Arc::new(Float64Array::from(vec![sum]))),
            (
                "seed",
                None,
                Arc::new(Int64Array::from(vec![cx.seed() as i64])),
            ),
            (
                "threads",
                None,
                Arc::new(Int64Array::from(vec![cx.threads() as i64])),
            ),
        ]);
        Ok(Fitted::new()
            .table("sums", out)
            .model(sum.to_le_bytes().to_vec())
            .metric("sum", sum)
            .metric("nothing", f64::NAN))
    }

    fn open(_: AdderParams, model: Model<'_>) -> Result<Shift> {
        let bytes = model.bytes().try_into();
        let bytes = bytes.map_err(|_| Error::model("expected 8 bytes"))?;
        OPEN_SCORERS.fetch_add(1, Ordering::SeqCst);
        Ok(Shift(f64::from_le_bytes(bytes)))
    }

    fn score(scorer: &Shift, inputs: Inputs, _: &Context<'_>) -> Result<RecordBatch> {
        let numbers = inputs.table("events")?.numbers(Role::Amount)?;
        let scores: Vec<f64> = numbers.iter().map(|x| x + scorer.0).collect();
        Ok(testing::batch(&[(
            "score",
            None,
            Arc::new(Float64Array::from(scores)),
        )]))
    }
}

fn lazy(mode: String) -> Box<dyn RecordBatchReader + Send> {
    let good = testing::batch(&[("sum", None, Arc::new(Float64Array::from(vec![1.0])))]);
    let other = testing::batch(&[("sum", None, Arc::new(StringArray::from(vec!["1"])))]);
    let schema = good.schema();
    let batches = (0..3).map(move |i| match (i, mode.as_str()) {
        (1, "stream") => panic!("while streaming"),
        (1, "broken") => Err(ArrowError::ComputeError("bro\0ken".to_owned())),
        (1, "liar") => Ok(other.clone()),
        _ => Ok(good.clone()),
    });
    Box::new(RecordBatchIterator::new(batches, schema))
}

/// Has no model.
struct Mute;

impl Algorithm for Mute {
    const ID: &'static str = "probe.mute";
    const MODEL_FORMAT: Option<u32> = None;
    type Params = AdderParams;
    type Scorer = ();
    fn spec() -> Spec {
        Spec::new(Task::Segmentation, "Mute", "Says nothing.")
    }
    fn fit(_: AdderParams, _: Inputs, _: &Context<'_>) -> Result<Fitted> {
        Ok(Fitted::new().model(vec![1]))
    }
}

crate::export_plugin!(Adder, Mute);

/// An output by name: its batches, or why it broke.
type Emitted = (String, Result<Vec<RecordBatch>, String>);

/// What a host hears in one call.
#[derive(Default)]
struct Ear {
    log: Mutex<Vec<(u32, String)>>,
    progress: Mutex<Vec<(f64, String)>>,
    fails: Mutex<Vec<(u32, String, String)>>,
    puts: Mutex<Vec<(u32, Vec<u8>)>>,
    emits: Mutex<Vec<Emitted>>,
    cancelled: AtomicBool,
}

impl Ear {
    fn put(&self, slot: u32) -> Vec<u8> {
        let puts = self.puts.lock().unwrap();
        puts.iter()
            .find(|p| p.0 == slot)
            .expect("was put")
            .1
            .clone()
    }
}

fn ear<'a>(ctx: *mut c_void) -> &'a Ear {
    // SAFETY: the tests pass an `Ear` that outlives the call.
    unsafe { &*ctx.cast::<Ear>() }
}

fn bytes(bytes: abi::LodeBytes) -> Vec<u8> {
    // SAFETY: valid for the call, as the ABI says.
    unsafe { super::stream::slice(bytes) }.to_vec()
}

fn text(text: abi::LodeBytes) -> String {
    String::from_utf8(bytes(text)).unwrap()
}

unsafe extern "C" fn log(ctx: *mut c_void, level: u32, line: abi::LodeBytes) {
    ear(ctx).log.lock().unwrap().push((level, text(line)));
}
unsafe extern "C" fn progress(ctx: *mut c_void, fraction: f64, stage: abi::LodeBytes) {
    let mut told = ear(ctx).progress.lock().unwrap();
    told.push((fraction, text(stage)));
}
unsafe extern "C" fn cancelled(ctx: *mut c_void) -> i32 {
    i32::from(ear(ctx).cancelled.load(Ordering::Relaxed))
}
unsafe extern "C" fn fail(ctx: *mut c_void, code: u32, field: abi::LodeBytes, why: abi::LodeBytes) {
    let mut fails = ear(ctx).fails.lock().unwrap();
    fails.push((code, text(field), text(why)));
}
unsafe extern "C" fn put(ctx: *mut c_void, slot: u32, data: abi::LodeBytes) -> i32 {
    ear(ctx).puts.lock().unwrap().push((slot, bytes(data)));
    abi::OK
}
unsafe extern "C" fn emit(
    ctx: *mut c_void,
    name: abi::LodeBytes,
    stream: *mut abi::ArrowArrayStream,
) -> i32 {
    // SAFETY: a live stream of this layout, as the ABI says.
    let stream = unsafe { FFI_ArrowArrayStream::from_raw(stream.cast()) };
    let reader = ArrowArrayStreamReader::try_new(stream).unwrap();
    let batches: Result<Vec<_>, _> = reader.map(|b| b.map_err(|e| e.to_string())).collect();
    let code = if batches.is_ok() {
        abi::OK
    } else {
        abi::FAILED
    };
    ear(ctx).emits.lock().unwrap().push((text(name), batches));
    code
}

fn host(ear: &Ear, seed: u64, threads: u32) -> abi::LodeHost {
    abi::LodeHost {
        struct_size: size_of::<abi::LodeHost>() as u32,
        minor: abi::MINOR,
        ctx: std::ptr::from_ref(ear).cast_mut().cast(),
        log,
        progress,
        cancelled,
        fail,
        put,
        emit,
        seed,
        threads,
        pad: 0,
        get: None,
        put_named: None,
        memory_bytes: 0,
        time_millis: 0,
    }
}

fn algorithm(index: usize) -> &'static abi::LodeAlgorithm {
    // SAFETY: the exported table, as the ABI describes it.
    let plugin = unsafe { &*lode_plugin_v1(abi::MINOR) };
    assert!(index < plugin.count as usize);
    // SAFETY: within the count.
    let table = unsafe { plugin.algorithms.add(index) };
    // SAFETY: a valid entry of the table.
    let table = unsafe { *table };
    // SAFETY: tables live as long as the library.
    unsafe { &*table }
}

fn amounts(values: &[f64]) -> RecordBatch {
    let array = Arc::new(Float64Array::from(values.to_vec()));
    testing::batch(&[("paid", Some(Role::Amount), array)])
}

fn stream_of(batch: RecordBatch) -> FFI_ArrowArrayStream {
    let schema = batch.schema();
    FFI_ArrowArrayStream::new(Box::new(RecordBatchIterator::new([Ok(batch)], schema)))
}

fn fit_index(index: usize, ear: &Ear, params: &str, seed: u64, batch: RecordBatch) -> i32 {
    let mut stream = stream_of(batch);
    let mut inputs = [abi::LodeInput {
        name: abi::LodeBytes::new(b"events"),
        stream: as_abi(&mut stream),
    }];
    let fit = algorithm(index).fit.unwrap();
    let params = abi::LodeBytes::new(params.as_bytes());
    let host = host(ear, seed, 4);
    // SAFETY: as the ABI describes the call.
    let code = unsafe { fit(&raw const host, params, inputs.as_mut_ptr(), 1) };
    assert!(stream.release.is_none(), "the callee takes the stream");
    code
}

fn fit(ear: &Ear, params: &str) -> i32 {
    fit_index(0, ear, params, 5, amounts(&[1.0, 2.0]))
}

/// Fits with `params`, which has to fail. One at a time: a call owns its process, and with it
/// the panics of other threads.
fn failure(params: &str) -> (u32, String, String) {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock();
    let ear = Ear::default();
    assert_eq!(fit(&ear, params), abi::FAILED);
    let fails = ear.fails.into_inner().unwrap();
    assert_eq!(fails.len(), 1);
    fails.into_iter().next().unwrap()
}

fn open(ear: &Ear, model: &[u8]) -> Result<*mut c_void, i32> {
    let mut scorer = std::ptr::null_mut();
    let open = algorithm(0).open.unwrap();
    let host = host(ear, 1, 1);
    let (params, model) = (abi::LodeBytes::new(b"{}"), abi::LodeBytes::new(model));
    // SAFETY: as the ABI describes the call.
    match unsafe { open(&raw const host, params, model, &raw mut scorer) } {
        abi::OK => Ok(scorer),
        code => Err(code),
    }
}

#[test]
fn the_plugin_table_names_itself() {
    // SAFETY: the exported table.
    let plugin = unsafe { &*lode_plugin_v1(0) };
    assert_eq!(plugin.magic.to_ne_bytes(), *b"LODEPLUG");
    assert_eq!((plugin.major, plugin.count), (abi::MAJOR, 2));
    assert_eq!(plugin.struct_size as usize, size_of::<abi::LodePlugin>());
    assert_eq!(text(plugin.name), "lode-plugin");
    assert_eq!(text(plugin.version), env!("CARGO_PKG_VERSION"));
    assert_eq!(text(algorithm(0).id), "probe.adder");
    assert!(algorithm(1).open.is_none() && algorithm(1).score.is_none());
}

#[test]
fn describe_gives_the_spec_with_defaults_and_limits() {
    let ear = Ear::default();
    let host = host(&ear, 0, 1);
    // SAFETY: as the ABI describes the call.
    let code = unsafe { algorithm(0).describe.unwrap()(&raw const host) };
    assert_eq!(code, abi::OK);
    let spec: AlgorithmSpec = serde_json::from_slice(&ear.put(abi::SLOT_SPEC)).unwrap();
    assert_eq!(
        (spec.id.as_str(), spec.version.as_str()),
        ("probe.adder", "2.1")
    );
    assert_eq!(spec.model_format, Some(7));
    let schema: serde_json::Value = serde_json::from_str(&spec.params_schema).unwrap();
    assert_eq!(
        schema["$schema"],
        "https://json-schema.org/draft/2020-12/schema"
    );
    assert_eq!(schema["properties"]["k"]["default"], 3);
    assert_eq!(schema["properties"]["k"]["maximum"], 10);
    assert_eq!(schema["properties"]["mode"]["description"], "What to do.");
    assert_eq!(schema["additionalProperties"], false);
    assert!(testing::check_spec::<Adder>().is_empty());
}

#[test]
fn fit_then_open_then_score_round_trips() {
    let ear = Ear::default();
    let seed = u64::MAX - 3;
    let code = fit_index(0, &ear, r#"{"k": 2}"#, seed, amounts(&[1.0, 2.5]));
    assert_eq!(code, abi::OK);
    assert_eq!(
        *ear.log.lock().unwrap(),
        [(abi::LOG_INFO, "reading".to_owned())]
    );
    assert_eq!(*ear.progress.lock().unwrap(), [(0.5, "adding".to_owned())]);
    assert_eq!(ear.put(abi::SLOT_METRICS), br#"{"sum":7.0}"#);
    let emits = ear.emits.lock().unwrap();
    assert_eq!(emits[0].0, "sums");
    let out = &emits[0].1.as_ref().unwrap()[0];
    assert_eq!(out.column(0).as_primitive::<Float64Type>().values(), &[7.0]);
    assert_eq!(
        out.column(1).as_primitive::<Int64Type>().value(0) as u64,
        seed
    );
    assert_eq!(out.column(2).as_primitive::<Int64Type>().value(0), 4);

    let model = ear.put(abi::SLOT_MODEL);
    let scorer = open(&ear, &model).expect("the model is good");
    assert_eq!(OPEN_SCORERS.load(Ordering::SeqCst), 1);
    let mut stream = stream_of(amounts(&[10.0, 20.0]));
    let mut inputs = [abi::LodeInput {
        name: abi::LodeBytes::new(b"events"),
        stream: as_abi(&mut stream),
    }];
    let mut out = FFI_ArrowArrayStream::empty();
    let host = host(&ear, 0, 1);
    let score = algorithm(0).score.unwrap();
    // SAFETY: as the ABI describes the call.
    let code = unsafe {
        score(
            &raw const host,
            scorer,
            inputs.as_mut_ptr(),
            1,
            as_abi(&mut out),
        )
    };
    assert_eq!(code, abi::OK);
    // SAFETY: `open` gave it and it was not closed yet.
    unsafe { algorithm(0).close.unwrap()(scorer) };
    assert_eq!(OPEN_SCORERS.load(Ordering::SeqCst), 0);
    let batches: Vec<_> = ArrowArrayStreamReader::try_new(out).unwrap().collect();
    let scores = batches[0].as_ref().unwrap().column(0);
    assert_eq!(scores.as_primitive::<Float64Type>().values(), &[17.0, 27.0]);
}

#[test]
fn a_panic_says_where_and_what() {
    let (code, field, text) = failure(r#"{"mode": "panic"}"#);
    assert_eq!((code, field.as_str()), (abi::FAIL_PANIC, ""));
    assert!(text.starts_with("panicked at "), "{text}");
    assert!(text.contains("tests.rs:"), "{text}");
    assert!(text.ends_with(": the sum is 9"), "{text}");

    let (code, _, text) = failure(r#"{"mode": "resume"}"#);
    assert_eq!(code, abi::FAIL_PANIC);
    assert!(text.contains("carried on"), "{text}");
}

#[test]
fn a_panic_on_another_thread_is_told_too() {
    let (code, _, text) = failure(r#"{"mode": "thread"}"#);
    assert_eq!(code, abi::FAIL_PANIC);
    assert!(text.contains("a scoped thread panicked"), "{text}");
    assert!(text.contains("deep inside"), "{text}");
}

#[test]
fn a_stream_that_panics_errs_or_lies_fails_the_call() {
    let (code, _, text) = failure(r#"{"mode": "stream"}"#);
    assert_eq!(code, abi::FAIL_PANIC);
    assert!(text.ends_with(": while streaming"), "{text}");
    let (code, _, text) = failure(r#"{"mode": "broken"}"#);
    assert_eq!(code, abi::FAIL_BUG);
    assert!(
        text.contains("output \"sums\" broke while it was read"),
        "{text}"
    );
    let (code, _, text) = failure(r#"{"mode": "liar"}"#);
    assert_eq!(code, abi::FAIL_BUG);
    assert!(text.contains("other columns than its stream"), "{text}");
    let (code, _, text) = failure(r#"{"mode": "nul"}"#);
    assert_eq!(code, abi::FAIL_BUG);
    assert!(text.contains("zero byte"), "{text}");
}

#[test]
fn errors_keep_their_code_and_field() {
    let (code, field, text) = failure(r#"{"mode": "?"}"#);
    assert_eq!((code, field.as_str()), (abi::FAIL_INVALID, "params.mode"));
    assert_eq!(text, "found \"?\"");
    let (code, field, text) = failure(r#"{"kk": 1}"#);
    assert_eq!((code, field.as_str()), (abi::FAIL_INVALID, "params"));
    assert!(text.contains("unknown field `kk`"), "{text}");
    let (code, _, text) = failure(r#"{"mode": "numeric"}"#);
    assert_eq!((code, text.as_str()), (abi::FAIL_NUMERIC, "no sum"));
}

#[test]
fn a_missing_role_names_the_input() {
    let ear = Ear::default();
    let array = Arc::new(Float64Array::from(vec![1.0]));
    let batch = testing::batch(&[("paid", None, array)]);
    assert_eq!(fit_index(0, &ear, "{}", 1, batch), abi::FAILED);
    let fails = ear.fails.lock().unwrap();
    assert_eq!(fails[0].1, "inputs.events");
    assert_eq!(fails[0].2, "expected a column with role amount, found none");
}

#[test]
fn a_cancelled_call_says_so() {
    let ear = Ear::default();
    ear.cancelled.store(true, Ordering::Relaxed);
    assert_eq!(fit(&ear, "{}"), abi::FAILED);
    assert_eq!(ear.fails.lock().unwrap()[0].0, abi::FAIL_CANCELLED);
    assert!(ear.emits.lock().unwrap().is_empty());
}

#[test]
fn models_of_others_and_damaged_ones_are_refused() {
    let wrap = |id, payload: &[u8]| {
        let header = Header {
            id,
            name: "",
            format: 7,
            fingerprint: 0,
        };
        crate::model::wrap(Kind::Model, header, payload)
    };
    let mut model = wrap("probe.adder", &1.0_f64.to_le_bytes());
    let last = model.len() - 1;
    model[last] ^= 1;
    let ear = Ear::default();
    assert_eq!(open(&ear, &model), Err(abi::FAILED));
    let other = wrap("probe.other", b"12345678");
    assert_eq!(open(&ear, &other), Err(abi::FAILED));
    let fails = ear.fails.lock().unwrap();
    assert!(fails.iter().all(|f| f.0 == abi::FAIL_MODEL));
    assert!(
        fails[0].2.contains("the model is damaged"),
        "{}",
        fails[0].2
    );
    assert!(
        fails[1].2.contains("expected a model of probe.adder"),
        "{}",
        fails[1].2
    );
}

#[test]
fn a_model_without_a_format_is_a_bug() {
    let ear = Ear::default();
    assert_eq!(fit_index(1, &ear, "{}", 1, amounts(&[])), abi::FAILED);
    let fails = ear.fails.lock().unwrap();
    assert_eq!(fails[0].0, abi::FAIL_BUG);
    assert!(
        fails[0].2.contains("MODEL_FORMAT is None"),
        "{}",
        fails[0].2
    );
}

#[test]
fn a_host_of_a_shorter_layout_is_refused_quietly() {
    let ear = Ear::default();
    let mut short = host(&ear, 0, 1);
    short.struct_size = 16;
    let describe = algorithm(0).describe.unwrap();
    // SAFETY: the table is whole; it only claims to be short.
    assert_eq!(unsafe { describe(&raw const short) }, abi::FAILED);
    // SAFETY: null is allowed.
    assert_eq!(unsafe { describe(std::ptr::null()) }, abi::FAILED);
    assert!(ear.fails.lock().unwrap().is_empty());
}
