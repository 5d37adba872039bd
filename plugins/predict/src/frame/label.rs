//! Reads the outcome to learn: which rows are yes, which no, which not known.
//!
//! The rule is the judge's own, [`lode_numeric::label`]: what the algorithm learns as yes is
//! what the engine counts as yes.

use std::collections::BTreeMap;

use lode_numeric::label;
use lode_plugin::Error;
use lode_plugin::Ids;
use lode_plugin::Result;
use lode_plugin::Role;
use lode_plugin::Table;

use super::params::Params;

/// The outcome of each row; none where it is null.
pub(super) fn read(table: &Table, params: &Params) -> Result<Vec<Option<bool>>> {
    let column = table.require(Role::Label)?;
    let values = texts(table)?;
    let words = values
        .codes
        .iter()
        .map(|&code| values.names.get(code as usize).map(String::as_str));
    label::binary(words, params.positive.as_deref()).map_err(|error| {
        let field = format!("inputs.customers.{}", column.name());
        Error::invalid(field, error.to_string())
    })
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
    for (code, place) in names.values_mut().enumerate() {
        *place = code as u32;
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
