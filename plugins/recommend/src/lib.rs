//! Offers items to customers, from what customers bought or looked at before.
//!
//! Two algorithms, [`Popular`] and [`ItemKnn`]. An item that a customer already has is never
//! offered.

mod events;
mod knn;
mod offers;
mod output;
mod popular;
#[cfg(test)]
mod testdata;

pub use knn::ItemKnn;
pub use knn::ItemKnnParams;
pub use popular::Popular;
pub use popular::PopularParams;

lode_plugin::export_plugin!(Popular: mergeable, ItemKnn);
