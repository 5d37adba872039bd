//! `recommend.bpr`: items such that what a customer has calls up what else they take before what
//! they never took.
//!
//! Does not keep factors of customers: a customer is the sum of what they have. Invariant: a
//! customer's scores are the same bits in the output, served alone, and in the reasons.

use lode_numeric::factors;
use lode_numeric::factors::Excluded;
use lode_numeric::factors::Factors;
use lode_numeric::factors::OrderLoss;
use lode_numeric::factors::Pooled;
use lode_numeric::factors::PooledParams;
use lode_numeric::factors::Shelf;
use lode_plugin::Context;
use lode_plugin::Result;
use lode_plugin::schemars::JsonSchema;
use lode_plugin::serde::Deserialize;
use lode_plugin::serde::Serialize;

use super::alike::Alike;
use super::alike::ONE_BY_ONE;
use super::alike::offers;
use super::alike::table;
use crate::events;
use crate::events::pairs::History;
use crate::method::Barred;
use crate::method::Cause;
use crate::method::Data;
use crate::method::Learned;
use crate::method::Method;
use crate::method::Offer;
use crate::method::Rates;
use crate::method::Reason;
use crate::method::Sums;
use crate::model::codec::Reader;
use crate::model::codec::Writer;
use crate::params::Part;
use crate::params::Weighting;
use crate::params::within;
use crate::params::within_count;
use crate::recommends::recommends;

/// Parameters of `recommend.bpr` beside those of all.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(crate = "lode_plugin::serde", deny_unknown_fields, default)]
#[schemars(crate = "lode_plugin::schemars")]
pub struct BprParams {
    /// Numbers that describe an item, in each of its two roles.
    #[schemars(range(min = 1, max = 1024), extend("x-tune" = {"values": [32, 64, 128]}))]
    pub factors: usize,
    /// Times that all customers are gone through: more of them fit closer.
    #[schemars(range(min = 1, max = 1000), extend("x-tune" = {"values": [5, 10, 20, 40]}))]
    pub epochs: usize,
    /// Items drawn as not taken for each batch of customers.
    #[schemars(range(min = 1, max = 4096))]
    pub negatives: usize,
    /// How far a step goes.
    #[schemars(range(min = 1e-4, max = 10.0), extend("x-tune" = {"low": 0.01, "high": 0.2, "scale": "log"}))]
    pub rate: f64,
    /// Pull of the numbers towards 0 with each step.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub regularization: f64,
    /// The sum of what a customer has is divided by its weight to this power: 1 is a mean, where
    /// one item says as much as many; 0 a sum.
    #[schemars(range(min = 0.0, max = 1.0), extend("x-tune" = {"values": [0.3, 0.5, 0.8, 1.0]}))]
    pub pooling: f64,
    /// What the order of items is judged by while learning.
    pub loss: BprLoss,
}

/// What the order of items is judged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(crate = "lode_plugin::serde", rename_all = "snake_case")]
#[schemars(crate = "lode_plugin::schemars")]
pub enum BprLoss {
    /// The share of the taken item among all: the first places count most.
    Softmax,
    /// Each item not taken that comes before a taken one counts alike: BPR as published.
    Pairwise,
}

impl Default for BprParams {
    fn default() -> Self {
        Self {
            factors: 64,
            epochs: 20,
            negatives: 64,
            rate: 0.05,
            regularization: 1e-4,
            pooling: 0.5,
            loss: BprLoss::Softmax,
        }
    }
}

impl Part for BprParams {
    fn check(&self) -> Result<()> {
        within_count("factors", self.factors, 1, 1024)?;
        within_count("epochs", self.epochs, 1, 1000)?;
        within_count("negatives", self.negatives, 1, 4096)?;
        within("rate", self.rate, 1e-4, 10.0)?;
        within("regularization", self.regularization, 0.0, 1.0)?;
        within("pooling", self.pooling, 0.0, 1.0)
    }
}

/// Offers what most likely comes next to what a customer has.
///
/// Use it where the first places of a list count and customers have some items each: visits,
/// media, shops. Not where most have one item: those teach nothing here, and what remains is
/// what is popular. Slower to learn than `recommend.als`.
///
/// # Input
/// `events`: roles `customer_id` and `item`; optionally `event_time`, `quantity`, `event_kind`,
/// `rating`. Events of a customer with an item add up to one weight as `weighting` says. An item
/// with a weight below 0 is owned and disliked: it counts against what it calls up.
///
/// # Output
/// `recommendations`, up to `n` rows a customer: `customer_id`, `rank` from 1, `item`, `score`.
/// `similar_items`, the nearest of each item: `item`, `similar_item`, `score` (cosine).
///
/// # Parameters
/// [`BprParams`].
///
/// # Method
/// See `lode_numeric::factors::pooled`: with `q` what an item says of who has it and `p` what
/// draws to it, a score is `b_i + sum_h w_h q_h p_i / W^pooling`, the logarithm of how much
/// likelier the item is than others. Learned by holding back items of a history and asking for
/// them among items not taken. The reasons are the parts of that sum, the base is `b_i`. The
/// softmax is the default since it does better where lists are short: on the visits of msweb
/// HR@10 is .799, by the pairwise loss of BPR .698.
///
/// # Determinism and cost
/// The seed decides the start and what is drawn. The same bytes with any number of threads: rows
/// change between batches, customer by customer, and threads share the items. Time grows with
/// epochs times customers times `negatives` times factors.
///
/// # Errors
/// `INPUT_INVALID`: no rows, or none with customer and item. `PARAMS_INVALID`: a range.
///
/// # Source
/// S. Rendle et al., "BPR: Bayesian personalized ranking from implicit feedback", UAI 2009,
/// arXiv:1205.2618; S. Kabbur, X. Ning, G. Karypis, "FISM: factored item similarity models for
/// top-N recommender systems", KDD 2013, doi:10.1145/2487575.2487589. Deviation: no factors of
/// customers, the softmax, Adagrad.
///
/// # Example
/// ```
/// use std::sync::Arc;
/// use arrow_array::{ArrayRef, StringArray, cast::AsArray};
/// use lode_plugin::{Inputs, Role, testing};
///
/// let who: ArrayRef = Arc::new(StringArray::from(vec!["a", "a", "b", "b", "c", "d", "d"]));
/// let what: ArrayRef = Arc::new(StringArray::from(vec!["tea", "pot", "tea", "pot", "tea", "mug", "ale"]));
/// let events = testing::batch(&[
///     ("who", Some(Role::CustomerId), who),
///     ("what", Some(Role::Item), what),
/// ]);
/// let inputs = Inputs::new().with("events", events.into());
/// let fit = testing::fit::<recommend::Bpr>(r#"{"n": 1, "factors": 4}"#, inputs, 1, 1)?;
/// let offers = fit.table("recommendations");
/// // The third customer has tea, and pot goes with tea.
/// assert_eq!(offers["customer_id"].as_string::<i32>().value(2), "c");
/// assert_eq!(offers["item"].as_string::<i32>().value(2), "pot");
/// # Ok::<(), lode_plugin::Error>(())
/// ```
#[derive(Debug)]
pub struct Bpr;

/// Items in two roles.
#[derive(Debug)]
pub(crate) struct Calls {
    model: Pooled,
    shelf: Shelf,
    alike: Alike,
}

recommends!(Bpr, Calls, BprParams, reads: &[]);

impl Calls {
    fn new(model: Pooled) -> lode_numeric::Result<Self> {
        Ok(Self {
            shelf: Shelf::new(&model.offered),
            alike: Alike::new(&model.owned)?,
            model,
        })
    }

    fn customer(&self, history: &History<'_>) -> Vec<f32> {
        self.model.person(history.items, history.weights)
    }

    fn score(&self, customer: &[f32], item: u32) -> f64 {
        let terms = customer.iter().zip(self.model.offered.row(item as usize));
        f64::from(terms.fold(0.0_f32, |sum, (a, b)| a.mul_add(b, sum)))
    }
}

impl Rates for Calls {
    fn rate(&self, history: &History<'_>, sums: &mut Sums) {
        let scores = self.shelf.scores(&self.customer(history));
        for (item, score) in (0..).zip(scores.unwrap_or_default()) {
            sums.add(item, f64::from(score));
        }
    }

    fn rates_all(&self) -> bool {
        true
    }

    fn top(
        &self,
        history: &History<'_>,
        barred: &Barred,
        limit: usize,
        _: &mut Sums,
        best: &mut Vec<Offer>,
    ) {
        let excluded = Excluded::Flags(barred.flags());
        let found = self.shelf.best(&self.customer(history), excluded, limit);
        best.extend(offers(found.unwrap_or_default()));
    }

    fn top_of_many(
        &self,
        histories: &[History<'_>],
        limit: usize,
        threads: usize,
    ) -> Option<Vec<Vec<Offer>>> {
        let owned = table(histories.iter().copied(), self.shelf.n_items()).ok()?;
        let rows = histories.iter().flat_map(|history| self.customer(history));
        let customers =
            Factors::from_values(&rows.collect::<Vec<f32>>(), self.shelf.width()).ok()?;
        let go_on = &lode_numeric::go_on;
        let found = self
            .shelf
            .best_of_all(&customers, &owned, limit, threads, go_on);
        let lists = found.ok()?.into_iter();
        Some(lists.map(|list| offers(list).collect()).collect())
    }

    fn rate_some(
        &self,
        history: &History<'_>,
        items: &[u32],
        _: &mut Sums,
        scores: &mut Vec<Option<f64>>,
    ) {
        let customer = self.customer(history);
        if items.len() <= ONE_BY_ONE {
            scores.extend(items.iter().map(|item| Some(self.score(&customer, *item))));
            return;
        }
        let all = self.shelf.scores(&customer).unwrap_or_default();
        let own = |item: &u32| all.get(*item as usize).copied().map(f64::from);
        scores.extend(items.iter().map(own));
    }

    fn explain(&self, history: &History<'_>, item: u32, reasons: &mut Vec<Reason>) -> f64 {
        let score = self.score(&self.customer(history), item);
        let (_, parts) = self.model.parts(history.items, history.weights, item);
        let own = history.items.iter().zip(&parts);
        reasons.extend(own.map(|(own, part)| Reason {
            of: Cause::Bought(*own),
            contribution: *part,
        }));
        // What the item has by itself, and what rounding to 32 bits leaves.
        score - parts.iter().sum::<f64>()
    }

    fn likeness(&self, item: u32, others: &[u32]) -> Option<Vec<f64>> {
        self.alike.likeness(item, others)
    }

    fn similar(&self, item: u32, barred: &Barred, limit: usize) -> Vec<Offer> {
        self.alike.similar(item, barred, limit)
    }
}

impl Method for Calls {
    const ID: &'static str = "recommend.bpr";
    const TITLE: &'static str = "What comes before what was never taken";
    const ABOUT: &'static str = "Learns, for items of each customer held back in turn, to put \
        them before items that the customer never took, and offers what comes first.";
    const WEIGHTING: Weighting = Weighting::Binary;
    type Params = BprParams;

    fn learn(params: &BprParams, data: &Data<'_>, cx: &Context<'_>) -> Result<Learned<Self>> {
        let histories = (0..data.n_customers()).map(|customer| data.pairs.history(customer));
        let pairs = table(histories, data.n_items()).map_err(events::numeric)?;
        let params = PooledParams {
            width: params.factors,
            epochs: params.epochs,
            negatives: params.negatives,
            rate: params.rate,
            regularization: params.regularization,
            pooling: params.pooling,
            loss: match params.loss {
                BprLoss::Softmax => OrderLoss::Softmax,
                BprLoss::Pairwise => OrderLoss::Pairwise,
            },
            seed: cx.seed(),
            threads: cx.threads(),
        };
        let go_on = |fraction: f64| {
            cx.progress(0.2 + 0.6 * fraction, "learning the order");
            cx.check_cancelled().is_ok()
        };
        let model = factors::pooled(&pairs, &params, &go_on).map_err(events::numeric)?;
        let method = Self::new(model).map_err(events::numeric)?;
        Ok(Learned::new(method))
    }

    fn write(&self, to: &mut Writer) {
        to.u64s(&[self.model.owned.width() as u64]);
        to.f64s(&[self.model.pooling]);
        to.f32s(&self.model.owned.to_values());
        to.f32s(&self.model.offered.to_values());
    }

    fn read(from: &mut Reader<'_>, n_items: usize) -> Option<Self> {
        let [width] = from.u64s()?.try_into().ok()?;
        let [pooling] = from.f64s()?.try_into().ok()?;
        let width = usize::try_from(width).ok()?;
        let model = Pooled {
            owned: Factors::from_values(&from.f32s()?, width).ok()?,
            offered: Factors::from_values(&from.f32s()?, width.checked_add(1)?).ok()?,
            pooling,
        };
        let n_rows = [model.owned.n_rows(), model.offered.n_rows()];
        let whole = n_rows == [n_items; 2] && (0.0..=1.0).contains(&pooling);
        whole.then(|| Self::new(model).ok()).flatten()
    }
}

#[cfg(test)]
mod tests;
