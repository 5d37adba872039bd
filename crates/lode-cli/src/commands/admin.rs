//! `lode admin`: a data directory without its engine: look it over, make its catalog anew.

use std::path::PathBuf;
use std::process::ExitCode;

use lode_engine::Checked;
use lode_engine::Problem;
use lode_engine::Rebuilt;

use crate::failure::Failed;
use crate::failure::Result;
use crate::output::of;
use crate::output::print;

/// Arguments of `lode admin`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Read everything in a data directory and compare it with its checksums; changes nothing
    Check(Directory),
    /// Go on with a catalog that has lost its last writes, small ones, jobs or tags; a commit is
    /// not among them
    Accept(Directory),
    /// Make the catalog anew from the parts, when sled is lost or damaged; deletes nothing
    Rebuild(RebuildArgs),
}

#[derive(Debug, clap::Args)]
struct Directory {
    /// The data directory; no engine may have it open
    #[arg(long, value_name = "DIR", default_value = "lode-data")]
    data_dir: PathBuf,
}

#[derive(Debug, clap::Args)]
struct RebuildArgs {
    #[command(flatten)]
    directory: Directory,
    /// Rebuild a catalog that is whole, too
    #[arg(long)]
    force: bool,
}

pub(crate) async fn run(args: Args) -> Result<ExitCode> {
    let done = tokio::task::spawn_blocking(move || match args.command {
        Command::Check(directory) => {
            let checked = lode_engine::check_directory(&directory.data_dir);
            checked.map(|checked| (of_check(&checked), checked.problems.is_empty()))
        }
        Command::Accept(directory) => {
            let accepted = lode_engine::accept_directory(&directory.data_dir);
            accepted.map(|(expected, found)| (of_accept(expected, found), true))
        }
        Command::Rebuild(args) => {
            let rebuilt = lode_engine::rebuild_directory(&args.directory.data_dir, args.force);
            rebuilt.map(|rebuilt| (of_rebuild(&rebuilt), rebuilt.problems.is_empty()))
        }
    });
    let (text, whole) = done
        .await
        .map_err(|error| Failed::usage(error.to_string()))?
        .map_err(|error| Failed::of(&error))?;
    print(&text)?;
    Ok(if whole {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn of_check(checked: &Checked) -> String {
    let mut text = format!(
        "{}, {}; read {}, {} and {}\n",
        of(checked.datasets, "dataset"),
        of(checked.rows, "row"),
        of(checked.parts, "part"),
        of(checked.files, "file"),
        of(checked.documents, "document"),
    );
    for path in &checked.orphans {
        text.push_str(&format!("no record names {}\n", path.display()));
    }
    problems(&mut text, &checked.problems);
    if checked.problems.is_empty() {
        text.push_str("nothing is wrong\n");
    } else {
        text.push_str(
            "A part comes back when the same chunk of its load is sent again. When the catalog is \
             lost or behind: lode admin rebuild\n",
        );
    }
    text
}

fn of_accept(expected: u64, found: u64) -> String {
    format!(
        "expected {expected} groups of writes, found {found}: what the others wrote is lost, the \
         catalog is taken as it is\n"
    )
}

fn of_rebuild(rebuilt: &Rebuilt) -> String {
    let mut text = String::new();
    if let Some(aside) = &rebuilt.aside {
        text.push_str(&format!("the old catalog lies in {}\n", aside.display()));
    }
    for (dataset, version, rows) in &rebuilt.datasets {
        let rows = of(*rows, "row");
        text.push_str(&format!("rebuilt {dataset}: version {version}, {rows}\n"));
    }
    problems(&mut text, &rebuilt.problems);
    text.push_str(
        "Not rebuilt, since only the old catalog had them: jobs, models' records and tags; loads \
         that were not committed, and rejected rows; small writes that were in no part yet; \
         datasets without a commit.\n",
    );
    if rebuilt.files > 0 {
        let files = of(rebuilt.files, "file");
        text.push_str(&format!(
            "{files} in outputs and models stay, without their jobs\n"
        ));
    }
    text
}

fn problems(text: &mut String, problems: &[Problem]) {
    for problem in problems {
        let of_dataset = match problem.dataset.as_str() {
            "" => String::new(),
            dataset => format!("{dataset}: "),
        };
        let rows = match problem.rows {
            0 => String::new(),
            rows => format!(" ({} lost)", of(rows, "row")),
        };
        text.push_str(&format!(
            "{of_dataset}{}: {}{rows}\n",
            problem.what, problem.found
        ));
    }
}
