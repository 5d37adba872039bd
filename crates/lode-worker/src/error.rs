//! What can go wrong between a worker and its parent.

use std::io;

use lode_types::Class;
use lode_types::Failure;

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong between a worker and its parent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The program could not be started.
    #[error("start worker {program}")]
    Start {
        /// The program.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// The thread that starts workers is gone.
    #[error("the thread that starts workers has ended")]
    SpawnerGone,
    /// The socket failed.
    #[error("worker socket")]
    Socket {
        /// Why.
        #[from]
        source: io::Error,
    },
    /// The other side sent something that is no frame.
    #[error("worker frame: expected {expected}, found {found}")]
    Frame {
        /// What a frame has there.
        expected: &'static str,
        /// What came.
        found: String,
    },
    /// A limit could not be set.
    #[error("set worker limit {limit}")]
    SetLimit {
        /// Which.
        limit: &'static str,
        /// Why.
        source: io::Error,
    },
    /// Started by hand instead of by the engine.
    #[error("expected to be started by the engine with a socket as standard input")]
    NotAWorker,
}

impl Failure for Error {
    fn class(&self) -> Class {
        match self {
            Self::Start { .. } | Self::SpawnerGone => Class::Unavailable,
            Self::NotAWorker => Class::State,
            _ => Class::Bug,
        }
    }
    fn reason(&self) -> &'static str {
        match self {
            Self::Start { .. } => "WORKER_START_FAILED",
            Self::SpawnerGone => "WORKER_SPAWNER_GONE",
            Self::NotAWorker => "NOT_A_WORKER",
            Self::SetLimit { .. } => "WORKER_LIMIT_FAILED",
            Self::Socket { .. } | Self::Frame { .. } => "WORKER_PROTOCOL",
        }
    }
}
