//! `recommend.item-knn`: items like those a customer has, by who has both.
//!
//! Does not look at the content of items. Invariant: an item with any evidence is offered
//! before every item without.

use arrow_array::RecordBatch;
use lode_numeric::neighbors;
use lode_numeric::neighbors::NeighborParams;
use lode_plugin::Algorithm;
use lode_plugin::Context;
use lode_plugin::Error;
use lode_plugin::Fitted;
use lode_plugin::Inputs;
use lode_plugin::Model;
use lode_plugin::Output;
use lode_plugin::Result;
use lode_plugin::Spec;
use lode_plugin::Task;
use lode_plugin::schemars::JsonSchema;
use lode_plugin::serde::Deserialize;

use crate::events;
use crate::events::Events;
use crate::offers::OfferModel;
use crate::offers::serve;
use crate::output;

/// Parameters of `recommend.item-knn`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(crate = "lode_plugin::serde", deny_unknown_fields, default)]
#[schemars(crate = "lode_plugin::schemars")]
pub struct ItemKnnParams {
    /// Offers for each customer in the output; also those of a request that names no limit.
    #[schemars(range(min = 1, max = 1000))]
    pub n: usize,
    /// Similar items kept of each item; fewer make a smaller, faster and coarser model.
    #[schemars(range(min = 1, max = 100_000))]
    pub neighbors: usize,
    /// Items count as similar when at least this many customers have both.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub min_both: u32,
}

impl Default for ItemKnnParams {
    fn default() -> Self {
        Self {
            n: 10,
            neighbors: 200,
            min_both: 1,
        }
    }
}

impl ItemKnnParams {
    fn check(&self) -> Result<()> {
        events::check_n(self.n)?;
        let ranges = [
            ("params.neighbors", self.neighbors, 100_000),
            ("params.min_both", self.min_both as usize, 1_000_000),
        ];
        for (field, value, most) in ranges {
            if !(1..=most).contains(&value) {
                return Err(Error::invalid(
                    field,
                    format!("expected 1 to {most}, found {value}"),
                ));
            }
        }
        Ok(())
    }
}

/// Offers the items most similar to those a customer has.
///
/// Use it where customers have several items each: shops, media, page visits. Not for items
/// that nobody has yet, nor where a repeat purchase is the aim (owned items are left out).
///
/// # Input
/// `events`, as for `recommend.popular`: roles `customer_id` and `item`, optionally
/// `quantity`; rows without customer or item and rows with a quantity of 0 or less are left
/// out and counted. Has it, or has it not: amounts make no difference.
///
/// # Output
/// `recommendations`, up to `n` rows a customer: `customer_id`, `rank` from 1, `item`, `score`.
/// `similar_items`, the 20 nearest of each item: `item`, `similar_item`, `score` (cosine),
/// `both_customers`.
///
/// # Parameters
/// [`ItemKnnParams`].
///
/// # Method
/// Cosine of two items: customers that have both, over the root of the product of the
/// customers of each; see `lode_numeric::neighbors`. Score of an item for a customer: the sum
/// of its cosines to the items the customer has, each item's list cut at `neighbors`. Ties by
/// item id. Where fewer items than asked for have evidence, the most popular follow; their
/// score is the share of customers times 1e-9, which is below any evidence. Served, items of
/// the session count as history; a customer without history gets the most popular, and
/// `personal` is false then.
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

impl Algorithm for ItemKnn {
    const ID: &'static str = "recommend.item-knn";
    const MODEL_FORMAT: Option<u32> = Some(1);
    type Params = ItemKnnParams;
    type Scorer = serve::Server;

    fn spec() -> Spec {
        Spec::new(
            Task::Recommendation,
            "Items that go together",
            "Finds for each item the items that the same customers have, and offers each \
             customer the items most like their own.",
        )
        .input(events::spec())
        .output(output::recommendations_spec())
        .output(Output::new(
            "similar_items",
            "The nearest items of each item: who has this also has that",
        ))
    }

    fn fit(params: ItemKnnParams, inputs: Inputs, cx: &Context<'_>) -> Result<Fitted> {
        params.check()?;
        let found = events::read(inputs.table("events")?, cx)?;
        found.check()?;
        let Events { mut model, counts } = found;
        let asked = NeighborParams {
            limit: params.neighbors,
            min_both: params.min_both,
            threads: cx.threads(),
        };
        let go_on = |fraction: f64| {
            cx.progress(0.2 + 0.6 * fraction, "comparing items");
            cx.check_cancelled().is_ok()
        };
        let found = neighbors::cosine(&model.people()?, &asked, &go_on).map_err(events::numeric)?;
        let similar = output::similar_items(&model, &found)?;
        let n_pairs: usize = found.iter().map(Vec::len).sum();
        model.set_neighbors(&found);
        let fitted = Fitted::new()
            .table("similar_items", similar)
            .metric("neighbors", n_pairs as f64);
        output::finish(fitted, model, &counts, params.n, cx)
    }

    fn open(params: ItemKnnParams, model: Model<'_>) -> Result<Self::Scorer> {
        params.check()?;
        Ok(serve::Server::new(
            OfferModel::from_bytes(model.bytes())?,
            params.n,
        ))
    }

    fn score(scorer: &Self::Scorer, inputs: Inputs, cx: &Context<'_>) -> Result<RecordBatch> {
        scorer.answer(inputs.table("requests")?, cx)
    }
}

#[cfg(test)]
mod tests;
