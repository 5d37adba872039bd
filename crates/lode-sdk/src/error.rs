//! What can go wrong above the calls: files, tables, arguments, failed jobs.

use std::io;
use std::path::PathBuf;

use arrow_schema::ArrowError;
use lode_types::Class;
use lode_types::Failure;
use lode_types::Fault;
use lode_types::IdError;
use lode_types::Retry;
use lode_types::SchemaError;

use crate::Job;

/// The result of an operation.
pub type Result<T> = std::result::Result<T, Error>;

/// Why an operation failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A call failed.
    #[error(transparent)]
    Client(#[from] lode_client::Error),
    /// A file cannot be opened or read.
    #[error("cannot read {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is not what its name says.
    #[error("{path}: expected {expected}, found {found}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        expected: &'static str,
        /// What it holds.
        found: String,
    },
    /// An argument that cannot be.
    #[error("expected {expected}, found {found}")]
    Argument {
        /// Which.
        field: &'static str,
        /// What would do.
        expected: String,
        /// What was given.
        found: String,
    },
    /// A text that is no id.
    #[error(transparent)]
    Id(#[from] IdError),
    /// Columns that make no schema.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// A load that was aborted earlier under the same id.
    #[error(
        "expected an open load, found {ingest} of dataset {dataset} aborted; load under another id"
    )]
    IngestAborted {
        /// The dataset.
        dataset: String,
        /// The load.
        ingest: String,
    },
    /// A job that ended without success.
    #[error("job {} {}: {}", .0.job, .0.state.as_str(), .0.error.as_ref().map_or("no reason given", |error| error.message.as_str()))]
    Job(Box<Job>),
    /// An Arrow table that cannot be read or written.
    #[error("the table cannot be read or written")]
    Arrow(#[from] ArrowError),
    /// A message that says something that cannot be.
    #[error("{0}")]
    Wire(Fault),
}

impl Error {
    pub(crate) fn argument(
        field: &'static str,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        Self::Argument {
            field,
            expected: expected.into(),
            found: found.into(),
        }
    }

    /// Whether nobody answered at the address, or the connection broke for good.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Client(error) if error.is_unreachable())
    }

    /// Whether the same operation may work later.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Client(error) if error.is_passing())
    }

    /// Whether the engine gave this reason.
    pub fn has_reason(&self, reason: &str) -> bool {
        matches!(self, Self::Client(error) if error.has_reason(reason))
    }

    /// Whether the engine, or a check before it, said no for good: another try with the same
    /// input would be refused again.
    pub fn is_refusal(&self) -> bool {
        let class = self.to_fault().class;
        !matches!(
            class,
            Class::Unavailable | Class::Deadline | Class::Cancelled | Class::Bug
        )
    }

    /// The error as data: reason, field and the whole message.
    pub fn to_fault(&self) -> Fault {
        match self {
            Self::Job(job) => job.error.clone().unwrap_or_else(|| Fault::of(self)),
            Self::Wire(fault) => fault.clone(),
            _ => Fault::of(self),
        }
    }
}

impl Failure for Error {
    fn class(&self) -> Class {
        match self {
            Self::Client(error) => error.class(),
            Self::File { source, .. } => match source.kind() {
                io::ErrorKind::NotFound => Class::NotFound,
                io::ErrorKind::PermissionDenied => Class::Denied,
                _ => Class::Unavailable,
            },
            Self::Content { .. } | Self::Argument { .. } | Self::Arrow(_) => Class::Invalid,
            Self::Id(error) => error.class(),
            Self::Schema(error) => error.class(),
            Self::IngestAborted { .. } => Class::State,
            Self::Job(job) => job.error.as_ref().map_or(Class::Bug, |error| error.class),
            Self::Wire(fault) => fault.class,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Client(error) => error.reason(),
            Self::File { .. } => "FILE_UNREADABLE",
            Self::Content { .. } => "FILE_INVALID",
            Self::Argument { .. } => "INVALID_ARGUMENT",
            Self::Id(error) => error.reason(),
            Self::Schema(error) => error.reason(),
            Self::IngestAborted { .. } => "INGEST_ABORTED",
            Self::Job(_) => "JOB_FAILED",
            Self::Arrow(_) => "TABLE_INVALID",
            Self::Wire(_) => "PROTOCOL_BROKEN",
        }
    }

    fn field(&self) -> &str {
        match self {
            Self::Client(error) => error.field(),
            Self::Argument { field, .. } => field,
            Self::Id(error) => error.field(),
            Self::Schema(error) => error.field(),
            Self::Job(job) => job.error.as_ref().map_or("", |error| error.field.as_str()),
            Self::Wire(fault) => &fault.field,
            _ => "",
        }
    }

    fn retry(&self) -> Retry {
        match self {
            Self::Client(error) => error.retry(),
            Self::File { .. } => Retry::AfterFix,
            _ => match self.class() {
                Class::Unavailable => Retry::AfterBackOff,
                Class::Invalid | Class::State | Class::Exists => Retry::AfterFix,
                _ => Retry::Never,
            },
        }
    }
}
