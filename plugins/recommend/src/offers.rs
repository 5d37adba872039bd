//! What a fit leaves for serving: names, who has what, which items are like which.
//!
//! Serves both algorithms: a model without neighbors offers what is popular. Invariant: every
//! code is inside its list, also in a model read from bytes; items are in the order of their
//! ids.

pub(crate) mod codec;
pub(crate) mod names;
pub(crate) mod serve;

use lode_numeric::neighbors::Neighbor;
use lode_numeric::neighbors::Sparse;
use lode_plugin::Error;
use lode_plugin::Result;

use codec::Reader;
use codec::Writer;
use names::Names;

/// Names, histories, popularity and neighbors.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct OfferModel {
    customers: Names,
    items: Names,
    /// Items of each customer, ascending.
    histories: Lists,
    /// Customers that have each item.
    n_holders: Vec<u32>,
    /// Similar items of each item, nearest first; empty for `recommend.popular`.
    neighbors: Lists,
    similarities: Vec<f64>,
}

/// Lists of codes, one after the other.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Lists {
    /// Where each list ends.
    ends: Vec<u64>,
    codes: Vec<u32>,
}

impl Lists {
    fn range(&self, index: usize) -> std::ops::Range<usize> {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        start as usize..self.ends[index] as usize
    }

    fn get(&self, index: usize) -> &[u32] {
        &self.codes[self.range(index)]
    }
}

impl OfferModel {
    /// Takes pairs of customer and item, sorted, each once.
    pub(crate) fn new(customers: Names, items: Names, pairs: &[(u32, u32)]) -> Self {
        let mut ends = vec![0; customers.len()];
        let mut n_holders = vec![0; items.len()];
        for (customer, item) in pairs {
            ends[*customer as usize] += 1;
            n_holders[*item as usize] += 1;
        }
        let mut total = 0;
        for end in &mut ends {
            total += *end;
            *end = total;
        }
        Self {
            customers,
            items,
            histories: Lists {
                ends,
                codes: pairs.iter().map(|pair| pair.1).collect(),
            },
            n_holders,
            neighbors: Lists::default(),
            similarities: Vec::new(),
        }
    }

    /// Whether [`Self::merge`] takes it: names and histories rise and there are no neighbors,
    /// as in one that was just read from rows.
    pub(crate) fn can_merge(&self) -> bool {
        let rise = |customer| self.history(customer).is_sorted_by(|a, b| a < b);
        self.customers.rise()
            && self.items.rise()
            && !self.is_personal()
            && (0..self.customers.len()).all(rise)
    }

    /// Who has what by either; neighbors are not kept.
    pub(crate) fn merge(&self, other: &Self) -> Self {
        let (customers, customer_codes) = self.customers.union(&other.customers);
        let (items, item_codes) = self.items.union(&other.items);
        let mut pairs = Vec::with_capacity(self.n_pairs() + other.n_pairs());
        for (side, model) in [self, other].into_iter().enumerate() {
            for (customer, code) in customer_codes[side].iter().enumerate() {
                let own = model.history(customer).iter();
                pairs.extend(own.map(|item| (*code, item_codes[side][*item as usize])));
            }
        }
        // Two sorted runs: this merges them.
        pairs.sort();
        pairs.dedup();
        Self::new(customers, items, &pairs)
    }

    pub(crate) fn set_neighbors(&mut self, found: &[Vec<Neighbor>]) {
        let mut total = 0;
        let ends = found.iter().map(|list| {
            total += list.len() as u64;
            total
        });
        self.neighbors.ends = ends.collect();
        self.neighbors.codes = found.iter().flatten().map(|n| n.item).collect();
        self.similarities = found.iter().flatten().map(|n| n.similarity).collect();
    }

    pub(crate) fn customers(&self) -> &Names {
        &self.customers
    }

    pub(crate) fn items(&self) -> &Names {
        &self.items
    }

    /// Customers that have the item.
    pub(crate) fn n_holders(&self, item: usize) -> u32 {
        self.n_holders[item]
    }

    /// The share of customers that have the item.
    pub(crate) fn share(&self, item: usize) -> f64 {
        f64::from(self.n_holders[item]) / self.customers.len() as f64
    }

    /// Items of a customer, ascending.
    pub(crate) fn history(&self, customer: usize) -> &[u32] {
        self.histories.get(customer)
    }

    /// How many pairs of customer and item there are.
    pub(crate) fn n_pairs(&self) -> usize {
        self.histories.codes.len()
    }

    /// Items by falling popularity, ties by id.
    pub(crate) fn by_popularity(&self) -> Vec<u32> {
        let mut order: Vec<u32> = (0..self.items.len() as u32).collect();
        order.sort_by_key(|item| (u32::MAX - self.n_holders[*item as usize], *item));
        order
    }

    /// Whether offers rest on neighbors rather than on popularity.
    pub(crate) fn is_personal(&self) -> bool {
        !self.neighbors.ends.is_empty()
    }

    /// Similar items and their cosines.
    pub(crate) fn neighbors(&self, item: usize) -> (&[u32], &[f64]) {
        let range = self.neighbors.range(item);
        (
            &self.neighbors.codes[range.clone()],
            &self.similarities[range],
        )
    }

    /// The table of customers by items, 1 where a customer has an item.
    pub(crate) fn people(&self) -> Result<Sparse> {
        let entries = (0..self.customers.len()).flat_map(|customer| {
            let items = self.history(customer).iter();
            items.map(move |item| (customer as u32, *item, 1.0))
        });
        Sparse::from_entries(entries.collect(), self.customers.len(), self.items.len())
            .map_err(crate::events::numeric)
    }

    /// Format 1: the fields in order, little-endian, each list led by its length.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        for names in [&self.customers, &self.items] {
            writer.u64s(names.ends());
            writer.bytes(names.text().as_bytes());
        }
        writer.u64s(&self.histories.ends);
        writer.u32s(&self.histories.codes);
        writer.u64s(&self.neighbors.ends);
        writer.u32s(&self.neighbors.codes);
        writer.f64s(&self.similarities);
        writer.finish()
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self> {
        Self::read(bytes)
            .ok_or_else(|| Error::model("expected a recommendation model, found damaged bytes"))
    }

    /// None when anything is out of bounds or out of order.
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let mut names = || Names::from_parts(reader.u64s()?, reader.text()?);
        let (customers, items) = (names()?, names()?);
        let mut lists = |n_lists: Option<usize>| {
            let lists = Lists {
                ends: reader.u64s()?,
                codes: reader.u32s()?,
            };
            let rising = lists.ends.is_sorted();
            let whole = lists.ends.last().copied().unwrap_or(0) == lists.codes.len() as u64;
            let inside = lists
                .codes
                .iter()
                .all(|code| (*code as usize) < items.len());
            let counted = n_lists.is_none_or(|n| n == lists.ends.len());
            (rising && whole && inside && counted).then_some(lists)
        };
        let histories = lists(Some(customers.len()))?;
        let neighbors = lists(None)?;
        let similarities = reader.f64s()?;
        let fits = neighbors.ends.is_empty() || neighbors.ends.len() == items.len();
        if !fits || similarities.len() != neighbors.codes.len() || !reader.is_done() {
            return None;
        }
        let mut n_holders = vec![0; items.len()];
        for item in &histories.codes {
            n_holders[*item as usize] += 1;
        }
        Some(Self {
            customers,
            items,
            histories,
            n_holders,
            neighbors,
            similarities,
        })
    }
}

#[cfg(test)]
mod tests;
