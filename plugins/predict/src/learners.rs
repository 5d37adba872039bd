//! The ways of learning, one file each.
//!
//! Does not know the questions. Invariant: a learner reads features through
//! [`crate::Rows`] alone.

mod linear;
mod logistic;
mod regression;

pub use linear::Linear;
pub use linear::LinearParams;
pub use logistic::Logistic;
pub use logistic::LogisticParams;
pub use regression::Regression;
