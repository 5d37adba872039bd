//! Training sets: the rows of a view at many times, with what happened after each.
//!
//! Features are computed as ever, from what was known at t. A label looks at (t, t + horizon] by
//! event time: what it counts is known by the end of the data, so that when an event arrived
//! does not matter there. With candidates each row is made one for each candidate.
//!
//! Rows may be left out by conditions on their features, by a set of customers, and by a seeded
//! sample, whose weights make up for them. Knows no dates' plan and no store.

mod items;
mod rows;
mod sample;
mod values;

use std::collections::HashSet;

use arrow_array::ArrayRef;
use arrow_schema::Field;
use lode_types::Timestamp;

pub use items::buyers;
pub(crate) use rows::fields;
pub(crate) use rows::rows;
pub use sample::Sampling;
pub use values::time_range;
pub use values::top_values;

use crate::cells::Column;
use crate::cells::Key;
use crate::spec::Condition;
use crate::spec::Literal;
use crate::spec::Window;

/// Columns of a training set that are for who judges, not for who learns.
pub const KEPT: [&str; 3] = ["as_of", "label_end", "is_new"];

/// What makes a training set of a view's rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Training {
    /// The dataset of events that the label and the candidates are of; none means the view's
    /// first.
    pub events: Option<String>,
    /// Which of its events; all conditions must hold.
    pub filter: Vec<Condition>,
    /// What is learned; none for rows to be scored.
    pub label: Option<Label>,
    /// Conditions on the features that a row must pass.
    pub rows: Vec<Condition>,
    /// A customer whose first event is in (t - new_within, t] is new at t.
    pub new_within: Window,
    /// A row for each of them.
    pub candidates: Option<Candidates>,
    /// Whether a column holds the rows' weights.
    pub weighs: bool,
    /// Events that arrived later do not exist, not even for labels.
    pub known_by: Timestamp,
}

/// What is learned.
#[derive(Clone, Debug, PartialEq)]
pub struct Label {
    /// What it tells.
    pub kind: LabelKind,
    /// How far it looks ahead.
    pub horizon: Window,
    /// Of a sum which number, of a column which.
    pub column: Option<String>,
}

/// What a label tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LabelKind {
    /// Whether nothing happens in (t, t + horizon].
    NoEvent,
    /// Whether something happens.
    Event,
    /// The sum of an amount, as a float at the end.
    Sum,
    /// A column of the customers dataset, as it was valid at t + horizon.
    Column,
}

/// What a customer might take.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidates {
    /// Column of the events; none means the one of role item.
    pub column: Option<String>,
    /// Which values.
    pub values: Vec<Literal>,
    /// Leave out those that the customer has at t.
    pub exclude_owned: bool,
}

/// What a training set needs beside the rows of its datasets.
#[derive(Debug, Default)]
pub struct TrainingInput {
    /// Customers without a row.
    pub excluded: Customers,
    /// For each time, for each candidate, the part of the customers who have it: what [`buyers`]
    /// gives.
    pub buyers: Vec<Vec<f64>>,
    /// Which rows are kept; none keeps all.
    pub sampling: Option<Sampling>,
}

/// A set of customers.
#[derive(Clone, Debug, Default)]
pub struct Customers {
    numbers: HashSet<i64>,
    texts: HashSet<Box<str>>,
}

impl Customers {
    /// Adds the ids of a column; nulls are none.
    pub fn add(&mut self, ids: &ArrayRef) {
        let Some(column) = Column::new(ids) else {
            return;
        };
        for row in 0..column.len() {
            match column.key(row) {
                Some(Key::Int(id)) => {
                    self.numbers.insert(id);
                }
                Some(Key::Text(id)) if !self.texts.contains(id) => {
                    self.texts.insert(id.into());
                }
                Some(Key::Text(_)) | None => {}
            }
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty() && self.texts.is_empty()
    }

    pub(crate) fn contains(&self, key: Key<'_>) -> bool {
        match key {
            Key::Int(id) => self.numbers.contains(&id),
            Key::Text(id) => self.texts.contains(id),
        }
    }
}

/// Names that a training set's own columns have, so that no feature may.
pub(crate) fn reserved(has_candidates: bool) -> &'static [&'static str] {
    const ALL: &[&str] = &[
        "label",
        "weight",
        "label_end",
        "is_new",
        "item",
        "item_events",
        "item_days_since",
        "item_share",
        "item_buyers",
    ];
    if has_candidates { ALL } else { &ALL[..4] }
}

/// A field of a role.
fn field(name: &str, data_type: arrow_schema::DataType, role: lode_types::Role) -> Field {
    let role = (lode_types::ROLE_KEY.to_owned(), role.as_str().to_owned());
    Field::new(name, data_type, false).with_metadata([role].into())
}
