//! Reads requests: whom for, what they have, what they must not get.
//!
//! Columns that are not there are as if empty; columns that are not known are left alone.

use std::borrow::Cow;

use lode_plugin::Error;
use lode_plugin::Ids;
use lode_plugin::Result;
use lode_plugin::Table;
use lode_plugin::arrow_array::Array;
use lode_plugin::arrow_array::cast::AsArray;

use super::Server;
use super::Wanted;
use crate::events::pairs::History;

/// Before the names of a customer's attributes.
const ATTRIBUTE: &str = "customer.";

/// One request.
#[derive(Debug)]
pub(super) struct Ask<'a> {
    items: Cow<'a, [u32]>,
    weights: Cow<'a, [f32]>,
    sequence: Cow<'a, [u32]>,
    groups: Cow<'a, [u32]>,
    excluded: Vec<u32>,
    limit: usize,
    allow_owned: bool,
    diversity: f64,
    pub(super) explain: bool,
}

impl<'a> Ask<'a> {
    pub(super) fn read(table: &Table, server: &'a Server) -> Result<Vec<Self>> {
        let n = table.n_rows();
        let customers = match table.column_named("customer_id") {
            Some(column) => column.texts()?,
            None => vec![None; n],
        };
        let sessions = lists(table, "session_items")?;
        let excluded = lists(table, "exclude_items")?;
        let limits = limits(table, server.n)?;
        let explain = flags(table, "explain")?;
        let allow_owned = flags(table, "allow_owned")?;
        let diversity = diversity(table)?;
        let groups = groups(table, server)?;
        let asks = (0..n).map(|request| {
            let known = customers[request]
                .as_deref()
                .and_then(|name| server.customer_index.find(&server.known.customers, name))
                .map(|customer| customer as usize);
            let session = server.codes(sessions.get(request));
            let mut ask = Self::of(known, server);
            ask.add(&session, server);
            if let Some(given) = &groups {
                ask.regroup(&given[request]);
            }
            ask.excluded = server.codes(excluded.get(request));
            ask.limit = limits[request];
            ask.explain = explain.as_ref().is_some_and(|flags| flags[request]);
            ask.allow_owned = allow_owned.as_ref().is_some_and(|flags| flags[request]);
            ask.diversity = diversity.as_ref().map_or(0.0, |each| each[request]);
            ask
        });
        Ok(asks.collect())
    }

    pub(super) fn wanted(&self) -> Wanted<'_> {
        Wanted {
            history: self.history(),
            groups: &self.groups,
            excluded: &self.excluded,
            limit: self.limit,
            allow_owned: self.allow_owned,
            diversity: self.diversity,
        }
    }

    fn of(known: Option<usize>, server: &'a Server) -> Self {
        let history = known.map_or(History::default(), |c| server.known.pairs.history(c));
        Self {
            items: Cow::Borrowed(history.items),
            weights: Cow::Borrowed(history.weights),
            sequence: Cow::Borrowed(history.sequence),
            groups: Cow::Borrowed(server.groups_of(known)),
            excluded: Vec::new(),
            limit: server.n,
            allow_owned: false,
            diversity: 0.0,
            explain: false,
        }
    }

    fn history(&self) -> History<'_> {
        History {
            items: &self.items,
            weights: &self.weights,
            sequence: &self.sequence,
        }
    }

    /// Adds what happened since: events of now, oldest first.
    fn add(&mut self, session: &[u32], server: &Server) {
        if session.is_empty() {
            return;
        }
        let (items, weights) = (self.items.to_mut(), self.weights.to_mut());
        for item in session {
            match items.binary_search(item) {
                Ok(at) => weights[at] = server.worth.more(weights[at]),
                Err(at) => {
                    items.insert(at, *item);
                    // Nothing can be told from what nobody has.
                    let is_cold = server.is_cold[*item as usize];
                    weights.insert(at, if is_cold { 0.0 } else { 1.0 });
                }
            }
        }
        let sequence = self.sequence.to_mut();
        for item in session {
            sequence.retain(|other| other != item);
            sequence.push(*item);
        }
    }

    /// Takes groups that the request tells, in place of those that the model knows.
    fn regroup(&mut self, given: &[u32]) {
        if given.iter().all(|group| *group == Ids::NONE) {
            return;
        }
        let groups = self.groups.to_mut();
        groups.resize(given.len(), Ids::NONE);
        for (group, given) in groups.iter_mut().zip(given) {
            if *given != Ids::NONE {
                *group = *given;
            }
        }
    }
}

impl Server {
    /// The codes of the items that the model knows; of a cold one too.
    pub(super) fn codes(&self, names: Option<&Vec<String>>) -> Vec<u32> {
        let names = names.into_iter().flatten();
        names
            .filter_map(|name| self.item_index.find(&self.known.items, name))
            .collect()
    }
}

pub(super) fn lists(table: &Table, name: &str) -> Result<Vec<Vec<String>>> {
    match table.column_named(name) {
        Some(column) => column.text_lists(),
        None => Ok(Vec::new()),
    }
}

/// How many are wanted; `n` where nothing above 0 is said.
pub(super) fn limits(table: &Table, n: usize) -> Result<Vec<usize>> {
    let Some(column) = table.column_named("limit") else {
        return Ok(vec![n; table.n_rows()]);
    };
    let limits = column.integers()?.into_iter();
    let limit = |limit: Option<i64>| usize::try_from(limit?).ok().filter(|limit| *limit > 0);
    Ok(limits.map(|asked| limit(asked).unwrap_or(n)).collect())
}

fn flags(table: &Table, name: &str) -> Result<Option<Vec<bool>>> {
    let Some(column) = table.column_named(name) else {
        return Ok(None);
    };
    let mut flags = Vec::with_capacity(table.n_rows());
    for array in column.arrays() {
        let Some(array) = array.as_boolean_opt() else {
            return Err(Error::invalid(
                format!("inputs.{}.{name}", table.name()),
                format!("expected boolean, found {}", array.data_type()),
            ));
        };
        flags.extend(array.iter().map(|flag| flag == Some(true)));
    }
    Ok(Some(flags))
}

fn diversity(table: &Table) -> Result<Option<Vec<f64>>> {
    let Some(column) = table.column_named("diversity") else {
        return Ok(None);
    };
    let each = column.numbers()?;
    let wrong = each
        .iter()
        .find(|d| !d.is_nan() && !(0.0..=1.0).contains(*d));
    if let Some(wrong) = wrong {
        return Err(Error::invalid(
            format!("inputs.{}.diversity", table.name()),
            format!("expected 0 to 1, found {wrong}"),
        ));
    }
    let given = |d: f64| if d.is_nan() { 0.0 } else { d };
    Ok(Some(each.into_iter().map(given).collect()))
}

/// The groups that each request tells by attributes of its customer; none where no column
/// does.
fn groups(table: &Table, server: &Server) -> Result<Option<Vec<Vec<u32>>>> {
    let crowd = &server.known.popularity.crowd;
    let mut groups: Option<Vec<Vec<u32>>> = None;
    for at in 0..crowd.n_columns() {
        let name = format!("{ATTRIBUTE}{}", crowd.column_name(at));
        let Some(column) = table.column_named(&name) else {
            continue;
        };
        let each =
            groups.get_or_insert_with(|| vec![vec![Ids::NONE; crowd.n_columns()]; table.n_rows()]);
        if crowd.is_number(at) {
            for (groups, number) in each.iter_mut().zip(column.numbers()?) {
                groups[at] = crowd.group(at, None, number).unwrap_or(Ids::NONE);
            }
        } else {
            for (groups, word) in each.iter_mut().zip(column.texts()?) {
                groups[at] = crowd
                    .group(at, word.as_deref(), f64::NAN)
                    .unwrap_or(Ids::NONE);
            }
        }
    }
    Ok(groups)
}
