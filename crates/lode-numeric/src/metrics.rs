//! How good scores and rankings are, measured on rows that the model did not see.
//!
//! Does not choose those rows; the caller does. Invariant: the order of rows never matters:
//! rows of one score are treated as if their order were random (the expected value is given),
//! and a row of weight 3 counts as three rows. `docs/evaluation.md` has every definition.

mod rank;

mod binary;
mod choice;
mod probability;

mod delong;

mod bootstrap;

mod amount;
mod deviance;
mod pinball;

mod classes;

mod concordance;
mod survival;

mod drift;
mod ranking;

pub use amount::Amount;
pub use amount::AmountDecile;
pub use amount::AmountOrder;
pub use binary::Binary;
pub use binary::Decile;
pub use binary::GainsPoint;
pub use binary::auc;
pub use binary::average_precision;
pub use binary::cumulative_gains;
pub use binary::deciles;
pub use binary::top_lift;
pub use bootstrap::Bootstrap;
pub use bootstrap::Interval;
pub use choice::Best;
pub use choice::Budget;
pub use choice::Chosen;
pub use choice::Economics;
pub use classes::Classified;
pub use classes::OfClass;
pub use classes::class_losses;
pub use concordance::concordance;
pub use delong::AucEstimate;
pub use delong::AucPair;
pub use delong::delong;
pub use delong::delong_pair;
pub use deviance::gamma_deviance;
pub use deviance::poisson_deviance;
pub use deviance::tweedie_deviance;
pub use drift::category_shares;
pub use drift::number_edges;
pub use drift::number_shares;
pub use drift::psi;
pub use pinball::pinball_loss;
pub use pinball::share_below;
pub use probability::Bin;
pub use probability::Binning;
pub use probability::CalibrationError;
pub use probability::brier;
pub use probability::calibration_bins;
pub use probability::calibration_error;
pub use probability::log_loss;
pub use probability::weighted_brier;
pub use probability::weighted_log_loss;
pub use probability::weighted_mean;
pub use rank::Ranking;
pub use ranking::Exposure;
pub use ranking::MeanRows;
pub use ranking::RankedList;
pub use ranking::ranks_of;
pub use ranking::surprise;
pub use survival::KaplanMeier;
pub use survival::SurvivalBin;
pub use survival::brier_at;
pub use survival::calibration_at;

#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod tests;
