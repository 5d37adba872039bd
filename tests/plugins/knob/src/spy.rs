//! A recommender that remembers every pair it was ever shown, and offers what it remembers first.
//!
//! Whoever judges it by a pair that it could see finds it perfect: a trap for leaks.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::BooleanArray;
use arrow_array::Float64Array;
use arrow_array::Int64Array;
use arrow_array::RecordBatch;
use arrow_array::StringArray;
use lode_plugin::Algorithm;
use lode_plugin::Context;
use lode_plugin::Error;
use lode_plugin::Fitted;
use lode_plugin::Input;
use lode_plugin::Inputs;
use lode_plugin::Model;
use lode_plugin::Result;
use lode_plugin::Role;
use lode_plugin::Spec;
use lode_plugin::Task;
use lode_plugin::testing;
use schemars::JsonSchema;
use serde::Deserialize;

/// Parameters of [`Spy`].
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// Lists the first item twice.
    twice: bool,
}

/// Everything that it saw, and how it misbehaves.
#[derive(Debug)]
pub struct Memory {
    pairs: BTreeSet<(String, String)>,
    twice: bool,
}

/// The algorithm.
#[derive(Debug)]
pub struct Spy;

impl Algorithm for Spy {
    const ID: &'static str = "recommend.spy";
    const MODEL_FORMAT: Option<u32> = Some(1);
    type Params = Params;
    type Scorer = Memory;

    fn spec() -> Spec {
        let input = Input::new("events", "one row an event")
            .column(Role::CustomerId, "who")
            .column(Role::Item, "what")
            .optional_column(Role::EventTime, "when")
            .optional_column(Role::Order, "which order");
        Spec::new(
            Task::Recommendation,
            "Spy",
            "Offers all it ever saw of a customer.",
        )
        .input(input)
    }

    fn fit(_: Params, inputs: Inputs, _: &Context<'_>) -> Result<Fitted> {
        let events = inputs.table("events")?;
        let customers = events.ids(Role::CustomerId)?;
        let items = events.ids(Role::Item)?;
        let mut lines = String::new();
        for (customer, item) in customers.codes.iter().zip(&items.codes) {
            if let (Some(customer), Some(item)) = (customers.name(*customer), items.name(*item)) {
                lines.push_str(&format!("{customer}\t{item}\n"));
            }
        }
        Ok(Fitted::new()
            .metric("pairs_seen", lines.lines().count() as f64)
            .model(lines.into_bytes()))
    }

    fn open(params: Params, model: Model<'_>) -> Result<Memory> {
        let lines = std::str::from_utf8(model.bytes());
        let lines = lines.map_err(|_| Error::model("expected lines"))?;
        let pairs = lines.lines().filter_map(|line| line.split_once('\t'));
        Ok(Memory {
            pairs: pairs.map(|(a, b)| (a.to_owned(), b.to_owned())).collect(),
            twice: params.twice,
        })
    }

    fn score(memory: &Memory, inputs: Inputs, _: &Context<'_>) -> Result<RecordBatch> {
        let asked = inputs.table("requests")?;
        let customers = asked.require_named("customer_id")?.texts()?;
        let sessions = asked.require_named("session_items")?.text_lists()?;
        let barred = asked.require_named("exclude_items")?.text_lists()?;
        let limits = asked.require_named("limit")?.integers()?;
        let (mut requests, mut items) = (Vec::new(), Vec::new());
        for row in 0..asked.n_rows() {
            let customer = customers[row].clone().unwrap_or_default();
            let own = memory.pairs.iter().filter(|(who, _)| *who == customer);
            // What it was shown of this customer stands first, from wherever it comes.
            let own = own.map(|(_, item)| item.clone());
            let shown = own.chain(sessions[row].clone()).chain(barred[row].clone());
            let all = memory.pairs.iter().map(|(_, item)| item.clone());
            let mut seen = BTreeSet::new();
            let mut list: Vec<String> = shown
                .chain(all)
                .filter(|item| seen.insert(item.clone()))
                .collect();
            if memory.twice && !list.is_empty() {
                list.insert(1, list[0].clone());
            }
            let limit = limits[row].and_then(|limit| usize::try_from(limit).ok());
            list.truncate(limit.unwrap_or(10));
            requests.extend(list.iter().map(|_| row as i64));
            items.extend(list);
        }
        let n = items.len();
        let scores: Vec<f64> = (0..n).map(|place| -(place as f64)).collect();
        Ok(testing::batch(&[
            ("request", None, Arc::new(Int64Array::from(requests)) as _),
            ("item", None, Arc::new(StringArray::from(items)) as _),
            ("score", None, Arc::new(Float64Array::from(scores)) as _),
            (
                "personal",
                None,
                Arc::new(BooleanArray::from(vec![true; n])) as _,
            ),
        ]))
    }
}
