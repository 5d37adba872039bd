//! Answers "what for this customer?" and "what is like this?" from a model.
//!
//! Does not read events. Invariant: a list holds no item that was excluded, and none that the
//! customer has unless owned items are allowed; best first, ties by item id, unless variety
//! was asked for.

mod answer;
mod ask;
mod diversity;
mod reasons;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;

use lode_plugin::Context;
use lode_plugin::Error;
use lode_plugin::Inputs;
use lode_plugin::Result;
use lode_plugin::arrow_array::RecordBatch;

use crate::events::pairs::History;
use crate::events::pairs::Worth;
use crate::method::Barred;
use crate::method::Offer;
use crate::method::Rates;
use crate::method::Sums;
use crate::method::best;
use crate::model::Known;
use crate::model::names::Index;
use answer::Answer;
use ask::Ask;

/// Score of a popular item that fills up a personal list: its share of customers times this,
/// above [`Rates::neutral`].
const FILL: f64 = 1e-9;
/// Orders of popularity that are kept, one for each combination of groups of customers.
const KEPT_ORDERS: usize = 256;

/// A model that is ready to answer.
#[derive(Debug)]
pub struct Server {
    known: Known,
    method: Box<dyn Rates>,
    is_personal: bool,
    worth: Worth,
    n: usize,
    customer_index: Index,
    item_index: Index,
    /// Whether no event tells of an item: methods do not rate it.
    is_cold: Vec<bool>,
    /// Items that lend their scores to such, rising.
    lenders: Vec<u32>,
    /// Popularity among customers of some groups.
    orders: Mutex<HashMap<Vec<u32>, Arc<Order>>>,
    /// Kept between calls: to clear it costs more than a short answer.
    spare: Mutex<Room>,
}

/// Items by what is popular with some customers.
#[derive(Debug)]
struct Order {
    items: Vec<u32>,
    shares: Vec<f64>,
}

/// Room for one list, used again for the next.
#[derive(Clone, Debug, Default)]
pub(crate) struct Room {
    sums: Sums,
    /// Items that must not be offered.
    barred: Barred,
    /// The same and those that the method does not rate.
    masked: Barred,
    offers: Vec<Offer>,
}

/// For whom a list is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) history: History<'a>,
    /// Groups of the customer, as in [`crate::model::crowd::Crowd::groups_of`]; empty when
    /// nothing is known.
    pub(crate) groups: &'a [u32],
    pub(crate) excluded: &'a [u32],
    pub(crate) limit: usize,
    pub(crate) allow_owned: bool,
    /// 0 to 1.
    pub(crate) diversity: f64,
}

impl Room {
    fn new(server: &Server) -> Self {
        let n_items = server.known.items.len();
        let mut masked = Barred::new(n_items);
        for item in server.known.kin.cold() {
            masked.set(*item, true);
        }
        Self {
            sums: Sums::new(n_items),
            barred: Barred::new(n_items),
            masked,
            offers: Vec::new(),
        }
    }

    /// The offers of the last list.
    pub(crate) fn offers(&self) -> &[Offer] {
        &self.offers
    }
}

impl Server {
    pub(crate) fn new(
        known: Known,
        method: Box<dyn Rates>,
        is_personal: bool,
        worth: Worth,
        n: usize,
    ) -> Self {
        let mut is_cold = vec![false; known.items.len()];
        for item in known.kin.cold() {
            is_cold[*item as usize] = true;
        }
        let server = Self {
            customer_index: Index::new(&known.customers),
            item_index: Index::new(&known.items),
            lenders: known.kin.lenders(),
            is_cold,
            orders: Mutex::default(),
            spare: Mutex::default(),
            known,
            method,
            is_personal,
            worth,
            n,
        };
        let room = Room::new(&server);
        Self {
            spare: Mutex::new(room),
            ..server
        }
    }

    pub(crate) fn known(&self) -> &Known {
        &self.known
    }

    pub(crate) fn room(&self) -> Room {
        Room::new(self)
    }

    /// Answers a table of requests, or of items to which similar ones are wanted.
    pub(crate) fn answer(&self, inputs: &Inputs, cx: &Context<'_>) -> Result<RecordBatch> {
        // After a panic the room may be dirty; a new one is clean.
        let mut spare = self.spare.lock().unwrap_or_else(|poisoned| {
            let mut spare = poisoned.into_inner();
            *spare = Room::new(self);
            spare
        });
        if let Some(table) = inputs.optional("similar")? {
            return self.answer_similar(table, &mut spare, cx);
        }
        let table = inputs.table("requests").map_err(|_| {
            Error::invalid(
                "inputs",
                "expected an input named \"requests\" or \"similar\", found neither",
            )
        })?;
        let asked = Ask::read(table, self)?;
        let mut answer = Answer::new(self);
        for (request, ask) in asked.iter().enumerate() {
            cx.check_cancelled()?;
            let wanted = ask.wanted();
            let personal = self.offer(&wanted, &mut spare);
            answer.push(request, ask, personal, &mut spare);
        }
        answer.finish(asked.iter().any(|ask| ask.explain))
    }

    /// Fills `room` with the offers for someone; says whether any of them rests on the
    /// history.
    pub(crate) fn offer(&self, wanted: &Wanted<'_>, room: &mut Room) -> bool {
        self.bar(wanted, room, true);
        room.offers.clear();
        let pool = match wanted.diversity > 0.0 {
            true => wanted.limit.max(diversity::POOL),
            false => wanted.limit,
        };
        let rates = self.method.can_rate(&wanted.history);
        let personal = if rates && self.method.rates_all() {
            self.add_all(wanted, pool, room);
            self.is_personal && !room.offers.is_empty()
        } else {
            if rates {
                self.method.rate(&wanted.history, &mut room.sums);
            }
            self.add_rated(pool, room);
            let personal = self.is_personal && !room.offers.is_empty();
            self.add_popular(wanted, pool, room);
            room.sums.clear();
            personal
        };
        self.bar(wanted, room, false);
        if wanted.diversity > 0.0 {
            let like = |item: u32, others: &[u32]| self.method.likeness(item, others);
            diversity::rearrange(&mut room.offers, wanted.limit, wanted.diversity, like);
        }
        room.offers.truncate(wanted.limit);
        personal
    }

    /// Offers for many customers, each for who they are and what they have.
    pub(crate) fn offer_many(
        &self,
        customers: std::ops::Range<usize>,
        limit: usize,
        threads: usize,
    ) -> Option<Vec<Vec<Offer>>> {
        // What no event tells of is rated beside the method, one customer at a time.
        if !self.known.kin.cold().is_empty() {
            return None;
        }
        let histories: Vec<History<'_>> = customers
            .map(|customer| self.known.pairs.history(customer))
            .collect();
        self.method.top_of_many(&histories, limit, threads)
    }

    /// What is known of a customer of the model, for a list of `limit`.
    pub(crate) fn customer(&self, customer: usize, limit: usize) -> Wanted<'_> {
        Wanted {
            history: self.known.pairs.history(customer),
            groups: self.groups_of(Some(customer)),
            excluded: &[],
            limit,
            allow_owned: false,
            diversity: 0.0,
        }
    }

    /// Whether a list of a method of many is whole as it is.
    pub(crate) fn is_whole(&self, customer: usize, offers: &[Offer], limit: usize) -> bool {
        let history = self.known.pairs.history(customer);
        self.method.can_rate(&history) && (self.method.rates_all() || offers.len() >= limit)
    }

    fn groups_of(&self, customer: Option<usize>) -> &[u32] {
        let crowd = &self.known.popularity.crowd;
        customer.map_or(&[], |customer| crowd.groups_of(customer))
    }

    /// Marks what must not be offered, or takes the marks off.
    fn bar(&self, wanted: &Wanted<'_>, room: &mut Room, on: bool) {
        let owned = match wanted.allow_owned {
            true => &[],
            false => wanted.history.items,
        };
        for item in owned.iter().chain(wanted.excluded) {
            room.barred.set(*item, on);
            room.masked.set(*item, on || self.is_cold[*item as usize]);
        }
    }

    /// The best of all items, by a method that rates all.
    fn add_all(&self, wanted: &Wanted<'_>, limit: usize, room: &mut Room) {
        let Room {
            sums,
            barred,
            masked,
            offers,
        } = room;
        self.method
            .top(&wanted.history, masked, limit, sums, offers);
        let kin = &self.known.kin;
        if kin.cold().is_empty() {
            return;
        }
        let neutral = self.method.neutral();
        let mut lent = Vec::new();
        self.method
            .rate_some(&wanted.history, &self.lenders, sums, &mut lent);
        for (at, item) in kin.cold().iter().enumerate() {
            if barred.has(*item) {
                continue;
            }
            let mut score = neutral + FILL * self.known.popularity.share(*item);
            for near in kin.relatives(at) {
                let lender = self.lenders.binary_search(&near.item).ok();
                let own = lender.and_then(|lender| lent[lender]).unwrap_or(neutral);
                score += near.weight * (own - neutral);
            }
            offers.push(Offer { item: *item, score });
        }
        best(offers, limit);
    }

    /// The best of the items for which something speaks.
    fn add_rated(&self, limit: usize, room: &mut Room) {
        let neutral = self.method.neutral();
        for item in room.sums.touched() {
            let score = room.sums.get(*item).unwrap_or(neutral);
            if score > neutral && !room.barred.has(*item) {
                room.offers.push(Offer { item: *item, score });
            }
        }
        for (at, item) in self.known.kin.cold().iter().enumerate() {
            if let Some(score) = self.borrowed(at, &room.sums)
                && !room.barred.has(*item)
            {
                room.offers.push(Offer { item: *item, score });
            }
        }
        best(&mut room.offers, limit);
    }

    /// The score that an item without events borrows, where something speaks for its kin.
    fn borrowed(&self, at: usize, sums: &Sums) -> Option<f64> {
        if sums.touched().is_empty() {
            return None;
        }
        let neutral = self.method.neutral();
        let parts = self.known.kin.relatives(at);
        let parts = parts.filter_map(|near| Some(near.weight * (sums.get(near.item)? - neutral)));
        let sum: f64 = parts.sum();
        (sum > 0.0).then_some(neutral + sum)
    }

    /// The most popular items of which nothing is said, then those against which something
    /// speaks, up to the limit.
    fn add_popular(&self, wanted: &Wanted<'_>, limit: usize, room: &mut Room) {
        if room.offers.len() >= limit {
            return;
        }
        let neutral = self.method.neutral();
        let scale = self.scale();
        let kin = &self.known.kin;
        let speaks = |item: u32| match kin.place(item) {
            Some(at) => self.borrowed(at, &room.sums),
            None => room.sums.get(item).filter(|score| *score != neutral),
        };
        let own = self.own_order(wanted);
        let popularity = &self.known.popularity;
        let order = own.as_ref().map_or(popularity.order(), |own| &own.items);
        for item in order {
            if room.offers.len() >= limit {
                return;
            }
            if !room.barred.has(*item) && speaks(*item).is_none() {
                let share = match &own {
                    Some(own) => own.shares[*item as usize],
                    None => popularity.share(*item),
                };
                room.offers.push(Offer {
                    item: *item,
                    score: neutral + scale * share,
                });
            }
        }
        let first = room.offers.len();
        for item in room.sums.touched() {
            let score = speaks(*item).filter(|score| *score < neutral);
            if let Some(score) = score.filter(|_| !room.barred.has(*item)) {
                room.offers.push(Offer { item: *item, score });
            }
        }
        room.offers[first..].sort_unstable_by(Offer::order);
        room.offers.truncate(limit);
    }

    /// What a share of customers counts as a score.
    fn scale(&self) -> f64 {
        if self.is_personal { FILL } else { 1.0 }
    }

    /// What is popular with customers of the same groups; none where popularity is that of
    /// all.
    fn own_order(&self, wanted: &Wanted<'_>) -> Option<Arc<Order>> {
        let popularity = &self.known.popularity;
        let counts = popularity.crowd.for_all || !wanted.history.is_liked();
        let known = wanted
            .groups
            .iter()
            .any(|group| *group != lode_plugin::Ids::NONE);
        if !counts || !known {
            return None;
        }
        let mut orders = self.orders.lock().unwrap_or_else(|poisoned| {
            let mut orders = poisoned.into_inner();
            orders.clear();
            orders
        });
        if let Some(order) = orders.get(wanted.groups) {
            return Some(Arc::clone(order));
        }
        let all: Vec<f64> = (0..self.known.items.len() as u32)
            .map(|item| popularity.share(item))
            .collect();
        let shares = popularity.crowd.shares(wanted.groups, &all);
        let mut items = popularity.order().to_vec();
        items.sort_unstable_by(|a, b| {
            let by_share = shares[*b as usize].total_cmp(&shares[*a as usize]);
            by_share.then(a.cmp(b))
        });
        let order = Arc::new(Order { items, shares });
        if orders.len() >= KEPT_ORDERS {
            orders.clear();
        }
        orders.insert(wanted.groups.to_vec(), Arc::clone(&order));
        Some(order)
    }
}

#[cfg(test)]
mod tests;
