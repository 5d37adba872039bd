//! Makes an algorithm of a method: reads, learns, writes the model, makes the outputs.
//!
//! Does not rate anything. Invariant: what a fit gives depends on the state alone, so that
//! parts that were put together end as the whole does.

use std::sync::Arc;

use lode_plugin::Context;
use lode_plugin::Error;
use lode_plugin::Fitted;
use lode_plugin::Inputs;
use lode_plugin::Model;
use lode_plugin::Result;
use lode_plugin::Role;
use lode_plugin::Spec;
use lode_plugin::Task;

use crate::attributes;
use crate::attributes::Attributes;
use crate::events;
use crate::events::log::Log;
use crate::events::pairs::Pairs;
use crate::events::pairs::Worth;
use crate::method::Data;
use crate::method::Method;
use crate::model;
use crate::model::Format1;
use crate::model::Known;
use crate::model::codec::Reader;
use crate::model::codec::Writer;
use crate::model::crowd::Crowd;
use crate::model::kin::Kin;
use crate::model::popularity::Popularity;
use crate::output;
use crate::output::OfferStream;
use crate::params::Both;
use crate::params::Common;
use crate::params::Part;
use crate::serve::Server;

/// Customers that draw the shares of a group of customers halfway to those of all.
const GROUP_SHRINKAGE: f64 = 50.0;

/// What some of the rows say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    pub(crate) log: Log,
    items: Attributes,
    customers: Attributes,
}

impl State {
    pub(crate) fn merge(self, other: Self) -> Self {
        Self {
            log: self.log.merge(&other.log),
            items: self.items.merge(other.items),
            customers: self.customers.merge(other.customers),
        }
    }

    /// Format 2: the log and the attributes, little-endian, each list led by its length.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        self.log.write(&mut writer);
        self.items.write(&mut writer);
        self.customers.write(&mut writer);
        writer.finish()
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let read = || {
            let mut reader = Reader::new(bytes);
            let state = Self {
                log: Log::read(&mut reader)?,
                items: Attributes::read(&mut reader)?,
                customers: Attributes::read(&mut reader)?,
            };
            reader.is_done().then_some(state)
        };
        read().ok_or_else(|| Error::model("expected a state of a recommender, found damaged bytes"))
    }
}

/// The description of a method's algorithm.
pub(crate) fn spec<M: Method>() -> Spec {
    let mut spec = Spec::new(Task::Recommendation, M::TITLE, M::ABOUT)
        .version("2.0")
        .input(events::spec())
        .input(attributes::items_spec())
        .input(attributes::customers_spec())
        .output(output::recommendations_spec());
    if M::KNOWS_LIKENESS {
        spec = spec.output(output::similar_items_spec());
    }
    for more in M::outputs() {
        spec = spec.output(more);
    }
    spec
}

/// Reads the tables.
pub(crate) fn partial<M: Method>(
    params: &Both<Common, M::Params>,
    inputs: &Inputs,
    cx: &Context<'_>,
) -> Result<State> {
    params.check()?;
    let needs = M::needs(&params.other);
    let needs_times = needs.times || params.one.half_life.is_some();
    let events = inputs.table("events")?;
    let log = events::read::read(events, &params.one.kind_weights, needs_times, cx)?;
    let attributes = |name: &str, role: Role| match inputs.optional(name)? {
        Some(table) => Attributes::of(table, role),
        None => Ok(Attributes::default()),
    };
    let items = attributes("items", Role::Item)?;
    cx.check_cancelled()?;
    let customers = attributes("customers", Role::CustomerId)?;
    Ok(State {
        log,
        items,
        customers,
    })
}

/// Learns from what was read.
pub(crate) fn finish<M: Method>(
    params: &Both<Common, M::Params>,
    state: State,
    cx: &Context<'_>,
) -> Result<Fitted> {
    params.check()?;
    state.log.check()?;
    let counts = state.log.counts;
    let needs = M::needs(&params.other);
    let worth = worth::<M>(&params.one);
    let (customers, _) = state.log.customers.union(&state.customers.ids);
    let (items, _) = state.log.items.union(&state.items.ids);
    let log = state.log.recoded(customers.clone(), items.clone());
    let pairs = Pairs::of(&log, &worth, needs.sequences, cx.threads());
    if pairs.liked().next().is_none() {
        return Err(Error::invalid(
            "inputs.events",
            format!(
                "expected at least one row that speaks for an item, found none in {} rows",
                counts.rows()
            ),
        ));
    }
    // It takes more room than all else; most methods need it no longer.
    let log = needs.log.then_some(log);
    let aligned = |attributes: &Attributes, ids| {
        (!attributes.columns.is_empty()).then(|| attributes.aligned(ids))
    };
    let item_attributes = aligned(&state.items, &items);
    let customer_attributes = aligned(&state.customers, &customers);
    let data = Data {
        customers: &customers,
        items: &items,
        pairs: &pairs,
        log: log.as_ref(),
        similar: params.one.similar,
        item_attributes: item_attributes.as_ref(),
        customer_attributes: customer_attributes.as_ref(),
    };
    cx.check_cancelled()?;
    cx.progress(0.2, "learning");
    let learned = M::learn(&params.other, &data, cx)?;
    cx.check_cancelled()?;
    cx.progress(0.85, "making offers");
    let popular_by = learned.popular_by.as_ref().unwrap_or(&pairs);
    let segment = learned.segment.as_deref();
    let crowd = customer_attributes
        .as_ref()
        .map_or_else(Crowd::default, |attributes| {
            Crowd::of(attributes, popular_by, segment, GROUP_SHRINKAGE)
        });
    let mut popularity = Popularity::of(popular_by, items.len(), crowd);
    let kin = Kin::of(data.item_attributes, &pairs, items.len(), cx.threads());
    popularity.lend(&kin);
    let n_new = kin.cold().len();
    let known = Known {
        customers,
        items,
        pairs,
        popularity,
        kin,
    };
    let mut fitted = Fitted::new()
        .model(model::to_bytes(&known, &learned.method))
        .metric("customers", known.customers.len() as f64)
        .metric("items", known.items.len() as f64)
        .metric("items_without_events", n_new as f64)
        .metric("pairs", known.pairs.n_pairs() as f64);
    for (name, count) in counts.named() {
        fitted = fitted.metric(name, count as f64);
    }
    for (name, value) in learned.metrics {
        fitted = fitted.metric(name, value);
    }
    for (name, table) in learned.tables {
        fitted = fitted.table(name, table);
    }
    let server = server(known, learned.method, &params.one);
    for (name, make) in M::server_tables() {
        fitted = fitted.table(*name, make(&server)?);
    }
    if M::KNOWS_LIKENESS {
        let similar = match learned.similar_items {
            Some(similar) => similar,
            None => output::similar_items(&server, params.one.similar, cx.threads())?,
        };
        fitted = fitted.table("similar_items", similar);
    }
    let offers = OfferStream::new(Arc::new(server), params.one.n, cx.threads());
    Ok(fitted.stream("recommendations", Box::new(offers)))
}

/// Opens a model.
pub(crate) fn open<M: Method>(
    params: &Both<Common, M::Params>,
    model: &Model<'_>,
) -> Result<Server> {
    params.check()?;
    let (known, method) = match model.format() {
        1 => {
            let old = Format1::from_bytes(model.bytes())?;
            let method = M::of_format_1(&old).ok_or_else(model::damaged)?;
            (old.known, method)
        }
        _ => model::from_bytes::<M>(model.bytes())?,
    };
    Ok(server(known, method, &params.one))
}

fn server<M: Method>(known: Known, method: M, common: &Common) -> Server {
    let worth = worth::<M>(common);
    Server::new(known, Box::new(method), M::IS_PERSONAL, worth, common.n)
}

fn worth<M: Method>(common: &Common) -> Worth {
    Worth {
        weighting: common.weighting.unwrap_or(M::WEIGHTING),
        half_life: common.half_life,
        middle: common.middle,
    }
}

/// Implements the traits of `lode_plugin` for a type, by a method.
macro_rules! recommends {
    ($algorithm:ty, $method:ty, $params:ty, reads: $formats:expr) => {
        impl lode_plugin::Algorithm for $algorithm {
            const ID: &'static str = <$method as crate::method::Method>::ID;
            const MODEL_FORMAT: Option<u32> = Some(crate::model::FORMAT);
            const READS_FORMATS: &'static [u32] = $formats;
            type Params = crate::params::Both<crate::params::Common, $params>;
            type Scorer = crate::serve::Server;

            fn spec() -> lode_plugin::Spec {
                crate::recommends::spec::<$method>()
            }

            fn fit(
                params: Self::Params,
                inputs: lode_plugin::Inputs,
                cx: &lode_plugin::Context<'_>,
            ) -> lode_plugin::Result<lode_plugin::Fitted> {
                let state = crate::recommends::partial::<$method>(&params, &inputs, cx)?;
                drop(inputs);
                crate::recommends::finish::<$method>(&params, state, cx)
            }

            fn open(
                params: Self::Params,
                model: lode_plugin::Model<'_>,
            ) -> lode_plugin::Result<Self::Scorer> {
                crate::recommends::open::<$method>(&params, &model)
            }

            fn score(
                scorer: &Self::Scorer,
                inputs: lode_plugin::Inputs,
                cx: &lode_plugin::Context<'_>,
            ) -> lode_plugin::Result<lode_plugin::arrow_array::RecordBatch> {
                scorer.answer(&inputs, cx)
            }
        }

        impl lode_plugin::Mergeable for $algorithm {
            type State = crate::recommends::State;

            const STATE_FORMAT: u32 = 2;

            fn partial(
                params: &Self::Params,
                inputs: lode_plugin::Inputs,
                cx: &lode_plugin::Context<'_>,
            ) -> lode_plugin::Result<Self::State> {
                crate::recommends::partial::<$method>(params, &inputs, cx)
            }

            fn merge(
                _: &Self::Params,
                left: Self::State,
                right: Self::State,
            ) -> lode_plugin::Result<Self::State> {
                Ok(left.merge(right))
            }

            fn finish(
                params: &Self::Params,
                state: Self::State,
                cx: &lode_plugin::Context<'_>,
            ) -> lode_plugin::Result<lode_plugin::Fitted> {
                crate::recommends::finish::<$method>(params, state, cx)
            }

            fn encode(state: &Self::State) -> Vec<u8> {
                state.to_bytes()
            }

            fn decode(bytes: &[u8]) -> lode_plugin::Result<Self::State> {
                crate::recommends::State::from_bytes(bytes)
            }
        }
    };
}

pub(crate) use recommends;
