//! Reads the columns with a role: who, what is to be learned, how much a row counts.
//!
//! The rule for yes and no is the judge's own, [`lode_numeric::label`]: what an algorithm
//! learns as yes is what the engine counts as yes.

use std::collections::BTreeMap;

use lode_numeric::label;
use lode_plugin::ColumnType;
use lode_plugin::Error;
use lode_plugin::Ids;
use lode_plugin::Result;
use lode_plugin::Role;
use lode_plugin::Table;

use super::INPUT;
use super::LARGEST;
use crate::params::NoParams;
use crate::params::Part;
use crate::params::YesNoParams;
use crate::params::plain;

/// A kind of label.
pub trait Target: std::fmt::Debug + Send + Sync + 'static {
    /// What a user may ask about it.
    type Params: Part;
    /// The types of its column.
    const TYPES: &'static [ColumnType];
    /// Whether it is yes or no.
    const IS_BINARY: bool;
    /// Whether it is one of several.
    const HAS_CLASSES: bool = false;

    /// The labels.
    ///
    /// # Errors
    /// `INPUT_INVALID` for a label that cannot be learned; the message says what was found.
    fn read(table: &Table, params: &Self::Params) -> Result<Labels>;
}

/// What a label says.
#[derive(Debug)]
pub struct Labels {
    /// Of each row: 1 and 0 for yes and no, an amount, or the number of a class; none where it is
    /// not known.
    pub values: Vec<Option<f64>>,
    /// The classes by name, where there are some.
    pub classes: Vec<String>,
}

impl Labels {
    fn numbers(values: Vec<Option<f64>>) -> Self {
        Self {
            values,
            classes: Vec::new(),
        }
    }
}

/// Two values, one of which means yes.
#[derive(Debug)]
pub struct YesNo;

impl Target for YesNo {
    type Params = YesNoParams;
    const TYPES: &'static [ColumnType] = &[
        ColumnType::Bool,
        ColumnType::Int64,
        ColumnType::String,
        ColumnType::Float64,
    ];
    const IS_BINARY: bool = true;

    fn read(table: &Table, params: &YesNoParams) -> Result<Labels> {
        let values = texts(table)?;
        let words = values
            .codes
            .iter()
            .map(|&code| values.names.get(code as usize).map(String::as_str));
        let found = label::binary(words, params.positive.as_deref());
        let found = found.map_err(|error| refused(table, Role::Label, error.to_string()))?;
        let number = |label: bool| f64::from(u8::from(label));
        let found = found.into_iter().map(|label| label.map(number));
        Ok(Labels::numbers(found.collect()))
    }
}

/// An amount: any finite number.
#[derive(Debug)]
pub struct Amount;

impl Target for Amount {
    type Params = NoParams;
    const TYPES: &'static [ColumnType] = &[ColumnType::Float64, ColumnType::Int64];
    const IS_BINARY: bool = false;

    fn read(table: &Table, _: &NoParams) -> Result<Labels> {
        let numbers = table.numbers(Role::Label)?;
        if let Some(row) = numbers.iter().position(|number| number.abs() > LARGEST) {
            let found = format!(
                "expected finite amounts of at most {LARGEST:e}, found {:e} {}",
                numbers[row],
                place(table, row)
            );
            return Err(refused(table, Role::Label, found));
        }
        if numbers.iter().all(|number| number.is_nan()) {
            let found = "expected at least one row with an amount, found none";
            return Err(refused(table, Role::Label, found));
        }
        let known = |number: f64| (!number.is_nan()).then_some(number);
        Ok(Labels::numbers(numbers.into_iter().map(known).collect()))
    }
}

/// One of several values.
#[derive(Debug)]
pub struct OneOf;

/// Most values of a label that is one of several.
const MAX_CLASSES: usize = 100;

impl Target for OneOf {
    type Params = NoParams;
    const TYPES: &'static [ColumnType] = &[ColumnType::String, ColumnType::Int64, ColumnType::Bool];
    const IS_BINARY: bool = false;
    const HAS_CLASSES: bool = true;

    fn read(table: &Table, _: &NoParams) -> Result<Labels> {
        let values = texts(table)?;
        let words = values
            .codes
            .iter()
            .map(|&code| values.names.get(code as usize).map(String::as_str));
        let (found, classes) = label::classes(words);
        if !(2..=MAX_CLASSES).contains(&classes.len()) {
            let shown: Vec<String> = classes
                .iter()
                .take(5)
                .map(|name| format!("{name:?}"))
                .collect();
            let more = if classes.len() > 5 { ", ..." } else { "" };
            let message = format!(
                "expected a label with 2 to {MAX_CLASSES} values, found {}: {}{more}",
                classes.len(),
                shown.join(", ")
            );
            return Err(refused(table, Role::Label, message));
        }
        // Each is a column of the answer.
        if let Some(name) = classes.iter().find(|name| name.contains('\0')) {
            let message = format!("expected values without a zero byte, found {name:?}");
            return Err(refused(table, Role::Label, message));
        }
        let values = found.into_iter().map(|class| class.map(f64::from));
        Ok(Labels {
            values: values.collect(),
            classes,
        })
    }
}

/// The label as codes of texts; numbers with a fraction are written out.
fn texts(table: &Table) -> Result<Ids> {
    let column = table.require(Role::Label)?;
    if let Ok(ids) = column.ids() {
        return Ok(ids);
    }
    let numbers = column.numbers()?;
    let mut names = BTreeMap::new();
    for number in numbers.iter().filter(|number| !number.is_nan()) {
        names.insert((number + 0.0).to_string(), 0_u32);
    }
    for (place, code) in names.values_mut().zip(0..) {
        *place = code;
    }
    let codes = numbers.iter().map(|number| {
        let code = names.get(&(number + 0.0).to_string());
        code.copied().unwrap_or(Ids::NONE)
    });
    Ok(Ids {
        codes: codes.collect(),
        names: names.into_keys().collect(),
    })
}

/// Who each row is of.
pub(crate) fn customers(table: &Table) -> Result<Vec<Option<String>>> {
    table.require(Role::CustomerId)?.texts()
}

/// The number of each row's customer, where one has several rows; rows without one are each
/// somebody's.
pub(crate) fn customer_numbers(table: &Table) -> Result<Option<Vec<u32>>> {
    let ids = table.require(Role::CustomerId)?.ids()?;
    let mut next = ids.names.len() as u32;
    let mut number = |code: u32| match code {
        Ids::NONE => {
            next = next.saturating_add(1);
            next - 1
        }
        code => code,
    };
    let numbers: Vec<u32> = ids.codes.iter().map(|code| number(*code)).collect();
    let n_named = numbers.iter().zip(&ids.codes);
    let n_named = n_named.filter(|(_, code)| **code != Ids::NONE).count();
    Ok((ids.names.len() < n_named).then_some(numbers))
}

/// Which product each row is of, if the table says so.
pub(crate) fn items(table: &Table) -> Result<Option<Vec<Option<String>>>> {
    let column = table.column(Role::Item);
    column.map(|column| column.texts()).transpose()
}

/// How much each of the rows `learned` counts, if the table says so.
pub(crate) fn weights(table: &Table, learned: &[usize]) -> Result<Option<Vec<f64>>> {
    let Some(column) = table.column(Role::Weight) else {
        return Ok(None);
    };
    let all = column.numbers()?;
    let weights: Vec<f64> = learned.iter().map(|row| all[*row]).collect();
    let is_weight = |weight: &f64| (0.0..=LARGEST).contains(weight);
    if let Some(at) = weights.iter().position(|weight| !is_weight(weight)) {
        let found = if weights[at].is_nan() {
            "none".to_owned()
        } else {
            plain(weights[at])
        };
        let words = format!(
            "expected a weight of 0 to {LARGEST:e}, found {found} {}",
            place(table, learned[at])
        );
        return Err(refused(table, Role::Weight, words));
    }
    if !weights.is_empty() && !weights.iter().any(|weight| *weight > 0.0) {
        let words = "expected a weight above 0 in a row with a label, found none";
        return Err(refused(table, Role::Weight, words));
    }
    Ok(Some(weights))
}

/// How long each customer was watched; NaN where it is not known. None when there is no such
/// column, which a fit cannot do without and a score can.
pub(crate) fn durations(table: &Table, needed: bool) -> Result<Option<Vec<f64>>> {
    let column = match (table.column(Role::Duration), needed) {
        (None, false) => return Ok(None),
        _ => table.require(Role::Duration)?,
    };
    let durations = column.numbers()?;
    let bad = |duration: &f64| *duration < 0.0 || *duration > LARGEST;
    if let Some(row) = durations.iter().position(bad) {
        let found = format!(
            "expected 0 to {LARGEST:e}, found {} {}",
            plain(durations[row]),
            place(table, row)
        );
        return Err(refused(table, Role::Duration, found));
    }
    Ok(Some(durations))
}

/// Where a row is found: by its customer, since an engine that judges gives some of the rows and
/// their numbers say nothing.
pub(super) fn place(table: &Table, row: usize) -> String {
    let customers = table.column(Role::CustomerId).map(|column| column.texts());
    match customers {
        Some(Ok(customers)) if customers[row].is_some() => {
            format!(
                "for customer {:?}",
                customers[row].as_deref().unwrap_or_default()
            )
        }
        _ => format!("in row {row}"),
    }
}

fn refused(table: &Table, role: Role, message: impl Into<String>) -> Error {
    let field = match table.column(role) {
        Some(column) => format!("inputs.{INPUT}.{}", column.name()),
        None => format!("inputs.{INPUT}"),
    };
    Error::invalid(field, message)
}
