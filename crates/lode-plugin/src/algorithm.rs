//! The one trait that an author implements, and what its functions take and give.

use std::collections::BTreeMap;
use std::fmt;

use arrow_array::RecordBatch;
use arrow_array::RecordBatchReader;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::Context;
use crate::Error;
use crate::Inputs;
use crate::Model;
use crate::Result;
use crate::Spec;

/// A mining algorithm.
///
/// The same inputs, parameters and seed give the same bytes, with any number of threads and
/// however the inputs are cut into batches. Panics are caught and fail the job.
pub trait Algorithm: 'static {
    /// `family.name`, such as `segment.rfm`; lower case, unique among all plugins of an engine.
    const ID: &'static str;

    /// Format of the model's bytes; grows when an older build could not read them. `None`:
    /// the algorithm makes no model, and `open` and `score` are never called.
    const MODEL_FORMAT: Option<u32>;

    /// Older formats that [`Self::open`] still takes; [`Model::format`] says which one it has.
    /// Models of any other format are refused before they reach it, with words that say so.
    const READS_FORMATS: &'static [u32] = &[];

    /// The parameters. Their JSON Schema is what users see and what is checked before a job
    /// starts: doc comments become descriptions, `#[serde(default)]` values become defaults,
    /// `#[schemars(range(..))]` becomes limits. Write `#[serde(deny_unknown_fields)]` on
    /// the struct, so that a misspelt name is refused and not ignored.
    type Params: DeserializeOwned + JsonSchema;

    /// A model that is ready to score; used by one call at a time. `()` when there is none.
    type Scorer: Send + Sync + 'static;

    /// What the algorithm says of itself.
    fn spec() -> Spec;

    /// Learns from the inputs.
    ///
    /// # Errors
    /// What the author finds wrong; it becomes the error of the job.
    fn fit(params: Self::Params, inputs: Inputs, cx: &Context<'_>) -> Result<Fitted>;

    /// Reads a model for scoring; the header (algorithm, format, checksum) is checked already.
    /// A model beside the main one has its [`Model::name`].
    ///
    /// # Errors
    /// [`Error::Model`] when the bytes cannot be used.
    fn open(params: Self::Params, model: Model<'_>) -> Result<Self::Scorer> {
        // The defaults are for algorithms without a model; they fail clearly in the others.
        let (_, _) = (params, model);
        Err(Error::model(format!("{} makes no model", Self::ID)))
    }

    /// Scores rows.
    ///
    /// # Errors
    /// What the author finds wrong; it becomes the error of the call.
    fn score(scorer: &Self::Scorer, inputs: Inputs, cx: &Context<'_>) -> Result<RecordBatch> {
        let (_, _, _) = (scorer, inputs, cx);
        Err(Error::model(format!("{} scores nothing", Self::ID)))
    }
}

/// An algorithm that can learn from parts of the rows and put together what it learned, so
/// that the rows may be on several machines, or come one day at a time.
///
/// `finish(merge(partial(a), partial(b)))` gives what `fit(a and b)` gives, within
/// [`Self::TOLERANCE`]; merging is associative and commutative, and the default state is its
/// identity. An algorithm that is written this way writes `fit` as
/// `Self::finish(&params, Self::partial(&params, inputs, cx)?, cx)`.
pub trait Mergeable: Algorithm {
    /// What some of the rows have taught; the default is that of no rows. Keep it small: it
    /// travels.
    type State: Default;

    /// Format of the state's bytes; states of other formats are refused.
    const STATE_FORMAT: u32 = 1;

    /// Largest relative difference of a number of an output or a metric between merged parts
    /// and one fit; 0.0 means the same bytes, and floats added in another order need more.
    const TOLERANCE: f64 = 0.0;

    /// Learns from some of the rows.
    ///
    /// # Errors
    /// What the author finds wrong; it becomes the error of the job.
    fn partial(params: &Self::Params, inputs: Inputs, cx: &Context<'_>) -> Result<Self::State>;

    /// Puts two states together.
    ///
    /// # Errors
    /// When they do not belong together, such as states of other columns.
    fn merge(params: &Self::Params, left: Self::State, right: Self::State) -> Result<Self::State>;

    /// Ends what `partial` began: outputs, model and metrics.
    ///
    /// # Errors
    /// What the author finds wrong; it becomes the error of the job.
    fn finish(params: &Self::Params, state: Self::State, cx: &Context<'_>) -> Result<Fitted>;

    /// The state's bytes; Lode puts a header with algorithm, format and checksum before them.
    fn encode(state: &Self::State) -> Vec<u8>;

    /// Reads what [`Self::encode`] wrote.
    ///
    /// # Errors
    /// [`Error::Model`] when the bytes cannot be used.
    fn decode(bytes: &[u8]) -> Result<Self::State>;
}

/// What a fit gives: tables, a model and models beside it, numbers about the run.
#[derive(Debug, Default)]
pub struct Fitted {
    pub(crate) tables: Vec<(String, Output)>,
    /// By name; the main one has none.
    pub(crate) models: Vec<(String, Vec<u8>)>,
    pub(crate) metrics: BTreeMap<String, f64>,
}

/// The rows of one output.
pub(crate) enum Output {
    Batches(Vec<RecordBatch>),
    Stream(Box<dyn RecordBatchReader + Send>),
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Batches(batches) => write!(f, "{} batches", batches.len()),
            Self::Stream(_) => f.write_str("a stream"),
        }
    }
}

impl Fitted {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives an output that the spec declares.
    #[must_use]
    pub fn table(self, name: impl Into<String>, batch: RecordBatch) -> Self {
        self.batches(name, vec![batch])
    }

    /// Gives an output in several batches of one schema; at least one.
    #[must_use]
    pub fn batches(mut self, name: impl Into<String>, batches: Vec<RecordBatch>) -> Self {
        self.tables.push((name.into(), Output::Batches(batches)));
        self
    }

    /// Gives an output that is made while it is written, after `fit` has returned.
    #[must_use]
    pub fn stream(
        mut self,
        name: impl Into<String>,
        reader: Box<dyn RecordBatchReader + Send>,
    ) -> Self {
        self.tables.push((name.into(), Output::Stream(reader)));
        self
    }

    /// Gives the model's bytes; Lode puts a header with algorithm, format, the fingerprint of
    /// the columns and a checksum before them.
    #[must_use]
    pub fn model(self, bytes: Vec<u8>) -> Self {
        self.model_named("", bytes)
    }

    /// Gives a model beside the main one, which the spec declares under this name.
    #[must_use]
    pub fn model_named(mut self, name: impl Into<String>, bytes: Vec<u8>) -> Self {
        self.models.push((name.into(), bytes));
        self
    }

    /// Gives a number about the run, such as `inertia`. One that is not finite is left out.
    #[must_use]
    pub fn metric(mut self, name: impl Into<String>, value: f64) -> Self {
        if value.is_finite() {
            self.metrics.insert(name.into(), value);
        }
        self
    }
}
