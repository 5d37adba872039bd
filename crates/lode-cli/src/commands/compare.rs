//! `lode compare`: two models on the rows that neither had seen.

use std::process::ExitCode;

use crate::commands::Context;
use crate::failure::Result;
use crate::failure::say;
use crate::output::Format;
use crate::output::List;
use crate::output::number;
use crate::output::of;

/// Arguments of `lode compare`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Id of the one model, or an alias
    champion: String,
    /// Id of the other model, or an alias
    challenger: String,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Result<ExitCode> {
    let champion = cx.model(&args.champion).await?;
    let challenger = cx.model(&args.challenger).await?;
    let compared = cx.lode.compare(&champion, &challenger).await?;
    let columns = [
        "measure",
        "champion",
        "challenger",
        "difference",
        "95% interval",
        "p",
        "method",
    ];
    let mut list = List::new(&columns);
    for comparison in &compared.comparisons {
        let interval = format!("{} to {}", number(comparison.low), number(comparison.high));
        list.push(vec![
            comparison.measure.as_str().into(),
            comparison.champion.into(),
            comparison.challenger.into(),
            comparison.difference.into(),
            interval.into(),
            comparison.p_value.into(),
            comparison.method.as_str().into(),
        ]);
    }
    list.print(cx.format, &compared, "nothing to compare")?;
    if cx.format == Format::Table {
        let rows = of(compared.rows, "row");
        let main = compared.comparisons.first();
        let main = main.map_or("", |comparison| comparison.measure.as_str());
        say(&match compared.better.as_str() {
            "champion" => format!("{} is better by {main}, on {rows}", compared.champion),
            "challenger" => format!("{} is better by {main}, on {rows}", compared.challenger),
            _ => format!("no difference in {main} that is more than chance, on {rows}"),
        });
    }
    Ok(ExitCode::SUCCESS)
}
