//! Conditions on columns: as JSON, as people type them, and on the wire.

use lode_client::v1;
use lode_proto::convert;
use lode_types::ColumnType;
use lode_types::Value;
use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde::Serializer;
use serde::ser::SerializeMap;
use serde_json::Map;
use serde_json::Value as Json;

use crate::serial::value_to_json;

/// A condition on a column; a null passes none.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// The column.
    pub column: String,
    /// What is asked of it.
    pub op: ConditionOp,
    /// The value, or the values of [`ConditionOp::In`].
    pub values: Vec<Value>,
}

/// What a condition asks of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConditionOp {
    /// The same.
    Equals,
    /// Another.
    NotEquals,
    /// One of a list.
    In,
    /// The same or larger.
    AtLeast,
    /// The same or smaller.
    AtMost,
    /// Larger.
    Above,
    /// Smaller.
    Below,
}

/// Words in JSON, signs as people type them; the longer signs first.
const OPS: [(ConditionOp, &str, &str); 7] = [
    (ConditionOp::AtLeast, "at_least", ">="),
    (ConditionOp::AtMost, "at_most", "<="),
    (ConditionOp::NotEquals, "not_equals", "!="),
    (ConditionOp::Above, "above", ">"),
    (ConditionOp::Below, "below", "<"),
    (ConditionOp::Equals, "equals", "="),
    (ConditionOp::In, "in", " in "),
];

impl Condition {
    /// Reads `recency<=180`, `type=sale`, `plan!=basic` or `plan in gold|silver`. A value is read
    /// as a number, true or false where it is one, else as text; [`Condition::of_type`] knows better.
    ///
    /// # Errors
    /// What was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        // The first sign that stands in it, so that a value may hold others.
        let found = OPS
            .iter()
            .filter_map(|(op, _, sign)| Some((text.find(sign)?, *op, *sign)));
        let first = found.min_by_key(|(at, _, sign)| (*at, std::cmp::Reverse(sign.len())));
        let wrong = || {
            format!(
                "expected COLUMN=VALUE, !=, <, <=, >, >= or \"COLUMN in VALUE|VALUE\", found {text:?}"
            )
        };
        let (at, op, sign) = first.ok_or_else(wrong)?;
        let (column, rest) = (text[..at].trim(), text[at + sign.len()..].trim());
        if column.is_empty() || rest.is_empty() {
            return Err(wrong());
        }
        let values = match op {
            ConditionOp::In => rest.split('|').map(|value| literal(value.trim())).collect(),
            _ => vec![literal(rest)],
        };
        Ok(Self {
            column: column.to_owned(),
            op,
            values,
        })
    }

    /// The same condition on a column of a type: of a text column `22423` is a text too.
    #[must_use]
    pub fn of_type(mut self, column_type: ColumnType) -> Self {
        if column_type == ColumnType::String {
            for value in &mut self.values {
                if let Value::Int(_) | Value::Float(_) | Value::Bool(_) = value {
                    *value = Value::Text(value_to_json(value).to_string());
                }
            }
        }
        self
    }

    pub(super) fn to_wire(&self) -> v1::FeatureCondition {
        let op = match self.op {
            ConditionOp::Equals => v1::FeatureOp::Equals,
            ConditionOp::NotEquals => v1::FeatureOp::NotEquals,
            ConditionOp::In => v1::FeatureOp::In,
            ConditionOp::AtLeast => v1::FeatureOp::AtLeast,
            ConditionOp::AtMost => v1::FeatureOp::AtMost,
            ConditionOp::Above => v1::FeatureOp::Above,
            ConditionOp::Below => v1::FeatureOp::Below,
        };
        v1::FeatureCondition {
            column: self.column.clone(),
            op: op.into(),
            values: self.values.iter().map(convert::value_to_wire).collect(),
        }
    }
}

impl std::fmt::Display for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = OPS.iter().find(|(op, _, _)| *op == self.op);
        let values = self.values.iter().map(|value| match value {
            Value::Text(text) => text.clone(),
            // 90 and not 90.0.
            Value::Float(number) => number.to_string(),
            other => value_to_json(other).to_string(),
        });
        let values: Vec<String> = values.collect();
        let sign = sign.map_or("=", |(_, _, sign)| sign);
        write!(f, "{}{sign}{}", self.column, values.join("|"))
    }
}

impl Serialize for Condition {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let word = OPS.iter().find(|(op, _, _)| *op == self.op);
        let mut map = out.serialize_map(Some(2))?;
        map.serialize_entry("column", &self.column)?;
        let values: Vec<Json> = self.values.iter().map(value_to_json).collect();
        let value = match (self.op, values.as_slice()) {
            (ConditionOp::In, _) => Json::Array(values),
            (_, [one]) => one.clone(),
            _ => Json::Array(values),
        };
        map.serialize_entry(word.map_or("equals", |(_, word, _)| word), &value)?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let mut map = Map::deserialize(from)?;
        let column = match map.remove("column") {
            Some(Json::String(column)) => column,
            found => {
                let found = found.unwrap_or_default();
                let message =
                    format!("expected a condition with the name of a column, found {found}");
                return Err(D::Error::custom(message));
            }
        };
        let mut entries = map.into_iter();
        let words: Vec<&str> = OPS.iter().map(|(_, word, _)| *word).collect();
        let wrong = |found: String| {
            let words = words.join(", ");
            D::Error::custom(format!(
                "expected one of {words} beside \"column\", found {found}"
            ))
        };
        let (Some((word, value)), None) = (entries.next(), entries.next()) else {
            return Err(wrong("none or several".to_owned()));
        };
        let Some((op, _, _)) = OPS.iter().find(|(_, known, _)| *known == word) else {
            return Err(wrong(format!("{word:?}")));
        };
        let values = match value {
            Json::Array(list) if *op == ConditionOp::In => list,
            one => vec![one],
        };
        let values = values.into_iter().map(|value| match value {
            Json::Bool(value) => Ok(Value::Bool(value)),
            Json::String(value) => Ok(Value::Text(value)),
            Json::Number(number) => Ok(match number.as_i64() {
                Some(value) => Value::Int(value),
                None => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
            }),
            other => {
                let message = format!("expected text, a number, true or false, found {other}");
                Err(D::Error::custom(message))
            }
        });
        Ok(Self {
            column,
            op: *op,
            values: values.collect::<Result<_, _>>()?,
        })
    }
}

fn literal(text: &str) -> Value {
    match serde_json::from_str(text) {
        Ok(Json::Bool(value)) => Value::Bool(value),
        Ok(Json::Number(number)) => match number.as_i64() {
            Some(value) => Value::Int(value),
            None => number
                .as_f64()
                .map_or_else(|| Value::Text(text.to_owned()), Value::Float),
        },
        Ok(Json::String(text)) => Value::Text(text),
        _ => Value::Text(text.to_owned()),
    }
}
