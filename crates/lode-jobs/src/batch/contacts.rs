//! Whom to contact: the best rows within the bounds, without those who must not be, and what is
//! to be expected of them.

use std::collections::HashSet;

use arrow_array::Array;
use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_schema::DataType;
use lode_types::Outcome;

use super::subjects::Ranks;
use super::subjects::Subjects;
use crate::ContactList;
use crate::Error;
use crate::Result;
use crate::check::Blocked;

/// Rows of the table of what is to be expected: a tenth of the list each.
const STEPS: usize = 10;

/// A list of contacts.
#[derive(Debug)]
pub(super) struct Contacts {
    /// Rows of the table of scores, the first to be contacted first.
    pub(super) rows: Vec<u32>,
    /// What each is expected to bring, and their sums so far.
    pub(super) gains: Vec<f64>,
    pub(super) cost_per_contact: f64,
    /// Scored customers who are on a list of those who are never contacted.
    pub(super) n_blocked: u64,
    /// After each tenth of the list.
    pub(super) expected: Vec<Expected>,
}

/// What is to be expected of the first of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Expected {
    pub(super) contacted: u64,
    /// Of all customers.
    pub(super) share: f64,
    /// The sum of their scores: how many would leave, buy, or how much they would spend.
    pub(super) expected: f64,
    /// Of the sum of all scores.
    pub(super) reached: f64,
    pub(super) cost: f64,
    pub(super) gain: f64,
    /// Where gain and cost are both money.
    pub(super) profit: Option<f64>,
}

impl Contacts {
    /// Makes the list.
    pub(super) fn of(
        list: &ContactList,
        outcome: Outcome,
        blocked: &HashSet<String>,
        subjects: &Subjects,
        ranks: &Ranks,
    ) -> Self {
        let most = most(list, ranks.customers());
        let mut rows = Vec::new();
        let mut n_blocked = 0;
        for &row in ranks.order() {
            let at = row as usize;
            let Some(customer) = subjects.customer(at) else {
                continue;
            };
            if blocked.contains(customer) {
                n_blocked += u64::from(ranks.is_best(at));
                continue;
            }
            let good = list
                .min_score
                .is_none_or(|least| subjects.score(at) >= least);
            let counts = list.each_item || ranks.is_best(at);
            if good && counts && rows.len() < most {
                rows.push(row);
            }
        }
        let worth = match (outcome, list.value_per_positive) {
            // The score is money itself, or gains are counted in positives.
            (Outcome::Amount, _) | (_, 0.0) => 1.0,
            (_, value) => value,
        };
        let won = list.success_rate.unwrap_or(1.0) * worth;
        let gains: Vec<f64> = rows
            .iter()
            .map(|&row| subjects.score(row as usize) * won)
            .collect();
        let is_money = outcome == Outcome::Amount || list.value_per_positive > 0.0;
        let mut contacts = Self {
            cost_per_contact: list.cost_per_contact,
            n_blocked,
            expected: Vec::new(),
            gains,
            rows,
        };
        contacts.expected = contacts.steps(subjects, ranks.customers(), is_money);
        contacts
    }

    /// What is to be expected of the whole list.
    pub(super) fn end(&self) -> Expected {
        self.expected.last().copied().unwrap_or_default()
    }

    fn steps(&self, subjects: &Subjects, customers: u64, is_money: bool) -> Vec<Expected> {
        let all = subjects.total_score();
        let n = self.rows.len();
        let part = |part: f64, all: f64| if all > 0.0 { part / all } else { 0.0 };
        let (mut at, mut expected, mut gain) = (0, 0.0, 0.0);
        let mut steps: Vec<Expected> = Vec::new();
        for step in 1..=STEPS {
            let until = (n * step).div_ceil(STEPS);
            for i in at..until {
                expected += subjects.score(self.rows[i] as usize);
                gain += self.gains[i];
            }
            if until == at && step < STEPS {
                continue;
            }
            at = until;
            let cost = self.cost_per_contact * at as f64;
            let made = Expected {
                contacted: at as u64,
                share: part(at as f64, customers as f64),
                expected,
                reached: part(expected, all),
                cost,
                gain,
                profit: is_money.then_some(gain - cost),
            };
            if steps
                .last()
                .is_none_or(|last| last.contacted < made.contacted)
            {
                steps.push(made);
            }
        }
        if steps.is_empty() {
            steps.push(Expected {
                profit: is_money.then_some(0.0),
                ..Expected::default()
            });
        }
        steps
    }
}

/// Most rows of the list.
fn most(list: &ContactList, customers: u64) -> usize {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "whole numbers from 0 on; a larger one than any list is the largest"
    )]
    // A hair above a whole number is that number: 0.29 of 100 are 29.
    let whole = |number: f64| (number * (1.0 + 1e-12)).floor() as u64;
    let mut most = u64::MAX;
    if list.max_customers > 0 {
        most = most.min(list.max_customers);
    }
    if list.max_share > 0.0 {
        most = most.min(whole(list.max_share * customers as f64));
    }
    if list.max_cost > 0.0 {
        most = most.min(whole(list.max_cost / list.cost_per_contact));
    }
    usize::try_from(most).unwrap_or(usize::MAX)
}

/// Everybody who is never contacted.
pub(super) fn blocked(lists: &[Blocked]) -> Result<HashSet<String>> {
    let mut blocked = HashSet::new();
    for list in lists {
        let table = list.open()?;
        let schema = table.schema();
        let mut columns = vec![schema.index_of(&list.id)?];
        if let Some(flag) = &list.flag {
            columns.push(schema.index_of(flag)?);
        }
        for i in 0..table.n_batches() {
            add(&mut blocked, &table.batch(i, Some(&columns))?, list)?;
        }
    }
    Ok(blocked)
}

/// Adds the customers of a batch: their ids, and the flag if there is one.
fn add(blocked: &mut HashSet<String>, batch: &RecordBatch, list: &Blocked) -> Result<()> {
    let text = |name: &str| {
        let column = batch
            .column_by_name(name)
            .ok_or_else(|| Error::bug(format!("no column {name:?} of those not to contact")))?;
        let text = arrow_cast::cast(column, &DataType::Utf8)?;
        Ok::<_, Error>(text.as_string::<i32>().clone())
    };
    let ids = text(&list.id)?;
    let flags = list.flag.as_deref().map(text).transpose()?;
    for row in 0..ids.len() {
        let is_set = match &flags {
            Some(flags) if flags.is_valid(row) => {
                let value = flags.value(row);
                says_yes(value).ok_or_else(|| no_flag(list, value))?
            }
            Some(_) => false,
            None => true,
        };
        if ids.is_valid(row) && is_set {
            blocked.insert(ids.value(row).to_owned());
        }
    }
    Ok(())
}

/// Whether a value means yes; none when it means neither yes nor no.
fn says_yes(value: &str) -> Option<bool> {
    match value.trim().to_ascii_lowercase().as_str() {
        "true" | "yes" | "y" | "t" | "1" | "1.0" => Some(true),
        "false" | "no" | "n" | "f" | "0" | "0.0" | "" => Some(false),
        _ => None,
    }
}

/// Nobody is contacted for a word that was not understood.
fn no_flag(list: &Blocked, value: &str) -> Error {
    Error::invalid(
        "NOT_A_FLAG",
        "spec.batch_score.contacts.do_not_contact",
        format!(
            "column {:?} of dataset {}: expected true or false, yes or no, 1 or 0, found {value:?}",
            list.flag.as_deref().unwrap_or_default(),
            list.snapshot.dataset().id
        ),
    )
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "sums of few exact numbers")]
mod tests;
