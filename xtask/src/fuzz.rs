//! `cargo xtask fuzz`: libFuzzer on the targets of `tests/fuzz`, where the tools are there.
//!
//! Needs a nightly toolchain and cargo-fuzz; without them it says what is missing. What it finds
//! stays in target/fuzz; the bounded form of the same targets is an ordinary test.

use std::fs;
use std::process::Command;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;

use crate::workspace;

const FOLDER: &str = "tests/fuzz/cargo-fuzz";
const TARGETS: [&str; 4] = ["manifest", "frames", "model", "params"];

#[derive(clap::Args)]
pub(crate) struct Args {
    /// One target instead of all.
    #[arg(value_parser = TARGETS)]
    target: Option<String>,
    /// How long each target runs.
    #[arg(long, value_name = "N", default_value_t = 60)]
    seconds: u32,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    needs(
        &["+nightly", "fuzz", "--version"],
        "fuzzing needs a nightly toolchain and cargo-fuzz: `rustup toolchain install nightly`, \
         `cargo install cargo-fuzz`; the bounded run is `cargo test -p lode-fuzz`",
    )?;
    // The versions that the engine is built with.
    let lock = workspace::root().join(FOLDER).join("Cargo.lock");
    fs::copy(workspace::root().join("Cargo.lock"), &lock)
        .with_context(|| lock.display().to_string())?;
    for target in TARGETS {
        if args.target.as_deref().is_none_or(|one| one == target) {
            one(target, args.seconds)?;
        }
    }
    Ok(())
}

fn one(target: &str, seconds: u32) -> Result<()> {
    let folder = workspace::target().join("fuzz");
    let found = folder.join("corpus").join(target);
    fs::create_dir_all(&found).with_context(|| found.display().to_string())?;
    let mut seeds = workspace::cargo();
    seeds.args(["run", "--quiet", "--package", "lode-fuzz", "--", target]);
    workspace::run(seeds.arg(&found))?;

    let mut fuzz = nightly();
    fuzz.args(["fuzz", "run", "--fuzz-dir", FOLDER, "--target-dir"]);
    fuzz.arg(&folder).args(["--jobs", "1", target]).arg(&found);
    fuzz.arg(format!("tests/fuzz/corpus/{target}"));
    fuzz.arg("--").arg(format!("-max_total_time={seconds}"));
    // A reader that takes ten seconds of 16 KiB is a finding.
    fuzz.args(["-max_len=16384", "-timeout=10"]);
    fuzz.args(["-print_final_stats=1"]);
    workspace::run(&mut fuzz).with_context(|| {
        format!(
            "the input lies in {FOLDER}/artifacts/{target}; copy it to tests/fuzz/corpus/{target}"
        )
    })
}

/// Cargo of the nightly toolchain, in the root of the repository.
pub(crate) fn nightly() -> Command {
    // Rustup's own cargo: the one in $CARGO is a toolchain's, which knows no `+nightly`.
    let mut command = Command::new("cargo");
    command.current_dir(workspace::root());
    // What this toolchain set for its own children.
    for variable in ["CARGO", "RUSTUP_TOOLCHAIN"] {
        command.env_remove(variable);
    }
    command.arg("+nightly");
    command
}

/// Fails in words when a cargo command is not there.
pub(crate) fn needs(command: &[&str], words: &str) -> Result<()> {
    let mut asked = Command::new("cargo");
    asked.args(command).env_remove("RUSTUP_TOOLCHAIN");
    match asked.output() {
        Ok(output) if output.status.success() => Ok(()),
        _ => bail!("{words}"),
    }
}
