//! Answers of a recommender: to requests, and to "what is like this?".
//!
//! Does not judge what is offered, only that the caller's word counts: limit, exclusions,
//! order, each request for itself.

use std::collections::BTreeSet;

use arrow_array::Array;
use arrow_array::Float64Array;
use arrow_array::Int64Array;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_cast::cast;
use arrow_schema::DataType;
use lode_sample::trial;
use lode_types::Task;

use super::Case;
use super::Check;
use super::Run;
use super::scores::number;
use super::scores::open;
use crate::compare;
use crate::counted::Source;
use crate::subject::decent_failure;
use crate::variants;
use crate::verdict::Checked;
use crate::verdict::Stop;
use crate::verdict::failed;
use crate::verdict::skipped;

pub(super) const OFFERS: Check = Check {
    name: "offers",
    about: "offers keep to limit and exclusions, best first; a request is answered for itself",
    run: Run::One(offers),
};

fn offers(case: &Case<'_>) -> Checked {
    let recommends = case.subject.spec.task == Task::Recommendation;
    if !recommends {
        return Err(skipped("it does not recommend"));
    }
    let (how, opened, (name, question)) = open(case)?;
    let answer = opened.scored(&how, &name, question.clone())?;
    let rows = Rows::of(&answer)?;
    let limits = question["limit"].as_primitive::<Int64Type>();
    let variety = number(&question, "diversity")?;
    for request in 0..question.num_rows() {
        let own = rows.of_request(request);
        let what = format!("request {request}");
        let excluded = question["exclude_items"].as_list::<i32>().value(request);
        let excluded: BTreeSet<&str> = excluded.as_string::<i32>().iter().flatten().collect();
        let items: BTreeSet<&str> = own.iter().map(|row| rows.items.value(*row)).collect();
        if let Some(item) = items.intersection(&excluded).next() {
            return Err(failed(format!(
                "{what}: {item:?} was excluded and is offered"
            )));
        }
        if items.len() != own.len() {
            return Err(failed(format!("{what}: an item is offered twice")));
        }
        let limit = usize::try_from(limits.value(request)).unwrap_or(0);
        if own.len() > limit {
            return Err(failed(format!(
                "{what}: expected at most {limit} offers, found {}",
                own.len()
            )));
        }
        if variety.is_null(request) && !rows.fall(&own) {
            return Err(failed(format!("{what}: expected the best offer first")));
        }
        (case.step)(&format!("answer {what} alone"));
        let alone = opened.scored(&how, &name, question.slice(request, 1))?;
        let alone = numbered(&alone, request)?;
        let among = variants::taken(&answer, &own)?;
        // Reasons are in an answer where any request of the call asks for them.
        if let Some(words) = compare::tables(&named(&among, ANSWER)?, &named(&alone, ANSWER)?, 0.0)
        {
            return Err(failed(format!("{what} alone: {words}")));
        }
    }
    Ok(format!("{} offers", answer.num_rows()))
}

/// The columns that every answer has.
const ANSWER: [&str; 3] = ["request", "item", "score"];

pub(super) const SIMILAR: Check = Check {
    name: "similar",
    about: "items like one are others, within limit and exclusions, nearest first",
    run: Run::One(similar),
};

fn similar(case: &Case<'_>) -> Checked {
    let subject = case.subject;
    if subject.spec.task != Task::Recommendation {
        return Err(skipped("it does not recommend"));
    }
    let (how, opened, _) = open(case)?;
    let question = trial::similar();
    let answer = match opened.score(&how, "similar", Source::of(question.clone())) {
        Ok((answer, _)) => answer,
        Err(fail) => {
            decent_failure(&fail, "asking for similar items")?;
            return Err(skipped("it knows no similar items"));
        }
    };
    let rows = Rows::of(&answer)?;
    let asked = question["item"].as_string::<i32>();
    let limits = question["limit"].as_primitive::<Int64Type>();
    for request in 0..question.num_rows() {
        let own = rows.of_request(request);
        let what = format!("item {:?}", asked.value(request));
        let excluded = question["exclude_items"].as_list::<i32>().value(request);
        let excluded = excluded.as_string::<i32>();
        let wrong = own.iter().map(|row| rows.items.value(*row)).find(|item| {
            *item == asked.value(request) || excluded.iter().flatten().any(|other| other == *item)
        });
        if let Some(item) = wrong {
            return Err(failed(format!(
                "{what}: {item:?} is itself or was excluded"
            )));
        }
        let limit = usize::try_from(limits.value(request)).unwrap_or(0);
        if own.len() > limit || !rows.fall(&own) {
            return Err(failed(format!(
                "{what}: expected at most {limit} items, nearest first"
            )));
        }
    }
    Ok(format!("{} items", answer.num_rows()))
}

/// The columns of an answer.
struct Rows {
    requests: Int64Array,
    items: StringArray,
    scores: Float64Array,
}

impl Rows {
    fn of(answer: &RecordBatch) -> Result<Self, Stop> {
        let column = |name: &str, wanted: &DataType| {
            let column = answer.column_by_name(name).ok_or_else(|| {
                failed(format!(
                    "expected a column {name:?} in the answer, found none"
                ))
            })?;
            let column = cast(column, wanted)
                .map_err(|error| failed(format!("column {name:?}: {error}")))?;
            match column.null_count() {
                0 => Ok(column),
                _ => Err(failed(format!(
                    "column {name:?}: expected no null, found some"
                ))),
            }
        };
        let rows = Self {
            requests: column("request", &DataType::Int64)?.as_primitive().clone(),
            items: column("item", &DataType::Utf8)?.as_string().clone(),
            scores: column("score", &DataType::Float64)?.as_primitive().clone(),
        };
        if !rows.requests.values().is_sorted() {
            return Err(failed("expected the answers in the order of the requests"));
        }
        Ok(rows)
    }

    fn of_request(&self, request: usize) -> Vec<usize> {
        let wanted = |row: &usize| self.requests.value(*row) == request as i64;
        (0..self.requests.len()).filter(wanted).collect()
    }

    /// Whether scores fall along these rows.
    fn fall(&self, rows: &[usize]) -> bool {
        let falls = |two: &[usize]| self.scores.value(two[0]) >= self.scores.value(two[1]);
        rows.windows(2).all(falls)
    }
}

/// The answer to one request, as if it had been this one.
fn numbered(answer: &RecordBatch, request: usize) -> Result<RecordBatch, Stop> {
    let index = answer
        .schema()
        .index_of("request")
        .map_err(|error| failed(error.to_string()))?;
    let mut columns = answer.columns().to_vec();
    let numbers = Int64Array::from(vec![request as i64; answer.num_rows()]);
    columns[index] =
        cast(&numbers, columns[index].data_type()).map_err(|error| failed(error.to_string()))?;
    RecordBatch::try_new(answer.schema(), columns).map_err(|error| failed(error.to_string()))
}

/// Some columns.
fn named(batch: &RecordBatch, names: [&str; 3]) -> Result<RecordBatch, Stop> {
    let schema = batch.schema();
    let places: Result<Vec<usize>, _> = names.iter().map(|name| schema.index_of(name)).collect();
    let places = places.map_err(|error| failed(error.to_string()))?;
    batch
        .project(&places)
        .map_err(|error| failed(error.to_string()))
}
