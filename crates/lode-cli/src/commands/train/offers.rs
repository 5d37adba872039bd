//! `lode train recommend`: searches all recommenders of the engine and says why one was chosen.
//!
//! Chooses nothing itself: the engine searches on events that it does not judge by, and judges
//! what won. Invariant: an argument of the other tasks is refused, not left aside.

use std::time::Duration;

use arrow_array::RecordBatch;
use lode_sdk::AlgorithmInfo;
use lode_sdk::Input;
use lode_sdk::Job;
use lode_sdk::JobHandle;
use lode_sdk::JobLimits;
use lode_sdk::JobSpec;
use lode_sdk::Tuning;
use lode_sdk::new_job_id;
use serde_json::Value as Json;

use super::Args;
use super::asked::Task;
use super::told::Columns;
use crate::commands::Context;
use crate::failure::Failed;
use crate::failure::Result;
use crate::failure::say;
use crate::output::List;
use crate::output::number;
use crate::output::of;
use crate::output::print;

/// The word for all recommenders.
pub(super) const WORD: &str = "recommend";
/// Time of a search that names neither a time nor trials.
const SEARCH_TIME: Duration = Duration::from_secs(60);
/// Trials that are printed.
const PRINTED: usize = 25;

/// Whether a recommender is asked for.
pub(super) fn is_meant(what: &str) -> bool {
    what == WORD || what.split_once('.').is_some_and(|(word, _)| word == WORD)
}

/// The task, its algorithm the one that the search begins with.
pub(super) fn task(args: &Args, known: &[AlgorithmInfo]) -> Result<(Task, Vec<String>)> {
    refuse(args)?;
    let given: Vec<&str> = inputs(args).into_iter().map(|(name, _)| name).collect();
    if args.what != WORD {
        return Ok((Task::named(&args.what), Vec::new()));
    }
    let takes = |algorithm: &&AlgorithmInfo, name: &str| {
        let mut inputs = algorithm.inputs.iter();
        inputs.any(|input| input.name == name)
    };
    let usable = |algorithm: &&AlgorithmInfo| {
        let mut needed = algorithm.inputs.iter().filter(|input| !input.optional);
        let is_one = algorithm.task == "recommendation" && algorithm.makes_model;
        is_one && needed.all(|input| given.contains(&input.name.as_str()))
    };
    let mut found: Vec<&AlgorithmInfo> = known.iter().filter(usable).collect();
    found.sort_by(|a, b| a.algorithm.cmp(&b.algorithm));
    // The one that the job is of must take all that is given; popularity, where it does.
    let all = |algorithm: &&&AlgorithmInfo| given.iter().all(|name| takes(algorithm, name));
    let own = found
        .iter()
        .filter(all)
        .min_by_key(|algorithm| algorithm.algorithm != "recommend.popular");
    let own = own.ok_or_else(|| {
        Failed::usage(format!(
            "expected an engine with a recommender of {}, found none",
            given.join(", ")
        ))
    })?;
    let own = own.algorithm.clone();
    let others = found.iter().map(|algorithm| algorithm.algorithm.clone());
    let others = others.filter(|id| *id != own).collect();
    let mut task = Task::named(&own);
    WORD.clone_into(&mut task.word);
    Ok((task, others))
}

/// Starts the job.
pub(super) async fn start(
    cx: &Context,
    args: &Args,
    task: &Task,
    others: Vec<String>,
) -> Result<JobHandle> {
    let mut spec = JobSpec::new(&task.algorithm);
    for (name, dataset) in inputs(args) {
        spec = spec.input(name, Input::dataset(dataset));
    }
    for (name, value) in &args.params {
        if spec.params.insert(name.clone(), value.clone()).is_some() {
            return Err(Failed::usage(format!("parameter {name} is given twice")));
        }
    }
    spec.as_of = args.as_of;
    spec.seed = args.seed;
    spec.evaluation = args.evaluation.evaluation();
    spec.evaluation.offers = args.offers.offers();
    let mut tuning = args.tuning.tuning();
    if args.what == WORD {
        let tuning = tuning.get_or_insert_with(|| Tuning::time(SEARCH_TIME));
        for other in others {
            if !tuning.algorithms.contains(&other) {
                tuning.algorithms.push(other);
            }
        }
    }
    spec.tuning = tuning;
    spec.limits = JobLimits {
        timeout: args.timeout.map(Duration::from_secs),
        ..JobLimits::default()
    };
    let handle = match &args.id {
        Some(id) => cx.lode.submit_as(id, spec).await?,
        // What wins is not known yet, so that its name cannot be the job's.
        None if args.what == WORD => cx.lode.submit_as(&new_job_id(WORD), spec).await?,
        None => cx.lode.submit(spec).await?,
    };
    Ok(handle)
}

/// Prints what was tried and why one was chosen; nothing where nothing was searched.
pub(super) async fn tell(cx: &Context, job: &Job, known: &[AlgorithmInfo]) -> Result<()> {
    if !job
        .outputs
        .iter()
        .any(|output| output.name == "leaderboard")
    {
        return Ok(());
    }
    let mut rows = cx
        .lode
        .output_rows(&job.job, "leaderboard", 0, None)
        .await?;
    let mut tried = Vec::new();
    while let Some(batch) = rows.next().await? {
        tried.extend((0..batch.num_rows()).map(|row| Tried::of(&batch, row)));
    }
    let measure = tried.first().map_or("", |tried| tried.measure.as_str());
    let mut list = List::new(&[
        "tried",
        "parameters beside the defaults",
        measure,
        "seconds",
        "",
    ]);
    for tried in tried.iter().take(PRINTED) {
        list.push(vec![
            tried.algorithm.as_str().into(),
            tried.changed(known).into(),
            tried.value.map_or_else(|| "".into(), Into::into),
            format!("{:.1}", tried.seconds).into(),
            match tried.state.as_str() {
                "judged" => "".into(),
                _ if tried.error.is_empty() => tried.state.as_str().into(),
                _ => tried.error.as_str().into(),
            },
        ]);
    }
    print(&list.to_table())?;
    if tried.len() > PRINTED {
        let more = of((tried.len() - PRINTED) as u64, "more trial");
        say(&format!("and {more}: lode output {} leaderboard", job.job));
    }
    say(&why(&tried, job));
    Ok(())
}

/// Why the first of the trials was chosen, and how it did on what the search did not see.
fn why(tried: &[Tried], job: &Job) -> String {
    let Some(best) = tried.first() else {
        return "nothing was tried".to_owned();
    };
    let shown = |tried: &Tried| tried.value.map_or_else(|| "none".to_owned(), number);
    let mut text = format!(
        "chosen: {}, {} {} in the search",
        best.algorithm,
        best.measure,
        shown(best)
    );
    let mut seen = vec![best.algorithm.as_str()];
    for other in tried.iter().filter(|tried| tried.state == "judged") {
        if !seen.contains(&other.algorithm.as_str()) {
            seen.push(&other.algorithm);
            text.push_str(&format!("; {} {}", other.algorithm, shown(other)));
        }
    }
    let metric = |name: &str| job.metrics.get(name).copied();
    let main = best.measure.as_str();
    if let (Some(own), Some(popular)) = (metric(main), metric(&format!("popularity_{main}"))) {
        text.push_str(&format!(
            "\njudged on what the search did not see: {main} {}, popularity {}",
            number(own),
            number(popular)
        ));
    }
    if let (Some(low), Some(high)) = (
        metric("over_popularity_ndcg_10_low"),
        metric("over_popularity_ndcg_10_high"),
    ) {
        let verdict = match (low > 0.0, high < 0.0) {
            (true, _) => "better than popularity by more than chance",
            (_, true) => "worse than popularity by more than chance",
            _ => "not apart from popularity by more than chance",
        };
        text.push_str(&format!(
            "; {verdict} (ndcg_10 {} to {} above it)",
            number(low),
            number(high)
        ));
    }
    text
}

/// A line of the leaderboard.
struct Tried {
    algorithm: String,
    params: Json,
    measure: String,
    value: Option<f64>,
    seconds: f64,
    state: String,
    error: String,
}

impl Tried {
    fn of(batch: &RecordBatch, row: usize) -> Self {
        let columns = Columns(batch);
        let text = |name: &str| columns.cell(name, row).plain();
        Self {
            algorithm: text("algorithm"),
            params: serde_json::from_str(&text("params")).unwrap_or(Json::Null),
            measure: text("measure"),
            value: text("value").parse().ok(),
            seconds: text("seconds").parse().unwrap_or(0.0),
            state: text("state"),
            error: text("error"),
        }
    }

    /// The parameters that are not the algorithm's defaults.
    fn changed(&self, known: &[AlgorithmInfo]) -> String {
        let mut algorithms = known.iter();
        let schema = algorithms.find(|known| known.algorithm == self.algorithm);
        let default = |name: &str| {
            let at = format!("/properties/{name}/default");
            schema.and_then(|known| known.params_schema.pointer(&at))
        };
        let params = self.params.as_object().into_iter().flatten();
        let changed = params.filter(|(name, value)| default(name).unwrap_or(&Json::Null) != *value);
        let changed: Vec<String> = changed
            .map(|(name, value)| match value {
                Json::String(text) => format!("{name}={text}"),
                value => format!("{name}={value}"),
            })
            .collect();
        changed.join(" ")
    }
}

/// The inputs by the arguments.
fn inputs(args: &Args) -> Vec<(&'static str, String)> {
    let mut inputs = vec![("events", args.events.clone())];
    inputs.extend(args.items.iter().map(|items| ("items", items.clone())));
    let customers = args.customers.iter();
    inputs.extend(customers.map(|customers| ("customers", customers.clone())));
    inputs
}

/// Refuses what only other tasks take.
fn refuse(args: &Args) -> Result<()> {
    let given = [
        ("--features", args.features.is_some()),
        ("--horizon", args.horizon.is_some()),
        ("--label", args.label.is_some()),
        ("--filter", !args.filter.is_empty()),
        ("--date", !args.at.is_empty()),
        ("--every", args.every.is_some()),
        ("--dates", args.dates.is_some()),
        ("--where", !args.rows.is_empty()),
        ("--everybody", args.everybody),
        ("--exclude-customers", !args.exclude_customers.is_empty()),
        ("--candidates", args.candidates.is_some()),
        ("--group-by", args.group_by.is_some()),
        ("--top", args.top.is_some()),
        ("--exclude-owned", args.exclude_owned),
        ("--negatives", args.negatives.is_some()),
        ("--new-within", args.new_within.is_some()),
    ];
    match given.iter().find(|(_, is_given)| *is_given) {
        Some((name, _)) => Err(Failed::usage(format!(
            "expected {name} with churn, response, demand or value, found it with {}",
            args.what
        ))),
        None => Ok(()),
    }
}
