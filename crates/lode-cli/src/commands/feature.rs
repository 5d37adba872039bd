//! `lode feature`: feature views declared, listed, shown, deleted and computed.

use std::path::PathBuf;
use std::process::ExitCode;

use lode_sdk::FeatureInfo;
use lode_sdk::FeatureView;
use lode_types::Timestamp;

use crate::commands::Context;
use crate::failure::Failed;
use crate::failure::Result;
use crate::failure::say;
use crate::output::Cell;
use crate::output::Format;
use crate::output::List;
use crate::output::check_file;
use crate::output::of;
use crate::output::print;
use crate::output::print_rows;
use crate::output::time;
use crate::output::write_file;
use crate::parse;

/// Arguments of `lode feature`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Declare a view from a JSON file; docs/features.md has the form
    Create(CreateArgs),
    /// List the views
    List,
    /// Show a view with the exact meaning of each feature
    Show {
        /// The view
        name: String,
    },
    /// Delete a view; jobs keep their copies
    Delete {
        /// The view
        name: String,
    },
    /// Compute a view as of one or many times
    Compute(ComputeArgs),
}

#[derive(Debug, clap::Args)]
struct CreateArgs {
    /// Name of the view
    name: String,
    /// The declaration, a JSON file
    #[arg(long, value_name = "FILE")]
    file: PathBuf,
    /// Check only
    #[arg(long)]
    check: bool,
}

#[derive(Debug, clap::Args)]
struct ComputeArgs {
    /// The view
    name: String,
    /// The times: dates or instants, with commas between [default: now]
    #[arg(long, value_name = "TIME,...", value_delimiter = ',', value_parser = parse::time)]
    as_of: Vec<Timestamp>,
    /// A customer; without any, all
    #[arg(long = "customer", value_name = "ID")]
    customers: Vec<String>,
    /// Save to a .csv, .json or .arrow file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Result<ExitCode> {
    match args.what {
        What::Create(args) => create(cx, args).await?,
        What::List => {
            let views = cx.lode.feature_views().await?;
            let mut list = List::new(&[
                "view",
                "events",
                "customers",
                "features",
                "online",
                "created",
            ]);
            for view in &views {
                list.push(vec![
                    view.feature_view.as_str().into(),
                    view.events.join(", ").into(),
                    view.customers.as_str().into(),
                    view.features.len().to_string().into(),
                    if view.online { "yes" } else { "no" }.into(),
                    time(view.create_time).into(),
                ]);
            }
            list.print(
                cx.format,
                &views,
                "no feature views yet; `lode feature create` makes one",
            )?;
        }
        What::Show { name } => show(cx, &cx.lode.feature_view(&name).await?)?,
        What::Delete { name } => {
            cx.lode.delete_feature_view(&name).await?;
            say(&format!("deleted feature view {name}"));
        }
        What::Compute(args) => compute(cx, args).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn create(cx: &Context, args: CreateArgs) -> Result<()> {
    let text = std::fs::read_to_string(&args.file)
        .map_err(|error| Failed::io(format!("cannot read {}", args.file.display()), error))?;
    let (view, replayed) = cx
        .lode
        .create_feature_view(&args.name, &text, args.check)
        .await?;
    match (args.check, replayed) {
        (true, _) => say("the declaration is good; nothing was kept"),
        (false, true) => say("the view was there already, with the same declaration"),
        (false, false) => {}
    }
    show(cx, &view)
}

fn show(cx: &Context, view: &FeatureView) -> Result<()> {
    if cx.format == Format::Table {
        let events = view.events.join(", ");
        print(&format!("{}, of {events}", view.feature_view))?;
    }
    let mut list = List::new(&["feature", "kind", "type", "meaning"]);
    for feature in &view.features {
        let column_type = feature.columns.first().and_then(|(_, t)| *t);
        list.push(vec![
            columns(feature).into(),
            feature.kind.as_str().into(),
            column_type.map_or(Cell::Empty, |t| t.to_string().into()),
            feature.description.as_str().into(),
        ]);
    }
    list.print(cx.format, view, "")
}

/// The names of a feature's columns, where it has more than the one of its own name.
fn columns(feature: &FeatureInfo) -> String {
    match &feature.columns[..] {
        [] => feature.name.clone(),
        [(first, _), .., (last, _)] if feature.columns.len() > 3 => format!("{first} to {last}"),
        few => few
            .iter()
            .map(|(name, _)| name.as_str())
            .collect::<Vec<_>>()
            .join(", "),
    }
}

async fn compute(cx: &Context, args: ComputeArgs) -> Result<()> {
    if let Some(file) = &args.out {
        check_file(file)?;
    }
    let mut rows = cx
        .lode
        .compute_features(&args.name, &args.as_of, &args.customers)
        .await?;
    match &args.out {
        None => {
            print_rows(&mut rows, cx.format).await?;
        }
        Some(file) => {
            let n_rows = write_file(&mut rows, file).await?;
            say(&format!(
                "wrote {} to {}",
                of(n_rows, "row"),
                file.display()
            ));
        }
    }
    Ok(())
}
