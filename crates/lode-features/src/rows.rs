//! The rows that a view is computed from, brought into the order of customers.
//!
//! Sorted runs are read as they lie; what is not sorted is ordered in memory by (customer,
//! time, stored order), 4 to 24 bytes a row. Invariant: whatever the cut into files, runs and
//! batches, each customer's rows come in the order of time, and equal times in stored order.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use arrow_array::RecordBatch;
use lode_parts::Table;

use crate::Error;
use crate::Result;
use crate::cells::Column;
use crate::cells::Key;
use crate::plan::LookupPlan;
use crate::plan::SourcePlan;

/// Rows of a dataset.
#[derive(Clone, Debug)]
pub enum Rows {
    /// A sorted run: ascending by customer and time.
    Sorted(Table),
    /// Files as they were loaded.
    Unsorted(Table),
    /// Batches in any order.
    Batches(Vec<RecordBatch>),
}

/// Where a row lies: which batch, which row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) batch: u32,
    pub(crate) row: u32,
}

/// Whose rows they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    Source(usize),
    Lookup { lookup: usize, date: usize },
}

/// Rows in the order of customers.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) owner: Owner,
    pub(crate) data: Data,
}

#[derive(Debug)]
pub(crate) enum Data {
    /// Read batch by batch.
    Sorted { table: Table, columns: Vec<usize> },
    /// All batches at hand, and the order of their rows.
    Ordered {
        batches: Vec<RecordBatch>,
        order: Vec<Place>,
    },
}

/// The rows of a dataset of events as runs.
pub(crate) fn runs(source: usize, plan: &SourcePlan, rows: &[Rows]) -> Result<Vec<Run>> {
    let owner = Owner::Source(source);
    let mut runs = Vec::new();
    let mut loose = Vec::new();
    for rows in rows {
        match rows {
            Rows::Sorted(table) => {
                let columns = columns(&plan.dataset, &plan.columns, table)?;
                let table = table.clone();
                let data = Data::Sorted { table, columns };
                runs.push(Run { owner, data });
            }
            Rows::Unsorted(table) => {
                let columns = columns(&plan.dataset, &plan.columns, table)?;
                for i in 0..table.n_batches() {
                    loose.push(table.batch(i, Some(&columns))?);
                }
            }
            Rows::Batches(batches) => {
                for batch in batches {
                    loose.push(project(&plan.dataset, &plan.columns, batch)?);
                }
            }
        }
    }
    loose.retain(|batch| batch.num_rows() > 0);
    if !loose.is_empty() {
        let order = order(&loose, plan.id, Some(plan.time))?;
        let data = Data::Ordered {
            batches: loose,
            order,
        };
        runs.push(Run { owner, data });
    }
    Ok(runs)
}

/// The rows of a lookup at one time.
pub(crate) fn lookup(
    lookup: usize,
    date: usize,
    plan: &LookupPlan,
    batches: &[RecordBatch],
) -> Result<Run> {
    let batches = batches
        .iter()
        .map(|batch| project(&plan.name, &plan.columns, batch))
        .collect::<Result<Vec<_>>>()?;
    let order = order(&batches, plan.id, None)?;
    let key = |place: &Place| {
        let ids = batches[place.batch as usize].column(plan.id);
        Column::new(ids).and_then(|ids| ids.key(place.row as usize))
    };
    if order.windows(2).any(|pair| key(&pair[0]) == key(&pair[1])) {
        return Err(Error::Repeated {
            query: plan.name.clone(),
        });
    }
    Ok(Run {
        owner: Owner::Lookup { lookup, date },
        data: Data::Ordered { batches, order },
    })
}

/// A batch of a sorted run, decoded once for all tasks that read it.
#[derive(Debug)]
pub(crate) struct Slot {
    table: Table,
    columns: Vec<usize>,
    batch: usize,
    read: Mutex<Option<RecordBatch>>,
}

impl Slot {
    pub(crate) fn new(table: &Table, columns: &[usize], batch: usize) -> Arc<Self> {
        Arc::new(Self {
            table: table.clone(),
            columns: columns.to_vec(),
            batch,
            read: Mutex::default(),
        })
    }

    pub(crate) fn get(&self) -> Result<RecordBatch> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(batch) = &*read {
            return Ok(batch.clone());
        }
        let batch = self.table.batch(self.batch, Some(&self.columns))?;
        *read = Some(batch.clone());
        Ok(batch)
    }
}

/// Where the plan's columns lie in a table.
pub(crate) fn columns(
    dataset: &str,
    wanted: &[(String, arrow_schema::DataType)],
    table: &Table,
) -> Result<Vec<usize>> {
    find(dataset, wanted, &table.schema())
}

fn find(
    dataset: &str,
    wanted: &[(String, arrow_schema::DataType)],
    schema: &arrow_schema::Schema,
) -> Result<Vec<usize>> {
    let columns = wanted.iter();
    columns
        .map(|(name, data_type)| {
            let differs = |found: String| Error::RowsDiffer {
                dataset: dataset.to_owned(),
                expected: format!("column {name:?} of type {data_type}"),
                found,
            };
            let at = schema
                .index_of(name)
                .map_err(|_| differs("none".to_owned()))?;
            let found = schema.field(at).data_type();
            if found == data_type {
                Ok(at)
            } else {
                Err(differs(found.to_string()))
            }
        })
        .collect()
}

pub(crate) fn project(
    dataset: &str,
    wanted: &[(String, arrow_schema::DataType)],
    batch: &RecordBatch,
) -> Result<RecordBatch> {
    let columns = find(dataset, wanted, &batch.schema())?;
    Ok(batch.project(&columns)?)
}

/// The order of rows by (customer, time, place); rows without a customer are left out.
fn order(batches: &[RecordBatch], id: usize, time: Option<usize>) -> Result<Vec<Place>> {
    let found: u64 = batches.iter().map(|batch| batch.num_rows() as u64).sum();
    let limit = u64::from(u32::MAX);
    if found > limit {
        return Err(Error::TooManyRows { limit, found });
    }
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    // The first bytes of a text, or the integer moved to where its order is unsigned.
    let mut rows: Vec<(u64, i64, Place)> = Vec::with_capacity(usize::try_from(found).unwrap_or(0));
    for (b, batch) in batches.iter().enumerate() {
        let ids = Column::new(batch.column(id));
        let times = time.and_then(|time| Column::new(batch.column(time)));
        for row in 0..batch.num_rows() {
            let Some(key) = ids.and_then(|ids| ids.key(row)) else {
                continue;
            };
            let time = times.and_then(|times| times.time(row)).unwrap_or(i64::MIN);
            let place = Place {
                batch: number(b),
                row: number(row),
            };
            rows.push((prefix(key), time, place));
        }
    }
    let text = |place: &Place| {
        let ids = batches[place.batch as usize].column(id);
        match Column::new(ids).and_then(|ids| ids.key(place.row as usize)) {
            Some(Key::Text(text)) if text.len() >= 8 => Some(text),
            _ => None,
        }
    };
    let is_text = rows.iter().any(|(_, _, place)| text(place).is_some());
    rows.sort_unstable_by(|a, b| {
        let texts = || {
            if is_text {
                text(&a.2).cmp(&text(&b.2))
            } else {
                std::cmp::Ordering::Equal
            }
        };
        a.0.cmp(&b.0)
            .then_with(texts)
            .then_with(|| (a.1, a.2).cmp(&(b.1, b.2)))
    });
    Ok(rows.into_iter().map(|(_, _, place)| place).collect())
}

fn prefix(key: Key<'_>) -> u64 {
    match key {
        Key::Int(value) => value.cast_unsigned() ^ (1 << 63),
        Key::Text(text) => {
            let mut bytes = [0; 8];
            let n = text.len().min(8);
            bytes[..n].copy_from_slice(&text.as_bytes()[..n]);
            u64::from_be_bytes(bytes)
        }
    }
}
