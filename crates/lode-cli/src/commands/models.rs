//! `lode models`: what was learned.

use std::process::ExitCode;

use crate::commands::Context;
use crate::failure::Result;
use crate::output::Format;
use crate::output::List;
use crate::output::number;
use crate::output::size;
use crate::output::time;

pub(crate) async fn run(cx: &Context) -> Result<ExitCode> {
    let models = cx.lode.models().await?;
    let mut list = List::new(&[
        "model",
        "aliases",
        "algorithm",
        "size",
        "created",
        "metrics",
    ]);
    for model in &models {
        let metrics: Vec<String> = model
            .metrics
            .iter()
            .take(4)
            .map(|(name, value)| format!("{name} {}", number(*value)))
            .collect();
        list.push(vec![
            model.model.as_str().into(),
            model.aliases.join(", ").into(),
            model.algorithm.as_str().into(),
            match cx.format {
                Format::Table => size(model.bytes).into(),
                Format::Csv | Format::Json => model.bytes.into(),
            },
            time(model.create_time).into(),
            metrics.join(", ").into(),
        ]);
    }
    list.print(
        cx.format,
        &models,
        "no models yet: a job of recommend.item-knn or churn.logistic makes one",
    )?;
    Ok(ExitCode::SUCCESS)
}
