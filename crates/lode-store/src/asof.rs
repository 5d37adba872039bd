//! A snapshot as it was known at a time.
//!
//! Events: the rows whose event time, and whose arrival where it is recorded, are not after
//! the time; a row that does not say is left out. Customers: of each customer's rows in the
//! history that are not after the time the youngest. Invariant: no value of a row that is
//! after the time reaches a file that is handed out.

use std::fs::File;
use std::sync::Arc;

use arrow_array::Array;
use arrow_array::ArrayRef;
use arrow_array::BooleanArray;
use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Date32Type;
use arrow_array::types::TimestampMicrosecondType;
use arrow_schema::DataType;
use arrow_schema::SchemaRef;
use arrow_schema::TimeUnit;
use arrow_select::filter::filter_record_batch;
use arrow_select::interleave::interleave;
use lode_parts::Bound;
use lode_parts::Table;
use lode_parts::Zone;
use lode_types::DatasetKind;
use lode_types::Role;
use lode_types::Schema;
use lode_types::Timestamp;

use crate::Error;
use crate::Result;
use crate::Snapshot;
use crate::TableFile;
use crate::bucket::Ids;
use crate::files;
use crate::history;
use crate::history::Piece;
use crate::merge::key_column;
use crate::snapshot;
use crate::snapshot::length;
use crate::snapshot::version_record;

const MICROS_PER_DAY: i64 = 86_400_000_000;
/// Rows of a batch that is written.
const BATCH_ROWS: usize = 1 << 16;
/// Files that hold more than this are filtered to the disk and not to memory.
const MEMORY_BYTES: u64 = 64 << 20;
/// About how often the bytes of a packed part go into those of its rows.
const PACKED: u64 = 4;

impl Snapshot {
    /// Whether the dataset can be seen as of a time.
    ///
    /// # Errors
    /// `AS_OF_NO_TIME` when events have no column of role event_time; `HISTORY_UNKNOWN` when
    /// the snapshot is of customers at a version that is older than their history.
    pub fn check_as_of(&self) -> Result<()> {
        let dataset = self.dataset();
        let id = || dataset.id.as_str().to_owned();
        match dataset.kind {
            DatasetKind::Customers => {
                let begins = history::begins(&self.inner().core().trees, self.number())?;
                match self.version() {
                    found @ 1.. if found < begins => Err(Error::HistoryUnknown {
                        id: id(),
                        begins,
                        found,
                    }),
                    _ => Ok(()),
                }
            }
            DatasetKind::Events if dataset.schema.with_role(Role::EventTime).is_none() => {
                Err(Error::AsOfNoTime { id: id() })
            }
            _ => Ok(()),
        }
    }

    /// The rows that were known at `time`, as table files like those of [`Snapshot::files`].
    ///
    /// - Events and everything that is appended: rows whose event_time, and whose arrival_time
    ///   where there is such a column, are at or before `time`, in stored order; a row without
    ///   such a value is left out. Items, links and others with neither column: the version
    ///   that was the newest at `time`.
    /// - Customers: the row of each customer that was valid at `time`, in the order of (hash of
    ///   the id, id). A row is valid since the value of its event_time column, else (no such
    ///   column, or no value) since its load was committed; of two of one moment the later
    ///   load's, then the later row, counts. A row whose arrival_time is after `time` does not
    ///   count.
    ///
    /// A date is its midnight. Whole files pass by descriptor or are left out where their
    /// zones say so; the others are filtered batch by batch into a file without a name, in
    /// memory when it is small. Customers take one scan of their history and 32 bytes a row.
    ///
    /// # Errors
    /// As [`Snapshot::check_as_of`] and [`Snapshot::files`]; `VERSION_NOT_FOUND` when the
    /// version of that time is gone.
    pub fn files_as_of(&self, time: Timestamp) -> Result<Vec<TableFile>> {
        self.check_as_of()?;
        let known = Known::new(&self.dataset().schema, time);
        let mut files = match self.dataset().kind {
            DatasetKind::Customers => self.customers_as_of(&known)?,
            _ if known.columns().next().is_none() => self.at_version_of(time)?.files()?,
            _ => self.events_as_of(&known)?,
        };
        if files.is_empty() {
            files.push(self.empty()?);
        }
        Ok(files)
    }

    /// The dataset at the version, of those up to this one, that was the newest at `time`.
    ///
    /// # Errors
    /// `VERSION_NOT_FOUND` when it is gone.
    pub fn at_version_of(&self, time: Timestamp) -> Result<Self> {
        let mut version = self.version();
        while version > 0 {
            let record = version_record(&self.inner().core().trees, self.number(), version)?;
            if record.time <= time {
                break;
            }
            version -= 1;
        }
        if version == self.version() {
            return Ok(self.clone());
        }
        snapshot::pin(self.inner(), &self.dataset().id, Some(version))
    }

    fn events_as_of(&self, known: &Known) -> Result<Vec<TableFile>> {
        let mut visible = Vec::new();
        // Files in a row that are neither in nor out as a whole become one.
        let mut mixed: Vec<(TableFile, Table)> = Vec::new();
        for file in self.files()? {
            let handle = file.file.try_clone();
            let handle = handle.map_err(Error::io("open a part again"))?;
            let table = Table::open(vec![handle])?;
            let verdict = known.of_table(&table);
            if verdict == Verdict::Nothing {
                continue;
            }
            let joins = verdict == Verdict::Mixed
                && mixed.last().is_none_or(|(last, _)| last.run == file.run);
            if !joins {
                self.filter(known, &mut mixed, &mut visible)?;
            }
            match verdict {
                Verdict::Everything => visible.push(file),
                _ => mixed.push((file, table)),
            }
        }
        self.filter(known, &mut mixed, &mut visible)?;
        Ok(visible)
    }

    /// Writes what is visible of `mixed` as one file.
    fn filter(
        &self,
        known: &Known,
        mixed: &mut Vec<(TableFile, Table)>,
        visible: &mut Vec<TableFile>,
    ) -> Result<()> {
        let mixed = std::mem::take(mixed);
        let Some((first, _)) = mixed.first() else {
            return Ok(());
        };
        let run = first.run;
        // Sorted runs are packed.
        let plain = |file: &TableFile| file.bytes * if file.run.is_some() { PACKED } else { 1 };
        let bytes = mixed.iter().map(|(file, _)| plain(file)).sum();
        let schema = self.schema();
        let batches = mixed
            .iter()
            .flat_map(|(_, table)| (0..table.n_batches()).map(move |i| (table, i)))
            .filter_map(|(table, i)| known.batch(table, i, &schema).transpose());
        let (file, rows) = self.write(&schema, bytes, batches)?;
        if rows > 0 {
            visible.push(TableFile {
                bytes: length(&file)?,
                rows,
                name: format!("{} as of", self.dataset().id.as_str()),
                run,
                file,
            });
        }
        Ok(())
    }

    fn customers_as_of(&self, known: &Known) -> Result<Vec<TableFile>> {
        let key = key_column(self.definition())?;
        let schema = self.schema();
        let (pieces, bytes) =
            history::pieces(self.inner(), self.number(), &schema, self.version())?;
        let mut batches = Vec::with_capacity(pieces.len());
        let mut order: Vec<Candidate> = Vec::new();
        for piece in pieces {
            let number = u32::try_from(batches.len())
                .map_err(|_| Error::bug("a history of too many batches"))?;
            let since = known.since(&piece)?;
            let hashes = Ids::new(&piece.rows, key).hashes()?;
            let rows = (0_u32..).zip(hashes).zip(since);
            order.extend(rows.filter_map(|((row, hash), since)| {
                let (since, version) = since?;
                Some((hash, since, version, number, row))
            }));
            batches.push(piece.rows);
        }
        order.sort_unstable();
        let chosen = youngest(&order, &batches, key)?;
        drop(order);
        let pieces = chosen
            .chunks(BATCH_ROWS)
            .map(|piece| gather(&batches, piece, &schema));
        let (file, rows) = self.write(&schema, bytes, pieces)?;
        Ok(vec![TableFile {
            bytes: length(&file)?,
            rows,
            name: format!("{} as of", self.dataset().id.as_str()),
            run: None,
            file,
        }])
    }

    /// The batches as a sealed memory file, or as a file without a name when `bytes`, about
    /// what they may come to, are many; with the number of rows.
    fn write(
        &self,
        schema: &SchemaRef,
        bytes: u64,
        batches: impl Iterator<Item = Result<RecordBatch>>,
    ) -> Result<(File, u64)> {
        let mut rows = 0;
        let mut failure = None;
        let batches = batches.map_while(|batch| match batch {
            Ok(batch) => {
                rows += batch.num_rows() as u64;
                Some(batch)
            }
            Err(error) => {
                failure = Some(error);
                None
            }
        });
        let file = if bytes > MEMORY_BYTES {
            let file = files::scratch(self.inner())?;
            lode_parts::write_ipc(&file, schema, batches.map(Ok))?;
            file
        } else {
            lode_parts::memfd(self.dataset().id.as_str(), schema, batches)?
        };
        match failure {
            Some(error) => Err(error),
            None => Ok((file, rows)),
        }
    }
}

/// What is visible of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Everything,
    Nothing,
    Mixed,
}

impl Verdict {
    /// Of what has to be visible in two ways.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nothing, _) | (_, Self::Nothing) => Self::Nothing,
            (Self::Everything, Self::Everything) => Self::Everything,
            _ => Self::Mixed,
        }
    }
}

/// The time, and the columns that are compared with it.
struct Known {
    time: i64,
    event: Option<usize>,
    arrival: Option<usize>,
    names: Vec<String>,
}

impl Known {
    fn new(schema: &Schema, time: Timestamp) -> Self {
        let at = |role| schema.columns().iter().position(|c| c.role == Some(role));
        Self {
            time: time.0,
            event: at(Role::EventTime),
            arrival: at(Role::ArrivalTime),
            names: schema.columns().iter().map(|c| c.name.clone()).collect(),
        }
    }

    fn columns(&self) -> impl Iterator<Item = usize> {
        self.event.into_iter().chain(self.arrival)
    }

    fn of_table(&self, table: &Table) -> Verdict {
        let verdicts = (0..table.n_batches()).map(|i| self.of_zones(table, i));
        let mut all = None;
        for verdict in verdicts {
            match all {
                None => all = Some(verdict),
                Some(before) if before == verdict => {}
                Some(_) => return Verdict::Mixed,
            }
        }
        all.unwrap_or(Verdict::Everything)
    }

    fn of_zones(&self, table: &Table, batch: usize) -> Verdict {
        let Some(zones) = table.zones(batch) else {
            return Verdict::Mixed;
        };
        let schema = table.schema();
        self.columns()
            .map(|column| {
                let name = &self.names[column];
                let zone = zones.iter().find(|zone| zone.column == *name);
                let data_type = schema.field_with_name(name).ok().map(|f| f.data_type());
                match (zone, data_type) {
                    (Some(zone), Some(data_type)) => self.of_zone(zone, data_type),
                    _ => Verdict::Mixed,
                }
            })
            .fold(Verdict::Everything, Verdict::and)
    }

    fn of_zone(&self, zone: &Zone, data_type: &DataType) -> Verdict {
        let micros = |bound: Option<Bound>| match (bound, data_type) {
            (Some(Bound::Int(days)), DataType::Date32) => days.checked_mul(MICROS_PER_DAY),
            (Some(Bound::Int(micros)), _) => Some(micros),
            _ => None,
        };
        match (micros(zone.min), micros(zone.max)) {
            (Some(min), _) if min > self.time => Verdict::Nothing,
            (_, Some(max)) if max <= self.time && zone.nulls == 0 => Verdict::Everything,
            _ => Verdict::Mixed,
        }
    }

    /// The visible rows of a batch under the dataset's schema; none when there is none.
    fn batch(&self, table: &Table, i: usize, schema: &SchemaRef) -> Result<Option<RecordBatch>> {
        let verdict = self.of_zones(table, i);
        if verdict == Verdict::Nothing {
            return Ok(None);
        }
        let mut batch = table.batch(i, None)?;
        if verdict == Verdict::Mixed {
            let mut kept: Option<Vec<bool>> = None;
            for column in self.columns() {
                let times = times(batch.column(column))?;
                let visible = times.map(|time| time.is_some_and(|time| time <= self.time));
                kept = Some(match kept {
                    None => visible.collect(),
                    Some(kept) => std::iter::zip(kept, visible).map(|(a, b)| a && b).collect(),
                });
            }
            if let Some(kept) = kept {
                batch = filter_record_batch(&batch, &BooleanArray::from(kept))
                    .map_err(|error| Error::bug(error.to_string()))?;
            }
        }
        if batch.num_rows() == 0 {
            return Ok(None);
        }
        RecordBatch::try_new(Arc::clone(schema), batch.columns().to_vec())
            .map(Some)
            .map_err(|error| Error::bug(error.to_string()))
    }

    /// Since when each row of a piece of history holds and the version that brought it; none
    /// for rows that are after the time.
    fn since(&self, piece: &Piece) -> Result<Vec<Option<(i64, u64)>>> {
        let commits = || {
            let commits = piece.commits.iter();
            commits.flat_map(|commit| std::iter::repeat_n(*commit, commit.rows))
        };
        let of = |column: Option<usize>| -> Result<Vec<i64>> {
            let committed = commits().map(|commit| commit.time.0);
            match column {
                None => Ok(committed.collect()),
                Some(column) => Ok(times(piece.rows.column(column))?
                    .zip(committed)
                    .map(|(time, committed)| time.unwrap_or(committed))
                    .collect()),
            }
        };
        let since = of(self.event)?;
        // Without a column of its own a row is known when it is valid.
        let arrival = match self.arrival {
            None => since.clone(),
            arrival => of(arrival)?,
        };
        let rows = since.into_iter().zip(arrival).zip(commits());
        Ok(rows
            .map(|((since, arrival), commit)| {
                let known = since <= self.time && arrival <= self.time;
                known.then_some((since, commit.version))
            })
            .collect())
    }
}

/// Hash of the id, since when the row holds, the version that brought it, batch and row.
type Candidate = (u64, i64, u64, u32, u32);

/// The values of a timestamp or date column in microseconds.
fn times(column: &ArrayRef) -> Result<Box<dyn Iterator<Item = Option<i64>> + '_>> {
    match column.data_type() {
        DataType::Timestamp(TimeUnit::Microsecond, _) => Ok(Box::new(
            column.as_primitive::<TimestampMicrosecondType>().iter(),
        )),
        DataType::Date32 => {
            let days = column.as_primitive::<Date32Type>().iter();
            Ok(Box::new(days.map(|days| {
                days.map(|days| i64::from(days) * MICROS_PER_DAY)
            })))
        }
        other => Err(Error::bug(format!("times of type {other}"))),
    }
}

/// Of rows in their order the last of each id, in the order of (hash, id).
fn youngest(
    order: &[Candidate],
    batches: &[RecordBatch],
    key: usize,
) -> Result<Vec<(usize, usize)>> {
    let mut chosen = Vec::new();
    for rows in order.chunk_by(|a, b| a.0 == b.0) {
        let place = |&(_, _, _, batch, row): &Candidate| (batch as usize, row as usize);
        if let [only] = rows {
            chosen.push(place(only));
            continue;
        }
        let mut ids: Vec<(String, (usize, usize))> = Vec::with_capacity(1);
        for row in rows {
            let (batch, row) = place(row);
            let id = Ids::new(&batches[batch], key).text(row)?;
            match ids.iter_mut().find(|(known, _)| *known == id) {
                Some((_, kept)) => *kept = (batch, row),
                None => ids.push((id, (batch, row))),
            }
        }
        ids.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        chosen.extend(ids.into_iter().map(|(_, place)| place));
    }
    Ok(chosen)
}

/// Rows of many batches as one.
fn gather(
    batches: &[RecordBatch],
    rows: &[(usize, usize)],
    schema: &SchemaRef,
) -> Result<RecordBatch> {
    let mut columns = Vec::with_capacity(schema.fields().len());
    for column in 0..schema.fields().len() {
        let sources: Vec<&dyn Array> = batches.iter().map(|b| b.column(column).as_ref()).collect();
        columns.push(interleave(&sources, rows).map_err(|error| Error::bug(error.to_string()))?);
    }
    RecordBatch::try_new(Arc::clone(schema), columns).map_err(|error| Error::bug(error.to_string()))
}
