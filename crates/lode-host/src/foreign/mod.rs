//! A plugin's library in this process: load it, call its functions, take what it gives.
//!
//! For processes that are made to be lost: the engine's workers and the children of the
//! conformance kit. The engine itself reads [`manifest`]s and nothing else of this module.
//! Knows neither channels nor files; what a call tells and gives goes to a [`Receiver`].

mod elf;
mod library;
pub mod manifest;
mod receiver;

pub use library::Algorithm;
pub use library::Input;
pub use library::Plugin;
pub use library::load;
pub use library::load_as;
pub use library::slice;
pub use manifest::Manifest;
pub use receiver::Budget;
pub use receiver::Front;
pub use receiver::Receiver;
