//! `recommend.item-knn`: items like those a customer has, by who has both.
//!
//! Does not look at the content of items. Invariant: an item with any evidence is offered
//! before every item without.

use std::sync::Arc;

use lode_numeric::neighbors;
use lode_numeric::neighbors::Neighbor;
use lode_numeric::neighbors::NeighborParams;
use lode_numeric::neighbors::Sparse;
use lode_plugin::Context;
use lode_plugin::Result;
use lode_plugin::arrow_array::ArrayRef;
use lode_plugin::arrow_array::Float64Array;
use lode_plugin::arrow_array::Int64Array;
use lode_plugin::arrow_array::RecordBatch;
use lode_plugin::arrow_array::StringArray;
use lode_plugin::arrow_schema::DataType;
use lode_plugin::arrow_schema::Field;
use lode_plugin::arrow_schema::Schema;
use lode_plugin::schemars::JsonSchema;
use lode_plugin::serde::Deserialize;

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
use crate::model::Format1;
use crate::model::codec::Reader;
use crate::model::codec::Writer;
use crate::params::Part;
use crate::params::Weighting;
use crate::params::within_count;
use crate::recommends::recommends;

/// Parameters of `recommend.item-knn` beside those of all.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(crate = "lode_plugin::serde", deny_unknown_fields, default)]
#[schemars(crate = "lode_plugin::schemars")]
pub struct ItemKnnParams {
    /// Similar items kept of each item; fewer make a smaller, faster and coarser model.
    #[schemars(range(min = 1, max = 100_000), extend("x-tune" = {"values": [20, 50, 100, 200, 500]}))]
    pub neighbors: usize,
    /// Items count as similar when at least this many customers have both.
    #[schemars(range(min = 1, max = 1_000_000), extend("x-tune" = {"values": [1, 2, 3, 5]}))]
    pub min_both: u32,
}

impl Default for ItemKnnParams {
    fn default() -> Self {
        Self {
            neighbors: 200,
            min_both: 1,
        }
    }
}

impl Part for ItemKnnParams {
    fn check(&self) -> Result<()> {
        within_count("neighbors", self.neighbors, 1, 100_000)?;
        within_count("min_both", self.min_both as usize, 1, 1_000_000)
    }
}

/// Offers the items most similar to those a customer has.
///
/// Use it where customers have several items each: shops, media, page visits. Not for items
/// that nobody has yet, nor where a repeat purchase is the aim (owned items are left out).
///
/// # Input
/// `events`, `items` and `customers`, as for `recommend.popular`. Unless `weighting` says
/// otherwise, an item is liked or not: how often makes no difference.
///
/// # Output
/// `recommendations`, up to `n` rows a customer: `customer_id`, `rank` from 1, `item`, `score`.
/// `similar_items`, the 20 nearest of each item: `item`, `similar_item`, `score` (cosine),
/// `both_customers`.
///
/// # Parameters
/// [`ItemKnnParams`], [`crate::Common`].
///
/// # Method
/// Cosine of two items over the weights of the customers that like them; see
/// `lode_numeric::neighbors`. Score of an item for a customer: the sum of weight by cosine
/// over the items the customer has, each item's list cut at `neighbors`; what is owned and not
/// liked has a weight of 0, or below 0 where weights add up, and then speaks against its like.
/// Ties by item id. Where fewer items than asked for have evidence, the most popular follow;
/// their score is the share of customers times 1e-9, which is below any evidence. An item
/// without events has the mean score of its kin, see `recommend.popular`. Served, items of the
/// session count as history; a customer without history gets the most popular, and `personal`
/// is false then. Reasons: `bought` (value: the item that the customer has).
///
/// # Determinism and cost
/// No randomness: the seed has no effect. The same bytes with any number of threads. Time
/// grows with the sum over customers of the square of their items; the model keeps every pair
/// of customer and item (4 bytes) and every neighbor (12 bytes).
///
/// # Errors
/// `INPUT_INVALID`: no rows, or none with customer and item. `PARAMS_INVALID`: a range.
///
/// # Source
/// B. Sarwar et al., "Item-based collaborative filtering recommendation algorithms", WWW 2001,
/// doi:10.1145/371920.372071; M. Deshpande, G. Karypis, "Item-based top-n recommendation
/// algorithms", ACM TOIS 22(1), 2004, doi:10.1145/963770.963776. Deviation: neighbor lists
/// are not normalized.
///
/// # Example
/// ```
/// use std::sync::Arc;
/// use arrow_array::{ArrayRef, StringArray, cast::AsArray};
/// use lode_plugin::{Inputs, Role, testing};
///
/// let who: ArrayRef = Arc::new(StringArray::from(vec!["a", "a", "b", "b", "c", "d"]));
/// let what: ArrayRef = Arc::new(StringArray::from(vec!["tea", "pot", "tea", "pot", "tea", "mug"]));
/// let events = testing::batch(&[
///     ("who", Some(Role::CustomerId), who),
///     ("what", Some(Role::Item), what),
/// ]);
/// let inputs = Inputs::new().with("events", events.into());
/// let fit = testing::fit::<recommend::ItemKnn>(r#"{"n": 1}"#, inputs, 1, 1)?;
/// let offers = fit.table("recommendations");
/// // The third customer has tea, and pot goes with tea.
/// assert_eq!(offers["customer_id"].as_string::<i32>().value(2), "c");
/// assert_eq!(offers["item"].as_string::<i32>().value(2), "pot");
/// # Ok::<(), lode_plugin::Error>(())
/// ```
#[derive(Debug)]
pub struct ItemKnn;

/// Similar items of each item, nearest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Neighbors {
    /// Where each item's neighbors end.
    ends: Vec<u64>,
    items: Vec<u32>,
    similarities: Vec<f64>,
}

recommends!(ItemKnn, Neighbors, ItemKnnParams, reads: &[1]);

impl Neighbors {
    /// Of what the kernel found.
    fn of(found: &[Vec<Neighbor>]) -> Self {
        let mut total = 0;
        let ends = found.iter().map(|list| {
            total += list.len() as u64;
            total
        });
        Self {
            ends: ends.collect(),
            items: found.iter().flatten().map(|n| n.item).collect(),
            similarities: found.iter().flatten().map(|n| n.similarity).collect(),
        }
    }

    fn list(&self, item: u32) -> (&[u32], &[f64]) {
        let item = item as usize;
        let start = item.checked_sub(1).map_or(0, |before| self.ends[before]);
        let range = start as usize..self.ends[item] as usize;
        (&self.items[range.clone()], &self.similarities[range])
    }

    /// The similarity of `to` in the list of `from`, if it is there.
    fn similarity(&self, from: u32, to: u32) -> Option<f64> {
        let (items, similarities) = self.list(from);
        let at = items.iter().position(|item| *item == to)?;
        Some(similarities[at])
    }
}

impl Rates for Neighbors {
    fn rate(&self, history: &History<'_>, sums: &mut Sums) {
        for (own, weight) in history.items.iter().zip(history.weights) {
            let (items, similarities) = self.list(*own);
            if *weight != 0.0 {
                for (item, similarity) in items.iter().zip(similarities) {
                    sums.add(*item, f64::from(*weight) * similarity);
                }
            }
        }
    }

    fn explain(&self, history: &History<'_>, item: u32, reasons: &mut Vec<Reason>) -> f64 {
        for (own, weight) in history.items.iter().zip(history.weights) {
            if let Some(similarity) = self.similarity(*own, item) {
                reasons.push(Reason {
                    of: Cause::Bought(*own),
                    contribution: f64::from(*weight) * similarity,
                });
            }
        }
        0.0
    }

    fn likeness(&self, item: u32, others: &[u32]) -> Option<Vec<f64>> {
        // Lists are cut: either may name the other.
        let alike = |other: &u32| {
            let found = self.similarity(item, *other);
            found
                .or_else(|| self.similarity(*other, item))
                .unwrap_or(0.0)
        };
        Some(others.iter().map(alike).collect())
    }

    fn similar(&self, item: u32, barred: &Barred, limit: usize) -> Vec<Offer> {
        let (items, similarities) = self.list(item);
        let pairs = items.iter().zip(similarities);
        pairs
            .filter(|(other, _)| !barred.has(**other))
            .map(|(item, score)| Offer {
                item: *item,
                score: *score,
            })
            .take(limit)
            .collect()
    }
}

impl Method for Neighbors {
    const ID: &'static str = "recommend.item-knn";
    const TITLE: &'static str = "Items that go together";
    const ABOUT: &'static str = "Finds for each item the items that the same customers have, and \
        offers each customer the items most like their own.";
    const WEIGHTING: Weighting = Weighting::Binary;
    type Params = ItemKnnParams;

    fn of_format_1(old: &Format1) -> Option<Self> {
        let whole = old.ends.len() == old.known.items.len();
        whole.then(|| Self {
            ends: old.ends.clone(),
            items: old.neighbors.clone(),
            similarities: old.similarities.clone(),
        })
    }

    fn learn(params: &ItemKnnParams, data: &Data<'_>, cx: &Context<'_>) -> Result<Learned<Self>> {
        let found = compare(params, data, cx)?;
        let method = Self::of(&found);
        let n_pairs = method.items.len();
        let mut learned = Learned::new(method);
        learned.similar_items = Some(similar_items(data, &found, data.similar)?);
        learned.metrics.push(("neighbors", n_pairs as f64));
        Ok(learned)
    }

    fn write(&self, to: &mut Writer) {
        to.u64s(&self.ends);
        to.u32s(&self.items);
        to.f64s(&self.similarities);
    }

    fn read(from: &mut Reader<'_>, n_items: usize) -> Option<Self> {
        let read = Self {
            ends: from.u64s()?,
            items: from.u32s()?,
            similarities: from.f64s()?,
        };
        let whole = read.ends.len() == n_items
            && read.ends.is_sorted()
            && read.ends.last().copied().unwrap_or(0) == read.items.len() as u64
            && read.similarities.len() == read.items.len()
            && read.items.iter().all(|item| (*item as usize) < n_items)
            && read
                .similarities
                .iter()
                .all(|similarity| similarity.is_finite());
        whole.then_some(read)
    }
}

/// The one call of the kernel.
fn compare(
    params: &ItemKnnParams,
    data: &Data<'_>,
    cx: &Context<'_>,
) -> Result<Vec<Vec<Neighbor>>> {
    let liked = data.pairs.liked();
    let entries = liked.map(|(customer, item, weight)| (customer, item, f64::from(weight)));
    let people = Sparse::from_entries(entries.collect(), data.n_customers(), data.n_items())
        .map_err(events::numeric)?;
    let asked = NeighborParams {
        limit: params.neighbors,
        min_both: params.min_both,
        threads: cx.threads(),
    };
    let go_on = |fraction: f64| {
        cx.progress(0.2 + 0.6 * fraction, "comparing items");
        cx.check_cancelled().is_ok()
    };
    neighbors::cosine(&people, &asked, &go_on).map_err(events::numeric)
}

/// The output `similar_items`, with how many customers have both.
fn similar_items(data: &Data<'_>, found: &[Vec<Neighbor>], n: usize) -> Result<RecordBatch> {
    let schema = Schema::new(vec![
        Field::new("item", DataType::Utf8, false),
        Field::new("similar_item", DataType::Utf8, false),
        Field::new("score", DataType::Float64, false),
        Field::new("both_customers", DataType::Int64, false),
    ]);
    let lists = found.iter().enumerate();
    let rows: Vec<(usize, &Neighbor)> = lists
        .flat_map(|(item, list)| list.iter().take(n).map(move |near| (item, near)))
        .collect();
    let items = rows.iter().map(|(item, _)| data.items.get(*item));
    let similar = rows
        .iter()
        .map(|(_, near)| data.items.get(near.item as usize));
    let scores = rows.iter().map(|(_, near)| near.similarity);
    let both = rows.iter().map(|(_, near)| i64::from(near.n_both));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(items)),
        Arc::new(StringArray::from_iter_values(similar)),
        Arc::new(Float64Array::from_iter_values(scores)),
        Arc::new(Int64Array::from_iter_values(both)),
    ];
    Ok(RecordBatch::try_new(Arc::new(schema), columns)?)
}

#[cfg(test)]
mod tests;
