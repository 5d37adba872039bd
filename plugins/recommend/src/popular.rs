//! `recommend.popular`: to everyone what most customers have and they do not.
//!
//! Does not look at the customer beyond leaving out what they have: the yardstick for
//! everything more personal.

use arrow_array::RecordBatch;
use lode_plugin::Algorithm;
use lode_plugin::Chart;
use lode_plugin::Context;
use lode_plugin::Fitted;
use lode_plugin::Inputs;
use lode_plugin::Mergeable;
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

/// Parameters of `recommend.popular`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(crate = "lode_plugin::serde", deny_unknown_fields, default)]
#[schemars(crate = "lode_plugin::schemars")]
pub struct PopularParams {
    /// Offers for each customer in the output; also those of a request that names no limit.
    #[schemars(range(min = 1, max = 1000))]
    pub n: usize,
}

impl Default for PopularParams {
    fn default() -> Self {
        Self { n: 10 }
    }
}

/// Offers the most popular items that a customer does not have.
///
/// Use it for customers of whom nothing is known, and as the yardstick of better ways. Not
/// where tastes differ: it gives everyone the same.
///
/// # Input
/// `events`, one row a purchase, visit or click:
///
/// | column | type | null |
/// |---|---|---|
/// | role `customer_id` | text, integer | row is left out (metric `rows_without_customer`) |
/// | role `item` | text, integer | row is left out (`rows_without_item`) |
/// | role `quantity`, optional | number | the row counts |
///
/// A row whose quantity is 0 or less (a return) is left out (`rows_not_positive`). How often
/// or how much of an item a customer took makes no difference: has it, or has it not.
///
/// # Output
/// `recommendations`, up to `n` rows a customer: `customer_id`, `rank` from 1, `item`, `score`.
/// `items`, most popular first: `item`, `customers` that have it, `share` of all customers.
/// Served, an unknown customer gets the same list; `personal` is always false.
///
/// # Parameters
/// [`PopularParams`].
///
/// # Method
/// Score of an item: the share of customers that have it. Ties by item id.
///
/// # Determinism and cost
/// No randomness: the seed has no effect. O(n log n) in the rows; the model keeps every pair
/// of customer and item (4 bytes each).
///
/// # Merging
/// Parts merge to the same bytes as the whole. A state is as large as the model less its
/// header: the names, and every pair of customer and item, since parts may share a pair and
/// it counts once.
///
/// # Errors
/// `INPUT_INVALID`: no rows, or none with customer and item. `PARAMS_INVALID`: `n`.
///
/// # Source
/// P. Cremonesi, Y. Koren, R. Turrin, "Performance of recommender algorithms on top-n
/// recommendation tasks", RecSys 2010, doi:10.1145/1864708.1864721 (there "TopPop").
///
/// # Example
/// ```
/// use std::sync::Arc;
/// use arrow_array::{ArrayRef, StringArray, cast::AsArray};
/// use lode_plugin::{Inputs, Role, testing};
///
/// let who: ArrayRef = Arc::new(StringArray::from(vec!["ann", "ann", "bob", "cy"]));
/// let what: ArrayRef = Arc::new(StringArray::from(vec!["tea", "mug", "tea", "pot"]));
/// let events = testing::batch(&[
///     ("who", Some(Role::CustomerId), who),
///     ("what", Some(Role::Item), what),
/// ]);
/// let inputs = Inputs::new().with("events", events.into());
/// let fit = testing::fit::<recommend::Popular>(r#"{"n": 1}"#, inputs, 1, 1)?;
/// let items = fit.table("recommendations")["item"].as_string::<i32>();
/// assert_eq!((items.value(0), items.value(2)), ("pot", "tea"));
/// # Ok::<(), lode_plugin::Error>(())
/// ```
#[derive(Debug)]
pub struct Popular;

impl Algorithm for Popular {
    const ID: &'static str = "recommend.popular";
    const MODEL_FORMAT: Option<u32> = Some(1);
    type Params = PopularParams;
    type Scorer = serve::Server;

    fn spec() -> Spec {
        Spec::new(
            Task::Recommendation,
            "Most popular items",
            "Offers each customer the items that most customers have and they do not: the \
             yardstick for anything more personal.",
        )
        .input(events::spec())
        .output(output::recommendations_spec())
        .output(
            Output::new("items", "Every item with the customers that have it").chart(Chart::Bar),
        )
    }

    fn fit(params: PopularParams, inputs: Inputs, cx: &Context<'_>) -> Result<Fitted> {
        Self::finish(&params, Self::partial(&params, inputs, cx)?, cx)
    }

    fn open(params: PopularParams, model: Model<'_>) -> Result<Self::Scorer> {
        events::check_n(params.n)?;
        Ok(serve::Server::new(
            OfferModel::from_bytes(model.bytes())?,
            params.n,
        ))
    }

    fn score(scorer: &Self::Scorer, inputs: Inputs, cx: &Context<'_>) -> Result<RecordBatch> {
        scorer.answer(inputs.table("requests")?, cx)
    }
}

impl Mergeable for Popular {
    type State = Events;

    fn partial(params: &PopularParams, inputs: Inputs, cx: &Context<'_>) -> Result<Events> {
        events::check_n(params.n)?;
        events::read(inputs.table("events")?, cx)
    }

    fn merge(_: &PopularParams, left: Events, right: Events) -> Result<Events> {
        Ok(left.merge(&right))
    }

    fn finish(params: &PopularParams, state: Events, cx: &Context<'_>) -> Result<Fitted> {
        events::check_n(params.n)?;
        state.check()?;
        let Events { model, counts } = state;
        let items = output::items(&model)?;
        output::finish(
            Fitted::new().table("items", items),
            model,
            &counts,
            params.n,
            cx,
        )
    }

    fn encode(state: &Events) -> Vec<u8> {
        state.to_bytes()
    }

    fn decode(bytes: &[u8]) -> Result<Events> {
        Events::from_bytes(bytes)
    }
}

#[cfg(test)]
mod tests;
