//! The process of one check: loads the library, runs the check, says how it ended.

use std::path::Path;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::PoisonError;

use lode_host::foreign;
use lode_worker::Channel;
use serde::Deserialize;
use serde::Serialize;

use crate::checks;
use crate::checks::Case;
use crate::checks::LibraryCase;
use crate::checks::Run;
use crate::subject::Subject;
use crate::verdict::Outcome;
use crate::verdict::failed;
use crate::verdict::outcome;

/// What a child is to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Ask {
    pub(crate) path: PathBuf,
    pub(crate) seed: u64,
    pub(crate) what: What,
    pub(crate) golden: Option<PathBuf>,
}

/// Which part of the work.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum What {
    /// Says what the library is, and the ids of its algorithms.
    List,
    /// A check of the library, or of the algorithm of that id.
    Check {
        name: String,
        algorithm: Option<String>,
    },
    /// Writes a golden model of the algorithm.
    WriteGolden { algorithm: String, name: String },
}

/// What a child says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Reply {
    /// It is about to do this.
    Step(String),
    /// How it ended; the bytes to carry over are beside it.
    Done { outcome: Outcome, detail: String },
    /// The answer to [`What::List`].
    Listed(Listed),
}

/// What a library is.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Listed {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) abi: String,
    pub(crate) algorithms: Vec<String>,
}

/// What the hidden command of the program runs: one check for the parent.
pub fn child_main() -> ExitCode {
    match lode_worker::enter().and_then(|channel| serve(&channel)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&lode_types::chain(&error));
            ExitCode::FAILURE
        }
    }
}

#[expect(
    clippy::print_stderr,
    reason = "the parent keeps a child's standard error as its last words"
)]
fn complain(text: &str) {
    eprintln!("lode kit: {text}");
}

fn serve(channel: &Channel) -> lode_worker::Result<()> {
    let Some(received) = channel.recv::<Ask>()? else {
        return Ok(());
    };
    let step = |words: &str| {
        // When the parent is gone nobody listens.
        drop(channel.send(&Reply::Step(words.to_owned()), &[], &[]));
    };
    // As in an engine's worker.
    let free = match &received.message.what {
        What::List => false,
        What::Check { name, .. } => checks::UNCONFINED.contains(&name.as_str()),
        What::WriteGolden { .. } => true,
    };
    if !free {
        lode_worker::confine(Some(&received.message.path))?;
    }
    let (reply, carry) = act(&received.message, &received.body, &step);
    channel.send(&reply, &carry, &[])
}

/// Does what is asked, in this process.
pub(crate) fn act(ask: &Ask, carried: &[u8], step: &dyn Fn(&str)) -> (Reply, Vec<u8>) {
    let carry = Mutex::new(Vec::new());
    let reply = match &ask.what {
        What::List => list(&ask.path),
        What::Check { name, algorithm } => {
            let (outcome, detail) = check(ask, name, algorithm.as_deref(), carried, &carry, step);
            Reply::Done { outcome, detail }
        }
        What::WriteGolden { algorithm, name } => {
            let folder = ask.golden.as_deref().unwrap_or(Path::new("."));
            let written =
                subject(ask, algorithm).and_then(|subject| match subject.makes_models() {
                    true => checks::write_golden(&subject, folder, name),
                    false => Ok(()),
                });
            let (outcome, detail) = outcome(written.map(|()| String::new()).map_err(failed));
            Reply::Done { outcome, detail }
        }
    };
    let carry = carry.into_inner().unwrap_or_else(PoisonError::into_inner);
    (reply, carry)
}

fn check(
    ask: &Ask,
    name: &str,
    algorithm: Option<&str>,
    carried: &[u8],
    carry: &Mutex<Vec<u8>>,
    step: &dyn Fn(&str),
) -> (Outcome, String) {
    let Some(check) = checks::ALL.iter().find(|check| check.name == name) else {
        return (Outcome::Failed, format!("there is no check {name:?}"));
    };
    step("loading the library");
    match (check.run, algorithm) {
        (Run::Library(run), _) => outcome(run(&LibraryCase { path: &ask.path })),
        (Run::One(run) | Run::Two(run), Some(algorithm)) => {
            let subject = match subject(ask, algorithm) {
                Ok(subject) => subject,
                Err(words) => return (Outcome::Failed, words),
            };
            step(check.name);
            let keep = |bytes: Vec<u8>| {
                *carry.lock().unwrap_or_else(PoisonError::into_inner) = bytes;
            };
            outcome(run(&Case {
                subject: &subject,
                carried,
                carry: &keep,
                golden: ask.golden.as_deref(),
                step,
            }))
        }
        (_, None) => (Outcome::Failed, "no algorithm was named".to_owned()),
    }
}

fn subject(ask: &Ask, algorithm: &str) -> Result<Subject, String> {
    let plugin = foreign::load(&ask.path)?;
    Subject::of(plugin.algorithm(algorithm)?, ask.seed)
}

fn list(path: &Path) -> Reply {
    let listed = foreign::load(path).and_then(|plugin| {
        let ids = plugin.algorithms().into_iter();
        Ok(Listed {
            name: plugin.name()?,
            version: plugin.version()?,
            abi: plugin.abi(),
            algorithms: ids.map(|a| a?.id()).collect::<Result<Vec<_>, _>>()?,
        })
    });
    match listed {
        Ok(listed) => Reply::Listed(listed),
        Err(detail) => Reply::Done {
            outcome: Outcome::Failed,
            detail,
        },
    }
}
