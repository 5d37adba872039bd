//! What some of the rows say of each customer, and how two such states become one.
//!
//! Frequency counts different orders, and parts may share an order, so the state holds the ids
//! of the orders. Invariant: ids rise, so do the orders of a customer, and every code is inside
//! its list; the state of the same rows is the same however they were cut, but for how its
//! exact sums are split into floats.

use lode_numeric::sum::ExactSum;
use lode_plugin::Result;

use super::purchases::Counts;
use crate::codec::Reader;
use crate::codec::Writer;

/// What some of the rows say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    counts: Counts,
    /// Time of the latest row that has a customer.
    latest: Option<i64>,
    /// Those with a purchase, or with returns that count.
    customers: Vec<String>,
    /// One a customer.
    totals: Vec<Total>,
    orders: Vec<String>,
    /// Customer and order, each pair once.
    pairs: Vec<(u32, u32)>,
}

/// Running totals of one customer.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Total {
    /// The last purchase.
    pub(super) last: Option<i64>,
    /// Purchases without an order.
    pub(super) rows: i64,
    pub(super) monetary: ExactSum,
}

impl State {
    /// Takes names with what belongs to each, and pairs that are sorted, each once.
    pub(super) fn new(
        counts: Counts,
        latest: Option<i64>,
        (names, totals): (Vec<String>, Vec<Total>),
        (orders, mut pairs): (Vec<String>, Vec<(u32, u32)>),
    ) -> Self {
        let matters = |total: &Total| total.last.is_some() || !total.monetary.is_zero();
        let (mut customers, mut kept) = (Vec::new(), Vec::new());
        let mut customer_codes = Vec::with_capacity(totals.len());
        for (name, total) in names.into_iter().zip(totals) {
            customer_codes.push(customers.len() as u32);
            if matters(&total) {
                customers.push(name);
                kept.push(total);
            }
        }
        let mut is_used = vec![false; orders.len()];
        for (_, order) in &pairs {
            is_used[*order as usize] = true;
        }
        let mut order_codes = Vec::with_capacity(orders.len());
        let mut used = Vec::new();
        for (order, is_used) in orders.into_iter().zip(is_used) {
            order_codes.push(used.len() as u32);
            if is_used {
                used.push(order);
            }
        }
        for (customer, order) in &mut pairs {
            *customer = customer_codes[*customer as usize];
            *order = order_codes[*order as usize];
        }
        Self {
            counts,
            latest,
            customers,
            totals: kept,
            orders: used,
            pairs,
        }
    }

    pub(super) fn counts(&self) -> &Counts {
        &self.counts
    }

    pub(super) fn latest(&self) -> Option<i64> {
        self.latest
    }

    /// Customers by id, with their totals and how many different orders they have.
    pub(super) fn into_customers(self) -> impl Iterator<Item = (String, Total, i64)> {
        let mut n_orders = vec![0_i64; self.customers.len()];
        for (customer, _) in &self.pairs {
            n_orders[*customer as usize] += 1;
        }
        let customers = self.customers.into_iter().zip(self.totals).zip(n_orders);
        customers.map(|((name, total), n_orders)| (name, total, n_orders))
    }

    /// What the rows of both say.
    pub(super) fn merge(self, other: Self) -> Self {
        let mut counts = self.counts;
        counts.add(&other.counts);
        let customers = Union::of(self.customers, other.customers);
        let orders = Union::of(self.orders, other.orders);
        let mut totals = vec![Total::default(); customers.names.len()];
        let mut pairs = Vec::with_capacity(self.pairs.len() + other.pairs.len());
        for (side, (own, own_pairs)) in [(self.totals, self.pairs), (other.totals, other.pairs)]
            .into_iter()
            .enumerate()
        {
            let codes = &customers.codes[side];
            for (code, total) in codes.iter().zip(own) {
                totals[*code as usize].add(total);
            }
            let order_codes = &orders.codes[side];
            pairs.extend(
                own_pairs.into_iter().map(|(customer, order)| {
                    (codes[customer as usize], order_codes[order as usize])
                }),
            );
        }
        // Two sorted runs: this merges them.
        pairs.sort();
        pairs.dedup();
        Self {
            counts,
            latest: self.latest.max(other.latest),
            customers: customers.names,
            totals,
            orders: orders.names,
            pairs,
        }
    }

    /// Format 1, integers little-endian: six u64 counts of rows; u8 1 and i64 microseconds of
    /// the latest row, or u8 0; customers as names; of each customer u8 1 and i64 its last
    /// purchase, or u8 0, then u64 purchases without an order, its sum as floats, and u32s its
    /// orders, rising; orders as names. A list is u64 how many and the entries; names are the
    /// lengths of all as u32s, then their text in one.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        for (_, count) in self.counts.named() {
            writer.u64(count);
        }
        writer.time(self.latest);
        writer.names(&self.customers);
        let mut pairs = self.pairs.as_slice();
        for (customer, total) in (0_u32..).zip(&self.totals) {
            writer.time(total.last);
            writer.u64(total.rows.unsigned_abs());
            writer.f64s(total.monetary.components());
            let n_own = pairs.partition_point(|pair| pair.0 == customer);
            let (own, rest) = pairs.split_at(n_own);
            writer.u32s(own.iter().map(|pair| pair.1));
            pairs = rest;
        }
        writer.names(&self.orders);
        writer.finish()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self> {
        Self::read(bytes).ok_or_else(|| {
            lode_plugin::Error::model("expected a state of segment.rfm, found damaged bytes")
        })
    }

    /// None when anything is out of bounds or out of order.
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let mut counts = [0; 6];
        for count in &mut counts {
            *count = reader.u64()?;
        }
        let latest = reader.time()?;
        let customers = reader.names()?;
        let mut totals = Vec::new();
        let mut pairs = Vec::new();
        for customer in 0..u32::try_from(customers.len()).ok()? {
            let last = reader.time()?;
            let rows = i64::try_from(reader.u64()?).ok()?;
            // So that adding the orders to them cannot overflow.
            if rows > i64::MAX / 2 {
                return None;
            }
            let monetary = ExactSum::from_components(&reader.f64s()?)?;
            totals.push(Total {
                last,
                rows,
                monetary,
            });
            let orders = reader.u32s()?;
            if !orders.is_sorted_by(|a, b| a < b) {
                return None;
            }
            pairs.extend(orders.into_iter().map(|order| (customer, order)));
        }
        let orders = reader.names()?;
        let inside = pairs.iter().all(|pair| (pair.1 as usize) < orders.len());
        (inside && reader.is_done()).then_some(Self {
            counts: Counts::of(counts),
            latest,
            customers,
            totals,
            orders,
            pairs,
        })
    }
}

impl Total {
    fn add(&mut self, other: Self) {
        self.last = self.last.max(other.last);
        self.rows = self.rows.saturating_add(other.rows).min(i64::MAX / 2);
        if self.monetary.is_zero() {
            self.monetary = other.monetary;
        } else {
            self.monetary.merge(&other.monetary);
        }
    }
}

/// The names of two rising lists, each once, and the new code of each name of either.
struct Union {
    names: Vec<String>,
    codes: [Vec<u32>; 2],
}

impl Union {
    fn of(left: Vec<String>, right: Vec<String>) -> Self {
        let mut names = Vec::with_capacity(left.len().max(right.len()));
        let mut codes = [
            Vec::with_capacity(left.len()),
            Vec::with_capacity(right.len()),
        ];
        let mut left = left.into_iter().peekable();
        let mut right = right.into_iter().peekable();
        while left.peek().is_some() || right.peek().is_some() {
            let order = match (left.peek(), right.peek()) {
                (Some(left), Some(right)) => left.cmp(right),
                (Some(_), None) => std::cmp::Ordering::Less,
                (None, _) => std::cmp::Ordering::Greater,
            };
            let code = names.len() as u32;
            if order.is_le() {
                codes[0].push(code);
                names.extend(left.next());
            }
            if order.is_ge() {
                codes[1].push(code);
                let name = right.next();
                if order.is_gt() {
                    names.extend(name);
                }
            }
        }
        Self { names, codes }
    }
}

#[cfg(test)]
mod tests;
