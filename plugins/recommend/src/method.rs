//! What an algorithm of the family is: how it learns, and how it rates items for a history.
//!
//! Everything else is written once beside it: reading, popularity, who may be offered what,
//! answers, reasons, outputs. A method never sees names or requests.

use std::fmt::Debug;

use lode_plugin::Context;
use lode_plugin::Output;
use lode_plugin::Result;
use lode_plugin::arrow_array::RecordBatch;
use lode_plugin::arrow_schema::ArrowError;

use crate::attributes::Attributes;
use crate::events::log::Log;
use crate::events::pairs::History;
use crate::events::pairs::Pairs;
use crate::model::Format1;
use crate::model::codec::Reader;
use crate::model::codec::Writer;
use crate::model::names::Names;
use crate::params::Part;
use crate::params::Weighting;
use crate::serve::Server;

/// One offered item.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Offer {
    pub(crate) item: u32,
    pub(crate) score: f64,
}

impl Offer {
    /// Best first, ties by item.
    pub(crate) fn order(&self, other: &Self) -> std::cmp::Ordering {
        let by_score = other.score.total_cmp(&self.score);
        by_score.then(self.item.cmp(&other.item))
    }
}

/// Keeps the best `limit` offers, best first, ties by item.
pub(crate) fn best(offers: &mut Vec<Offer>, limit: usize) {
    if offers.len() > limit {
        if limit > 0 {
            offers.select_nth_unstable_by(limit - 1, Offer::order);
        }
        offers.truncate(limit);
    }
    offers.sort_unstable_by(Offer::order);
}

/// A part of a score.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reason {
    pub(crate) of: Cause,
    pub(crate) contribution: f64,
}

/// What a part of a score rests on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cause {
    /// The customer has this item: feature `bought`.
    Bought(u32),
    /// Any other feature and its value.
    Of(String, Option<String>),
}

/// Scores of items while they are added up: room that is used again for the next customer.
///
/// Invariant between customers: all sums are 0 and nothing is touched.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sums {
    sums: Vec<f64>,
    is_touched: Vec<bool>,
    touched: Vec<u32>,
}

impl Sums {
    pub(crate) fn new(n_items: usize) -> Self {
        Self {
            sums: vec![0.0; n_items],
            is_touched: vec![false; n_items],
            touched: Vec::new(),
        }
    }

    /// Adds to an item's score; one that gets nothing has no score.
    pub(crate) fn add(&mut self, item: u32, part: f64) {
        let at = item as usize;
        if !self.is_touched[at] {
            self.is_touched[at] = true;
            self.touched.push(item);
        }
        self.sums[at] += part;
    }

    /// The score of an item, if it has one.
    pub(crate) fn get(&self, item: u32) -> Option<f64> {
        let at = item as usize;
        self.is_touched[at].then(|| self.sums[at])
    }

    /// The items that have a score, in the order in which they got it.
    pub(crate) fn touched(&self) -> &[u32] {
        &self.touched
    }

    pub(crate) fn clear(&mut self) {
        for item in self.touched.drain(..) {
            self.sums[item as usize] = 0.0;
            self.is_touched[item as usize] = false;
        }
    }
}

/// Items that must not be offered.
#[derive(Clone, Debug, Default)]
pub(crate) struct Barred {
    flags: Vec<bool>,
}

impl Barred {
    pub(crate) fn new(n_items: usize) -> Self {
        Self {
            flags: vec![false; n_items],
        }
    }

    pub(crate) fn has(&self, item: u32) -> bool {
        self.flags[item as usize]
    }

    pub(crate) fn set(&mut self, item: u32, barred: bool) {
        self.flags[item as usize] = barred;
    }

    /// One flag an item.
    pub(crate) fn flags(&self) -> &[bool] {
        &self.flags
    }
}

/// How an algorithm rates items: what is left of it after the fit.
///
/// Scores are of items that events tell of; the server rates the others. Calls come from
/// several threads at once. What is written here of "items" are their codes, the ranks of
/// their ids, so that ties by code are ties by id.
pub(crate) trait Rates: Debug + Send + Sync + 'static {
    /// Adds the score of every item that the history speaks for or against to `sums`, owned
    /// ones too. A method that rates every item adds to each.
    fn rate(&self, history: &History<'_>, sums: &mut Sums);

    /// Whether [`Self::rate`] gives every item a score. If not, items without one come with
    /// [`Self::neutral`] and their popularity.
    fn rates_all(&self) -> bool {
        false
    }

    /// Whether there is something to rate by. Without, popular items are offered.
    fn can_rate(&self, history: &History<'_>) -> bool {
        history.is_liked()
    }

    /// The score of an item of which nothing is known.
    fn neutral(&self) -> f64 {
        0.0
    }

    /// The best `limit` items that are not barred, of all that have a score: best first, ties
    /// by item. Appends to `offers`, which is empty. For methods with a shorter way than rating
    /// everything; used where [`Self::rates_all`].
    fn top(
        &self,
        history: &History<'_>,
        barred: &Barred,
        limit: usize,
        sums: &mut Sums,
        offers: &mut Vec<Offer>,
    ) {
        self.rate(history, sums);
        let rated = sums.touched().iter().filter(|item| !barred.has(**item));
        offers.extend(rated.map(|item| Offer {
            item: *item,
            score: sums.get(*item).unwrap_or_default(),
        }));
        sums.clear();
        best(offers, limit);
    }

    /// [`Self::top`] for many customers at once, of items above [`Self::neutral`] where it does
    /// not rate all; what is in a history is left out. None: there is no shorter way.
    fn top_of_many(
        &self,
        histories: &[History<'_>],
        limit: usize,
        threads: usize,
    ) -> Option<Vec<Vec<Offer>>> {
        let (_, _, _) = (histories, limit, threads);
        None
    }

    /// Scores of some items, which rise; none where the history says nothing. What [`Self::rate`]
    /// gives, for methods that need not rate the others for it.
    fn rate_some(
        &self,
        history: &History<'_>,
        items: &[u32],
        sums: &mut Sums,
        scores: &mut Vec<Option<f64>>,
    ) {
        self.rate(history, sums);
        scores.extend(items.iter().map(|item| sums.get(*item)));
        sums.clear();
    }

    /// The reasons of an item's score: appends them and gives the base; base and reasons add
    /// up to the score to 1e-9 of its size.
    fn explain(&self, history: &History<'_>, item: u32, reasons: &mut Vec<Reason>) -> f64;

    /// The chance that the customer takes the item, of a score that stands for one.
    fn probability(&self, score: f64) -> Option<f64> {
        let _ = score;
        None
    }

    /// How alike an item is to each of `others`, about 0 to 1: for variety. None: it does not
    /// know.
    fn likeness(&self, item: u32, others: &[u32]) -> Option<Vec<f64>>;

    /// The `limit` items most like one that are not barred, best first, ties by item; the item
    /// itself is none of them.
    fn similar(&self, item: u32, barred: &Barred, limit: usize) -> Vec<Offer> {
        let others: Vec<u32> = (0..barred.flags().len() as u32)
            .filter(|other| *other != item && !barred.has(*other))
            .collect();
        let scores = self.likeness(item, &others).unwrap_or_default();
        let mut offers: Vec<Offer> = others
            .into_iter()
            .zip(scores)
            .map(|(item, score)| Offer { item, score })
            .collect();
        best(&mut offers, limit);
        offers
    }
}

/// Makes an output.
pub(crate) type ServerTable = fn(&Server) -> Result<RecordBatch, ArrowError>;

/// How an algorithm learns.
pub(crate) trait Method: Rates + Sized {
    /// `recommend.NAME`.
    const ID: &'static str;
    /// One line.
    const TITLE: &'static str;
    /// One paragraph.
    const ABOUT: &'static str;
    /// The weighting unless the user asks for another.
    const WEIGHTING: Weighting;
    /// Whether offers rest on the history.
    const IS_PERSONAL: bool = true;
    /// Whether it knows which items are alike: the output `similar_items`.
    const KNOWS_LIKENESS: bool = true;
    /// Its own parameters.
    type Params: Part;

    /// The tables that it gives beside `recommendations` and `similar_items`.
    fn outputs() -> Vec<Output> {
        Vec::new()
    }

    /// Tables that are made of what serves: a name and how.
    fn server_tables() -> &'static [(&'static str, ServerTable)] {
        &[]
    }

    /// The method of a model of format 1, where there was one.
    fn of_format_1(old: &Format1) -> Option<Self> {
        let _ = old;
        None
    }

    /// What it needs of the events.
    fn needs(params: &Self::Params) -> Needs {
        let _ = params;
        Needs::default()
    }

    /// Learns.
    ///
    /// # Errors
    /// What the data does not allow; cancellation.
    fn learn(params: &Self::Params, data: &Data<'_>, cx: &Context<'_>) -> Result<Learned<Self>>;

    /// Writes what [`Self::read`] reads.
    fn write(&self, to: &mut Writer);

    /// None when damaged: every code is inside `n_items`, every number finite.
    fn read(from: &mut Reader<'_>, n_items: usize) -> Option<Self>;
}

/// What a method needs of the events beyond pairs.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Needs {
    /// Times: rows without one are left out.
    pub(crate) times: bool,
    /// The rows one by one.
    pub(crate) log: bool,
    /// The order of the items of each customer, now and when serving.
    pub(crate) sequences: bool,
}

/// What there is to learn from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Data<'a> {
    pub(crate) customers: &'a Names,
    /// Also those that no event tells of.
    pub(crate) items: &'a Names,
    pub(crate) pairs: &'a Pairs,
    /// The rows, under the codes of these names; where [`Needs::log`].
    pub(crate) log: Option<&'a Log>,
    /// Under the codes of `items`.
    pub(crate) item_attributes: Option<&'a Attributes>,
    /// How many similar items of each the output holds.
    pub(crate) similar: usize,
    /// Under the codes of `customers`.
    pub(crate) customer_attributes: Option<&'a Attributes>,
}

impl Data<'_> {
    pub(crate) fn n_items(&self) -> usize {
        self.items.len()
    }

    pub(crate) fn n_customers(&self) -> usize {
        self.customers.len()
    }
}

/// What a fit of a method gives.
#[derive(Debug)]
pub(crate) struct Learned<M> {
    pub(crate) method: M,
    /// The pairs by which popularity is counted, where it is not all of them.
    pub(crate) popular_by: Option<Pairs>,
    /// The column of `customers` by whose values popularity is told apart for everybody. None:
    /// by all columns, for those who have nothing.
    pub(crate) segment: Option<String>,
    /// `similar_items` in a shape of its own.
    pub(crate) similar_items: Option<RecordBatch>,
    /// Outputs by name.
    pub(crate) tables: Vec<(&'static str, RecordBatch)>,
    pub(crate) metrics: Vec<(&'static str, f64)>,
}

impl<M> Learned<M> {
    /// The method and nothing else.
    pub(crate) fn new(method: M) -> Self {
        Self {
            method,
            popular_by: None,
            segment: None,
            similar_items: None,
            tables: Vec::new(),
            metrics: Vec::new(),
        }
    }
}
