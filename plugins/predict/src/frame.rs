//! A table as a learner sees it: numbers and level codes by row, after a plan that the model
//! keeps.
//!
//! Does not learn and knows no learner. Invariant: a value that the plan cannot place is read
//! as missing or as never seen, never an error; a column that is not there is an error that
//! names it.

mod label;
mod plan;
mod read;
mod words;

use std::ops::Range;

pub(crate) use label::Amount;
pub use label::Labels;
pub(crate) use label::OneOf;
pub use label::Target;
pub(crate) use label::YesNo;
pub(crate) use label::customer_numbers;
pub(crate) use label::customers;
pub(crate) use label::durations;
pub(crate) use label::items;
pub(crate) use label::weights;
pub use plan::Kind;
pub use plan::Plan;
pub use plan::Planned;
pub(crate) use read::Raw;
pub(crate) use words::Words;

/// Code of a category that is null.
pub const MISSING: u32 = u32::MAX;
/// Code of a category that the plan does not have: rare in training, or never seen.
pub const OTHER: u32 = u32::MAX - 1;

/// The largest number, either way, that is learned from or scored: squares of larger ones cannot
/// be added.
const LARGEST: f64 = 1e100;

/// The input of every algorithm.
pub(crate) const INPUT: &str = "customers";

/// The features of a table, one column a feature of the plan.
#[derive(Clone, Debug, Default)]
pub struct Frame {
    columns: Vec<Values>,
    n_rows: usize,
    /// One a row, for learners that ask for them; NaN where there is none.
    durations: Option<Vec<f64>>,
    /// The number of each row's customer in a fit, where one has several rows.
    customers: Option<Vec<u32>>,
}

#[derive(Clone, Debug)]
enum Values {
    /// NaN = missing.
    Number(Vec<f64>),
    /// Level of the plan, or [`MISSING`] or [`OTHER`].
    Category { codes: Vec<u32>, n_levels: u32 },
}

/// One feature of some rows.
#[derive(Clone, Copy, Debug)]
pub enum View<'a> {
    /// Numbers and booleans; NaN = missing.
    Number(&'a [f64]),
    /// A level of the plan, or [`MISSING`] or [`OTHER`], which are both at least `n_levels`.
    Category {
        /// One a row.
        codes: &'a [u32],
        /// How many levels the plan has.
        n_levels: u32,
    },
}

impl Frame {
    pub(crate) fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// All rows.
    pub fn rows(&self) -> Rows<'_> {
        self.slice(0..self.n_rows)
    }

    /// Some of the rows.
    pub fn slice(&self, range: Range<usize>) -> Rows<'_> {
        Rows { frame: self, range }
    }

    /// These rows alone, in this order.
    pub(crate) fn taken(&self, rows: &[usize]) -> Self {
        fn pick<T: Copy>(values: &[T], rows: &[usize]) -> Vec<T> {
            rows.iter().map(|row| values[*row]).collect()
        }
        let columns = self.columns.iter().map(|column| match column {
            Values::Number(values) => Values::Number(pick(values, rows)),
            Values::Category { codes, n_levels } => Values::Category {
                codes: pick(codes, rows),
                n_levels: *n_levels,
            },
        });
        Self {
            columns: columns.collect(),
            n_rows: rows.len(),
            durations: self.durations.as_ref().map(|all| pick(all, rows)),
            customers: self.customers.as_ref().map(|all| pick(all, rows)),
        }
    }

    pub(crate) fn with_durations(mut self, durations: Option<Vec<f64>>) -> Self {
        self.durations = durations;
        self
    }

    pub(crate) fn with_customers(mut self, customers: Option<Vec<u32>>) -> Self {
        self.customers = customers;
        self
    }
}

/// Some rows of a [`Frame`], one after the other.
#[derive(Clone, Debug)]
pub struct Rows<'a> {
    frame: &'a Frame,
    range: Range<usize>,
}

impl<'a> Rows<'a> {
    /// How many rows.
    pub fn len(&self) -> usize {
        self.range.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.range.is_empty()
    }

    /// How many features.
    pub fn n_features(&self) -> usize {
        self.frame.columns.len()
    }

    /// One feature.
    pub fn feature(&self, index: usize) -> View<'a> {
        match &self.frame.columns[index] {
            Values::Number(values) => View::Number(&values[self.range.clone()]),
            Values::Category { codes, n_levels } => View::Category {
                codes: &codes[self.range.clone()],
                n_levels: *n_levels,
            },
        }
    }

    /// All features, in the order of the plan.
    pub fn features(&self) -> impl Iterator<Item = View<'a>> + use<'a> {
        let rows = self.clone();
        (0..self.n_features()).map(move |index| rows.feature(index))
    }

    /// How long each customer was watched, for learners that ask for it; NaN where it is not
    /// known, 0 or more otherwise.
    pub fn durations(&self) -> Option<&'a [f64]> {
        let durations = self.frame.durations.as_deref()?;
        Some(&durations[self.range.clone()])
    }

    /// The number of each row's customer, in a fit where one has several rows: what holds rows
    /// out to judge itself keeps a customer's together.
    pub fn customers(&self) -> Option<&'a [u32]> {
        let customers = self.frame.customers.as_deref()?;
        Some(&customers[self.range.clone()])
    }

    /// Some of these rows, in this order, as a frame of their own.
    #[must_use]
    pub fn taken(&self, rows: &[usize]) -> Frame {
        let rows: Vec<usize> = rows.iter().map(|row| self.range.start + row).collect();
        self.frame.taken(&rows)
    }

    /// A part of these rows, counted from the first of them.
    #[must_use]
    pub fn part(&self, range: Range<usize>) -> Self {
        Self {
            frame: self.frame,
            range: self.range.start + range.start..self.range.start + range.end,
        }
    }
}
