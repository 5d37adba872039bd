//! What every error of Lode can say of itself: its class, its stable reason, the field to blame.
//!
//! Each library has its own `thiserror` enum that implements [`Failure`]; where errors of
//! several libraries meet (the engine, a finished job), they are carried as one [`Fault`].

use std::error::Error;
use std::fmt;

use serde::Deserialize;
use serde::Serialize;

/// The closed list of what can be wrong. The engine maps each to one gRPC code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// The caller asked for something that can never work.
    Invalid,
    /// A named thing is not there.
    NotFound,
    /// A named thing is there already, and differs.
    Exists,
    /// The thing is not in a state that allows this now.
    State,
    /// A limit on size, memory, count or rate was passed.
    Limit,
    /// The caller, or another caller, stopped it.
    Cancelled,
    /// Its time ran out.
    Deadline,
    /// The caller may not do this.
    Denied,
    /// It may work later, unchanged.
    Unavailable,
    /// Stored data is damaged.
    Corrupt,
    /// Our own invariant, or a plugin's, is broken.
    Bug,
}

/// Whether trying again makes sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// The same call will fail again.
    Never,
    /// The same call may work after a pause.
    AfterBackOff,
    /// The call may work once the input is mended.
    AfterFix,
}

/// The three questions that every error answers.
pub trait Failure: Error {
    /// What kind of wrong it is.
    fn class(&self) -> Class;
    /// Stable UPPER_SNAKE_CASE word that programs switch on, e.g. `DATASET_NOT_FOUND`.
    fn reason(&self) -> &'static str;
    /// The offending field, such as `spec.params.k`; empty when none is to blame.
    fn field(&self) -> &str {
        ""
    }
    /// Whether trying again makes sense; follows from the class unless said otherwise.
    fn retry(&self) -> Retry {
        match self.class() {
            Class::Unavailable => Retry::AfterBackOff,
            Class::Invalid | Class::State | Class::Exists => Retry::AfterFix,
            _ => Retry::Never,
        }
    }
}

/// An error as data: kept with a finished job, sent over the wire, joined from several crates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// What kind of wrong it is.
    pub class: Class,
    /// Stable UPPER_SNAKE_CASE word.
    pub reason: String,
    /// For people: what was expected and what was found, causes included.
    pub message: String,
    /// The offending field; empty when none is to blame.
    pub field: String,
}

impl Fault {
    /// A fault from its parts, with no field to blame.
    pub fn new(class: Class, reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            class,
            reason: reason.into(),
            message: message.into(),
            field: String::new(),
        }
    }

    /// The same fault, blaming `field`.
    #[must_use]
    pub fn at(mut self, field: impl Into<String>) -> Self {
        self.field = field.into();
        self
    }

    /// What `error` says of itself, its causes joined into the message.
    pub fn of(error: &dyn Failure) -> Self {
        Self {
            class: error.class(),
            reason: error.reason().to_owned(),
            message: chain(error),
            field: error.field().to_owned(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Fault {}

impl<E: Failure> From<E> for Fault {
    fn from(error: E) -> Self {
        Self::of(&error)
    }
}

/// An error and its causes on one line, outermost first, repeats left out.
pub fn chain<E: Error + ?Sized>(error: &E) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}
