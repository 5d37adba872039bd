//! Who has what and how much: one weight for each customer and item.
//!
//! Does not leave out what is disliked: it is owned. Invariant: a customer's items rise, each
//! once; every weight is finite.

use lode_numeric::parallel;

use super::DAY;
use super::log::Log;
use super::log::Row;
use crate::model::codec::Reader;
use crate::model::codec::Writer;
use crate::params::Weighting;

/// Customers that one thread takes at a time.
const SHARE: usize = 1024;
/// How many ratings of its own draw a customer's middle as far as the mean of all does.
const MIDDLE_SHRINKAGE: f64 = 5.0;

/// What is left of the oldest events: what is liked stays so.
const LEAST_DECAY: f64 = 1e-30;

/// Customers by items.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Pairs {
    /// Where each customer's items end.
    ends: Vec<u64>,
    items: Vec<u32>,
    /// Above 0: liked, the more the better; 0 or below: owned and not liked.
    weights: Vec<f32>,
    /// The customer's items from the one of the oldest last event on; empty where nobody
    /// needs it, else as long as `items`.
    sequences: Vec<u32>,
}

/// What a history is worth.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Worth {
    pub(crate) weighting: Weighting,
    /// Days.
    pub(crate) half_life: Option<f64>,
    /// The rating that says neither yes nor no.
    pub(crate) middle: Option<f64>,
}

/// The items of one customer.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct History<'a> {
    pub(crate) items: &'a [u32],
    pub(crate) weights: &'a [f32],
    pub(crate) sequence: &'a [u32],
}

/// How ratings are read: what the middle of a customer is, and how far apart ratings lie.
#[derive(Clone, Copy, Debug)]
struct Ratings {
    middle: Option<f64>,
    /// Mean of all.
    mean: f64,
    /// Mean distance of a rating from the middle of its customer.
    spread: f64,
}

impl Pairs {
    /// Adds up the rows of each customer and item.
    pub(crate) fn of(log: &Log, worth: &Worth, with_sequences: bool, threads: usize) -> Self {
        let last_time = log.last_time();
        let ratings = log.has_ratings().then(|| Ratings::of(log, worth.middle));
        let n_customers = log.customers.len();
        let parts = parallel::map_chunks(n_customers, SHARE, threads, |customers| {
            let mut part = Self::default();
            let mut own: Vec<Event> = Vec::new();
            for customer in customers {
                let middle = ratings.map(|r| (r.of_customer(log, customer), r.spread));
                own.clear();
                own.extend((0..).zip(log.rows(customer)).map(|(at, row)| {
                    let decay = worth.decay(last_time, row.time);
                    Event {
                        item: row.item,
                        at,
                        weight: liking(&row, middle) * f64::from(row.count) * decay,
                        decay,
                    }
                }));
                part.push(&mut own, worth.weighting, with_sequences);
            }
            part
        });
        let mut all = Self::default();
        for part in parts {
            let before = all.items.len() as u64;
            all.ends.extend(part.ends.iter().map(|end| before + end));
            all.items.extend(part.items);
            all.weights.extend(part.weights);
            all.sequences.extend(part.sequences);
        }
        all
    }

    /// Pairs of customer and item that all weigh 1, sorted, each once.
    pub(crate) fn plain(n_customers: usize, ends: Vec<u64>, items: Vec<u32>) -> Self {
        debug_assert_eq!(ends.len(), n_customers);
        Self {
            ends,
            weights: vec![1.0; items.len()],
            items,
            sequences: Vec::new(),
        }
    }

    /// Takes the events of one customer.
    fn push(&mut self, own: &mut [Event], weighting: Weighting, with_sequences: bool) {
        own.sort_unstable_by_key(|event| (event.item, event.at));
        // When each item was last met, for the sequence.
        let mut met: Vec<(u32, u32)> = Vec::new();
        for events in own.chunk_by(|a, b| a.item == b.item) {
            let sum: f64 = events.iter().map(|event| event.weight).sum();
            let last = events[events.len() - 1];
            self.items.push(last.item);
            let weight = match weighting {
                Weighting::Binary if sum > 0.0 => last.decay,
                Weighting::Binary => 0.0,
                Weighting::Log => sum.signum() * sum.abs().ln_1p() / f64::ln(2.0),
                Weighting::Linear => sum.clamp(-1e30, 1e30),
            } as f32;
            self.weights.push(weight);
            if with_sequences {
                met.push((last.at, last.item));
            }
        }
        met.sort_unstable();
        self.sequences.extend(met.iter().map(|met| met.1));
        self.ends.push(self.items.len() as u64);
    }

    /// The pairs with an event after `start`, microseconds since the Unix epoch.
    pub(crate) fn since(&self, log: &Log, start: f64) -> Self {
        let mut part = Self::default();
        let mut recent: Vec<u32> = Vec::new();
        for customer in 0..self.n_customers() {
            recent.clear();
            let rows = log.rows(customer).filter(|row| row.time as f64 > start);
            recent.extend(rows.map(|row| row.item));
            recent.sort_unstable();
            let history = self.history(customer);
            for (item, weight) in history.items.iter().zip(history.weights) {
                if recent.binary_search(item).is_ok() {
                    part.items.push(*item);
                    part.weights.push(*weight);
                }
            }
            part.ends.push(part.items.len() as u64);
        }
        part
    }

    pub(crate) fn n_customers(&self) -> usize {
        self.ends.len()
    }

    /// How many pairs of customer and item there are.
    pub(crate) fn n_pairs(&self) -> usize {
        self.items.len()
    }

    /// The items of a customer.
    pub(crate) fn history(&self, customer: usize) -> History<'_> {
        let start = customer
            .checked_sub(1)
            .map_or(0, |before| self.ends[before]);
        let range = start as usize..self.ends[customer] as usize;
        History {
            items: &self.items[range.clone()],
            weights: &self.weights[range.clone()],
            sequence: self.sequences.get(range).unwrap_or_default(),
        }
    }

    /// All pairs that are liked: customer, item, weight.
    pub(crate) fn liked(&self) -> impl Iterator<Item = (u32, u32, f32)> + '_ {
        (0..self.n_customers()).flat_map(|customer| {
            let history = self.history(customer);
            let pairs = history.items.iter().zip(history.weights);
            pairs
                .filter(|(_, weight)| **weight > 0.0)
                .map(move |(item, weight)| (customer as u32, *item, *weight))
        })
    }

    pub(crate) fn write(&self, to: &mut Writer) {
        to.u64s(&self.ends);
        to.u32s(&self.items);
        // Most weigh 1: those bytes are saved.
        let plain = self
            .weights
            .iter()
            .all(|weight| weight.to_bits() == 1.0_f32.to_bits());
        to.f32s(if plain { &[] } else { &self.weights });
        to.u32s(&self.sequences);
    }

    /// None when damaged.
    pub(crate) fn read(from: &mut Reader<'_>, n_customers: usize, n_items: usize) -> Option<Self> {
        let mut pairs = Self {
            ends: from.u64s()?,
            items: from.u32s()?,
            weights: from.f32s()?,
            sequences: from.u32s()?,
        };
        let n = pairs.items.len();
        if pairs.weights.is_empty() {
            pairs.weights = vec![1.0; n];
        }
        let inside = |item: &u32| (*item as usize) < n_items;
        let whole = pairs.ends.len() == n_customers
            && pairs.ends.is_sorted()
            && pairs.ends.last().copied().unwrap_or(0) == n as u64
            && pairs.items.iter().all(inside)
            && pairs.weights.len() == n
            && pairs.weights.iter().all(|weight| weight.is_finite())
            && (pairs.sequences.is_empty() || pairs.sequences.len() == n)
            && pairs.sequences.iter().all(inside)
            && (0..n_customers)
                .all(|customer| pairs.history(customer).items.is_sorted_by(|a, b| a < b));
        whole.then_some(pairs)
    }
}

impl History<'_> {
    /// Whether anything in it is liked.
    pub(crate) fn is_liked(&self) -> bool {
        self.weights.iter().any(|weight| *weight > 0.0)
    }
}

/// A row of one customer.
#[derive(Clone, Copy, Debug)]
struct Event {
    item: u32,
    /// Its place in time.
    at: u32,
    weight: f64,
    decay: f64,
}

impl Worth {
    /// What is left of an event's weight by its age.
    pub(crate) fn decay(&self, last_time: Option<i64>, time: i64) -> f64 {
        match (self.half_life, last_time) {
            (Some(days), Some(last)) => {
                let age = last.saturating_sub(time) as f64 / DAY;
                f64::exp2(-age / days).max(LEAST_DECAY)
            }
            _ => 1.0,
        }
    }

    /// A weight after one more event that happens now.
    pub(crate) fn more(&self, weight: f32) -> f32 {
        match self.weighting {
            Weighting::Binary => weight.max(1.0),
            Weighting::Log if weight >= 0.0 => (weight.exp2() + 1.0).log2().min(1e30),
            Weighting::Log | Weighting::Linear => weight + 1.0,
        }
    }
}

impl Ratings {
    fn of(log: &Log, middle: Option<f64>) -> Self {
        let mut ratings = Self {
            middle,
            mean: 0.0,
            spread: 1.0,
        };
        let rated = |customer: usize| log.rows(customer).filter(|row| !row.rating.is_nan());
        let (mut sum, mut n) = (0.0, 0.0);
        for row in (0..log.customers.len()).flat_map(rated) {
            sum += f64::from(row.rating) * f64::from(row.count);
            n += f64::from(row.count);
        }
        ratings.mean = sum / n;
        let mut apart = 0.0;
        for customer in 0..log.customers.len() {
            let middle = ratings.of_customer(log, customer);
            for row in rated(customer) {
                apart += (f64::from(row.rating) - middle).abs() * f64::from(row.count);
            }
        }
        if apart > 0.0 {
            ratings.spread = apart / n;
        }
        ratings
    }

    fn of_customer(&self, log: &Log, customer: usize) -> f64 {
        if let Some(middle) = self.middle {
            return middle;
        }
        let (mut sum, mut n) = (MIDDLE_SHRINKAGE * self.mean, MIDDLE_SHRINKAGE);
        for row in log.rows(customer).filter(|row| !row.rating.is_nan()) {
            sum += f64::from(row.rating) * f64::from(row.count);
            n += f64::from(row.count);
        }
        sum / n
    }
}

/// How much one such row says that the item is liked.
fn liking(row: &Row, middle: Option<(f64, f64)>) -> f64 {
    let kind = f64::from(row.weight);
    match middle {
        // A return speaks against the item, whatever it was rated.
        Some((middle, spread)) if !row.rating.is_nan() && kind > 0.0 => {
            kind * (f64::from(row.rating) - middle) / spread
        }
        _ => kind,
    }
}
