//! What a user may ask: the parameters of all algorithms, and those of one.
//!
//! Each is a struct of its own; [`Both`] reads one JSON object into two of them. Invariant:
//! `check` accepts what the JSON Schema accepts, and nothing else.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Debug;

use lode_plugin::Error;
use lode_plugin::Result;
use lode_plugin::schemars::JsonSchema;
use lode_plugin::schemars::Schema;
use lode_plugin::schemars::SchemaGenerator;
use lode_plugin::serde::Deserialize;
use lode_plugin::serde::Deserializer;
use lode_plugin::serde::de::DeserializeOwned;
use lode_plugin::serde::de::Error as _;
use lode_plugin::serde_json::Map;
use lode_plugin::serde_json::Value;

/// Some of the parameters.
pub trait Part: DeserializeOwned + JsonSchema + Clone + Debug + Send + Sync + 'static {
    /// Refuses values outside their ranges.
    ///
    /// # Errors
    /// `PARAMS_INVALID`, with the parameter, what was expected and what was found.
    fn check(&self) -> Result<()>;
}

/// Parameters of every algorithm.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(crate = "lode_plugin::serde", deny_unknown_fields, default)]
#[schemars(crate = "lode_plugin::schemars")]
pub struct Common {
    /// Offers for each customer in the output; also those of a request that names no limit.
    #[schemars(range(min = 1, max = 1000))]
    pub n: usize,
    /// Similar items of each item in the output; 0 for none.
    #[schemars(range(min = 0, max = 1000))]
    pub similar: usize,
    /// Days after which an event counts half, by its age at the last event of the table; all
    /// events count alike when not given.
    #[schemars(range(min = 0.01, max = 100_000.0), extend("x-tune" = {"values": [null, 7.0, 30.0, 90.0, 365.0]}))]
    pub half_life: Option<f64>,
    /// How much an event of each kind counts, by the words of the column of role event_kind;
    /// 1 for kinds that are not named. A negative weight says that the customer dislikes the
    /// item: it counts as owned and speaks against items like it.
    pub kind_weights: BTreeMap<String, f64>,
    /// How the events of a customer with an item add up; what suits the algorithm when not
    /// given.
    pub weighting: Option<Weighting>,
    /// The rating that says neither yes nor no: items rated above it are liked, those below
    /// disliked. The customer's own mean, drawn to the mean of all, when not given.
    #[schemars(range(min = -1e9, max = 1e9))]
    pub middle: Option<f64>,
}

/// How the events of a customer with an item add up to one weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(crate = "lode_plugin::serde", rename_all = "snake_case")]
#[schemars(crate = "lode_plugin::schemars")]
pub enum Weighting {
    /// Likes it or not: 1 when the sum is above 0, else 0. With a half life, 1 decays by the
    /// age of the last event.
    Binary,
    /// The logarithm of the sum: log2(1 + sum), so that one event counts 1 and three count 2.
    Log,
    /// The sum.
    Linear,
}

impl Default for Common {
    fn default() -> Self {
        Self {
            n: 10,
            similar: 20,
            half_life: None,
            kind_weights: BTreeMap::new(),
            weighting: None,
            middle: None,
        }
    }
}

impl Part for Common {
    fn check(&self) -> Result<()> {
        within_count("n", self.n, 1, 1000)?;
        within_count("similar", self.similar, 0, 1000)?;
        if let Some(days) = self.half_life {
            within("half_life", days, 0.01, 100_000.0)?;
        }
        if let Some(middle) = self.middle {
            within("middle", middle, -1e9, 1e9)?;
        }
        for (kind, weight) in &self.kind_weights {
            within(&format!("kind_weights.{kind}"), *weight, -1e6, 1e6)?;
        }
        Ok(())
    }
}

/// The parameters of `A` and of `B` in one JSON object.
#[derive(Clone, Debug)]
pub struct Both<A, B> {
    /// The first; its parameters are shown first.
    pub one: A,
    /// The others.
    pub other: B,
}

impl<A: Part, B: Part> Part for Both<A, B> {
    fn check(&self) -> Result<()> {
        self.one.check()?;
        self.other.check()
    }
}

impl<'de, A: Part, B: Part> Deserialize<'de> for Both<A, B> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut given = Map::<String, Value>::deserialize(deserializer)?;
        let of_one = names::<A>();
        let known = [of_one.as_slice(), &names::<B>()].concat();
        if let Some(name) = given.keys().find(|name| !known.contains(name)) {
            let known: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
            return Err(D::Error::custom(format!(
                "unknown field `{name}`, expected one of {}",
                known.join(", ")
            )));
        }
        let own = of_one.iter().filter_map(|name| given.remove_entry(name));
        let own = Value::Object(own.collect());
        Ok(Self {
            one: A::deserialize(own).map_err(D::Error::custom)?,
            other: B::deserialize(Value::Object(given)).map_err(D::Error::custom)?,
        })
    }
}

impl<A: Part, B: Part> JsonSchema for Both<A, B> {
    fn schema_name() -> Cow<'static, str> {
        A::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut whole = A::json_schema(generator);
        let other = B::json_schema(generator);
        if let Some(Value::Object(more)) = other.get("properties").cloned() {
            let all = whole.ensure_object().entry("properties");
            if let Value::Object(all) = all.or_insert_with(|| Value::Object(Map::new())) {
                all.extend(more);
            }
        }
        whole
    }
}

/// The names that the schema of a part has.
fn names<P: Part>() -> Vec<String> {
    let schema = SchemaGenerator::default().into_root_schema_for::<P>();
    match schema.get("properties") {
        Some(Value::Object(properties)) => properties.keys().cloned().collect(),
        _ => Vec::new(),
    }
}

/// Refuses a number outside `low..=high`, and NaN.
pub(crate) fn within(name: &str, value: f64, low: f64, high: f64) -> Result<()> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    Err(Error::invalid(
        format!("params.{name}"),
        format!("expected {low} to {high}, found {value}"),
    ))
}

/// Refuses a count outside `low..=high`.
pub(crate) fn within_count(name: &str, value: usize, low: usize, high: usize) -> Result<()> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    Err(Error::invalid(
        format!("params.{name}"),
        format!("expected {low} to {high}, found {value}"),
    ))
}
