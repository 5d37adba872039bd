//! The ways of learning, one file each.
//!
//! Does not know the questions. Invariant: a learner reads features through
//! [`crate::Rows`] alone.

mod cox;
mod hazard;
mod linear;
mod logistic;
mod regression;
mod scorecard;
mod survival;

pub use cox::Cox;
pub use cox::CoxModel;
pub use cox::CoxParams;
pub use hazard::Clock;
pub use hazard::Hazard;
pub use hazard::HazardModel;
pub use hazard::HazardParams;
pub use linear::Linear;
pub use linear::LinearParams;
pub use logistic::Logistic;
pub use logistic::LogisticParams;
pub use regression::Regression;
pub use scorecard::Scorecard;
pub use scorecard::ScorecardModel;
pub use scorecard::ScorecardParams;
pub use scorecard::Trend;
