//! The worker's side: this process loads one plugin and runs what the engine asks for.
//!
//! It may be killed at any moment and owns nothing that would be missed. The main thread runs
//! the plugin; during a fit a second thread listens for `Cancel`. Scoring has no second
//! thread, so that a request costs no hand-over. Invariant: the first request that names a
//! library confines the process, before the library is opened and before the second thread.

mod call;
mod inspect;
mod run;
mod tables;

pub use inspect::problems;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use lode_worker::Channel;
use lode_worker::Received;

use crate::protocol::Reply;
use crate::protocol::Request;

/// What `lode worker` runs: serves the engine until it closes the channel.
pub fn worker_main() -> ExitCode {
    let served = lode_worker::enter().and_then(|channel| serve(&channel));
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&lode_types::chain(&error));
            ExitCode::FAILURE
        }
    }
}

fn serve(channel: &Channel) -> lode_worker::Result<()> {
    let mut scorer: Option<run::OpenScorer> = None;
    let mut confined = Confined(false);
    while let Some(received) = channel.recv::<Request>()? {
        let Received { message, body, fds } = received;
        match message {
            Request::Probe => {
                let confinement = lode_worker::confine(None)?;
                channel.send(&Reply::Confined(confinement), &[], &[])?;
            }
            Request::Inspect { path } => {
                confined.before(&path)?;
                let inspection = inspect::inspect(Some(channel), &path);
                channel.send(&Reply::Inspected(inspection), &[], &[])?;
            }
            Request::Fit {
                target,
                inputs,
                outputs,
                declared,
                models,
                declared_models,
                warm_start,
                budget,
            } => {
                confined.before(&target.path)?;
                let cancelled = listen(channel)?;
                let plan = run::Plan {
                    target,
                    inputs,
                    outputs,
                    declared,
                    models,
                    declared_models,
                    warm_start,
                    budget,
                };
                let reply = run::fit(channel, &cancelled, plan, fds);
                channel.send(&reply, &[], &[])?;
                // The listener owns the receiving side now; the engine ends this process.
                std::thread::park();
            }
            Request::Open { target } => {
                confined.before(&target.path)?;
                let reply = match run::OpenScorer::open(channel, target, fds) {
                    Ok(opened) => {
                        scorer = Some(opened);
                        Reply::Opened
                    }
                    Err(failed) => failed.into_reply(),
                };
                channel.send(&reply, &[], &[])?;
            }
            Request::Score { inputs } => {
                let scored = match &scorer {
                    Some(scorer) => scorer.score(channel, inputs, &body, fds),
                    None => Err(call::Told::bug("expected an open model, found none")),
                };
                match scored {
                    Ok(result) => channel.send(&Reply::Scored, &result, &[])?,
                    Err(failed) => channel.send(&failed.into_reply(), &[], &[])?,
                }
            }
            Request::Cancel => {}
        }
    }
    Ok(())
}

/// Whether this process is confined; it stays so, to the library that it was confined for.
struct Confined(bool);

impl Confined {
    /// Confines the process before it loads `library`; a second library of the same process
    /// cannot be opened then, other than the same again.
    fn before(&mut self, library: &Path) -> lode_worker::Result<()> {
        if !self.0 {
            // What the kernel lacks was told when the engine started.
            lode_worker::confine(Some(library))?;
            self.0 = true;
        }
        Ok(())
    }
}

/// Listens for `Cancel` on a thread of its own for the rest of this process.
fn listen(channel: &Channel) -> lode_worker::Result<Arc<AtomicBool>> {
    let cancelled = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&cancelled);
    let channel = channel.try_clone()?;
    std::thread::Builder::new()
        .name("cancel".to_owned())
        .spawn(move || {
            while let Ok(Some(received)) = channel.recv::<Request>() {
                if matches!(received.message, Request::Cancel) {
                    flag.store(true, Ordering::Release);
                }
            }
            // The engine is gone: nobody waits for what this process does.
            leave();
        })?;
    Ok(cancelled)
}

#[expect(
    clippy::exit,
    clippy::disallowed_methods,
    reason = "the main thread is inside a plugin and cannot be asked to return"
)]
fn leave() {
    std::process::exit(0);
}

#[expect(
    clippy::print_stderr,
    reason = "the engine keeps a worker's standard error as its last words"
)]
fn complain(text: &str) {
    eprintln!("lode worker: {text}");
}
