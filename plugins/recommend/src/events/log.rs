//! The rows of events, each customer's together, as plain columns.
//!
//! Does not know what a row is worth in the end: weights and ratings are as they came.
//! Invariant: names rise; rows of a customer are in the order of time, item, weight and
//! rating, equal rows are one row with a count; so a log is the same for any order of the rows
//! it was made of, and logs of parts merge to that of the whole.

use std::cmp::Ordering;

use lode_plugin::Error;
use lode_plugin::Result;

use super::counts::Counts;
use crate::model::codec::Reader;
use crate::model::codec::Writer;
use crate::model::names::Names;

/// Rows by customer.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Log {
    pub(crate) customers: Names,
    pub(crate) items: Names,
    /// Where the rows of each customer end.
    ends: Vec<u64>,
    columns: Columns,
    pub(crate) counts: Counts,
}

/// One value a row; a column that no row has is empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Columns {
    pub(crate) items: Vec<u32>,
    /// Microseconds since the Unix epoch.
    pub(crate) times: Vec<i64>,
    /// What the kind of the event says, below 0 for a return; 1 when there is no column.
    pub(crate) weights: Vec<f32>,
    /// NaN where there is none.
    pub(crate) ratings: Vec<f32>,
    /// How many equal rows it stands for; 1 when there is no column.
    pub(crate) counts: Vec<u32>,
}

/// One row of a [`Log`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) item: u32,
    /// Microseconds since the Unix epoch; 0 where times were not read.
    pub(crate) time: i64,
    pub(crate) weight: f32,
    /// NaN where there is none.
    pub(crate) rating: f32,
    pub(crate) count: u32,
}

impl Columns {
    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    pub(crate) fn row(&self, at: usize) -> Row {
        Row {
            item: self.items[at],
            time: self.times.get(at).copied().unwrap_or(0),
            weight: self.weights.get(at).copied().unwrap_or(1.0),
            rating: self.ratings.get(at).copied().unwrap_or(f32::NAN),
            count: self.counts.get(at).copied().unwrap_or(1),
        }
    }

    /// Takes a row; `like` says which columns there are.
    fn push(&mut self, row: Row, like: &Self) {
        self.items.push(row.item);
        if !like.times.is_empty() {
            self.times.push(row.time);
        }
        if !like.weights.is_empty() {
            self.weights.push(row.weight);
        }
        if !like.ratings.is_empty() {
            self.ratings.push(row.rating);
        }
        // Most logs have no row twice: the column begins with the first that is.
        if row.count > 1 && self.counts.is_empty() {
            self.counts = vec![1; self.items.len() - 1];
        }
        if !self.counts.is_empty() {
            self.counts.push(row.count);
        }
    }

    /// Counts one more row that equals the last.
    fn again(&mut self, count: u32) {
        if self.counts.is_empty() {
            self.counts = vec![1; self.items.len()];
        }
        if let Some(last) = self.counts.last_mut() {
            *last = last.saturating_add(count);
        }
    }
}

impl Log {
    /// Takes rows in any order: `customers_of` says whose each is, by code.
    pub(crate) fn new(
        customers: Names,
        items: Names,
        customers_of: &[u32],
        rows: &Columns,
        counts: Counts,
    ) -> Self {
        let mut starts = vec![0_u64; customers.len() + 1];
        for customer in customers_of {
            starts[*customer as usize + 1] += 1;
        }
        for customer in 0..customers.len() {
            starts[customer + 1] += starts[customer];
        }
        let mut next = starts.clone();
        let mut order = vec![0_u32; customers_of.len()];
        for (row, customer) in (0..).zip(customers_of) {
            let place = &mut next[*customer as usize];
            order[*place as usize] = row;
            *place += 1;
        }
        let mut columns = Columns {
            items: Vec::with_capacity(rows.len()),
            ..Columns::default()
        };
        let mut ends = Vec::with_capacity(customers.len());
        for customer in 0..customers.len() {
            let own = &mut order[starts[customer] as usize..starts[customer + 1] as usize];
            own.sort_unstable_by(|a, b| by_content(&rows.row(*a as usize), &rows.row(*b as usize)));
            let mut last: Option<Row> = None;
            for row in own.iter().map(|row| rows.row(*row as usize)) {
                if last.is_some_and(|last| by_content(&last, &row).is_eq()) {
                    columns.again(row.count);
                } else {
                    columns.push(row, rows);
                }
                last = Some(row);
            }
            ends.push(columns.len() as u64);
        }
        Self {
            customers,
            items,
            ends,
            columns,
            counts,
        }
    }

    /// Refuses what nothing can be learned from.
    pub(crate) fn check(&self) -> Result<()> {
        let rows = self.counts.rows();
        if rows == 0 {
            return Err(Error::invalid(
                "inputs.events",
                "expected at least one row, found none",
            ));
        }
        if self.columns.len() == 0 {
            return Err(Error::invalid(
                "inputs.events",
                format!(
                    "expected at least one row with a customer and an item, found none in {rows} \
                     rows"
                ),
            ));
        }
        Ok(())
    }

    /// Rows of a customer, oldest first.
    pub(crate) fn rows(&self, customer: usize) -> impl ExactSizeIterator<Item = Row> + '_ {
        self.range(customer).map(|at| self.columns.row(at))
    }

    /// How many rows there are, equal ones once.
    pub(crate) fn n_rows(&self) -> usize {
        self.columns.len()
    }

    /// The time of the last row; none where times were not read.
    pub(crate) fn last_time(&self) -> Option<i64> {
        self.columns.times.iter().copied().max()
    }

    /// Whether any row has a rating.
    pub(crate) fn has_ratings(&self) -> bool {
        self.columns.ratings.iter().any(|rating| !rating.is_nan())
    }

    /// What the rows of both say.
    pub(crate) fn merge(&self, other: &Self) -> Self {
        let (customers, customer_codes) = self.customers.union(&other.customers);
        let (items, item_codes) = self.items.union(&other.items);
        let n_rows = self.n_rows() + other.n_rows();
        // One row of each kind of column, so that both sides are read alike.
        let has = |of: fn(&Columns) -> usize| of(&self.columns) + of(&other.columns) > 0;
        let any = Columns {
            items: vec![0],
            times: vec![0; usize::from(has(|c| c.times.len()))],
            weights: vec![0.0; usize::from(has(|c| c.weights.len()))],
            ratings: vec![0.0; usize::from(has(|c| c.ratings.len()))],
            counts: Vec::new(),
        };
        let mut rows = Columns::default();
        let mut customers_of = Vec::with_capacity(n_rows);
        for (side, log) in [self, other].into_iter().enumerate() {
            for customer in 0..log.customers.len() {
                for row in log.rows(customer) {
                    customers_of.push(customer_codes[side][customer]);
                    let item = item_codes[side][row.item as usize];
                    rows.push(Row { item, ..row }, &any);
                }
            }
        }
        let counts = self.counts.merge(&other.counts);
        Self::new(customers, items, &customers_of, &rows, counts)
    }

    /// The same rows under codes of longer lists of names, which have all of its own.
    pub(crate) fn recoded(mut self, customers: Names, items: Names) -> Self {
        let (_, [item_codes, _]) = self.items.union(&items);
        let (_, [customer_codes, _]) = self.customers.union(&customers);
        for item in &mut self.columns.items {
            *item = item_codes[*item as usize];
        }
        let mut ends = vec![0; customers.len()];
        let mut before = 0;
        for (customer, end) in self.ends.iter().enumerate() {
            ends[customer_codes[customer] as usize] = *end - before;
            before = *end;
        }
        let mut total = 0;
        for end in &mut ends {
            total += *end;
            *end = total;
        }
        Self {
            customers,
            items,
            ends,
            ..self
        }
    }

    pub(crate) fn write(&self, to: &mut Writer) {
        self.counts.write(to);
        self.customers.write(to);
        self.items.write(to);
        to.u64s(&self.ends);
        to.u32s(&self.columns.items);
        to.i64s(&self.columns.times);
        to.f32s(&self.columns.weights);
        to.f32s(&self.columns.ratings);
        to.u32s(&self.columns.counts);
    }

    /// None when damaged.
    pub(crate) fn read(from: &mut Reader<'_>) -> Option<Self> {
        let counts = Counts::read(from)?;
        let log = Self {
            customers: Names::read(from)?,
            items: Names::read(from)?,
            ends: from.u64s()?,
            columns: Columns {
                items: from.u32s()?,
                times: from.i64s()?,
                weights: from.f32s()?,
                ratings: from.f32s()?,
                counts: from.u32s()?,
            },
            counts,
        };
        log.is_whole().then_some(log)
    }

    fn is_whole(&self) -> bool {
        let n = self.columns.len();
        let inside = |item: &u32| (*item as usize) < self.items.len();
        let fits = |len: usize| len == 0 || len == n;
        let columns = &self.columns;
        self.customers.rise()
            && self.items.rise()
            && self.ends.len() == self.customers.len()
            && self.ends.is_sorted()
            && self.ends.last().copied().unwrap_or(0) == n as u64
            && columns.items.iter().all(inside)
            && fits(columns.times.len())
            && fits(columns.weights.len())
            && fits(columns.ratings.len())
            && fits(columns.counts.len())
            && columns.weights.iter().all(|weight| weight.is_finite())
            && columns.ratings.iter().all(|rating| !rating.is_infinite())
            && (0..self.customers.len()).all(|customer| {
                self.range(customer)
                    .skip(1)
                    .all(|at| by_content(&columns.row(at - 1), &columns.row(at)).is_lt())
            })
    }

    fn range(&self, customer: usize) -> std::ops::Range<usize> {
        let start = customer
            .checked_sub(1)
            .map_or(0, |before| self.ends[before]);
        start as usize..self.ends[customer] as usize
    }
}

/// The order of rows of a customer; counts make no difference.
fn by_content(a: &Row, b: &Row) -> Ordering {
    (a.time, a.item)
        .cmp(&(b.time, b.item))
        .then_with(|| a.weight.total_cmp(&b.weight))
        .then_with(|| a.rating.total_cmp(&b.rating))
}
