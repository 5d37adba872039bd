//! Worker processes: how the engine runs foreign code where it can do no harm.
//!
//! A plugin's algorithm and a user's SQL each run in a process of their own, started here,
//! bounded here, and spoken to over one socket that also carries open files. This crate
//! knows processes, frames and limits; it does not know what plugins or queries are.
//!
//! Reading order: [`Channel`] is the socket and its frames; [`Spawner`] and [`Worker`] are
//! the parent's side; [`enter`] is the child's, and [`confine`] what it does before it loads
//! foreign code; [`sql`] is the talk with `lode-sql`.

mod channel;
mod child;
mod confine;
mod error;
mod parent;
pub mod sql;

pub use channel::Channel;
pub use channel::Polled;
pub use channel::Received;
pub use child::enter;
pub use confine::CALLS;
pub use confine::Confinement;
pub use confine::FILES;
pub use confine::confine;
pub use confine::readable_folder;
pub use error::Error;
pub use error::Result;
pub use parent::Exit;
pub use parent::Limits;
pub use parent::Spawner;
pub use parent::Worker;
pub use parent::WorkerCommand;
