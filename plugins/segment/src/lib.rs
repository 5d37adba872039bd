//! Groups customers: by what they bought and when, or by any numbers known of them.
//!
//! Two algorithms, [`Rfm`] and [`KMeans`]. Neither looks at an outcome.

mod codec;
mod kmeans;
mod rfm;

pub use kmeans::KMeans;
pub use kmeans::KMeansParams;
pub use kmeans::Transform;
pub use rfm::Returns;
pub use rfm::Rfm;
pub use rfm::RfmParams;

lode_plugin::export_plugin!(Rfm: mergeable, KMeans);
