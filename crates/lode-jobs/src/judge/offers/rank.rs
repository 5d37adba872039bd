//! Orders without an algorithm, by which a recommender is measured: popularity, and the user's.
//!
//! Both leave out what a customer has. Invariant: popularity counts the rows that the fit saw and
//! no others; ties by item id.

use super::events::Events;
use super::plan::Asked;
use super::plan::Split;

/// The items that a fit could know, and who has them.
pub(super) struct Popularity {
    /// Customers with a liked event of each item.
    pub(super) holders: Vec<u32>,
    /// Customers with any.
    pub(super) n_customers: usize,
    /// Items with any, most customers first.
    pub(super) order: Vec<u32>,
}

impl Popularity {
    /// Counts the rows of a split.
    pub(super) fn of(events: &Events, split: &Split) -> Self {
        let mut holders = vec![0_u32; events.items.len()];
        let mut last_holder = vec![u32::MAX; events.items.len()];
        let mut n_customers = 0;
        for customer in 0..events.customers.len() as u32 {
            let mut has_any = false;
            for row in events.of(customer).iter().map(|row| *row as usize) {
                if !split.train[row] || !events.liked[row] {
                    continue;
                }
                has_any = true;
                let item = events.item[row] as usize;
                if last_holder[item] != customer {
                    last_holder[item] = customer;
                    holders[item] += 1;
                }
            }
            n_customers += usize::from(has_any);
        }
        let known = (0..holders.len() as u32).filter(|item| holders[*item as usize] > 0);
        let mut order: Vec<u32> = known.collect();
        order.sort_by_key(|item| std::cmp::Reverse(holders[*item as usize]));
        Self {
            holders,
            n_customers,
            order,
        }
    }
}

/// The first places of one order for each customer, less what they have.
pub(super) fn lists(order: &[u32], asked: &[Asked], depth: usize, repeats: bool) -> Vec<Vec<u32>> {
    let list = |asked: &Asked| {
        let barred = |item: &&u32| {
            let owned = !repeats && asked.owned.binary_search(item).is_ok();
            owned || asked.barred.contains(item)
        };
        let free = order.iter().filter(|item| !barred(item));
        free.take(depth).copied().collect()
    };
    asked.iter().map(list).collect()
}
