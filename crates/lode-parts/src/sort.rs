//! Rewrites tables as one sorted run: by customer, then event time, then stored order.
//!
//! The rows are dealt into files by ranges of the key, found in a sample, so that no customer
//! is in two files; each file is gathered, sorted and packed by itself, so that memory depends
//! on the size of a file and not of the table. Rows without a customer come last, by time;
//! rows without a time after those with one. Without a customer column the run is sorted by
//! time, without either it is in stored order.
//! Invariant: one thread and no chance; equal inputs give equal bytes.

mod gather;
mod order;

use std::fs::File;
use std::path::Path;

use arrow_array::Array;
use arrow_array::ArrayRef;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use arrow_array::cast::AsArray;
use arrow_array::types::Date32Type;
use arrow_array::types::Int64Type;
use arrow_array::types::TimestampMicrosecondType;
use arrow_schema::DataType;
use arrow_schema::SchemaRef;
use arrow_schema::TimeUnit;

use crate::Bound;
use crate::Error;
use crate::Manifest;
use crate::PartInfo;
use crate::Result;
use crate::Step;
use crate::Strings;
use crate::Table;
use crate::part::write_sorted;

/// Rows of a file of a run, about.
const FILE_ROWS: usize = 1 << 20;
/// Bytes of a file's rows before they are packed, about.
const FILE_BYTES: u64 = 64 << 20;
/// Fewest rows of a file, however wide they are.
const MIN_FILE_ROWS: usize = 1 << 14;
/// Rows whose numbers are held at once.
const GROUP_ROWS: usize = 24 << 20;
const SAMPLES: u64 = 1 << 16;

/// The columns by which a run is sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Order {
    /// An int64 or string column.
    pub customer: Option<usize>,
    /// A timestamp or date column.
    pub time: Option<usize>,
}

/// Where a run goes.
pub struct Target<'a> {
    /// The directory of its parts.
    pub dir: &'a Path,
    /// Name and manifest of the n-th part.
    pub part: &'a dyn Fn(u64) -> (String, Manifest),
    /// Called after each step of writing a part.
    pub after: &'a dyn Fn(Step),
    /// Asked now and then whether to stop.
    pub stop: &'a dyn Fn() -> bool,
    /// Rows of a part; about a million when it is none.
    pub file_rows: Option<usize>,
}

impl std::fmt::Debug for Target<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Target")
            .field("dir", &self.dir)
            .finish_non_exhaustive()
    }
}

/// Writes the rows of the files as packed parts; durable when it returns.
///
/// Meant to take less than 256 MiB beyond the maps of the files, more when one customer has
/// more than a few million rows; about half a CPU second a million rows of six columns.
///
/// # Errors
/// `TABLE_DAMAGED` and the like; `STOPPED` when it was; parts written so far stay, without an
/// owner.
pub fn sort(files: Vec<File>, order: Order, target: &Target<'_>) -> Result<Vec<PartInfo>> {
    let table = Table::open(files)?;
    let rows = table.rows();
    if u32::try_from(rows).is_err() {
        return Err(Error::SchemaDiffers {
            expected: format!("at most {} rows", u32::MAX),
            found: rows.to_string(),
        });
    }
    let schema = table.schema();
    check(&schema, order)?;
    let mut starts = Vec::with_capacity(table.n_batches() + 1);
    starts.push(0_usize);
    for i in 0..table.n_batches() {
        starts.push(starts[i] + table.batch_rows(i)?);
    }
    let sorter = Sorter {
        table: &table,
        schema,
        order,
        starts,
        file_rows: target.file_rows.unwrap_or_else(|| file_rows(&table)),
        target,
    };
    sorter.run()
}

fn check(schema: &SchemaRef, order: Order) -> Result<()> {
    let fits = |column: Option<usize>, fits: &dyn Fn(&DataType) -> bool| match column {
        None => Ok(()),
        Some(column) => match schema.fields().get(column) {
            Some(field) if fits(field.data_type()) => Ok(()),
            other => Err(Error::SchemaDiffers {
                expected: "a column that rows can be sorted by".to_owned(),
                found: format!("{other:?}"),
            }),
        },
    };
    fits(order.customer, &|t| {
        matches!(t, DataType::Int64 | DataType::Utf8)
    })?;
    fits(order.time, &|t| {
        matches!(
            t,
            DataType::Date32 | DataType::Timestamp(TimeUnit::Microsecond, _)
        )
    })
}

fn file_rows(table: &Table) -> usize {
    let bytes = table.plain_bytes().max(1);
    let fit = table.rows().saturating_mul(FILE_BYTES) / bytes;
    usize::try_from(fit)
        .unwrap_or(FILE_ROWS)
        .clamp(MIN_FILE_ROWS, FILE_ROWS)
}

/// Where ranges of the key begin: those of customers, then, of rows without one, of times.
struct Splitters {
    ints: Vec<i64>,
    texts: Vec<String>,
    times: Vec<i64>,
}

impl Splitters {
    /// The first range of rows without a customer.
    fn first_without(&self) -> usize {
        (self.ints.len() + self.texts.len()) + 1
    }

    /// The range of rows that have neither customer nor time.
    fn last(&self) -> usize {
        self.first_without() + self.times.len() + 1
    }
}

struct Sorter<'a> {
    table: &'a Table,
    schema: SchemaRef,
    order: Order,
    /// The number of the first row of each batch, and of all rows.
    starts: Vec<usize>,
    file_rows: usize,
    target: &'a Target<'a>,
}

impl Sorter<'_> {
    fn run(&self) -> Result<Vec<PartInfo>> {
        let splitters = self.sample()?;
        let ranges = splitters.last() + 1;
        let group = (GROUP_ROWS / self.file_rows).max(1);
        let mut parts = Vec::new();
        let mut start = 0;
        while start < ranges {
            let end = ranges.min(start + group);
            let mut dealt = self.deal(&splitters, start, end)?;
            for (range, rows) in (start..end).zip(dealt.iter_mut()) {
                let rows = std::mem::take(rows);
                // Rows without a key are in order as they are, so they may be cut anywhere.
                let most = if range == splitters.last() {
                    self.file_rows
                } else {
                    usize::MAX
                };
                for rows in rows.chunks(most.min(rows.len().max(1))) {
                    let n = parts.len() as u64;
                    parts.push(self.write(rows, n)?);
                }
            }
            start = end;
        }
        Ok(parts)
    }

    fn sample(&self) -> Result<Splitters> {
        let stride = (self.table.rows() / SAMPLES).max(1) as usize;
        let (mut ints, mut texts, mut times) = (Vec::new(), Vec::new(), Vec::new());
        let mut without = 0_usize;
        for i in 0..self.table.n_batches() {
            self.stop()?;
            let keys = self.keys(i)?;
            let first = self.starts[i].next_multiple_of(stride) - self.starts[i];
            for row in (first..keys.rows).step_by(stride) {
                match keys.customer(row) {
                    Some(Id::Int(id)) => ints.push(id),
                    Some(Id::Text(id)) => texts.push(id.to_owned()),
                    None => {
                        without += 1;
                        times.extend(keys.time(row));
                    }
                }
            }
        }
        let files = |samples: usize| (samples * stride).div_ceil(self.file_rows);
        let without = files(without);
        Ok(Splitters {
            ints: cut(&mut ints, files),
            texts: cut(&mut texts, files),
            times: cut(&mut times, |_| without),
        })
    }

    /// The numbers of the rows of each range from `start` to `end`, ascending.
    fn deal(&self, splitters: &Splitters, start: usize, end: usize) -> Result<Vec<Vec<u32>>> {
        let mut dealt = vec![Vec::new(); end - start];
        for i in 0..self.table.n_batches() {
            self.stop()?;
            if self.is_outside(i, splitters, start, end) {
                continue;
            }
            let keys = self.keys(i)?;
            let base = self.starts[i] as u32;
            for row in 0..keys.rows {
                let range = match keys.customer(row) {
                    Some(Id::Int(id)) => splitters.ints.partition_point(|s| *s <= id),
                    Some(Id::Text(id)) => splitters.texts.partition_point(|s| s.as_str() <= id),
                    None => match keys.time(row) {
                        Some(time) => {
                            splitters.first_without()
                                + splitters.times.partition_point(|s| *s <= time)
                        }
                        None => splitters.last(),
                    },
                };
                if (start..end).contains(&range) {
                    dealt[range - start].push(base + row as u32);
                }
            }
        }
        Ok(dealt)
    }

    /// Whether a batch's zone says that none of its rows is in those ranges.
    fn is_outside(&self, i: usize, splitters: &Splitters, start: usize, end: usize) -> bool {
        let zone = self.order.customer.and_then(|column| {
            let name = self.schema.field(column).name();
            self.table
                .zones(i)?
                .iter()
                .find(|zone| zone.column == *name)
        });
        match zone.map(|zone| (zone.min, zone.max, zone.nulls)) {
            Some((Some(Bound::Int(min)), Some(Bound::Int(max)), 0)) => {
                let range = |id| splitters.ints.partition_point(|s| *s <= id);
                range(max) < start || range(min) >= end
            }
            _ => false,
        }
    }

    fn write(&self, rows: &[u32], n: u64) -> Result<PartInfo> {
        let columns = self.gather(rows)?;
        let columns = match order::order(&columns, self.order) {
            None => columns,
            Some(order) => columns
                .into_iter()
                .map(|column| column.permuted(&order))
                .collect(),
        };
        self.stop()?;
        let (name, manifest) = (self.target.part)(n);
        write_sorted(
            self.target.dir,
            &name,
            &self.schema,
            &columns,
            self.order,
            &manifest,
            self.target.after,
        )
    }

    fn gather(&self, rows: &[u32]) -> Result<Vec<crate::cells::Cells>> {
        let mut builders = gather::builders(&self.schema, rows.len())?;
        let (mut at, mut i) = (0, 0);
        let mut picked = Vec::new();
        while at < rows.len() {
            self.stop()?;
            while self.starts[i + 1] <= rows[at] as usize {
                i += 1;
            }
            let (start, end) = (self.starts[i] as u32, self.starts[i + 1]);
            picked.clear();
            while let Some(row) = rows.get(at).filter(|row| (**row as usize) < end) {
                picked.push(row - start);
                at += 1;
            }
            let batch = self.read(i, None)?;
            for (builder, column) in builders.iter_mut().zip(batch.columns()) {
                builder.push(column, &picked)?;
            }
        }
        Ok(builders.into_iter().map(gather::Builder::finish).collect())
    }

    fn keys(&self, i: usize) -> Result<Keys> {
        let columns: Vec<usize> = [self.order.customer, self.order.time]
            .into_iter()
            .flatten()
            .collect();
        let batch = self.read(i, Some(&columns))?;
        let mut columns = batch.columns().iter();
        let customer = self.order.customer.and_then(|_| columns.next());
        let time = self.order.time.and_then(|_| columns.next());
        Keys::new(batch.num_rows(), customer, time)
    }

    /// A batch with its strings in the form in which they are stored.
    fn read(&self, i: usize, projection: Option<&[usize]>) -> Result<RecordBatch> {
        // A part as loaded has plain texts: each of them would be hashed, for each file of the
        // run, however few are picked.
        let strings = if self.table.has_dictionary(i) {
            Strings::Dictionary
        } else {
            Strings::Plain
        };
        self.table.batch_as(i, projection, strings)
    }

    fn stop(&self) -> Result<()> {
        if (self.target.stop)() {
            return Err(Error::Stopped);
        }
        Ok(())
    }
}

/// The first values of all but the first of so many ranges of about equal size.
fn cut<T: Ord + Clone>(samples: &mut [T], files: impl Fn(usize) -> usize) -> Vec<T> {
    samples.sort_unstable();
    let files = files(samples.len());
    let mut splitters: Vec<T> = (1..files)
        .filter_map(|file| samples.get(samples.len() * file / files).cloned())
        .collect();
    splitters.dedup();
    splitters
}

enum Id<'a> {
    Int(i64),
    Text(&'a str),
}

/// The key columns of a batch.
struct Keys {
    rows: usize,
    customer: Option<Customers>,
    time: Option<Vec<Option<i64>>>,
}

enum Customers {
    Int(arrow_array::Int64Array),
    Text(StringArray),
    Keys(arrow_array::Int32Array, StringArray),
}

impl Keys {
    fn new(rows: usize, customer: Option<&ArrayRef>, time: Option<&ArrayRef>) -> Result<Self> {
        let customer = customer.map(|column| match column.data_type() {
            DataType::Int64 => Customers::Int(column.as_primitive::<Int64Type>().clone()),
            DataType::Utf8 => Customers::Text(column.as_string::<i32>().clone()),
            _ => {
                let column = column.as_dictionary::<arrow_array::types::Int32Type>();
                Customers::Keys(
                    column.keys().clone(),
                    column.values().as_string::<i32>().clone(),
                )
            }
        });
        let time = time.map(times).transpose()?;
        Ok(Self {
            rows,
            customer,
            time,
        })
    }

    fn customer(&self, row: usize) -> Option<Id<'_>> {
        match self.customer.as_ref()? {
            Customers::Int(ids) => ids.is_valid(row).then(|| Id::Int(ids.value(row))),
            Customers::Text(ids) => ids.is_valid(row).then(|| Id::Text(ids.value(row))),
            Customers::Keys(keys, texts) => keys
                .is_valid(row)
                .then(|| Id::Text(texts.value(keys.value(row) as usize))),
        }
    }

    fn time(&self, row: usize) -> Option<i64> {
        self.time.as_ref()?[row]
    }
}

fn times(column: &ArrayRef) -> Result<Vec<Option<i64>>> {
    Ok(match column.data_type() {
        DataType::Date32 => column
            .as_primitive::<Date32Type>()
            .iter()
            .map(|day| day.map(i64::from))
            .collect(),
        DataType::Timestamp(TimeUnit::Microsecond, _) => column
            .as_primitive::<TimestampMicrosecondType>()
            .iter()
            .collect(),
        other => {
            return Err(Error::SchemaDiffers {
                expected: "a time".to_owned(),
                found: other.to_string(),
            });
        }
    })
}

#[cfg(test)]
mod tests;
