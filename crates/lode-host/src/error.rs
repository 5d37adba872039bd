//! How a call of an algorithm can end other than with its result.

use std::io;

use arrow_schema::ArrowError;
use lode_types::Class;
use lode_types::Failure;

use crate::FailKind;

/// What this crate's functions return.
pub type Result<T> = std::result::Result<T, Error>;

/// How a call of an algorithm can end other than with its result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused.
    #[error("could not {action}")]
    Io {
        /// What was tried.
        action: String,
        /// Why it failed.
        source: io::Error,
    },
    /// The worker could not be started or spoken to.
    #[error("the worker process could not be used")]
    Worker(#[from] Box<lode_worker::Error>),
    /// A table could not be written or read as a message.
    #[error("a table could not be passed to or from the worker")]
    Arrow(#[from] Box<ArrowError>),
    /// No active plugin has this algorithm.
    #[error("expected the id of an algorithm of a loaded plugin, found {id:?}")]
    AlgorithmNotFound {
        /// The id.
        id: String,
    },
    /// Containment is required, and the kernel lacks it.
    #[error(
        "expected a kernel that contains plugins, found one without {missing}; `lode serve \
         --containment best-effort` starts without"
    )]
    NotContained {
        /// The layers.
        missing: String,
    },
    /// The algorithm, or its worker, said why it cannot go on.
    #[error("{}", told(algorithm, *kind, message))]
    Failed {
        /// The algorithm.
        algorithm: String,
        /// What kind of wrong.
        kind: FailKind,
        /// What is to blame, such as `params.k`; may be empty.
        field: String,
        /// In words.
        message: String,
    },
    /// A signal ended the worker.
    #[error("{algorithm} was {how} while {stage} ran{}", last_words(words))]
    Crashed {
        /// The algorithm.
        algorithm: String,
        /// fit, open or score.
        stage: &'static str,
        /// e.g. `killed by SIGSEGV`.
        how: String,
        /// The end of its standard error.
        words: String,
    },
    /// The worker exited by itself without an answer.
    #[error(
        "{algorithm} {how} before it answered, while {stage} ran{}",
        last_words(words)
    )]
    Exited {
        /// The algorithm.
        algorithm: String,
        /// fit, open or score.
        stage: &'static str,
        /// e.g. `exited with code 0`.
        how: String,
        /// The end of its standard error.
        words: String,
    },
    /// The worker's memory limit was reached.
    #[error(
        "{algorithm} needed more memory than its limit of {} MiB while {stage} ran{}",
        limit_bytes >> 20,
        last_words(words)
    )]
    OutOfMemory {
        /// The algorithm.
        algorithm: String,
        /// fit, open or score.
        stage: &'static str,
        /// The limit.
        limit_bytes: u64,
        /// The end of its standard error.
        words: String,
    },
    /// The deadline passed; the worker was ended.
    #[error("{algorithm} had not finished {stage} when its time ran out, and was ended")]
    Deadline {
        /// The algorithm.
        algorithm: String,
        /// fit, open or score.
        stage: &'static str,
    },
    /// The caller asked the call to stop.
    #[error("{algorithm} was cancelled while {stage} ran")]
    Cancelled {
        /// The algorithm.
        algorithm: String,
        /// fit, open or score.
        stage: &'static str,
    },
    /// The library has crashed too often.
    #[error(
        "{algorithm} does not run: {library} is quarantined; last crash: {last}; `lode plugin release {}` lifts it",
        &sha256[..sha256.len().min(12)]
    )]
    Quarantined {
        /// The algorithm.
        algorithm: String,
        /// Plugin, version and file.
        library: String,
        /// The last crash, in words.
        last: String,
        /// Of the library.
        sha256: String,
    },
    /// A file name that names no library of the plugin directory.
    #[error("expected the bare name of a .so file in the plugin directory, found {found:?}: {why}")]
    FileName {
        /// What was given.
        found: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// No such file, or no such library.
    #[error("{0}")]
    PluginNotFound(String),
    /// Several libraries fit.
    #[error("{0}")]
    PluginAmbiguous(String),
    /// A file cannot be used.
    #[error("{file_name} was refused: {}", problems.join("; "))]
    Refused {
        /// The file.
        file_name: String,
        /// Every reason.
        problems: Vec<String>,
    },
    /// The scorer's worker is gone since an earlier call; open a new one.
    #[error("the worker of this scorer has ended; open a new scorer of {algorithm}")]
    ScorerGone {
        /// The algorithm.
        algorithm: String,
    },
}

impl Error {
    pub(crate) fn io(action: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let action = action.into();
        move |source| Self::Io { action, source }
    }
}

impl From<lode_worker::Error> for Error {
    fn from(error: lode_worker::Error) -> Self {
        Self::Worker(Box::new(error))
    }
}

impl From<ArrowError> for Error {
    fn from(error: ArrowError) -> Self {
        Self::Arrow(Box::new(error))
    }
}

impl Failure for Error {
    fn class(&self) -> Class {
        match self {
            Self::Io { .. } | Self::ScorerGone { .. } => Class::Unavailable,
            Self::Worker(error) => error.class(),
            Self::NotContained { .. } => Class::State,
            Self::AlgorithmNotFound { .. } | Self::PluginNotFound(_) => Class::NotFound,
            Self::Quarantined { .. } | Self::Refused { .. } => Class::State,
            Self::FileName { .. } | Self::PluginAmbiguous(_) => Class::Invalid,
            Self::Failed { kind, .. } => match kind {
                FailKind::Params | FailKind::Input => Class::Invalid,
                FailKind::Numeric | FailKind::Model => Class::State,
                FailKind::Table => Class::Corrupt,
                FailKind::Cancelled => Class::Cancelled,
                FailKind::Output => Class::Unavailable,
                FailKind::Bug | FailKind::Panic => Class::Bug,
            },
            Self::Arrow(_) | Self::Crashed { .. } | Self::Exited { .. } => Class::Bug,
            Self::OutOfMemory { .. } => Class::Limit,
            Self::Deadline { .. } => Class::Deadline,
            Self::Cancelled { .. } => Class::Cancelled,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Io { .. } => "HOST_IO_FAILED",
            Self::Worker(error) => error.reason(),
            Self::Arrow(_) => "WORKER_PROTOCOL",
            Self::NotContained { .. } => "CONTAINMENT_MISSING",
            Self::AlgorithmNotFound { .. } => "ALGORITHM_NOT_FOUND",
            Self::Failed { kind, .. } => match kind {
                FailKind::Params => "PARAMS_INVALID",
                FailKind::Input => "INPUT_INVALID",
                FailKind::Model => "MODEL_INVALID",
                FailKind::Cancelled => "JOB_CANCELLED",
                FailKind::Numeric | FailKind::Bug => "PLUGIN_FAILED",
                FailKind::Panic => "PLUGIN_PANICKED",
                FailKind::Table => "TABLE_DAMAGED",
                FailKind::Output => "OUTPUT_NOT_WRITTEN",
            },
            Self::Crashed { .. } => "PLUGIN_CRASHED",
            Self::Exited { .. } => "PLUGIN_EXITED",
            Self::OutOfMemory { .. } => "PLUGIN_OUT_OF_MEMORY",
            Self::Deadline { .. } => "JOB_DEADLINE_EXCEEDED",
            Self::Cancelled { .. } => "JOB_CANCELLED",
            Self::ScorerGone { .. } => "SCORER_GONE",
            Self::Quarantined { .. } => "PLUGIN_QUARANTINED",
            Self::FileName { .. } => "PLUGIN_FILE_INVALID",
            Self::PluginNotFound(_) => "PLUGIN_NOT_FOUND",
            Self::PluginAmbiguous(_) => "PLUGIN_AMBIGUOUS",
            Self::Refused { .. } => "PLUGIN_REFUSED",
        }
    }

    fn field(&self) -> &str {
        match self {
            Self::Failed { field, .. } => field,
            Self::FileName { .. } => "file_name",
            _ => "",
        }
    }
}

fn told(algorithm: &str, kind: FailKind, message: &str) -> String {
    match kind {
        FailKind::Panic => format!("{algorithm} {message}"),
        _ => format!("{algorithm}: {message}"),
    }
}

fn last_words(words: &str) -> String {
    let words = cut_words(words);
    if words.is_empty() {
        return words;
    }
    format!("; last words: {words}")
}

/// The end of what a worker wrote, on one line.
pub(crate) fn cut_words(words: &str) -> String {
    const MOST: usize = 600;
    let words: Vec<&str> = words.split_whitespace().collect();
    let words = words.join(" ");
    let mut from = words.len().saturating_sub(MOST);
    while !words.is_char_boundary(from) {
        from += 1;
    }
    words[from..].to_owned()
}
