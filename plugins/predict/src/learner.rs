//! What a way of learning is, whatever the question: the two traits behind every algorithm.
//!
//! Does not read tables or write scores: [`crate::Predict`] does, once for all learners.
//! Invariant: `base + contributions` in the order of the features is the margin, to the bit.

use std::fmt::Debug;

use lode_plugin::Context;
use lode_plugin::Error;
use lode_plugin::Output;
use lode_plugin::Result;
use lode_plugin::TagKind;
use lode_plugin::arrow_array::ArrayRef;
use lode_plugin::arrow_array::RecordBatch;
use lode_plugin::arrow_schema::Field;

use crate::frame::Plan;
use crate::frame::Rows;
use crate::params::Part;

/// A way of learning.
pub trait Learner: Debug + Send + Sync + 'static {
    /// Last part of the ids, such as `logistic`.
    const NAME: &'static str;
    /// Last words of the titles, such as "logistic regression".
    const TITLE: &'static str;
    /// Last sentences of the descriptions.
    const ABOUT: &'static str;
    /// Version of the algorithm; grows when its results change.
    const VERSION: &'static str = "1.0";
    /// Format of the bytes of [`Learner::write`].
    const FORMAT: u32 = 1;
    /// Older formats that [`Learner::read_old`] takes.
    const READS: &'static [u32] = &[];
    /// What the column of role `duration` says, for learners that need one.
    const DURATION: Option<&'static str> = None;
    /// Private memory of a fit: whatever the rows are, and for each row.
    const MEMORY: (u64, u64) = (128 << 20, 1 << 10);
    /// Whether it can go on from an earlier model of its own.
    const WARM_START: bool = false;
    /// Its parameters, beside those of all learners.
    type Params: Part;
    /// What it learns.
    type Model: Scorer;

    /// The tables it gives beside `scores`, in the order of [`Learned::tables`].
    fn outputs() -> Vec<Output> {
        Vec::new()
    }

    /// Columns of [`Rating::more`] that can be written back onto a customer beside the score.
    fn write_back() -> &'static [(&'static str, TagKind)] {
        &[]
    }

    /// Learns. Progress goes from 0 to 1 here and is scaled by the caller.
    ///
    /// # Errors
    /// `INPUT_INVALID` for rows that it cannot learn from, `PARAMS_INVALID`, or no result.
    fn learn(
        params: &Self::Params,
        rows: &Training<'_>,
        cx: &Context<'_>,
    ) -> Result<Learned<Self::Model>>;

    /// Learns on from a model whose plan `rows` are read by; asked for with
    /// [`Learner::WARM_START`] alone.
    ///
    /// # Errors
    /// As [`Learner::learn`].
    fn learn_from(
        params: &Self::Params,
        base: &Self::Model,
        rows: &Training<'_>,
        cx: &Context<'_>,
    ) -> Result<Learned<Self::Model>> {
        let _ = base;
        Self::learn(params, rows, cx)
    }

    /// The model's bytes; the plan is kept beside them.
    ///
    /// # Errors
    /// When it cannot be written.
    fn write(model: &Self::Model) -> Result<Vec<u8>>;

    /// Reads what [`Learner::write`] wrote, and checks it against the plan.
    ///
    /// # Errors
    /// [`Error::Model`] when the bytes cannot be used.
    fn read(params: &Self::Params, bytes: &[u8], plan: &Plan) -> Result<Self::Model>;

    /// Reads a whole model of a format in [`Learner::READS`].
    ///
    /// # Errors
    /// [`Error::Model`] when the bytes cannot be used.
    fn read_old(format: u32, bytes: &[u8]) -> Result<(Plan, Self::Model)> {
        let _ = bytes;
        Err(Error::model(format!("format {format} is not read")))
    }
}

/// The rows to learn from: all have a label.
#[derive(Debug)]
pub struct Training<'a> {
    /// The features, and the durations if the learner asks for them.
    pub rows: Rows<'a>,
    /// How the features are read.
    pub plan: &'a Plan,
    /// The label of each row: 1 for yes and 0 for no, the amount, or the number of the class.
    pub targets: &'a [f64],
    /// The names of the classes, where there are some.
    pub classes: &'a [String],
    /// The weight of each row, if the table has weights: finite, 0 or more, not all 0.
    pub weights: Option<&'a [f64]>,
    /// The label in error fields, such as `inputs.customers.left`.
    pub label: String,
}

impl Training<'_> {
    /// The weight of a row; 1 when the table has none.
    pub fn weight(&self, row: usize) -> f64 {
        self.weights.map_or(1.0, |weights| weights[row])
    }
}

/// What was learned.
#[derive(Debug)]
pub struct Learned<M> {
    /// The model.
    pub model: M,
    /// Tables for [`Learner::outputs`], by name.
    pub tables: Vec<(&'static str, RecordBatch)>,
    /// Numbers about the run.
    pub metrics: Vec<(&'static str, f64)>,
}

/// What a model says of some rows.
#[derive(Debug)]
pub struct Rating {
    /// One a row.
    pub scores: Vec<f64>,
    /// One a row: base and contributions of the row, added up.
    pub margins: Vec<f64>,
    /// One a row.
    pub bases: Vec<f64>,
    /// One number a row and feature, row after row, features in the order of the plan; none when
    /// they were not asked for.
    pub contributions: Option<Vec<f64>>,
    /// What this model alone says, the same columns for any rows; they come last.
    pub more: Vec<(Field, ArrayRef)>,
}

/// A model that scores rows. The rows are read by the plan of its training.
pub trait Scorer: Debug + Send + Sync + 'static {
    /// Rates rows; with `explain` contributions too. Margins have the same bits either way.
    ///
    /// # Errors
    /// When the rows do not fit the model.
    fn rate(&self, rows: &Rows<'_>, explain: bool, threads: usize) -> Result<Rating>;
}

/// A model of one sum: whatever the row is, its contributions come on top of one base.
pub trait Additive: Debug + Send + Sync + 'static {
    /// The margin of a row all of whose contributions are 0.
    fn base(&self) -> f64;

    /// One number a row and feature, row after row, features in the order of the plan.
    ///
    /// # Errors
    /// When the rows do not fit the model.
    fn contributions(&self, rows: &Rows<'_>, threads: usize) -> Result<Vec<f64>>;

    /// The margin of each row: the base plus its contributions in the order of the features.
    /// A learner that is faster without contributions overrides it, and gives the same bits.
    ///
    /// # Errors
    /// When the rows do not fit the model.
    fn margins(&self, rows: &Rows<'_>, threads: usize) -> Result<Vec<f64>> {
        let parts = self.contributions(rows, threads)?;
        Ok(margins_of(self.base(), &parts, rows))
    }

    /// The score of each row, of its margin.
    ///
    /// # Errors
    /// When the rows do not fit the model.
    fn scores(&self, rows: &Rows<'_>, margins: &[f64]) -> Result<Vec<f64>>;

    /// Columns of `scores` of this learner alone, the same for any rows; they come last.
    ///
    /// # Errors
    /// When the rows do not fit the model.
    fn columns(&self, rows: &Rows<'_>, threads: usize) -> Result<Vec<(Field, ArrayRef)>> {
        let (_, _) = (rows, threads);
        Ok(Vec::new())
    }
}

impl<M: Additive> Scorer for M {
    fn rate(&self, rows: &Rows<'_>, explain: bool, threads: usize) -> Result<Rating> {
        let contributions = match explain {
            true => Some(self.contributions(rows, threads)?),
            false => None,
        };
        let margins = match &contributions {
            Some(parts) => margins_of(self.base(), parts, rows),
            None => self.margins(rows, threads)?,
        };
        Ok(Rating {
            scores: self.scores(rows, &margins)?,
            bases: vec![self.base(); margins.len()],
            margins,
            contributions,
            more: self.columns(rows, threads)?,
        })
    }
}

/// The margins that belong to contributions.
pub fn margins_of(base: f64, parts: &[f64], rows: &Rows<'_>) -> Vec<f64> {
    let width = rows.n_features();
    let row = |row: usize| &parts[row * width..(row + 1) * width];
    let sum = |parts: &[f64]| parts.iter().fold(base, |margin, part| margin + part);
    (0..rows.len()).map(|at| sum(row(at))).collect()
}

/// What a numeric call found wrong, in the words of a learner's caller.
pub fn numeric(what: &str, error: lode_numeric::Error) -> Error {
    match error {
        lode_numeric::Error::Cancelled => Error::cancelled(),
        other => Error::numeric(format!("{what} found no answer: {other}")),
    }
}

/// Tells how far a learner is, as its part of the whole call, and asks whether to go on.
pub fn learning(cx: &Context<'_>, stage: &str) -> impl Fn(f64) -> bool {
    move |fraction| {
        cx.progress(0.3 + 0.6 * fraction, stage);
        cx.check_cancelled().is_ok()
    }
}
