//! Finds the columns of events that a feature names or means by role, and types its constants.

use std::sync::Arc;

use arrow_schema::DataType;
use arrow_schema::Schema;
use lode_types::Role;
use lode_types::role_of;

use super::words;
use crate::Error;
use crate::Result;
use crate::nearest::one_of;
use crate::plan::Literals;
use crate::plan::Number;
use crate::plan::SourcePlan;
use crate::plan::Test;
use crate::plan::Value;
use crate::spec::Condition;
use crate::spec::Literal;
use crate::spec::Op;
use crate::spec::Params;

/// The dataset of events that one feature reads.
pub(super) struct Events<'a> {
    pub(super) path: &'a str,
    pub(super) dataset: &'a str,
    pub(super) schema: Arc<Schema>,
    pub(super) source: &'a mut SourcePlan,
}

impl Events<'_> {
    pub(super) fn has(&self, name: &str) -> bool {
        self.schema.index_of(name).is_ok()
    }

    /// A column named in `params.column`, or the one of the role.
    pub(super) fn column(
        &mut self,
        given: Option<&str>,
        role: Role,
    ) -> Result<(String, usize, DataType)> {
        let path = format!("{}.params.column", self.path);
        let at = match given {
            Some(name) => named(&path, self.dataset, &self.schema, name)?,
            None => with_role(&self.schema, role).ok_or_else(|| {
                let expected =
                    format!("a column, since {:?} has none of role {role}", self.dataset);
                Error::wrong(&path, expected, "nothing")
            })?,
        };
        let (name, data_type, at) = self.read(at);
        if is_plain(&data_type) {
            Ok((name, at, data_type))
        } else {
            Err(Error::wrong(
                path,
                "a column of a plain type",
                data_type.to_string(),
            ))
        }
    }

    /// A number of each event: a column, the one of role amount, or quantity by unit price.
    pub(super) fn number(
        &mut self,
        given: Option<&str>,
        param: &str,
    ) -> Result<(String, Value, DataType)> {
        let path = format!("{}.{param}", self.path);
        let role = |role| with_role(&self.schema, role);
        let at = match given {
            Some(name) => named(&path, self.dataset, &self.schema, name)?,
            None => match (
                role(Role::Amount),
                role(Role::Quantity),
                role(Role::UnitPrice),
            ) {
                (Some(amount), _, _) => amount,
                (None, Some(quantity), Some(price)) => return self.product(quantity, price),
                _ => {
                    let expected = format!(
                        "a column, since {:?} has none of role amount, nor quantity and unit_price",
                        self.dataset
                    );
                    return Err(Error::wrong(path, expected, "nothing"));
                }
            },
        };
        let (name, data_type, at) = self.read(at);
        let Some(number) = number_of(&data_type) else {
            let expected = "a column of type int64, float64 or decimal";
            let found = format!("{:?} of type {}", name, words(&data_type));
            return Err(Error::wrong(path, expected, found));
        };
        Ok((name, Value::Number(at, number), data_type))
    }

    fn product(&mut self, quantity: usize, price: usize) -> Result<(String, Value, DataType)> {
        let (quantity, quantity_type, a) = self.read(quantity);
        let (price, price_type, b) = self.read(price);
        let both = (number_of(&quantity_type), number_of(&price_type));
        let (number, data_type) = match both {
            (Some(Number::Int), Some(Number::Int)) => (Number::Int, DataType::Int64),
            (Some(Number::Decimal(s)), Some(Number::Int))
            | (Some(Number::Int), Some(Number::Decimal(s))) => {
                (Number::Decimal(s), DataType::Decimal128(38, s))
            }
            _ => (Number::Float, DataType::Float64),
        };
        let name = format!("{quantity} x {price}");
        Ok((name, Value::Product(a, b, number), data_type))
    }

    /// What a frequency counts.
    pub(super) fn frequency(&mut self, of: Option<&str>) -> Result<(&'static str, Value)> {
        let order = with_role(&self.schema, Role::Order);
        match (of, order) {
            (None | Some("orders"), Some(order)) => {
                let (_, _, at) = self.read(order);
                Ok(("orders", Value::Code(at)))
            }
            (None | Some("events"), _) => Ok(("events", Value::Time)),
            (Some("days"), _) => Ok(("days", Value::Day)),
            (Some("orders"), None) => Err(Error::wrong(
                format!("{}.params.of", self.path),
                format!(
                    "events or days, since {:?} has no column of role order",
                    self.dataset
                ),
                "\"orders\"",
            )),
            (Some(other), _) => Err(Error::wrong(
                format!("{}.params.of", self.path),
                one_of(&["orders", "events", "days"], other),
                format!("{other:?}"),
            )),
        }
    }

    pub(super) fn tests(&mut self, filter: &[Condition]) -> Result<Vec<Test>> {
        let one = filter.len() == 1;
        let conditions = filter.iter().enumerate();
        conditions
            .map(|(i, condition)| {
                let path = if one {
                    format!("{}.filter", self.path)
                } else {
                    format!("{}.filter[{i}]", self.path)
                };
                let column = format!("{path}.column");
                let value = format!("{path}.{}", condition.op.as_str());
                self.test(&column, &value, condition)
            })
            .collect()
    }

    /// That `params.column` has `params.value`.
    pub(super) fn value_test(&mut self, params: &Params) -> Result<Test> {
        let condition = Condition {
            column: params.column.clone().unwrap_or_default(),
            op: Op::Equals,
            values: params.value.iter().cloned().collect(),
        };
        let column = format!("{}.params.column", self.path);
        let value = format!("{}.params.value", self.path);
        self.test(&column, &value, &condition)
    }

    fn test(&mut self, column: &str, value: &str, condition: &Condition) -> Result<Test> {
        let at = named(column, self.dataset, &self.schema, &condition.column)?;
        let (name, data_type, at) = self.read(at);
        let ordered = !matches!(condition.op, Op::Equals | Op::NotEquals | Op::In);
        let is_word = matches!(data_type, DataType::Utf8 | DataType::Boolean);
        if ordered && is_word {
            let expected = format!(
                "equals, not_equals or in for {name:?} of type {}",
                words(&data_type)
            );
            return Err(Error::wrong(value, expected, condition.op.as_str()));
        }
        let values = literals(value, &name, &data_type, &condition.values)?;
        Ok(Test {
            column: at,
            op: condition.op,
            values,
        })
    }

    /// Has the source read a column.
    pub(super) fn read(&mut self, at: usize) -> (String, DataType, usize) {
        let field = self.schema.field(at);
        let (name, data_type) = (field.name().clone(), field.data_type().clone());
        let at = self.source.column(&name, &data_type);
        (name, data_type, at)
    }
}

pub(super) fn with_role(schema: &Schema, role: Role) -> Option<usize> {
    let mut fields = schema.fields().iter();
    fields.position(|field| role_of(field) == Some(role))
}

pub(super) fn named(path: &str, dataset: &str, schema: &Schema, name: &str) -> Result<usize> {
    schema.index_of(name).map_err(|_| {
        let known: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
        let expected = format!("a column of {dataset:?}, {}", one_of(&known, name));
        Error::wrong(path, expected, format!("{name:?}"))
    })
}

/// Types that a feature's column can have.
pub(super) fn is_plain(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Utf8
            | DataType::Int64
            | DataType::Float64
            | DataType::Boolean
            | DataType::Timestamp(_, _)
            | DataType::Date32
            | DataType::Decimal128(_, _)
    )
}

fn number_of(data_type: &DataType) -> Option<Number> {
    match data_type {
        DataType::Int64 => Some(Number::Int),
        DataType::Float64 => Some(Number::Float),
        DataType::Decimal128(_, scale) => Some(Number::Decimal(*scale)),
        _ => None,
    }
}

/// Constants in the type of the column they are compared with.
pub(super) fn literals(
    path: &str,
    name: &str,
    data_type: &DataType,
    given: &[Literal],
) -> Result<Literals> {
    let wrong = |expected: &str, found: &Literal| {
        let found = match found {
            Literal::Bool(v) => v.to_string(),
            Literal::Int(v) => v.to_string(),
            Literal::Float(v) => v.to_string(),
            Literal::Text(v) => format!("{v:?}"),
        };
        let expected = format!(
            "{expected}, as column {name:?} is of type {}",
            words(data_type)
        );
        Error::wrong(path, expected, found)
    };
    let values = given.iter();
    match data_type {
        DataType::Utf8 => values
            .map(|value| match value {
                Literal::Text(text) => Ok(text.clone()),
                other => Err(wrong("text", other)),
            })
            .collect::<Result<_>>()
            .map(Literals::Text),
        DataType::Boolean => values
            .map(|value| match value {
                Literal::Bool(value) => Ok(*value),
                other => Err(wrong("true or false", other)),
            })
            .collect::<Result<_>>()
            .map(Literals::Bool),
        DataType::Int64 => values
            .map(|value| match value {
                Literal::Int(value) => Ok(*value),
                other => Err(wrong("an integer", other)),
            })
            .collect::<Result<_>>()
            .map(Literals::Int),
        DataType::Float64 => values
            .map(|value| match value {
                Literal::Int(value) => Ok(*value as f64),
                Literal::Float(value) => Ok(*value),
                other => Err(wrong("a number", other)),
            })
            .collect::<Result<_>>()
            .map(Literals::Float),
        DataType::Decimal128(_, scale) => values
            .map(|value| {
                let text = match value {
                    Literal::Int(value) => value.to_string(),
                    Literal::Float(value) => value.to_string(),
                    other => return Err(wrong("a number", other)),
                };
                decimal(&text, *scale)
                    .ok_or_else(|| wrong(&format!("a number of at most {scale} decimals"), value))
            })
            .collect::<Result<_>>()
            .map(Literals::Decimal),
        other => Err(Error::wrong(
            path,
            "a column of type string, int64, float64, decimal or bool",
            format!("{name:?} of type {}", words(other)),
        )),
    }
}

/// A decimal's digits at a scale, when it has no more.
fn decimal(text: &str, scale: i8) -> Option<i128> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let room = usize::try_from(scale).ok()?.checked_sub(part.len())?;
    let digits = format!("{whole}{part}{}", "0".repeat(room));
    let value = digits.parse::<i128>().ok()?;
    Some(sign * value)
}
