//! What can be wrong with a chunk, a sample or a query.
//!
//! A bad *row* is no error: it is a [`crate::RejectedRow`]. Invariant: a refused chunk leaves
//! nothing behind, so the same chunk may be mended and sent again.

use lode_types::Class;
use lode_types::ColumnType;
use lode_types::Failure;
use lode_types::Fault;
use lode_types::SchemaError;

/// What this crate's functions return.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a chunk, a sample or a query was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Bytes that are not what their format says.
    #[error("{expected}; found {found}")]
    ChunkInvalid {
        /// What a good chunk has there.
        expected: &'static str,
        /// What this one has.
        found: String,
    },
    /// A chunk that would take too much memory once decoded.
    #[error(
        "expected a chunk of at most {limit} {unit} once decoded, found {found}; send smaller chunks"
    )]
    ChunkTooLarge {
        /// `bytes` or `rows`.
        unit: &'static str,
        /// The most that is taken.
        limit: u64,
        /// What the chunk says it holds.
        found: u64,
    },
    /// More bad rows in one chunk than are kept aside.
    #[error("expected at most {limit} {unit} of bad rows in one chunk, found more")]
    TooManyRejected {
        /// `rows` or `bytes`.
        unit: &'static str,
        /// The most that is taken.
        limit: u64,
    },
    /// An Arrow column that cannot hold the dataset's type without loss.
    #[error("column {column:?}: expected {expected}, found {found}")]
    WrongType {
        /// As the dataset spells it.
        column: String,
        /// The dataset's type.
        expected: ColumnType,
        /// The chunk's Arrow type.
        found: Box<str>,
    },
    /// A column that the dataset requires is in no source column.
    #[error("column {column:?} is required: expected it among {}, found none", Names(.found))]
    MissingColumn {
        /// As the dataset spells it.
        column: String,
        /// The source's columns.
        found: Vec<String>,
    },
    /// A source column that the dataset does not have.
    #[error("expected a column of the dataset ({}), found {column:?}", Names(.expected))]
    UnknownColumn {
        /// As the source spells it.
        column: String,
        /// The dataset's columns.
        expected: Vec<String>,
    },
    /// A mapping whose source column is not there.
    #[error("column_mapping names {column:?}: expected a source column ({})", Names(.expected))]
    UnknownSource {
        /// As the mapping spells it.
        column: String,
        /// The source's columns.
        expected: Vec<String>,
    },
    /// Two source columns for one column of the dataset.
    #[error("expected one source column for {column:?}, found two")]
    DuplicateColumn {
        /// As the dataset spells it.
        column: String,
    },
    /// A CSV chunk for a load that was opened without a header.
    #[error("expected csv.header to name the fields of CSV chunks, found none")]
    CsvHeaderMissing,
    /// A separator that cannot be told from data.
    #[error(
        "expected one ASCII character other than a quote or a line end as delimiter, found {found:?}"
    )]
    DelimiterInvalid {
        /// The byte, as text.
        found: char,
    },
    /// A sample that tells nothing.
    #[error("expected a sample with at least one whole row, found none")]
    EmptySample,
    /// A sample's column of a type that no dataset can hold.
    #[error("column {column:?}: expected a bool, number, text, date or timestamp, found {found}")]
    TypeUnsupported {
        /// As the source spells it.
        column: String,
        /// Its Arrow type.
        found: Box<str>,
    },
    /// Columns that make no schema.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// The query was refused or failed; said by the worker.
    #[error(transparent)]
    Query(Box<Fault>),
    /// The worker process could not be used.
    #[error("the query's worker failed")]
    Worker(#[source] Box<lode_worker::Error>),
    /// Tables other than those the query reads were given.
    #[error("expected the tables that the query reads ({}), found {found:?}", Names(.expected))]
    TableMismatch {
        /// What the query reads.
        expected: Vec<String>,
        /// What was given.
        found: String,
    },
}

impl Failure for Error {
    fn class(&self) -> Class {
        match self {
            Self::ChunkTooLarge { .. } | Self::TooManyRejected { .. } => Class::Limit,
            Self::Schema(error) => error.class(),
            Self::Query(fault) => fault.class,
            Self::Worker(error) => error.class(),
            Self::TableMismatch { .. } => Class::Bug,
            _ => Class::Invalid,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::ChunkInvalid { .. } => "CHUNK_INVALID",
            Self::ChunkTooLarge { .. } => "CHUNK_TOO_LARGE",
            Self::TooManyRejected { .. } => "TOO_MANY_REJECTED_ROWS",
            Self::WrongType { .. } => "WRONG_TYPE",
            Self::MissingColumn { .. } => "MISSING_COLUMN",
            Self::UnknownColumn { .. } | Self::UnknownSource { .. } => "UNKNOWN_COLUMN",
            Self::DuplicateColumn { .. } => "DUPLICATE_COLUMN",
            Self::CsvHeaderMissing => "CSV_HEADER_MISSING",
            Self::DelimiterInvalid { .. } => "DELIMITER_INVALID",
            Self::EmptySample => "EMPTY_SAMPLE",
            Self::TypeUnsupported { .. } => "TYPE_UNSUPPORTED",
            Self::Schema(error) => error.reason(),
            Self::Query(fault) => query_reason(&fault.reason),
            Self::Worker(error) => error.reason(),
            Self::TableMismatch { .. } => "SQL_FAILED",
        }
    }

    fn field(&self) -> &str {
        match self {
            Self::CsvHeaderMissing => "csv.header",
            Self::DelimiterInvalid { .. } => "csv.delimiter",
            Self::UnknownSource { .. } => "column_mapping",
            Self::EmptySample => "sample",
            Self::WrongType { column, .. }
            | Self::MissingColumn { column, .. }
            | Self::UnknownColumn { column, .. }
            | Self::DuplicateColumn { column }
            | Self::TypeUnsupported { column, .. } => column,
            Self::Schema(error) => error.field(),
            Self::Query(fault) => &fault.field,
            _ => "",
        }
    }
}

/// The words a query's worker may use; anything else counts as a plain failure.
fn query_reason(reason: &str) -> &'static str {
    const KNOWN: [&str; 11] = [
        "SQL_NOT_A_QUERY",
        "SQL_INVALID",
        "SQL_FAILED",
        "SQL_OVERFLOW",
        "SQL_OUT_OF_MEMORY",
        "SQL_CANCELLED",
        "SQL_PANICKED",
        "SQL_SPILL_FULL",
        "SQL_DEADLINE_EXCEEDED",
        "SQL_QUEUE_FULL",
        "SQL_SCRATCH_UNUSABLE",
    ];
    KNOWN
        .into_iter()
        .find(|known| *known == reason)
        .unwrap_or("SQL_FAILED")
}

/// Some names for a message, not all of a thousand.
struct Names<'a>(&'a [String]);

impl std::fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const SHOWN: usize = 24;
        if self.0.is_empty() {
            return f.write_str("no columns");
        }
        for (i, name) in self.0.iter().take(SHOWN).enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            write!(f, "{comma}{name:?}")?;
        }
        match self.0.len() {
            n if n > SHOWN => write!(f, " and {} more", n - SHOWN),
            _ => Ok(()),
        }
    }
}
