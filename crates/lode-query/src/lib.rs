//! From bytes to checked rows, and from SQL to rows.
//!
//! [`Decoder`] turns a chunk that came from outside (CSV, or an Arrow IPC stream) into one
//! record batch in a dataset's stored schema and sets bad rows aside; [`infer`] guesses that
//! schema from a sample; [`Sql`] runs a query in a worker process. Nothing here keeps state
//! on disk, and no chunk, however it was made, may panic or make this process allocate more
//! than a fixed bound.

mod error;
mod parse;

mod column;
mod decode;
mod infer;
mod sql;

pub use decode::Decoded;
pub use decode::Decoder;
pub use decode::Format;
pub use decode::RejectedRow;
pub use error::Error;
pub use error::Result;
pub use infer::Inferred;
pub use infer::infer;
pub use lode_types::CsvOptions;
pub use lode_worker::sql::Bound;
pub use lode_worker::sql::Explained;
pub use lode_worker::sql::ExplainedScan;
pub use lode_worker::sql::NamedTable;
pub use sql::Opened;
pub use sql::Planned;
pub use sql::QueryOptions;
pub use sql::Rows;
pub use sql::Sql;
pub use sql::SqlLimits;
pub use sql::SqlTable;
pub use sql::Stop;
