//! `lode datasets`: what is loaded.

use std::process::ExitCode;

use crate::commands::Context;
use crate::failure::Result;
use crate::output::Format;
use crate::output::List;
use crate::output::size;
use crate::output::time;

pub(crate) async fn run(cx: &Context) -> Result<ExitCode> {
    let datasets = cx.lode.datasets().await?;
    let mut list = List::new(&[
        "dataset", "kind", "rows", "size", "version", "columns", "updated",
    ]);
    for dataset in &datasets {
        list.push(vec![
            dataset.dataset.as_str().into(),
            dataset.kind.as_str().into(),
            dataset.rows.into(),
            match cx.format {
                Format::Table => size(dataset.bytes).into(),
                Format::Csv | Format::Json => dataset.bytes.into(),
            },
            dataset.version.into(),
            (dataset.schema.columns().len() as u64).into(),
            time(dataset.update_time).into(),
        ]);
    }
    list.print(
        cx.format,
        &datasets,
        "no datasets yet: `lode ingest DATASET FILE` loads a file, `lode sample DIR` writes some to play with",
    )?;
    Ok(ExitCode::SUCCESS)
}
