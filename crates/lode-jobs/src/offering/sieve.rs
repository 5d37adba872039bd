//! Rules and filter joined for one customer: which items may be offered.

use std::sync::Arc;

use lode_store::Store;
use lode_types::CustomerId;

use super::Catalogue;
use super::Note;
use super::table::Items;
use super::table::Mask;
use super::table::Tables;
use crate::Error;
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
pub(crate) enum For<'a> {
    /// A customer, or somebody of whom nothing is known.
    Customer(Option<&'a CustomerId>),
    /// Nobody: rules about customers alone do not count.
    Nobody,
}

/// Items and customers as they are now.
pub(crate) trait Present {
    /// The items that are known.
    fn items(&self) -> Result<Arc<Items>>;
    /// What is known of a customer.
    fn customer(&self, id: &CustomerId) -> Result<Option<Columns>>;
}

/// Those of the newest versions.
pub(crate) struct Newest<'a> {
    pub(crate) store: &'a Store,
    pub(crate) tables: &'a Tables,
    pub(crate) catalogue: &'a Catalogue,
}

impl Present for Newest<'_> {
    fn items(&self) -> Result<Arc<Items>> {
        let known = self.catalogue.items.as_ref();
        let known =
            known.ok_or_else(|| Error::bug("a filter on items of which nothing is known"))?;
        self.tables.now(self.store, known)
    }

    fn customer(&self, id: &CustomerId) -> Result<Option<Columns>> {
        let known = self.catalogue.customers.as_ref();
        let known = known.ok_or_else(|| Error::bug("a filter on customers that are not known"))?;
        let row = self.store.pin(&known.dataset.id, None)?.customer(id)?;
        row.as_ref().map(Columns::of).transpose()
    }
}

impl Sieve {
    /// That of a model's rules and a call's filter.
    pub(crate) fn new(
        present: &dyn Present,
        catalogue: &Catalogue,
        filter: Option<&Bound>,
        whom: &For<'_>,
    ) -> Result<Self> {
        if catalogue.rules.is_empty() && filter.is_none() {
            return Ok(Self::All);
        }
        let rules = catalogue.rules.iter();
        let all = rules.map(|rule| (&rule.bound, Some(rule.text.as_str())));
        let all = all.chain(filter.map(|filter| (filter, None)));
        let needs_customer = |bound: &Bound| bound.is_of_customers();
        let mut row = None;
        if let (For::Customer(Some(id)), true) = (whom, all.clone().any(|(b, _)| needs_customer(b)))
        {
            row = present.customer(id)?;
        }
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
        let items = present.items()?;
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

    /// How many items to ask for first, so that about as many pass as are wanted.
    pub(crate) fn first_ask(&self, limit: u64) -> u64 {
        match self {
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
