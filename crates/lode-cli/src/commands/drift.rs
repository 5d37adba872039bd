//! `lode drift`: how far what a model was asked online is from what it was made from.

use std::process::ExitCode;

use lode_sdk::ModelDrift;

use crate::commands::Context;
use crate::failure::Result;
use crate::failure::say;
use crate::output::Cell;
use crate::output::Format;
use crate::output::List;
use crate::output::of;

/// Arguments of `lode drift`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The model: an id or an alias
    model: String,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Result<ExitCode> {
    let model = cx.model(&args.model).await?;
    let drift = cx.lode.drift(&model).await?;
    list(&drift).print(cx.format, &drift, "the model has no features")?;
    if cx.format == Format::Table {
        let scored = of(drift.rows, "row");
        let model = &drift.model;
        say(&match drift.rows < drift.least_rows {
            true => format!(
                "model {model} scored {scored} since the engine started; it takes {} to tell drift \
                 from chance",
                drift.least_rows
            ),
            false => format!(
                "model {model} scored {scored} since the engine started; psi below 0.1 is stable, \
                 above 0.25 shifted"
            ),
        });
    }
    Ok(ExitCode::SUCCESS)
}

fn list(drift: &ModelDrift) -> List {
    let mut list = List::new(&[
        "name",
        "psi",
        "verdict",
        "missing then",
        "missing now",
        "mean then",
        "mean now",
        "unseen now",
    ]);
    for one in &drift.drifts {
        list.push(vec![
            one.name.as_str().into(),
            one.psi.map_or(Cell::Empty, Cell::Float),
            one.verdict.as_str().into(),
            one.missing_then.into(),
            one.missing_now.into(),
            one.mean_then.into(),
            one.mean_now.into(),
            one.unseen_now.into(),
        ]);
    }
    list
}
