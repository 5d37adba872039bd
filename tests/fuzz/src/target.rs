//! The targets, one file each: the function, the inputs that are made, the words of its inputs.

pub(crate) mod frames;
pub(crate) mod manifest;
pub(crate) mod model;
pub(crate) mod params;
