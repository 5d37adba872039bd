//! `lode leaderboard`: models in the order of a measure.

use std::collections::BTreeSet;
use std::process::ExitCode;

use lode_sdk::Model;

use crate::commands::Context;
use crate::failure::Result;
use crate::failure::say;
use crate::output::Cell;
use crate::output::Format;
use crate::output::List;
use crate::output::number;
use crate::output::time;

/// Characters of a checksum that tell rows apart.
const SHOWN: usize = 8;

/// Arguments of `lode leaderboard`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The measure, e.g. auc, log_loss, rmse
    #[arg(long, default_value = "auc", value_name = "MEASURE")]
    measure: String,
    /// Only models that were judged on the same rows as this one: an id or an alias
    #[arg(long, value_name = "MODEL")]
    of: Option<String>,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Result<ExitCode> {
    let judged_sha256 = match &args.of {
        Some(model) => cx.lode.model(&cx.model(model).await?).await?.judged_sha256,
        None => String::new(),
    };
    let mut models = Vec::new();
    if args.of.is_none() || !judged_sha256.is_empty() {
        models = cx.lode.leaderboard(&args.measure, &judged_sha256).await?;
    }
    let measure = args.measure.as_str();
    let columns = [
        "rank",
        "model",
        "aliases",
        "algorithm",
        measure,
        "95% interval",
        "judged on",
        "created",
    ];
    let mut list = List::new(&columns);
    for (rank, model) in (1_u64..).zip(&models) {
        let value = model.metrics.get(measure).copied();
        list.push(vec![
            rank.into(),
            model.model.as_str().into(),
            model.aliases.join(", ").into(),
            model.algorithm.as_str().into(),
            value.map_or(Cell::Empty, Cell::Float),
            interval(model, measure).into(),
            model.judged_sha256.get(..SHOWN).unwrap_or_default().into(),
            time(model.create_time).into(),
        ]);
    }
    list.print(
        cx.format,
        &models,
        "no model was judged by this measure on these rows",
    )?;
    let judged: BTreeSet<&str> = models.iter().map(|m| m.judged_sha256.as_str()).collect();
    if cx.format == Format::Table && judged.len() > 1 {
        say(
            "these models were judged on different rows: --of MODEL lists those that can be put in \
             one order, `lode compare A B` compares two on the rows that they share",
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn interval(model: &Model, measure: &str) -> String {
    let bound = |end: &str| model.metrics.get(&format!("{measure}_{end}")).copied();
    match (bound("low"), bound("high")) {
        (Some(low), Some(high)) => format!("{} to {}", number(low), number(high)),
        _ => String::new(),
    }
}
