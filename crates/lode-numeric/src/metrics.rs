//! How good scores and rankings are, measured on rows that the model did not see.
//!
//! Does not choose those rows; the caller does. Invariant: the order of rows never matters:
//! rows of one score are treated as if their order were random (the expected value is given).

mod binary;
mod ranking;

pub use binary::Decile;
pub use binary::GainsPoint;
pub use binary::auc;
pub use binary::average_precision;
pub use binary::brier;
pub use binary::cumulative_gains;
pub use binary::deciles;
pub use binary::log_loss;
pub use binary::top_lift;
pub use ranking::RankingReport;
pub use ranking::RankingSums;
pub use ranking::ranks_of;

#[cfg(test)]
mod tests;
