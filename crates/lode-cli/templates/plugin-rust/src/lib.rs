//! A Lode plugin: `{{ALGORITHM}}`, which customers have not come back when they should have.
//!
//! The engine loads the library that this crate builds, in a worker process of its own, and
//! calls the algorithms that are named below. Nothing here knows the engine, its files or
//! the network; there is no unsafe code to write.

mod algorithm;
mod days;
mod model;
mod params;

pub use algorithm::Overdue;
pub use params::Params;

// Another algorithm of the same library is another name here.
lode_plugin::export_plugin!(Overdue: mergeable);

#[cfg(test)]
mod tests;
