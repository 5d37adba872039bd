//! `lode customer`: one customer, their attributes, features and what jobs wrote onto them;
//! `lode customer timeline`: what they did.

use std::process::ExitCode;

use lode_sdk::Customer;
use lode_sdk::Timeline;
use lode_types::TagKind;
use lode_types::Timestamp;

use crate::commands::Context;
use crate::failure::Result;
use crate::output::Cell;
use crate::output::Format;
use crate::output::List;
use crate::output::print;
use crate::output::time;
use crate::output::value_cell;
use crate::parse;

/// Arguments of `lode customer`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Args {
    /// Id of the customer
    #[arg(required = true)]
    id: Option<String>,
    /// A feature view to compute, beside those that are online
    #[arg(long = "features", value_name = "VIEW")]
    features: Vec<String>,
    /// When the features are as of: a date or an instant [default: now]
    #[arg(long, value_name = "TIME", value_parser = parse::time)]
    as_of: Option<Timestamp>,
    #[command(subcommand)]
    what: Option<What>,
}

/// What else there is of a customer.
#[derive(Debug, clap::Subcommand)]
enum What {
    /// What they did, newest first
    Timeline(TimelineArgs),
}

/// Arguments of `lode customer timeline`.
#[derive(Debug, clap::Args)]
struct TimelineArgs {
    /// Id of the customer
    id: String,
    /// A dataset to read [default: all of kind events]
    #[arg(long = "dataset", value_name = "DATASET")]
    datasets: Vec<String>,
    /// Events at or after this time
    #[arg(long, value_name = "TIME", value_parser = parse::time)]
    from: Option<Timestamp>,
    /// Events before this time
    #[arg(long, value_name = "TIME", value_parser = parse::time)]
    until: Option<Timestamp>,
    /// At most so many events
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Result<ExitCode> {
    if let Some(What::Timeline(args)) = args.what {
        return timeline(cx, args).await;
    }
    let id = args.id.unwrap_or_default();
    let customer = cx
        .lode
        .customer_as_of(&id, &args.features, args.as_of)
        .await?;
    match cx.format {
        Format::Table => print(&card(&customer))?,
        Format::Json | Format::Csv => facts(&customer).print(cx.format, &customer, "")?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn timeline(cx: &Context, args: TimelineArgs) -> Result<ExitCode> {
    let asked = Timeline {
        datasets: args.datasets,
        from: args.from,
        until: args.until,
        limit: args.limit,
    };
    let events = cx.lode.timeline(&args.id, &asked).await?;
    let mut list = List::new(&["time", "dataset", "what"]);
    for event in &events {
        let values = event.values.iter();
        let values: Vec<String> = values
            .map(|(name, value)| format!("{name}={}", value_cell(value).display()))
            .collect();
        list.push(vec![
            time(event.time).into(),
            event.dataset.as_str().into(),
            values.join(" ").into(),
        ]);
    }
    list.print(cx.format, &events, "no events")?;
    Ok(ExitCode::SUCCESS)
}

/// A customer as text for people.
pub(crate) fn card(customer: &Customer) -> String {
    let mut text = format!("customer {}", customer.customer);
    for record in &customer.records {
        text.push_str(&format!(
            "\n{} (version {})",
            record.dataset, record.version
        ));
        let width = record
            .attributes
            .keys()
            .map(|name| name.chars().count())
            .max();
        for (name, value) in &record.attributes {
            let width = width.unwrap_or(0);
            text.push_str(&format!(
                "\n  {name:width$}  {}",
                value_cell(value).display()
            ));
        }
    }
    for view in &customer.features {
        text.push_str(&format!(
            "\nfeatures {} as of {}",
            view.feature_view,
            time(view.as_of)
        ));
        let width = view.values.keys().map(|name| name.chars().count()).max();
        let width = width.unwrap_or(0);
        for (name, value) in &view.values {
            text.push_str(&format!(
                "\n  {name:width$}  {}",
                value_cell(value).display()
            ));
        }
    }
    if customer.tags.is_empty() {
        text.push_str(
            "\nno job has written onto this customer yet; `lode run ... --write-back` does",
        );
        return text;
    }
    let mut list = List::new(&["what jobs found", "value", "job", "written"]);
    for tag in &customer.tags {
        list.push(vec![
            tag.key.as_str().into(),
            value_cell(&tag.value),
            tag.job.as_str().into(),
            time(tag.time).into(),
        ]);
    }
    text.push_str(&format!("\n{}", list.to_table()));
    text
}

fn facts(customer: &Customer) -> List {
    let mut list = List::new(&["source", "name", "kind", "value", "job"]);
    for record in &customer.records {
        for (name, value) in &record.attributes {
            list.push(vec![
                record.dataset.as_str().into(),
                name.as_str().into(),
                "attribute".into(),
                value_cell(value),
                Cell::Empty,
            ]);
        }
    }
    for view in &customer.features {
        for (name, value) in &view.values {
            list.push(vec![
                view.feature_view.as_str().into(),
                name.as_str().into(),
                "feature".into(),
                value_cell(value),
                Cell::Empty,
            ]);
        }
    }
    for tag in &customer.tags {
        list.push(vec![
            "tag".into(),
            tag.key.as_str().into(),
            match tag.kind {
                Some(TagKind::Score) => "score".into(),
                Some(TagKind::Label) => "label".into(),
                Some(TagKind::Segment) => "segment".into(),
                None => Cell::Empty,
            },
            value_cell(&tag.value),
            tag.job.as_str().into(),
        ]);
    }
    list
}
