//! What each customer has had, and will take, of each candidate: one walk along the events.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use crate::Input;
use crate::Result;
use crate::View as CheckedView;
use crate::block::Block;
use crate::cells::Column;
use crate::compute::each;
use crate::eval::later;
use crate::plan::ItemsPlan;
use crate::plan::Literals;
use crate::plan::Stream;
use crate::rows::Place;
use crate::stream::Events;
use crate::tally::ends;
use crate::work::View;
use crate::work::blocks;

/// Not a candidate.
const OTHER: u32 = u32::MAX;

/// Numbers of each row and candidate.
pub(super) struct Tallies {
    n_items: usize,
    known: Vec<u32>,
    last: Vec<i64>,
    with_item: Vec<u32>,
    ahead: Vec<u32>,
}

impl Tallies {
    /// Counts for all rows of a block.
    pub(super) fn of(
        items: &ItemsPlan,
        horizon: i64,
        views: &[View<'_>],
        block: &Block<'_, '_>,
    ) -> Self {
        let n_items = items.values.len();
        let rows = block.times.len();
        let mut made = Self {
            n_items,
            known: Vec::with_capacity(rows * n_items),
            last: Vec::with_capacity(rows * n_items),
            with_item: Vec::with_capacity(rows),
            ahead: Vec::new(),
        };
        made.count_known(items, views, block);
        if let Some(stream) = &items.ahead {
            made.count_ahead(items, stream, horizon, views, block);
        }
        made
    }

    pub(super) fn n_items(&self) -> usize {
        self.n_items
    }

    /// Events of the customer with the candidate that are known.
    pub(super) fn known(&self, row: usize, item: usize) -> u32 {
        self.known[row * self.n_items + item]
    }

    /// The last of them.
    pub(super) fn last(&self, row: usize, item: usize) -> Option<i64> {
        let at = row * self.n_items + item;
        (self.known[at] > 0).then(|| self.last[at])
    }

    /// Known events with any item.
    pub(super) fn with_item(&self, row: usize) -> u32 {
        self.with_item[row]
    }

    /// Events with the candidate after the row's time.
    pub(super) fn ahead(&self, row: usize, item: usize) -> u32 {
        let at = row * self.n_items + item;
        self.ahead.get(at).copied().unwrap_or(0)
    }

    fn count_known(&mut self, items: &ItemsPlan, views: &[View<'_>], block: &Block<'_, '_>) {
        let seen = &block.sources[items.known.source];
        let events = Events::read(&items.known, views, seen, false);
        let codes = codes(items, &items.known, &events.places, views);
        let mut counts = vec![0; self.n_items];
        let mut last = vec![0; self.n_items];
        let mut before = None;
        for found in ends(&events, None, &seen.segments, &block.times) {
            let mut from = found.lo;
            match before {
                // The same events and some more.
                Some((lo, hi)) if lo == found.lo && hi <= found.hi => from = hi,
                _ => counts.fill(0),
            }
            for at in from..found.hi {
                if let Some(count) = counts.get_mut(codes[at] as usize) {
                    *count += 1;
                    last[codes[at] as usize] = events.times[at];
                }
            }
            before = Some((found.lo, found.hi));
            self.known.extend(&counts);
            self.last.extend(&last);
            self.with_item
                .push(crate::block::short(found.hi - found.lo));
        }
    }

    fn count_ahead(
        &mut self,
        items: &ItemsPlan,
        stream: &Stream,
        horizon: i64,
        views: &[View<'_>],
        block: &Block<'_, '_>,
    ) {
        let seen = &block.sources[stream.source];
        let events = Events::read(stream, views, seen, false);
        let codes = codes(items, stream, &events.places, views);
        let times = later(&block.times, horizon);
        let mut counts = vec![0; self.n_items];
        for found in ends(&events, Some(horizon), &seen.segments, &times) {
            counts.fill(0);
            for &code in &codes[found.lo..found.hi] {
                if let Some(count) = counts.get_mut(code as usize) {
                    *count += 1;
                }
            }
            self.ahead.extend(&counts);
        }
    }
}

/// Which candidate each event is of.
fn codes(items: &ItemsPlan, stream: &Stream, places: &[Place], views: &[View<'_>]) -> Vec<u32> {
    let crate::plan::Value::Place(column) = stream.value else {
        return vec![OTHER; places.len()];
    };
    let code = crate::block::short;
    let texts: BTreeMap<&str, u32> = match &items.values {
        Literals::Text(values) => values
            .iter()
            .enumerate()
            .map(|(i, v)| (&**v, code(i)))
            .collect(),
        _ => BTreeMap::new(),
    };
    let numbers: BTreeMap<i64, u32> = match &items.values {
        Literals::Int(values) => values
            .iter()
            .enumerate()
            .map(|(i, v)| (*v, code(i)))
            .collect(),
        _ => BTreeMap::new(),
    };
    let of = |place: &Place| {
        let row = place.row as usize;
        let found = match views[place.batch as usize].columns[column] {
            Column::Text(array) => texts.get(array.value(row)),
            Column::Int(array) => numbers.get(&array.value(row)),
            _ => None,
        };
        found.copied().unwrap_or(OTHER)
    };
    places.iter().map(of).collect()
}

/// For each time and candidate, the part of the customers with an event with an item who have
/// one with the candidate, of all whom `input` has and its `training` does not exclude.
///
/// # Errors
/// Those of [`compute`](crate::compute()).
pub fn buyers(view: &CheckedView, input: &Input, stopped: &AtomicBool) -> Result<Vec<Vec<f64>>> {
    let training = view.plan.training.as_ref();
    let Some(items) = training.and_then(|training| training.items.as_ref()) else {
        return Ok(Vec::new());
    };
    let (n_dates, n_items) = (input.as_of.len(), items.values.len());
    let none = || (vec![0_u64; n_dates], vec![0_u64; n_dates * n_items]);
    let (mut customers, mut with) = none();
    let mut add = |(some, of_each): (Vec<u64>, Vec<u64>)| {
        customers
            .iter_mut()
            .zip(some)
            .for_each(|(sum, n)| *sum += n);
        with.iter_mut().zip(of_each).for_each(|(sum, n)| *sum += n);
        Ok::<(), crate::Error>(())
    };
    each(
        view,
        input,
        stopped,
        &|of, task| {
            let (mut customers, mut with) = none();
            blocks(of, task, &mut |views, block| {
                let known = ItemsPlan {
                    known: items.known.clone(),
                    ahead: None,
                    name: String::new(),
                    values: items.values.clone(),
                    data_type: items.data_type.clone(),
                    exclude_owned: false,
                };
                let tallies = Tallies::of(&known, 0, views, block);
                for (row, &date) in block.dates.iter().enumerate() {
                    customers[date as usize] += u64::from(tallies.with_item(row) > 0);
                    for item in 0..n_items {
                        let has = tallies.known(row, item) > 0;
                        with[date as usize * n_items + item] += u64::from(has);
                    }
                }
                Ok(())
            })?;
            Ok(Some((customers, with)))
        },
        &mut add,
    )?;
    let share = |date: usize, item: usize| match customers[date] {
        0 => 0.0,
        n => with[date * n_items + item] as f64 / n as f64,
    };
    let dates = (0..n_dates).map(|date| (0..n_items).map(|item| share(date, item)).collect());
    Ok(dates.collect())
}
