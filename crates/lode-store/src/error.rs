//! What can be wrong with the store, or with what is asked of it.

use std::io;
use std::path::PathBuf;

use lode_types::Class;
use lode_types::Failure;

/// An error of the store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages name the fields")]
pub enum Error {
    /// No such dataset.
    #[error("dataset {id:?} does not exist")]
    DatasetNotFound { id: String },
    /// A dataset of that id, but another one.
    #[error("dataset {id:?} exists with another {differs}")]
    DatasetExists { id: String, differs: &'static str },
    /// Somebody reads it.
    #[error("dataset {id:?} is read by {readers} queued or running jobs or queries")]
    DatasetInUse { id: String, readers: usize },
    /// Rows of one customer were asked of a dataset that does not say whose its rows are.
    #[error(
        "dataset {id:?}: expected events or the like with a column of role customer_id, found none"
    )]
    NoCustomerColumn { id: String },
    /// A schema that this kind of dataset cannot have.
    #[error("a customers dataset needs a column with role customer_id, found none")]
    NoKeyColumn,
    /// A change of what is fixed.
    #[error("expected the columns, their types, nullability and key to stay, found {found}")]
    SchemaFixed { found: String },
    /// A version that was not made yet, or is gone.
    #[error("dataset {id:?}: expected a version from {oldest} to {newest}, found {found}")]
    VersionNotFound {
        id: String,
        oldest: u64,
        newest: u64,
        found: u64,
    },
    /// Customers at a version whose rows were not kept for looking back.
    #[error(
        "dataset {id:?} at version {found} cannot be seen as of a time: its history begins with version {begins}"
    )]
    HistoryUnknown { id: String, begins: u64, found: u64 },
    /// Rows that do not say when they happened.
    #[error(
        "dataset {id:?} cannot be seen as of a time: expected a column with role event_time, found none"
    )]
    AsOfNoTime { id: String },
    /// No such ingest.
    #[error("ingest {id:?} of dataset {dataset:?} does not exist")]
    IngestNotFound { dataset: String, id: String },
    /// An ingest of that id, but with other options.
    #[error("ingest {id:?} exists with another {differs}")]
    IngestExists { id: String, differs: &'static str },
    /// Too late to append or abort.
    #[error("ingest {id:?} is committed already")]
    IngestCommitted { id: String },
    /// Dropped.
    #[error("ingest {id:?} was aborted")]
    IngestAborted { id: String },
    /// In the middle of a commit.
    #[error("ingest {id:?} is being committed")]
    IngestCommitting { id: String },
    /// A gap.
    #[error("expected chunk {expected}, found chunk {found}")]
    ChunkOutOfOrder { expected: u64, found: u64 },
    /// A commit that names another number of chunks.
    #[error("expected a commit of {expected} chunks, which are durable, found one of {found}")]
    ChunksMissing { expected: u64, found: u64 },
    /// More bad rows than the load allows.
    #[error("expected at most {limit} rejected rows in the load, found {found}")]
    TooManyRejectedRows { limit: u64, found: u64 },
    /// A bad row in a load that allows none.
    #[error("row {row}, column {column:?}: {reason}: {message}")]
    BadRow {
        row: u32,
        column: String,
        reason: String,
        message: String,
    },
    /// A small write that is not small.
    #[error("expected at most {limit} rows, found {found}; load them with an ingest")]
    TooManyRows { limit: usize, found: usize },
    /// A request's id that was used for something else.
    #[error("request {id:?} was used for other rows; expected an id of its own for each request")]
    RequestExists { id: String },
    /// A part that is not what was written.
    #[error(
        "part {part} of dataset {dataset:?} is lost with {rows} rows: found {found}; {mend}, or \
         label the dataset damaged-parts=skip to read the rest"
    )]
    PartDamaged {
        dataset: String,
        part: String,
        rows: u64,
        found: String,
        mend: &'static str,
    },
    /// An output or a model that is not what was written.
    #[error(
        "file {name:?} of {area} is lost: found {found}; run its job again (a damaged file lies in \
         aside)"
    )]
    FileDamaged {
        area: &'static str,
        name: String,
        found: String,
    },
    /// Another chunk than the one that is lost.
    #[error(
        "chunk {seq} is lost: expected it again with checksum {expected:08x}, found {found:08x}"
    )]
    ChunkDiffers { seq: u64, expected: u32, found: u32 },
    /// A batch that does not have the dataset's columns.
    #[error("expected rows of the dataset's columns, found {found}")]
    ChunkSchema { found: String },
    /// A customer without an id.
    #[error("expected a customer id in every row, found {nulls} rows without")]
    MissingKey { nulls: usize },
    /// More to remember than there is room for.
    #[error("expected {what} of at most {limit} bytes, found {found}")]
    TooLong {
        what: &'static str,
        limit: usize,
        found: usize,
    },
    /// A value that sled must not be given.
    #[error("expected a value of at most {limit} bytes, found {found}")]
    ValueTooLarge { limit: usize, found: usize },
    /// No such file.
    #[error("file {name:?} of {area} does not exist")]
    FileNotFound { area: &'static str, name: String },
    /// A name that is no file's.
    #[error(
        "expected a file name of letters, digits, \"_\", \"-\" and \".\", at most 240, found {name:?}"
    )]
    BadFileName { name: String },
    /// An earlier error left durability unknown.
    #[error("the store refuses writes since {cause}; restart the engine")]
    Poisoned { cause: String },
    /// It was closed.
    #[error("the store is closed")]
    Closed,
    /// Another process has it open.
    #[error("directory {} is in use by another engine", dir.display())]
    Locked { dir: PathBuf },
    /// A directory of something else.
    #[error("expected an empty directory or one of Lode, found other files in {}", dir.display())]
    Foreign { dir: PathBuf },
    /// A directory of a later release.
    #[error(
        "expected storage format {expected} or older in {}, found {found}; use a newer release",
        dir.display()
    )]
    TooNew {
        dir: PathBuf,
        expected: u32,
        found: String,
    },
    /// Stored data that cannot be read.
    #[error("damaged {what}: {found}")]
    Damaged { what: &'static str, found: String },
    /// The operating system refused.
    #[error("could not {action}")]
    Io { action: String, source: io::Error },
    /// sled refused.
    #[error("could not {action}")]
    Sled {
        action: &'static str,
        source: Box<sled::Error>,
    },
    /// A part file's own trouble.
    #[error(transparent)]
    Part(#[from] lode_parts::Error),
    /// sled has lost commits that their files tell of.
    #[error(
        "the catalog is behind: {dataset:?} is at version {found} and a file tells of version \
         {expected}; run lode admin rebuild"
    )]
    CatalogBehind {
        dataset: String,
        expected: u64,
        found: u64,
    },
    /// sled has lost its last writes, and no commit among them.
    #[error(
        "the catalog has lost its last writes: expected {expected} groups of them, found {found}; \
         small writes, jobs or tags are gone; lode admin accept goes on without them"
    )]
    CatalogShort { expected: u64, found: u64 },
    /// No room is left on the disk.
    #[error(
        "the disk is full: expected room for {needed} bytes more of the database; writes go on \
         when there is, reads go on now"
    )]
    StoreFull { needed: u64 },
    /// The disk takes no writes.
    #[error("the disk is read-only; writes go on when it is not, reads go on now")]
    StoreReadOnly,
    /// There is nothing to rebuild.
    #[error(
        "the catalog is whole, expected one that is lost or damaged; --force rebuilds it anyway"
    )]
    CatalogWhole,
    /// Our own mistake.
    #[error("internal error: {what}")]
    Bug { what: String },
}

/// What the store's functions return.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn io(action: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let action = action.into();
        move |source| Self::Io { action, source }
    }

    pub(crate) fn sled(action: &'static str) -> impl FnOnce(sled::Error) -> Self {
        move |source| Self::Sled {
            action,
            source: Box::new(source),
        }
    }

    pub(crate) fn damaged(what: &'static str, found: impl Into<String>) -> Self {
        Self::Damaged {
            what,
            found: found.into(),
        }
    }

    pub(crate) fn bug(what: impl Into<String>) -> Self {
        Self::Bug { what: what.into() }
    }
}

impl Failure for Error {
    fn class(&self) -> Class {
        match self {
            Self::DatasetNotFound { .. }
            | Self::VersionNotFound { .. }
            | Self::HistoryUnknown { .. }
            | Self::IngestNotFound { .. }
            | Self::FileNotFound { .. } => Class::NotFound,
            Self::DatasetExists { .. } | Self::IngestExists { .. } | Self::RequestExists { .. } => {
                Class::Exists
            }
            Self::DatasetInUse { .. }
            | Self::IngestCommitted { .. }
            | Self::IngestAborted { .. }
            | Self::IngestCommitting { .. }
            | Self::ChunkOutOfOrder { .. }
            | Self::ChunksMissing { .. }
            | Self::Locked { .. }
            | Self::CatalogWhole => Class::State,
            Self::NoKeyColumn
            | Self::NoCustomerColumn { .. }
            | Self::AsOfNoTime { .. }
            | Self::SchemaFixed { .. }
            | Self::BadRow { .. }
            | Self::ChunkSchema { .. }
            | Self::MissingKey { .. }
            | Self::TooLong { .. }
            | Self::BadFileName { .. }
            | Self::Foreign { .. }
            | Self::TooNew { .. } => Class::Invalid,
            Self::TooManyRejectedRows { .. } | Self::TooManyRows { .. } => Class::Limit,
            Self::Poisoned { .. } | Self::Closed | Self::StoreReadOnly => Class::Unavailable,
            Self::StoreFull { .. } => Class::Limit,
            Self::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => Class::Limit,
            Self::Io { .. } => Class::Unavailable,
            Self::Sled { source, .. } => match **source {
                sled::Error::Corruption { .. } => Class::Corrupt,
                sled::Error::Io(_) => Class::Unavailable,
                _ => Class::Bug,
            },
            Self::CatalogBehind { .. }
            | Self::CatalogShort { .. }
            | Self::Damaged { .. }
            | Self::PartDamaged { .. }
            | Self::FileDamaged { .. } => Class::Corrupt,
            Self::ChunkDiffers { .. } => Class::State,
            Self::Part(error) => error.class(),
            Self::ValueTooLarge { .. } | Self::Bug { .. } => Class::Bug,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::DatasetNotFound { .. } => "DATASET_NOT_FOUND",
            Self::DatasetExists { .. } => "DATASET_EXISTS",
            Self::DatasetInUse { .. } => "DATASET_IN_USE",
            Self::NoKeyColumn => "INVALID_SCHEMA",
            Self::NoCustomerColumn { .. } => "NO_CUSTOMER_COLUMN",
            Self::SchemaFixed { .. } => "SCHEMA_FIXED",
            Self::VersionNotFound { .. } => "VERSION_NOT_FOUND",
            Self::HistoryUnknown { .. } => "HISTORY_UNKNOWN",
            Self::AsOfNoTime { .. } => "AS_OF_NO_TIME",
            Self::IngestNotFound { .. } => "INGEST_NOT_FOUND",
            Self::IngestExists { .. } => "INGEST_EXISTS",
            Self::IngestCommitted { .. } => "INGEST_COMMITTED",
            Self::IngestAborted { .. } => "INGEST_ABORTED",
            Self::IngestCommitting { .. } => "INGEST_COMMITTING",
            Self::ChunkOutOfOrder { .. } => "CHUNK_OUT_OF_ORDER",
            Self::ChunksMissing { .. } => "CHUNKS_MISSING",
            Self::TooManyRejectedRows { .. } => "TOO_MANY_REJECTED_ROWS",
            Self::TooManyRows { .. } => "TOO_MANY_ROWS",
            Self::RequestExists { .. } => "REQUEST_EXISTS",
            Self::BadRow { .. } => "BAD_ROW",
            Self::ChunkSchema { .. } => "CHUNK_SCHEMA_DIFFERS",
            Self::MissingKey { .. } => "MISSING_VALUE",
            Self::TooLong { .. } => "TOO_LONG",
            Self::ValueTooLarge { .. } => "VALUE_TOO_LARGE",
            Self::FileNotFound { .. } => "FILE_NOT_FOUND",
            Self::BadFileName { .. } => "INVALID_FILE_NAME",
            Self::Poisoned { .. } => "STORE_POISONED",
            Self::Closed => "STORE_CLOSED",
            Self::Locked { .. } => "STORE_LOCKED",
            Self::Foreign { .. } => "STORE_FOREIGN",
            Self::TooNew { .. } => "STORE_TOO_NEW",
            Self::Damaged { .. } => "STORE_DAMAGED",
            Self::CatalogBehind { .. } => "CATALOG_BEHIND",
            Self::CatalogShort { .. } => "CATALOG_SHORT",
            Self::CatalogWhole => "CATALOG_WHOLE",
            Self::PartDamaged { .. } => "PART_DAMAGED",
            Self::FileDamaged { .. } => "FILE_DAMAGED",
            Self::ChunkDiffers { .. } => "CHUNK_DIFFERS",
            Self::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => "STORE_FULL",
            Self::Io { source, .. } if source.kind() == io::ErrorKind::ReadOnlyFilesystem => {
                "STORE_READ_ONLY"
            }
            Self::StoreFull { .. } => "STORE_FULL",
            Self::StoreReadOnly => "STORE_READ_ONLY",
            Self::Io { .. } => "STORE_IO_FAILED",
            Self::Sled { .. } => "STORE_IO_FAILED",
            Self::Part(error) => error.reason(),
            Self::Bug { .. } => "INTERNAL",
        }
    }

    fn field(&self) -> &str {
        match self {
            Self::NoKeyColumn | Self::SchemaFixed { .. } => "dataset.schema",
            Self::HistoryUnknown { .. } | Self::AsOfNoTime { .. } => "as_of",
            Self::ChunkOutOfOrder { .. } => "seq",
            Self::ChunksMissing { .. } => "chunk_count",
            Self::BadRow { column, .. } => column,
            Self::TooManyRows { .. } => "rows",
            Self::RequestExists { .. } => "request_id",
            Self::TooLong { what, .. } => what,
            _ => "",
        }
    }
}
