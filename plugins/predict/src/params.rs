//! What a user may ask: the parameters of all algorithms, of a kind of label, of a learner.
//!
//! Each is a struct of its own; [`Both`] reads one JSON object into two of them. Invariant:
//! `check` accepts what the JSON Schema accepts, and nothing else.

use std::borrow::Cow;
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
    /// Levels kept of each text column, the most frequent ones; rarer levels count as never
    /// seen.
    #[schemars(range(min = 1, max = 10_000))]
    pub max_levels: usize,
    /// Products kept of the column of role item, the most frequent ones; rarer products count
    /// as never seen.
    #[schemars(range(min = 1, max = 10_000))]
    pub max_items: usize,
    /// Columns that are not to be used.
    pub exclude: Vec<String>,
    /// Reasons kept of each row in the output `scores`, the largest; all when not given. With
    /// fewer than all, base and contributions no longer add up to the margin there.
    #[schemars(range(min = 1))]
    pub max_reasons: Option<usize>,
}

impl Default for Common {
    fn default() -> Self {
        Self {
            max_levels: 100,
            max_items: 1_000,
            exclude: Vec::new(),
            max_reasons: None,
        }
    }
}

impl Part for Common {
    fn check(&self) -> Result<()> {
        within_count("max_levels", self.max_levels, 1, 10_000)?;
        within_count("max_items", self.max_items, 1, 10_000)?;
        if self.max_reasons == Some(0) {
            return Err(Error::invalid(
                "params.max_reasons",
                "expected at least 1, found 0",
            ));
        }
        Ok(())
    }
}

/// Parameters of a yes/no label.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(crate = "lode_plugin::serde", deny_unknown_fields, default)]
#[schemars(crate = "lode_plugin::schemars")]
pub struct YesNoParams {
    /// The value of the label that means yes (the customer left, answered, bought), as text;
    /// needed when none of its two values reads 1, true, yes, y, t, churned or left.
    pub positive: Option<String>,
}

impl Part for YesNoParams {
    fn check(&self) -> Result<()> {
        Ok(())
    }
}

/// Nothing that could be asked.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(crate = "lode_plugin::serde", deny_unknown_fields, default)]
#[schemars(crate = "lode_plugin::schemars")]
pub struct NoParams {}

impl Part for NoParams {
    fn check(&self) -> Result<()> {
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
    let expected = format!("expected {} to {}, found {value}", plain(low), plain(high));
    Err(Error::invalid(format!("params.{name}"), expected))
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

/// Small and large numbers as people write them.
pub(crate) fn plain(number: f64) -> String {
    let size = number.abs();
    if size > 0.0 && !(1e-3..1e6).contains(&size) {
        format!("{number:e}")
    } else {
        number.to_string()
    }
}
