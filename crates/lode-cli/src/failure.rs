//! How a command fails: what is said, what to do next, the exit code.
//!
//! Everything goes to stderr: the message, the stable reason, the field to blame, and the
//! next thing to type.

mod hints;

use std::io;
use std::io::Write;
use std::process::ExitCode;

use lode_types::Class;
use lode_types::Failure;
use lode_types::Fault;

/// The result of a command.
pub(crate) type Result<T> = std::result::Result<T, Failed>;

/// Why a command failed.
#[derive(Debug)]
pub(crate) struct Failed(Box<Kind>);

#[derive(Debug)]
enum Kind {
    /// The SDK or the engine.
    Fault {
        fault: Fault,
        unreachable: bool,
        job: Option<String>,
    },
    /// The command line.
    Usage(String),
    /// Printing or writing.
    Io { what: String, source: io::Error },
}

impl Failed {
    /// A command line that makes no sense.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self(Box::new(Kind::Usage(message.into())))
    }

    /// A file that cannot be written or read.
    pub(crate) fn io(what: impl Into<String>, source: io::Error) -> Self {
        Self(Box::new(Kind::Io {
            what: what.into(),
            source,
        }))
    }

    /// A failure of another part of Lode.
    pub(crate) fn of(error: &dyn Failure) -> Self {
        Self::fault(Fault::of(error))
    }

    /// A failure told as data.
    pub(crate) fn fault(fault: Fault) -> Self {
        Self(Box::new(Kind::Fault {
            fault,
            unreachable: false,
            job: None,
        }))
    }

    /// The exit code.
    fn code(&self) -> u8 {
        match &*self.0 {
            Kind::Usage(_) => 2,
            Kind::Fault {
                unreachable: true, ..
            } => 3,
            Kind::Fault { fault, .. } if fault.reason == "INVALID_ADDRESS" => 2,
            Kind::Fault { .. } | Kind::Io { .. } => 1,
        }
    }
}

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &*self.0 {
            Kind::Fault { fault, .. } => f.write_str(&fault.message),
            Kind::Usage(message) => f.write_str(message),
            Kind::Io { what, source } => write!(f, "{what}: {source}"),
        }
    }
}

impl std::error::Error for Failed {}

impl From<lode_sdk::Error> for Failed {
    fn from(error: lode_sdk::Error) -> Self {
        let unreachable = error.is_unreachable();
        let (mut fault, mut job) = (error.to_fault(), None);
        if let lode_sdk::Error::Job(failed) = &error {
            job = Some(failed.job.clone());
            fault.message = lode_types::chain(&error);
        }
        Self(Box::new(Kind::Fault {
            fault,
            unreachable,
            job,
        }))
    }
}

impl From<io::Error> for Failed {
    fn from(source: io::Error) -> Self {
        Self::io("cannot print", source)
    }
}

impl From<arrow_schema::ArrowError> for Failed {
    fn from(error: arrow_schema::ArrowError) -> Self {
        Self::fault(Fault::new(Class::Bug, "TABLE_INVALID", error.to_string()))
    }
}

impl From<serde_json::Error> for Failed {
    fn from(error: serde_json::Error) -> Self {
        match error.io_error_kind() {
            Some(kind) => Self::io("cannot print", kind.into()),
            None => Self::fault(Fault::new(Class::Bug, "JSON_INVALID", error.to_string())),
        }
    }
}

/// Tells a failure on stderr and gives its exit code.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    let Some(failed) = error.downcast_ref::<Failed>() else {
        say(&format!("error: {error:#}"));
        return ExitCode::from(1);
    };
    match &*failed.0 {
        // The reader of a pipe has seen enough.
        Kind::Io { source, .. } if source.kind() == io::ErrorKind::BrokenPipe => {
            return ExitCode::SUCCESS;
        }
        Kind::Usage(message) => {
            say(&format!(
                "error: {message}\n  next: lode help shows the commands, lode COMMAND --help the flags of one"
            ));
        }
        Kind::Io { .. } => say(&format!("error: {failed}")),
        Kind::Fault { fault, job, .. } => {
            say(&format!("error: {}", fault.message));
            let mut facts = format!("  reason: {}", fault.reason);
            if !fault.field.is_empty() {
                facts.push_str(&format!("   field: {}", fault.field));
            }
            say(&facts);
            if let Some(next) = hints::next(fault, job.as_deref()) {
                say(&format!("  next: {next}"));
            }
        }
    }
    ExitCode::from(failed.code())
}

/// Writes a line to stderr; where there is no stderr there is nobody to tell.
pub(crate) fn say(text: &str) {
    drop(writeln!(io::stderr().lock(), "{text}"));
}
