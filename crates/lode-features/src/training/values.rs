//! What a plan of dates and candidates is made from: when the events are, and which items come
//! most often.

use std::collections::HashMap;

use arrow_array::RecordBatch;
use lode_parts::Bound;
use lode_parts::Zone;
use lode_types::Timestamp;

use crate::Input;
use crate::Result;
use crate::Rows;
use crate::View;
use crate::cells::Column;
use crate::cells::Key;
use crate::plan::SourcePlan;
use crate::rows::columns;
use crate::rows::project;
use crate::spec::Literal;
use crate::stream::fits;

/// The times of the first and the last event that is known at `bound`, of the view's n-th
/// dataset of events; none when there is none.
///
/// # Errors
/// Those of reading.
pub fn time_range(
    view: &View,
    source: usize,
    rows: &[Rows],
    bound: Timestamp,
) -> Result<Option<(Timestamp, Timestamp)>> {
    let Some(plan) = view.plan.sources.get(source) else {
        return Ok(None);
    };
    let mut found: Option<(i64, i64)> = None;
    let mut meet = |first: i64, last: i64| {
        found = Some(found.map_or((first, last), |(a, b)| (a.min(first), b.max(last))));
    };
    let by_zones = |zones: Option<&[Zone]>| {
        let of = |column: usize| {
            let name = &plan.columns[column].0;
            let zone = zones?.iter().find(|zone| zone.column == *name)?;
            match (&zone.min, &zone.max) {
                (Some(Bound::Int(min)), Some(Bound::Int(max))) => Some((*min, *max, zone.nulls)),
                _ => None,
            }
        };
        let (first, last, _) = of(plan.time)?;
        let arrived = match plan.arrival {
            None => true,
            Some(arrival) => {
                of(arrival).is_some_and(|(_, last, nulls)| last <= bound.0 && nulls == 0)
            }
        };
        (last <= bound.0 && arrived && is_micros(plan)).then_some((first, last))
    };
    batches(plan, rows, &mut |zones, batch| {
        if let Some((first, last)) = by_zones(zones) {
            meet(first, last);
            return Ok(());
        }
        let batch = batch()?;
        let times = Column::new(batch.column(plan.time));
        let arrivals = plan.arrival.map(|at| Column::new(batch.column(at)));
        for row in 0..batch.num_rows() {
            let time = times.and_then(|times| times.time(row));
            let arrived = match arrivals {
                None => true,
                Some(column) => column
                    .and_then(|column| column.time(row))
                    .is_some_and(|arrival| arrival <= bound.0),
            };
            if let Some(time) = time.filter(|&time| time <= bound.0 && arrived) {
                meet(time, time);
            }
        }
        Ok(())
    })?;
    Ok(found.map(|(first, last)| (Timestamp(first), Timestamp(last))))
}

/// The `n` items of the most events that are known at `t`, the most frequent first and equal
/// ones by their own order.
///
/// # Errors
/// Those of reading.
pub fn top_values(view: &View, input: &Input, t: Timestamp, n: usize) -> Result<Vec<Literal>> {
    let training = view.plan.training.as_ref();
    let Some(items) = training.and_then(|training| training.items.as_ref()) else {
        return Ok(Vec::new());
    };
    let stream = &items.known;
    let crate::plan::Value::Place(column) = stream.value else {
        return Ok(Vec::new());
    };
    let plan = &view.plan.sources[stream.source];
    let mut texts: HashMap<Box<str>, u64> = HashMap::new();
    let mut numbers: HashMap<i64, u64> = HashMap::new();
    batches(plan, &input.events[stream.source], &mut |_, batch| {
        let batch = batch()?;
        let columns: Vec<Column<'_>> = batch.columns().iter().filter_map(Column::new).collect();
        for row in 0..batch.num_rows() {
            let happened = columns[plan.time].time(row).is_some_and(|time| time <= t.0);
            let arrived = plan.arrival.is_none_or(|at| {
                let arrival = columns[at].time(row);
                arrival.is_some_and(|arrival| arrival <= t.0)
            });
            let passes = |test: &crate::plan::Test| fits(test, &columns[test.column].cell(row));
            let has_customer = columns[plan.id].key(row).is_some();
            if !happened || !arrived || !has_customer || !stream.tests.iter().all(passes) {
                continue;
            }
            match columns[column].key(row) {
                Some(Key::Int(value)) => *numbers.entry(value).or_insert(0) += 1,
                Some(Key::Text(value)) => match texts.get_mut(value) {
                    Some(count) => *count += 1,
                    None => {
                        texts.insert(value.into(), 1);
                    }
                },
                None => {}
            }
        }
        Ok(())
    })?;
    let mut texts: Vec<_> = texts.into_iter().collect();
    texts.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let mut numbers: Vec<_> = numbers.into_iter().collect();
    numbers.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let texts = texts
        .into_iter()
        .map(|(text, _)| Literal::Text(text.into()));
    let numbers = numbers.into_iter().map(|(number, _)| Literal::Int(number));
    Ok(texts.chain(numbers).take(n).collect())
}

/// Whether zones of times are in the unit of times.
fn is_micros(plan: &SourcePlan) -> bool {
    let is_time = |column: usize| {
        let (_, data_type) = &plan.columns[column];
        matches!(data_type, arrow_schema::DataType::Timestamp(_, _))
    };
    is_time(plan.time) && plan.arrival.is_none_or(is_time)
}

type Batch<'a> = &'a dyn Fn() -> Result<RecordBatch>;
type Each<'a> = dyn FnMut(Option<&[Zone]>, Batch<'_>) -> Result<()> + 'a;

/// Goes through the batches of a dataset, with their zones where there are any.
fn batches(plan: &SourcePlan, rows: &[Rows], each: &mut Each<'_>) -> Result<()> {
    for rows in rows {
        let table = match rows {
            Rows::Sorted(table) | Rows::Unsorted(table) => table,
            Rows::Batches(batches) => {
                for batch in batches {
                    each(None, &|| project(&plan.dataset, &plan.columns, batch))?;
                }
                continue;
            }
        };
        let columns = columns(&plan.dataset, &plan.columns, table)?;
        for i in 0..table.n_batches() {
            each(table.zones(i), &|| Ok(table.batch(i, Some(&columns))?))?;
        }
    }
    Ok(())
}
