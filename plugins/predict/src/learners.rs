//! The ways of learning, one file each.
//!
//! Does not know the questions. Invariant: a learner reads features through
//! [`crate::Rows`] alone.

mod linear;
mod logistic;
mod regression;

mod boosting;
mod forest;
mod gbdt;
mod tree;

mod amounts;
mod two_stage;

pub use boosting::BoostParams;
pub use forest::Grown;
pub use gbdt::AmountLoss;
pub use gbdt::Gbdt;
pub use gbdt::GbdtAmount;
pub use gbdt::Loss;
pub use linear::Linear;
pub use linear::LinearParams;
pub use logistic::Logistic;
pub use logistic::LogisticParams;
pub use regression::Regression;
pub use tree::Ruled;
pub use tree::Tree;
pub use tree::TreeParams;
pub use two_stage::TwoStage;
pub use two_stage::TwoStageParams;

/// Private memory of a fit that grows trees: whatever the rows are, and for each row.
const FOREST_MEMORY: (u64, u64) = (192 << 20, 2 << 10);
