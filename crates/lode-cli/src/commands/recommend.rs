//! `lode recommend`: the best items for a customer.

use std::process::ExitCode;

use lode_sdk::Recommend;

use crate::commands::Context;
use crate::failure::Result;
use crate::failure::say;
use crate::output::Format;
use crate::output::List;

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
    /// An item that the customer touched since the model was made
    #[arg(long = "session", value_name = "ITEM")]
    session_items: Vec<String>,
    /// An item to leave out
    #[arg(long = "exclude", value_name = "ITEM")]
    exclude_items: Vec<String>,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Result<ExitCode> {
    let question = Recommend {
        model: cx.model(&args.model).await?,
        customer: args.customer,
        session_items: args.session_items,
        exclude_items: args.exclude_items,
        limit: args.limit,
    };
    let customer = question.customer.clone();
    let offers = cx.lode.recommend(question).await?;
    let mut list = List::new(&["item", "score"]);
    for item in &offers.items {
        list.push(vec![item.item.as_str().into(), item.score.into()]);
    }
    list.print(cx.format, &offers, "no items left to offer")?;
    if cx.format == Format::Table && !offers.personal {
        say(&format!(
            "the model knows no history of {customer}: these are the most popular items"
        ));
    }
    Ok(ExitCode::SUCCESS)
}
