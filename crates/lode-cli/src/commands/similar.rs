//! `lode similar`: the items most like one.

use std::process::ExitCode;

use lode_sdk::Similar;

use crate::commands::Context;
use crate::commands::recommend;
use crate::failure::Result;

/// Arguments of `lode similar`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Id of the model, or an alias
    model: String,
    /// Id of the item
    item: String,
    /// Items to give
    #[arg(long, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    /// An item to leave out
    #[arg(long = "exclude", value_name = "ITEM")]
    exclude_items: Vec<String>,
    /// Only items of which this holds, e.g. "price < 30"
    #[arg(
        long,
        value_name = "CONDITION",
        default_value = "",
        hide_default_value = true
    )]
    filter: String,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Result<ExitCode> {
    let question = Similar {
        model: cx.model(&args.model).await?,
        item: args.item,
        exclude_items: args.exclude_items,
        limit: args.limit,
        filter: args.filter,
    };
    let items = cx.lode.similar_items(question).await?;
    recommend::print(cx, &items, false)?;
    Ok(ExitCode::SUCCESS)
}
