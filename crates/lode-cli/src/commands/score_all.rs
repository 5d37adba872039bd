//! `lode score-all`: scores everybody with a model; saves and prints what came of it.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use lode_sdk::JobLimits;
use lode_sdk::JobSpec;
use lode_sdk::ScoreAll;
use lode_types::Timestamp;

use crate::commands::Context;
use crate::commands::job;
use crate::failure::Result;
use crate::failure::say;
use crate::output::of;
use crate::output::write_file;
use crate::parse;
use crate::parse::InputArg;

/// Arguments of `lode score-all`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    common: Common,
    /// Save an output, e.g. scores, to a .csv, .json or .arrow file
    #[arg(long = "out", value_parser = parse::out, value_name = "OUTPUT=FILE")]
    outs: Vec<(String, PathBuf)>,
}

/// What every batch of scores can be told.
#[derive(Debug, clap::Args)]
pub(crate) struct Common {
    /// The model: an id or an alias
    pub(super) model: String,
    /// Score these rows instead of all customers of what the model was made from
    #[arg(
        short = 'i',
        long = "input",
        value_parser = parse::input,
        value_name = "DATASET|sql:\"...\"|output:JOB/NAME|features:VIEW"
    )]
    input: Option<InputArg>,
    /// See customers as they were known at a time, e.g. 2011-09-01 (UTC)
    #[arg(long, value_parser = parse::time, value_name = "TIME")]
    as_of: Option<Timestamp>,
    /// Dataset with columns feature, action, and optionally condition, description and priority:
    /// what to do about a reason
    #[arg(long, value_name = "DATASET")]
    actions: Option<String>,
    /// Reasons for each customer, 1 to 20 [default: 3]
    #[arg(long, value_name = "N")]
    reasons: Option<u32>,
    /// What lowers the score is a reason too
    #[arg(long)]
    either_way: bool,
    /// Write the scores onto customers
    #[arg(long)]
    write_back: bool,
    /// Longest run, in seconds
    #[arg(long, value_name = "SECS")]
    timeout: Option<u64>,
    /// Id of the job [default: made of the time]
    #[arg(long, value_name = "JOB")]
    pub(super) id: Option<String>,
}

impl Common {
    /// Whether there is a table of actions.
    pub(super) fn has_actions(&self) -> bool {
        self.actions.is_some()
    }

    /// The job that is meant.
    pub(super) async fn job(&self, cx: &Context) -> Result<ScoreAll> {
        let mut job = ScoreAll::new(cx.model(&self.model).await?);
        if let Some(input) = &self.input {
            job = job.customers(input.input.clone());
        }
        if let Some(time) = self.as_of {
            job = job.as_of(time);
        }
        if let Some(dataset) = &self.actions {
            job = job.actions(dataset);
        }
        if let Some(n) = self.reasons {
            job = job.reasons(n);
        }
        if self.either_way {
            job = job.reasons_either_way();
        }
        if self.write_back {
            job = job.write_back();
        }
        if let Some(secs) = self.timeout {
            job = job.limits(JobLimits {
                timeout: Some(Duration::from_secs(secs)),
                ..JobLimits::default()
            });
        }
        Ok(job)
    }

    /// Runs a job to its end; none when the person leaves with Ctrl-C.
    pub(super) async fn wait(
        &self,
        cx: &Context,
        spec: impl Into<JobSpec>,
    ) -> Result<Option<lode_sdk::Job>> {
        let handle = match &self.id {
            Some(id) => cx.lode.submit_as(id, spec).await?,
            None => cx.lode.submit(spec).await?,
        };
        crate::commands::run::wait(cx.format, handle).await
    }
}

pub(crate) async fn run(cx: &Context, args: Args) -> Result<ExitCode> {
    let spec = args.common.job(cx).await?;
    let Some(job) = args.common.wait(cx, spec).await? else {
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
