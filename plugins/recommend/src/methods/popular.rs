//! `recommend.popular`: to everyone what most customers have and they do not.
//!
//! Does not look at the customer beyond leaving out what they have, and their segment: the
//! yardstick for everything more personal.

use lode_plugin::Chart;
use lode_plugin::Context;
use lode_plugin::Error;
use lode_plugin::Output;
use lode_plugin::Result;
use lode_plugin::schemars::JsonSchema;
use lode_plugin::serde::Deserialize;

use crate::events::DAY;
use crate::events::pairs::History;
use crate::method::Data;
use crate::method::Learned;
use crate::method::Method;
use crate::method::Needs;
use crate::method::Rates;
use crate::method::Reason;
use crate::method::ServerTable;
use crate::method::Sums;
use crate::model::Format1;
use crate::model::codec::Reader;
use crate::model::codec::Writer;
use crate::output;
use crate::params::Part;
use crate::params::Weighting;
use crate::params::within;
use crate::recommends::recommends;

/// Parameters of `recommend.popular` beside those of all.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(crate = "lode_plugin::serde", deny_unknown_fields, default)]
#[schemars(crate = "lode_plugin::schemars")]
pub struct PopularParams {
    /// Days back from the last event of the table within which an item counts as liked; all
    /// events when not given.
    #[schemars(range(min = 0.01, max = 100_000.0), extend("x-tune" = {"values": [null, 7.0, 30.0, 90.0]}))]
    pub window: Option<f64>,
    /// A column of the input `customers` by whose values popularity is told apart.
    pub segment: Option<String>,
}

impl Part for PopularParams {
    fn check(&self) -> Result<()> {
        self.window
            .map_or(Ok(()), |days| within("window", days, 0.01, 100_000.0))
    }
}

/// Offers the most popular items that a customer does not have.
///
/// Use it for customers of whom nothing is known, and as the yardstick of better ways. Not
/// where tastes differ: it gives everyone of a segment the same.
///
/// # Input
/// `events`, one row a purchase, visit, click or rating:
///
/// | column | type | null |
/// |---|---|---|
/// | role `customer_id` | text, integer | row is left out (metric `rows_without_customer`) |
/// | role `item` | text, integer | row is left out (`rows_without_item`) |
/// | role `quantity`, optional | number | the row counts as one piece |
/// | role `event_time`, needed by `window` and `half_life` | timestamp, date | row is left out then (`rows_without_time`) |
/// | role `event_kind`, needed by `kind_weights` | text | the row weighs 1 |
/// | role `rating`, optional | number | the row counts as liked |
///
/// A row whose quantity is 0 or less is a return (`rows_not_positive`): it speaks against the
/// item, as do kinds of a negative weight and ratings below the customer's middle. What is
/// owned and not liked is not offered again, and nobody else is offered it for that.
///
/// `items` and `customers`, optional, one row each: numbers, booleans and words as attributes.
/// Of several rows of an id the last by `event_time` counts, of those of one time the greatest.
/// Items that only `items` has are offered by those that are like them, customers that only
/// `customers` has get what is popular with their like.
///
/// # Output
/// `recommendations`, up to `n` rows a customer: `customer_id`, `rank` from 1, `item`, `score`.
/// `items`, most popular first: `item`, `customers` that like it, `share`.
/// Served, an unknown customer gets the same list, or that of the groups that the request
/// tells (`customer.COLUMN`); `personal` is always false. Reasons: `popularity` (value: the
/// customers that like it), `segment` or `customer.COLUMN` (value: the group), `attribute`
/// (value: the item that lends to one that nobody has).
///
/// # Parameters
/// [`PopularParams`], [`crate::Common`].
///
/// # Method
/// Score of an item: the weights of the customers that like it, by all customers with an event
/// within `window`; without weights the share of customers that have it. A group of customers
/// (`segment`; for customers who have nothing each attribute, a word or a tenth of the
/// numbers): `(s_g + 50 share) / (n_g + 50)`, with `s_g` the weights and `n_g` the customers of
/// the group; of several attributes the mean. An item without events: the mean share of its
/// ten kin, weighted by the cube of the cosine of their words (by the logarithm of how rare
/// they are), with 0 counted in at a weight of 0.05. Ties by item id.
///
/// # Determinism and cost
/// No randomness: the seed has no effect. The same bytes with any number of threads and in any
/// order of rows. O(n log n) in the rows; the model keeps every pair of customer and item (4
/// bytes each, 8 with weights).
///
/// # Merging
/// Parts merge to the same bytes as the whole. A state holds the rows, equal ones once with a
/// count: 4 bytes each, 8 more with times, 4 more each with weights, ratings and counts.
///
/// # Errors
/// `INPUT_INVALID`: no rows, none with customer and item, none that speaks for an item, or no
/// column of a role that a parameter needs. `PARAMS_INVALID`: a range, `segment` is no column.
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

/// Nothing: all that is needed is known of every model.
#[derive(Debug)]
pub(crate) struct Popularity;

recommends!(Popular, Popularity, PopularParams, reads: &[1]);

impl Rates for Popularity {
    fn rate(&self, _: &History<'_>, _: &mut Sums) {}

    fn can_rate(&self, _: &History<'_>) -> bool {
        false
    }

    fn explain(&self, _: &History<'_>, _: u32, _: &mut Vec<Reason>) -> f64 {
        self.neutral()
    }

    fn likeness(&self, _: u32, _: &[u32]) -> Option<Vec<f64>> {
        None
    }
}

impl Method for Popularity {
    const ID: &'static str = "recommend.popular";
    const TITLE: &'static str = "Most popular items";
    const ABOUT: &'static str = "Offers each customer the items that most customers have and \
        they do not: the yardstick for anything more personal.";
    const WEIGHTING: Weighting = Weighting::Binary;
    const IS_PERSONAL: bool = false;
    const KNOWS_LIKENESS: bool = false;
    type Params = PopularParams;

    fn outputs() -> Vec<Output> {
        let items = Output::new("items", "Every item with the customers that have it");
        vec![items.chart(Chart::Bar)]
    }

    fn server_tables() -> &'static [(&'static str, ServerTable)] {
        &[("items", output::items)]
    }

    fn of_format_1(_: &Format1) -> Option<Self> {
        Some(Self)
    }

    fn needs(params: &PopularParams) -> Needs {
        Needs {
            times: params.window.is_some(),
            log: params.window.is_some(),
            sequences: false,
        }
    }

    fn learn(params: &PopularParams, data: &Data<'_>, _: &Context<'_>) -> Result<Learned<Self>> {
        if let Some(name) = &params.segment {
            let found = data.customer_attributes.map(|attributes| {
                let columns = attributes.columns.iter().map(|column| column.name.as_str());
                columns.collect::<Vec<&str>>()
            });
            if !found
                .as_ref()
                .is_some_and(|names| names.contains(&name.as_str()))
            {
                let found = found.map_or("no such input".to_owned(), |names| names.join(", "));
                return Err(Error::invalid(
                    "params.segment",
                    format!("expected a column of inputs.customers, found {name:?} and {found}"),
                ));
            }
        }
        let mut learned = Learned::new(Self);
        learned.segment.clone_from(&params.segment);
        learned.popular_by = params.window.and_then(|days| {
            let log = data.log?;
            let start = log.last_time()? as f64 - days * DAY;
            Some(data.pairs.since(log, start))
        });
        Ok(learned)
    }

    fn write(&self, _: &mut Writer) {}

    fn read(_: &mut Reader<'_>, _: usize) -> Option<Self> {
        Some(Self)
    }
}

#[cfg(test)]
mod tests;
