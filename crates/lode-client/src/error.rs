//! What can go wrong with a call: a wrong address, no engine, no time, or the engine's refusal.
//!
//! A refusal shows the reason, field and metadata that travel as `google.rpc` details. A
//! failure without them was made on the way (by the transport), not by an engine.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use lode_proto::convert;
use lode_proto::v1;
use lode_types::Class;
use lode_types::Failure;
use lode_types::Retry;
use tonic::Code;
use tonic::Status;
use tonic_types::StatusExt;

/// The result of a call.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a call failed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address is none.
    #[error("expected an engine address such as http://127.0.0.1:7400, found {found:?}{hint}")]
    Address {
        /// The text given.
        found: String,
        /// What else to know; empty or a clause.
        hint: &'static str,
    },
    /// Nobody answers at the address, or the connection broke before the answer was there.
    #[error("the engine at {addr} cannot be reached: {message}")]
    Unreachable {
        /// Where it was looked for.
        addr: String,
        /// What the transport said.
        message: String,
    },
    /// The answer took longer than the caller's deadline.
    #[error("expected an answer to {method} within {} s, found none", .after.as_secs_f64())]
    Deadline {
        /// The method, e.g. `GetJob`.
        method: &'static str,
        /// The deadline.
        after: Duration,
    },
    /// The engine's answer breaks the protocol.
    #[error("expected {expected} from the engine, found {found}")]
    Protocol {
        /// What the proto promises.
        expected: &'static str,
        /// What came.
        found: String,
    },
    /// The engine refused.
    #[error("{0}")]
    Refused(Box<Refusal>),
}

/// An engine's refusal, as it says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The gRPC code.
    pub code: Code,
    /// Stable UPPER_SNAKE_CASE word, e.g. `DATASET_NOT_FOUND`.
    pub reason: String,
    /// For people: what was expected and what was found.
    pub message: String,
    /// The offending field, e.g. `spec.params.k`; empty when none is to blame.
    pub field: String,
    /// Every offending field with what is wrong there.
    pub violations: Vec<(String, String)>,
    /// Facts beside the reason, e.g. the sequence number that was expected.
    pub metadata: BTreeMap<String, String>,
    /// When the engine asks to try again, and after what pause.
    pub retry_after: Option<Duration>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<v1::Error> for Error {
    /// The error of a finished job or of one chunk.
    fn from(error: v1::Error) -> Self {
        let violations = match error.field.is_empty() {
            true => Vec::new(),
            false => vec![(error.field.clone(), error.message.clone())],
        };
        Self::Refused(Box::new(Refusal {
            code: Code::from_i32(error.code),
            reason: error.reason,
            message: error.message,
            field: error.field,
            violations,
            metadata: BTreeMap::new(),
            retry_after: None,
        }))
    }
}

impl Error {
    /// Reads a status: its details when an engine wrote it, else what the transport met.
    pub(crate) fn from_status(status: &Status, addr: &str) -> Self {
        let details = status.get_error_details();
        let Some(info) = details.error_info() else {
            if is_transport(status) {
                return Self::Unreachable {
                    addr: addr.to_owned(),
                    message: innermost(status),
                };
            }
            return Self::Refused(Box::new(Refusal {
                code: status.code(),
                reason: code_word(status.code()).to_owned(),
                message: status.message().to_owned(),
                field: String::new(),
                violations: Vec::new(),
                metadata: BTreeMap::new(),
                retry_after: details.retry_info().and_then(|retry| retry.retry_delay),
            }));
        };
        let violations: Vec<(String, String)> = details
            .bad_request()
            .map(|bad| {
                bad.field_violations
                    .iter()
                    .map(|violation| (violation.field.clone(), violation.description.clone()))
                    .collect()
            })
            .unwrap_or_default();
        Self::Refused(Box::new(Refusal {
            code: status.code(),
            reason: info.reason.clone(),
            message: status.message().to_owned(),
            field: violations
                .first()
                .map(|(field, _)| field.clone())
                .unwrap_or_default(),
            violations,
            metadata: info.metadata.clone().into_iter().collect(),
            retry_after: details.retry_info().and_then(|retry| retry.retry_delay),
        }))
    }

    /// The engine's refusal, when it is one.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }

    /// Whether nobody answered at the address, or the connection broke.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }

    /// Whether the engine may take the same call later: it is away, starting or stopping.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused(refusal) => {
                refusal.code == Code::Unavailable || refusal.retry_after.is_some()
            }
            _ => false,
        }
    }

    /// Whether the engine gave this reason.
    pub fn has_reason(&self, reason: &str) -> bool {
        self.refusal()
            .is_some_and(|refusal| refusal.reason == reason)
    }
}

impl Failure for Error {
    fn class(&self) -> Class {
        match self {
            Self::Address { .. } => Class::Invalid,
            Self::Unreachable { .. } => Class::Unavailable,
            Self::Deadline { .. } => Class::Deadline,
            Self::Protocol { .. } => Class::Bug,
            Self::Refused(refusal) => convert::class_of(refusal.code),
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Address { .. } => "INVALID_ADDRESS",
            Self::Unreachable { .. } => "ENGINE_UNREACHABLE",
            Self::Deadline { .. } => "DEADLINE_EXCEEDED",
            Self::Protocol { .. } => "PROTOCOL_BROKEN",
            Self::Refused(refusal) => intern(&refusal.reason),
        }
    }

    fn field(&self) -> &str {
        match self {
            Self::Address { .. } => "addr",
            Self::Refused(refusal) => &refusal.field,
            _ => "",
        }
    }

    fn retry(&self) -> Retry {
        if self.is_passing() {
            return Retry::AfterBackOff;
        }
        match self.class() {
            Class::Invalid | Class::State | Class::Exists => Retry::AfterFix,
            _ => Retry::Never,
        }
    }
}

/// Whether a status was made by the transport: it carries the I/O or HTTP/2 error it came from.
fn is_transport(status: &Status) -> bool {
    status.source().is_some()
        && matches!(
            status.code(),
            Code::Unavailable | Code::Unknown | Code::Internal | Code::Cancelled
        )
}

/// The deepest cause, which says most ("Connection refused").
fn innermost(status: &Status) -> String {
    let mut deepest = status.message().to_owned();
    let mut cause = status.source();
    while let Some(error) = cause {
        deepest = error.to_string();
        cause = error.source();
    }
    deepest
}

fn code_word(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

/// A reason from the wire as a static word. Reasons are a closed list of some dozens, so
/// what is kept is bounded; a peer that invents more than 512 gets one word for the rest.
fn intern(reason: &str) -> &'static str {
    static WORDS: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut words = WORDS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(word) = words.get(reason) {
        return word;
    }
    if words.len() >= 512 || reason.len() > 64 {
        return "OTHER";
    }
    let word: &'static str = Box::leak(reason.to_owned().into_boxed_str());
    words.insert(word);
    word
}
