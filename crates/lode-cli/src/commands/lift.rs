//! `lode lift`: what came of what was offered, against the control arm.

use std::process::ExitCode;
use std::time::Duration;

use lode_sdk::ArmLift;
use lode_sdk::LiftQuestion;
use lode_types::Timestamp;

use crate::commands::Context;
use crate::failure::Result;
use crate::failure::say;
use crate::output::Format;
use crate::output::List;
use crate::output::number;
use crate::output::of;
use crate::parse;

/// Arguments of `lode lift`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// An alias, for what was offered by calls of that name; or the id of a model, for what it
    /// answered
    model: String,
    /// Days after an impression in which an event counts
    #[arg(long, default_value_t = 7.0, value_name = "DAYS")]
    window: f64,
    /// The dataset of what followed [default: the events that the model was made from]
    #[arg(
        long,
        value_name = "DATASET",
        default_value = "",
        hide_default_value = true
    )]
    events: String,
    /// Only impressions at or after it, e.g. 2026-09-01 (UTC)
    #[arg(long, value_parser = parse::time, value_name = "TIME")]
    from: Option<Timestamp>,
    /// Only impressions whose window had ended by then [default: now]
    #[arg(long, value_parser = parse::time, value_name = "TIME")]
    until: Option<Timestamp>,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Result<ExitCode> {
    let window = Duration::try_from_secs_f64(args.window * 86_400.0).ok();
    let window = window.filter(|window| !window.is_zero());
    let window = window.ok_or_else(|| {
        crate::failure::Failed::usage(format!(
            "--window: expected a number of days above 0, found {}",
            args.window
        ))
    })?;
    let lift = cx
        .lode
        .lift(LiftQuestion {
            model: cx.model(&args.model).await?,
            window: Some(window),
            events: args.events,
            from: args.from,
            until: args.until,
        })
        .await?;
    let mut list = List::new(&[
        "arm",
        "impressions",
        "customers",
        "followed",
        "share",
        "low",
        "high",
    ]);
    let mut arm = |name: &str, arm: &ArmLift| {
        list.push(vec![
            name.into(),
            arm.impressions.into(),
            arm.customers.into(),
            arm.followed.into(),
            arm.share.into(),
            arm.low.into(),
            arm.high.into(),
        ]);
    };
    arm("model", &lift.model);
    arm("control", &lift.control);
    list.print(cx.format, &lift, "no impressions")?;
    if cx.format == Format::Table {
        match (lift.difference, lift.low.zip(lift.high)) {
            (Some(difference), Some((low, high))) => say(&format!(
                "difference {} ({} to {} with 95% confidence)",
                number(difference),
                number(low),
                number(high)
            )),
            (Some(difference), None) => say(&format!(
                "difference {}; an interval needs two customers in each arm",
                number(difference)
            )),
            _ => say("no difference: one of the arms has no impressions"),
        }
        if lift.open_impressions > 0 {
            say(&format!(
                "{} left out, since the window is not over",
                of(lift.open_impressions, "impression")
            ));
        }
    }
    Ok(ExitCode::SUCCESS)
}
