//! `lode cancel`: asks a job to stop.

use std::process::ExitCode;

use crate::commands::Context;
use crate::commands::job;
use crate::failure::Result;

/// Arguments of `lode cancel`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Id of the job
    id: String,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Result<ExitCode> {
    let cancelled = cx.lode.cancel(&args.id).await?;
    job::print_job(cx.format, &cancelled)?;
    Ok(ExitCode::SUCCESS)
}
