//! Calls in real worker processes; this test program is the workers' program too.

mod bounds;
mod calls;
mod harness;
mod inspect;

use std::process::ExitCode;
use std::process::Termination;

/// Not a test: the `main` of the workers that the tests start.
#[test]
fn worker_process() -> ExitCode {
    if std::env::var_os("LODE_WORKER_PARENT").is_none() {
        return ExitCode::SUCCESS;
    }
    let ended = crate::worker_main().report();
    #[expect(
        clippy::exit,
        clippy::disallowed_methods,
        reason = "the test harness must not end its run as if this were a test"
    )]
    std::process::exit(i32::from(ended != ExitCode::SUCCESS));
}
