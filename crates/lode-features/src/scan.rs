//! Cuts the runs into tasks of whole customers, the same whatever runs and batches there are.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::RecordBatch;
use lode_parts::Table;

use crate::Error;
use crate::Result;
use crate::cells::Column;
use crate::cells::Key;
use crate::cells::KeyBuf;
use crate::plan::Plan;
use crate::rows::Data;
use crate::rows::Owner;
use crate::rows::Place;
use crate::rows::Run;
use crate::rows::Slot;
use crate::spec::Population;

/// Customers of a task at one time.
const CUSTOMERS: usize = 4096;
/// Rows of a task at many times: so few that their numbers stay in a processor's own memory.
const ROWS: usize = 8192;
/// Customers of a task at any number of times.
const FEWEST: usize = 16;

/// Rows of some customers, all runs.
#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) number: usize,
    pub(crate) pieces: Vec<Piece>,
}

/// What a run has for a task.
#[derive(Debug)]
pub(crate) enum Piece {
    /// Batches, the first row in the first and the row after the last in the last.
    Batches {
        slots: Vec<Arc<Slot>>,
        first: usize,
        end: usize,
    },
    /// Numbers of the run's order.
    Order { first: usize, end: usize },
}

/// Walks along all runs at once.
#[derive(Debug)]
pub(crate) struct Scanner<'r> {
    cursors: Vec<Cursor<'r>>,
    customers: usize,
    tasks: usize,
    over: bool,
}

#[derive(Debug)]
struct Cursor<'r> {
    /// Whether its customers get rows by being there.
    counts: bool,
    id: usize,
    form: Form<'r>,
    dataset: &'r str,
    passed: u64,
}

#[derive(Debug)]
enum Form<'r> {
    Sorted {
        table: &'r Table,
        columns: &'r [usize],
        next: usize,
        ids: Option<ArrayRef>,
        row: usize,
        slots: Vec<Arc<Slot>>,
        first: usize,
    },
    Ordered {
        batches: &'r [RecordBatch],
        order: &'r [Place],
        at: usize,
        first: usize,
    },
}

impl<'r> Scanner<'r> {
    pub(crate) fn new(plan: &'r Plan, runs: &'r [Run], n_times: usize) -> Self {
        let cursors = runs.iter().map(|run| {
            let (id, dataset) = match run.owner {
                Owner::Source(source) => {
                    let source = &plan.sources[source];
                    (source.id, &*source.dataset)
                }
                Owner::Lookup { lookup, .. } => {
                    let lookup = &plan.lookups[lookup];
                    (lookup.id, &*lookup.name)
                }
            };
            let form = match &run.data {
                Data::Sorted { table, columns } => Form::Sorted {
                    table,
                    columns,
                    next: 0,
                    ids: None,
                    row: 0,
                    slots: Vec::new(),
                    first: 0,
                },
                Data::Ordered { batches, order } => Form::Ordered {
                    batches,
                    order,
                    at: 0,
                    first: 0,
                },
            };
            Cursor {
                counts: counts(plan, run.owner),
                id,
                form,
                dataset,
                passed: 0,
            }
        });
        Self {
            cursors: cursors.collect(),
            customers: customers(plan, n_times),
            tasks: 0,
            over: false,
        }
    }

    /// The next customers; none at the end, and after an error.
    pub(crate) fn next(&mut self) -> Result<Option<Task>> {
        if self.over {
            return Ok(None);
        }
        let task = self.cut();
        self.over = !matches!(task, Ok(Some(_)));
        task
    }

    fn cut(&mut self) -> Result<Option<Task>> {
        let mut key = KeyBuf::default();
        let mut n = 0;
        while n < self.customers && self.smallest(&mut key)? {
            n += 1;
            for cursor in &mut self.cursors {
                cursor.pass(&key)?;
            }
        }
        if n == 0 {
            return Ok(None);
        }
        let pieces = self.cursors.iter_mut().map(Cursor::cut).collect();
        let number = self.tasks;
        self.tasks += 1;
        Ok(Some(Task { number, pieces }))
    }

    /// How many tasks there were.
    pub(crate) fn tasks(&self) -> usize {
        self.tasks
    }

    /// Sets `key` to the smallest customer that is left; false at the end.
    fn smallest(&mut self, key: &mut KeyBuf) -> Result<bool> {
        let mut least = None;
        for i in 0..self.cursors.len() {
            let cursor = &mut self.cursors[i];
            if !cursor.counts || !cursor.load()? {
                continue;
            }
            let smaller = match least {
                None => true,
                Some(other) => self.cursors[i].key() < Cursor::key(&self.cursors[other]),
            };
            if smaller {
                least = Some(i);
            }
        }
        match least.and_then(|i| self.cursors[i].key()) {
            None => Ok(false),
            Some(found) => {
                key.set(found);
                Ok(true)
            }
        }
    }
}

/// Customers of a task: fewer where each has many rows.
fn customers(plan: &Plan, n_times: usize) -> usize {
    let items = plan.training.as_ref().and_then(|t| t.items.as_ref());
    let n_times = n_times.max(1);
    match items.map_or(1, |items| items.values.len()) {
        0 | 1 => (ROWS / n_times).clamp(FEWEST, CUSTOMERS),
        n => (4 * ROWS / n_times / n).clamp(1, CUSTOMERS),
    }
}

/// Whether a run's customers get rows by being there.
pub(crate) fn counts(plan: &Plan, owner: Owner) -> bool {
    match owner {
        Owner::Source(source) => plan.sources[source].counts,
        Owner::Lookup { lookup, .. } => lookup == 0 && plan.population == Population::Known,
    }
}

impl Cursor<'_> {
    /// Reads on until there is a customer; false at the end.
    fn load(&mut self) -> Result<bool> {
        match &mut self.form {
            Form::Ordered { order, at, .. } => Ok(*at < order.len()),
            Form::Sorted {
                table,
                columns,
                next,
                ids,
                row,
                slots,
                ..
            } => loop {
                if let Some(found) = ids.as_ref().and_then(Column::new) {
                    while *row < found.len() && found.key(*row).is_none() {
                        *row += 1;
                    }
                    if *row < found.len() {
                        return Ok(true);
                    }
                }
                if *next >= table.n_batches() {
                    return Ok(false);
                }
                let id = columns[self.id];
                *ids = Some(Arc::clone(table.batch(*next, Some(&[id]))?.column(0)));
                *row = 0;
                slots.push(Slot::new(table, columns, *next));
                *next += 1;
            },
        }
    }

    /// The customer it stands at.
    fn key(&self) -> Option<Key<'_>> {
        match &self.form {
            Form::Sorted { ids, row, .. } => {
                let ids = ids.as_ref().and_then(Column::new)?;
                (*row < ids.len()).then(|| ids.key(*row)).flatten()
            }
            Form::Ordered {
                batches, order, at, ..
            } => {
                let place = order.get(*at)?;
                let ids = batches[place.batch as usize].column(self.id);
                Column::new(ids)?.key(place.row as usize)
            }
        }
    }

    /// Goes past a customer, and past smaller ones that get no rows by themselves.
    fn pass(&mut self, key: &KeyBuf) -> Result<()> {
        let Some(wanted) = key.get() else {
            return Ok(());
        };
        let mut passed = false;
        loop {
            match &mut self.form {
                Form::Sorted { ids, row, .. } => {
                    if let Some(ids) = ids.as_ref().and_then(Column::new) {
                        let before = *row;
                        if !self.counts {
                            while *row < ids.len() && ids.key(*row) < Some(wanted) {
                                *row += 1;
                            }
                        }
                        *row = ids.pass(*row, wanted);
                        self.passed += (*row - before) as u64;
                        passed |= *row > before;
                        if *row < ids.len() {
                            break;
                        }
                    }
                }
                Form::Ordered {
                    batches, order, at, ..
                } => {
                    let id = self.id;
                    let key_at = |place: &Place| {
                        let ids = batches[place.batch as usize].column(id);
                        Column::new(ids).and_then(|ids| ids.key(place.row as usize))
                    };
                    while order.get(*at).is_some_and(|p| key_at(p) <= Some(wanted)) {
                        *at += 1;
                    }
                    return Ok(());
                }
            }
            if !self.load()? {
                return Ok(());
            }
            let goes_on = |key: Key<'_>| key == wanted || !self.counts && key < wanted;
            if !self.key().is_some_and(goes_on) {
                break;
            }
        }
        if passed && self.key().is_some_and(|next| next < wanted) {
            return Err(Error::Unsorted {
                dataset: self.dataset.to_owned(),
                row: self.passed,
            });
        }
        Ok(())
    }

    /// What it passed since the last cut.
    fn cut(&mut self) -> Piece {
        match &mut self.form {
            Form::Ordered { at, first, .. } => {
                let piece = Piece::Order {
                    first: *first,
                    end: *at,
                };
                *first = *at;
                piece
            }
            Form::Sorted {
                ids,
                row,
                slots,
                first,
                ..
            } => {
                let piece = Piece::Batches {
                    slots: slots.clone(),
                    first: *first,
                    end: *row,
                };
                let over = ids.as_ref().is_none_or(|ids| *row >= ids.len());
                let keep = if over { None } else { slots.pop() };
                slots.clear();
                *first = if over { 0 } else { *row };
                slots.extend(keep);
                piece
            }
        }
    }
}
