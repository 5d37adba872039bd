//! Reads the table of events into a log.
//!
//! Invariant: every row is counted once: used, or left out for one reason; customers and
//! items without a used row do not exist.

use std::collections::BTreeMap;

use lode_plugin::Context;
use lode_plugin::Error;
use lode_plugin::Ids;
use lode_plugin::Result;
use lode_plugin::Role;
use lode_plugin::Table;

use super::counts::Counts;
use super::log::Columns;
use super::log::Log;
use crate::model::names::Names;

/// Rows between two looks at whether to stop.
const STRIDE: usize = 1 << 12;

/// Reads the table.
///
/// Times are read when `needs_times`; rows without one are left out then.
pub(crate) fn read(
    table: &Table,
    kind_weights: &BTreeMap<String, f64>,
    needs_times: bool,
    cx: &Context<'_>,
) -> Result<Log> {
    cx.check_cancelled()?;
    cx.progress(0.0, "reading rows");
    let customers = table.ids(Role::CustomerId)?;
    cx.check_cancelled()?;
    let items = table.ids(Role::Item)?;
    cx.check_cancelled()?;
    let (weights, returned) = weights(table, kind_weights)?;
    let ratings = match table.column(Role::Rating) {
        Some(column) => finite(&column.numbers()?, table.name())?,
        None => Vec::new(),
    };
    cx.check_cancelled()?;
    let times = times(table, needs_times)?;
    let mut counts = Counts::default();
    let mut columns = Columns::default();
    let mut customers_of = Vec::with_capacity(table.n_rows());
    for row in 0..table.n_rows() {
        if row % STRIDE == 0 {
            cx.check_cancelled()?;
        }
        let time = times.as_ref().map(|times| times[row]);
        if customers.codes[row] == Ids::NONE {
            counts.without_customer += 1;
        } else if items.codes[row] == Ids::NONE {
            counts.without_item += 1;
        } else if time == Some(None) {
            counts.without_time += 1;
        } else {
            counts.used += 1;
            counts.returned += u64::from(returned.as_ref().is_some_and(|r| r[row]));
            customers_of.push(customers.codes[row]);
            columns.items.push(items.codes[row]);
            columns.times.extend(time.flatten());
            columns.weights.extend(weights.as_ref().map(|w| w[row]));
            columns.ratings.extend(ratings.get(row));
        }
    }
    cx.check_cancelled()?;
    cx.progress(0.1, "sorting histories");
    let (customers, codes) = used(&customers, &customers_of);
    for customer in &mut customers_of {
        *customer = codes[*customer as usize];
    }
    let (items, codes) = used(&items, &columns.items);
    for item in &mut columns.items {
        *item = codes[*item as usize];
    }
    let log = Log::new(customers, items, &customers_of, &columns, counts);
    cx.check_cancelled()?;
    Ok(log)
}

/// What each row weighs, and which rows are returns; none where all weigh 1.
type Weights = (Option<Vec<f32>>, Option<Vec<bool>>);

fn weights(table: &Table, kind_weights: &BTreeMap<String, f64>) -> Result<Weights> {
    let mut weights = None;
    if !kind_weights.is_empty() {
        let kinds = table.require(Role::EventKind)?.ids()?;
        let of_kind = |name: &String| kind_weights.get(name).copied().unwrap_or(1.0) as f32;
        let of_code: Vec<f32> = kinds.names.iter().map(of_kind).collect();
        let rows = kinds.codes.iter();
        let each = rows.map(|code| of_code.get(*code as usize).copied().unwrap_or(1.0));
        weights = Some(each.collect::<Vec<f32>>());
    }
    let Some(column) = table.column(Role::Quantity) else {
        return Ok((weights, None));
    };
    let returned: Vec<bool> = column.numbers()?.iter().map(|q| *q <= 0.0).collect();
    if !returned.contains(&true) {
        return Ok((weights, None));
    }
    let mut each = weights.unwrap_or_else(|| vec![1.0; table.n_rows()]);
    for (weight, returned) in each.iter_mut().zip(&returned) {
        if *returned {
            *weight = -weight.abs();
        }
    }
    Ok((Some(each), Some(returned)))
}

fn times(table: &Table, needed: bool) -> Result<Option<Vec<Option<i64>>>> {
    match needed {
        true => Ok(Some(table.times(Role::EventTime)?)),
        false => Ok(None),
    }
}

/// Ratings in single precision; one that is infinite is refused.
fn finite(ratings: &[f64], name: &str) -> Result<Vec<f32>> {
    let wrong = |row: usize| {
        Error::invalid(
            format!("inputs.{name}"),
            format!(
                "expected finite ratings, found {} in row {row}",
                ratings[row]
            ),
        )
    };
    let each = ratings.iter().enumerate();
    each.map(|(row, rating)| match *rating as f32 {
        rating if rating.is_infinite() => Err(wrong(row)),
        // Of all the NaN there are, one.
        rating if rating.is_nan() => Ok(f32::NAN),
        rating => Ok(rating),
    })
    .collect()
}

/// The names whose codes occur, in order, and the new code of each old one.
fn used(ids: &Ids, codes: &[u32]) -> (Names, Vec<u32>) {
    let mut new_codes = vec![Ids::NONE; ids.n()];
    for code in codes {
        new_codes[*code as usize] = 0;
    }
    let mut names = Names::default();
    for (name, code) in ids.names.iter().zip(&mut new_codes) {
        if *code != Ids::NONE {
            *code = names.len() as u32;
            names.push(name);
        }
    }
    (names, new_codes)
}
