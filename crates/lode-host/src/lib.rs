//! Finds plugins and runs their algorithms, each in a worker process of its own.
//!
//! A plugin's code never runs in the process that owns the store: what it can break is its
//! worker, and the call that it was running fails with a word for how. Knows no store and
//! no wire. Invariant: every call ends, by an answer, a death, a cancel or the deadline.
//!
//! Reading order: [`Host`] finds, checks, loads and unloads libraries; `registry` is what is
//! loaded, `quarantine` what is stopped; [`FitCall`] and [`Scorer`] are the calls; `supervise`
//! is the parent's side of one call and `worker` the child's; [`foreign`] is a library in a
//! process that may be lost.

mod cancel;
mod copies;
mod discover;
mod error;
mod fit;
pub mod foreign;
mod host;
mod ipc;
mod probe;
mod protocol;
mod quarantine;
mod registry;
mod scorer;
mod supervise;
mod trial;
mod watch;
mod worker;

pub use cancel::CancelFlag;
pub use error::Error;
pub use error::Result;
pub use fit::FitCall;
pub use fit::FitReport;
pub use fit::InputTable;
pub use fit::OutputReport;
pub use host::Host;
pub use host::HostConfig;
pub use host::Switching;
pub use host::UnloadTarget;
pub use lode_worker::Confinement;
pub use protocol::Binding;
pub use protocol::FailKind;
pub use protocol::LogLevel;
#[doc(hidden)]
pub use protocol::rewritten as rewritten_message;
pub use quarantine::Crash;
pub use quarantine::QuarantineRule;
pub use registry::Algorithms;
pub use registry::Loaded;
pub use registry::PluginInfo;
pub use registry::PluginState;
pub use registry::split as split_algorithm;
pub use scorer::ScoreInput;
pub use scorer::Scorer;
pub use scorer::ScorerCall;
pub use supervise::Event;
pub use watch::Watcher;
pub use worker::problems;
pub use worker::worker_main;

#[cfg(test)]
mod tests;
