//! `lode model`: one model and what made it.

use std::process::ExitCode;

use serde_json::Value;

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
    if let Some(curve) = &model.calibration {
        push("calibration", calibration(curve).into());
    }
    for (name, value) in &model.metrics {
        push(name, (*value).into());
    }
    list.print(cx.format, &model, "")?;
    Ok(ExitCode::SUCCESS)
}

/// How a margin becomes a score, with all digits: it can be worked out by hand.
fn calibration(curve: &Value) -> String {
    let number = |of: &Value| {
        of.as_f64()
            .map_or_else(|| "?".to_owned(), |x| x.to_string())
    };
    let x = match curve["input"].as_str() {
        Some("score") => "ln(s / (1 - s)) of the plugin's score s",
        _ => "the margin",
    };
    let rows = &curve["rows"];
    match curve["method"].as_str() {
        Some("platt") => format!(
            "platt, of {rows} rows: score = 1 / (1 + exp(-({} x + {}))), x being {x}",
            number(&curve["slope"]),
            number(&curve["intercept"]),
        ),
        _ => {
            let knots = curve["knots"].as_array().map_or(&[][..], Vec::as_slice);
            let point = |knot: &Value| format!("({}, {})", number(&knot[0]), number(&knot[1]));
            let points: Vec<String> = knots.iter().map(point).collect();
            format!(
                "isotonic, of {rows} rows: straight lines between {}, flat beyond them; first {x}, \
                 then the score",
                points.join(" ")
            )
        }
    }
}
