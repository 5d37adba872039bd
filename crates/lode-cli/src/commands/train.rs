//! `lode train`: from a dataset of events to a judged model in one command.
//!
//! Makes the dataset's standard feature view where none is named, asks for a training set with
//! rolling dates, runs the task's algorithm, says what was learned from and how well, and points
//! an alias at the model when it answers the question that the alias stands for. What to offer
//! next is asked of events as they are, see `offers`. `lode run` does the same from a file, piece
//! by piece. Invariant: a command that is refused says its reason
//! alone, and leaves nothing behind.

mod asked;
mod named;
mod offers;
mod question;
mod told;

use std::process::ExitCode;

use lode_sdk::AlgorithmInfo;
use lode_sdk::Input;
use lode_sdk::JobHandle;
use lode_sdk::JobLimits;
use lode_sdk::JobSpec;
use lode_types::Timestamp;
use lode_types::Value;

use crate::commands::Context;
use crate::commands::job;
use crate::commands::run::evaluation;
use crate::commands::run::tuning::TuningArgs;
use crate::commands::run::wait;
use crate::failure::Failed;
use crate::failure::Result;
use crate::failure::say;
use crate::output::Format;
use crate::parse;

/// Arguments of `lode train`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What is to be told: churn (who leaves), response (who buys), demand (who buys what) or value
    /// (how much); recommend (what to offer next); or an algorithm, e.g. churn.logistic
    #[arg(value_name = "TASK|ALGORITHM")]
    what: String,
    /// The dataset of events, e.g. lines of sales
    #[arg(long, value_name = "DATASET")]
    events: String,
    /// A dataset of items, for recommend
    #[arg(long, value_name = "DATASET")]
    items: Option<String>,
    /// A dataset of customers, whose columns become features
    #[arg(long, value_name = "DATASET", conflicts_with = "features")]
    customers: Option<String>,
    /// The feature view [default: DATASET_standard, with --customers DATASET_CUSTOMERS_standard, made when it is not there]
    #[arg(long, value_name = "VIEW")]
    features: Option<String>,
    /// How far ahead is told, e.g. 90d, 4w or 12h; not for recommend
    #[arg(long, value_parser = parse::length, allow_hyphen_values = true, value_name = "LENGTH")]
    horizon: Option<String>,
    /// What is learned: no-event, event, sum, sum=COLUMN or column=COLUMN [default: by the task]
    #[arg(long, value_parser = asked::label, value_name = "LABEL")]
    label: Option<asked::LabelArg>,
    /// Which events count for the label, e.g. type=sale; all must hold
    #[arg(long, value_parser = lode_sdk::Condition::parse, value_name = "COLUMN=VALUE")]
    filter: Vec<lode_sdk::Condition>,
    /// The date of a training row; without any they are counted back from the end of the data
    #[arg(long = "date", value_parser = parse::time, value_name = "TIME", conflicts_with_all = ["every", "dates"])]
    at: Vec<Timestamp>,
    /// Between dates: 1mo to 12mo, or weeks, days, hours such as 2w [default: 1mo, or the horizon
    /// when it is under 14 days]
    #[arg(long, value_parser = parse::step, allow_hyphen_values = true, value_name = "LENGTH")]
    every: Option<String>,
    /// How many dates [default: what the data give, at most 12]
    #[arg(long, value_parser = parse::at_least_one::<u32>, value_name = "N")]
    dates: Option<u32>,
    /// Who takes part at a date, by a feature, e.g. "recency<=180"; all must hold [default for
    /// churn: an event within the horizon before the date]
    #[arg(long = "where", value_parser = lode_sdk::Condition::parse, value_name = "CONDITION")]
    rows: Vec<lode_sdk::Condition>,
    /// Everybody takes part, also who has been away for long
    #[arg(long, conflicts_with = "rows")]
    everybody: bool,
    /// A dataset whose customers take no part, e.g. staff
    #[arg(long = "exclude-customers", value_name = "DATASET")]
    exclude_customers: Vec<String>,
    /// What a customer might take: a column, or COLUMN=VALUE,VALUE [default for demand: the 20
    /// most frequent items]
    #[arg(long, value_parser = asked::candidates, value_name = "COLUMN[=VALUE,..]")]
    candidates: Option<lode_sdk::Candidates>,
    /// Tell who buys of which group instead of which item: a column of the events, such as the
    /// product group or brand; its 20 most frequent values unless --top says otherwise
    #[arg(long, value_name = "COLUMN", conflicts_with = "candidates")]
    group_by: Option<String>,
    /// How many of the most frequent candidates
    #[arg(long, value_parser = parse::at_least_one::<u32>, value_name = "N")]
    top: Option<u32>,
    /// Leave out candidates that the customer has had
    #[arg(long)]
    exclude_owned: bool,
    /// Rows without the event to keep for each with it at dates that do not judge; weights make up
    /// for the others, 0 keeps all [default: all, for demand 5]
    #[arg(long, value_parser = parse::at_least_zero, value_name = "N")]
    negatives: Option<f64>,
    /// Who is new at a date: first event so long before it [default: the horizon]
    #[arg(long, value_parser = parse::length, allow_hyphen_values = true, value_name = "LENGTH")]
    new_within: Option<String>,
    /// Learn as if it were this time; nothing later is seen
    #[arg(long, value_parser = parse::time, value_name = "TIME")]
    as_of: Option<Timestamp>,
    /// A parameter of the algorithm
    #[arg(short = 'p', long = "param", value_parser = parse::param, value_name = "NAME=VALUE")]
    params: Vec<(String, Value)>,
    #[command(flatten)]
    evaluation: evaluation::EvaluationArgs,
    #[command(flatten)]
    offers: evaluation::OfferArgs,
    #[command(flatten)]
    tuning: TuningArgs,
    /// The alias that is pointed at the model, where it does not point at one that answers another
    /// question (another label, horizon, population or items) [default: the task]
    #[arg(long, value_name = "NAME")]
    alias: Option<String>,
    /// Point the alias at the model also where it points at one that answers another question
    #[arg(long, conflicts_with = "no_alias")]
    move_alias: bool,
    /// Point no alias at the model
    #[arg(long, conflicts_with = "alias")]
    no_alias: bool,
    /// Seed of everything random
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Longest run, in seconds
    #[arg(long, value_name = "SECS")]
    timeout: Option<u64>,
    /// Id of the job [default: made of the algorithm and the time]
    #[arg(long, value_name = "JOB")]
    id: Option<String>,
}

impl Args {
    /// How far ahead is told; it was checked that it is there.
    fn horizon(&self) -> &str {
        self.horizon.as_deref().unwrap_or_default()
    }
}

pub(crate) async fn run(cx: &Context, args: Args) -> Result<ExitCode> {
    let algorithms = cx.lode.algorithms().await?;
    if offers::is_meant(&args.what) {
        return recommender(cx, &args, &algorithms).await;
    }
    if args.horizon.is_none() {
        return Err(Failed::usage(format!(
            "expected --horizon LENGTH, how far ahead {} is told, found none",
            args.what
        )));
    }
    if args.items.is_some() {
        return Err(Failed::usage(format!(
            "expected --items with recommend, found it with {}",
            args.what
        )));
    }
    let ids: Vec<&str> = algorithms
        .iter()
        .map(|known| known.algorithm.as_str())
        .collect();
    let task = asked::Task::find(&args.what, &ids)?;
    let named = named::Named::find(cx, &args, &task).await?;
    let features = asked::Features::find(cx, &args).await?;
    let started = start(cx, &args, &task, &features, &algorithms).await;
    let handle = match started {
        Ok(handle) => handle,
        Err(refused) => {
            features.undo(cx).await;
            return Err(refused);
        }
    };
    for line in told::resolved(&handle.job) {
        say(&line);
    }
    let Some(done) = wait(cx.format, handle).await? else {
        // What a shell gives for a command that an interrupt ended.
        return Ok(ExitCode::from(130));
    };
    if cx.format == Format::Table {
        told::dates(cx, &done).await?;
    }
    job::print_job(cx.format, &done)?;
    if let Some(named) = named {
        named.settle(cx, &done).await?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Trains a recommender.
async fn recommender(cx: &Context, args: &Args, algorithms: &[AlgorithmInfo]) -> Result<ExitCode> {
    let (task, others) = offers::task(args, algorithms)?;
    let named = named::Named::find(cx, args, &task).await?;
    let handle = offers::start(cx, args, &task, others).await?;
    let Some(done) = wait(cx.format, handle).await? else {
        return Ok(ExitCode::from(130));
    };
    if cx.format == Format::Table {
        offers::tell(cx, &done, algorithms).await?;
    }
    job::print_job(cx.format, &done)?;
    if let Some(named) = named {
        named.settle(cx, &done).await?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Starts the job, and says what was decided where the arguments left it open.
async fn start(
    cx: &Context,
    args: &Args,
    task: &asked::Task,
    features: &asked::Features,
    algorithms: &[AlgorithmInfo],
) -> Result<JobHandle> {
    let (set, mut notes) = asked::training_set(cx, args, task, features).await?;
    let follows = asked::params(args, task, features, algorithms, &mut notes);
    let mut spec = JobSpec::new(&task.algorithm).input("customers", Input::training_set(set));
    for (name, value) in &args.params {
        if spec.params.insert(name.clone(), value.clone()).is_some() {
            return Err(Failed::usage(format!("parameter {name} is given twice")));
        }
    }
    for (name, value) in follows {
        spec.params.entry(name).or_insert(value);
    }
    spec.as_of = args.as_of;
    spec.seed = args.seed;
    spec.evaluation = args.evaluation.evaluation();
    // The engine says that they are of recommenders.
    spec.evaluation.offers = args.offers.offers();
    spec.tuning = args.tuning.tuning();
    spec.limits = JobLimits {
        timeout: args.timeout.map(std::time::Duration::from_secs),
        ..JobLimits::default()
    };
    let handle = match &args.id {
        Some(id) => cx.lode.submit_as(id, spec).await?,
        None => cx.lode.submit(spec).await?,
    };
    for note in notes {
        say(&note);
    }
    Ok(handle)
}
