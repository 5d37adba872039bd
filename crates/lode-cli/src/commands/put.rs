//! `lode put`: a few rows, visible at once.

use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;

use lode_sdk::BadRows;
use lode_sdk::PutReport;
use lode_sdk::new_request_id;
use serde_json::Map;
use serde_json::Value;

use crate::commands::Context;
use crate::failure::Failed;
use crate::failure::Result;
use crate::failure::say;
use crate::output::Format;
use crate::output::List;
use crate::output::of;
use crate::output::print;

/// Arguments of `lode put`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The dataset
    dataset: String,
    /// A file of JSON objects, one a row; "-" is standard input
    #[arg(required_unless_present = "row")]
    file: Option<PathBuf>,
    /// A row as a JSON object; may be given many times
    #[arg(long, value_name = "JSON", conflicts_with = "file")]
    row: Vec<String>,
    /// Names the rows; the same id again writes nothing [default: a new one]
    #[arg(long, value_name = "ID")]
    request_id: Option<String>,
    /// Write nothing when a row cannot be read
    #[arg(long)]
    fail_on_bad_rows: bool,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Result<ExitCode> {
    let text = match &args.file {
        None => args.row.join("\n"),
        Some(path) if path.as_os_str() == "-" => {
            let mut text = String::new();
            std::io::stdin()
                .read_to_string(&mut text)
                .map_err(|error| Failed::io("cannot read standard input", error))?;
            text
        }
        Some(path) => std::fs::read_to_string(path)
            .map_err(|error| Failed::io(format!("cannot read {}", path.display()), error))?,
    };
    let rows = objects(&text)?;
    let request = args.request_id.unwrap_or_else(new_request_id);
    let bad_rows = if args.fail_on_bad_rows {
        BadRows::Fail
    } else {
        BadRows::Quarantine
    };
    let report = cx
        .lode
        .put_json(&args.dataset, &request, &rows, bad_rows)
        .await?;
    match cx.format {
        Format::Table => print(&format!("{}\n", told(&report)))?,
        format => List::new(&[]).print(format, &report, "")?,
    }
    for row in &report.rejected {
        say(&format!(
            "row {}, column {}: {}: {}",
            row.row, row.column, row.reason, row.message
        ));
    }
    let bad = report.accepted_rows == 0 && report.rejected_rows > 0;
    Ok(if bad {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn told(report: &PutReport) -> String {
    let rows = of(report.accepted_rows, "row");
    let mut text = if report.duplicate {
        format!(
            "{rows} had been written to {} by request {} before, at version {}",
            report.dataset, report.request, report.version
        )
    } else {
        format!(
            "wrote {rows} to {}, now at version {}",
            report.dataset, report.version
        )
    };
    if report.replaced_rows > 0 {
        text.push_str(&format!(
            "\n  {} replaced an older row of the same customer",
            report.replaced_rows
        ));
    }
    if report.rejected_rows > 0 {
        text.push_str(&format!(
            "\n  {} could not be read and was not written",
            of(report.rejected_rows, "row")
        ));
    }
    text
}

/// The objects of a text, one after the other or in an array.
fn objects(text: &str) -> Result<Vec<Map<String, Value>>> {
    let mut rows = Vec::new();
    for value in serde_json::Deserializer::from_str(text).into_iter::<Value>() {
        let value =
            value.map_err(|error| Failed::usage(format!("expected JSON, found {error}")))?;
        let values = match value {
            Value::Array(values) => values,
            value => vec![value],
        };
        for value in values {
            match value {
                Value::Object(row) => rows.push(row),
                other => {
                    return Err(Failed::usage(format!(
                        "expected JSON objects, found {other}"
                    )));
                }
            }
        }
    }
    if rows.is_empty() {
        return Err(Failed::usage("expected at least one row, found none"));
    }
    Ok(rows)
}
