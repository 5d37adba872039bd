//! `cargo xtask plugin`: `new NAME` writes a plugin into `plugins/`, from the template of `lode
//! plugin new`; `check` builds and holds the plugins to the conformance kit.
//!
//! Reads the template from the checkout, since a build tool depends on nothing of `crates/`.
//! Invariant: the folder appears whole or not at all.

use std::fs;
use std::path::Path;
use std::path::PathBuf;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;

use crate::build;
use crate::build::Wanted;
use crate::workspace;

/// Where the template lies.
const TEMPLATE: &str = "crates/lode-cli/templates/plugin-rust";

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Write plugins/NAME: a crate that builds, passes its tests and has a benchmark.
    New(NewArgs),
    /// Build, then run the conformance kit on every shipped plugin, or on the files given.
    Check(CheckArgs),
}

#[derive(clap::Args)]
struct NewArgs {
    /// Name of the package: a-z, 0-9, - and _, starting with a letter.
    name: String,
    /// Id of its algorithm, family.name; NAME.overdue when not given.
    #[arg(long)]
    algorithm: Option<String>,
}

#[derive(clap::Args)]
struct CheckArgs {
    /// Libraries; those of target/lode/plugins when none is given.
    files: Vec<PathBuf>,
    /// Optimised.
    #[arg(long)]
    release: bool,
    /// Passed on to `lode plugin check`, e.g. `-- --seed 7`.
    #[arg(last = true)]
    rest: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    match &args.command {
        Command::New(args) => new(args),
        Command::Check(args) => check(args),
    }
}

fn check(args: &CheckArgs) -> Result<()> {
    let dist = workspace::dist();
    let wanted = Wanted {
        release: args.release,
        ..Wanted::default()
    };
    build::into(&dist, &wanted)?;
    let mut files = args.files.clone();
    if files.is_empty() {
        for entry in fs::read_dir(dist.join("plugins"))? {
            files.push(entry?.path());
        }
        files.sort();
    }
    let golden = workspace::root().join("tests/golden");
    let mut failed = Vec::new();
    for file in files {
        let mut command = std::process::Command::new(dist.join("lode"));
        command.args(["plugin", "check"]).arg(&file);
        command.arg("--golden").arg(&golden).args(&args.rest);
        let status = command.status().context("lode plugin check did not start")?;
        if !status.success() {
            failed.push(file.display().to_string());
        }
    }
    if !failed.is_empty() {
        bail!("the kit is not content with {}", failed.join(", "));
    }
    Ok(())
}

fn new(args: &NewArgs) -> Result<()> {
    let name = &*args.name;
    let plain = |word: &str, others: &str| {
        word.starts_with(|letter: char| letter.is_ascii_lowercase())
            && word.chars().all(|letter| {
                letter.is_ascii_lowercase() || letter.is_ascii_digit() || others.contains(letter)
            })
    };
    if !plain(name, "-_") {
        bail!("expected a name of a-z, 0-9, - and _ that starts with a letter, found {name:?}");
    }
    let algorithm = match &args.algorithm {
        Some(id) => id.clone(),
        None => format!("{}.overdue", name.replace('_', "-")),
    };
    let words = algorithm.split('.').collect::<Vec<_>>();
    if words.len() != 2 || !words.iter().all(|word| plain(word, "-")) {
        bail!("expected an id family.name of a-z, 0-9 and -, found {algorithm:?}");
    }
    let metadata = workspace::metadata()?;
    let mut packages = metadata["packages"].as_array().into_iter().flatten();
    let folder = workspace::root().join("plugins").join(name);
    if folder.exists() || packages.any(|package| package["name"] == name) {
        bail!("expected a name that is free, found {name:?} in this workspace");
    }
    let scratch = workspace::target().join(format!("plugin-new-{}", std::process::id()));
    let template = workspace::root().join(TEMPLATE);
    let written = copy(&template, &scratch, name, &algorithm)
        .and_then(|()| fs::rename(&scratch, &folder).with_context(|| folder.display().to_string()));
    if written.is_err() {
        // What was begun is of no use; the first error is the one to see.
        fs::remove_dir_all(&scratch).ok();
    }
    written?;
    println!(
        "wrote {}: {algorithm}\nnext: `cargo test --package {name}`, then `cargo xtask build`",
        workspace::shown(&folder)
    );
    Ok(())
}

/// Copies the template with its places filled.
fn copy(from: &Path, to: &Path, name: &str, algorithm: &str) -> Result<()> {
    fs::create_dir_all(to).with_context(|| to.display().to_string())?;
    for entry in fs::read_dir(from).with_context(|| from.display().to_string())? {
        let path = entry?.path();
        let file = path.file_name().context("a file has a name")?;
        let file = match file.to_str() {
            Some("Cargo.workspace.toml") => "Cargo.toml",
            // Of a project that stands alone.
            Some("Cargo.standalone.toml" | "gitignore") => continue,
            Some(other) => other,
            None => bail!("{} is not UTF-8", path.display()),
        };
        if path.is_dir() {
            copy(&path, &to.join(file), name, algorithm)?;
            continue;
        }
        let run = format!(
            "\n`cargo xtask build` puts the library into `target/lode/plugins`.\n\n\
             ```\n\
             lode run {algorithm} -i events=sales --write-back\n\
             lode score MODEL --row '{{\"customer_id\": \"C1\"}}'\n\
             ```\n\n"
        );
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let text = text
            .replace("{{NAME}}", name)
            .replace("{{CRATE}}", &name.replace('-', "_"))
            .replace("{{ALGORITHM}}", algorithm)
            .replace("{{RUN}}", &run);
        fs::write(to.join(file), text).with_context(|| file.to_owned())?;
    }
    Ok(())
}
