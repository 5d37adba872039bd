//! Checks a job's params against the algorithm's JSON Schema and fills in the defaults.
//!
//! The schema is the plugin's own and the only list of what it takes, so that the help,
//! the docs and this check cannot disagree. Every refusal names the parameter, what the
//! schema expects and what was found, in few words: it travels in the head of an answer.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use jsonschema::error::ValidationErrorKind;
use lode_types::Value;
use serde_json::Map;
use serde_json::Value as Json;

use crate::Error;
use crate::Result;

/// Characters of a foreign text that are worth saying again.
const SHOWN: usize = 200;
/// Levels of choices within choices that a refusal looks into.
const DEEPEST: usize = 32;

/// The params as the plugin gets them: given values over defaults, as a JSON object with
/// its keys in order. Public for the fuzz target alone.
///
/// # Errors
/// `UNKNOWN_PARAM`, `PARAM_WRONG_TYPE`, `PARAM_OUT_OF_RANGE`, `PARAM_MISSING`, `PARAM_INVALID`.
pub fn resolve(algorithm: &str, schema: &str, given: &BTreeMap<String, Value>) -> Result<String> {
    let schema: Json =
        serde_json::from_str(schema).map_err(|error| bad_schema(algorithm, &error))?;
    let none = Map::new();
    let properties = schema
        .get("properties")
        .and_then(Json::as_object)
        .unwrap_or(&none);

    let mut params = BTreeMap::new();
    for (name, property) in properties {
        if let Some(default) = property.get("default") {
            params.insert(name.clone(), default.clone());
        }
    }
    for (name, value) in given {
        let Some(property) = properties.get(name) else {
            return Err(unknown(algorithm, name, properties));
        };
        params.insert(name.clone(), to_json(name, value, takes_integer(property))?);
    }
    let object = Json::Object(params.into_iter().collect());

    let validator =
        jsonschema::validator_for(&schema).map_err(|error| bad_schema(algorithm, &error))?;
    if let Some(error) = validator.iter_errors(&object).next() {
        return Err(refusal(&error, &schema));
    }
    Ok(object.to_string())
}

/// The names of the parameters.
pub(crate) fn names(schema: &str) -> Result<BTreeSet<String>> {
    let schema: Json = serde_json::from_str(schema)?;
    let properties = schema.get("properties").and_then(Json::as_object);
    let properties = properties.into_iter().flatten();
    Ok(properties.map(|(name, _)| name.clone()).collect())
}

fn bad_schema(algorithm: &str, error: &dyn std::fmt::Display) -> Error {
    let words = cut(&error.to_string());
    Error::bug(format!("schema of {algorithm}: {words}"))
}

fn unknown(algorithm: &str, name: &str, properties: &Map<String, Json>) -> Error {
    let mut names: Vec<&str> = properties.keys().map(String::as_str).collect();
    names.sort_unstable();
    let expected = if names.is_empty() {
        "no parameters".to_owned()
    } else {
        format!("one of {}", names.join(", "))
    };
    Error::invalid(
        "UNKNOWN_PARAM",
        field(name),
        format!(
            "{algorithm} has no parameter {:?}: expected {}",
            cut(name),
            cut(&expected)
        ),
    )
}

fn refusal(error: &jsonschema::ValidationError<'_>, schema: &Json) -> Error {
    let path = error.instance_path().to_string();
    let name = path.trim_start_matches('/').replace('/', ".");
    let property = schema_of(schema, &path);
    let mut choices = Vec::new();
    add_choices(schema, property, &mut Vec::new(), DEEPEST, &mut choices);
    let found = cut(&error.instance().to_string());
    let (reason, expected) = match error.kind() {
        ValidationErrorKind::Minimum { .. }
        | ValidationErrorKind::Maximum { .. }
        | ValidationErrorKind::ExclusiveMinimum { .. }
        | ValidationErrorKind::ExclusiveMaximum { .. } => ("PARAM_OUT_OF_RANGE", range(property)),
        ValidationErrorKind::Type { .. } => ("PARAM_WRONG_TYPE", type_of(property)),
        ValidationErrorKind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            return Error::invalid(
                "PARAM_MISSING",
                field(name),
                format!("expected parameter {:?}, found none", cut(name)),
            );
        }
        ValidationErrorKind::Enum { options } => {
            ("PARAM_OUT_OF_RANGE", format!("one of {options}"))
        }
        _ if !choices.is_empty() => (
            "PARAM_OUT_OF_RANGE",
            format!("one of {}", choices.join(", ")),
        ),
        _ => ("PARAM_INVALID", error.to_string()),
    };
    Error::invalid(
        reason,
        field(&name),
        format!(
            "parameter {:?}: expected {}, found {found}",
            cut(&name),
            cut(&expected)
        ),
    )
}

/// What the schema says of the value at a path such as `/monotone/age` or `/sets/0/1`.
fn schema_of<'a>(schema: &'a Json, path: &str) -> &'a Json {
    let mut at = schema;
    for key in path.split('/').skip(1) {
        at = referred(schema, at);
        let key = key.replace("~1", "/").replace("~0", "~");
        let named = at.get("properties").and_then(|named| named.get(&key));
        let other = at.get("additionalProperties").or_else(|| at.get("items"));
        at = named.or(other).unwrap_or(&Json::Null);
    }
    referred(schema, at)
}

/// The schema that another one only refers to; a ring of them ends.
fn referred<'a>(schema: &'a Json, mut at: &'a Json) -> &'a Json {
    for _ in 0..DEEPEST {
        let reference = at.get("$ref").and_then(Json::as_str);
        let Some(found) = reference.and_then(|to| schema.pointer(to.trim_start_matches('#')))
        else {
            break;
        };
        at = found;
    }
    at
}

/// Adds the values of a parameter that takes one of a list, whichever way its schema says so.
/// The schema is a plugin's: its references may lead in a ring, so each is followed once.
fn add_choices<'a>(
    schema: &'a Json,
    property: &'a Json,
    followed: &mut Vec<&'a str>,
    depth: usize,
    values: &mut Vec<String>,
) {
    let mut property = property;
    if let Some(reference) = property.get("$ref").and_then(Json::as_str) {
        if followed.contains(&reference) {
            return;
        }
        followed.push(reference);
        property = schema
            .pointer(reference.trim_start_matches('#'))
            .unwrap_or(property);
    }
    let Some(depth) = depth.checked_sub(1) else {
        return;
    };
    for list in ["oneOf", "anyOf"] {
        let choices = property.get(list).and_then(Json::as_array);
        for choice in choices.into_iter().flatten() {
            values.extend(choice.get("const").map(Json::to_string));
            add_choices(schema, choice, followed, depth, values);
        }
    }
    let listed = property.get("enum").and_then(Json::as_array);
    values.extend(listed.into_iter().flatten().map(Json::to_string));
}

fn range(property: &Json) -> String {
    let bound = |key: &str, word: &str| property.get(key).map(|limit| format!("{word} {limit}"));
    let bounds: Vec<String> = [
        bound("minimum", "at least"),
        bound("exclusiveMinimum", "more than"),
        bound("maximum", "at most"),
        bound("exclusiveMaximum", "less than"),
    ]
    .into_iter()
    .flatten()
    .collect();
    format!("{} {}", type_of(property), bounds.join(" and "))
}

fn type_of(property: &Json) -> String {
    match property.get("type") {
        Some(Json::String(word)) => format!("a value of type {word}"),
        Some(Json::Array(words)) => {
            let words: Vec<&str> = words.iter().filter_map(Json::as_str).collect();
            format!("a value of type {}", words.join(" or "))
        }
        _ => "a value that the schema allows".to_owned(),
    }
}

/// Whether the schema wants a whole number.
pub(crate) fn takes_integer(property: &Json) -> bool {
    match property.get("type") {
        Some(Json::String(word)) => word == "integer",
        Some(Json::Array(words)) => words.iter().any(|word| word == "integer"),
        _ => false,
    }
}

fn field(name: &str) -> String {
    format!("spec.params.{}", cut(name))
}

/// The start of a text that somebody else wrote.
fn cut(text: &str) -> String {
    let mut characters = text.chars();
    let mut start: String = characters.by_ref().take(SHOWN).collect();
    if characters.next().is_some() {
        start.push_str("...");
    }
    start
}

/// A whole number given as a float is an integer where the schema wants one: other
/// languages send 4.0 for 4.
fn to_json(name: &str, value: &Value, integer: bool) -> Result<Json> {
    let json = match value {
        Value::Null => Json::Null,
        Value::Bool(v) => Json::from(*v),
        Value::Int(v) => Json::from(*v),
        #[expect(
            clippy::cast_possible_truncation,
            clippy::float_cmp,
            reason = "exactly the whole numbers that an f64 holds without loss"
        )]
        Value::Float(v) if integer && v.trunc() == *v && v.abs() < 9e15 => Json::from(*v as i64),
        Value::Float(v) => {
            let number = serde_json::Number::from_f64(*v).ok_or_else(|| {
                Error::invalid(
                    "PARAM_OUT_OF_RANGE",
                    field(name),
                    format!(
                        "parameter {:?}: expected a finite number, found {v}",
                        cut(name)
                    ),
                )
            })?;
            Json::Number(number)
        }
        Value::Text(v) => Json::from(v.clone()),
        Value::Time(v) => Json::from(v.to_rfc3339()),
        Value::List(v) => {
            let items: Result<Vec<Json>> = v.iter().map(|v| to_json(name, v, integer)).collect();
            Json::Array(items?)
        }
        Value::Map(v) => {
            let mut fields = Map::new();
            for (key, v) in v {
                fields.insert(key.clone(), to_json(name, v, false)?);
            }
            Json::Object(fields)
        }
    };
    Ok(json)
}

#[cfg(test)]
mod tests;
