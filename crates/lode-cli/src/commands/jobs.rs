//! `lode jobs`: the newest jobs.

use std::process::ExitCode;

use crate::commands::Context;
use crate::failure::Result;
use crate::output::List;
use crate::output::duration;
use crate::output::time;

/// Arguments of `lode jobs`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Most jobs to list
    #[arg(long, default_value_t = 50, value_name = "N")]
    limit: usize,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Result<ExitCode> {
    let jobs = cx.lode.jobs(args.limit).await?;
    let mut list = List::new(&["job", "algorithm", "state", "created", "took", "result"]);
    for job in &jobs {
        let result = match &job.error {
            Some(error) => error.reason.clone(),
            None => job
                .outputs
                .iter()
                .map(|output| output.name.as_str())
                .chain(job.models.iter().map(|_| "model"))
                .collect::<Vec<_>>()
                .join(", "),
        };
        list.push(vec![
            job.job.as_str().into(),
            job.algorithm.as_str().into(),
            job.state.as_str().into(),
            time(job.create_time).into(),
            duration(job.start_time, job.end_time).into(),
            result.into(),
        ]);
    }
    list.print(
        cx.format,
        &jobs,
        "no jobs yet: `lode algorithms` lists what can be run with `lode run`",
    )?;
    Ok(ExitCode::SUCCESS)
}
