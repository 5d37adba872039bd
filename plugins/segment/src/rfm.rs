//! `segment.rfm`: recency, frequency and money of each customer, scored and named.
//!
//! Does not learn anything, so there is no model. Invariant: every customer with a purchase
//! is in exactly one tier.

mod output;
mod params;
mod purchases;
mod state;
mod tier;
mod time;

use lode_plugin::Algorithm;
use lode_plugin::Chart;
use lode_plugin::Context;
use lode_plugin::Fitted;
use lode_plugin::Input;
use lode_plugin::Inputs;
use lode_plugin::Mergeable;
use lode_plugin::Output;
use lode_plugin::Result;
use lode_plugin::Role;
use lode_plugin::Spec;
use lode_plugin::TagKind;
use lode_plugin::Task;

pub use params::Returns;
pub use params::RfmParams;
use state::State;

/// RFM analysis: how recently, how often and for how much each customer bought.
///
/// Use it where customers buy again and again and a plain, stable split is wanted. Not where
/// a customer buys once, nor where time since the last purchase means nothing (contracts).
///
/// # Input
/// `events`, one row a line of a purchase:
///
/// | column | type | null |
/// |---|---|---|
/// | role `customer_id` | text, integer | row is left out (metric `rows_without_customer`) |
/// | role `event_time` | timestamp, date | row is left out (`rows_without_time`) |
/// | role `amount`, money of the row | number | row is left out (`rows_without_amount`) |
/// | or roles `quantity` and `unit_price`, whose product is the amount | number | the same |
/// | role `order`, optional | text, integer | the row counts as an order of its own |
///
/// A row is a purchase when its amount (or both its quantity and its unit price) is above 0;
/// any other is left out (`rows_not_positive`) unless `returns` is `net`. An amount beyond
/// 1e288 is refused.
///
/// # Output
/// `rfm`, one row a customer by id: `customer_id`, `recency_days` (from the last purchase to
/// the reference time), `frequency` (different orders; purchase rows where there is no order
/// column), `monetary` (sum of amounts), `r_score`, `f_score`, `m_score` (1 to `bins`, more is
/// better), `tier`. `tiers`, all eight in fixed order: `tier`, `customers`, `share`,
/// `revenue`, `revenue_share`, means (null in an empty tier), `action`.
///
/// # Parameters
/// [`RfmParams`].
///
/// # Method
/// `score = 1 + floor(bins * s / n)` with s the number of customers whose value is strictly
/// worse and n the number of customers: equal values always get equal scores, so a score may
/// be missing where many values are equal. For recency, worse means longer ago. The tier
/// follows from recency r and value v, both brought to 1..5 (`ceil(5 score / bins)`; v is the
/// mean of frequency and money, half up):
///
/// | | v=1 | v=2 | v=3 | v=4 | v=5 |
/// |---|---|---|---|---|---|
/// | r=5 | new | potential | potential | champions | champions |
/// | r=4 | new | potential | potential | loyal | champions |
/// | r=3 | hibernating | hibernating | potential | loyal | loyal |
/// | r=2 | hibernating | hibernating | at_risk | at_risk | cannot_lose |
/// | r=1 | lost | lost | at_risk | at_risk | cannot_lose |
///
/// # Determinism and cost
/// No randomness: the seed has no effect. Amounts of a customer are added exactly and rounded
/// once, so neither the order of rows nor how they are cut changes a bit. One thread;
/// O(n log n) in the rows.
///
/// # Merging
/// Parts merge to the same bytes as the whole. A state has of each customer with a purchase
/// the id and some 50 bytes, and of each different order its id and 8 bytes: parts may share
/// an order, and without its id it would count twice. Without an order column a state is as
/// large as its customers, however many rows there were.
///
/// # Errors
/// `INPUT_INVALID`: no rows, no purchase, neither amount nor quantity and unit price, an
/// amount beyond 1e288. `PARAMS_INVALID`: `bins`, a reference time that cannot be read.
///
/// # Source
/// A. Hughes, "Strategic Database Marketing", 1994 (quintiles of recency, frequency, money);
/// P. Fader, B. Hardie, K. Lee, "RFM and CLV", Journal of Marketing Research 42(4), 2005,
/// doi:10.1509/jmkr.2005.42.4.415. The tie rule and the table of tiers are Lode's own.
///
/// # Example
/// ```
/// use std::sync::Arc;
/// use arrow_array::{ArrayRef, Float64Array, StringArray, TimestampMicrosecondArray};
/// use arrow_array::cast::AsArray;
/// use lode_plugin::{Inputs, Role, testing};
///
/// const DAY: i64 = 86_400_000_000;
/// let who: ArrayRef = Arc::new(StringArray::from(vec!["ann", "ann", "bob"]));
/// let when: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![DAY, 9 * DAY, DAY]));
/// let paid: ArrayRef = Arc::new(Float64Array::from(vec![10.0, 20.0, 5.0]));
/// let events = testing::batch(&[
///     ("who", Some(Role::CustomerId), who),
///     ("when", Some(Role::EventTime), when),
///     ("paid", Some(Role::Amount), paid),
/// ]);
/// let inputs = Inputs::new().with("events", events.into());
/// let fit = testing::fit::<segment::Rfm>(r#"{"bins": 2}"#, inputs, 1, 1)?;
/// let tiers = fit.table("rfm")["tier"].as_string::<i32>();
/// assert_eq!((tiers.value(0), tiers.value(1)), ("champions", "potential"));
/// # Ok::<(), lode_plugin::Error>(())
/// ```
#[derive(Debug)]
pub struct Rfm;

impl Algorithm for Rfm {
    const ID: &'static str = "segment.rfm";
    const MODEL_FORMAT: Option<u32> = None;
    type Params = RfmParams;
    type Scorer = ();

    fn spec() -> Spec {
        Spec::new(
            Task::Segmentation,
            "RFM scores and tiers",
            "Scores each customer by recency, frequency and money of purchases, and names eight \
             tiers from champions to lost, each with what to do. Returns and lines without a \
             customer are left out and counted.",
        )
        .version("1.1")
        .input(
            Input::new("events", "One row a line of a purchase")
                .column(Role::CustomerId, "Who bought")
                .column(Role::EventTime, "When")
                .optional_column(Role::Amount, "Money of the row")
                .optional_column(
                    Role::Quantity,
                    "Pieces; used with unit_price where there is no amount",
                )
                .optional_column(Role::UnitPrice, "Money of one piece")
                .optional_column(Role::Order, "The order; frequency counts different orders"),
        )
        .output(
            Output::new("rfm", "Values, scores and tier of each customer")
                .chart(Chart::Heatmap)
                .write_back("tier", TagKind::Segment),
        )
        .output(Output::new("tiers", "Size, worth and action of each tier").chart(Chart::Bar))
    }

    fn fit(params: RfmParams, inputs: Inputs, cx: &Context<'_>) -> Result<Fitted> {
        Self::finish(&params, Self::partial(&params, inputs, cx)?, cx)
    }
}

impl Mergeable for Rfm {
    type State = State;

    fn partial(params: &RfmParams, inputs: Inputs, cx: &Context<'_>) -> Result<State> {
        purchases::read(inputs.table("events")?, &params.check()?, cx)
    }

    fn merge(_: &RfmParams, left: State, right: State) -> Result<State> {
        Ok(left.merge(right))
    }

    fn finish(params: &RfmParams, state: State, cx: &Context<'_>) -> Result<Fitted> {
        let params = params.check()?;
        cx.check_cancelled()?;
        cx.progress(0.8, "scoring customers");
        let found = purchases::finish(state, &params)?;
        cx.check_cancelled()?;
        let scored = tier::score(&found.customers, params.bins);
        let revenue: f64 = found.customers.iter().map(|c| c.monetary).sum();
        let mut fitted = Fitted::new()
            .table("rfm", output::rfm(&found, &scored)?)
            .table("tiers", output::tiers(&found, &scored)?)
            .metric("customers", found.customers.len() as f64)
            .metric("revenue", revenue);
        for (name, count) in found.counts.named() {
            fitted = fitted.metric(name, count as f64);
        }
        Ok(fitted)
    }

    fn encode(state: &State) -> Vec<u8> {
        state.encode()
    }

    fn decode(bytes: &[u8]) -> Result<State> {
        State::decode(bytes)
    }
}

#[cfg(test)]
mod tests;
