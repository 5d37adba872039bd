//! `lode plugin check`: the conformance kit over one library.
//!
//! Needs no engine. Exit code 0 when no check failed, 1 otherwise.

use std::path::PathBuf;
use std::process::ExitCode;

use lode_kit::CheckResult;
use lode_kit::Outcome;

use crate::commands::Context;
use crate::failure::Failed;
use crate::failure::Result;
use crate::failure::say;
use crate::output::Format;
use crate::output::List;
use crate::output::print;
use crate::output::print_json;

/// The hidden command that runs one check; see [`lode_kit::child_main`].
pub(crate) const CHILD: &str = "kit-child";

/// Arguments of `lode plugin check`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The library, e.g. target/release/libmine.so
    #[arg(value_name = "FILE.so")]
    file: PathBuf,
    /// Seed of everything that is drawn; the same seed draws the same again
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// Only the checks with this in their name
    #[arg(long, default_value = "", value_name = "WORD")]
    only: String,
    /// Folder of models that older builds made, to be read and scored as they did
    #[arg(long, value_name = "DIR")]
    golden: Option<PathBuf>,
    /// Folder to write models of this build to, for the --golden of later ones
    #[arg(long, value_name = "DIR")]
    write_golden: Option<PathBuf>,
    /// Run the checks in this very process, for a debugger; a crash ends it
    #[arg(long)]
    in_process: bool,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Result<ExitCode> {
    let program = std::env::current_exe()
        .map_err(|error| Failed::io("cannot find the lode program itself", error))?;
    let options = lode_kit::Options {
        file: args.file,
        seed: args.seed,
        only: args.only,
        golden: args.golden,
        write_golden: args.write_golden,
        in_process: args.in_process,
        child: (program, vec![CHILD.to_owned()]),
    };
    // A debugger wants to see what is about to run, and so does whoever waits.
    let tell = move |result: &CheckResult| {
        if result.outcome == Outcome::Failed {
            say(&format!("{} {}: failed", result.subject, result.check));
        }
    };
    let run = tokio::task::spawn_blocking(move || lode_kit::run(&options, &mut { tell }));
    let report = run
        .await
        .map_err(|error| Failed::usage(format!("the kit itself failed: {error}")))?
        .map_err(|error| Failed::of(&error))?;
    match cx.format {
        Format::Table => print(&report.to_text())?,
        Format::Json => print_json(&report)?,
        Format::Csv => {
            let mut list = List::new(&["subject", "check", "outcome", "millis", "detail"]);
            for result in &report.results {
                list.push(vec![
                    result.subject.as_str().into(),
                    result.check.into(),
                    result.outcome.as_str().into(),
                    result.millis.to_string().into(),
                    result.detail.as_str().into(),
                ]);
            }
            list.print(cx.format, &report.results, "no checks")?;
        }
    }
    Ok(match report.passed() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}
