//! Describes people and items by few numbers each, such that the inner product of two rows says
//! how much a person wants an item: matrix factorization of who has what.
//!
//! Does not know names, only indexes. Invariant: the same table, parameters and seed give the same
//! bits for any number of threads and any machine.

mod matrix;
mod pairs;
mod params;

mod als;
mod dense;
mod direct;
mod gradient;
mod side;
mod spectrum;

mod fold;
mod shelf;

pub use als::Als;
pub use als::als;
pub use als::loss;
pub use als::people_of_items;
pub use fold::FoldIn;
pub use fold::Folded;
pub use matrix::Factors;
pub use pairs::Pairs;
pub use params::AlsParams;
pub use params::Form;
pub use params::Solver;
pub use shelf::Excluded;
pub use shelf::Scored;
pub use shelf::Shelf;

#[cfg(test)]
mod tests;
