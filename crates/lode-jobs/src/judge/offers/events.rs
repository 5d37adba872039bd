//! The events of a recommender's job as numbers: who, what, when, and whether it was liked.
//!
//! Reads the files twice: here once for the numbers, which take some 20 bytes a row, and in
//! `write` once for each fit, batch by batch. Never holds the rows themselves. Invariant: numbers
//! follow the order of names, so that nothing hangs on the order of rows but the order in time.

use std::fs::File;

use arrow_array::Array;
use arrow_array::BooleanArray;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::types::TimestampMicrosecondType;
use arrow_schema::DataType;
use arrow_schema::TimeUnit;
use lode_parts::Table;
use lode_types::Role;

use super::names::Coder;
use super::names::NONE;
use crate::Result;
use crate::check::BoundColumn;

/// What a row without a time has.
pub(super) const TIMELESS: i64 = i64::MIN;

/// Which rows are something to be found again.
pub(super) struct Taste {
    /// Weights of kinds of events, where the algorithm's parameters say them; what weighs nothing
    /// or less is nothing to be found.
    pub(super) kinds: Vec<(String, f64)>,
    /// A rating at or above it was liked; none: the mean of all ratings.
    pub(super) liked_rating: Option<f64>,
}

/// All rows of the events, as they were read.
pub(super) struct Events {
    table: Table,
    columns: Vec<BoundColumn>,
    /// In the order of names.
    pub(super) customers: Vec<Box<str>>,
    /// In the order of names; those of a holdout too.
    pub(super) items: Vec<Box<str>>,
    pub(super) customer: Vec<u32>,
    pub(super) item: Vec<u32>,
    /// Microseconds, [`TIMELESS`] where there is none; empty without such a column.
    pub(super) time: Vec<i64>,
    /// The order that a row belongs to; empty without such a column.
    pub(super) order: Vec<u32>,
    pub(super) liked: Vec<bool>,
    /// The rows of each customer lie from one start to the next, in time, then as they were read.
    starts: Vec<usize>,
    by_customer: Vec<u32>,
    /// Rows that are given beside the events: customer, item, and whether it is to be found.
    pub(super) given: Vec<(u32, u32, bool)>,
}

/// A holdout as it was read: customers, items, and whether each is to be found.
pub(super) type Given = (StringArray, StringArray, Vec<bool>);

impl Events {
    /// Reads the columns that matter.
    pub(super) fn read(
        files: Vec<File>,
        columns: &[BoundColumn],
        taste: &Taste,
        given: Option<&Given>,
        check: &dyn Fn() -> Result<()>,
    ) -> Result<Self> {
        let table = Table::open(files)?;
        let schema = table.schema();
        let place = |role: &str| -> Result<Option<usize>> {
            let mut columns = columns.iter();
            let holder = columns.find(|column| column.role.map(Role::as_str) == Some(role));
            let name = holder.map(|column| schema.index_of(&column.name));
            Ok(name.transpose()?)
        };
        let mut reader = Reader::default();
        let roles = Roles {
            customer: place("customer_id")?,
            item: place("item")?,
            time: place("event_time")?,
            order: place("order")?,
            quantity: place("quantity")?,
            kind: place("event_kind")?,
            rating: place("rating")?,
        };
        for i in 0..table.n_batches() {
            check()?;
            reader.read(&table, i, &roles, taste)?;
        }
        reader.finish(table, columns.to_vec(), taste, given)
    }

    pub(super) fn n_rows(&self) -> usize {
        self.customer.len()
    }

    pub(super) fn has_times(&self) -> bool {
        !self.time.is_empty()
    }

    pub(super) fn has_orders(&self) -> bool {
        !self.order.is_empty()
    }

    /// The rows of a customer that have an item, oldest first.
    pub(super) fn of(&self, customer: u32) -> &[u32] {
        let at = customer as usize;
        &self.by_customer[self.starts[at]..self.starts[at + 1]]
    }

    /// Rows that say who took what.
    pub(super) fn says(&self, row: usize) -> bool {
        self.customer[row] != NONE && self.item[row] != NONE
    }

    /// Writes the rows of a fit, all columns that the plugin gets.
    pub(super) fn write(
        &self,
        keep: &[bool],
        file: &File,
        check: &dyn Fn() -> Result<()>,
    ) -> Result<()> {
        let schema = self.table.schema();
        let mut projection = Vec::new();
        for column in &self.columns {
            projection.push(schema.index_of(&column.name)?);
        }
        let kept = std::sync::Arc::new(schema.project(&projection)?);
        let mut start = 0;
        let mut stopped = None;
        let batches = (0..self.table.n_batches()).map_while(|i| {
            if let Err(error) = check() {
                stopped = Some(error);
                return None;
            }
            let batch = match self.table.batch(i, Some(&projection)) {
                Ok(batch) => batch,
                Err(error) => return Some(Err(error)),
            };
            let rows = start..start + batch.num_rows();
            start = rows.end;
            let keep = BooleanArray::from(keep[rows].to_vec());
            let kept = arrow_select::filter::filter_record_batch(&batch, &keep);
            Some(kept.map_err(|error| lode_parts::Error::Encode(Box::new(error))))
        });
        // An empty batch says nothing, and readers need not meet it.
        let batches =
            batches.filter(|batch| batch.as_ref().map_or(true, |batch| batch.num_rows() > 0));
        lode_parts::write_ipc(file, &kept, batches)?;
        stopped.map_or(Ok(()), Err)
    }
}

/// Where the columns stand that matter here.
struct Roles {
    customer: Option<usize>,
    item: Option<usize>,
    time: Option<usize>,
    order: Option<usize>,
    quantity: Option<usize>,
    kind: Option<usize>,
    rating: Option<usize>,
}

#[derive(Default)]
struct Reader {
    customers: Coder,
    items: Coder,
    orders: Coder,
    customer: Vec<u32>,
    item: Vec<u32>,
    time: Vec<i64>,
    order: Vec<u32>,
    liked: Vec<bool>,
    /// Empty without such a column; NaN where a row has none.
    rating: Vec<f64>,
}

impl Reader {
    fn read(&mut self, table: &Table, i: usize, roles: &Roles, taste: &Taste) -> Result<()> {
        let column = |at: usize| -> Result<arrow_array::ArrayRef> {
            Ok(table.batch(i, Some(&[at]))?.column(0).clone())
        };
        let numbers = |at: usize| -> Result<arrow_array::Float64Array> {
            let numbers = arrow_cast::cast(&column(at)?, &DataType::Float64)?;
            Ok(numbers.as_primitive::<Float64Type>().clone())
        };
        let n_rows = table.batch_rows(i)?;
        let first = self.liked.len();
        self.liked.resize(first + n_rows, true);
        let liked = &mut self.liked[first..];
        if let Some(at) = roles.customer {
            self.customers
                .code(&texts(&column(at)?)?, &mut self.customer);
        }
        if let Some(at) = roles.item {
            self.items.code(&texts(&column(at)?)?, &mut self.item);
        }
        if let Some(at) = roles.order {
            self.orders.code(&texts(&column(at)?)?, &mut self.order);
        }
        if let Some(at) = roles.time {
            let micros = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
            let times = arrow_cast::cast(&column(at)?, &micros)?;
            let times = times.as_primitive::<TimestampMicrosecondType>().iter();
            self.time.extend(times.map(|time| time.unwrap_or(TIMELESS)));
        }
        if let Some(at) = roles.quantity {
            let quantities = numbers(at)?;
            for (liked, quantity) in liked.iter_mut().zip(&quantities) {
                *liked &= quantity.is_none_or(|quantity| quantity > 0.0 || quantity.is_nan());
            }
        }
        if let Some(at) = roles.kind.filter(|_| !taste.kinds.is_empty()) {
            let kinds = texts(&column(at)?)?;
            for (liked, kind) in liked.iter_mut().zip(&kinds) {
                let mut known = taste.kinds.iter();
                let weight = known.find(|(name, _)| Some(name.as_str()) == kind);
                *liked &= weight.is_none_or(|(_, weight)| *weight > 0.0);
            }
        }
        if let Some(at) = roles.rating {
            let ratings = numbers(at)?;
            let ratings = ratings.iter().map(|rating| rating.unwrap_or(f64::NAN));
            self.rating.extend(ratings);
        }
        Ok(())
    }

    fn finish(
        mut self,
        table: Table,
        columns: Vec<BoundColumn>,
        taste: &Taste,
        given: Option<&Given>,
    ) -> Result<Events> {
        let rated = || self.rating.iter().filter(|rating| rating.is_finite());
        let mean = rated().sum::<f64>() / rated().count().max(1) as f64;
        let middle = taste.liked_rating.unwrap_or(mean);
        for (liked, rating) in self.liked.iter_mut().zip(&self.rating) {
            *liked &= rating.is_nan() || *rating >= middle;
        }
        let (mut whom, mut what, mut wanted) = (Vec::new(), Vec::new(), &[][..]);
        if let Some((customers, items, labels)) = given {
            self.customers.code(customers, &mut whom);
            self.items.code(items, &mut what);
            wanted = labels;
        }
        let (customers, of_customer) = self.customers.finish();
        let (items, of_item) = self.items.finish();
        let renumber = |codes: &mut Vec<u32>, new: &[u32]| {
            for code in codes.iter_mut().filter(|code| **code != NONE) {
                *code = new[*code as usize];
            }
        };
        renumber(&mut self.customer, &of_customer);
        renumber(&mut self.item, &of_item);
        renumber(&mut whom, &of_customer);
        renumber(&mut what, &of_item);
        let given = whom.into_iter().zip(what).zip(wanted);
        let given = given.filter(|((who, what), _)| *who != NONE && *what != NONE);
        let mut events = Events {
            given: given.map(|((who, what), yes)| (who, what, *yes)).collect(),
            table,
            columns,
            starts: Vec::new(),
            by_customer: Vec::new(),
            customers,
            items,
            customer: self.customer,
            item: self.item,
            time: self.time,
            order: self.order,
            liked: self.liked,
        };
        events.sort();
        Ok(events)
    }
}

impl Events {
    /// Deals the rows out to their customers.
    fn sort(&mut self) {
        let mut starts = vec![0; self.customers.len() + 1];
        let says = |row: &usize| self.says(*row);
        for row in (0..self.n_rows()).filter(says) {
            starts[self.customer[row] as usize + 1] += 1;
        }
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut next = starts.clone();
        let mut rows = vec![0_u32; starts.last().copied().unwrap_or(0)];
        for row in (0..self.n_rows()).filter(says) {
            let place = &mut next[self.customer[row] as usize];
            rows[*place] = row as u32;
            *place += 1;
        }
        if self.has_times() {
            for bounds in starts.windows(2) {
                rows[bounds[0]..bounds[1]].sort_by_key(|row| self.time[*row as usize]);
            }
        }
        self.starts = starts;
        self.by_customer = rows;
    }
}

/// A column of ids as the words that plugins know them by.
pub(super) fn texts(column: &dyn Array) -> Result<StringArray> {
    let texts = arrow_cast::cast(column, &DataType::Utf8)?;
    Ok(texts.as_string::<i32>().clone())
}

/// The column of a role in a batch, as it is bound.
pub(super) fn with_role<'a>(
    batch: &'a RecordBatch,
    columns: &[BoundColumn],
    role: Role,
) -> Option<&'a arrow_array::ArrayRef> {
    let mut columns = columns.iter();
    let holder = columns.find(|column| column.role == Some(role))?;
    batch.column_by_name(&holder.name)
}
