//! Who was scored and how, as little of each as ranks need; and their order.
//!
//! The order is by score, then margin (a calibrated score has ties), both the highest first,
//! then by customer and item. Invariant: it depends on the rows alone, not on their order, as
//! far as they differ.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::collections::HashSet;

use arrow_array::Array;
use arrow_array::Float64Array;
use arrow_array::StringArray;

use crate::Error;
use crate::Result;

/// Score, margin, customer and item of each row.
#[derive(Debug, Default)]
pub(super) struct Subjects {
    scores: Vec<f64>,
    margins: Vec<f64>,
    customers: Texts,
    items: Option<Items>,
}

/// Texts one behind the other; a null is an empty one that is marked.
#[derive(Debug, Default)]
struct Texts {
    bytes: String,
    ends: Vec<u64>,
    /// Rows without a text.
    nulls: HashSet<usize>,
}

#[derive(Debug, Default)]
struct Items {
    names: Vec<String>,
    codes: HashMap<String, u32>,
    rows: Vec<u32>,
}

impl Subjects {
    /// For rows with or without items.
    pub(super) fn new(with_items: bool) -> Self {
        Self {
            items: with_items.then(Items::default),
            ..Self::default()
        }
    }

    /// Adds rows.
    pub(super) fn add(
        &mut self,
        scores: &[f64],
        margins: &Float64Array,
        customers: &StringArray,
        items: Option<&StringArray>,
    ) -> Result<()> {
        self.scores.extend_from_slice(scores);
        let margins = margins.iter();
        self.margins
            .extend(margins.map(|margin| margin.unwrap_or(0.0)));
        for row in 0..customers.len() {
            let text = customers.is_valid(row).then(|| customers.value(row));
            self.customers.push(text);
        }
        if let (Some(known), Some(items)) = (&mut self.items, items) {
            for row in 0..items.len() {
                known.push(if items.is_valid(row) {
                    items.value(row)
                } else {
                    ""
                })?;
            }
        }
        Ok(())
    }

    pub(super) fn len(&self) -> usize {
        self.scores.len()
    }

    pub(super) fn score(&self, row: usize) -> f64 {
        self.scores[row]
    }

    /// The sum of all scores.
    pub(super) fn total_score(&self) -> f64 {
        self.scores.iter().sum()
    }

    /// The customer of a row.
    pub(super) fn customer(&self, row: usize) -> Option<&str> {
        self.customers.get(row)
    }

    fn item(&self, row: usize) -> &str {
        let items = self.items.as_ref();
        let name = items.and_then(|items| items.names.get(items.rows[row] as usize));
        name.map_or("", String::as_str)
    }

    fn compare(&self, a: usize, b: usize) -> Ordering {
        let high_first = |numbers: &[f64]| numbers[b].total_cmp(&numbers[a]);
        high_first(&self.scores)
            .then_with(|| high_first(&self.margins))
            .then_with(|| self.customer(a).cmp(&self.customer(b)))
            .then_with(|| self.item(a).cmp(self.item(b)))
            .then_with(|| a.cmp(&b))
    }
}

impl Texts {
    fn push(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.bytes.push_str(text),
            None => {
                self.nulls.insert(self.ends.len());
            }
        }
        self.ends.push(self.bytes.len() as u64);
    }

    fn get(&self, row: usize) -> Option<&str> {
        let place = |end: u64| usize::try_from(end).unwrap_or(usize::MAX);
        if self.nulls.contains(&row) {
            return None;
        }
        let start = row.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.bytes.get(place(start)..place(self.ends[row]))
    }
}

impl Items {
    fn push(&mut self, name: &str) -> Result<()> {
        let code = match self.codes.get(name) {
            Some(code) => *code,
            None => {
                let code = u32::try_from(self.names.len())
                    .map_err(|_| Error::bug("more items than can be counted"))?;
                self.names.push(name.to_owned());
                self.codes.insert(name.to_owned(), code);
                code
            }
        };
        self.rows.push(code);
        Ok(())
    }
}

/// The rows in their order.
#[derive(Debug)]
pub(super) struct Ranks {
    order: Vec<u32>,
    /// 1 is the best tenth, by row.
    deciles: Vec<u8>,
    /// Whether a row is its customer's first in the order, by row.
    best: Vec<bool>,
    customers: u64,
}

impl Ranks {
    /// Puts the rows in order.
    pub(super) fn of(subjects: &Subjects) -> Result<Self> {
        let n = u32::try_from(subjects.len()).map_err(|_| {
            Error::invalid(
                "TOO_MANY_ROWS",
                "spec.inputs.customers",
                format!(
                    "expected at most {} rows, found {}",
                    u32::MAX,
                    subjects.len()
                ),
            )
        })?;
        let mut order: Vec<u32> = (0..n).collect();
        order.sort_unstable_by(|&a, &b| subjects.compare(a as usize, b as usize));
        let mut deciles = vec![0; order.len()];
        let mut best = vec![false; order.len()];
        let mut seen = HashSet::new();
        for (rank, &row) in order.iter().enumerate() {
            let row = row as usize;
            deciles[row] = u8::try_from(rank * 10 / order.len() + 1).unwrap_or(10);
            if let Some(customer) = subjects.customer(row) {
                best[row] = seen.insert(customer);
            }
        }
        Ok(Self {
            customers: seen.len() as u64,
            order,
            deciles,
            best,
        })
    }

    /// Rows, the best first.
    pub(super) fn order(&self) -> &[u32] {
        &self.order
    }

    /// The tenth of a row.
    pub(super) fn decile(&self, row: usize) -> i64 {
        self.deciles[row].into()
    }

    /// Whether it is the best row of its customer.
    pub(super) fn is_best(&self, row: usize) -> bool {
        self.best[row]
    }

    /// Different customers.
    pub(super) fn customers(&self) -> u64 {
        self.customers
    }
}
