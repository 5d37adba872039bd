//! The items of a dataset at its newest version, the latest row of each, and which pass a filter.
//!
//! Of several rows of an item the one with the latest event time counts, of equal times or without
//! times the one that was written last. Invariant: a table that is handed out is that of the version
//! which was the newest when it was asked for.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use arrow_array::Array;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use arrow_array::UInt64Array;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_schema::DataType;
use arrow_schema::TimeUnit;
use arrow_select::concat::concat_batches;
use arrow_select::take::take_record_batch;
use lode_parts::Table;
use lode_store::Snapshot;
use lode_store::Store;
use lode_types::DatasetId;
use lode_types::Role;

use super::catalogue::Known;
use crate::Error;
use crate::Result;
use crate::condition::Bound;
use crate::condition::Columns;

/// Masks that are kept of one version.
const KEPT_MASKS: usize = 256;

/// The items of one version.
#[derive(Debug)]
pub(crate) struct Items {
    version: u64,
    places: HashMap<String, u32>,
    columns: Columns,
    masks: Mutex<HashMap<String, Arc<Mask>>>,
}

/// Which items pass a filter.
#[derive(Debug)]
pub(crate) struct Mask {
    passes: Vec<bool>,
    /// Whether an item without a row passes.
    unlisted: bool,
    /// Items with a row that pass.
    n: usize,
}

/// The items of each dataset that is in use.
#[derive(Debug, Default)]
pub(crate) struct Tables(Mutex<HashMap<(DatasetId, String), Arc<Slot>>>);

#[derive(Debug, Default)]
struct Slot(Mutex<Option<(u64, Arc<Items>)>>);

impl Tables {
    /// The items of a dataset now.
    pub(crate) fn now(&self, store: &Store, known: &Known) -> Result<Arc<Items>> {
        let id = &known.dataset.id;
        let slot = {
            let mut slots = lock(&self.0);
            let key = (id.clone(), known.id.clone());
            Arc::clone(slots.entry(key).or_default())
        };
        // Held while the items are read, so that they are read once.
        let mut held = lock(&slot.0);
        let changes = store.changes();
        if let Some((checked, items)) = &mut *held {
            if *checked == changes || store.version(id)? == items.version {
                *checked = changes;
                return Ok(Arc::clone(items));
            }
        }
        let snapshot = store.pin(id, None)?;
        known.check(&snapshot)?;
        let items = Arc::new(Items::read(&snapshot, &known.id)?);
        *held = Some((changes, Arc::clone(&items)));
        Ok(items)
    }
}

impl Items {
    /// Reads the items of a snapshot.
    pub(crate) fn read(snapshot: &Snapshot, id: &str) -> Result<Self> {
        let files = snapshot.files()?.into_iter().map(|file| file.file);
        let table = Table::open(files.collect())?;
        let batches: Vec<RecordBatch> = table
            .batches()
            .collect::<std::result::Result<_, lode_parts::Error>>()?;
        let rows = concat_batches(&table.schema(), &batches)?;
        drop(batches);
        let column = rows.column_by_name(id);
        let column = column.ok_or_else(|| Error::bug(format!("no column {id:?} of items")))?;
        let ids = arrow_cast::cast(column, &DataType::Utf8)?;
        let ids: &StringArray = ids.as_string();
        let times = times(snapshot, &rows)?;
        let time = |row: usize| times.as_ref().and_then(|times| times[row]);
        let mut places: HashMap<String, u32> = HashMap::new();
        let mut latest: Vec<u64> = Vec::new();
        for row in 0..rows.num_rows() {
            if ids.is_null(row) {
                continue;
            }
            match places.get(ids.value(row)) {
                Some(place) => {
                    let held = &mut latest[*place as usize];
                    let before = usize::try_from(*held).unwrap_or(0);
                    if time(row) >= time(before) {
                        *held = row as u64;
                    }
                }
                None => {
                    let place = u32::try_from(latest.len())
                        .map_err(|_| Error::bug("more items than can be counted"))?;
                    places.insert(ids.value(row).to_owned(), place);
                    latest.push(row as u64);
                }
            }
        }
        let latest = take_record_batch(&rows, &UInt64Array::from(latest))?;
        Ok(Self {
            version: snapshot.version(),
            places,
            columns: Columns::of(&latest)?,
            masks: Mutex::default(),
        })
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.columns.rows()
    }

    /// Which items pass all of some filters, which must speak of items alone.
    pub(crate) fn mask(&self, filters: &[Bound]) -> Arc<Mask> {
        let keys: Vec<String> = filters.iter().map(Bound::key).collect();
        let key = keys.join(" ");
        if let Some(mask) = lock(&self.masks).get(&key) {
            return Arc::clone(mask);
        }
        let columns = &self.columns;
        let holds = |row: Option<usize>| {
            let row = row.map(|row| (columns, row));
            filters.iter().all(|filter| filter.holds(row))
        };
        let passes: Vec<bool> = (0..columns.rows()).map(|row| holds(Some(row))).collect();
        let mask = Arc::new(Mask {
            n: passes.iter().filter(|passes| **passes).count(),
            passes,
            unlisted: holds(None),
        });
        let mut masks = lock(&self.masks);
        if masks.len() >= KEPT_MASKS {
            masks.clear();
        }
        masks.insert(key, Arc::clone(&mask));
        mask
    }

    /// Whether an item passes.
    pub(crate) fn passes(&self, mask: &Mask, item: &str) -> bool {
        match self.places.get(item) {
            Some(place) => mask.passes[*place as usize],
            None => mask.unlisted,
        }
    }
}

impl Mask {
    /// Whether no item passes, known or not.
    pub(crate) fn is_empty(&self) -> bool {
        self.n == 0 && !self.unlisted
    }

    /// Share of the items that pass, as far as it is known.
    pub(crate) fn share(&self) -> f64 {
        match self.passes.len() {
            _ if self.unlisted => 1.0,
            0 => 0.0,
            n => self.n as f64 / n as f64,
        }
    }
}

/// Event times of the rows, where the items have such a column.
fn times(snapshot: &Snapshot, rows: &RecordBatch) -> Result<Option<Vec<Option<i64>>>> {
    let column = snapshot.dataset().schema.with_role(Role::EventTime);
    let Some(column) = column.and_then(|column| rows.column_by_name(&column.name)) else {
        return Ok(None);
    };
    let micros = arrow_cast::cast(column, &DataType::Timestamp(TimeUnit::Microsecond, None))?;
    let micros = arrow_cast::cast(&micros, &DataType::Int64)?;
    let micros = micros.as_primitive::<Int64Type>();
    Ok(Some(micros.iter().collect()))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
