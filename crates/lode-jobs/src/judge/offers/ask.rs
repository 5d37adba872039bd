//! Fits a recommender on some of its events and asks it what it would offer.
//!
//! Measures nothing. Invariant: a fit gets the rows of its split alone, and a question tells
//! nothing of what is to be found; a list holds each item once.

use std::fs::File;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::Array;
use arrow_array::ArrayRef;
use arrow_array::BooleanArray;
use arrow_array::Int64Array;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use arrow_array::builder::ListBuilder;
use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::types::Int64Type;
use arrow_schema::DataType;
use arrow_schema::Field;
use arrow_schema::Schema;
use lode_host::ScorerCall;
use lode_types::Class;
use lode_types::ROLE_KEY;
use lode_types::Role;

use super::events::Events;
use super::names::NONE;
use super::names::find;
use super::plan::Asked;
use super::plan::Split;
use crate::Error;
use crate::Job;
use crate::Result;
use crate::check::Checked;
use crate::input;
use crate::run::Bench;
use crate::run::Bounds;
use crate::run::Fit;

/// Questions of one call.
const CALL_ROWS: usize = 1000;

/// What one customer was offered, best first, less what they have.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct List {
    /// [`NONE`] for what is in no event.
    pub(super) items: Vec<u32>,
    /// Empty when the algorithm gives none.
    pub(super) probabilities: Vec<f64>,
    /// Places of items that the customer has, which the algorithm should have left out.
    pub(super) n_owned: usize,
}

/// What a call of the plugin needs beside the split.
#[derive(Clone, Copy)]
pub(super) struct Caller<'a> {
    pub(super) bench: &'a Bench<'a>,
    pub(super) job: &'a Job,
    pub(super) checked: &'a Checked,
    pub(super) bounds: Bounds,
    /// The number of the input that is the events.
    pub(super) events_input: usize,
    pub(super) repeats: bool,
    /// Places of a list.
    pub(super) depth: usize,
}

/// Fits on the rows of a split and asks all its questions.
pub(super) fn learn_and_ask(
    caller: &Caller<'_>,
    events: &Events,
    split: &Split,
    (stage, progress): (&str, Range<f64>),
) -> Result<Vec<List>> {
    let bench = caller.bench;
    let (checked, bounds) = (caller.checked, caller.bounds);
    let check = || bench.check_cancelled();
    let mut inputs = Vec::new();
    for (at, bound) in checked.inputs.iter().enumerate() {
        if at == caller.events_input {
            let file = bench.store.scratch_file()?;
            events.write(&split.train, &file, &check)?;
            inputs.push(input::table(&bound.name, vec![file], &bound.columns));
        } else if checked.takes(&bound.name) {
            inputs.push(bench.open_input(bound, bounds)?);
        }
    }
    let model = bench.store.scratch_file()?;
    let copy = clone(&model)?;
    bench.fit(
        caller.job,
        checked,
        bounds,
        Fit {
            inputs,
            outputs: Vec::new(),
            models: vec![(String::new(), copy)],
            base_model: None,
            stage,
            progress,
        },
    )?;
    let call = ScorerCall {
        algorithm: checked.algorithm.spec.id.clone(),
        params_json: checked.params_json.clone(),
        model,
        seed: caller.job.spec.seed,
        threads: bounds.threads,
        memory_bytes: bounds.memory_bytes,
    };
    let mut scorer = bench.host.open_scorer_with(&checked.algorithm, call)?;
    let mut lists = Vec::with_capacity(split.asked.len());
    for asked in split.asked.chunks(CALL_ROWS) {
        check()?;
        let rows = questions(events, asked, caller)?;
        let answer = scorer.score(vec![("requests".to_owned(), rows.into())], bounds.deadline)?;
        lists.extend(answers(&answer, events, asked, caller)?);
    }
    Ok(lists)
}

fn clone(file: &File) -> Result<File> {
    let copy = file.try_clone();
    copy.map_err(|error| Error::new(Class::Unavailable, "FILE_FAILED", error.to_string()))
}

/// The questions as a table, one row a customer.
fn questions(events: &Events, asked: &[Asked], caller: &Caller<'_>) -> Result<RecordBatch> {
    let lists = |of: fn(&Asked) -> &[u32]| -> ArrayRef {
        let mut list = ListBuilder::new(StringBuilder::new());
        for asked in asked {
            let names = of(asked).iter();
            list.append_value(names.map(|item| Some(&*events.items[*item as usize])));
        }
        Arc::new(list.finish())
    };
    let session = lists(|asked| &asked.session);
    let barred = lists(|asked| &asked.barred);
    let customers = asked
        .iter()
        .map(|asked| &*events.customers[asked.customer as usize]);
    let customers: ArrayRef = Arc::new(StringArray::from_iter_values(customers));
    let limit: ArrayRef = Arc::new(Int64Array::from(vec![caller.depth as i64; asked.len()]));
    let repeats: ArrayRef = Arc::new(BooleanArray::from(vec![caller.repeats; asked.len()]));
    let role = [(ROLE_KEY.to_owned(), Role::CustomerId.as_str().to_owned())];
    let fields = vec![
        Field::new("customer_id", DataType::Utf8, true).with_metadata(role.into()),
        Field::new("session_items", session.data_type().clone(), false),
        Field::new("exclude_items", barred.data_type().clone(), false),
        Field::new("limit", DataType::Int64, false),
        Field::new("allow_owned", DataType::Boolean, false),
    ];
    Ok(RecordBatch::try_new(
        Arc::new(Schema::new(fields)),
        vec![customers, session, barred, limit, repeats],
    )?)
}

/// The lists of an answer, checked.
fn answers(
    answer: &RecordBatch,
    events: &Events,
    asked: &[Asked],
    caller: &Caller<'_>,
) -> Result<Vec<List>> {
    let column = |name: &str, data_type: DataType| -> Result<Option<ArrayRef>> {
        let Some(column) = answer.column_by_name(name) else {
            return Ok(None);
        };
        if column.null_count() > 0 {
            return Err(failed(format!("expected no null in column {name:?}")));
        }
        Ok(Some(arrow_cast::cast(column, &data_type)?))
    };
    let needed = |name: &str, data_type: DataType| -> Result<ArrayRef> {
        let found = column(name, data_type)?;
        found.ok_or_else(|| failed(format!("expected a column {name:?}, found none")))
    };
    let requests = needed("request", DataType::Int64)?;
    let items = needed("item", DataType::Utf8)?;
    let scores = needed("score", DataType::Float64)?;
    let chances = column("probability", DataType::Float64)?;
    let requests = requests.as_primitive::<Int64Type>().values();
    let items = items.as_string::<i32>();
    let scores = scores.as_primitive::<Float64Type>().values();
    let chances = chances
        .as_ref()
        .map(|all| all.as_primitive::<Float64Type>());
    if let Some(score) = scores.iter().find(|score| !score.is_finite()) {
        return Err(failed(format!("expected finite scores, found {score}")));
    }
    let mut lists = vec![List::default(); asked.len()];
    let mut seen = std::collections::HashSet::new();
    let mut given = 0;
    let mut last = 0;
    for row in 0..answer.num_rows() {
        let request = usize::try_from(requests[row]).ok();
        let request = request.filter(|request| *request < asked.len() && *request >= last);
        let request = request.ok_or_else(|| {
            failed(format!(
                "expected rows by request, 0 to {}, found {} in row {row}",
                asked.len() - 1,
                requests[row]
            ))
        })?;
        if request != last || row == 0 {
            seen.clear();
            given = 0;
            last = request;
        }
        given += 1;
        let name = items.value(row);
        if given > caller.depth {
            return Err(failed(format!(
                "expected at most {} items for a customer, found more",
                caller.depth
            )));
        }
        // Who lists an item twice would find it twice.
        if !seen.insert(name) {
            return Err(failed(format!(
                "expected each item once in a list, found {name:?} again"
            )));
        }
        let item = find(&events.items, name).unwrap_or(NONE);
        let list = &mut lists[request];
        if !caller.repeats && asked[request].owned.binary_search(&item).is_ok() {
            list.n_owned += 1;
            continue;
        }
        list.items.push(item);
        if let Some(chances) = chances {
            let chance = chances.value(row);
            if !(0.0..=1.0).contains(&chance) {
                return Err(failed(format!(
                    "expected every probability to be from 0 to 1, found {chance}"
                )));
            }
            list.probabilities.push(chance);
        }
    }
    Ok(lists)
}

fn failed(message: impl Into<String>) -> Error {
    Error::new(Class::Bug, "PLUGIN_FAILED", message)
}
