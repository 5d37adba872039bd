//! The thin client of Lode: connects, calls, retries what may be retried, pages, reads errors.
//!
//! Protobuf in, protobuf out; typed jobs, ingest from files and Arrow tables are the work of
//! `lode-sdk`. Invariant: a call is sent twice only when its method is marked idempotent in
//! the proto and the failure says that the first try left nothing undecided.

mod calls;
mod client;
mod error;
mod paging;
mod retry;

pub use client::Client;
pub use client::DEFAULT_ADDR;
pub use client::MAX_MESSAGE_BYTES;
pub use client::Options;
pub use client::Stream;
pub use error::Error;
pub use error::Refusal;
pub use error::Result;
pub use paging::Pager;
pub use retry::RetryPolicy;

pub use lode_proto::v1;

#[cfg(test)]
mod tests;
