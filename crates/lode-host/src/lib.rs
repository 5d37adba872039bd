//! Finds plugins and runs their algorithms, each in a worker process of its own.
//!
//! A plugin's code never runs in the process that owns the store: what it can break is its
//! worker, and the call that it was running fails with a word for how. Knows no store and
//! no wire. Invariant: every call ends, by an answer, a death, a cancel or the deadline.
//!
//! Reading order: [`Host`] finds and checks libraries; [`FitCall`] and [`Scorer`] are the
//! calls; `supervise` is the parent's side of one call and `worker` the child's; [`foreign`]
//! is a library in a process that may be lost.

mod cancel;
mod discover;
mod error;
mod fit;
pub mod foreign;
mod host;
mod ipc;
mod probe;
mod protocol;
mod scorer;
mod supervise;
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
pub use host::Loaded;
pub use host::PluginInfo;
pub use host::PluginState;
pub use lode_worker::Confinement;
pub use protocol::Binding;
pub use protocol::FailKind;
pub use protocol::LogLevel;
pub use scorer::ScoreInput;
pub use scorer::Scorer;
pub use scorer::ScorerCall;
pub use supervise::Event;
pub use worker::problems;
pub use worker::worker_main;

#[cfg(test)]
mod tests;
