//! What can go wrong with jobs.

use lode_types::Class;
use lode_types::Failure;
use lode_types::Fault;

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong with jobs, as the fault that the client sees.
///
/// Errors of the crates below arrive here as [`Fault`]s with their own class, reason and
/// field; this crate's own are made by the constructors.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{fault}")]
pub struct Error {
    fault: Box<Fault>,
    reason: &'static str,
}

impl Error {
    /// The fault.
    pub fn into_fault(self) -> Fault {
        *self.fault
    }

    /// A failure of the caller, for a call back into it.
    pub fn of_fault(fault: Fault) -> Self {
        Self {
            fault: Box::new(fault),
            reason: "INTERNAL",
        }
    }

    pub(crate) fn new(class: Class, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            fault: Box::new(Fault::new(class, reason, message)),
            reason,
        }
    }

    pub(crate) fn invalid(
        reason: &'static str,
        field: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self::new(Class::Invalid, reason, message).at(field)
    }

    pub(crate) fn at(mut self, field: impl Into<String>) -> Self {
        self.fault.field = field.into();
        self
    }

    pub(crate) fn of(error: &dyn Failure) -> Self {
        Self {
            fault: Box::new(Fault::of(error)),
            reason: error.reason(),
        }
    }

    pub(crate) fn bug(message: impl Into<String>) -> Self {
        Self::new(Class::Bug, "INTERNAL", message)
    }
}

impl Failure for Error {
    fn class(&self) -> Class {
        self.fault.class
    }
    fn reason(&self) -> &'static str {
        self.reason
    }
    fn field(&self) -> &str {
        &self.fault.field
    }
}

impl From<lode_store::Error> for Error {
    fn from(error: lode_store::Error) -> Self {
        Self::of(&error)
    }
}

impl From<lode_features::Error> for Error {
    fn from(error: lode_features::Error) -> Self {
        Self::of(&error)
    }
}

impl From<lode_parts::Error> for Error {
    fn from(error: lode_parts::Error) -> Self {
        Self::of(&error)
    }
}

impl From<lode_query::Error> for Error {
    fn from(error: lode_query::Error) -> Self {
        Self::of(&error)
    }
}

impl From<lode_host::Error> for Error {
    fn from(error: lode_host::Error) -> Self {
        Self::of(&error)
    }
}

impl From<arrow_schema::ArrowError> for Error {
    fn from(error: arrow_schema::ArrowError) -> Self {
        Self::bug(error.to_string())
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::bug(error.to_string())
    }
}
