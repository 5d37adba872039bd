//! Measures of ranked lists: did the items that people really took come early?
//!
//! Does not sample candidates: a rank is a place in the order of all items. `list` measures one
//! list, `means` many with their intervals, `exposure` which items the lists show at all.
//! Invariant: a mean is over all lists, also those in which nothing was found.

mod exposure;
mod list;
mod means;

pub use exposure::Exposure;
pub use exposure::surprise;
pub use list::RankedList;
pub use list::ranks_of;
pub use means::MeanRows;

#[cfg(test)]
mod tests;
