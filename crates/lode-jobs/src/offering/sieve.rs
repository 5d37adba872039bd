//! Rules and filter joined for one customer: which items may be offered.

use std::sync::Arc;

use arrow_array::RecordBatch;

use super::Catalogue;
use super::Note;
use super::table::Items;
use super::table::Mask;
use crate::Result;
use crate::condition::Bound;
use crate::condition::Columns;

/// Which items may be offered.
#[derive(Clone, Debug)]
pub(crate) enum Sieve {
    /// All.
    All,
    /// None, and why.
    Nothing(Note),
    /// Those that pass.
    Some(Arc<Items>, Arc<Mask>),
}

/// What a sieve is made for.
#[derive(Clone, Copy)]
pub(crate) enum For<'a> {
    /// A customer of whom this row is known, or nothing.
    Customer(Option<&'a RecordBatch>),
    /// Nobody: rules about customers alone do not count.
    Nobody,
}

impl Sieve {
    /// That of a model's rules and a call's filter; `items` gives what is known of items now.
    pub(crate) fn new(
        catalogue: &Catalogue,
        filter: Option<&Bound>,
        whom: For<'_>,
        items: &dyn Fn() -> Result<Arc<Items>>,
    ) -> Result<Self> {
        if catalogue.rules.is_empty() && filter.is_none() {
            return Ok(Self::All);
        }
        let rules = catalogue.rules.iter();
        let all = rules.map(|rule| (&rule.bound, Some(rule.text.as_str())));
        let all = all.chain(filter.map(|filter| (filter, None)));
        let row = match whom {
            For::Customer(Some(row)) => Some(Columns::of(row)?),
            For::Customer(None) | For::Nobody => None,
        };
        let row = row.as_ref().map(|columns| (columns, 0));
        let mut left = Vec::new();
        for (bound, rule) in all {
            if matches!(whom, For::Nobody) && rule.is_some() && !bound.is_of_items() {
                continue;
            }
            let bound = match bound.is_of_customers() {
                true => bound.for_customer(row),
                false => bound.clone(),
            };
            match bound.settled() {
                Some(Some(true)) => {}
                Some(truth) => return Ok(Self::Nothing(nothing(rule, truth))),
                None => left.push(bound),
            }
        }
        if left.is_empty() {
            return Ok(Self::All);
        }
        let items = items()?;
        let mask = items.mask(&left);
        Ok(Self::Some(items, mask))
    }

    /// Whether an item may be offered.
    pub(crate) fn passes(&self, item: &str) -> bool {
        match self {
            Self::All => true,
            Self::Nothing(_) => false,
            Self::Some(items, mask) => items.passes(mask, item),
        }
    }

    /// Whether any item may pass.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::All => true,
            Self::Nothing(_) => false,
            Self::Some(_, mask) => !mask.is_empty(),
        }
    }

    /// How many items to ask for first, so that about as many pass as are wanted.
    pub(crate) fn first_ask(&self, limit: u64) -> u64 {
        match self {
            // None passes: what the plugin says of the customer is all that is wanted.
            Self::Some(_, mask) if mask.is_empty() => 1,
            Self::Some(items, mask) => {
                let share = mask.share().max(1e-6);
                let wanted = limit as f64 / share * 1.25;
                // What cannot be met by a part of the items is met by all of them.
                let most = items.len() as f64 + limit as f64;
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "at least 0, and at most as many as there are items"
                )]
                let wanted = wanted.min(most).ceil() as u64;
                wanted.max(2 * limit)
            }
            _ => limit,
        }
    }
}

fn nothing(rule: Option<&str>, truth: Option<bool>) -> Note {
    let why = match truth {
        Some(_) => "does not hold of this customer",
        None => "speaks of something that is missing of this customer",
    };
    match rule {
        Some(rule) => Note {
            reason: "NO_OFFERS_BY_RULE",
            message: format!("nothing is offered: the rule {rule:?} {why}"),
        },
        None => Note {
            reason: "NONE_LEFT",
            message: format!("no items are left: the filter {why}"),
        },
    }
}
