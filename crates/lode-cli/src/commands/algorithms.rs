//! `lode algorithms`: what can be run, and how.

use std::process::ExitCode;

use lode_sdk::AlgorithmInfo;
use serde_json::Value as Json;

use crate::commands::Context;
use crate::failure::Result;
use crate::output::Cell;
use crate::output::Format;
use crate::output::List;
use crate::output::print;

/// Arguments of `lode algorithms`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Show this one with its inputs and parameters
    id: Option<String>,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Result<ExitCode> {
    match args.id {
        None => list(cx).await,
        Some(id) => show(cx, &id).await,
    }
}

async fn list(cx: &Context) -> Result<ExitCode> {
    let algorithms = cx.lode.algorithms().await?;
    let mut list = List::new(&["algorithm", "version", "task", "inputs", "title", "plugin"]);
    for algorithm in &algorithms {
        let inputs: Vec<&str> = algorithm
            .inputs
            .iter()
            .map(|input| input.name.as_str())
            .collect();
        list.push(vec![
            algorithm.algorithm.as_str().into(),
            algorithm.version.as_str().into(),
            algorithm.task.as_str().into(),
            inputs.join(", ").into(),
            algorithm.title.as_str().into(),
            format!("{} {}", algorithm.plugin, algorithm.plugin_version).into(),
        ]);
    }
    list.print(
        cx.format,
        &algorithms,
        "no algorithms: `lode plugins` shows what is in the engine's plugin directory",
    )?;
    Ok(ExitCode::SUCCESS)
}

async fn show(cx: &Context, id: &str) -> Result<ExitCode> {
    let algorithm = cx.lode.algorithm(id).await?;
    let params = param_list(&algorithm.params_schema);
    if cx.format != Format::Table {
        params.print(cx.format, &algorithm, "")?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut text = format!(
        "{} {} ({}, plugin {} {})\n{}\n{}\n",
        algorithm.algorithm,
        algorithm.version,
        algorithm.task,
        algorithm.plugin,
        algorithm.plugin_version,
        algorithm.title,
        algorithm.description,
    );
    text.push_str(&format!(
        "\ninputs\n{}\n",
        input_list(&algorithm).to_table()
    ));
    text.push_str(&format!(
        "\nparameters (-p name=value)\n{}\n",
        params.to_table()
    ));
    let mut outputs = List::new(&["output", "chart", "write-back", "description"]);
    for output in &algorithm.outputs {
        outputs.push(vec![
            output.name.as_str().into(),
            output.chart_hint.as_str().into(),
            if output.write_back { "yes" } else { "" }.into(),
            output.description.as_str().into(),
        ]);
    }
    text.push_str(&format!("\noutputs\n{}\n", outputs.to_table()));
    if let Some(line) = abilities(&algorithm) {
        text.push_str(&format!("\n{line}\n"));
    }
    let input = algorithm
        .inputs
        .first()
        .map_or("", |input| input.name.as_str());
    text.push_str(&format!("\nrun it: lode run {id} -i {input}=DATASET"));
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// What it can do beside a fit over all rows; none when that is nothing.
fn abilities(algorithm: &AlgorithmInfo) -> Option<String> {
    let mut lines = Vec::new();
    if algorithm.warm_start {
        lines.push("starts from an earlier model: --base-model MODEL".to_owned());
    }
    if algorithm.mergeable {
        let how_near = match algorithm.merge_tolerance {
            0.0 => "to the same bytes".to_owned(),
            tolerance => format!("within {tolerance:e}"),
        };
        lines.push(format!("parts of the rows merge to the whole, {how_near}"));
    }
    for (name, description) in &algorithm.models {
        lines.push(format!(
            "model JOB.{name} beside the main one: {description}"
        ));
    }
    let searched = searched(&algorithm.params_schema);
    if !searched.is_empty() {
        lines.push(format!("searched by --tune: {}", searched.join("; ")));
    }
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// The parameters that a search turns, with where it looks.
fn searched(schema: &Json) -> Vec<String> {
    let properties = schema.get("properties").and_then(Json::as_object);
    let hinted = properties.into_iter().flatten();
    let hinted = hinted.filter_map(|(name, property)| Some((name, property.get("x-tune")?)));
    hinted
        .map(|(name, hint)| {
            let text = |key: &str| hint.get(key).map(plain).unwrap_or_default();
            match (hint.get("values"), text("scale").as_str()) {
                (Some(values), _) => format!("{name} {}", plain(values)),
                (None, "log") => {
                    format!("{name} {} to {}, by factors", text("low"), text("high"))
                }
                (None, _) => format!("{name} {} to {}", text("low"), text("high")),
            }
        })
        .collect()
}

fn input_list(algorithm: &AlgorithmInfo) -> List {
    let mut list = List::new(&["input", "column", "types", "needed", "description"]);
    for input in &algorithm.inputs {
        let others = match input.features {
            "ignored" => "other columns are not read",
            "numeric" => "other numeric columns are features",
            _ => "all other columns are features",
        };
        list.push(vec![
            input.name.as_str().into(),
            Cell::Empty,
            Cell::Empty,
            if input.optional { "no" } else { "yes" }.into(),
            format!("{}; {others}", input.description).into(),
        ]);
        for column in &input.columns {
            let types: Vec<String> = column.types.iter().map(ToString::to_string).collect();
            list.push(vec![
                Cell::Empty,
                column.role.map_or(Cell::Empty, |role| role.as_str().into()),
                types.join(", ").into(),
                if column.optional { "no" } else { "yes" }.into(),
                column.description.as_str().into(),
            ]);
        }
    }
    list
}

/// The properties of a JSON Schema as a list.
fn param_list(schema: &Json) -> List {
    let mut list = List::new(&["parameter", "type", "range", "default", "description"]);
    let Some(Json::Object(properties)) = schema.get("properties") else {
        return list;
    };
    for (name, property) in properties {
        let text = |key: &str| property.get(key).map(plain).unwrap_or_default();
        let values = property.get("enum").map(plain).unwrap_or_default();
        let range = match (text("minimum"), text("maximum")) {
            (low, high) if low.is_empty() && high.is_empty() => values,
            (low, high) => format!("{low} .. {high}"),
        };
        list.push(vec![
            name.as_str().into(),
            text("type").into(),
            range.into(),
            text("default").into(),
            text("description").replace('\n', " ").into(),
        ]);
    }
    list
}

/// A JSON value without quotes, lists with "or".
fn plain(json: &Json) -> String {
    match json {
        Json::String(text) => text.clone(),
        Json::Array(items) if !items.is_empty() => {
            items.iter().map(plain).collect::<Vec<_>>().join(" or ")
        }
        other => other.to_string(),
    }
}
