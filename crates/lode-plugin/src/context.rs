//! What a running call may ask and tell: seed, threads, progress, log, whether to stop.

use std::fmt;

use crate::Error;
use crate::Result;

/// The surroundings of one call. Shared freely between the threads of the call.
pub struct Context<'a> {
    seed: u64,
    threads: usize,
    sink: &'a (dyn Sink + Sync),
}

/// Where a call's words go: the host, or a test.
pub(crate) trait Sink {
    fn log(&self, level: Level, text: &str);
    fn progress(&self, fraction: f64, stage: &str);
    fn cancelled(&self) -> bool;
}

/// Weight of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// For the curious.
    Info,
    /// The result may surprise.
    Warn,
}

impl<'a> Context<'a> {
    pub(crate) fn new(seed: u64, threads: usize, sink: &'a (dyn Sink + Sync)) -> Self {
        Self {
            seed,
            threads: threads.max(1),
            sink,
        }
    }

    /// The seed of every random choice. There is no other source of randomness.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Threads the call may use, at least 1. The result must not depend on it.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Says how far the call has got: `fraction` in `0.0..=1.0`, and the name of the stage.
    pub fn progress(&self, fraction: f64, stage: &str) {
        self.sink.progress(fraction.clamp(0.0, 1.0), stage);
    }

    /// Writes a line for the curious to the job's log.
    pub fn info(&self, text: &str) {
        self.sink.log(Level::Info, text);
    }

    /// Writes a line to the job's log: the result may surprise.
    pub fn warn(&self, text: &str) {
        self.sink.log(Level::Warn, text);
    }

    /// Ends the call with `?` once it should stop. Cheap: ask in every outer loop.
    ///
    /// # Errors
    /// [`Error::Cancelled`].
    pub fn check_cancelled(&self) -> Result<()> {
        if self.sink.cancelled() {
            return Err(Error::Cancelled);
        }
        Ok(())
    }
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("seed", &self.seed)
            .field("threads", &self.threads)
            .finish_non_exhaustive()
    }
}
