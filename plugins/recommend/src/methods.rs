//! The algorithms: each a file with its parameters, its doc and its arithmetic.

pub(crate) mod als;
pub(crate) mod knn;
pub(crate) mod popular;
