//! Kernels, seeded sampling and evaluation metrics: the arithmetic under every algorithm.
//!
//! Pure functions: no I/O, no clock, no thread that the caller did not grant as a number.
//! Invariant: the same numbers and the same seed give the same bits, whatever the number of
//! threads; every reduction runs in the fixed order of [`parallel`].

mod ahead;
pub mod parallel;
pub mod rng;

mod cholesky;
mod error;
#[cfg(test)]
mod golden;
mod lanes;
mod rows;
mod wide;

pub mod calibration;
pub mod ease;
pub mod factors;
pub mod folds;
pub mod glm;
pub mod kmeans;
pub mod label;
pub mod metrics;
pub mod neighbors;
pub mod normal;
pub mod scorecard;
pub mod sessions;
pub mod standardize;
pub mod sum;
pub mod survival;
pub mod trees;

pub use error::Error;
pub use error::Result;
pub use rng::Rng;
pub use rows::Rows;

/// Told how far a long call is (`0.0..=1.0`); answers whether to go on. Called from the
/// calling thread only.
pub type Progress<'a> = &'a dyn Fn(f64) -> bool;

/// A [`Progress`] that never stops anything.
pub fn go_on(_fraction: f64) -> bool {
    true
}
