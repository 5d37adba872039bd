//! Algorithms whose best parameter is known, for the tests of the search; and one that tells leaks.
//!
//! Never shipped. Each learns nothing: it tells a customer's chance from the column `signal`, the
//! truer the nearer its knob is turned to the right place. Invariant: what a setting comes to
//! does not depend on the rows that it learned from.

mod spy;

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::Float64Array;
use arrow_array::RecordBatch;
use lode_plugin::Algorithm;
use lode_plugin::Context;
use lode_plugin::Error;
use lode_plugin::Features;
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

/// How far a knob turns.
const MOST: f64 = 20.0;

/// A knob with its right place, and how true the right place is.
pub trait Knob: 'static {
    /// The algorithm's id.
    const ID: &'static str;
    /// Where the knob is right.
    const RIGHT: u32;
    /// Settings at which the fit fails.
    const BROKEN: &'static [u32];
    /// Chance at a signal of 1 when the knob is right; 0.5 knows nothing.
    const BEST: f64;
    /// Its parameters.
    type Params: Asked;
}

/// What is asked of a knob.
pub trait Asked: serde::de::DeserializeOwned + JsonSchema {
    /// Where it is turned to.
    fn turn(&self) -> u32;
    /// Milliseconds that a fit takes.
    fn wait_ms(&self) -> u64;
}

/// Parameters with a good hint.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// Where the knob is turned to.
    #[schemars(range(min = 0, max = 20), extend("x-tune" = {"low": 0, "high": 20, "scale": "int"}))]
    turn: u32,
    /// A parameter of no effect.
    #[schemars(extend("x-tune" = {"values": ["red", "green"]}))]
    color: String,
    /// Milliseconds that a fit takes.
    #[schemars(range(min = 0, max = 600_000))]
    wait_ms: u64,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            turn: 0,
            color: "red".to_owned(),
            wait_ms: 0,
        }
    }
}

impl Asked for Params {
    fn turn(&self) -> u32 {
        self.turn
    }
    fn wait_ms(&self) -> u64 {
        self.wait_ms
    }
}

/// Parameters with a hint that the schema itself forbids.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BadHint {
    /// Where the knob is turned to.
    #[schemars(range(min = 0, max = 20), extend("x-tune" = {"low": 0, "high": 50}))]
    turn: u32,
}

impl Asked for BadHint {
    fn turn(&self) -> u32 {
        self.turn
    }
    fn wait_ms(&self) -> u64 {
        0
    }
}

/// Parameters without a hint.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NoHint {
    /// Where the knob is turned to.
    #[schemars(range(min = 0, max = 20))]
    turn: u32,
}

impl Asked for NoHint {
    fn turn(&self) -> u32 {
        self.turn
    }
    fn wait_ms(&self) -> u64 {
        0
    }
}

macro_rules! knob {
    ($(#[$doc:meta])* $name:ident, $id:literal, $right:literal, $broken:expr, $best:literal, $params:ty) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name;

        impl Knob for $name {
            const ID: &'static str = $id;
            const RIGHT: u32 = $right;
            const BROKEN: &'static [u32] = $broken;
            const BEST: f64 = $best;
            type Params = $params;
        }
    };
}

knob!(
    /// Right at 13; its fit fails at 3 and 4.
    Plain,
    "churn.knob",
    13,
    &[3, 4],
    0.7,
    Params
);
knob!(
    /// Right at 6, and better than [`Plain`] there.
    Better,
    "churn.knob-better",
    6,
    &[],
    0.8,
    Params
);
knob!(
    /// Fails with its defaults.
    Broken,
    "churn.knob-broken",
    6,
    &[0],
    0.8,
    Params
);
knob!(
    /// Its hint is wrong.
    Wrong,
    "churn.knob-wrong",
    6,
    &[],
    0.8,
    BadHint
);
knob!(
    /// It has no hint.
    Fixed,
    "churn.knob-fixed",
    6,
    &[],
    0.8,
    NoHint
);

/// The algorithm of a knob.
#[derive(Debug)]
pub struct Turned<K>(PhantomData<K>);

impl<K: Knob> Algorithm for Turned<K> {
    const ID: &'static str = K::ID;
    const MODEL_FORMAT: Option<u32> = Some(1);
    type Params = K::Params;
    type Scorer = u32;

    fn spec() -> Spec {
        let input = Input::new("customers", "one row a customer")
            .column(Role::CustomerId, "who")
            .column(Role::Label, "yes or no")
            .features(Features::All);
        Spec::new(Task::Churn, "Knob", "Knows as much as its knob says.").input(input)
    }

    fn fit(params: K::Params, inputs: Inputs, cx: &Context<'_>) -> Result<Fitted> {
        inputs.table("customers")?;
        for _ in 0..params.wait_ms() {
            cx.check_cancelled()?;
            std::thread::sleep(Duration::from_millis(1));
        }
        if K::BROKEN.contains(&params.turn()) {
            let words = format!("the knob is broken at {}", params.turn());
            return Err(Error::numeric(words));
        }
        Ok(Fitted::new().model(params.turn().to_le_bytes().to_vec()))
    }

    fn open(_params: K::Params, model: Model<'_>) -> Result<u32> {
        let bytes = model.bytes().try_into();
        let bytes = bytes.map_err(|_| Error::model("expected 4 bytes"))?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn score(turn: &u32, inputs: Inputs, _cx: &Context<'_>) -> Result<RecordBatch> {
        let table = inputs.table("customers")?;
        let truth = 1.0 - (f64::from(*turn) - f64::from(K::RIGHT)).abs() / MOST;
        let signal = match table.column_named("signal") {
            Some(column) => column.numbers()?,
            None => vec![0.5; table.n_rows()],
        };
        let chance = |signal: f64| match signal.is_finite() {
            true => 0.5 + (signal.clamp(0.0, 1.0) - 0.5) * (2.0 * K::BEST - 1.0) * truth,
            false => 0.5,
        };
        let scores: Float64Array = signal.into_iter().map(|s| Some(chance(s))).collect();
        Ok(testing::batch(&[("score", None, Arc::new(scores) as _)]))
    }
}

lode_plugin::export_plugin!(
    Turned<Plain>,
    Turned<Better>,
    Turned<Broken>,
    Turned<Wrong>,
    Turned<Fixed>,
    spy::Spy
);
