//! The gRPC engine: joins the store, the plugins and the jobs to the wire of `lode.v1`.
//!
//! Each service translates and calls; what it calls is synchronous and runs on the
//! blocking pool, so that commits and jobs live on when a client goes away.
//!
//! Reading order: [`Engine`] starts and stops it all; `services` has one file for each
//! service of the proto; `status` is the one place where errors become gRPC statuses.

mod chunks;
mod config;
mod engine;
mod error;
mod layer;
mod paging;
mod services;
mod status;
mod values;

pub use config::Config;
pub use engine::Engine;
pub use error::Error;
pub use error::Result;
pub use lode_store::Checked;
pub use lode_store::Problem;
pub use lode_store::Rebuilt;
pub use lode_store::accept as accept_directory;
pub use lode_store::check as check_directory;
pub use lode_store::rebuild as rebuild_directory;
