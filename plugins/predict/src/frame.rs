//! Reads the columns of a table as a model wants them, and gives each row's contributions.
//!
//! Does not learn anything. Invariant: a value that the model cannot place contributes as an
//! unknown one, never an error; a column that is not there is an error that names it.

use std::collections::HashMap;

use arrow_schema::DataType;
use lode_plugin::Context;
use lode_plugin::Error;
use lode_plugin::Feature;
use lode_plugin::Features;
use lode_plugin::Ids;
use lode_plugin::Result;
use lode_plugin::Table;
use lode_plugin::Values;

use super::model::Kind;
use super::model::LogisticModel;

/// A table's columns in the order of a model's features.
#[derive(Debug)]
pub(super) struct Encoded {
    columns: Vec<Column>,
    n_rows: usize,
}

#[derive(Debug)]
struct Column {
    /// What the weights make of each row's value, less the center.
    contributions: Vec<f64>,
    shown: Shown,
}

/// How the values are written in reasons.
#[derive(Debug)]
enum Shown {
    Number(Vec<f64>),
    Bool(Vec<f64>),
    Text { codes: Vec<u32>, names: Vec<String> },
}

impl Encoded {
    /// Reads the columns that `model` knows.
    pub(super) fn of_table(model: &LogisticModel, table: &Table, cx: &Context<'_>) -> Result<Self> {
        let mut features = Vec::with_capacity(model.features.len());
        for known in &model.features {
            let column = table.require_named(&known.name)?;
            let wanted = match known.kind {
                Kind::Number { .. } => Features::Numeric,
                Kind::Category { .. } => Features::All,
            };
            let feature = column.feature(wanted)?.ok_or_else(|| {
                Error::invalid(
                    format!("inputs.customers.{}", known.name),
                    format!(
                        "expected the type it had in the fit, found {}",
                        column.field().data_type()
                    ),
                )
            })?;
            features.push(feature);
        }
        Self::of_features(model, features, table, cx)
    }

    /// Takes columns that were read already, one for each of the model's features, in order.
    pub(super) fn of_features(
        model: &LogisticModel,
        features: Vec<Feature>,
        table: &Table,
        cx: &Context<'_>,
    ) -> Result<Self> {
        let mut columns = Vec::with_capacity(features.len());
        for (known, feature) in model.features.iter().zip(features) {
            cx.check_cancelled()?;
            columns.push(match (&known.kind, feature.values) {
                (kind @ Kind::Number { .. }, Values::Number(values)) => {
                    refuse_infinite(&feature.name, &values)?;
                    let contributions = values
                        .iter()
                        .map(|value| kind.of_number(*value) - known.center)
                        .collect();
                    let is_bool = table
                        .column_named(&feature.name)
                        .is_some_and(|column| *column.field().data_type() == DataType::Boolean);
                    Column {
                        contributions,
                        shown: if is_bool {
                            Shown::Bool(values)
                        } else {
                            Shown::Number(values)
                        },
                    }
                }
                (kind @ Kind::Category { .. }, Values::Category { codes, names }) => {
                    let (of_name, of_null) = kind.of_names(&names);
                    let contributions = codes
                        .iter()
                        .map(|code| {
                            of_name.get(*code as usize).copied().unwrap_or(of_null) - known.center
                        })
                        .collect();
                    Column {
                        contributions,
                        shown: Shown::Text { codes, names },
                    }
                }
                (kind, _) => {
                    let wanted = match kind {
                        Kind::Number { .. } => "numbers",
                        Kind::Category { .. } => "text",
                    };
                    return Err(Error::invalid(
                        format!("inputs.customers.{}", feature.name),
                        format!("expected {wanted} as in the fit, found another type"),
                    ));
                }
            });
        }
        Ok(Self {
            columns,
            n_rows: table.n_rows(),
        })
    }

    pub(super) fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// The margin of a row: the base plus its contributions in the order of the features.
    pub(super) fn margin(&self, base: f64, row: usize) -> f64 {
        let parts = self.columns.iter().map(|column| column.contributions[row]);
        parts.fold(base, |margin, part| margin + part)
    }

    /// A row's contributions by feature index, largest absolute value first, ties by feature.
    pub(super) fn reasons(&self, row: usize, into: &mut Vec<(usize, f64)>) {
        into.clear();
        into.extend(
            self.columns
                .iter()
                .map(|column| column.contributions[row])
                .enumerate(),
        );
        into.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
    }

    /// A value as people write it; none for a null.
    pub(super) fn value(&self, feature: usize, row: usize) -> Option<String> {
        match &self.columns[feature].shown {
            Shown::Number(values) if values[row].is_nan() => None,
            Shown::Number(values) => Some(values[row].to_string()),
            Shown::Bool(values) if values[row].is_nan() => None,
            Shown::Bool(values) => Some((values[row] > 0.5).to_string()),
            Shown::Text { codes, names } => names.get(codes[row] as usize).cloned(),
        }
    }
}

impl Kind {
    /// What the weights make of a number; NaN is "missing".
    pub(super) fn of_number(&self, value: f64) -> f64 {
        match self {
            Self::Number { missing, .. } if value.is_nan() => missing.unwrap_or(0.0),
            Self::Number {
                mean, std, weight, ..
            } if *std > 0.0 => weight * (value - mean) / std,
            _ => 0.0,
        }
    }

    /// What the weights make of each of `names`, and of a null.
    pub(super) fn of_names(&self, names: &[String]) -> (Vec<f64>, f64) {
        let Self::Category {
            levels,
            weights,
            missing,
        } = self
        else {
            return (vec![0.0; names.len()], 0.0);
        };
        let by_name: HashMap<&str, f64> = levels
            .iter()
            .map(String::as_str)
            .zip(weights.iter().copied())
            .collect();
        let known = |name: &String| by_name.get(name.as_str()).copied().unwrap_or(0.0);
        (names.iter().map(known).collect(), missing.unwrap_or(0.0))
    }
}

/// Infinity is no number a regression can use.
pub(super) fn refuse_infinite(name: &str, values: &[f64]) -> Result<()> {
    match values.iter().position(|value| value.is_infinite()) {
        Some(row) => Err(Error::invalid(
            format!("inputs.customers.{name}"),
            format!(
                "expected finite numbers, found {} in row {row}",
                values[row]
            ),
        )),
        None => Ok(()),
    }
}

/// The code of "no level" in a design.
pub(super) const NO_LEVEL: u32 = Ids::NONE;
