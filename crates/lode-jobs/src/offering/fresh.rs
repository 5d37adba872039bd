//! What customers did since a model was made, as session items: kept up as versions come.
//!
//! A request looks here only when the store has changed since the last look; then what the new
//! versions brought is added to a small index by customer. When that would grow too large, or the
//! rows can no longer be told from older ones, each request reads the customer's own rows. Rows with
//! a quantity of 0 or less, and kinds of events that weigh 0, are left out; kinds that weigh less
//! are items not to offer. Invariant: an event that was committed before a call came is in its
//! answer.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use arrow_array::Array;
use arrow_array::Float64Array;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_schema::DataType;
use lode_store::CustomerRows;
use lode_store::Snapshot;
use lode_store::Store;
use lode_types::Class;
use lode_types::CustomerId;
use lode_types::Failure;
use lode_types::Timestamp;

use super::catalogue::Events;
use crate::Result;

/// Events that the index holds at most: about 50 MB.
const MOST_EVENTS: u64 = 500_000;
/// Items of one customer that are told, the last ones.
const MOST_ITEMS: usize = 1000;
/// So much is checked when nothing ever was.
const NEVER: u64 = u64::MAX;

/// What a customer did since.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Since {
    /// Oldest first.
    pub(crate) items: Vec<String>,
    /// What they turned away from.
    pub(crate) disliked: Vec<String>,
}

/// What all customers did since a model was made.
#[derive(Debug)]
pub(crate) struct Fresh {
    pub(crate) events: Events,
    /// What the store had written at the last look.
    checked: AtomicU64,
    index: Mutex<Index>,
}

#[derive(Debug)]
struct Index {
    /// The version up to which everything is here.
    seen: u64,
    /// Each customer's rows are read from the store instead.
    by_store: bool,
    customers: HashMap<String, Vec<(u32, bool)>>,
    items: Vec<String>,
    codes: HashMap<String, u32>,
    n: u64,
}

/// Places of the columns that are read.
struct Wanted {
    columns: Vec<usize>,
    quantity: Option<usize>,
    kind: Option<usize>,
}

impl Fresh {
    /// Nothing is read until it is asked for.
    pub(crate) fn new(events: Events) -> Self {
        let index = Index {
            seen: events.version,
            // As of a time: versions do not tell what came behind it.
            by_store: events.as_of.is_some(),
            customers: HashMap::new(),
            items: Vec::new(),
            codes: HashMap::new(),
            n: 0,
        };
        Self {
            events,
            checked: AtomicU64::new(NEVER),
            index: Mutex::new(index),
        }
    }

    /// What a customer did since the model was made.
    pub(crate) fn of(&self, store: &Store, customer: &CustomerId) -> Result<Since> {
        let changes = store.changes();
        let is_new = self.checked.load(Ordering::Acquire) != changes;
        let mut index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        if is_new && !index.by_store {
            match self.newest(store)? {
                Some(snapshot) if snapshot.version() > index.seen => index.add(&snapshot, self)?,
                _ => {}
            }
            self.checked.store(changes, Ordering::Release);
        }
        if index.by_store {
            drop(index);
            return match self.newest(store)? {
                Some(snapshot) => self.read(&snapshot, store, customer),
                None => Ok(Since::default()),
            };
        }
        Ok(index.since(customer.as_str()))
    }

    /// The events now; none when their dataset is gone.
    pub(crate) fn newest(&self, store: &Store) -> Result<Option<Snapshot>> {
        match store.pin(&self.events.dataset, None) {
            Ok(snapshot) => Ok(Some(snapshot)),
            Err(error) if error.class() == Class::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The same of many customers as of one version.
    pub(crate) fn at(
        &self,
        snapshot: &Snapshot,
        store: &Store,
        ids: &[CustomerId],
    ) -> Result<Vec<Since>> {
        let mut index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        if !index.by_store && snapshot.version() > index.seen {
            index.add(snapshot, self)?;
        }
        if index.by_store {
            drop(index);
            let all = ids.iter().map(|id| self.read(snapshot, store, id));
            return all.collect();
        }
        Ok(ids.iter().map(|id| index.since(id.as_str())).collect())
    }

    /// All items that a customer has had by now, each once.
    pub(crate) fn owned(&self, snapshot: &Snapshot, customer: &CustomerId) -> Result<Vec<String>> {
        let mut items = Vec::new();
        let Some(wanted) = self.wanted(snapshot) else {
            return Ok(items);
        };
        for (item, _) in self.rows(snapshot, customer, &wanted, None)? {
            items.push(item);
        }
        items.sort_unstable();
        items.dedup();
        Ok(items)
    }

    /// Reads a customer's own rows and takes away what the model knows.
    fn read(&self, snapshot: &Snapshot, store: &Store, customer: &CustomerId) -> Result<Since> {
        let mut since = Since::default();
        let Some(wanted) = self.wanted(snapshot) else {
            return Ok(since);
        };
        let behind = self.events.as_of.map(|time| Timestamp(time.0 + 1));
        let mut known: HashMap<(String, bool), usize> = HashMap::new();
        if behind.is_none() {
            // A version that is gone tells nothing apart: the whole history is told once more,
            // which the model's own holds already.
            if let Ok(before) = store.pin(&self.events.dataset, Some(self.events.version)) {
                for row in self.rows(&before, customer, &wanted, None)? {
                    *known.entry(row).or_default() += 1;
                }
            }
        }
        for row in self.rows(snapshot, customer, &wanted, behind)? {
            if let Some(n) = known.get_mut(&row).filter(|n| **n > 0) {
                *n -= 1;
                continue;
            }
            match row {
                (item, true) => since.items.push(item),
                (item, false) => since.disliked.push(item),
            }
        }
        for items in [&mut since.items, &mut since.disliked] {
            items.drain(..items.len().saturating_sub(MOST_ITEMS));
        }
        Ok(since)
    }

    /// A customer's rows that count, by time: the item, and whether it is liked.
    fn rows(
        &self,
        snapshot: &Snapshot,
        customer: &CustomerId,
        wanted: &Wanted,
        from: Option<Timestamp>,
    ) -> Result<Vec<(String, bool)>> {
        let rows = snapshot.customer_rows(
            customer,
            &CustomerRows {
                columns: Some(wanted.columns.clone()),
                from,
                ..CustomerRows::default()
            },
        )?;
        let mut found = Vec::new();
        self.each(&rows, wanted, |_, item, liked| {
            found.push((item.to_owned(), liked));
        })?;
        Ok(found)
    }

    /// Calls `row` with each row that counts.
    fn each(
        &self,
        rows: &RecordBatch,
        wanted: &Wanted,
        mut row: impl FnMut(&str, &str, bool),
    ) -> Result<()> {
        let text = |at: usize| -> Result<StringArray> {
            let column = arrow_cast::cast(rows.column(at), &DataType::Utf8)?;
            Ok(column.as_string::<i32>().clone())
        };
        let number = |at: usize| -> Result<Float64Array> {
            let column = arrow_cast::cast(rows.column(at), &DataType::Float64)?;
            Ok(column.as_primitive::<Float64Type>().clone())
        };
        let (customers, items) = (text(0)?, text(1)?);
        let quantities = wanted.quantity.map(number).transpose()?;
        let kinds = wanted.kind.map(text).transpose()?;
        for i in 0..rows.num_rows() {
            if customers.is_null(i) || items.is_null(i) {
                continue;
            }
            let returned = quantities
                .as_ref()
                .is_some_and(|all| all.is_valid(i) && all.value(i) <= 0.0);
            let kind = kinds.as_ref().filter(|kinds| kinds.is_valid(i));
            let weight = kind.and_then(|kinds| self.events.kind_weights.get(kinds.value(i)));
            let weight = weight.copied().unwrap_or(1.0);
            if !returned && weight.total_cmp(&0.0).is_ne() {
                row(customers.value(i), items.value(i), weight > 0.0);
            }
        }
        Ok(())
    }

    /// Where the columns are; none when another dataset has taken the place of the events.
    fn wanted(&self, snapshot: &Snapshot) -> Option<Wanted> {
        let schema = &snapshot.dataset().schema;
        let place = |name: &str| {
            let mut columns = schema.columns().iter();
            columns.position(|column| column.name == name)
        };
        let events = &self.events;
        let mut columns = vec![place(&events.customer)?, place(&events.item)?];
        let mut more = |name: Option<&String>| {
            columns.push(place(name?)?);
            Some(columns.len() - 1)
        };
        let quantity = more(events.quantity.as_ref());
        let kind = more(events.kind.as_ref());
        Some(Wanted {
            columns,
            quantity,
            kind,
        })
    }
}

impl Index {
    /// Adds what came up to a version.
    fn add(&mut self, snapshot: &Snapshot, fresh: &Fresh) -> Result<()> {
        let Some(wanted) = fresh.wanted(snapshot) else {
            return Ok(());
        };
        let room = MOST_EVENTS - self.n;
        let Some(batches) = snapshot.rows_since(self.seen, &wanted.columns, room)? else {
            tracing::info!(
                dataset = snapshot.dataset().id.as_str(),
                "too much came since a model was made, or it is compacted: its customers' rows are read with each call"
            );
            self.by_store = true;
            self.customers = HashMap::new();
            self.codes = HashMap::new();
            self.items = Vec::new();
            return Ok(());
        };
        for batch in &batches {
            fresh.each(batch, &wanted, |customer, item, liked| {
                let code = match self.codes.get(item) {
                    Some(code) => *code,
                    None => {
                        let code = u32::try_from(self.items.len()).unwrap_or(u32::MAX);
                        self.items.push(item.to_owned());
                        self.codes.insert(item.to_owned(), code);
                        code
                    }
                };
                match self.customers.get_mut(customer) {
                    Some(rows) => rows.push((code, liked)),
                    None => {
                        let rows = vec![(code, liked)];
                        self.customers.insert(customer.to_owned(), rows);
                    }
                }
                self.n += 1;
            })?;
        }
        self.seen = snapshot.version();
        Ok(())
    }

    fn since(&self, customer: &str) -> Since {
        let mut since = Since::default();
        let Some(rows) = self.customers.get(customer) else {
            return since;
        };
        let last = &rows[rows.len().saturating_sub(MOST_ITEMS)..];
        for (code, liked) in last {
            let item = self.items[*code as usize].clone();
            match liked {
                true => since.items.push(item),
                false => since.disliked.push(item),
            }
        }
        since
    }
}
