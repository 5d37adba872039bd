//! The wire: code generated from `proto/lode/v1`, and its conversion to the words of `lode-types`.
//!
//! `cargo xtask codegen` writes `generated/`; nobody edits it. Clients and the engine both
//! speak through this crate, so that a word is translated in one place.

pub mod convert;
pub mod names;

/// Messages, clients and servers of package `lode.v1`.
pub mod v1 {
    #![allow(
        missing_docs,
        unreachable_pub,
        unused_qualifications,
        clippy::all,
        clippy::allow_attributes,
        clippy::allow_attributes_without_reason,
        clippy::cast_lossless,
        clippy::uninlined_format_args,
        clippy::str_to_string,
        clippy::wildcard_imports,
        clippy::enum_glob_use,
        clippy::missing_errors_doc,
        clippy::large_futures,
        reason = "generated"
    )]
    include!("generated/lode.v1.rs");
}

/// The descriptors of `proto/lode/v1`, for reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!("generated/lode.v1.bin");
