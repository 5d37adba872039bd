//! `lode run`: runs an algorithm, watches it, prints and saves what it found.

pub(crate) mod evaluation;
pub(crate) mod offering;
mod spec;
pub(crate) mod tuning;

use std::path::PathBuf;
use std::process::ExitCode;

use lode_sdk::Error;
use lode_sdk::Job;
use lode_sdk::JobEvent;
use lode_sdk::JobHandle;
use lode_types::Timestamp;
use lode_types::Value;

use crate::commands::Context;
use crate::commands::job;
use crate::failure::Failed;
use crate::failure::Result;
use crate::failure::say;
use crate::output::Format;
use crate::output::of;
use crate::output::print_json;
use crate::output::write_file;
use crate::parse;
use crate::parse::InputArg;
use crate::parse::RoleArg;
use crate::progress;

/// Arguments of `lode run`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The algorithm, e.g. churn.logistic
    algorithm: String,
    /// A table to read: a dataset, a SELECT, an output of a job, a feature view at the time of
    /// --as-of or else now, or a training set by the JSON of a file (docs/training-sets.md);
    /// INPUT= may be left out when the algorithm has one input
    #[arg(
        short = 'i',
        long = "input",
        value_parser = parse::input,
        required = true,
        value_name = "INPUT=DATASET|sql:\"...\"|output:JOB/NAME|features:VIEW|training:FILE"
    )]
    inputs: Vec<InputArg>,
    /// A parameter; the value is read as JSON when it is JSON, else as text
    #[arg(short = 'p', long = "param", value_parser = parse::param, value_name = "NAME=VALUE")]
    params: Vec<(String, Value)>,
    /// Which column of an input holds a role
    #[arg(long = "role", value_parser = parse::input_role, value_name = "INPUT.ROLE=COLUMN")]
    roles: Vec<RoleArg>,
    /// A column of an input to leave out
    #[arg(long, value_name = "INPUT.COLUMN")]
    exclude: Vec<String>,
    /// Seed of everything random
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Threads; the result does not depend on it
    #[arg(long, value_name = "N")]
    threads: Option<u32>,
    /// Longest run, in seconds
    #[arg(long, value_name = "SECS")]
    timeout: Option<u64>,
    /// Memory of the job, in MiB
    #[arg(long, value_name = "MIB")]
    memory_mib: Option<u64>,
    /// Folds of the cross-validation of a supervised job; 1 turns judging off, also of a
    /// recommender [default: 5]
    #[arg(long, value_name = "N")]
    folds: Option<u32>,
    #[command(flatten)]
    evaluation: evaluation::EvaluationArgs,
    #[command(flatten)]
    offers: evaluation::OfferArgs,
    #[command(flatten)]
    tuning: tuning::TuningArgs,
    #[command(flatten)]
    offering: offering::OfferingArgs,
    /// Write scores, labels and segments onto customers
    #[arg(long)]
    write_back: bool,
    /// Read every input as it was known at a time, e.g. 2011-09-01 (UTC); nothing later is seen
    #[arg(long, value_parser = parse::time, value_name = "TIME")]
    as_of: Option<Timestamp>,
    /// Start from a model of the same algorithm, so that segments keep their numbers, or a fit
    /// ends sooner; `lode algorithms ID` says whether it can. An id or an alias
    #[arg(long, value_name = "MODEL")]
    base_model: Option<String>,
    /// Start the job and leave
    #[arg(long)]
    detach: bool,
    /// Id of the job [default: made of the algorithm and the time]
    #[arg(long, value_name = "JOB")]
    id: Option<String>,
    /// Save an output to a .csv, .json or .arrow file
    #[arg(long = "out", value_parser = parse::out, value_name = "OUTPUT=FILE")]
    outs: Vec<(String, PathBuf)>,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Result<ExitCode> {
    if args.detach && !args.outs.is_empty() {
        return Err(Failed::usage(
            "--out needs the finished job: leave --detach out, or use `lode output JOB NAME` later",
        ));
    }
    let mut spec = spec::spec(cx, &args).await?;
    if let Some(model) = &mut spec.base_model {
        *model = cx.model(model).await?;
    }
    let handle = match &args.id {
        Some(id) => cx.lode.submit_as(id, spec).await?,
        None => cx.lode.submit(spec).await?,
    };
    if args.detach {
        say(&format!(
            "started; `lode job {0} --watch` shows how it goes, `lode cancel {0}` stops it",
            handle.id()
        ));
        job::print_job(cx.format, &handle.job)?;
        return Ok(ExitCode::SUCCESS);
    }
    let Some(job) = wait(cx.format, handle).await? else {
        // What a shell gives for a command that an interrupt ended.
        return Ok(ExitCode::from(130));
    };
    for (output, file) in &args.outs {
        let mut rows = cx.lode.output_rows(&job.job, output, 0, None).await?;
        let n_rows = write_file(&mut rows, file).await?;
        say(&format!(
            "wrote {} of {output} to {}",
            of(n_rows, "row"),
            file.display()
        ));
    }
    job::print_job(cx.format, &job)?;
    Ok(ExitCode::SUCCESS)
}

/// Waits for the end of a job; none when the person leaves with Ctrl-C.
pub(crate) async fn wait(format: Format, handle: JobHandle) -> Result<Option<Job>> {
    let id = handle.id().to_owned();
    let bar = progress::job_bar(&handle.job.algorithm);
    let waiting = handle.wait_with(|event| match event {
        JobEvent::Progress(now) => {
            progress::set_fraction(&bar, now.fraction);
            bar.set_message(now.stage.clone());
        }
        JobEvent::Log { level, message, .. } if level != "debug" => {
            bar.suspend(|| say(&format!("{level}: {message}")));
        }
        JobEvent::Job(job) => bar.set_message(job.state.as_str()),
        _ => {}
    });
    let ended = tokio::select! {
        ended = waiting => ended,
        _ = tokio::signal::ctrl_c() => {
            bar.finish_and_clear();
            say(&format!(
                "left job {id}, which goes on; `lode job {id} --watch` shows how it goes, `lode cancel {id}` stops it"
            ));
            return Ok(None);
        }
    };
    bar.finish_and_clear();
    match ended {
        Ok(result) => Ok(Some(result.job)),
        Err(Error::Job(job)) => {
            // Programs get the failed job too; people get the message.
            if format == Format::Json {
                print_json(&job)?;
            }
            Err(Error::Job(job).into())
        }
        Err(error) => Err(error.into()),
    }
}
