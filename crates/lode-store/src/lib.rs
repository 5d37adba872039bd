//! The store: sled for everything transactional, part files beside it.
//!
//! Datasets and their versions, exactly-once ingests, customers in columnar blocks, what jobs
//! wrote onto customers, and documents and files of the layer above. Knows no protobuf, no
//! plugins and no SQL. docs/storage.md has the bytes. Invariant: an acknowledged write is on
//! stable storage, and a version that can be seen never changes.

mod error;
mod store;

mod asof;
mod catalog; // what there is,
mod commit; // how they become visible,
mod compact; // and sorted,
mod history;
mod ingest; // how rows come in,
mod marker;
mod merge;
mod recent;
mod since;
mod snapshot; // how they are read,
mod stage;
mod sweep;
mod timeline;
mod upsert; // and how they go

mod check; // a directory as a whole
mod damage;
mod docs;
mod files;
mod rebuild;
mod tags;

mod block;
mod bucket;

mod codec;
mod committer;
mod failpoint;
mod guard;
mod home;
mod key;
mod kv;
mod long;
mod mark;
mod record;
mod runs;

pub use catalog::Dataset;
pub use catalog::DatasetChange;
pub use catalog::NewDataset;
pub use check::Checked;
pub use check::Problem;
pub use check::check;
pub use compact::Compaction;
pub use damage::LostPart;
pub use docs::DocWrite;
pub use docs::Space;
pub use error::Error;
pub use error::Result;
pub use files::Area;
pub use ingest::Appended;
pub use ingest::BadRows;
pub use ingest::Ingest;
pub use ingest::IngestOptions;
pub use ingest::IngestState;
pub use ingest::NewChunk;
pub use ingest::RejectedRow;
pub use lode_types::CsvOptions;
pub use rebuild::Rebuilt;
pub use rebuild::accept;
pub use rebuild::rebuild;
pub use recent::MAX_PUT_ROWS;
pub use recent::NewRows;
pub use recent::Put;
pub use snapshot::Snapshot;
pub use snapshot::TableFile;
pub use stage::Staged;
pub use store::Options;
pub use store::Store;
pub use tags::Tag;
pub use timeline::CustomerRows;
