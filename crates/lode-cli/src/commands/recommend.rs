//! `lode recommend`: the best items for a customer.

use std::process::ExitCode;

use lode_sdk::Offers;
use lode_sdk::Reason;
use lode_sdk::Recommend;

use crate::commands::Context;
use crate::failure::Result;
use crate::failure::say;
use crate::output::Format;
use crate::output::List;
use crate::output::number;

/// Arguments of `lode recommend`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Id of the model, or an alias
    model: String,
    /// Id of the customer; one that the model does not know gets the most popular items
    customer: String,
    /// Items to give
    #[arg(long, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    /// An item that the customer touched in this session
    #[arg(long = "session", value_name = "ITEM")]
    session_items: Vec<String>,
    /// An item to leave out
    #[arg(long = "exclude", value_name = "ITEM")]
    exclude_items: Vec<String>,
    /// Say why
    #[arg(long)]
    explain: bool,
    /// Only items of which this holds, e.g. "price < 30 and category in (books, games)"
    #[arg(
        long,
        value_name = "CONDITION",
        default_value = "",
        hide_default_value = true
    )]
    filter: String,
    /// Items that the customer has may be offered too
    #[arg(long)]
    allow_owned: bool,
    /// Trade score for variety, 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    diversity: f64,
    /// Keep what is offered in the dataset "impressions", for `lode lift`
    #[arg(long)]
    record: bool,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Result<ExitCode> {
    let explain = args.explain;
    let question = Recommend {
        model: cx.model(&args.model).await?,
        customer: args.customer,
        session_items: args.session_items,
        exclude_items: args.exclude_items,
        limit: args.limit,
        explain,
        filter: args.filter,
        allow_owned: args.allow_owned,
        diversity: args.diversity,
        record: args.record,
    };
    let customer = question.customer.clone();
    let offers = cx.lode.recommend(question).await?;
    print(cx, &offers, explain)?;
    if cx.format != Format::Table {
        return Ok(ExitCode::SUCCESS);
    }
    if offers.arm == "control" {
        say(&format!(
            "{customer} is of the control arm: these are the most popular items"
        ));
    } else if !offers.personal && !offers.items.is_empty() {
        say(&format!(
            "the model knows no history of {customer}: these are the most popular items"
        ));
    }
    if !offers.impression.is_empty() {
        say(&format!("recorded as impression {}", offers.impression));
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints offers, and what else there is to know of them.
pub(super) fn print(cx: &Context, offers: &Offers, explain: bool) -> Result<()> {
    let mut columns = vec!["item", "score"];
    if explain {
        columns.push("reasons");
    }
    let mut list = List::new(&columns);
    for item in &offers.items {
        let mut row = vec![item.item.as_str().into(), item.score.into()];
        if explain {
            row.push(reasons(&item.reasons, cx.format).into());
        }
        list.push(row);
    }
    list.print(cx.format, offers, "no items left to offer")?;
    if cx.format == Format::Table {
        for note in &offers.notes {
            say(&note.message);
        }
    }
    Ok(())
}

fn reasons(reasons: &[Reason], format: Format) -> String {
    let limit = match format {
        Format::Table => 3,
        Format::Csv | Format::Json => usize::MAX,
    };
    let parts = reasons.iter().take(limit).map(|reason| {
        let sign = if reason.contribution < 0.0 { "" } else { "+" };
        format!("{sign}{} {}", number(reason.contribution), reason.text)
    });
    let parts: Vec<String> = parts.collect();
    parts.join(if format == Format::Table { "\n" } else { "; " })
}
