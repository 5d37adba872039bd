//! Puts values in the place of a statement's parameters.
//!
//! `$name` and `$1` become typed literals of the parsed statement, so a value can never be
//! read as SQL. A list becomes an array, and within `IN (...)` its elements.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::Array;
use datafusion::sql::sqlparser::ast::Expr;
use datafusion::sql::sqlparser::ast::Query;
use datafusion::sql::sqlparser::ast::SetExpr;
use datafusion::sql::sqlparser::ast::UnaryOperator;
use datafusion::sql::sqlparser::ast::Value as Literal;
use datafusion::sql::sqlparser::ast::VisitMut;
use datafusion::sql::sqlparser::ast::VisitorMut;
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;
use lode_types::Value;

use crate::failure::Failed;

/// The values of one statement.
pub(crate) struct Binder<'a> {
    values: &'a BTreeMap<String, Value>,
    used: BTreeSet<String>,
}

impl<'a> Binder<'a> {
    /// Values by name without `$`.
    pub(crate) fn new(values: &'a BTreeMap<String, Value>) -> Self {
        let used = BTreeSet::new();
        Self { values, used }
    }

    /// Binds a part of the statement.
    pub(crate) fn bind(&mut self, part: &mut impl VisitMut) -> Result<(), Failed> {
        match part.visit(self) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(failed) => Err(failed),
        }
    }

    /// Refuses values that no part has used.
    pub(crate) fn finish(self) -> Result<(), Failed> {
        match self.values.keys().find(|name| !self.used.contains(*name)) {
            None => Ok(()),
            Some(name) => {
                let used: Vec<_> = self.used.iter().map(|name| format!("${name}")).collect();
                let used = match used.is_empty() {
                    true => "none".to_owned(),
                    false => used.join(", "),
                };
                Err(Failed::invalid(format!(
                    "parameter {name:?}: expected a name that the statement uses ({used}), found a value for ${name}"
                )))
            }
        }
    }

    fn value(&mut self, placeholder: &str) -> Result<&'a Value, Failed> {
        let name = placeholder.strip_prefix('$').unwrap_or_default();
        if name.is_empty() {
            return Err(Failed::invalid(format!(
                "expected a parameter as $name or $1, found {placeholder}"
            )));
        }
        let Some((name, value)) = self.values.get_key_value(name) else {
            let given: Vec<_> = self.values.keys().map(|name| format!("${name}")).collect();
            let given = match given.is_empty() {
                true => "none".to_owned(),
                false => given.join(", "),
            };
            return Err(Failed::invalid(format!(
                "parameter {placeholder}: expected a value for it, found values for {given}"
            )));
        };
        self.used.insert(name.clone());
        Ok(value)
    }

    fn replace(&mut self, expr: &mut Expr) -> Result<(), Failed> {
        if let Expr::InList { list, .. } = expr {
            let mut spread = Vec::with_capacity(list.len());
            for item in std::mem::take(list) {
                match placeholder(&item) {
                    Some(name) => match self.value(name)? {
                        Value::List(values) => {
                            for value in values {
                                spread.push(literal(name, value)?);
                            }
                        }
                        value => spread.push(literal(name, value)?),
                    },
                    None => spread.push(item),
                }
            }
            *list = spread;
        }
        if let Some(name) = placeholder(expr) {
            *expr = literal(name, self.value(name)?)?;
        }
        if let Expr::Value(value) = &*expr
            && let Literal::Number(digits, _) = &value.value
            && is_float(digits)
        {
            *expr = float(digits)?;
        }
        Ok(())
    }
}

impl VisitorMut for Binder<'_> {
    type Break = Failed;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Failed> {
        if let SetExpr::Values(values) = query.body.as_mut() {
            for cell in values.rows.iter_mut().flat_map(|row| row.iter_mut()) {
                if let Err(failed) = as_float(cell) {
                    return ControlFlow::Break(failed);
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Failed> {
        match self.replace(expr) {
            Ok(()) => ControlFlow::Continue(()),
            Err(failed) => ControlFlow::Break(failed),
        }
    }
}

fn placeholder(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Value(value) => match &value.value {
            Literal::Placeholder(name) => Some(name),
            _ => None,
        },
        _ => None,
    }
}

fn literal(name: &str, value: &Value) -> Result<Expr, Failed> {
    let plain = |literal: Literal| Expr::Value(literal.into());
    Ok(match value {
        Value::Null => plain(Literal::Null),
        Value::Bool(value) => plain(Literal::Boolean(*value)),
        Value::Int(value) => signed(*value < 0, value.unsigned_abs().to_string()),
        Value::Float(value) if value.is_finite() => {
            signed(value.is_sign_negative(), format!("{:?}", value.abs()))
        }
        Value::Float(value) => float(&value.to_string())?,
        Value::Text(value) => plain(Literal::SingleQuotedString(value.clone())),
        Value::Time(value) => parsed(&format!(
            "arrow_cast(CAST({} AS BIGINT), 'Timestamp(Microsecond, Some(\"UTC\"))')",
            value.0
        ))?,
        Value::List(values) => Expr::Array(Array {
            elem: values
                .iter()
                .map(|value| literal(name, value))
                .collect::<Result<_, _>>()?,
            named: true,
        }),
        other => {
            return Err(Failed::invalid(format!(
                "parameter {name}: expected a number, text, time, null or a list of them, found {}",
                match other {
                    Value::Map(_) => "a record",
                    _ => "another value",
                }
            )));
        }
    })
}

fn signed(negative: bool, digits: String) -> Expr {
    let number = Expr::Value(Literal::Number(digits, false).into());
    match negative {
        true => Expr::UnaryOp {
            op: UnaryOperator::Minus,
            expr: Box::new(number),
        },
        false => number,
    }
}

/// Most digits of a decimal.
const MAX_DIGITS: usize = 38;

/// Whether a number is written as a float, with an exponent, or has more digits than a decimal.
fn is_float(digits: &str) -> bool {
    let n = digits.bytes().filter(u8::is_ascii_digit).count();
    digits.contains(['e', 'E']) || (digits.contains('.') && n > MAX_DIGITS)
}

/// Makes a float of a number with a point, in rows that are written out.
fn as_float(cell: &mut Expr) -> Result<(), Failed> {
    match cell {
        Expr::UnaryOp { expr, .. } => as_float(expr),
        Expr::Value(value) => match &value.value {
            Literal::Number(digits, _) if digits.contains('.') => {
                *cell = float(digits)?;
                Ok(())
            }
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

fn float(digits: &str) -> Result<Expr, Failed> {
    parsed(&format!("CAST('{}' AS DOUBLE)", digits.replace('_', "")))
}

fn parsed(text: &str) -> Result<Expr, Failed> {
    Parser::new(&GenericDialect {})
        .try_with_sql(text)
        .and_then(|mut parser| parser.parse_expr())
        .map_err(|error| Failed::parsing(&error))
}
