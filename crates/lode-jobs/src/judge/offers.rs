//! Judges a recommender: what would it have offered, before people took what they took?
//!
//! `events` are the job's events as numbers; `plan` says which rows no fit sees, who is asked and
//! what is to be found; `ask` has a worker learn and another one answer, as if online; `rank` are
//! the orders that need no algorithm; `measures` are the numbers, `tables` what can be read.
//! It knows a recommender by `fit` and `score` alone. All items are ranked, none are sampled.
//! `docs/evaluation.md` has every definition.

mod events;
mod names;

mod plan;

mod ask;
mod rank;

mod measures;
mod tables;

mod trial;

use std::fs::File;

use arrow_array::Array;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_schema::DataType;
use lode_parts::Table;
use lode_types::Role;

use super::FEW;
use super::Judged;
use crate::Error;
use crate::EventKind;
use crate::Job;
use crate::JobSpec;
use crate::Result;
use crate::check::BoundInput;
use crate::check::Checked;
use crate::run::Bench;
use crate::run::Bounds;
use crate::run::EVALUATION_SHARE;

pub(super) use tables::COMPARED;
pub(crate) use trial::MEASURES;
pub(super) use trial::OfferGrounds;

use ask::Caller;
use events::Events;
use events::Given;
use events::Taste;
use measures::Answers;
use measures::Lists;
use plan::Asking;
use plan::Plan;
use plan::Way;
use rank::Popularity;

/// Length of a window, where nothing else is said.
const WINDOW: i64 = 7 * plan::DAY;
/// Customers asked.
const MOST_CUSTOMERS: usize = 20_000;
/// Places ranked.
const DEPTH: usize = 100;

/// Judges `job`; none, with a line in its log, when nothing was asked for and nothing can be.
pub(crate) fn judge(
    bench: &Bench<'_>,
    job: &Job,
    checked: &Checked,
    bounds: Bounds,
) -> Result<Option<Judged>> {
    let say = |level: &str, message: String| {
        (bench.report)(EventKind::Log {
            level: level.to_owned(),
            message,
        });
    };
    let asked_for = job.spec.evaluation.offers != crate::OfferEvaluation::default();
    let nothing = |why: String| {
        say("info", format!("not judged: {why}"));
        Ok(None)
    };
    let spec = &checked.algorithm.spec;
    if spec.model_format.is_none() {
        return nothing(format!("{} makes no model that could be asked", spec.id));
    }
    let Some(events_input) = events_input(checked) else {
        return nothing("no input says who took what".to_owned());
    };
    bench.progress("evaluate", 0.0);
    let events = read(bench, job, checked, bounds, events_input)?;
    let asking = asking(&job.spec);
    let scope = vec![true; events.n_rows()];
    let plan = match plan::plan(&events, &scope, &asking)? {
        Ok(plan) => plan,
        Err(found) if asked_for => return Err(found.into()),
        Err(found) => return nothing(found.why),
    };
    plan.notes.iter().for_each(|note| say("warn", note.clone()));
    say("info", told(&plan, &asking));

    let caller = Caller {
        bench,
        job,
        checked,
        bounds,
        events_input,
        repeats: asking.repeats,
        depth: depth(&job.spec),
    };
    let order = order(bench, checked, bounds, &events, &|line| say("warn", line))?;
    let answers = answers(&caller, &events, &plan, order.as_deref())?;
    if answers.n_owned > 0 {
        say(
            "warn",
            format!(
                "{} offered {} items that the customer has already: they were left out",
                spec.id, answers.n_owned
            ),
        );
    }
    let threads = usize::try_from(bounds.threads).unwrap_or(1);
    let measured = measures::measured(
        &plan,
        &answers,
        (caller.depth, job.spec.seed, threads),
        &|| bench.check_cancelled(),
    )?;
    let metrics = tables::headline(&plan, &measured);
    for message in suspicions(&metrics, &plan) {
        say("warn", message);
    }
    Ok(Some(Judged {
        reports: vec![
            tables::evaluation(&measured)?,
            tables::customers(&events, &plan, &answers, &measured)?,
        ],
        metrics,
        calibration: None,
        rows_sha256: tables::sha256(&events, &plan, asking.repeats),
    }))
}

/// The input that says who took what.
fn events_input(checked: &Checked) -> Option<usize> {
    let says = |bound: &BoundInput| {
        let has = |role: Role| bound.columns.iter().any(|column| column.role == Some(role));
        has(Role::CustomerId) && has(Role::Item)
    };
    checked.inputs.iter().position(says)
}

/// Reads the events, and the holdout where there is one.
fn read(
    bench: &Bench<'_>,
    job: &Job,
    checked: &Checked,
    bounds: Bounds,
    events_input: usize,
) -> Result<Events> {
    let bound = &checked.inputs[events_input];
    let opened = bench.open_input(bound, bounds)?;
    let holdout = checked.offers.holdout.as_ref();
    let holdout = holdout
        .map(|bound| given(bench.open_input(bound, bounds)?.files, bound))
        .transpose()?;
    let params: serde_json::Value = serde_json::from_str(&checked.params_json)?;
    let said = job.spec.evaluation.offers.liked_rating;
    let taste = Taste {
        kinds: kinds(&params),
        liked_rating: said.or_else(|| params.get("middle")?.as_f64()),
    };
    Events::read(
        opened.files,
        &bound.columns,
        &taste,
        holdout.as_ref(),
        &|| bench.check_cancelled(),
    )
}

/// The weights of kinds of events that the algorithm's parameters say.
fn kinds(params: &serde_json::Value) -> Vec<(String, f64)> {
    let weights = params.get("kind_weights");
    let weights = weights.and_then(serde_json::Value::as_object);
    weights
        .into_iter()
        .flatten()
        .filter_map(|(kind, weight)| Some((kind.clone(), weight.as_f64()?)))
        .collect()
}

/// How to judge, defaults filled in.
fn asking(spec: &JobSpec) -> Asking {
    let offers = &spec.evaluation.offers;
    let or = |value: u32, default: usize| match value {
        0 => default,
        value => value as usize,
    };
    let mut protocol = Way::of(offers.protocol);
    if protocol.is_none() && offers.holdout.is_some() {
        protocol = Some(Way::Given);
    }
    if protocol.is_none() && (offers.window_micros > 0 || spec.evaluation.test_dates > 0) {
        protocol = Some(Way::Windows);
    }
    Asking {
        protocol,
        window: match offers.window_micros {
            0 => WINDOW,
            micros => micros,
        },
        n_windows: spec.evaluation.test_dates as usize,
        repeats: offers.repeats,
        most: or(offers.max_customers, MOST_CUSTOMERS),
        seed: spec.seed,
    }
}

/// Places ranked.
fn depth(spec: &JobSpec) -> usize {
    match spec.evaluation.offers.depth {
        0 => DEPTH,
        depth => depth as usize,
    }
}

/// The plan in words.
fn told(plan: &Plan, asking: &Asking) -> String {
    let asked = || plan.splits.iter().flat_map(|split| &split.asked);
    let n_new = asked().filter(|asked| asked.owned.is_empty()).count();
    let what = match plan.way {
        Way::Windows => format!(
            "{} of {} from {} on, each behind a fit on what was before it",
            match plan.splits.len() {
                1 => "one window".to_owned(),
                n => format!("{n} windows"),
            },
            plan::length_words(asking.window),
            plan.splits.first().map_or("", |split| &split.name)
        ),
        Way::Last => format!(
            "the {} of each customer, kept from the fit",
            plan.splits.first().map_or("", |split| &split.name)
        ),
        Way::Strangers => {
            "an item of each of some customers whom the fit does not know, their others told"
                .to_owned()
        }
        Way::Given => "the holdout that is given".to_owned(),
        Way::Hidden => "items of known customers, hidden from the fit".to_owned(),
    };
    let repeats = match asking.repeats {
        true => ", what they have counts too",
        false => "",
    };
    format!(
        "judged by {what}: {} customers are asked, {n_new} of them new{repeats}",
        asked().count()
    )
}

/// All lists of all splits.
fn answers(
    caller: &Caller<'_>,
    events: &Events,
    plan: &Plan,
    order: Option<&[u32]>,
) -> Result<Answers> {
    let mut answers = Answers::new(order.is_some());
    let (depth, repeats) = (caller.depth, caller.repeats);
    let n_splits = plan.splits.len() as f64;
    for (at, split) in plan.splits.iter().enumerate() {
        let progress = |at: usize| EVALUATION_SHARE * at as f64 / n_splits;
        let stage = format!("evaluate {}", split.name);
        caller.bench.progress(&stage, progress(at));
        let stage = (stage.as_str(), progress(at)..progress(at + 1));
        answers.push(ask::learn_and_ask(caller, events, split, stage)?);
        let known = Popularity::of(events, split);
        let popular = rank::lists(&known.order, &split.asked, depth, repeats);
        answers.popularity.items.push(popular);
        if let (Some(Lists { items }), Some(order)) = (&mut answers.order, order) {
            items.push(rank::lists(order, &split.asked, depth, repeats));
        }
        answers.known.push(known);
    }
    Ok(answers)
}

/// The order that the user gives, of items that the events know.
fn order(
    bench: &Bench<'_>,
    checked: &Checked,
    bounds: Bounds,
    events: &Events,
    warn: &dyn Fn(String),
) -> Result<Option<Vec<u32>>> {
    let Some(bound) = &checked.offers.order else {
        return Ok(None);
    };
    let rows = all_rows(bench.open_input(bound, bounds)?.files, bound)?;
    let mut order = Vec::new();
    let mut seen = vec![false; events.items.len()];
    let mut n_unknown = 0_usize;
    for batch in &rows {
        let names = column(batch, bound, Role::Item)?;
        for name in names.iter().flatten() {
            match names::find(&events.items, name) {
                Some(item) if !seen[item as usize] => {
                    seen[item as usize] = true;
                    order.push(item);
                }
                Some(_) => {}
                None => n_unknown += 1,
            }
        }
    }
    if order.is_empty() {
        return Err(Error::invalid(
            "NOTHING_TO_JUDGE",
            "spec.evaluation.order",
            format!(
                "expected items of the events, found none among {n_unknown} that are none of them"
            ),
        ));
    }
    if n_unknown > 0 {
        warn(format!(
            "{n_unknown} rows of the order are of items that are in no event: they are left out"
        ));
    }
    Ok(Some(order))
}

/// The rows of a holdout.
fn given(files: Vec<File>, bound: &BoundInput) -> Result<Given> {
    let mut customers = Vec::new();
    let mut items = Vec::new();
    let mut labels = Vec::new();
    for batch in all_rows(files, bound)? {
        customers.push(column(&batch, bound, Role::CustomerId)?);
        items.push(column(&batch, bound, Role::Item)?);
        let of_label = events::with_role(&batch, &bound.columns, Role::Label);
        let of_label = of_label.ok_or_else(|| Error::bug("a holdout has no label"))?;
        let numbers = arrow_cast::cast(of_label, &DataType::Float64)?;
        for label in numbers.as_primitive::<Float64Type>() {
            let wrong = || {
                let found = label.map_or("none".to_owned(), |label| label.to_string());
                Error::invalid(
                    "LABEL_INVALID",
                    "spec.evaluation.holdout",
                    format!(
                        "expected label 1 (to be found) or 0 (known) in each row of the holdout, \
                         found {found}"
                    ),
                )
            };
            let label = label.ok_or_else(wrong)?;
            if label.to_bits() != 0.0_f64.to_bits() && label.to_bits() != 1.0_f64.to_bits() {
                return Err(wrong());
            }
            labels.push(label > 0.5);
        }
    }
    Ok((joined(&customers)?, joined(&items)?, labels))
}

fn joined(pieces: &[StringArray]) -> Result<StringArray> {
    let pieces: Vec<&dyn Array> = pieces.iter().map(|piece| piece as &dyn Array).collect();
    if pieces.is_empty() {
        return Ok(StringArray::from(Vec::<&str>::new()));
    }
    let all = arrow_select::concat::concat(&pieces)?;
    Ok(all.as_string::<i32>().clone())
}

fn all_rows(files: Vec<File>, bound: &BoundInput) -> Result<Vec<RecordBatch>> {
    let table = Table::open(files)?;
    let schema = table.schema();
    let mut projection = Vec::new();
    for column in bound.columns.iter().filter(|column| column.role.is_some()) {
        projection.push(schema.index_of(&column.name)?);
    }
    let batches = 0..table.n_batches();
    let batches = batches.map(|i| table.batch(i, Some(&projection)));
    Ok(batches.collect::<std::result::Result<_, _>>()?)
}

fn column(batch: &RecordBatch, bound: &BoundInput, role: Role) -> Result<StringArray> {
    let column = events::with_role(batch, &bound.columns, role);
    let column = column.ok_or_else(|| Error::bug(format!("an input has no column of {role}")))?;
    events::texts(column)
}

/// What whoever asked should know before believing the numbers.
fn suspicions(metrics: &std::collections::BTreeMap<String, f64>, plan: &Plan) -> Vec<String> {
    let of = |name: &str| metrics.get(name).copied();
    let mut said = Vec::new();
    let n_asked: usize = plan.splits.iter().map(|split| split.asked.len()).sum();
    if n_asked < FEW {
        said.push(format!(
            "only {n_asked} customers were asked: the measures are little more than a guess"
        ));
    }
    if of("new_share").is_some_and(|share| share >= 1.0) {
        said.push(
            "all customers that were asked are new: nothing is said of those with a history"
                .to_owned(),
        );
    }
    let main = tables::MAIN;
    let over = of(&format!("over_popularity_{main}"));
    let low = of(&format!("over_popularity_{main}_low"));
    let both = (of(main), of(&format!("popularity_{main}")));
    if let (Some(over), (Some(own), Some(popular))) = (over, both) {
        if over.is_nan() || over <= 0.0 {
            said.push(format!(
                "not better than popularity: {main} {own:.4}, that of the most popular items {popular:.4}"
            ));
        } else if low.is_none_or(|low| low.is_nan() || low <= 0.0) {
            said.push(format!(
                "not surely better than popularity: {main} {own:.4} against {popular:.4}, which may \
                 be chance"
            ));
        }
    }
    if let (Some(own), Some(over)) = (of(main), of(&format!("over_order_{main}")))
        && (over.is_nan() || over <= 0.0)
    {
        said.push(format!(
            "not better than the order that is given: {main} {own:.4} against {:.4}",
            own - over
        ));
    }
    said
}
