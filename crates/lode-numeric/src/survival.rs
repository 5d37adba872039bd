//! How long customers stay: survival curves, and regressions for the time until they leave.
//!
//! [`kaplan_meier`] is the curve of a whole base, [`cox`] a regression in continuous time,
//! [`hazard`] one in periods, whose risk can rise when a contract ends. Does not choose or
//! scale columns. Invariant: a subject that was not seen to leave counts for as long as it
//! was watched and no longer; nothing is made of what came after.

pub mod cox;
pub mod hazard;

mod kaplan_meier;
mod newton;
mod normal;
mod rows;
mod subjects;

pub use kaplan_meier::KaplanMeierPoint;
pub use kaplan_meier::kaplan_meier;
pub use normal::Estimate;
pub use subjects::Subjects;

#[cfg(test)]
mod golden;
