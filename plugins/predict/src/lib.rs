//! Names the customers who are about to leave, with the reasons of each score.
//!
//! One algorithm, [`Logistic`]. Does not split off test rows: the engine evaluates on rows
//! that a fit did not see.

mod logistic;

pub use logistic::Logistic;
pub use logistic::Params;

lode_plugin::export_plugin!(Logistic);
