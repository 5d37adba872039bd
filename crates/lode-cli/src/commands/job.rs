//! `lode job`: one job, now or to its end.

mod measures;

use std::process::ExitCode;

use lode_sdk::Job;
use lode_sdk::JobEvent;
use lode_sdk::JobState;

use crate::commands::Context;
use crate::failure::Result;
use crate::failure::say;
use crate::output::Format;
use crate::output::List;
use crate::output::count;
use crate::output::duration;
use crate::output::number;
use crate::output::of;
use crate::output::print;
use crate::output::time;
use crate::progress;

/// Arguments of `lode job`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Id of the job
    id: String,
    /// Stay until the job ends
    #[arg(short, long)]
    watch: bool,
    /// Print what the algorithm logged
    #[arg(long)]
    log: bool,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Result<ExitCode> {
    let mut job = cx.lode.job(&args.id).await?;
    if args.log && job.state.is_final() {
        tell_log(cx, &args.id).await?;
    }
    if args.watch && !job.state.is_final() {
        match watch(cx, &job).await? {
            Some(ended) => job = ended,
            None => return Ok(ExitCode::from(130)),
        }
    }
    print_job(cx.format, &job)?;
    match (args.watch, job.state) {
        (true, JobState::Failed | JobState::Cancelled) => {
            Err(lode_sdk::Error::Job(Box::new(job)).into())
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// Tells the log lines of a finished job.
async fn tell_log(cx: &Context, id: &str) -> Result<()> {
    let mut events = cx.lode.watch(id, 0)?;
    while let Some(event) = events.next().await? {
        if let JobEvent::Log {
            level,
            message,
            time: at,
        } = event
        {
            say(&format!("{} {level}: {message}", time(at)));
        }
    }
    Ok(())
}

/// Watches a job to its end; none when the person leaves with Ctrl-C.
async fn watch(cx: &Context, job: &Job) -> Result<Option<Job>> {
    let bar = progress::job_bar(&job.algorithm);
    let mut events = cx.lode.watch(&job.job, 0)?;
    let mut last = job.clone();
    loop {
        let event = tokio::select! {
            event = events.next() => event?,
            _ = tokio::signal::ctrl_c() => {
                bar.finish_and_clear();
                say(&format!("job {} goes on", job.job));
                return Ok(None);
            }
        };
        match event {
            None => break,
            Some(JobEvent::Job(job)) => last = *job,
            Some(JobEvent::Progress(now)) => {
                progress::set_fraction(&bar, now.fraction);
                bar.set_message(now.stage);
            }
            Some(JobEvent::Log { level, message, .. }) => {
                bar.suspend(|| say(&format!("{level}: {message}")));
            }
            Some(_) => {}
        }
    }
    bar.finish_and_clear();
    Ok(Some(last))
}

/// Prints a job: for people what it found, else all of it.
pub(crate) fn print_job(format: Format, job: &Job) -> Result<()> {
    match format {
        Format::Table => print(&card(job)),
        Format::Json | Format::Csv => facts(job).print(format, job, ""),
    }
}

fn card(job: &Job) -> String {
    let mut text = format!(
        "job {} ({}): {}",
        job.job,
        job.algorithm,
        job.state.as_str()
    );
    if let Some(model) = &job.scored_model {
        text.push_str(&format!(", scores of model {model}"));
    }
    let took = duration(job.start_time, job.end_time);
    if !took.is_empty() {
        text.push_str(&format!(" in {took}"));
    }
    if let Some(error) = &job.error {
        text.push_str(&format!("\n  {} ({})", error.message, error.reason));
    }
    if !job.state.is_final() {
        text.push_str(&format!(
            "\n  created {}, {} % done {}",
            time(job.create_time),
            number((job.progress.fraction * 100.0).round()),
            job.progress.stage,
        ));
    }
    if !job.metrics.is_empty() {
        text.push_str(&format!("\n{}", measures::table(&job.metrics).to_table()));
    }
    if let Some(line) = measures::contact_line(&job.metrics) {
        text.push_str(&format!("\n{line}"));
    }
    if !job.outputs.is_empty() {
        let mut list = List::new(&["output", "rows", "print it"]);
        for output in &job.outputs {
            list.push(vec![
                output.name.as_str().into(),
                output.rows.into(),
                format!("lode output {} {}", job.job, output.name).into(),
            ]);
        }
        text.push_str(&format!("\n{}", list.to_table()));
    }
    for model in &job.models {
        text.push_str(&format!("\nmodel {model}: lode model {model}"));
    }
    if let Some(base) = &job.base_model {
        text.push_str(&format!("\nstarted from model {base}"));
    }
    if job.written_back > 0 {
        text.push_str(&format!(
            "\nwritten onto {}",
            of(job.written_back, "customer")
        ));
    }
    if let Some(provenance) = &job.provenance
        && !provenance.inputs.is_empty()
    {
        let inputs: Vec<String> = provenance
            .inputs
            .iter()
            .map(|input| {
                let as_of = match input.as_of {
                    Some(_) => format!(" as of {}", time(input.as_of)),
                    None => String::new(),
                };
                let version = count(input.version);
                format!("{} at version {version}{as_of}", input.dataset)
            })
            .collect();
        text.push_str(&format!(
            "\nread {}; seed {}; plugin {} {}",
            inputs.join(", "),
            job.seed,
            provenance.plugin,
            provenance.plugin_version,
        ));
    }
    text
}

fn facts(job: &Job) -> List {
    let mut list = List::new(&["fact", "value"]);
    let mut push = |fact: &str, value: crate::output::Cell| list.push(vec![fact.into(), value]);
    push("job", job.job.as_str().into());
    push("algorithm", job.algorithm.as_str().into());
    push("state", job.state.as_str().into());
    if let Some(error) = &job.error {
        push("reason", error.reason.as_str().into());
        push("message", error.message.as_str().into());
    }
    for (name, value) in &job.metrics {
        push(&format!("metric {name}"), (*value).into());
    }
    for output in &job.outputs {
        push(&format!("output {} rows", output.name), output.rows.into());
    }
    for model in &job.models {
        push("model", model.as_str().into());
    }
    if let Some(model) = &job.scored_model {
        push("scored model", model.as_str().into());
    }
    if let Some(base) = &job.base_model {
        push("base model", base.as_str().into());
    }
    list
}
