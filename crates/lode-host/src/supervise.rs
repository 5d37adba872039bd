//! The engine's side of one call: wait for the answer, pass events on, end what does not end.
//!
//! Does not know what the call does. Invariant: `wait` returns soon after the deadline, or
//! two seconds after a cancel, whatever the worker does; a worker that did not answer well is
//! dead when its error is made.

use std::time::Duration;
use std::time::Instant;

use lode_worker::Polled;
use lode_worker::Received;
use lode_worker::Worker;

use crate::CancelFlag;
use crate::Error;
use crate::LogLevel;
use crate::Result;
use crate::protocol::Reply;
use crate::protocol::Request;

/// How long a call may take to notice that it was cancelled.
const CANCEL_GRACE: Duration = Duration::from_secs(2);
/// How often the cancel flag is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// Log lines of one call that are passed on; a warning says when there were more.
const MAX_LOG_LINES: u32 = 1000;
/// Progress of one call that is passed on.
const MAX_PROGRESS: u32 = 10_000;
/// Lines of a dead worker's standard error that are passed on, the last ones.
const MAX_LAST_LINES: usize = 200;
/// Characters of one of these lines; the rest of it is another.
const MAX_LAST_CHARS: usize = 500;
/// Bytes of one line or stage name that are passed on.
const MAX_TEXT_BYTES: usize = 4096;

/// What a running call tells.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// How far it has got.
    Progress {
        /// 0.0 to 1.0.
        fraction: f64,
        /// What it is doing.
        stage: String,
    },
    /// A line for the job's log.
    Log {
        /// How much it matters.
        level: LogLevel,
        /// The line.
        text: String,
    },
}

/// One call, for errors and limits.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) algorithm: &'a str,
    pub(crate) stage: &'static str,
    pub(crate) memory_bytes: u64,
    pub(crate) deadline: Instant,
    pub(crate) cancel: Option<&'a CancelFlag>,
}

/// Why there is no answer.
enum End {
    Closed,
    Deadline,
    Cancelled,
    Broken(lode_worker::Error),
}

impl Call<'_> {
    /// Waits for the answer of `worker`, which was sent a request. The worker comes back with
    /// the answer; otherwise it is ended.
    pub(crate) fn wait(
        &self,
        worker: Worker,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<(Worker, Received<Reply>)> {
        let mut cancel_by: Option<Instant> = None;
        let mut n_lines = 0_u32;
        let mut n_progress = 0_u32;
        let end = loop {
            let now = Instant::now();
            if now >= self.deadline {
                break End::Deadline;
            }
            if cancel_by.is_some_and(|by| now >= by) {
                break End::Cancelled;
            }
            if cancel_by.is_none() && self.cancel.is_some_and(CancelFlag::is_cancelled) {
                cancel_by = Some(now + CANCEL_GRACE);
                if worker.channel().send(&Request::Cancel, &[], &[]).is_err() {
                    break End::Cancelled;
                }
            }
            let mut wait = self.deadline - now;
            if self.cancel.is_some() {
                wait = wait.min(LOOK);
            }
            let received = match worker.channel().recv_timeout::<Reply>(wait) {
                Ok(Polled::TimedOut) => continue,
                Ok(Polled::Message(received)) => received,
                Ok(Polled::Closed) => break End::Closed,
                Err(error) => break End::Broken(error),
            };
            match received.message {
                Reply::Progress { fraction, stage } => {
                    n_progress = n_progress.saturating_add(1);
                    if n_progress <= MAX_PROGRESS {
                        let fraction = fraction.clamp(0.0, 1.0);
                        let stage = cut(stage);
                        on_event(Event::Progress { fraction, stage });
                    }
                }
                Reply::Log { level, text } => {
                    n_lines = n_lines.saturating_add(1);
                    if let Some(event) = line(n_lines, level, text) {
                        on_event(event);
                    }
                }
                _ if cancel_by.is_some() => break End::Cancelled,
                _ => return Ok((worker, received)),
            }
        };
        Err(self.error(worker, end, cancel_by.is_some(), on_event))
    }

    /// The error of a worker that could not be sent its request.
    pub(crate) fn lost(
        &self,
        worker: Worker,
        error: lode_worker::Error,
        on_event: &mut dyn FnMut(Event),
    ) -> Error {
        let end = match error {
            lode_worker::Error::Socket { .. } => End::Closed,
            error => End::Broken(error),
        };
        self.error(worker, end, false, on_event)
    }

    fn error(
        &self,
        worker: Worker,
        end: End,
        cancelled: bool,
        on_event: &mut dyn FnMut(Event),
    ) -> Error {
        let (algorithm, stage) = (self.algorithm.to_owned(), self.stage);
        match end {
            End::Deadline => {
                worker.kill();
                last_words(&worker.finish().stderr_tail, on_event);
                Error::Deadline { algorithm, stage }
            }
            End::Cancelled => Error::Cancelled { algorithm, stage },
            _ if cancelled => Error::Cancelled { algorithm, stage },
            // Whatever wrote to the socket ran in the plugin's process.
            End::Broken(error @ lode_worker::Error::Frame { .. }) => Error::Exited {
                algorithm,
                stage,
                how: format!("sent bytes that are no answer ({error})"),
                words: worker.finish().stderr_tail,
            },
            End::Broken(error) => error.into(),
            End::Closed => self.post_mortem(worker, on_event),
        }
    }

    fn post_mortem(&self, worker: Worker, on_event: &mut dyn FnMut(Event)) -> Error {
        let (algorithm, stage) = (self.algorithm.to_owned(), self.stage);
        let exit = worker.finish();
        let how = exit.describe();
        last_words(&exit.stderr_tail, on_event);
        if exit.out_of_memory() {
            return Error::OutOfMemory {
                algorithm,
                stage,
                limit_bytes: self.memory_bytes,
                words: exit.stderr_tail,
            };
        }
        let words = exit.stderr_tail;
        if exit.signal.is_some() {
            return Error::Crashed {
                algorithm,
                stage,
                how,
                words,
            };
        }
        Error::Exited {
            algorithm,
            stage,
            how,
            words,
        }
    }
}

/// The answer as an error, when it is one or none that the request has.
pub(crate) fn refusal(algorithm: &str, stage: &'static str, reply: Reply) -> Error {
    let algorithm = algorithm.to_owned();
    match reply {
        Reply::Failed {
            kind,
            field,
            message,
        } => Error::Failed {
            algorithm,
            kind,
            field: cut(field),
            message: cut(message),
        },
        other => Error::Failed {
            algorithm,
            kind: crate::FailKind::Bug,
            field: String::new(),
            message: format!("expected an answer to {stage}, found {other:?}"),
        },
    }
}

/// Passes on what a worker that died wrote to its standard error, line by line; the error
/// itself has room for the end of it alone.
fn last_words(stderr_tail: &str, on_event: &mut dyn FnMut(Event)) {
    let lines: Vec<&str> = stderr_tail
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty())
        .collect();
    for line in &lines[lines.len().saturating_sub(MAX_LAST_LINES)..] {
        let words: Vec<char> = line.chars().filter(|letter| !letter.is_control()).collect();
        for text in words.chunks(MAX_LAST_CHARS) {
            on_event(Event::Log {
                level: LogLevel::Error,
                text: text.iter().collect(),
            });
        }
    }
}

fn line(n: u32, level: LogLevel, text: String) -> Option<Event> {
    if n > MAX_LOG_LINES + 1 {
        return None;
    }
    if n == MAX_LOG_LINES + 1 {
        return Some(Event::Log {
            level: LogLevel::Warn,
            text: format!("the call wrote more than {MAX_LOG_LINES} lines; the rest is left out"),
        });
    }
    Some(Event::Log {
        level,
        text: cut(text),
    })
}

/// Text of a plugin as it may be shown: of bounded length, and without what would move a
/// terminal's cursor or forge a line.
fn cut(text: String) -> String {
    let shown = |c: char| !c.is_control() || c == '\t' || c == '\n';
    let mut text = match text.chars().all(shown) {
        true => text,
        false => text.replace(|c| !shown(c), "\u{fffd}"),
    };
    if text.len() > MAX_TEXT_BYTES {
        let mut end = MAX_TEXT_BYTES;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push_str(" ...");
    }
    text
}

#[cfg(test)]
mod tests;
