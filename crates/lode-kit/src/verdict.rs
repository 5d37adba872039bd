//! What a check says of its subject.

use serde::Deserialize;
use serde::Serialize;

/// Why a check did not pass.
#[derive(Clone, Debug)]
pub(crate) enum Stop {
    /// The subject is at fault.
    Failed(String),
    /// The check does not concern it.
    Skipped(String),
}

/// What a check found when all is well, in a few words; may be empty.
pub(crate) type Checked = Result<String, Stop>;

/// The subject is at fault.
pub(crate) fn failed(words: impl Into<String>) -> Stop {
    Stop::Failed(words.into())
}

/// The check does not concern the subject.
pub(crate) fn skipped(words: impl Into<String>) -> Stop {
    Stop::Skipped(words.into())
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// All is well.
    Passed,
    /// The plugin is at fault.
    Failed,
    /// It does not concern this plugin.
    Skipped,
}

impl Outcome {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "ok",
            Self::Failed => "FAILED",
            Self::Skipped => "skipped",
        }
    }
}

pub(crate) fn outcome(checked: Checked) -> (Outcome, String) {
    match checked {
        Ok(words) => (Outcome::Passed, words),
        Err(Stop::Failed(words)) => (Outcome::Failed, words),
        Err(Stop::Skipped(words)) => (Outcome::Skipped, words),
    }
}
