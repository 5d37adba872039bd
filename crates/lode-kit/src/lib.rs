//! The conformance kit: finds out what is wrong with a plugin before an engine does.
//!
//! [`run`] puts each check into a process of its own, so that a crash is one line of the
//! report; [`child_main`] is that process. Checks call the library through the C ABI alone, as
//! an engine does, and draw everything from one seed. Knows no engine and no store.
//!
//! Reading order: `checks` is what is checked; `subject` makes the calls; `counted` and
//! `variants` make the inputs; `parent` and `child` are the two sides of a process.

mod checks;
mod child;
mod compare;
mod counted;
mod ear;
mod pack;
mod parent;
mod report;
mod sealed;
mod subject;
mod variants;
mod verdict;

use std::io;
use std::path::PathBuf;

use lode_types::Class;
use lode_types::Failure;

pub use child::child_main;
pub use parent::Options;
pub use parent::run;
pub use report::CheckResult;
pub use report::Report;
pub use verdict::Outcome;

/// What this crate's functions return.
pub type Result<T> = std::result::Result<T, Error>;

/// Why the kit cannot begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file cannot be read.
    #[error("cannot read {}", file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no such folder of golden models.
    #[error("expected a folder of golden models, found none at {}", folder.display())]
    NoFolder {
        /// What was given.
        folder: PathBuf,
    },
    /// No check has such a name.
    #[error("expected a part of one of {names}, found {name:?}")]
    NoSuchCheck {
        /// What was asked for.
        name: String,
        /// What there is.
        names: String,
    },
    /// The library cannot be asked for its algorithms.
    #[error("the library cannot be used: {why}")]
    Unusable {
        /// In words.
        why: String,
    },
    /// No process can be started.
    #[error("a process for a check cannot be started")]
    Worker(#[from] Box<lode_worker::Error>),
}

impl Failure for Error {
    fn class(&self) -> Class {
        match self {
            Self::Io { .. }
            | Self::NoFolder { .. }
            | Self::NoSuchCheck { .. }
            | Self::Unusable { .. } => Class::Invalid,
            Self::Worker(error) => error.class(),
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Io { .. } => "FILE_UNREADABLE",
            Self::NoFolder { .. } => "GOLDEN_NOT_FOUND",
            Self::NoSuchCheck { .. } => "CHECK_NOT_FOUND",
            Self::Unusable { .. } => "PLUGIN_UNUSABLE",
            Self::Worker(error) => error.reason(),
        }
    }
}
