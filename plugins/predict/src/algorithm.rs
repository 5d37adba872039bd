//! One implementation for every family and learner: reads the table, has the learner learn,
//! keeps plan and model, scores.
//!
//! Does not split off test rows: the engine evaluates on rows that a fit did not see.
//! Invariant: rows without a label are scored and teach nothing; a score reads its columns by
//! the plan of the fit.

use std::marker::PhantomData;

use lode_plugin::Algorithm;
use lode_plugin::Context;
use lode_plugin::Error;
use lode_plugin::Features;
use lode_plugin::Fitted;
use lode_plugin::Input;
use lode_plugin::Inputs;
use lode_plugin::Model;
use lode_plugin::Output;
use lode_plugin::Result;
use lode_plugin::Role;
use lode_plugin::Spec;
use lode_plugin::Table;
use lode_plugin::TagKind;
use lode_plugin::arrow_array::RecordBatch;
use lode_plugin::role_of;
use lode_plugin::serde_json;

use crate::families::Family;
use crate::frame;
use crate::frame::Frame;
use crate::frame::INPUT;
use crate::frame::Plan;
use crate::frame::Raw;
use crate::frame::Target;
use crate::learner::Learner;
use crate::learner::Training;
use crate::output;
use crate::output::Rated;
use crate::params::Both;
use crate::params::Common;
use crate::params::Part;

/// The algorithm that answers the question of `F` by learning as `L` does.
#[derive(Debug)]
pub struct Predict<F, L>(PhantomData<(F, L)>);

/// Longest id of an algorithm.
const MAX_ID: usize = 64;

impl<F: Family, L: Learner> Predict<F, L> {
    const JOINED: ([u8; MAX_ID], usize) = joined(F::NAME.as_bytes(), L::NAME.as_bytes());
}

/// `family.learner`, which no string function can join in a constant.
const fn joined(family: &[u8], learner: &[u8]) -> ([u8; MAX_ID], usize) {
    let mut id = [b'.'; MAX_ID];
    let mut at = 0;
    while at < family.len() {
        id[at] = family[at];
        at += 1;
    }
    at = 0;
    while at < learner.len() {
        id[family.len() + 1 + at] = learner[at];
        at += 1;
    }
    (id, family.len() + 1 + learner.len())
}

/// What is asked of [`Predict`].
type ParamsOf<F, L> =
    Both<<L as Learner>::Params, Both<<<F as Family>::Target as Target>::Params, Common>>;

/// A model that is ready to score.
#[derive(Debug)]
pub struct Ready<M> {
    pub(crate) plan: Plan,
    pub(crate) model: M,
}

impl<F: Family, L: Learner> Algorithm for Predict<F, L> {
    const ID: &'static str = match str::from_utf8(Self::JOINED.0.split_at(Self::JOINED.1).0) {
        Ok(id) => id,
        Err(_) => panic!("ids are ASCII"),
    };
    const MODEL_FORMAT: Option<u32> = Some(L::FORMAT);
    const READS_FORMATS: &'static [u32] = L::READS;
    type Params = ParamsOf<F, L>;
    type Scorer = Ready<L::Model>;

    fn spec() -> Spec {
        let mut input = Input::new(
            INPUT,
            "One row a customer; all columns without a role are used",
        )
        .column(Role::CustomerId, "Who")
        .typed_column(Role::Label, F::Target::TYPES, false, F::LABEL);
        if let Some(words) = L::DURATION {
            input = input.column(Role::Duration, words);
        }
        let input = input
            .optional_column(
                Role::Weight,
                "How much a row counts in learning; 1 without it",
            )
            .optional_column(Role::Item, "The product of the row; it is a feature too")
            .features(Features::All);
        let mut scores = Output::new("scores", F::SCORES);
        if F::ONE_ROW_A_CUSTOMER {
            scores = scores.write_back("score", TagKind::Score);
            if F::Target::HAS_CLASSES {
                scores = scores.write_back("label", TagKind::Label);
            }
            for (column, kind) in L::write_back() {
                scores = scores.write_back(*column, *kind);
            }
        }
        let title = format!("{} by {}", F::TITLE, L::TITLE);
        let spec = Spec::new(F::TASK, title, format!("{} {}", F::ABOUT, L::ABOUT))
            .version(L::VERSION)
            .memory(L::MEMORY.0, L::MEMORY.1)
            .input(input)
            .output(scores);
        let spec = if L::WARM_START {
            spec.warm_start()
        } else {
            spec
        };
        L::outputs().into_iter().fold(spec, Spec::output)
    }

    fn fit(params: Self::Params, inputs: Inputs, cx: &Context<'_>) -> Result<Fitted> {
        params.check()?;
        let base = match L::WARM_START {
            true => cx.base_model::<Self>(&inputs)?,
            false => None,
        };
        let base = base
            .map(|base| Self::open(params.clone(), base))
            .transpose()?;
        run::<F, L>(&params, inputs.table(INPUT)?, base, cx)
    }

    fn open(params: Self::Params, model: Model<'_>) -> Result<Self::Scorer> {
        params.check()?;
        let (plan, model) = if model.format() == L::FORMAT {
            read::<L>(&params.one, model.bytes())?
        } else {
            L::read_old(model.format(), model.bytes())?
        };
        Ok(Ready { plan, model })
    }

    fn score(scorer: &Self::Scorer, inputs: Inputs, cx: &Context<'_>) -> Result<RecordBatch> {
        let table = inputs.table(INPUT)?;
        let features = Raw::planned(table, &scorer.plan, cx)?;
        let (frame, words) = Frame::of(&scorer.plan, features, table.n_rows(), cx)?;
        let durations = match L::DURATION {
            Some(_) => frame::durations(table, false)?,
            None => None,
        };
        let rated = Rated {
            plan: &scorer.plan,
            model: &scorer.model,
            frame: &frame.with_durations(durations),
            words: &words,
            threads: cx.threads(),
        };
        output::answers(&rated, table.option("explain") == Some("true"))
    }
}

/// Learns from the rows with a label, scores all. A model to start from says how the columns are
/// read.
fn run<F: Family, L: Learner>(
    params: &ParamsOf<F, L>,
    table: &Table,
    base: Option<Ready<L::Model>>,
    cx: &Context<'_>,
) -> Result<Fitted> {
    cx.check_cancelled()?;
    cx.progress(0.0, "reading columns");
    let Both {
        one: own_params,
        other: Both {
            one: label_params,
            other: common,
        },
    } = params;
    let n_rows = table.n_rows();
    if n_rows == 0 {
        return Err(Error::invalid(
            format!("inputs.{INPUT}"),
            "expected at least one row, found none",
        ));
    }
    let labels = F::Target::read(table, label_params)?;
    let durations = match L::DURATION {
        Some(_) => frame::durations(table, true)?,
        None => None,
    };
    let is_watched = |row: usize| durations.as_ref().is_none_or(|all| !all[row].is_nan());
    let classes = labels.classes;
    let (learned, targets): (Vec<usize>, Vec<f64>) = labels
        .values
        .into_iter()
        .enumerate()
        .filter_map(|(row, label)| label.filter(|_| is_watched(row)).map(|label| (row, label)))
        .unzip();
    let label = label_path(table);
    if learned.is_empty() {
        let message = "expected at least one row with a label and a duration, found none";
        return Err(Error::invalid(label, message));
    }
    let weights = frame::weights(table, &learned)?;
    let (plan, features) = match &base {
        Some(base) => (base.plan.clone(), Raw::planned(table, &base.plan, cx)?),
        None => {
            let features = Raw::all(table, &common.exclude, cx)?;
            (Plan::learn(&features, &learned, common, cx)?, features)
        }
    };
    let (frame, words) = Frame::of(&plan, features, n_rows, cx)?;
    let frame = frame
        .with_durations(durations)
        .with_customers(frame::customer_numbers(table)?);
    let own = (learned.len() < n_rows).then(|| frame.taken(&learned));
    let training = Training {
        rows: own.as_ref().unwrap_or(&frame).rows(),
        plan: &plan,
        targets: &targets,
        classes: &classes,
        weights: weights.as_deref(),
        label,
    };
    cx.progress(0.3, "learning");
    let found = match &base {
        Some(base) => L::learn_from(own_params, &base.model, &training, cx)?,
        None => L::learn(own_params, &training, cx)?,
    };
    drop(own);
    cx.check_cancelled()?;
    cx.progress(0.9, "scoring");
    let customers = frame::customers(table)?;
    let items = frame::items(table)?;
    cx.check_cancelled()?;
    let mut fitted = Fitted::new()
        .model(bytes::<L>(&plan, &found.model)?)
        .metric("rows", learned.len() as f64)
        .metric("rows_without_label", (n_rows - learned.len()) as f64);
    if F::Target::IS_BINARY {
        let yes = targets.iter().filter(|label| **label > 0.5).count();
        fitted = fitted.metric("positives", yes as f64);
    }
    for (name, value) in found.metrics {
        fitted = fitted.metric(name, value);
    }
    for (name, table) in found.tables {
        fitted = fitted.table(name, table);
    }
    let scores = output::Scores {
        plan,
        model: found.model,
        frame,
        words,
        customers,
        items,
        max_reasons: common.max_reasons,
        threads: cx.threads(),
    };
    Ok(fitted.stream("scores", Box::new(scores.stream()?)))
}

/// The label in error fields.
fn label_path(table: &Table) -> String {
    let fields = table.schema().fields();
    let label = fields
        .iter()
        .find(|field| role_of(field) == Some(Role::Label));
    match label {
        Some(field) => format!("inputs.{INPUT}.{}", field.name()),
        None => format!("inputs.{INPUT}"),
    }
}

/// The length of the plan, the plan as JSON, and the learner's own bytes.
fn bytes<L: Learner>(plan: &Plan, model: &L::Model) -> Result<Vec<u8>> {
    let unable = |why: String| Error::numeric(format!("the model cannot be written: {why}"));
    let plan = serde_json::to_vec(plan).map_err(|error| unable(error.to_string()))?;
    let length = u32::try_from(plan.len()).map_err(|error| unable(error.to_string()))?;
    let own = L::write(model)?;
    Ok([length.to_le_bytes().as_slice(), &plan, &own].concat())
}

fn read<L: Learner>(params: &L::Params, bytes: &[u8]) -> Result<(Plan, L::Model)> {
    let short = || Error::model("expected a plan and a model, found fewer bytes");
    let (length, rest) = bytes.split_first_chunk::<4>().ok_or_else(short)?;
    let length = u32::from_le_bytes(*length) as usize;
    let (plan, own) = rest.split_at_checked(length).ok_or_else(short)?;
    let plan: Plan = serde_json::from_slice(plan)
        .map_err(|error| Error::model(format!("expected the plan of a model, found {error}")))?;
    let model = L::read(params, own, &plan)?;
    Ok((plan, model))
}
