//! `lode recommend-all`: what to offer everybody, as a table.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use lode_sdk::JobLimits;
use lode_sdk::OfferList;
use lode_sdk::RecommendAll;

use crate::commands::Context;
use crate::commands::job;
use crate::failure::Result;
use crate::failure::say;
use crate::output::of;
use crate::output::write_file;
use crate::parse;
use crate::parse::InputArg;

/// Arguments of `lode recommend-all`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The model: an id or an alias
    model: String,
    /// Offers for these customers instead of all whom the model is for
    #[arg(
        short = 'i',
        long = "input",
        value_parser = parse::input,
        value_name = "DATASET|sql:\"...\"|output:JOB/NAME"
    )]
    input: Option<InputArg>,
    /// Offers for each
    #[arg(long, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    /// Only items of which this holds, e.g. "price < 30"
    #[arg(
        long,
        value_name = "CONDITION",
        default_value = "",
        hide_default_value = true
    )]
    filter: String,
    /// Items that a customer has may be offered too
    #[arg(long)]
    allow_owned: bool,
    /// Trade score for variety, 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    diversity: f64,
    /// Say why
    #[arg(long)]
    explain: bool,
    /// Longest run, in seconds
    #[arg(long, value_name = "SECS")]
    timeout: Option<u64>,
    /// Id of the job [default: made of the time]
    #[arg(long, value_name = "JOB")]
    id: Option<String>,
    /// Save the offers to a .csv, .json or .arrow file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Result<ExitCode> {
    let mut spec = RecommendAll::new(cx.model(&args.model).await?).offers(OfferList {
        limit: args.limit,
        filter: args.filter,
        allow_owned: args.allow_owned,
        diversity: args.diversity,
        explain: args.explain,
    });
    if let Some(input) = args.input {
        spec = spec.customers(input.input);
    }
    if let Some(secs) = args.timeout {
        spec = spec.limits(JobLimits {
            timeout: Some(Duration::from_secs(secs)),
            ..JobLimits::default()
        });
    }
    let handle = match &args.id {
        Some(id) => cx.lode.submit_as(id, spec).await?,
        None => cx.lode.submit(spec).await?,
    };
    let Some(job) = crate::commands::run::wait(cx.format, handle).await? else {
        return Ok(ExitCode::from(130));
    };
    if let Some(file) = &args.out {
        let mut rows = cx.lode.output_rows(&job.job, "offers", 0, None).await?;
        let n_rows = write_file(&mut rows, file).await?;
        say(&format!(
            "wrote {} to {}",
            of(n_rows, "offer"),
            file.display()
        ));
    }
    job::print_job(cx.format, &job)?;
    Ok(ExitCode::SUCCESS)
}
