//! Answers "what for this customer?" from a model: the serving path.
//!
//! Does not read events. Invariant: a list holds no item that the customer has, that the
//! session touched or that the caller excluded; best first, ties by item id.

use std::sync::Arc;
use std::sync::Mutex;

use arrow_array::ArrayRef;
use arrow_array::BooleanArray;
use arrow_array::Float64Array;
use arrow_array::Int64Array;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use arrow_schema::DataType;
use arrow_schema::Field;
use arrow_schema::Schema;
use lode_plugin::Context;
use lode_plugin::Result;
use lode_plugin::Table;

use super::OfferModel;
use super::names::Index;

/// Score of a popular item that fills up a personal list: its share of customers times this.
/// Below every cosine, since those are at least one over the number of customers.
const FILL: f64 = 1e-9;

/// A model that is ready to answer.
#[derive(Debug)]
pub struct Server {
    model: OfferModel,
    customer_index: Index,
    item_index: Index,
    by_popularity: Vec<u32>,
    n: usize,
    /// Kept between calls: to clear it costs more than a short answer.
    spare: Mutex<Scratch>,
}

/// One offered item.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Offer {
    pub(crate) item: u32,
    pub(crate) score: f64,
}

/// Room for the sums of one list, used again for the next.
#[derive(Clone, Debug)]
pub(crate) struct Scratch {
    sums: Vec<f64>,
    /// Items whose sum is not 0.
    touched: Vec<u32>,
    /// Whether an item must not be offered.
    barred: Vec<bool>,
    offers: Vec<Offer>,
}

impl Server {
    pub(crate) fn new(model: OfferModel, n: usize) -> Self {
        Self {
            customer_index: Index::new(model.customers()),
            item_index: Index::new(model.items()),
            by_popularity: model.by_popularity(),
            spare: Mutex::new(Scratch::new(model.items().len())),
            model,
            n,
        }
    }

    pub(crate) fn model(&self) -> &OfferModel {
        &self.model
    }

    /// Answers a table of requests.
    pub(crate) fn answer(&self, table: &Table, cx: &Context<'_>) -> Result<RecordBatch> {
        let customers = table.require_named("customer_id")?.texts()?;
        let sessions = table.require_named("session_items")?.text_lists()?;
        let excluded = table.require_named("exclude_items")?.text_lists()?;
        let limits = table.require_named("limit")?.integers()?;
        let mut rows = Rows::default();
        // After a panic the room may be dirty; a new one is clean.
        let mut spare = self.spare.lock().unwrap_or_else(|poisoned| {
            let mut spare = poisoned.into_inner();
            *spare = Scratch::new(self.model.items().len());
            spare
        });
        let scratch = &mut *spare;
        for request in 0..table.n_rows() {
            cx.check_cancelled()?;
            let known = customers[request]
                .as_deref()
                .and_then(|name| self.customer_index.find(self.model.customers(), name));
            let mut history = match known {
                Some(customer) => self.model.history(customer as usize).to_vec(),
                None => Vec::new(),
            };
            history.extend(self.codes(&sessions[request]));
            history.sort_unstable();
            history.dedup();
            let excluded: Vec<u32> = self.codes(&excluded[request]).collect();
            let limit = match limits[request].map(usize::try_from) {
                Some(Ok(limit)) if limit > 0 => limit,
                _ => self.n,
            };
            let personal = self.offer(&history, &excluded, limit, scratch);
            rows.push(request, scratch, personal, &self.model);
        }
        rows.finish()
    }

    fn codes(&self, names: &[String]) -> impl Iterator<Item = u32> {
        names
            .iter()
            .filter_map(|name| self.item_index.find(self.model.items(), name))
    }

    /// Fills `scratch` with the offers for someone who has `history` (ascending, each once);
    /// says whether any of them rests on it.
    pub(crate) fn offer(
        &self,
        history: &[u32],
        excluded: &[u32],
        limit: usize,
        scratch: &mut Scratch,
    ) -> bool {
        for item in history.iter().chain(excluded) {
            scratch.barred[*item as usize] = true;
        }
        scratch.offers.clear();
        if self.model.is_personal() {
            self.add_similar(history, limit, scratch);
        }
        let personal = !scratch.offers.is_empty();
        self.add_popular(limit, scratch);
        for item in history.iter().chain(excluded) {
            scratch.barred[*item as usize] = false;
        }
        personal
    }

    /// The items most like those of the history.
    fn add_similar(&self, history: &[u32], limit: usize, scratch: &mut Scratch) {
        for own in history {
            let (items, similarities) = self.model.neighbors(*own as usize);
            for (item, similarity) in items.iter().zip(similarities) {
                let sum = &mut scratch.sums[*item as usize];
                if *sum == 0.0 {
                    scratch.touched.push(*item);
                }
                *sum += similarity;
            }
        }
        for item in scratch.touched.drain(..) {
            let score = std::mem::take(&mut scratch.sums[item as usize]);
            if !scratch.barred[item as usize] {
                scratch.offers.push(Offer { item, score });
            }
        }
        let order = |a: &Offer, b: &Offer| b.score.total_cmp(&a.score).then(a.item.cmp(&b.item));
        if scratch.offers.len() > limit {
            scratch.offers.select_nth_unstable_by(limit - 1, order);
            scratch.offers.truncate(limit);
        }
        scratch.offers.sort_unstable_by(order);
    }

    /// The most popular items that are not listed yet, up to the limit.
    fn add_popular(&self, limit: usize, scratch: &mut Scratch) {
        let scale = if self.model.is_personal() { FILL } else { 1.0 };
        let n_listed = scratch.offers.len();
        for item in &self.by_popularity {
            if scratch.offers.len() >= limit {
                break;
            }
            let is_listed = scratch.offers[..n_listed].iter().any(|o| o.item == *item);
            if !scratch.barred[*item as usize] && !is_listed {
                scratch.offers.push(Offer {
                    item: *item,
                    score: scale * self.model.share(*item as usize),
                });
            }
        }
    }
}

impl Scratch {
    pub(crate) fn new(n_items: usize) -> Self {
        Self {
            sums: vec![0.0; n_items],
            touched: Vec::new(),
            barred: vec![false; n_items],
            offers: Vec::new(),
        }
    }

    /// The offers of the last call.
    pub(crate) fn offers(&self) -> &[Offer] {
        &self.offers
    }
}

/// Columns of the answer.
#[derive(Debug, Default)]
struct Rows {
    requests: Vec<i64>,
    items: Vec<String>,
    scores: Vec<f64>,
    personal: Vec<bool>,
}

impl Rows {
    fn push(&mut self, request: usize, scratch: &Scratch, personal: bool, model: &OfferModel) {
        for offer in scratch.offers() {
            self.requests.push(request as i64);
            self.items
                .push(model.items().get(offer.item as usize).to_owned());
            self.scores.push(offer.score);
            self.personal.push(personal);
        }
    }

    fn finish(self) -> Result<RecordBatch> {
        let schema = Schema::new(vec![
            Field::new("request", DataType::Int64, false),
            Field::new("item", DataType::Utf8, false),
            Field::new("score", DataType::Float64, false),
            Field::new("personal", DataType::Boolean, false),
        ]);
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(self.requests)),
            Arc::new(StringArray::from(self.items)),
            Arc::new(Float64Array::from(self.scores)),
            Arc::new(BooleanArray::from(self.personal)),
        ];
        Ok(RecordBatch::try_new(Arc::new(schema), columns)?)
    }
}
