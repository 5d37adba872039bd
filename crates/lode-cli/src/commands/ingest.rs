//! `lode ingest`: loads files into a dataset, showing what is made of them.

use std::path::Path;
use std::path::PathBuf;
use std::process::ExitCode;

use lode_sdk::BadRows;
use lode_sdk::IngestEvent;
use lode_sdk::IngestReport;
use lode_sdk::Outcome;
use lode_types::ColumnType;
use lode_types::DatasetKind;
use lode_types::Role;
use lode_types::Schema;

use crate::commands::Context;
use crate::commands::dataset::column_list;
use crate::failure::Failed;
use crate::failure::Result;
use crate::failure::say;
use crate::output::Cell;
use crate::output::Format;
use crate::output::List;
use crate::output::count;
use crate::output::of;
use crate::output::print;
use crate::parse;
use crate::progress;

/// Arguments of `lode ingest`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The dataset; made from the first file when it is not there
    dataset: String,
    /// .csv, .csv.gz or .arrow files; each is one load, and loads once however often it is given
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// How rows are keyed, for a dataset that is made: customers, events, items, links, other
    #[arg(long, value_parser = parse::kind)]
    kind: Option<DatasetKind>,
    /// Which column holds a role, e.g. customer_id=CustomerID
    #[arg(long = "role", value_parser = parse::role, value_name = "ROLE=COLUMN")]
    roles: Vec<(Role, String)>,
    /// Type of a column, for a dataset that is made: bool, int64, float64, string, timestamp, date, decimal(P,S)
    #[arg(long = "type", value_parser = parse::column_type, value_name = "COLUMN=TYPE")]
    types: Vec<(String, ColumnType)>,
    /// Load a column of the file into a column of another name
    #[arg(long = "map", value_parser = parse::names, value_name = "FILE_COLUMN=COLUMN")]
    maps: Vec<(String, String)>,
    /// Column names of a CSV file that has no header line
    #[arg(long, value_delimiter = ',', value_name = "NAME,NAME,...")]
    columns: Option<Vec<String>>,
    /// Field separator of a CSV file [default: detected]
    #[arg(long, value_parser = parse::delimiter, value_name = "CHAR")]
    delimiter: Option<u8>,
    /// Id of the load [default: made of the file's name and content]
    #[arg(long)]
    id: Option<String>,
    /// Load nothing when a row cannot be read, instead of setting such rows aside
    #[arg(long)]
    fail_on_bad_rows: bool,
    /// Most rows to set aside before the load fails [default: 100000]
    #[arg(long, value_name = "N")]
    max_rejected: Option<u64>,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Result<ExitCode> {
    if args.id.is_some() && args.files.len() > 1 {
        return Err(Failed::usage("--id names one load: give one file with it"));
    }
    let mut reports = Vec::new();
    for file in &args.files {
        let report = load(cx, &args, file).await?;
        if cx.format == Format::Table {
            tell(file, &report)?;
        }
        reports.push(report);
    }
    match cx.format {
        Format::Table => {}
        Format::Json | Format::Csv => as_list(&reports).print(cx.format, &reports, "")?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn load(cx: &Context, args: &Args, file: &Path) -> Result<IngestReport> {
    let name = file
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let bar = progress::bytes_bar(&name);
    let (shown, format, dataset) = (bar.clone(), cx.format, args.dataset.clone());
    let mut ingest = cx
        .lode
        .ingest(&args.dataset)
        // No row set aside means that one bad row fails the load.
        .bad_rows(match args.fail_on_bad_rows || args.max_rejected == Some(0) {
            true => BadRows::Fail,
            false => BadRows::Quarantine,
        })
        .max_rejected_rows(args.max_rejected.unwrap_or(0))
        .on_event(move |event| match event {
            IngestEvent::Inferred {
                kind,
                schema,
                notes,
            } => shown.suspend(|| show_inferred(format, &dataset, kind, &schema, &notes)),
            IngestEvent::MissingColumns { kind, columns } => shown.suspend(|| {
                let columns = columns.join(", ");
                say(&match kind {
                    DatasetKind::Customers => format!(
                        "the file has no column {columns}: a row replaces all that is known of its customer, so these become empty"
                    ),
                    _ => format!("the file has no column {columns}: its rows have no value there"),
                });
            }),
            IngestEvent::Opened {
                rows,
                resumed: true,
                ..
            } => shown.suspend(|| {
                say(&format!(
                    "{name}: going on after {} that an earlier run loaded",
                    of(rows, "row")
                ));
            }),
            IngestEvent::Progress {
                bytes,
                bytes_total,
                rows,
            } => {
                shown.set_length(bytes_total);
                shown.set_position(bytes);
                shown.set_message(of(rows, "row"));
            }
            IngestEvent::Waiting { error, .. } => {
                shown.suspend(|| say(&format!("waiting for the engine: {error}")));
            }
            IngestEvent::Committing => shown.set_message("making it visible"),
            _ => {}
        });
    if let Some(kind) = args.kind {
        ingest = ingest.kind(kind);
    }
    for (role, column) in &args.roles {
        ingest = ingest.role(*role, column);
    }
    for (column, column_type) in &args.types {
        ingest = ingest.column_type(column, *column_type);
    }
    for (from, to) in &args.maps {
        ingest = ingest.map_column(from, to);
    }
    if let Some(columns) = &args.columns {
        ingest = ingest.columns(columns.clone());
    }
    if let Some(delimiter) = args.delimiter {
        ingest = ingest.delimiter(delimiter);
    }
    if let Some(id) = &args.id {
        ingest = ingest.id(id);
    }
    let report = ingest.file(file).await;
    bar.finish_and_clear();
    Ok(report?)
}

/// Shows people what the engine made of the file, before its rows are loaded.
fn show_inferred(
    format: Format,
    dataset: &str,
    kind: DatasetKind,
    schema: &Schema,
    notes: &[String],
) {
    let mut text = format!("new dataset {dataset}, kind {kind}:\n");
    text.push_str(&column_list(schema).to_table());
    for note in notes {
        text.push_str(&format!("\nnote: {note}"));
    }
    // What is printed for programs has one form only, so the schema is a message there.
    match format {
        Format::Table => drop(print(&text)),
        Format::Json | Format::Csv => say(&text),
    }
}

fn tell(file: &Path, report: &IngestReport) -> Result<()> {
    let file = file.display();
    let dataset = &report.dataset;
    if report.outcome == Outcome::AlreadyLoaded {
        return print(&format!(
            "{file} is loaded into {dataset} already, as load {} (version {}, {}); nothing was sent",
            report.ingest,
            report.version,
            of(report.accepted_rows, "row"),
        ));
    }
    let mut text = format!(
        "loaded {} from {file} into {dataset}, now at version {}",
        of(report.accepted_rows, "row"),
        report.version,
    );
    if report.repeated_rows > 0 {
        text.push_str(&format!(
            "\n  {} repeat an earlier line; they are kept",
            count(report.repeated_rows)
        ));
    }
    if report.replaced_rows > 0 {
        text.push_str(&format!(
            "\n  {} replaced an older row of the same customer",
            count(report.replaced_rows)
        ));
    }
    if report.rejected_rows > 0 {
        text.push_str(&format!(
            "\n  {} could not be read and set aside: lode rejected {dataset} {}",
            of(report.rejected_rows, "row"),
            report.ingest,
        ));
    }
    print(&text)
}

fn as_list(reports: &[IngestReport]) -> List {
    let mut list = List::new(&[
        "dataset",
        "ingest",
        "outcome",
        "accepted_rows",
        "rejected_rows",
        "repeated_rows",
        "replaced_rows",
        "version",
    ]);
    for report in reports {
        list.push(vec![
            report.dataset.as_str().into(),
            report.ingest.as_str().into(),
            Cell::from(match report.outcome {
                Outcome::Loaded => "loaded",
                Outcome::AlreadyLoaded => "already_loaded",
            }),
            report.accepted_rows.into(),
            report.rejected_rows.into(),
            report.repeated_rows.into(),
            report.replaced_rows.into(),
            report.version.into(),
        ]);
    }
    list
}
