//! `lode customer`: one customer, their attributes and what jobs wrote onto them.

use std::process::ExitCode;

use lode_sdk::Customer;
use lode_types::TagKind;

use crate::commands::Context;
use crate::failure::Result;
use crate::output::Cell;
use crate::output::Format;
use crate::output::List;
use crate::output::print;
use crate::output::time;
use crate::output::value_cell;

/// Arguments of `lode customer`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Id of the customer
    id: String,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Result<ExitCode> {
    let customer = cx.lode.customer(&args.id).await?;
    match cx.format {
        Format::Table => print(&card(&customer))?,
        Format::Json | Format::Csv => facts(&customer).print(cx.format, &customer, "")?,
    }
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
