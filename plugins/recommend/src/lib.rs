//! Offers items to customers, from what customers bought or looked at before.
//!
//! An algorithm is a `method`: one file in `methods` with its parameters, its doc and its
//! arithmetic. What they share is written once: `events` reads rows into weighted pairs,
//! `model` keeps names, histories and popularity, `serve` answers requests with reasons. An
//! item that a customer already has is never offered unless the request allows it.

mod attributes;
mod events;
mod method;
mod methods;
mod model;
mod output;
mod params;
mod recommends;
mod serve;
#[cfg(test)]
mod testdata;
#[cfg(test)]
mod tests;

pub use methods::als::Als;
pub use methods::als::AlsFitParams;
pub use methods::als::AlsSolver;
pub use methods::bpr::Bpr;
pub use methods::bpr::BprLoss;
pub use methods::bpr::BprParams;
pub use methods::knn::ItemKnn;
pub use methods::knn::ItemKnnParams;
pub use methods::knn::Likeness;
pub use methods::popular::Popular;
pub use methods::popular::PopularParams;
pub use params::Both;
pub use params::Common;
pub use params::Part;
pub use params::Weighting;

lode_plugin::export_plugin!(Popular: mergeable, ItemKnn: mergeable, Als: mergeable, Bpr: mergeable);
