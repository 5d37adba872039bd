//! The harness of the integration tests: a real engine, real clients, temporary folders.
//!
//! It knows the programs by path only (`cargo xtask test` builds them and sets the paths), and
//! the engine by its wire only. Invariant: whatever a test does, its engine is gone after it.

pub mod answer;
pub mod cli;
pub mod columns;
pub mod costs;
pub mod crash;
pub mod engine;
pub mod furnish;
pub mod load;
pub mod reasons;
pub mod settings;
pub mod shop;
pub mod wire;
pub mod work;

pub use answer::Answer;
pub use cli::Finished;
pub use columns::Columns;
pub use engine::Engine;
pub use engine::Setup;
