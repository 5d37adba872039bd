//! Made customers for the tests, and short ways to look at results.

use std::sync::Arc;

use lode_numeric::Rng;
use lode_numeric::glm::sigmoid;
use lode_plugin::Algorithm;
use lode_plugin::Error;
use lode_plugin::Inputs;
use lode_plugin::Result;
use lode_plugin::Role;
use lode_plugin::arrow_array::ArrayRef;
use lode_plugin::arrow_array::BooleanArray;
use lode_plugin::arrow_array::Float64Array;
use lode_plugin::arrow_array::Int64Array;
use lode_plugin::arrow_array::RecordBatch;
use lode_plugin::arrow_array::StringArray;
use lode_plugin::arrow_array::cast::AsArray;
use lode_plugin::arrow_array::types::Float64Type;
use lode_plugin::testing;
use lode_plugin::testing::Fit;

/// Customers whose leaving hangs on calls (+0.9 each), tariff (basic +0.8, gold -0.8) and
/// paperless billing (-0.5), and not on noise; some values are missing.
pub(crate) fn customers(n: usize) -> RecordBatch {
    let mut rng = Rng::new(5);
    let mut ids = Vec::new();
    let mut calls = Vec::new();
    let mut months = Vec::new();
    let mut tariffs = Vec::new();
    let mut paperless = Vec::new();
    let mut noise = Vec::new();
    let mut labels = Vec::new();
    for row in 0..n {
        let n_calls = rng.poisson(1.2);
        let tariff = ["basic", "gold", "silver"][rng.index(3)];
        let by_mail = rng.chance(0.5);
        let margin = -1.5
            + 0.9 * n_calls as f64
            + match tariff {
                "basic" => 0.8,
                "gold" => -0.8,
                _ => 0.0,
            }
            - if by_mail { 0.5 } else { 0.0 };
        ids.push(format!("c{row}"));
        calls.push((!rng.chance(0.1)).then_some(n_calls as f64));
        months.push(rng.below(72) as i64);
        tariffs.push((!rng.chance(0.05)).then_some(tariff));
        paperless.push(by_mail);
        noise.push(rng.normal());
        let left = rng.chance(sigmoid(margin));
        labels.push((row % 10 != 9).then_some(if left { "Yes" } else { "No" }));
    }
    testing::batch(&[
        (
            "id",
            Some(Role::CustomerId),
            Arc::new(StringArray::from(ids)),
        ),
        ("calls", None, Arc::new(Float64Array::from(calls))),
        ("months", None, Arc::new(Int64Array::from(months))),
        ("tariff", None, Arc::new(StringArray::from(tariffs))),
        ("paperless", None, Arc::new(BooleanArray::from(paperless))),
        ("noise", None, Arc::new(Float64Array::from(noise))),
        (
            "left",
            Some(Role::Label),
            Arc::new(StringArray::from(labels)),
        ),
    ])
}

/// The same customers, each watched for some days; the label is still the last column.
pub(crate) fn watched(n: usize) -> RecordBatch {
    let batch = customers(n);
    let mut rng = Rng::new(6);
    let days = (0..n).map(|_| 1.0 + rng.poisson(9.0) as f64);
    let days: ArrayRef = Arc::new(Float64Array::from_iter_values(days));
    let mut columns: Vec<(&str, Option<Role>, ArrayRef)> = batch
        .schema_ref()
        .fields()
        .iter()
        .zip(batch.columns())
        .map(|(field, column)| {
            let role = lode_plugin::role_of(field);
            (field.name().as_str(), role, Arc::clone(column))
        })
        .collect();
    columns.insert(columns.len() - 1, ("days", Some(Role::Duration), days));
    testing::batch(&columns)
}

/// Customers of whom two in five spend nothing: who visits often and is on paper buys, who
/// spent much spends much. Column `spent`, the label, is the last.
pub(crate) fn spenders(n: usize) -> RecordBatch {
    let mut rng = Rng::new(9);
    let (mut ids, mut visits, mut before, mut tariffs, mut spent) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for row in 0..n {
        let seen = rng.poisson(3.0) as f64;
        let tariff = ["basic", "gold", "silver"][rng.index(3)];
        let past = if rng.chance(0.3) {
            0.0
        } else {
            20.0 * rng.gamma(2.0)
        };
        let buys = rng.chance(sigmoid(
            0.7 * (seen - 2.5) + if past > 0.0 { 0.8 } else { -0.8 },
        ));
        let level = if tariff == "gold" { 60.0 } else { 25.0 };
        let amount = (level + 0.5 * past) * rng.gamma(4.0) / 4.0;
        ids.push(format!("c{row}"));
        visits.push((!rng.chance(0.05)).then_some(seen));
        before.push(past);
        tariffs.push(tariff);
        spent.push((row % 10 != 9).then_some(if buys { amount } else { 0.0 }));
    }
    testing::batch(&[
        (
            "id",
            Some(Role::CustomerId),
            Arc::new(StringArray::from(ids)),
        ),
        ("visits", None, Arc::new(Float64Array::from(visits))),
        ("before", None, Arc::new(Float64Array::from(before))),
        ("tariff", None, Arc::new(StringArray::from(tariffs))),
        (
            "spent",
            Some(Role::Label),
            Arc::new(Float64Array::from(spent)),
        ),
    ])
}

/// A fit with seed 1 and two threads.
pub(crate) fn fit<A: Algorithm>(params: &str, batch: &RecordBatch) -> Result<Fit> {
    let inputs = Inputs::new().with("customers", batch.clone().into());
    testing::fit::<A>(params, inputs, 1, 2)
}

/// The answer of an open model.
pub(crate) fn score<A: Algorithm>(
    params: &str,
    fit: &Fit,
    batch: &RecordBatch,
) -> Result<RecordBatch> {
    let inputs = Inputs::new().with("customers", batch.clone().into());
    testing::score::<A>(params, fit.model.as_deref().unwrap(), inputs, 9, 1)
}

pub(crate) fn floats(batch: &RecordBatch, column: &str) -> Vec<f64> {
    batch[column]
        .as_primitive::<Float64Type>()
        .values()
        .to_vec()
}

/// Replaces a column.
pub(crate) fn with(batch: &RecordBatch, name: &str, array: ArrayRef) -> RecordBatch {
    let columns: Vec<(&str, Option<Role>, ArrayRef)> = batch
        .schema_ref()
        .fields()
        .iter()
        .zip(batch.columns())
        .map(|(field, column)| {
            let role = lode_plugin::role_of(field);
            let column = if field.name() == name { &array } else { column };
            (field.name().as_str(), role, Arc::clone(column))
        })
        .collect();
    testing::batch(&columns)
}

pub(crate) fn message(result: Result<Fit>) -> String {
    match result.unwrap_err() {
        Error::Invalid { field, message } => format!("{field}: {message}"),
        other => panic!("expected an invalid input, found {other:?}"),
    }
}

/// The contributions of a row, in the order of the features, and their sum in the order of
/// the list.
pub(crate) fn contributions(batch: &RecordBatch, row: usize) -> Vec<(String, f64)> {
    let lists = batch["contributions"].as_list::<i32>().value(row);
    let reasons = lists.as_struct();
    let names = reasons.column(0).as_string::<i32>();
    let parts = reasons.column(2).as_primitive::<Float64Type>();
    let pairs = names.iter().zip(parts.values());
    pairs
        .map(|(name, part)| (name.unwrap().to_owned(), *part))
        .collect()
}
