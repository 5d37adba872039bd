//! Named points of the commit protocol at which a test can end the process.
//!
//! Only in debug builds, only by `LODE_FAILPOINTS`, read once when a store is opened:
//! `name=kill@N` raises SIGKILL at the N-th passage, `name=skip` leaves the step out.
//! docs/storage.md lists the names. A release build has none of this.

#[cfg(debug_assertions)]
use std::collections::HashMap;
#[cfg(debug_assertions)]
use std::sync::atomic::AtomicU64;
#[cfg(debug_assertions)]
use std::sync::atomic::Ordering;

#[cfg(debug_assertions)]
#[derive(Debug)]
enum Action {
    Kill { at: u64, passed: AtomicU64 },
    Skip,
}

/// The points that are armed.
#[derive(Debug, Default)]
pub(crate) struct Failpoints {
    #[cfg(debug_assertions)]
    actions: HashMap<String, Action>,
}

#[cfg(debug_assertions)]
impl Failpoints {
    pub(crate) fn from_environment() -> Self {
        Self::parse(&std::env::var("LODE_FAILPOINTS").unwrap_or_default())
    }

    pub(crate) fn parse(text: &str) -> Self {
        let mut actions = HashMap::new();
        for item in text.split(';').map(str::trim).filter(|i| !i.is_empty()) {
            let Some((name, action)) = item.split_once('=') else {
                tracing::warn!(item, "failpoint without an action");
                continue;
            };
            let action = match action.split_once('@') {
                None if action == "skip" => Action::Skip,
                None if action == "kill" => kill_at(1),
                Some(("kill", at)) if at.parse().is_ok_and(|at: u64| at > 0) => {
                    kill_at(at.parse().unwrap_or(1))
                }
                _ => {
                    tracing::warn!(item, "unknown failpoint action");
                    continue;
                }
            };
            actions.insert(name.to_owned(), action);
        }
        Self { actions }
    }

    /// Passes a point; true when its step is to be left out.
    pub(crate) fn pass(&self, name: &str) -> bool {
        match self.actions.get(name) {
            None => false,
            Some(Action::Skip) => true,
            Some(Action::Kill { at, passed }) => {
                if passed.fetch_add(1, Ordering::SeqCst) + 1 == *at {
                    die();
                }
                false
            }
        }
    }
}

#[cfg(not(debug_assertions))]
impl Failpoints {
    pub(crate) fn from_environment() -> Self {
        Self::default()
    }

    pub(crate) fn pass(&self, _name: &str) -> bool {
        false
    }
}

#[cfg(debug_assertions)]
fn kill_at(at: u64) -> Action {
    Action::Kill {
        at,
        passed: AtomicU64::new(0),
    }
}

#[cfg(debug_assertions)]
fn die() {
    let own = rustix::process::getpid();
    // SIGKILL of oneself does not return.
    if let Err(errno) = rustix::process::kill_process(own, rustix::process::Signal::KILL) {
        tracing::error!(%errno, "a failpoint could not end the process");
    }
    loop {
        std::thread::park();
    }
}
