//! Reads the outcome to learn: which rows are yes, which no, which not known.
//!
//! Does not guess: a label that is not plainly yes or no is refused with what was found.

use std::collections::BTreeMap;

use lode_plugin::Error;
use lode_plugin::Ids;
use lode_plugin::Result;
use lode_plugin::Role;
use lode_plugin::Table;

use super::params::Params;

/// The outcome of each row; none where it is null.
pub(super) fn read(table: &Table, params: &Params) -> Result<Vec<Option<bool>>> {
    let column = table.require(Role::Label)?;
    let field = format!("inputs.customers.{}", column.name());
    let values = texts(table)?;
    let classes: Vec<Option<bool>> = match &params.positive {
        Some(positive) => {
            let found = values.names.iter();
            found.map(|name| Some(name == positive)).collect()
        }
        None => values.names.iter().map(|name| word(name)).collect(),
    };
    if params.positive.is_some() && values.names.len() > 2 {
        return Err(Error::invalid(
            field,
            format!(
                "expected a label with two values, found {}",
                listed(&values.names)
            ),
        ));
    }
    if classes.contains(&None) {
        return Err(Error::invalid(
            field,
            format!(
                "expected yes and no, true and false or 1 and 0 (or the parameter positive to \
                 say which value means yes), found {}",
                listed(&values.names)
            ),
        ));
    }
    for class in [true, false] {
        if !classes.contains(&Some(class)) {
            return Err(Error::invalid(
                field,
                format!(
                    "expected rows of both outcomes, found {}{}",
                    listed(&values.names),
                    match &params.positive {
                        Some(positive) if class => format!(", none of it {positive:?}"),
                        _ => String::new(),
                    }
                ),
            ));
        }
    }
    let of = |code: &u32| classes.get(*code as usize).copied().flatten();
    Ok(values.codes.iter().map(of).collect())
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

fn word(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "yes" | "true" | "y" | "t" | "1" => Some(true),
        "no" | "false" | "n" | "f" | "0" => Some(false),
        _ => None,
    }
}

fn listed(names: &[String]) -> String {
    if names.is_empty() {
        return "no value".to_owned();
    }
    let first: Vec<String> = names
        .iter()
        .take(5)
        .map(|name| format!("{name:?}"))
        .collect();
    match names.len() {
        n if n > 5 => format!("{} and {} more", first.join(", "), n - 5),
        1 => format!("only {}", first[0]),
        _ => first.join(", "),
    }
}
