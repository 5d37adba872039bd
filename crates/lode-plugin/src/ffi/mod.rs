//! The plugin's side of the C boundary: the only unsafe code of this crate.
//!
//! For [`export_plugin!`](crate::export_plugin) alone; authors never call it. Invariant: no
//! panic leaves a function that C calls, and nothing of the host is kept after a call.
#![expect(
    unsafe_code,
    reason = "the C boundary is crossed here and nowhere else"
)]

mod entry;
mod host;
mod manifest;
mod panics;
mod stream;
mod table;

pub use lode_abi::LodeAlgorithm;
pub use lode_abi::LodePlugin;

pub use manifest::manifest;
pub use manifest::manifest_length;
pub use table::algorithm;
pub use table::mergeable;
pub use table::plugin;

#[cfg(test)]
mod tests;
