//! One customer of the retailer: taste, habits, and a year of orders.
//!
//! Does not write anything. Invariant: every customer has at least one order.

use lode_numeric::Rng;

use crate::catalog;
use crate::catalog::CATEGORIES;
use crate::catalog::N_ITEMS;
use crate::catalog::PER_CATEGORY;

/// Chance that an item comes from the customer's own group rather than from all.
pub(super) const OWN_GROUP: f64 = 0.75;
/// Chance that an item draws its partner into the same order.
pub(super) const PAIR: f64 = 0.5;
/// Chance that a line comes back within a fortnight.
const RETURNED: f64 = 0.02;
/// Chance that an order is followed by one of someone who is not known.
const UNKNOWN: f64 = 0.09;
const YEAR_DAYS: f64 = 365.0;
const DAY_MINUTES: f64 = 1440.0;

/// How a kind of customer buys.
#[derive(Debug)]
pub(super) struct Class {
    pub(super) name: &'static str,
    /// Share of customers.
    pub(super) share: f64,
    /// Orders a year while buying; 0 means one order in all.
    pub(super) orders_per_year: f64,
    /// Chance to stop buying at some day of the year.
    pub(super) stops: f64,
    /// Items an order beyond the first, on average.
    more_items: f64,
    /// Pieces of an item beyond the first, on average.
    more_pieces: f64,
}

/// All kinds.
pub(super) const CLASSES: [Class; 4] = [
    Class {
        name: "vip",
        share: 0.06,
        orders_per_year: 26.0,
        stops: 0.2,
        more_items: 2.6,
        more_pieces: 0.9,
    },
    Class {
        name: "regular",
        share: 0.26,
        orders_per_year: 10.0,
        stops: 0.3,
        more_items: 1.8,
        more_pieces: 0.4,
    },
    Class {
        name: "occasional",
        share: 0.44,
        orders_per_year: 4.0,
        stops: 0.4,
        more_items: 1.2,
        more_pieces: 0.2,
    },
    Class {
        name: "once",
        share: 0.24,
        orders_per_year: 0.0,
        stops: 0.0,
        more_items: 0.8,
        more_pieces: 0.1,
    },
];

/// Weights that are the same for all customers.
pub(super) struct Tables {
    groups: Vec<f64>,
    classes: Vec<f64>,
    /// By rank in a category: the first sell best.
    ranks: Vec<f64>,
    partners: Vec<Option<usize>>,
}

impl Tables {
    pub(super) fn new() -> Self {
        let rank = |rank: usize| 1.0 / (rank as f64 + 2.0).powf(0.8);
        Self {
            groups: CATEGORIES.iter().map(|c| f64::from(c.percent)).collect(),
            classes: CLASSES.iter().map(|class| class.share).collect(),
            ranks: (0..PER_CATEGORY).map(rank).collect(),
            partners: catalog::partners(),
        }
    }

    fn draw_item(&self, group: usize, rng: &mut Rng) -> usize {
        let category = if rng.chance(OWN_GROUP) {
            group
        } else {
            rng.index(CATEGORIES.len())
        };
        category * PER_CATEGORY + rng.weighted(&self.ranks).unwrap_or(0)
    }
}

/// A line of an order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    /// Minutes into the year.
    pub(super) minute: u32,
    pub(super) customer: u64,
    /// Number of the order among the customer's.
    pub(super) order: u32,
    pub(super) item: usize,
    pub(super) quantity: i64,
    /// Whether the row says whose it is.
    pub(super) is_known: bool,
}

/// One customer.
#[derive(Debug)]
pub(super) struct Shopper {
    pub(super) customer: u64,
    pub(super) group: usize,
    pub(super) class: &'static Class,
    /// Day of the year of the first order.
    pub(super) first_day: u32,
    /// Day of the year after which nothing is bought any more; none for those who go on.
    pub(super) stop_day: Option<u32>,
    /// Orders a day while buying.
    rate: f64,
}

impl Shopper {
    pub(super) fn new(customer: u64, tables: &Tables, rng: &mut Rng) -> Self {
        let group = rng.weighted(&tables.groups).unwrap_or(0);
        let class = &CLASSES[rng.weighted(&tables.classes).unwrap_or(0)];
        // Half of the customers were there before the year began.
        let first_day = if rng.chance(0.5) {
            rng.below(30) as u32
        } else {
            rng.below(YEAR_DAYS as u64) as u32
        };
        let left = YEAR_DAYS as u64 - u64::from(first_day);
        let stop_day = rng
            .chance(class.stops)
            .then(|| first_day + rng.below((left * 6 / 10).max(1)) as u32);
        Self {
            customer,
            group,
            class,
            first_day,
            stop_day,
            rate: class.orders_per_year / YEAR_DAYS * rng.gamma(4.0) / 4.0,
        }
    }

    /// Adds the lines of a year; which items the customer then has.
    pub(super) fn buy(&self, tables: &Tables, rng: &mut Rng, lines: &mut Vec<Line>) -> Vec<bool> {
        let mut owned = vec![false; N_ITEMS];
        let end = self.stop_day.map_or(YEAR_DAYS, |day| f64::from(day) + 1.0);
        let mut day = f64::from(self.first_day);
        let mut order = 0;
        loop {
            // Shops are open from 8 to 20 o'clock.
            let minute = day.floor() * DAY_MINUTES + 480.0 + rng.uniform() * 720.0;
            self.order(minute as u32, order, true, tables, rng, lines, &mut owned);
            order += 1;
            if rng.chance(UNKNOWN) {
                let mut nobody = vec![false; N_ITEMS];
                self.order(minute as u32, order, false, tables, rng, lines, &mut nobody);
                order += 1;
            }
            if self.rate <= 0.0 {
                return owned;
            }
            day += (rng.exponential() / self.rate).max(1.0);
            if day >= end {
                return owned;
            }
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one order is made from exactly these; a struct would be named once"
    )]
    fn order(
        &self,
        minute: u32,
        order: u32,
        is_known: bool,
        tables: &Tables,
        rng: &mut Rng,
        lines: &mut Vec<Line>,
        owned: &mut [bool],
    ) {
        let mut items = Vec::new();
        for _ in 0..1 + rng.poisson(self.class.more_items) {
            let item = tables.draw_item(self.group, rng);
            items.push(item);
            if let Some(partner) = tables.partners[item]
                && rng.chance(PAIR)
            {
                items.push(partner);
            }
        }
        items.sort_unstable();
        items.dedup();
        for item in items {
            owned[item] = true;
            let quantity = 1 + rng.poisson(self.class.more_pieces) as i64;
            let line = Line {
                minute,
                customer: self.customer,
                order,
                item,
                quantity,
                is_known,
            };
            lines.push(line);
            if rng.chance(RETURNED) {
                let back = minute + 1440 * (1 + rng.below(14) as u32);
                if f64::from(back) < YEAR_DAYS * DAY_MINUTES {
                    lines.push(Line {
                        minute: back,
                        quantity: -quantity,
                        ..line
                    });
                }
            }
        }
    }

    /// Up to three items that the customer would buy next and does not have: partners of
    /// what they have first, by chance, then by taste.
    pub(super) fn next_items(&self, tables: &Tables, owned: &[bool], rng: &mut Rng) -> Vec<usize> {
        let mut next = Vec::new();
        for item in (0..N_ITEMS).filter(|item| owned[*item]) {
            if let Some(partner) = tables.partners[item]
                && !owned[partner]
                && rng.chance(PAIR)
            {
                next.push(partner);
            }
        }
        for _ in 0..200 {
            if next.len() >= 3 {
                break;
            }
            let item = tables.draw_item(self.group, rng);
            if !owned[item] && !next.contains(&item) {
                next.push(item);
            }
        }
        next.truncate(3);
        next
    }
}
