//! The vocabulary of Lode: ids, schemas and column roles, values, time, and what an error is.
//!
//! Every other crate speaks these words. Nothing here does I/O, and nothing here knows
//! protobuf, sled or tokio.

mod algorithm;
mod csv;
mod error;
mod id;
mod schema;
mod time;
mod value;

pub use algorithm::AlgorithmSpec;
pub use algorithm::Features;
pub use algorithm::InputColumn;
pub use algorithm::InputSpec;
pub use algorithm::MemorySpec;
pub use algorithm::MergeSpec;
pub use algorithm::ModelSpec;
pub use algorithm::Outcome;
pub use algorithm::OutputSpec;
pub use algorithm::Task;
pub use algorithm::WriteBack;
pub use csv::CsvOptions;
pub use error::Class;
pub use error::Failure;
pub use error::Fault;
pub use error::Retry;
pub use error::chain;
pub use id::AliasId;
pub use id::CustomerId;
pub use id::DatasetId;
pub use id::FeatureViewId;
pub use id::IdError;
pub use id::IngestId;
pub use id::JobId;
pub use id::ModelId;
pub use id::ModelRef;
pub use id::TenantId;
pub use schema::Column;
pub use schema::ColumnType;
pub use schema::DatasetKind;
pub use schema::PrivacyClass;
pub use schema::ROLE_KEY;
pub use schema::Role;
pub use schema::Schema;
pub use schema::SchemaError;
pub use schema::role_of;
pub use time::Clock;
pub use time::SystemClock;
pub use time::Timestamp;
pub use value::TagKind;
pub use value::Value;
