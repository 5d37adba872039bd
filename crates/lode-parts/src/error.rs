//! What can be wrong with a table file.

use std::io;

use arrow_schema::ArrowError;
use lode_types::Class;
use lode_types::Failure;

/// A table file that could not be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused.
    #[error("could not {action}")]
    Io {
        /// What was tried, e.g. `rename part p-1.arrow`.
        action: String,
        /// Why it failed.
        source: io::Error,
    },
    /// The bytes are no table file, or not the ones that were written.
    #[error("damaged table file: expected {expected}, found {found}")]
    Damaged {
        /// What should be there.
        expected: String,
        /// What is there.
        found: String,
    },
    /// Two files, or a batch and its file, do not fit together.
    #[error("tables do not fit: expected {expected}, found {found}")]
    SchemaDiffers {
        /// The columns that were set first.
        expected: String,
        /// The others.
        found: String,
    },
    /// A column that is not there was asked for.
    #[error("expected a column number below {columns}, found {found}")]
    NoSuchColumn {
        /// How many columns there are.
        columns: usize,
        /// What was asked for.
        found: usize,
    },
    /// A batch that is not there was asked for.
    #[error("expected a batch number below {batches}, found {found}")]
    NoSuchBatch {
        /// How many batches there are.
        batches: usize,
        /// What was asked for.
        found: usize,
    },
    /// Rows that are not there, or not in ascending order, were asked for.
    #[error("expected ascending numbers of rows of {rows}, found {found}")]
    NoSuchRows {
        /// Rows of the batch.
        rows: usize,
        /// What was asked for.
        found: String,
    },
    /// The caller asked for an end before it was done.
    #[error("stopped before the end")]
    Stopped,
    /// Arrow could not write a batch.
    #[error("could not encode a batch")]
    Encode(#[source] Box<ArrowError>),
}

/// What this crate's functions return.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Names what was tried when the system refused.
    pub(crate) fn io(action: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let action = action.into();
        move |source| Self::Io { action, source }
    }

    pub(crate) fn damaged(expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self::Damaged {
            expected: expected.into(),
            found: found.into(),
        }
    }
}

impl From<ArrowError> for Error {
    fn from(error: ArrowError) -> Self {
        match error {
            ArrowError::IoError(action, source) => Self::Io { action, source },
            other => Self::Encode(Box::new(other)),
        }
    }
}

impl Failure for Error {
    fn class(&self) -> Class {
        match self {
            Self::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => Class::Limit,
            Self::Io { .. } | Self::Stopped => Class::Unavailable,
            Self::Damaged { .. } => Class::Corrupt,
            Self::SchemaDiffers { .. } => Class::Invalid,
            Self::NoSuchColumn { .. }
            | Self::NoSuchBatch { .. }
            | Self::NoSuchRows { .. }
            | Self::Encode(_) => Class::Bug,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => "STORE_FULL",
            Self::Io { source, .. } if source.kind() == io::ErrorKind::ReadOnlyFilesystem => {
                "STORE_READ_ONLY"
            }
            Self::Io { .. } => "TABLE_IO_FAILED",
            Self::Damaged { .. } => "TABLE_DAMAGED",
            Self::SchemaDiffers { .. } => "TABLE_SCHEMA_DIFFERS",
            Self::NoSuchColumn { .. } => "TABLE_NO_SUCH_COLUMN",
            Self::NoSuchBatch { .. } => "TABLE_NO_SUCH_BATCH",
            Self::NoSuchRows { .. } => "TABLE_NO_SUCH_ROWS",
            Self::Stopped => "STOPPED",
            Self::Encode(_) => "TABLE_ENCODE_FAILED",
        }
    }
}
