//! Where a search looks: the parameters that an algorithm's schema marks with `x-tune`.
//!
//! `{"low": 0.01, "high": 0.3, "scale": "log"}` with the scale `log`, `linear` (the default) or
//! `int`, or `{"values": [...]}`. Does not choose anything. Invariant: each hint is checked against
//! the schema before a search begins, so that a drawn value is refused for what it does with
//! others alone.

use std::collections::BTreeMap;

use lode_types::AlgorithmSpec;
use lode_types::Class;
use lode_types::Value;
use serde_json::Value as Json;

use crate::Error;
use crate::Result;
use crate::params;

/// Significant digits of a drawn number: more would only be noise.
const DIGITS: i32 = 4;

/// The parameters that are searched, in the order of their names.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Space {
    dimensions: Vec<Dimension>,
}

#[derive(Clone, Debug, PartialEq)]
struct Dimension {
    name: String,
    default: Option<Json>,
    range: Range,
}

/// What a parameter may be.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Range {
    /// Coordinates from 0 to 1.
    Number {
        low: f64,
        high: f64,
        log: bool,
        whole: bool,
    },
    /// The coordinate is the number of the value.
    Choice(Vec<Json>),
}

impl Space {
    /// Reads the hints of an algorithm; parameters that are given are not searched.
    ///
    /// # Errors
    /// `TUNE_HINT_INVALID`, naming the parameter.
    pub(crate) fn of(algorithm: &AlgorithmSpec, given: &BTreeMap<String, Value>) -> Result<Self> {
        let schema: Json = serde_json::from_str(&algorithm.params_schema)?;
        let properties = schema.get("properties").and_then(Json::as_object);
        let mut hinted: Vec<(&String, &Json, &Json)> = properties
            .into_iter()
            .flatten()
            .filter(|(name, _)| !given.contains_key(*name))
            .filter_map(|(name, property)| Some((name, property, property.get("x-tune")?)))
            .collect();
        hinted.sort_by_key(|(name, ..)| *name);
        let mut dimensions = Vec::new();
        for (name, property, hint) in hinted {
            let wrong = |message: String| wrong(&algorithm.id, name, &message);
            let whole = params::takes_integer(property);
            let dimension = Dimension {
                name: name.clone(),
                default: property.get("default").cloned(),
                range: range(hint, whole).map_err(wrong)?,
            };
            for end in dimension.range.ends() {
                let mut tried = given.clone();
                tried.insert(name.clone(), value_of(&end));
                params::resolve(&algorithm.id, &algorithm.params_schema, &tried)
                    .map_err(|error| wrong(error.to_string()))?;
            }
            dimensions.push(dimension);
        }
        Ok(Self { dimensions })
    }

    /// The same, some parameters not searched.
    pub(crate) fn without(mut self, names: &[&str]) -> Self {
        self.dimensions
            .retain(|dimension| !names.contains(&dimension.name.as_str()));
        self
    }

    /// Whether there is nothing to search.
    pub(crate) fn is_empty(&self) -> bool {
        self.dimensions.is_empty()
    }

    pub(super) fn ranges(&self) -> impl Iterator<Item = &Range> {
        self.dimensions.iter().map(|dimension| &dimension.range)
    }

    /// Where the defaults lie; none for one that the hint leaves out.
    pub(super) fn defaults(&self) -> Vec<Option<f64>> {
        let dimensions = self.dimensions.iter();
        dimensions
            .map(|dimension| dimension.range.place(dimension.default.as_ref()?))
            .collect()
    }

    /// The parameters at a point.
    pub(super) fn params(&self, point: &[f64]) -> BTreeMap<String, Value> {
        let both = self.dimensions.iter().zip(point);
        both.map(|(dimension, at)| (dimension.name.clone(), value_of(&dimension.range.at(*at))))
            .collect()
    }
}

impl Range {
    fn at(&self, coordinate: f64) -> Json {
        match self {
            Self::Choice(values) => {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "the number of a value"
                )]
                let index = (coordinate.round() as usize).min(values.len() - 1);
                values[index].clone()
            }
            Self::Number {
                low,
                high,
                log,
                whole,
            } => {
                let at = coordinate.clamp(0.0, 1.0);
                let value = match log {
                    true => (low.ln() + at * (high.ln() - low.ln())).exp(),
                    false => low + at * (high - low),
                };
                #[expect(clippy::cast_possible_truncation, reason = "the hint is below 2^53")]
                match whole {
                    true => Json::from(value.round().clamp(*low, *high) as i64),
                    false => Json::from(rounded(value).clamp(*low, *high)),
                }
            }
        }
    }

    /// The coordinate of a value.
    fn place(&self, value: &Json) -> Option<f64> {
        match self {
            Self::Choice(values) => {
                let index = values.iter().position(|known| known == value)?;
                Some(index as f64)
            }
            Self::Number { low, high, log, .. } => {
                let value = value.as_f64()?;
                if !(*low..=*high).contains(&value) {
                    return None;
                }
                Some(match log {
                    true => (value.ln() - low.ln()) / (high.ln() - low.ln()),
                    false => (value - low) / (high - low),
                })
            }
        }
    }

    /// The least and the most, or all values.
    fn ends(&self) -> Vec<Json> {
        match self {
            Self::Choice(values) => values.clone(),
            Self::Number { .. } => vec![self.at(0.0), self.at(1.0)],
        }
    }
}

fn range(hint: &Json, integer: bool) -> std::result::Result<Range, String> {
    let hint = hint
        .as_object()
        .ok_or_else(|| format!("expected an object, found {hint}"))?;
    if let Some(values) = hint.get("values") {
        let values = values
            .as_array()
            .filter(|values| !values.is_empty())
            .ok_or_else(|| format!("expected values in a list, found {values}"))?;
        return Ok(Range::Choice(values.clone()));
    }
    let number = |name: &str| {
        let found = hint.get(name);
        found
            .and_then(Json::as_f64)
            .filter(|number| number.abs() < 9e15)
            .ok_or_else(|| match found {
                Some(found) => format!("expected a number as {name:?}, found {found}"),
                None => format!("expected {name:?} and \"high\", or \"values\", found neither"),
            })
    };
    let (low, high) = (number("low")?, number("high")?);
    if low >= high {
        return Err(format!(
            "expected \"low\" below \"high\", found {low} and {high}"
        ));
    }
    let scale = hint.get("scale").map_or(Some("linear"), Json::as_str);
    let (log, whole) = match scale {
        Some("log") => (true, integer),
        Some("linear") => (false, integer),
        Some("int") => (false, true),
        _ => {
            let found = hint.get("scale").unwrap_or(&Json::Null);
            return Err(format!(
                "expected the scale log, linear or int, found {found}"
            ));
        }
    };
    if log && low <= 0.0 {
        return Err(format!(
            "expected \"low\" above 0 on the scale log, found {low}"
        ));
    }
    Ok(Range::Number {
        low,
        high,
        log,
        whole,
    })
}

fn wrong(algorithm: &str, name: &str, message: &str) -> Error {
    Error::new(
        Class::State,
        "TUNE_HINT_INVALID",
        format!("the hint \"x-tune\" of parameter {name:?} of {algorithm}: {message}"),
    )
    .at(format!("spec.params.{name}"))
}

/// A number with few digits.
fn rounded(value: f64) -> f64 {
    if value.abs() < f64::MIN_POSITIVE {
        return value;
    }
    // Through text: what is written in few digits is read as the number that they mean.
    let digits = usize::try_from(DIGITS - 1).unwrap_or(0);
    format!("{value:.digits$e}").parse().unwrap_or(value)
}

/// A JSON value as a job's parameter.
fn value_of(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => Value::Int(whole),
            None => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::Text(text.clone()),
        Json::Array(values) => Value::List(values.iter().map(value_of).collect()),
        Json::Object(fields) => Value::Map(
            fields
                .iter()
                .map(|(name, value)| (name.clone(), value_of(value)))
                .collect(),
        ),
    }
}

#[cfg(test)]
mod tests;
