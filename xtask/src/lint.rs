//! `cargo xtask lint`: clippy and rustdoc, every warning an error.

use anyhow::Context as _;
use anyhow::Result;

use crate::workspace;

#[derive(clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_args: &Args) -> Result<()> {
    let mut clippy = workspace::cargo();
    clippy.args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ]);
    workspace::run(&mut clippy)
        .context("mend the code, or say at the place why not: #[expect(lint, reason = \"...\")]")?;
    // Only our own crates: rustdoc reads the metadata that clippy's check has made already.
    let mut doc = workspace::cargo();
    doc.args(["doc", "--workspace", "--no-deps", "--quiet"]);
    workspace::run(doc.env("RUSTDOCFLAGS", "-D warnings")).context("mend the links in the docs")
}
