//! Why a call of an algorithm fails, in words that the person who started the job can use.
//!
//! Does not carry panics of the author's code: those are caught at the boundary and told
//! to the host as what they are.

use arrow_schema::ArrowError;
use lode_types::Class;
use lode_types::Failure;

/// What an algorithm's functions return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call fails.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A parameter or an input cannot work; the caller can mend it.
    #[error("{message}")]
    Invalid {
        /// What is to blame: `params.k`, `inputs.events`, `inputs.events.amount`.
        field: String,
        /// What was expected and what was found.
        message: String,
    },
    /// The model's bytes cannot be used.
    #[error("{message}")]
    Model {
        /// What was expected and what was found.
        message: String,
    },
    /// No result could be reached from these numbers.
    #[error("{message}")]
    Numeric {
        /// What happened.
        message: String,
    },
    /// The call noticed that it should stop.
    #[error("the call was cancelled")]
    Cancelled,
    /// A table could not be read or built.
    #[error("a table could not be read or built")]
    Arrow(#[from] ArrowError),
    /// The host did not take what the algorithm gave.
    #[error("{message}")]
    Refused {
        /// What was refused.
        message: String,
    },
}

impl Error {
    /// A parameter or an input that cannot work; `field` such as `params.k`.
    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid {
            field: field.into(),
            message: message.into(),
        }
    }

    /// Model bytes that cannot be used.
    pub fn model(message: impl Into<String>) -> Self {
        Self::Model {
            message: message.into(),
        }
    }

    /// Numbers that lead to no result.
    pub fn numeric(message: impl Into<String>) -> Self {
        Self::Numeric {
            message: message.into(),
        }
    }

    /// The call should stop. [`crate::Context::check_cancelled`] gives this by itself.
    pub fn cancelled() -> Self {
        Self::Cancelled
    }
}

impl Failure for Error {
    fn class(&self) -> Class {
        match self {
            Self::Invalid { .. } => Class::Invalid,
            Self::Model { .. } | Self::Numeric { .. } => Class::State,
            Self::Cancelled => Class::Cancelled,
            Self::Arrow(_) | Self::Refused { .. } => Class::Bug,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Invalid { field, .. } if field.starts_with("params") => "PARAMS_INVALID",
            Self::Invalid { .. } => "INPUT_INVALID",
            Self::Model { .. } => "MODEL_INVALID",
            Self::Cancelled => "JOB_CANCELLED",
            Self::Numeric { .. } | Self::Arrow(_) | Self::Refused { .. } => "PLUGIN_FAILED",
        }
    }

    fn field(&self) -> &str {
        match self {
            Self::Invalid { field, .. } => field,
            _ => "",
        }
    }
}
