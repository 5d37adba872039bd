//! Training sets: a job's input that is made of what happened, and the rows that are scored by
//! what was learned from one.
//!
//! [`TrainingSpec`] is what is asked for; `resolve` settles what it leaves open when the job is
//! created, and refuses what cannot be; `build` makes the table; `subjects` gives the rows of all
//! customers now, or then, to a model. What features and labels are is `lode-features`' work.
//!
//! Invariant: a resolved set and the pinned versions give the same rows again, whenever it is.

mod build;
mod dates;
mod labels;
mod popular;
mod resolve;
mod spec;
mod subjects;

pub(crate) use build::summary_table;
pub(crate) use resolve::Asked;
pub(crate) use resolve::Resolved;
pub(crate) use resolve::TrainingSource;
pub(crate) use resolve::below;
pub(crate) use resolve::resolved;
pub use spec::CandidatesSpec;
pub use spec::LabelSpec;
pub use spec::LabelWord;
pub use spec::RollingPlan;
pub use spec::TrainingSpec;
pub(crate) use subjects::Subjects;
pub(crate) use subjects::SubjectsCall;
pub(crate) use subjects::scored_columns;

use crate::Error;

/// What is wrong with a training set at one field.
pub(crate) fn wrong(
    path: impl Into<String>,
    expected: impl AsRef<str>,
    found: impl AsRef<str>,
) -> Error {
    let path = path.into();
    let (expected, found) = (expected.as_ref(), found.as_ref());
    let message = format!("{path}: expected {expected}, found {found}");
    Error::invalid("INVALID_TRAINING_SET", path, message)
}
