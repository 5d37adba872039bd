//! Runs an algorithm as the engine would, in the author's own unit tests, without an engine.
//!
//! Parameters go through JSON and models through their header as in the real path; panics
//! are not caught here, so that a test shows them. Not for use outside tests.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use arrow_array::ArrayRef;
use arrow_array::RecordBatch;
use arrow_schema::Field;
use arrow_schema::Schema;
use arrow_schema::SchemaRef;
use arrow_select::concat::concat_batches;
use lode_types::AlgorithmSpec;
use lode_types::Role;

use crate::Algorithm;
use crate::Context;
use crate::Fitted;
use crate::Inputs;
use crate::Level;
use crate::Mergeable;
use crate::Result;
use crate::Table;
use crate::algorithm::Output;
use crate::call;
use crate::call::formats;
use crate::call::no_batch;
use crate::call::parse;
use crate::context::Sink;
use crate::model;
use crate::role_field;

/// What a fit gave.
#[derive(Debug)]
pub struct Fit {
    /// The outputs by name, each as one batch.
    pub tables: BTreeMap<String, RecordBatch>,
    /// The model with its header, as [`score`] and the engine take it.
    pub model: Option<Vec<u8>>,
    /// The models beside it, by name, each with its header.
    pub models: BTreeMap<String, Vec<u8>>,
    /// The numbers about the run.
    pub metrics: BTreeMap<String, f64>,
    /// The log.
    pub log: Vec<(Level, String)>,
    /// The progress that was told.
    pub progress: Vec<(f64, String)>,
}

impl Fit {
    /// The output of that name.
    ///
    /// # Panics
    /// When the fit gave none.
    pub fn table(&self, name: &str) -> &RecordBatch {
        self.tables.get(name).unwrap_or_else(|| {
            let names: Vec<&String> = self.tables.keys().collect();
            panic!("expected an output named {name:?}, found {names:?}")
        })
    }
}

/// Fits `A` with parameters given as JSON text (`{}` for the defaults).
///
/// # Errors
/// What the fit says.
pub fn fit<A: Algorithm>(
    params_json: &str,
    inputs: Inputs,
    seed: u64,
    threads: usize,
) -> Result<Fit> {
    let recorder = Recorder::default();
    let cx = Context::new(seed, threads, &recorder);
    fit_with::<A>(params_json, inputs, &cx, &recorder)
}

/// Fits `A` from a model that [`fit`] gave.
///
/// # Errors
/// What the fit says.
pub fn fit_from<A: Algorithm>(
    params_json: &str,
    inputs: Inputs,
    base_model: &[u8],
    seed: u64,
    threads: usize,
) -> Result<Fit> {
    let recorder = Recorder::default();
    let cx = Context::new(seed, threads, &recorder).starting_from(Some(base_model));
    fit_with::<A>(params_json, inputs, &cx, &recorder)
}

/// The state of some of the rows, with its header.
///
/// # Errors
/// What the algorithm says.
pub fn partial<A: Mergeable>(
    params_json: &str,
    inputs: Inputs,
    seed: u64,
    threads: usize,
) -> Result<Vec<u8>> {
    let params = parse::<A>(params_json.as_bytes())?;
    let recorder = Recorder::default();
    let fingerprint = inputs.fingerprint();
    let state = A::partial(&params, inputs, &Context::new(seed, threads, &recorder))?;
    Ok(call::state::<A>(&state, fingerprint))
}

/// One state of several; of none, the state of no rows.
///
/// # Errors
/// What the algorithm says, or the check of a state's header.
pub fn merge<A: Mergeable>(params_json: &str, states: &[&[u8]]) -> Result<Vec<u8>> {
    let params = parse::<A>(params_json.as_bytes())?;
    call::merge::<A>(&params, states)
}

/// Ends what [`partial`] and [`merge`] began.
///
/// # Errors
/// What the algorithm says, or the check of the state's header.
pub fn finish<A: Mergeable>(
    params_json: &str,
    state: &[u8],
    seed: u64,
    threads: usize,
) -> Result<Fit> {
    let params = parse::<A>(params_json.as_bytes())?;
    let (state, fingerprint) = call::read_state::<A>(state)?;
    let recorder = Recorder::default();
    let fitted = A::finish(&params, state, &Context::new(seed, threads, &recorder))?;
    gather::<A>(fitted, fingerprint, &recorder)
}

/// Fits `A` in a call that is cancelled from the start.
///
/// # Errors
/// [`crate::Error::Cancelled`] from an algorithm that asks; what the fit says otherwise.
pub fn fit_cancelled<A: Algorithm>(params_json: &str, inputs: Inputs) -> Result<Fit> {
    let recorder = Recorder::default();
    recorder.cancelled.store(true, Ordering::Relaxed);
    let cx = Context::new(1, 1, &recorder);
    fit_with::<A>(params_json, inputs, &cx, &recorder)
}

/// Opens a model that [`fit`] gave and scores `inputs` with it.
///
/// # Errors
/// What the algorithm says, or the check of the model's header.
pub fn score<A: Algorithm>(
    params_json: &str,
    model: &[u8],
    inputs: Inputs,
    seed: u64,
    threads: usize,
) -> Result<RecordBatch> {
    let scorer = open::<A>(params_json, model)?;
    let recorder = Recorder::default();
    A::score(&scorer, inputs, &Context::new(seed, threads, &recorder))
}

/// Opens a model that [`fit`] gave.
///
/// # Errors
/// What the algorithm says, or the check of the model's header.
pub fn open<A: Algorithm>(params_json: &str, model: &[u8]) -> Result<A::Scorer> {
    let params = parse::<A>(params_json.as_bytes())?;
    A::open(params, model::model(A::ID, &formats::<A>()?, model)?)
}

/// A batch of these columns, with their roles.
///
/// # Panics
/// When the columns differ in length.
pub fn batch(columns: &[(&str, Option<Role>, ArrayRef)]) -> RecordBatch {
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, role, array)| match role {
            Some(role) => role_field(*name, array.data_type().clone(), true, *role),
            None => Field::new(*name, array.data_type().clone(), true),
        })
        .collect();
    let arrays = columns
        .iter()
        .map(|(_, _, array)| Arc::clone(array))
        .collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
        .expect("the fields are those of the arrays; all columns have the same length")
}

/// The same rows in batches of at most `n_rows`.
pub fn rebatch(batch: &RecordBatch, n_rows: usize) -> Table {
    let n_rows = n_rows.max(1);
    let cuts = (0..batch.num_rows()).step_by(n_rows);
    let batches = cuts
        .map(|start| batch.slice(start, n_rows.min(batch.num_rows() - start)))
        .collect();
    Table::new(batch.schema(), batches).expect("slices have the columns of the whole")
}

/// The same rows, with `lode.KEY = VALUE` in the metadata of the schema; see [`Table::option`].
pub fn with_option(batch: &RecordBatch, key: &str, value: &str) -> RecordBatch {
    let mut metadata: HashMap<String, String> = batch.schema_ref().metadata().clone();
    metadata.insert(format!("lode.{key}"), value.to_owned());
    let schema: SchemaRef = Arc::new(batch.schema_ref().as_ref().clone().with_metadata(metadata));
    batch
        .clone()
        .with_schema(schema)
        .expect("only the metadata differs")
}

/// What is wrong with the description of `A`, in words; nothing when all is well.
pub fn check_spec<A: Algorithm>() -> Vec<String> {
    let spec: AlgorithmSpec = crate::describe::<A>();
    let mut problems = Vec::new();
    if !spec.id.contains('.') {
        problems.push(format!("expected an id family.name, found {:?}", spec.id));
    }
    if spec.title.is_empty() || spec.description.is_empty() {
        problems.push("expected a title and a description".to_owned());
    }
    if spec.inputs.is_empty() {
        problems.push("expected at least one input".to_owned());
    }
    if spec.outputs.is_empty() && spec.model_format.is_none() {
        problems.push("expected an output or a model".to_owned());
    }
    let schema: serde_json::Value =
        serde_json::from_str(&spec.params_schema).expect("the generator writes JSON");
    if schema.get("type").and_then(|t| t.as_str()) != Some("object") {
        problems.push("expected the parameters to be an object".to_owned());
    }
    if schema.get("additionalProperties") != Some(&serde_json::Value::Bool(false)) {
        problems.push("expected #[serde(deny_unknown_fields)] on the parameters".to_owned());
    }
    problems
}

fn fit_with<A: Algorithm>(
    params_json: &str,
    inputs: Inputs,
    cx: &Context<'_>,
    recorder: &Recorder,
) -> Result<Fit> {
    let params = parse::<A>(params_json.as_bytes())?;
    let fingerprint = inputs.fingerprint();
    let fitted = A::fit(params, inputs, cx)?;
    gather::<A>(fitted, fingerprint, recorder)
}

fn gather<A: Algorithm>(mut fitted: Fitted, fingerprint: u64, recorder: &Recorder) -> Result<Fit> {
    let models = call::models::<A>(&mut fitted, fingerprint)?;
    let mut models: BTreeMap<String, Vec<u8>> = models.into_iter().collect();
    let mut tables = BTreeMap::new();
    for (name, output) in fitted.tables {
        let (schema, batches) = match output {
            Output::Batches(batches) => {
                let first = batches.first().ok_or_else(|| no_batch(&name))?;
                (first.schema(), batches)
            }
            Output::Stream(reader) => (reader.schema(), reader.collect::<Result<_, _>>()?),
        };
        tables.insert(name, concat_batches(&schema, &batches)?);
    }
    let told = |lines: &Mutex<Vec<_>>| lines.lock().expect("pushing does not panic").clone();
    Ok(Fit {
        tables,
        model: models.remove(""),
        models,
        metrics: fitted.metrics,
        log: told(&recorder.log),
        progress: recorder
            .progress
            .lock()
            .expect("pushing does not panic")
            .clone(),
    })
}

#[derive(Default)]
struct Recorder {
    log: Mutex<Vec<(Level, String)>>,
    progress: Mutex<Vec<(f64, String)>>,
    cancelled: AtomicBool,
}

impl Sink for Recorder {
    fn log(&self, level: Level, text: &str) {
        let mut log = self.log.lock().expect("pushing does not panic");
        log.push((level, text.to_owned()));
    }

    fn progress(&self, fraction: f64, stage: &str) {
        let mut progress = self.progress.lock().expect("pushing does not panic");
        progress.push((fraction, stage.to_owned()));
    }

    fn cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }
}
