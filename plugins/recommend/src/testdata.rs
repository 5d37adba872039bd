//! Tables that tests of both algorithms use.
//!
//! Test code alone.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::Float64Array;
use arrow_array::Int64Array;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use arrow_array::builder::ListBuilder;
use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::types::Int64Type;
use lode_numeric::Rng;
use lode_plugin::Error;
use lode_plugin::Inputs;
use lode_plugin::Role;
use lode_plugin::testing;

/// Rows of customer and item.
pub(crate) fn events(pairs: &[(&str, &str)]) -> RecordBatch {
    let who: StringArray = pairs.iter().map(|pair| Some(pair.0)).collect();
    let what: StringArray = pairs.iter().map(|pair| Some(pair.1)).collect();
    testing::batch(&[
        ("who", Some(Role::CustomerId), Arc::new(who)),
        ("what", Some(Role::Item), Arc::new(what)),
    ])
}

/// Customers of two tastes: even ones take mostly items below 20, odd ones the others; all
/// take item 0 often.
pub(crate) fn tastes(n_customers: u64, seed: u64) -> RecordBatch {
    let mut rng = Rng::new(seed);
    let mut who = Vec::new();
    let mut what = Vec::new();
    for customer in 0..n_customers {
        for _ in 0..3 + rng.below(5) {
            let own = rng.below(20) + 20 * (customer % 2);
            let item = if rng.chance(0.1) { rng.below(40) } else { own };
            who.push(format!("c{customer}"));
            what.push(if rng.chance(0.2) { 0 } else { item as i64 });
        }
    }
    testing::batch(&[
        (
            "who",
            Some(Role::CustomerId),
            Arc::new(StringArray::from(who)),
        ),
        ("what", Some(Role::Item), Arc::new(Int64Array::from(what))),
    ])
}

/// The same rows with a column of pieces.
pub(crate) fn with_pieces(batch: &RecordBatch, pieces: Vec<Option<f64>>) -> RecordBatch {
    testing::batch(&[
        ("who", Some(Role::CustomerId), Arc::clone(batch.column(0))),
        ("what", Some(Role::Item), Arc::clone(batch.column(1))),
        (
            "pieces",
            Some(Role::Quantity),
            Arc::new(Float64Array::from(pieces)),
        ),
    ])
}

/// One request: customer, session, exclusions, limit.
pub(crate) type Request<'a> = (Option<&'a str>, &'a [&'a str], &'a [&'a str], i64);

/// The table of requests that a server answers.
pub(crate) fn requests(list: &[Request<'_>]) -> Inputs {
    let customers: StringArray = list.iter().map(|request| request.0).collect();
    let limits: Int64Array = list.iter().map(|request| request.3).collect();
    let batch = testing::batch(&[
        ("customer_id", Some(Role::CustomerId), Arc::new(customers)),
        (
            "session_items",
            None,
            lists(list.iter().map(|request| request.1)),
        ),
        (
            "exclude_items",
            None,
            lists(list.iter().map(|request| request.2)),
        ),
        ("limit", None, Arc::new(limits)),
    ]);
    Inputs::new().with("requests", batch.into())
}

fn lists<'a>(lists: impl Iterator<Item = &'a [&'a str]>) -> ArrayRef {
    let mut builder = ListBuilder::new(StringBuilder::new());
    for list in lists {
        for item in list {
            builder.values().append_value(item);
        }
        builder.append(true);
    }
    Arc::new(builder.finish())
}

/// Answers of one request: item and score, and whether they are personal.
pub(crate) fn answers(batch: &RecordBatch, request: i64) -> (Vec<(String, f64)>, bool) {
    let requests = batch["request"].as_primitive::<Int64Type>();
    let items = batch["item"].as_string::<i32>();
    let scores = batch["score"].as_primitive::<Float64Type>();
    let rows: Vec<usize> = (0..batch.num_rows())
        .filter(|row| requests.value(*row) == request)
        .collect();
    let offers = rows
        .iter()
        .map(|row| (items.value(*row).to_owned(), scores.value(*row)));
    let personal = rows
        .iter()
        .any(|row| batch["personal"].as_boolean().value(*row));
    (offers.collect(), personal)
}

/// The offers of one customer in a fit's output, in the order of their ranks.
pub(crate) fn offers_of(batch: &RecordBatch, customer: &str) -> Vec<(String, f64)> {
    let ids = batch["customer_id"].as_string::<i32>();
    let ranks = batch["rank"].as_primitive::<Int64Type>();
    let items = batch["item"].as_string::<i32>();
    let scores = batch["score"].as_primitive::<Float64Type>();
    let rows: Vec<usize> = (0..batch.num_rows())
        .filter(|row| ids.value(*row) == customer)
        .collect();
    for (rank, row) in (1..).zip(&rows) {
        assert_eq!(ranks.value(*row), rank);
    }
    rows.iter()
        .map(|row| (items.value(*row).to_owned(), scores.value(*row)))
        .collect()
}

/// What an error says of which field.
pub(crate) fn message<T: std::fmt::Debug>(result: lode_plugin::Result<T>) -> String {
    match result.unwrap_err() {
        Error::Invalid { field, message } => format!("{field}: {message}"),
        other => panic!("expected an invalid input, found {other:?}"),
    }
}
