//! Trees.
mod bins;
mod cuts;
mod forest;
pub mod gbdt;
mod grow;
mod histogram;
mod levels;
mod objective;
mod split;
mod table;

pub use forest::Forest;
pub use objective::Objective;
pub use objective::TARGET_LIMIT;
pub use table::Column;
pub use table::MAX_COLUMNS;
pub use table::Table;
