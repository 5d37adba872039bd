//! What a numeric call can find wrong with its arguments, or fail to reach.
//!
//! Does not know columns or parameters by their users' names: the caller adds those.

use std::fmt;

/// Why a numeric call gave no result.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// Two arguments that must have one length have two.
    Length {
        /// What was measured.
        what: &'static str,
        /// Entries expected.
        expected: usize,
        /// Entries found.
        found: usize,
    },
    /// No rows, or fewer than the call needs.
    TooFewRows {
        /// Rows needed.
        needed: usize,
        /// Rows found.
        found: usize,
    },
    /// Fewer different rows than groups were asked for.
    TooFewDistinctRows {
        /// Groups asked for.
        needed: usize,
        /// Different rows found.
        found: usize,
    },
    /// A NaN or an infinity.
    NotFinite {
        /// What holds it.
        what: &'static str,
        /// At which entry.
        index: usize,
    },
    /// Labels of one class only, where both are needed.
    OneClass {
        /// The class they all have.
        class: bool,
    },
    /// A parameter outside its range.
    OutOfRange {
        /// The parameter.
        what: &'static str,
        /// The legal range, in words.
        expected: &'static str,
        /// What was given.
        found: f64,
    },
    /// One of many numbers outside its range.
    Entry {
        /// What holds it.
        what: &'static str,
        /// The legal range, in words.
        expected: &'static str,
        /// At which entry.
        index: usize,
        /// What was given.
        found: f64,
    },
    /// Nobody left among those watched, so there is nothing to learn of leaving.
    NoEvents {
        /// Subjects found.
        rows: usize,
    },
    /// No two rows of a group that differ in relevance: nothing that an order could get wrong.
    NoPairs,
    /// Without a penalty, columns that are constant or a sum of others have no one answer.
    Singular {
        /// The first weight that the others leave undetermined.
        weight: usize,
    },
    /// The optimum was not reached within the steps allowed.
    NotConverged {
        /// Steps taken.
        steps: usize,
        /// Norm of the gradient that was left.
        gradient: f64,
    },
    /// A label whose values are not the two of a yes-or-no question.
    Label {
        /// What was expected of it.
        expected: String,
        /// Values found, in order, at most five.
        found: Vec<String>,
    },
    /// A column of one kind where a model learned from another.
    Columns {
        /// Number of the column.
        index: usize,
        /// Kind in training.
        expected: &'static str,
        /// Kind found.
        found: &'static str,
    },
    /// A model of another objective to go on from.
    Objective {
        /// That of the model.
        expected: crate::trees::Objective,
        /// That of the fit.
        found: crate::trees::Objective,
    },
    /// Bytes that are no model of this crate, or a damaged one.
    Bytes {
        /// What was expected where.
        what: &'static str,
    },
    /// The caller's progress function said stop.
    Cancelled,
}

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length {
                what,
                expected,
                found,
            } => write!(f, "expected {expected} {what}, found {found}"),
            Self::TooFewRows { needed, found } => {
                write!(f, "expected at least {needed} rows, found {found}")
            }
            Self::TooFewDistinctRows { needed, found } => {
                write!(
                    f,
                    "expected at least {needed} different rows, found {found}"
                )
            }
            Self::NotFinite { what, index } => {
                write!(f, "expected finite {what}, found another at entry {index}")
            }
            Self::OneClass { class } => {
                write!(f, "expected labels of two classes, found only {class}")
            }
            Self::OutOfRange {
                what,
                expected,
                found,
            } => write!(f, "expected {what} {expected}, found {found}"),
            Self::Entry {
                what,
                expected,
                index,
                found,
            } => write!(
                f,
                "expected {what} {expected}, found {found} at entry {index}"
            ),
            Self::NoEvents { rows } => write!(
                f,
                "expected somebody who left, found {rows} subjects and none of them did"
            ),
            Self::NoPairs => {
                f.write_str("expected a group with rows of different relevance, found none")
            }
            Self::Singular { weight } => write!(
                f,
                "expected columns that determine each weight, found that weight {weight} is \
                 free: its column is constant or a sum of others; a larger l2 settles it"
            ),
            Self::NotConverged { steps, gradient } => write!(
                f,
                "expected an optimum within {steps} steps, found a gradient of {gradient:e} left"
            ),
            Self::Label { expected, found } => {
                write!(f, "expected {expected}, found the values {found:?}")
            }
            Self::Columns {
                index,
                expected,
                found,
            } => write!(f, "expected {expected} in column {index}, found {found}"),
            Self::Objective { expected, found } => write!(
                f,
                "expected the objective of the model to go on from, {expected:?}, found {found:?}"
            ),
            Self::Bytes { what } => write!(f, "expected {what}, found other bytes"),
            Self::Cancelled => f.write_str("cancelled"),
        }
    }
}

impl std::error::Error for Error {}
