//! What keeps an engine from starting.

use std::net::SocketAddr;

use lode_types::Class;
use lode_types::Failure;
use lode_types::Fault;

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// What keeps an engine from starting.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Until there is authentication, only this machine may connect.
    #[error(
        "listen address: expected a loopback address (127.0.0.0/8 or [::1]), found {address}: \
         Lode has no authentication yet"
    )]
    NotLoopback {
        /// The address.
        address: SocketAddr,
    },
    /// The address cannot be bound.
    #[error("listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// A program that the engine starts as a worker is not there.
    #[error("expected the program {program} beside lode, found none: run `cargo xtask build`")]
    NoProgram {
        /// The path.
        program: String,
    },
    /// Something below failed.
    #[error("{fault}")]
    Below {
        /// What.
        fault: Box<Fault>,
        /// Its reason.
        reason: &'static str,
    },
    /// The server ended by itself.
    #[error("serve")]
    Serve {
        /// Why.
        #[from]
        source: tonic::transport::Error,
    },
}

impl Failure for Error {
    fn class(&self) -> Class {
        match self {
            Self::NotLoopback { .. } => Class::Invalid,
            Self::Listen { .. } | Self::Serve { .. } => Class::Unavailable,
            Self::NoProgram { .. } => Class::NotFound,
            Self::Below { fault, .. } => fault.class,
        }
    }
    fn reason(&self) -> &'static str {
        match self {
            Self::NotLoopback { .. } => "NOT_LOOPBACK",
            Self::Listen { .. } => "LISTEN_FAILED",
            Self::NoProgram { .. } => "PROGRAM_NOT_FOUND",
            Self::Below { reason, .. } => reason,
            Self::Serve { .. } => "SERVE_FAILED",
        }
    }
}

impl Error {
    /// An error of a crate below.
    pub(crate) fn below(error: &dyn Failure) -> Self {
        Self::Below {
            fault: Box::new(Fault::of(error)),
            reason: error.reason(),
        }
    }

    /// Our own invariant is broken.
    pub(crate) fn bug(message: impl Into<String>) -> Self {
        let reason = "INTERNAL";
        Self::Below {
            fault: Box::new(Fault::new(Class::Bug, reason, message)),
            reason,
        }
    }
}
