//! Reads the columns of a table: all features for a fit, those of a plan for a score.
//!
//! Invariant: the same columns and plan give the same frame, in a fit and in a score.

use std::collections::HashMap;

use lode_plugin::ColumnType;
use lode_plugin::Context;
use lode_plugin::Error;
use lode_plugin::Features;
use lode_plugin::Ids;
use lode_plugin::Result;
use lode_plugin::Role;
use lode_plugin::Table;
use lode_plugin::Values as Read;
use lode_plugin::arrow_schema::DataType;
use lode_plugin::role_of;

use super::Frame;
use super::INPUT;
use super::Kind;
use super::LARGEST;
use super::MISSING;
use super::OTHER;
use super::Plan;
use super::Values;
use super::Words;
use super::label::place;

/// A column before any plan.
#[derive(Debug)]
pub(crate) struct Raw {
    pub(super) name: String,
    pub(super) values: Read,
    pub(super) is_bool: bool,
    pub(super) is_item: bool,
}

impl Raw {
    /// All features of a table: the columns without a role that are numbers, booleans or text
    /// and not in `exclude`, and the column of role item; in the order of the table.
    ///
    /// # Errors
    /// `INPUT_INVALID` when there are none, `exclude` names a column that is not there, or a
    /// number is beyond [`LARGEST`].
    pub(crate) fn all(table: &Table, exclude: &[String], cx: &Context<'_>) -> Result<Vec<Self>> {
        for name in exclude {
            table.require_named(name)?;
        }
        let mut features = Vec::new();
        let n_columns = table.schema().fields().len().max(1) as f64;
        for (index, column) in table.columns().enumerate() {
            cx.check_cancelled()?;
            cx.progress(0.25 * index as f64 / n_columns, "reading columns");
            if exclude.iter().any(|name| name == column.name()) {
                continue;
            }
            let is_bool = *column.field().data_type() == DataType::Boolean;
            let (values, is_item) = match role_of(column.field()) {
                None => match column.feature(Features::All)? {
                    Some(feature) => (feature.values, false),
                    None => {
                        cx.warn(&format!(
                            "column {:?} is not used: {} is neither a number, a boolean nor text; \
                             the days since a date would be",
                            column.name(),
                            words_of(column.field().data_type())
                        ));
                        continue;
                    }
                },
                Some(Role::Item) => (category(column.ids()?), true),
                Some(_) => continue,
            };
            let name = column.name().to_owned();
            if let Read::Number(values) = &values {
                refuse_too_large(table, &name, values)?;
            }
            features.push(Self {
                name,
                values,
                is_bool,
                is_item,
            });
        }
        if features.is_empty() {
            return Err(Error::invalid(
                format!("inputs.{INPUT}"),
                "expected at least one column of numbers, booleans or text without a role, found none",
            ));
        }
        Ok(features)
    }

    /// The columns that a plan names, in its order.
    ///
    /// # Errors
    /// `INPUT_INVALID` when one is not there, has another type than in the fit, or a number
    /// beyond [`LARGEST`].
    pub(crate) fn planned(table: &Table, plan: &Plan, cx: &Context<'_>) -> Result<Vec<Self>> {
        let mut features = Vec::with_capacity(plan.features.len());
        for planned in &plan.features {
            cx.check_cancelled()?;
            let column = table.require_named(&planned.name)?;
            let of_type = ColumnType::from_arrow(column.field().data_type());
            let values = match &planned.kind {
                Kind::Number if column.is_numeric() => {
                    let values = column.numbers()?;
                    refuse_too_large(table, &planned.name, &values)?;
                    Read::Number(values)
                }
                Kind::Category { .. } if of_type == Some(ColumnType::String) => {
                    category(column.ids()?)
                }
                Kind::Item { .. } => category(column.ids()?),
                _ => {
                    return Err(Error::invalid(
                        format!("inputs.{INPUT}.{}", planned.name),
                        format!(
                            "expected the type it had in the fit, found {}",
                            column.field().data_type()
                        ),
                    ));
                }
            };
            features.push(Self {
                name: planned.name.clone(),
                values,
                is_bool: *column.field().data_type() == DataType::Boolean,
                is_item: matches!(planned.kind, Kind::Item { .. }),
            });
        }
        Ok(features)
    }
}

impl Frame {
    /// The frame of `features`, which are those of the plan in its order, and the words in
    /// which their values are shown.
    pub(crate) fn of(
        plan: &Plan,
        features: Vec<Raw>,
        n_rows: usize,
        cx: &Context<'_>,
    ) -> Result<(Self, Words)> {
        let mut frame = Self {
            columns: Vec::with_capacity(features.len()),
            n_rows,
            durations: None,
            customers: None,
        };
        let mut words = Words::default();
        for (planned, raw) in plan.features.iter().zip(features) {
            cx.check_cancelled()?;
            match raw.values {
                Read::Number(values) => {
                    frame.columns.push(Values::Number(values));
                    words.push_number(raw.is_bool);
                }
                Read::Category { codes, names } => {
                    let levels = planned.kind.levels().unwrap_or_default();
                    frame.columns.push(Values::Category {
                        codes: placed(&codes, &names, levels),
                        n_levels: u32::try_from(levels.len()).unwrap_or(OTHER),
                    });
                    words.push_text(codes, names);
                }
            }
        }
        Ok((frame, words))
    }
}

/// What a column of no use is, in words.
fn words_of(data_type: &DataType) -> &'static str {
    match data_type {
        DataType::Date32 | DataType::Date64 => "a date",
        DataType::Timestamp(..) => "a time",
        _ => "its type",
    }
}

fn category(ids: Ids) -> Read {
    Read::Category {
        codes: ids.codes,
        names: ids.names,
    }
}

/// Codes of `names` as codes of `levels`.
fn placed(codes: &[u32], names: &[String], levels: &[String]) -> Vec<u32> {
    let by_name: HashMap<&str, u32> = levels.iter().map(String::as_str).zip(0..).collect();
    let places: Vec<u32> = names
        .iter()
        .map(|name| by_name.get(name.as_str()).copied().unwrap_or(OTHER))
        .collect();
    let place = |code: &u32| places.get(*code as usize).copied().unwrap_or(MISSING);
    codes.iter().map(place).collect()
}

/// Of infinities no reason could be given, and sums of squares of larger numbers are infinite.
fn refuse_too_large(table: &Table, name: &str, values: &[f64]) -> Result<()> {
    match values.iter().position(|value| value.abs() > LARGEST) {
        Some(row) => Err(Error::invalid(
            format!("inputs.{INPUT}.{name}"),
            format!(
                "expected finite numbers of at most {LARGEST:e}, found {:e} {}",
                values[row],
                place(table, row)
            ),
        )),
        None => Ok(()),
    }
}
