//! Learners made of trees: boosted for prediction, single for reading, with exact reasons.
//!
//! Columns become bytes ([`Table`], bins), a tree is grown on slopes and curvatures of a loss
//! ([`Objective`]) read from histograms, and [`gbdt`] and [`tree`] say which trees and how many.
//! Both give a [`Forest`], which scores, explains and stores itself.
//!
//! Does not tune, calibrate or judge, and does not know names. Invariant: the same rows,
//! parameters and seed give the same bytes, whatever the number of threads.

mod bins;
mod bytes;
mod compact;
mod constraints;
mod cuts;
mod exp;
mod forest;
pub mod gbdt;
mod grow;
mod histogram;
mod levels;
mod matrix;
mod objective;
mod partition;
#[cfg(test)]
mod properties;
mod quantize;
mod rules;
mod shap;
mod split;
mod table;
#[cfg(test)]
mod test_data;
pub mod tree;
mod walk;

pub use constraints::Constraints;
pub use constraints::Trend;
pub use forest::Forest;
pub use objective::Objective;
pub use objective::TARGET_LIMIT;
pub use rules::ColumnName;
pub use rules::Rule;
pub use rules::leaf_of;
pub use rules::rules;
pub use shap::Contributions;
pub use shap::Interactions;
pub use shap::Pair;
pub use table::Column;
pub use table::MAX_COLUMNS;
pub use table::Table;
