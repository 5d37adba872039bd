//! `lode score`: what a model says of customers, with reasons on request.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::process::ExitCode;

use lode_sdk::Score;
use lode_types::Value;

use crate::commands::Context;
use crate::failure::Failed;
use crate::failure::Result;
use crate::failure::say;
use crate::output::Cell;
use crate::output::Format;
use crate::output::List;
use crate::output::number;
use crate::output::value_cell;
use crate::parse;

/// Arguments of `lode score`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Id of the model, or an alias
    model: String,
    /// Ids of customers
    #[arg(value_name = "CUSTOMER")]
    customers: Vec<String>,
    /// A row to score instead of customers, as a JSON object of its columns
    #[arg(long = "row", value_parser = row, value_name = "JSON", conflicts_with = "customers")]
    rows: Vec<BTreeMap<String, Value>>,
    /// Give the reasons of each score
    #[arg(long)]
    explain: bool,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Result<ExitCode> {
    let model = cx.model(&args.model).await?;
    let scores = match (args.customers.is_empty(), args.rows.is_empty()) {
        (false, true) => {
            let scoring = cx.lode.score(&model, &args.customers, args.explain);
            scoring.await?
        }
        (true, false) => {
            let scoring = cx.lode.score_rows(&model, &args.rows, args.explain);
            scoring.await?
        }
        _ => {
            return Err(Failed::usage(
                "expected ids of customers, or --row with a JSON object, found neither",
            ));
        }
    };
    list(&scores, args.explain, cx.format).print(cx.format, &scores, "no scores")?;
    if cx.format != Format::Json {
        for note in notes(&scores) {
            say(&note);
        }
    }
    match scores.iter().any(|score| score.error.is_some()) {
        true => Ok(ExitCode::from(1)),
        false => Ok(ExitCode::SUCCESS),
    }
}

/// What the scores do without, a line for each thing said of the same rows.
fn notes(scores: &[Score]) -> Vec<String> {
    let mut notes: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (at, score) in scores.iter().enumerate() {
        let who = match score.customer.as_str() {
            "" => format!("row {}", at + 1),
            id => format!("customer {id}"),
        };
        let mut add = |columns: &[String], words: &str| {
            if !columns.is_empty() {
                let note = format!("{words}: {}", columns.join(", "));
                notes.entry(note).or_default().push(who.clone());
            }
        };
        add(&score.missing_columns, "left out, counted as missing");
        add(&score.unseen_columns, "a value that the model never saw");
    }
    let told = notes.into_iter().map(|(note, who)| match &who[..] {
        [one] => format!("{one}: {note}"),
        [first, rest @ ..] => format!("{first} and {} more: {note}", rest.len()),
        [] => note,
    });
    told.collect()
}

fn list(scores: &[Score], explain: bool, format: Format) -> List {
    let has_items = scores.iter().any(|score| !score.item.is_empty());
    let details: BTreeSet<&str> = scores
        .iter()
        .flat_map(|score| score.details.keys().map(String::as_str))
        .collect();
    let mut columns = vec!["customer", "score", "label", "margin"];
    columns.extend(&details);
    columns.push("error");
    if has_items {
        columns.insert(1, "item");
    }
    if explain {
        columns.push("reasons");
    }
    let mut list = List::new(&columns);
    for score in scores {
        let found = |value: f64| match score.error {
            None => Cell::Float(value),
            Some(_) => Cell::Empty,
        };
        let mut row = vec![
            score.customer.as_str().into(),
            found(score.score),
            score.label.as_str().into(),
            found(score.margin),
        ];
        let told = details.iter();
        row.extend(told.map(|name| score.details.get(*name).map_or(Cell::Empty, value_cell)));
        let error = score.error.as_ref();
        row.push(error.map_or(Cell::Empty, |error| error.message.as_str().into()));
        if has_items {
            row.insert(1, score.item.as_str().into());
        }
        if explain {
            row.push(reasons(score, format).into());
        }
        list.push(row);
    }
    list
}

fn reasons(score: &Score, format: Format) -> String {
    let limit = match format {
        Format::Table => 5,
        Format::Csv | Format::Json => usize::MAX,
    };
    let parts: Vec<String> = score
        .reasons
        .iter()
        .take(limit)
        .map(|reason| {
            let sign = if reason.contribution < 0.0 { "" } else { "+" };
            let contribution = number(reason.contribution);
            match reason.text.as_str() {
                "" => {
                    let value = value_cell(&reason.value).display();
                    format!("{sign}{contribution} {} = {value}", reason.feature)
                }
                text => format!("{sign}{contribution} {text}"),
            }
        })
        .collect();
    parts.join(if format == Format::Table { "\n" } else { "; " })
}

fn row(text: &str) -> std::result::Result<BTreeMap<String, Value>, String> {
    let json = serde_json::from_str(text).map_err(|error| format!("no JSON: {error}"))?;
    match parse::json_value(json)? {
        Value::Map(row) => Ok(row),
        _ => Err("expected a JSON object of column names and values".to_owned()),
    }
}
