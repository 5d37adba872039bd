//! What can be wrong with a feature view, or with computing it.

use lode_types::Class;
use lode_types::Failure;

/// A feature view that cannot be, or whose rows could not be computed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The declaration is wrong at one place.
    #[error("{}: expected {expected}, found {found}", shown(.path))]
    Declaration {
        /// The field, e.g. `features[3].params.window`.
        path: String,
        /// What may stand there.
        expected: String,
        /// What stands there.
        found: String,
    },
    /// What makes a training set of a view is wrong at one place.
    #[error("{path}: expected {expected}, found {found}")]
    Training {
        /// The field, e.g. `label.column`.
        path: String,
        /// What may stand there.
        expected: String,
        /// What stands there.
        found: String,
    },
    /// A run's customers do not ascend.
    #[error(
        "expected the customers of a sorted run of {dataset:?} in ascending order, found a smaller one at row {row}"
    )]
    Unsorted {
        /// The dataset.
        dataset: String,
        /// The row within the run.
        row: u64,
    },
    /// A sum of integers or decimals does not fit its column.
    #[error("feature {feature:?}: expected a sum that fits {data_type}, found a larger one")]
    Overflow {
        /// The output column.
        feature: String,
        /// Its type.
        data_type: String,
    },
    /// Rows do not have the columns that the view was checked against.
    #[error("rows of {dataset:?}: expected {expected}, found {found}")]
    RowsDiffer {
        /// The dataset or query.
        dataset: String,
        /// What the view was checked against.
        expected: String,
        /// What came.
        found: String,
    },
    /// A query gave two rows of one customer.
    #[error("{query}: expected one row a customer, found two of one customer")]
    Repeated {
        /// The query or dataset.
        query: String,
    },
    /// More rows than a run in memory can number.
    #[error("expected at most {limit} unsorted rows, found {found}: wait for compaction")]
    TooManyRows {
        /// The limit.
        limit: u64,
        /// How many.
        found: u64,
    },
    /// The caller stopped it.
    #[error("the computation of features was stopped")]
    Stopped,
    /// A table could not be read.
    #[error(transparent)]
    Table(#[from] lode_parts::Error),
    /// A batch could not be made.
    #[error("could not make a batch of features")]
    Batch(#[from] arrow_schema::ArrowError),
    /// A thread could not be started, or died.
    #[error("could not run a thread: {0}")]
    Thread(String),
}

/// What this crate's functions return.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// The same of a training set's declaration.
    #[must_use]
    pub fn of_training(self) -> Self {
        match self {
            Self::Declaration {
                path,
                expected,
                found,
            } => Self::Training {
                path,
                expected,
                found,
            },
            other => other,
        }
    }

    pub(crate) fn wrong(
        path: impl Into<String>,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        Self::Declaration {
            path: path.into(),
            expected: expected.into(),
            found: found.into(),
        }
    }
}

impl Failure for Error {
    fn class(&self) -> Class {
        match self {
            Self::Declaration { .. }
            | Self::Training { .. }
            | Self::Repeated { .. }
            | Self::RowsDiffer { .. } => Class::Invalid,
            Self::Unsorted { .. } => Class::Corrupt,
            Self::Overflow { .. } | Self::TooManyRows { .. } => Class::Limit,
            Self::Stopped => Class::Cancelled,
            Self::Table(error) => error.class(),
            Self::Batch(_) | Self::Thread(_) => Class::Bug,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Declaration { .. } => "INVALID_FEATURE_VIEW",
            Self::Training { .. } => "INVALID_TRAINING_SET",
            Self::Unsorted { .. } => "RUN_NOT_SORTED",
            Self::Overflow { .. } => "FEATURE_OVERFLOW",
            Self::RowsDiffer { .. } => "FEATURE_ROWS_DIFFER",
            Self::Repeated { .. } => "FEATURE_ROWS_REPEATED",
            Self::TooManyRows { .. } => "TOO_MANY_UNSORTED_ROWS",
            Self::Stopped => "CANCELLED",
            Self::Table(error) => error.reason(),
            Self::Batch(_) | Self::Thread(_) => "INTERNAL",
        }
    }

    fn field(&self) -> &str {
        match self {
            Self::Declaration { path, .. } | Self::Training { path, .. } => path,
            _ => "",
        }
    }
}

fn shown(path: &str) -> &str {
    if path.is_empty() { "view" } else { path }
}
