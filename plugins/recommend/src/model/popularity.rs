//! How many have each item: of all customers, and of those with an attribute.
//!
//! Invariant: a share is between 0 and the largest weight of a pair; items in the order of
//! popularity are each there once, ties by item.

use super::codec::Reader;
use super::codec::Writer;
use super::crowd::Crowd;
use super::kin::Kin;
use crate::events::pairs::Pairs;

/// The popularity of items.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Popularity {
    /// Weights of the customers that like an item, by the number of customers.
    shares: Vec<f64>,
    /// Customers that like each item.
    n_holders: Vec<u32>,
    /// Items, most popular first.
    order: Vec<u32>,
    /// By attributes of customers.
    pub(crate) crowd: Crowd,
}

impl Popularity {
    /// Counts pairs; only customers with any pair are counted.
    pub(crate) fn of(pairs: &Pairs, n_items: usize, crowd: Crowd) -> Self {
        let mut shares = vec![0.0; n_items];
        let mut n_holders = vec![0; n_items];
        for (_, item, weight) in pairs.liked() {
            shares[item as usize] += f64::from(weight);
            n_holders[item as usize] += 1;
        }
        let customers = 0..pairs.n_customers();
        let n_active = customers
            .filter(|c| !pairs.history(*c).items.is_empty())
            .count();
        for share in &mut shares {
            *share /= n_active.max(1) as f64;
        }
        Self::from_parts(shares, n_holders, crowd)
    }

    fn from_parts(shares: Vec<f64>, n_holders: Vec<u32>, crowd: Crowd) -> Self {
        let mut order: Vec<u32> = (0..shares.len() as u32).collect();
        order.sort_unstable_by(|a, b| {
            let by_share = shares[*b as usize].total_cmp(&shares[*a as usize]);
            by_share.then(a.cmp(b))
        });
        Self {
            shares,
            n_holders,
            order,
            crowd,
        }
    }

    /// Items that no event tells of get what they borrow of the shares of their kin.
    pub(crate) fn lend(&mut self, kin: &Kin) {
        for (at, item) in kin.cold().iter().enumerate() {
            let parts = kin
                .relatives(at)
                .map(|near| near.weight * self.share(near.item));
            self.shares[*item as usize] = parts.sum();
        }
        let (shares, holders) = (&mut self.shares, &mut self.n_holders);
        let crowd = std::mem::take(&mut self.crowd);
        *self = Self::from_parts(std::mem::take(shares), std::mem::take(holders), crowd);
    }

    pub(crate) fn share(&self, item: u32) -> f64 {
        self.shares[item as usize]
    }

    pub(crate) fn n_holders(&self, item: u32) -> u32 {
        self.n_holders[item as usize]
    }

    /// Items, most popular first.
    pub(crate) fn order(&self) -> &[u32] {
        &self.order
    }

    pub(crate) fn write(&self, to: &mut Writer) {
        to.f64s(&self.shares);
        to.u32s(&self.n_holders);
        self.crowd.write(to);
    }

    /// None when damaged.
    pub(crate) fn read(from: &mut Reader<'_>, n_customers: usize, n_items: usize) -> Option<Self> {
        let shares = from.f64s()?;
        let n_holders = from.u32s()?;
        let crowd = Crowd::read(from, n_customers, n_items)?;
        let fine = |share: &f64| share.is_finite() && *share >= 0.0;
        let whole =
            shares.len() == n_items && n_holders.len() == n_items && shares.iter().all(fine);
        whole.then(|| Self::from_parts(shares, n_holders, crowd))
    }
}
