//! `lode dataset`: one dataset's columns, size and lost parts; its labels; compaction on demand.

use std::process::ExitCode;

use lode_sdk::Compaction;
use lode_sdk::Dataset;
use lode_types::PrivacyClass;
use lode_types::Schema;

use crate::commands::Context;
use crate::failure::Result;
use crate::output::Cell;
use crate::output::Format;
use crate::output::List;
use crate::output::of;
use crate::output::print;
use crate::output::size;
use crate::output::time;
use crate::parse;

/// Arguments of `lode dataset`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The dataset
    name: String,
    /// First make one sorted run of all its rows, and say what that has cost so far
    #[arg(long)]
    compact: bool,
    /// First give it a label, or take it off when there is no value; with damaged-parts=skip
    /// reads go on without parts that are lost
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = parse::label)]
    labels: Vec<(String, String)>,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Result<ExitCode> {
    if args.compact {
        let spent = cx.lode.compact_dataset(&args.name).await?;
        return compaction(cx, &spent);
    }
    let mut dataset = cx.lode.dataset(&args.name).await?;
    if !args.labels.is_empty() {
        let mut labels = dataset.labels;
        labels.extend(args.labels);
        labels.retain(|_, value| !value.is_empty());
        cx.lode.update_labels(&args.name, labels).await?;
        dataset = cx.lode.dataset(&args.name).await?;
    }
    let list = column_list(&dataset.schema);
    if cx.format == Format::Table {
        print(&format!(
            "{}, kind {}: {}, {}, version {}, updated {}",
            dataset.dataset,
            dataset.kind,
            of(dataset.rows, "row"),
            size(dataset.bytes),
            dataset.version,
            time(dataset.update_time),
        ))?;
        for (name, value) in &dataset.labels {
            print(&format!("label {name}={value}"))?;
        }
        lost_parts(&dataset)?;
    }
    list.print(cx.format, &dataset, "")?;
    Ok(ExitCode::SUCCESS)
}

/// What cannot be read any more, and what to do about it.
fn lost_parts(dataset: &Dataset) -> Result<()> {
    let lost = &dataset.lost_parts;
    if lost.is_empty() {
        return Ok(());
    }
    let rows = lost.iter().map(|part| part.rows).sum();
    let skips = dataset
        .labels
        .get("damaged-parts")
        .is_some_and(|value| value == "skip");
    print(&format!(
        "LOST: {} with {}; {}",
        of(lost.len() as u64, "part"),
        of(rows, "row"),
        match skips {
            true => "reads go on without them, since it is labelled damaged-parts=skip",
            false => "reads fail until they are back, or it is labelled damaged-parts=skip",
        }
    ))?;
    for part in lost {
        let back = match &part.ingest {
            Some(ingest) => format!("comes back with chunk {} of load {ingest}", part.seq),
            None => "made by compaction".to_owned(),
        };
        let rows = of(part.rows, "row");
        print(&format!(
            "  {}: {rows}, found {}; {back}",
            part.part, part.found
        ))?;
    }
    Ok(())
}

/// What compaction has cost.
fn compaction(cx: &Context, spent: &Compaction) -> Result<ExitCode> {
    let mut list = List::new(&["runs", "rows", "read", "written", "loaded", "CPU seconds"]);
    list.push(vec![
        spent.runs.to_string().into(),
        spent.rows.to_string().into(),
        size(spent.read_bytes).into(),
        size(spent.written_bytes).into(),
        size(spent.loaded_bytes).into(),
        format!("{:.2}", spent.cpu_micros as f64 / 1e6).into(),
    ]);
    list.print(cx.format, spent, "")?;
    Ok(ExitCode::SUCCESS)
}

/// The columns of a schema as a list.
pub(crate) fn column_list(schema: &Schema) -> List {
    let mut list = List::new(&["column", "type", "role", "null", "privacy"]);
    for column in schema.columns() {
        list.push(vec![
            column.name.as_str().into(),
            column.column_type.to_string().into(),
            column.role.map_or(Cell::Empty, |role| role.as_str().into()),
            if column.nullable { "yes" } else { "no" }.into(),
            match column.privacy_class {
                PrivacyClass::None => Cell::Empty,
                class => class.as_str().into(),
            },
        ]);
    }
    list
}
