//! Tables as files: Arrow IPC, aligned to 64 bytes, read through a map.
//!
//! Columns stand in them as they are and are read in place, or, in parts of datasets, in the
//! narrowest width that holds them (`pack`).
//!
//! A part of a dataset, a job's output, a query's result and a materialised customers dataset
//! are all such files. Knows nothing of datasets' catalogs, of sled or of the wire.
//! Invariant: a part is written once, under a temporary name, and never changes afterwards.

mod cells;
mod error;
mod filter;
mod map;
mod memory;
mod pack;
mod part;
mod sort;
mod strings;
mod table;
mod write;
mod zone;

#[cfg(test)]
mod naive;

pub use error::Error;
pub use error::Result;
pub use filter::Customer;
pub use memory::empty_file;
pub use memory::memfd;
pub use part::MANIFEST_KEY;
pub use part::Manifest;
pub use part::PartInfo;
pub use part::RunPart;
pub use part::Step;
pub use part::check;
pub use part::manifest;
pub use part::sync_dir;
pub use part::write;
pub use part::write_in_steps;
pub use sort::Order;
pub use sort::Target;
pub use sort::sort;
pub use strings::Strings;
pub use table::Table;
pub use write::Written;
pub use write::write_ipc;
pub use zone::Bound;
pub use zone::ZONES_KEY;
pub use zone::Zone;
