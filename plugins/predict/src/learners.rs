//! The ways of learning, one file each.
//!
//! Does not know the questions. Invariant: a learner reads features through
//! [`crate::Rows`] alone.

mod amounts;
mod boosting;
mod classes;
mod constraints;
mod cox;
mod forest;
mod gbdt;
mod hazard;
mod linear;
mod logistic;
mod pairs;
mod regression;
mod scorecard;
mod survival;
mod tree;
mod two_stage;

pub use boosting::BoostParams;
pub use classes::ClassModel;
pub use classes::GbdtClasses;
pub use constraints::Direction;
pub use cox::Cox;
pub use cox::CoxModel;
pub use cox::CoxParams;
pub use forest::Grown;
pub use gbdt::AmountLoss;
pub use gbdt::Gbdt;
pub use gbdt::GbdtAmount;
pub use gbdt::Loss;
pub use hazard::Clock;
pub use hazard::Hazard;
pub use hazard::HazardModel;
pub use hazard::HazardParams;
pub use linear::Linear;
pub use linear::LinearParams;
pub use logistic::Logistic;
pub use logistic::LogisticParams;
pub use pairs::PairParams;
pub use regression::Regression;
pub use scorecard::Scorecard;
pub use scorecard::ScorecardModel;
pub use scorecard::ScorecardParams;
pub use scorecard::Trend;
pub use tree::Ruled;
pub use tree::Tree;
pub use tree::TreeParams;
pub use two_stage::TwoStage;
pub use two_stage::TwoStageParams;

/// Private memory of a fit that grows trees: whatever the rows are, and for each row.
const FOREST_MEMORY: (u64, u64) = (192 << 20, 2 << 10);
