//! What an algorithm says of itself, and whether a fit with its defaults keeps to it.

use lode_types::Role;
use lode_types::role_of;
use serde_json::Value;

use super::Case;
use super::Check;
use super::Run;
use crate::subject::ROWS;
use crate::verdict::Checked;
use crate::verdict::failed;

const CHARTS: [&str; 5] = ["table", "bar", "line", "heatmap", "scatter"];

pub(super) const DESCRIPTION: Check = Check {
    name: "description",
    about: "title, texts, outputs, chart hints and write-backs are fit for people and consoles",
    run: Run::One(description),
};

fn description(case: &Case<'_>) -> Checked {
    let spec = &case.subject.spec;
    let texts = [
        ("title", &spec.title),
        ("description", &spec.description),
        ("version", &spec.version),
    ];
    for (what, text) in texts {
        if text.trim().is_empty() {
            return Err(failed(format!("expected a {what}, found none")));
        }
    }
    if spec.outputs.is_empty() && spec.model_format.is_none() {
        return Err(failed("expected an output or a model, found neither"));
    }
    for input in &spec.inputs {
        if input.description.trim().is_empty() {
            return Err(failed(format!(
                "input {:?}: expected a description, found none",
                input.name
            )));
        }
    }
    for output in &spec.outputs {
        if output.description.trim().is_empty() {
            return Err(failed(format!(
                "output {:?}: expected a description, found none",
                output.name
            )));
        }
        if !CHARTS.contains(&output.chart_hint.as_str()) {
            return Err(failed(format!(
                "output {:?}: expected a chart hint of {}, found {:?}",
                output.name,
                CHARTS.join(", "),
                output.chart_hint
            )));
        }
    }
    Ok(String::new())
}

pub(super) const SCHEMA: Check = Check {
    name: "schema",
    about: "the parameters' schema is valid, documented, closed, and takes its own defaults",
    run: Run::One(schema),
};

fn schema(case: &Case<'_>) -> Checked {
    let text = &case.subject.spec.params_schema;
    let schema: Value = serde_json::from_str(text)
        .map_err(|error| failed(format!("the schema is not JSON: {error}")))?;
    jsonschema::meta::validate(&schema)
        .map_err(|error| failed(format!("the schema is no JSON Schema: {error}")))?;
    let validator = jsonschema::validator_for(&schema)
        .map_err(|error| failed(format!("the schema cannot be used: {error}")))?;
    if schema.get("additionalProperties") != Some(&Value::Bool(false)) {
        return Err(failed(
            "expected \"additionalProperties\": false (#[serde(deny_unknown_fields)]), so that a misspelt name is refused",
        ));
    }
    let empty = serde_json::Map::new();
    let properties = schema.get("properties").and_then(Value::as_object);
    let properties = properties.unwrap_or(&empty);
    let required = schema.get("required").and_then(Value::as_array);
    let required: Vec<&str> = required
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let mut defaults = serde_json::Map::new();
    for (name, property) in properties {
        if property.get("description").is_none() {
            return Err(failed(format!(
                "params.{name}: expected a description (a doc comment), found none"
            )));
        }
        match property.get("default") {
            Some(default) => {
                defaults.insert(name.clone(), default.clone());
            }
            None if !required.contains(&name.as_str()) && !takes_null(property) => {
                return Err(failed(format!(
                    "params.{name}: expected a default, since it is not required, found none"
                )));
            }
            None => {}
        }
    }
    if required.is_empty() {
        let defaults = Value::Object(defaults);
        if let Some(error) = validator.iter_errors(&defaults).next() {
            return Err(failed(format!(
                "the defaults are not valid by the schema: {error} at {}",
                error.instance_path()
            )));
        }
    }
    Ok(format!("{} parameters", properties.len()))
}

/// Whether leaving it out can mean null.
fn takes_null(property: &Value) -> bool {
    let is_null = |kind: &Value| kind == "null";
    let of_type = match property.get("type") {
        Some(Value::Array(kinds)) => kinds.iter().any(is_null),
        Some(kind) => is_null(kind),
        None => false,
    };
    let parts = ["anyOf", "oneOf"].into_iter();
    let parts = parts.filter_map(|key| property.get(key)?.as_array());
    of_type || parts.flatten().any(takes_null)
}

pub(super) const DEFAULTS: Check = Check {
    name: "defaults",
    about: "a fit with default parameters on ordinary rows gives every output, model and number",
    run: Run::One(defaults),
};

fn defaults(case: &Case<'_>) -> Checked {
    let subject = case.subject;
    let spec = &subject.spec;
    let heard = subject.fitted(&subject.how(), ROWS)?;
    for output in &spec.outputs {
        let Some(batch) = heard.outputs.get(&output.name) else {
            return Err(failed(format!("fit gave no output {:?}", output.name)));
        };
        let schema = batch.schema();
        for back in &output.write_back {
            if schema.index_of(&back.column).is_err() {
                return Err(failed(format!(
                    "output {:?}: expected the column {:?} that is written back, found none",
                    output.name, back.column
                )));
            }
        }
        let names = |role| schema.fields().iter().any(|f| role_of(f) == Some(role));
        if !output.write_back.is_empty() && !names(Role::CustomerId) {
            return Err(failed(format!(
                "output {:?}: expected a column of role customer_id to write back by, found none",
                output.name
            )));
        }
    }
    for name in heard.outputs.keys() {
        if !spec.outputs.iter().any(|output| output.name == *name) {
            return Err(failed(format!(
                "fit gave an output {name:?} that the description does not have"
            )));
        }
    }
    if spec.model_format.is_some() != heard.models.contains_key("") {
        return Err(failed(match spec.model_format {
            Some(_) => "fit gave no model, and the description has a model_format",
            None => "fit gave a model, and the description has no model_format",
        }));
    }
    for model in &spec.models {
        if !heard.models.contains_key(&model.name) {
            return Err(failed(format!("fit gave no model {:?}", model.name)));
        }
    }
    if let Some((name, value)) = heard.metrics.iter().find(|(_, v)| !v.is_finite()) {
        return Err(failed(format!(
            "metric {name:?}: expected a number, found {value}"
        )));
    }
    let rows: usize = heard.outputs.values().map(|batch| batch.num_rows()).sum();
    Ok(format!("{} outputs with {rows} rows", heard.outputs.len()))
}
