//! Decides which column holds which of the algorithm's roles, and checks their types.

use std::collections::BTreeMap;

use lode_types::ColumnType;
use lode_types::InputColumn;
use lode_types::InputSpec;
use lode_types::Role;

use super::BoundColumn;
use crate::Error;
use crate::InputRef;
use crate::Result;

/// The columns with the roles that the algorithm asks for; each role it
/// needs is held by a column of a type it takes. Roles that it does not ask for are taken
/// off, so that their columns can be features.
pub(super) fn bind(
    algorithm: &str,
    wanted: &InputSpec,
    given: &InputRef,
    mut columns: Vec<BoundColumn>,
) -> Result<Vec<BoundColumn>> {
    let field = format!("spec.inputs.{}", wanted.name);
    let named = given.roles.values().map(|name| (name, "roles"));
    let excluded = given.exclude.iter().map(|name| (name, "exclude"));
    for (name, list) in named.chain(excluded) {
        if !columns.iter().any(|column| column.name == *name) {
            let known: Vec<&str> = columns.iter().map(|c| c.name.as_str()).take(30).collect();
            return Err(Error::invalid(
                "COLUMN_NOT_FOUND",
                format!("{field}.{list}"),
                format!("no column {name:?}: expected one of {}", known.join(", ")),
            ));
        }
    }
    for role in given.roles.keys() {
        if !wanted.columns.iter().any(|column| column.role == *role) {
            let known: Vec<&str> = wanted.columns.iter().map(|c| c.role.as_str()).collect();
            return Err(Error::invalid(
                "UNKNOWN_ROLE",
                format!("{field}.roles"),
                format!(
                    "{algorithm} takes no role {role}: expected one of {}",
                    known.join(", ")
                ),
            ));
        }
    }
    columns.retain(|column| !given.exclude.contains(&column.name));

    let holders: BTreeMap<Role, String> = wanted
        .columns
        .iter()
        .filter_map(|want| holder(want.role, given, &columns).map(|name| (want.role, name)))
        .collect();
    for (role, name) in &holders {
        let other = holders
            .iter()
            .find(|(other, of)| *other > role && *of == name);
        let asked = |role: &Role| given.roles.contains_key(role);
        if let Some((other, _)) = other.filter(|(other, _)| asked(role) || asked(other)) {
            return Err(Error::invalid(
                "ROLE_TWICE",
                format!("{field}.roles"),
                format!("expected a column for each role, found {name:?} as {role} and as {other}"),
            ));
        }
    }
    for want in &wanted.columns {
        let Some(name) = holders.get(&want.role) else {
            if want.optional {
                continue;
            }
            return Err(missing_role(algorithm, wanted, want, &field, &columns));
        };
        let column = columns.iter().find(|column| column.name == *name);
        let found = column.map(|column| column.column_type);
        if let Some(found) = found.filter(|found| !found.serves(&want.types)) {
            return Err(Error::invalid(
                "ROLE_WRONG_TYPE",
                format!("{field}.roles"),
                format!(
                    "column {name:?} as {}: expected type {}, found {found}",
                    want.role,
                    type_words(&want.types)
                ),
            ));
        }
    }
    for column in &mut columns {
        column.role = holders
            .iter()
            .find(|(_, name)| **name == column.name)
            .map(|(role, _)| *role);
    }
    Ok(columns)
}

fn missing_role(
    algorithm: &str,
    wanted: &InputSpec,
    want: &InputColumn,
    field: &str,
    columns: &[BoundColumn],
) -> Error {
    let known: Vec<&str> = columns.iter().map(|c| c.name.as_str()).take(30).collect();
    Error::invalid(
        "MISSING_ROLE",
        format!("{field}.roles"),
        format!(
            "input {:?} of {algorithm} needs a column with role {} ({}, of type {}), found none; \
             give the role to one of {}",
            wanted.name,
            want.role,
            want.description,
            type_words(&want.types),
            known.join(", ")
        ),
    )
}

/// Named in the spec, else of that role in the source, else of the role's own name; but what
/// is merely called "weight" may be a person's, and is a feature.
fn holder(role: Role, given: &InputRef, columns: &[BoundColumn]) -> Option<String> {
    if let Some(name) = given.roles.get(&role) {
        return Some(name.clone());
    }
    let by_role = columns.iter().find(|column| column.role == Some(role));
    let by_name = || {
        columns
            .iter()
            .find(|column| column.name.eq_ignore_ascii_case(role.as_str()))
    };
    let found = match role {
        Role::Weight => by_role,
        _ => by_role.or_else(by_name),
    };
    found.map(|column| column.name.clone())
}

fn type_words(types: &[ColumnType]) -> String {
    let words: Vec<String> = types.iter().map(ToString::to_string).collect();
    words.join(" or ")
}
