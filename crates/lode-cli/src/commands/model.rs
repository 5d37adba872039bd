//! `lode model`: one model and what made it.

use std::process::ExitCode;

use crate::commands::Context;
use crate::failure::Result;
use crate::output::List;
use crate::output::time;

/// Arguments of `lode model`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Id of the model, or an alias
    id: String,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Result<ExitCode> {
    let model = cx.lode.model(&cx.model(&args.id).await?).await?;
    let mut list = List::new(&["fact", "value"]);
    let mut push = |fact: &str, value: crate::output::Cell| list.push(vec![fact.into(), value]);
    push("model", model.model.as_str().into());
    if !model.aliases.is_empty() {
        push("aliases", model.aliases.join(", ").into());
    }
    push("algorithm", model.algorithm.as_str().into());
    push("job", model.job.as_str().into());
    push("created", time(model.create_time).into());
    if let Some(format) = model.model_format {
        push("format", u64::from(format).into());
    }
    push("bytes", model.bytes.into());
    push("sha256", model.sha256.as_str().into());
    push("seed", model.seed.into());
    if let Some(provenance) = &model.provenance {
        let plugin = format!("{} {}", provenance.plugin, provenance.plugin_version);
        push("plugin", plugin.into());
        push("plugin sha256", provenance.plugin_sha256.as_str().into());
        push("params", provenance.params.to_string().into());
        for input in &provenance.inputs {
            let value = format!("{} at version {}", input.dataset, input.version);
            push(&format!("input {}", input.input), value.into());
        }
    }
    for (name, value) in &model.metrics {
        push(name, (*value).into());
    }
    list.print(cx.format, &model, "")?;
    Ok(ExitCode::SUCCESS)
}
