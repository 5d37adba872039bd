//! `cargo xtask miri`: the tests of the C boundary in Miri, which sees undefined behavior.
//!
//! `lode-abi` and `lode-plugin` alone: the other crates with unsafe code call the system, which
//! Miri does not have. Tests that it cannot run say so with `cfg(miri)`.

use anyhow::Result;

use crate::fuzz;
use crate::workspace;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Passed on to the tests, e.g. `-- ffi::`.
    #[arg(last = true)]
    rest: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    fuzz::needs(
        &["+nightly", "miri", "--version"],
        "Miri needs a nightly toolchain with that component: \
         `rustup toolchain install nightly --component miri`",
    )?;
    let mut miri = fuzz::nightly();
    // The context's deadline asks the machine's clock.
    miri.env("MIRIFLAGS", "-Zmiri-disable-isolation");
    miri.args(["miri", "test", "--package", "lode-abi"]);
    miri.args(["--package", "lode-plugin", "--lib", "--"]);
    miri.args(&args.rest);
    workspace::run(&mut miri)
}
