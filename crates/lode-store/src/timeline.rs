//! One customer's rows, found without reading the others.
//!
//! Of a sorted run only the parts are touched whose filter does not rule the customer out, and
//! of those the batches whose range holds it; loads that are not compacted are scanned by
//! their customer column. Opened tables are kept for the next look.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;

use arrow_array::Array;
use arrow_array::ArrayRef;
use arrow_array::RecordBatch;
use arrow_array::RecordBatchOptions;
use arrow_array::UInt32Array;
use arrow_array::cast::AsArray;
use arrow_array::types::Date32Type;
use arrow_array::types::Int64Type;
use arrow_array::types::TimestampMicrosecondType;
use arrow_schema::DataType;
use arrow_select::concat::concat_batches;
use arrow_select::take::take_record_batch;
use lode_parts::Bound;
use lode_parts::Customer;
use lode_parts::Strings;
use lode_parts::Table;
use lode_types::CustomerId;
use lode_types::DatasetKind;
use lode_types::Timestamp;

use crate::Error;
use crate::Result;
use crate::Snapshot;
use crate::committer::lock;
use crate::ingest::Place;
use crate::recent;
use crate::runs;
use crate::runs::Tile;
use crate::snapshot::open_run;
use crate::snapshot::open_some;

/// So many tables are kept open.
const OPEN_TABLES: usize = 512;
const MICROS_PER_DAY: i64 = 86_400_000_000;

/// Which of a customer's rows are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CustomerRows {
    /// Numbers of the columns, in the order wanted; all when there are none named.
    pub columns: Option<Vec<usize>>,
    /// Only rows at or after it, by the column of role event_time.
    pub from: Option<Timestamp>,
    /// Only rows before it.
    pub before: Option<Timestamp>,
    /// At most so many: the last ones.
    pub limit: Option<usize>,
}

/// Tables of runs and loads that were opened before: dataset, run or ingest.
#[derive(Default)]
pub(crate) struct Opened(Mutex<HashMap<(u32, u32), Option<Table>>>);

impl Opened {
    pub(crate) fn forget(&self, dataset: u32) {
        lock(&self.0).retain(|key, _| key.0 != dataset);
    }

    pub(crate) fn forget_one(&self, dataset: u32, number: u32) {
        lock(&self.0).remove(&(dataset, number));
    }

    fn get(
        &self,
        key: (u32, u32),
        open: impl FnOnce() -> Result<Option<Table>>,
    ) -> Result<Option<Table>> {
        if let Some(table) = lock(&self.0).get(&key) {
            return Ok(table.clone());
        }
        let table = open()?;
        let mut tables = lock(&self.0);
        if tables.len() >= OPEN_TABLES {
            tables.clear();
        }
        tables.insert(key, table.clone());
        Ok(table)
    }
}

impl Snapshot {
    /// The rows of one customer in the order of time, those of one moment in stored order and
    /// those without a time last; of a dataset without a column of role event_time in the
    /// order in which they are found.
    ///
    /// With a range of time, rows without a time are left out. After compaction it takes some
    /// tens of microseconds and the rows' own bytes; before, a scan of the customer column of
    /// each load whose range may hold the customer.
    ///
    /// # Errors
    /// `NO_CUSTOMER_COLUMN` when the dataset has no column of that role or is one of
    /// customers, `TABLE_NO_SUCH_COLUMN`, `TABLE_DAMAGED` and the like.
    pub fn customer_rows(&self, id: &CustomerId, wanted: &CustomerRows) -> Result<RecordBatch> {
        let schema = self.schema();
        let (customer, time) = runs::sort_columns(&self.definition().schema);
        let customer = (customer as usize)
            .checked_sub(1)
            .filter(|_| self.dataset().kind != DatasetKind::Customers)
            .ok_or_else(|| Error::NoCustomerColumn {
                id: self.dataset().id.as_str().to_owned(),
            })?;
        let columns = match &wanted.columns {
            Some(columns) => columns.clone(),
            None => (0..schema.fields().len()).collect(),
        };
        if let Some(&found) = columns
            .iter()
            .find(|column| **column >= schema.fields().len())
        {
            let columns = schema.fields().len();
            return Err(lode_parts::Error::NoSuchColumn { columns, found }.into());
        }
        let mut read = columns.clone();
        let time = (time as usize).checked_sub(1);
        read.extend(time.filter(|time| !columns.contains(time)));
        let who = match schema.field(customer).data_type() {
            DataType::Int64 => id.as_str().parse().ok().map(Customer::Int),
            _ => Some(Customer::Text(id.as_str())),
        };
        let mut found = Vec::new();
        if let Some(who) = who {
            let look = Look {
                snapshot: self,
                customer,
                who,
                read: &read,
            };
            found = look.all()?;
        }
        let schema = Arc::new(schema.project(&read).map_err(bug)?);
        let found: Vec<RecordBatch> = found
            .into_iter()
            .map(|batch| under(&schema, &batch))
            .collect::<Result<_>>()?;
        let rows = concat_batches(&schema, &found).map_err(bug)?;
        let at = time.and_then(|time| read.iter().position(|column| *column == time));
        let rows = match at {
            Some(at) => in_order(&rows, at, wanted)?,
            None => {
                let n = wanted.limit.unwrap_or(usize::MAX).min(rows.num_rows());
                rows.slice(rows.num_rows() - n, n)
            }
        };
        let asked: Vec<usize> = (0..columns.len()).collect();
        rows.project(&asked).map_err(bug)
    }
}

fn bug(error: arrow_schema::ArrowError) -> Error {
    Error::bug(error.to_string())
}

/// The same columns under today's names and roles.
fn under(schema: &arrow_schema::SchemaRef, batch: &RecordBatch) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), batch.columns().to_vec(), &options)
        .map_err(bug)
}

/// A look for a customer.
struct Look<'a> {
    snapshot: &'a Snapshot,
    customer: usize,
    who: Customer<'a>,
    read: &'a [usize],
}

impl Look<'_> {
    fn all(&self) -> Result<Vec<RecordBatch>> {
        let (inner, number) = (self.snapshot.inner(), self.snapshot.number());
        let trees = &inner.core().trees;
        let version = self.snapshot.version();
        recent::undisturbed(trees, number, || {
            let mut found = Vec::new();
            self.snapshot.laid(|tiles| {
                found.clear();
                for tile in tiles {
                    self.tile(tile, &mut found)?;
                }
                Ok(())
            })?;
            for rows in self.snapshot.recent_batches()? {
                self.scan(&rows, &mut found)?;
            }
            Ok(found)
        })
        .map_err(|error| match error {
            Error::VersionNotFound { .. } => Error::bug(format!("version {version} is gone")),
            other => other,
        })
    }

    fn tile(&self, tile: &Tile, found: &mut Vec<RecordBatch>) -> Result<()> {
        let (inner, dataset) = (self.snapshot.inner(), self.snapshot.number());
        let skip = self.snapshot.skips_lost();
        // A table without a part that is lost is not kept, since the part may come back.
        let get = |number: u32, make: &dyn Fn() -> Result<Option<Table>>| match skip {
            true => make(),
            false => inner.opened().get((dataset, number), make),
        };
        match tile {
            Tile::Run(run, record) => {
                let table = get(*run, &|| {
                    let mut files = Vec::new();
                    open_run(inner, dataset, *run, None, skip, &mut files)?;
                    open(files)
                })?;
                let sorted = record.is_sorted_by(&self.snapshot.definition().schema);
                table.map_or(Ok(()), |table| self.table(&table, sorted, found))
            }
            Tile::Loads(loads) => {
                for load in loads {
                    let ingest = load.ingest;
                    let table = get(ingest, &|| {
                        let mut files = Vec::new();
                        open_some(inner, Place { dataset, ingest }, skip, &mut files)?;
                        open(files)
                    })?;
                    if let Some(table) = table {
                        self.table(&table, false, found)?;
                    }
                }
                Ok(())
            }
        }
    }

    fn table(&self, table: &Table, sorted: bool, found: &mut Vec<RecordBatch>) -> Result<()> {
        let mut last = None;
        for i in 0..table.n_batches() {
            let file = table.file_of(i)?;
            let may = match last {
                Some((known, may)) if known == file => may,
                _ => !sorted || table.may_hold(file, self.who),
            };
            last = Some((file, may));
            if !may || self.is_outside(table, i) {
                continue;
            }
            if sorted && let Some(rows) = table.find(i, self.who)? {
                if !rows.is_empty() {
                    found.push(table.rows_as(i, rows, Some(self.read), Strings::Plain)?);
                }
                continue;
            }
            let ids = table.batch_as(i, Some(&[self.customer]), Strings::Plain)?;
            let rows = self.matches(ids.column(0));
            if !rows.is_empty() {
                let batch = table.batch_as(i, Some(self.read), Strings::Plain)?;
                found.push(take_record_batch(&batch, &UInt32Array::from(rows)).map_err(bug)?);
            }
        }
        Ok(())
    }

    fn is_outside(&self, table: &Table, i: usize) -> bool {
        let Customer::Int(id) = self.who else {
            return false;
        };
        let schema = table.schema();
        let name = schema.field(self.customer).name();
        let zone = table
            .zones(i)
            .and_then(|zones| zones.iter().find(|zone| zone.column == *name));
        match zone.map(|zone| (zone.min, zone.max)) {
            Some((Some(Bound::Int(min)), Some(Bound::Int(max)))) => id < min || id > max,
            _ => false,
        }
    }

    /// The customer's rows of a batch of all columns.
    fn scan(&self, batch: &RecordBatch, found: &mut Vec<RecordBatch>) -> Result<()> {
        let rows = self.matches(batch.column(self.customer));
        if !rows.is_empty() {
            let batch = batch.project(self.read).map_err(bug)?;
            found.push(take_record_batch(&batch, &UInt32Array::from(rows)).map_err(bug)?);
        }
        Ok(())
    }

    fn matches(&self, ids: &ArrayRef) -> Vec<u32> {
        let rows = 0..u32::try_from(ids.len()).unwrap_or(u32::MAX);
        match self.who {
            Customer::Int(id) => match ids.as_primitive_opt::<Int64Type>() {
                Some(ids) => rows
                    .filter(|row| ids.value(*row as usize) == id && ids.is_valid(*row as usize))
                    .collect(),
                None => Vec::new(),
            },
            Customer::Text(id) => match ids.as_string_opt::<i32>() {
                Some(ids) => rows
                    .filter(|row| ids.value(*row as usize) == id && ids.is_valid(*row as usize))
                    .collect(),
                None => Vec::new(),
            },
        }
    }
}

fn open(files: Vec<crate::TableFile>) -> Result<Option<Table>> {
    if files.is_empty() {
        return Ok(None);
    }
    let files = files.into_iter().map(|file| file.file).collect();
    Ok(Some(Table::open(files)?))
}

/// The rows of the range in the order of their time, the last ones only.
fn in_order(rows: &RecordBatch, at: usize, wanted: &CustomerRows) -> Result<RecordBatch> {
    let times = micros(rows.column(at))?;
    let within = |time: Option<i64>| match time {
        Some(time) => {
            wanted.from.is_none_or(|from| time >= from.0)
                && wanted.before.is_none_or(|before| time < before.0)
        }
        None => wanted.from.is_none() && wanted.before.is_none(),
    };
    let mut order: Vec<u32> = (0_u32..)
        .zip(&times)
        .filter(|(_, time)| within(**time))
        .map(|(row, _)| row)
        .collect();
    order.sort_by_key(|row| {
        let time = times[*row as usize];
        (time.is_none(), time)
    });
    let n = wanted.limit.unwrap_or(usize::MAX).min(order.len());
    let order = UInt32Array::from(order.split_off(order.len() - n));
    take_record_batch(rows, &order).map_err(bug)
}

fn micros(column: &ArrayRef) -> Result<Vec<Option<i64>>> {
    if let Some(days) = column.as_primitive_opt::<Date32Type>() {
        let day = |day: Option<i32>| day.map(|day| i64::from(day) * MICROS_PER_DAY);
        return Ok(days.iter().map(day).collect());
    }
    match column.as_primitive_opt::<TimestampMicrosecondType>() {
        Some(times) => Ok(times.iter().collect()),
        None => Err(Error::bug("an event time that is no time")),
    }
}
